#include <string.h>

#include "ship_local.h"

void plan_init(struct plan *p)
{
	memset(p, 0, sizeof(*p));
	map_init(&p->names, sizeof(struct t_name));
	map_init(&p->dirs, sizeof(struct t_dir));
	map_init(&p->homes, sizeof(struct t_dir));
	map_init(&p->firm, sizeof(struct t_dir));
	map_init(&p->placed, 1);
	map_init(&p->touched, 1);
	map_init(&p->parked, sizeof(struct t_dir));
	map_init(&p->busy, 8);
	arena_init(&p->arena);
	buf_init(&p->path, PATH_BYTES_MAX + 512);
	p->path_of = -1;
}

void plan_clear(struct plan *p)
{
	map_clear(&p->names);
	map_clear(&p->dirs);
	map_clear(&p->homes);
	map_clear(&p->firm);
	map_clear(&p->placed);
	map_clear(&p->touched);
	map_clear(&p->parked);
	map_clear(&p->busy);
	arena_release(&p->arena);
	p->path_of = -1;
	p->depth = 0;
}

void plan_release(struct plan *p)
{
	plan_clear(p);
	map_release(&p->names);
	map_release(&p->dirs);
	map_release(&p->homes);
	map_release(&p->firm);
	map_release(&p->placed);
	map_release(&p->touched);
	map_release(&p->parked);
	map_release(&p->busy);
	buf_release(&p->path);
}

/* The key of a name: parent's bytes, then the name's. */
static size_t name_key(struct place at, unsigned char *key)
{
	size_t len = at.len > PATH_NAME_MAX ? PATH_NAME_MAX : at.len;

	memcpy(key, &at.parent, sizeof(at.parent));
	memcpy(key + sizeof(at.parent), at.name, len);
	return sizeof(at.parent) + len;
}

bool plan_changed(struct ship *h, struct place at, int64_t *inode,
		  enum fsys_type *type)
{
	unsigned char key[sizeof(int64_t) + PATH_NAME_MAX];
	struct t_name *t = map_get(&h->plan.names, key, name_key(at, key));

	if (!t)
		return false;
	*inode = t->inode;
	*type = t->type;
	return true;
}

int plan_get(struct ship *h, struct place at, int64_t *inode,
	     enum fsys_type *type, struct err *err)
{
	return plan_changed(h, at, inode, type)
		       ? *inode != 0
		       : mirror_get(h->s, h->d->id, at, inode, type, err);
}

int plan_set(struct ship *h, struct place at, int64_t inode,
	     enum fsys_type type, struct err *err)
{
	unsigned char key[sizeof(int64_t) + PATH_NAME_MAX];
	struct plan *p = &h->plan;
	struct t_name *t;
	struct t_dir *dir;

	t = map_put(&p->names, key, name_key(at, key), NULL, err);
	if (!t)
		return err->code;
	t->inode = inode;
	t->type = inode ? type : FSYS_NONE;
	if (!inode)
		return 0;
	dir = map_put_u64(type == FSYS_DIR ? &p->dirs : &p->homes,
			  (uint64_t)inode, NULL, err);
	if (!dir)
		return err->code;
	dir->at = at;
	dir->at.name = arena_copy(&p->arena, at.name, at.len, err);
	if (!dir->at.name)
		return err->code;
	if (type == FSYS_DIR)
		p->path_of = -1;
	return 0;
}

/* A directory's place in the mirror is asked for again and again. */
static int remember(struct plan *p, int64_t inode, enum fsys_type type,
		    struct place at, struct err *err)
{
	struct t_dir *dir;

	if (type != FSYS_DIR)
		return 1;
	dir = map_put_u64(&p->dirs, (uint64_t)inode, NULL, err);
	if (!dir)
		return err->code;
	dir->at = at;
	return 1;
}

int plan_where(struct ship *h, int64_t inode, enum fsys_type type,
	       struct place *out, struct err *err)
{
	struct plan *p = &h->plan;
	struct t_dir *dir = map_get_u64(type == FSYS_DIR ? &p->dirs : &p->homes,
					(uint64_t)inode);
	enum fsys_type there_type;
	struct name_list names;
	int64_t there;
	size_t i;
	int r = 0;

	if (dir) {
		*out = dir->at;
		r = plan_get(h, dir->at, &there, &there_type, err);
		if (r < 0 || (r > 0 && there == inode))
			return r;
	}
	name_list_init(&names);
	r = mirror_names_of(h->s, h->d->id, inode, &names, err);
	if (r >= 0 && type != FSYS_DIR) /* where it may have come to be */
		r = store_names_of(h->s, inode, &names, err);
	for (i = 0; r >= 0 && i < names.count; i++) {
		r = plan_get(h, names.rows[i].at, &there, &there_type, err);
		if (r > 0 && there == inode) {
			*out = names.rows[i].at;
			out->name = arena_copy(&p->arena, out->name, out->len,
					       err);
			name_list_release(&names);
			return out->name ? remember(p, inode, type, *out, err)
					 : err->code;
		}
	}
	name_list_release(&names);
	return r < 0 ? r : 0;
}

/* The path of a directory in T into p->path. */
static int dir_path(struct ship *h, int64_t dir, struct err *err)
{
	struct plan *p = &h->plan;
	struct place at;
	int64_t up = dir;
	size_t depth;
	int r;

	if (p->path_of == dir)
		return 0;
	p->path_of = -1;
	buf_clear(&p->path);
	for (depth = 0; up != STORE_ROOT && up != STORE_LIMBO; depth++) {
		r = plan_where(h, up, FSYS_DIR, &at, err);
		if (r < 0)
			return r;
		if (r == 0 || depth > PATH_DEPTH_MAX) {
			h->surprised = true; /* a listing will tell */
			return err_set(err, ERR_VANISHED,
				       "a directory has no place at the "
				       "destination");
		}
		r = path_prepend(&p->path, at.name, at.len, err);
		if (r < 0)
			return err_set(err, ERR_NAME, "path too long");
		up = at.parent;
	}
	p->area = up == STORE_LIMBO ? MSG_LIMBO : MSG_TREE;
	p->path_of = dir;
	return 0;
}

int plan_path(struct ship *h, struct place at, struct buf *out,
	      enum msg_area *area, struct err *err)
{
	int r = dir_path(h, at.parent, err);

	buf_clear(out);
	if (r == 0)
		r = buf_put(out, h->plan.path.data, h->plan.path.len, err);
	if (r == 0)
		r = path_push(out, at.name, at.len, err);
	*area = h->plan.area;
	return r;
}

int plan_touch(struct ship *h, int64_t dir, struct err *err)
{
	if (dir <= 0)
		return 0;
	return map_put_u64(&h->plan.touched, (uint64_t)dir, NULL, err)
		       ? 0
		       : err->code;
}
