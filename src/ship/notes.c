#include <string.h>

#include "ship_local.h"
#include "snapsync/problem.h"

enum note_kind { NOTE_KNOWN, NOTE_CHUNKS, NOTE_SETTLED, NOTE_PROBLEM };

struct note {
	enum note_kind kind;
	int64_t inode;
	unsigned flags;
	struct attr a;		/* KNOWN, CHUNKS: only its hash */
	struct chunk_list list; /* CHUNKS, owned */
	struct view path;	/* PROBLEM */
	int code;
	const char *text;
};

static struct note *add(struct ship *h, enum note_kind kind, int64_t inode,
			struct err *err)
{
	struct note *n;

	if (vec_grow((void **)&h->notes, &h->note_cap, h->note_count + 1,
		     sizeof(*h->notes), err) < 0)
		return NULL;
	n = &h->notes[h->note_count++];
	memset(n, 0, sizeof(*n));
	n->kind = kind;
	n->inode = inode;
	return n;
}

static int bounded(struct ship *h, struct err *err)
{
	return h->note_count >= BATCH_OPS ? notes_flush(h, err) : 0;
}

int notes_known(struct ship *h, int64_t inode, const struct hash *hash,
		unsigned flags, struct err *err)
{
	struct note *n = add(h, NOTE_KNOWN, inode, err);

	if (!n)
		return err->code;
	n->a.hash = *hash;
	n->flags = flags;
	return 0;
}

int notes_chunks(struct ship *h, int64_t inode, const struct hash *hash,
		 struct chunk_list *l, struct err *err)
{
	struct note *n = add(h, NOTE_CHUNKS, inode, err);

	if (!n)
		return err->code;
	n->a.hash = *hash;
	n->list = *l;
	memset(l, 0, sizeof(*l));
	return bounded(h, err);
}

int notes_settled(struct ship *h, int64_t inode, const struct attr *a,
		  struct err *err)
{
	struct note *n = add(h, NOTE_SETTLED, inode, err);

	if (!n)
		return err->code;
	n->a = *a;
	return bounded(h, err);
}

int notes_problem(struct ship *h, struct place at, int code, const char *text,
		  struct err *err)
{
	size_t text_len = strlen(text);
	char *line = arena_copy(&h->note_arena, text, text_len, err);
	struct note *n = line ? add(h, NOTE_PROBLEM, 0, err) : NULL;
	struct buf path;
	int r;

	if (!n)
		return err->code;
	buf_init(&path, 1 << 24);
	r = store_path(h->s, at, &path, err);
	problem_tell(&h->teller, view_of(path.data, path.len), code, line);
	n->code = code;
	n->text = line;
	n->path = view_of(arena_copy(&h->note_arena, path.data, path.len, err),
			  path.len);
	buf_release(&path);
	h->counts.failed++;
	if (r < 0 || !n->path.p)
		return err->code;
	return bounded(h, err);
}

void notes_drop(struct ship *h)
{
	size_t i;

	for (i = 0; i < h->note_count; i++)
		chunk_list_release(&h->notes[i].list);
	h->note_count = 0;
	arena_clear(&h->note_arena);
}

int notes_write(struct ship *h, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < h->note_count; i++) {
		struct note *n = &h->notes[i];

		switch (n->kind) {
		case NOTE_KNOWN:
			r = store_inode_known(h->s, n->inode, &n->a.hash,
					      n->flags, err);
			if (r == 0 && n->flags & STORE_YOUNG)
				r = store_print_spoil(h->s, n->inode, err);
			break;
		case NOTE_CHUNKS:
			r = index_put(h->s, n->inode, &n->a.hash, &n->list,
				      err);
			break;
		case NOTE_SETTLED:
			r = mirror_set_inode(h->s, h->d->id, n->inode, &n->a,
					     err);
			break;
		case NOTE_PROBLEM:
			r = problem_note(h->s, h->d->id, n->path, n->code,
					 n->text, err);
			break;
		}
	}
	notes_drop(h);
	return r;
}

int notes_flush(struct ship *h, struct err *err)
{
	int r;

	if (h->note_count == 0)
		return 0;
	r = db_begin(store_db(h->s), err);
	if (r == 0)
		r = notes_write(h, err);
	if (r == 0)
		return db_commit(store_db(h->s), err);
	db_rollback(store_db(h->s));
	return r;
}
