#include "snapsync/scan.h"

#include <stdlib.h>
#include <string.h>

#include "scan_local.h"

struct scan_job *scan_claim(struct scan_walk *w, size_t at, struct err *err)
{
	struct scan_job *job = w->spare;

	if (job) {
		w->spare = job->next;
	} else {
		job = calloc(1, sizeof(*job));
		if (!job) {
			err_set(err, ERR_MEMORY, "out of memory");
			return NULL;
		}
		scan_list_init(&job->list);
	}
	scan_list_begin(&job->list);
	job->todo = w->todo[at];
	memmove(&w->todo[at], &w->todo[at + 1],
		(w->todos - at - 1) * sizeof(*w->todo));
	w->todos--;
	return job;
}

void scan_do(struct scan_walk *w, struct scan_job *job)
{
	struct scan_todo *t = &job->todo;
	struct scan_list *l = &job->list;
	bool look = !w->options->one_file_system || t->dev == w->root_dev;
	struct scan_node *up = t->up;
	bool gone = false;
	int fd = up ? scan_node_fd(w, up, &gone, &job->err) : w->root_fd;
	struct scan_memory *memory = w->options->memory;
	const struct scan_known *known = scan_memory_get(memory, t->cookie);

	job->code = up ? scan_node_path(up, t->name, &l->path, &job->err) : 0;
	if (job->code < 0)
		return;
	if (fd < 0) { /* the parent's descriptor was given up */
		if (err_class(fd) == ERR_CLASS_FATAL)
			job->code = fd;
		l->sys = job->err.sys;
		l->flags |= SCAN_UNREADABLE | (gone ? SCAN_VANISHED : 0);
		return;
	}
	if (up)
		up->users++;
	scan_ahead_unlock(w);
	job->code = scan_list_open(l, fd, up ? t->name : ".", w->options, look,
				   known, &job->err);
	scan_ahead_lock(w);
	if (memory && job->code == 0)
		scan_memory_put(memory, t->cookie, l);
	if (up)
		up->users--;
}

static int push_todo(struct scan_walk *w, struct scan_node *up,
		     const char *name, uint64_t cookie,
		     const struct fsys_stat *st, struct err *err)
{
	struct scan_todo *t;
	int r = vec_grow((void **)&w->todo, &w->todo_cap, w->todos + 1,
			 sizeof(*w->todo), err);

	if (r < 0)
		return r;
	t = &w->todo[w->todos];
	t->cookie = cookie;
	t->dev = st->dev;
	t->ino = st->ino;
	t->up = up;
	t->name = strdup(name);
	if (!t->name)
		return err_set(err, ERR_MEMORY, "out of memory");
	if (up)
		up->refs++;
	w->todos++;
	return 0;
}

/* Backwards, so that the first entry ends on top. */
static int push_children(struct scan_walk *w, struct scan_node *n,
			 struct scan_list *l, struct err *err)
{
	size_t i;
	int r = 0;

	for (i = l->count; r == 0 && i > 0; i--) {
		struct scan_entry *e = &l->entries[i - 1];

		if (e->descend && e->st.type == FSYS_DIR)
			r = push_todo(w, n, e->name, e->cookie, &e->st, err);
	}
	scan_ahead_wake(w);
	return r;
}

/* Hand a listed directory over.  The lock is given up for the callback. */
static int visit(struct scan_walk *w, struct scan_job *job, struct err *err)
{
	struct scan_dir dir = {.cookie = job->todo.cookie};
	struct scan_list *l = &job->list;
	struct scan_node *n;
	int r = job->code;

	if (r < 0)
		*err = job->err;
	else
		r = buf_terminate(&l->path, err);
	if (r < 0)
		return r;
	dir.fd = l->fd;
	dir.flags = l->flags;
	dir.sys = l->sys;
	dir.st = l->st;
	dir.path = (const char *)l->path.data;
	dir.path_len = l->path.len;
	dir.entries = l->entries;
	dir.count = l->count;
	dir.hidden = l->hidden;
	l->fd = -1;
	/* What was seen by its name may have been what it is mounted on. */
	if (!(l->flags & (SCAN_UNREADABLE | SCAN_BOUNDARY))) {
		job->todo.dev = l->st.dev;
		job->todo.ino = l->st.ino;
	}
	n = scan_node_new(w, &job->todo, dir.fd, err);
	if (!n)
		return err->code;
	n->users++;
	scan_ahead_unlock(w);
	r = w->on_dir(w->arg, &dir, err);
	scan_ahead_lock(w);
	n->users--;
	if (r >= 0)
		r = push_children(w, n, l, err);
	scan_node_unref(w, n);
	return r;
}

static void drop_todo(struct scan_walk *w, struct scan_todo *t)
{
	scan_node_unref(w, t->up);
	free(t->name);
	memset(t, 0, sizeof(*t));
}

void scan_job_free(struct scan_walk *w, struct scan_job *job)
{
	drop_todo(w, &job->todo);
	scan_list_release(&job->list);
	free(job);
}

static int walk_all(struct scan_walk *w, struct err *err)
{
	const volatile int *stop = w->options->stop;
	struct scan_job *job;
	int r = 0;

	scan_ahead_lock(w);
	while (r == 0) {
		job = scan_ahead_next(w, w->todos == 0);
		if (!job && w->todos == 0)
			break;
		if (!job) {
			job = scan_claim(w, w->todos - 1, err);
			if (!job) {
				r = err->code;
				break;
			}
			scan_do(w, job);
		}
		r = stop && *stop
			    ? err_set(err, ERR_SIGNAL, "stopped by a signal")
			    : visit(w, job, err);
		drop_todo(w, &job->todo);
		job->next = w->spare;
		w->spare = job;
	}
	scan_ahead_unlock(w);
	return r;
}

int scan_walk(int root_fd, const struct scan_options *options,
	      uint64_t root_cookie, scan_dir_fn on_dir, void *arg,
	      struct err *err)
{
	struct scan_walk w = {.options = options,
			      .on_dir = on_dir,
			      .arg = arg,
			      .root_fd = root_fd};
	struct scan_job *job;
	struct fsys_stat st;
	int r = fsys_fstat(root_fd, &st, err);

	w.root_dev = st.dev;
	if (options->memory)
		scan_memory_begin(options->memory);
	if (r == 0)
		r = push_todo(&w, NULL, "", root_cookie, &st, err);
	if (r == 0) {
		scan_ahead_start(&w);
		r = walk_all(&w, err);
		scan_ahead_stop(&w);
		if (options->memory && r == 0)
			scan_memory_end(options->memory);
	}
	while (w.todos > 0)
		drop_todo(&w, &w.todo[--w.todos]);
	while ((job = w.finished ? w.finished : w.spare)) {
		*(w.finished ? &w.finished : &w.spare) = job->next;
		scan_job_free(&w, job);
	}
	free(w.todo);
	return r;
}
