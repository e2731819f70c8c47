#include <stdlib.h>
#include <string.h>

#include "snapsync/store.h"

void name_list_init(struct name_list *l)
{
	memset(l, 0, sizeof(*l));
	arena_init(&l->arena);
}

void name_list_release(struct name_list *l)
{
	free(l->rows);
	arena_release(&l->arena);
	name_list_init(l);
}

void name_list_clear(struct name_list *l)
{
	l->count = 0;
	arena_clear(&l->arena);
}

int name_list_add(struct name_list *l, struct place at, int64_t inode,
		  enum fsys_type type, struct err *err)
{
	struct name_row *row;
	int r = vec_grow((void **)&l->rows, &l->cap, l->count + 1,
			 sizeof(*l->rows), err);

	if (r < 0)
		return r;
	row = &l->rows[l->count];
	row->at = at;
	row->at.name = arena_copy(&l->arena, at.name, at.len, err);
	if (!row->at.name)
		return err->code;
	row->inode = inode;
	row->type = type;
	l->count++;
	return 0;
}
