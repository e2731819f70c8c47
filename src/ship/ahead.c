/*
 * Reading ahead: while one file is read, hashed and sent, a thread asks the
 * system to fetch the files that come next.  Only hints: what it opens is not
 * read here, and nothing depends on it.  It is used while reading waits for
 * the disk; where all is in memory already it would only cost time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ship_local.h"
#include "snapsync/thread.h"

#define WAITS_MIN 16 /* blocks read for one page of names: then it pays */
#define LIST_BYTES (1u << 20)

struct ahead {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int root_fd;
	bool started, leaving;
	unsigned page;	 /* counts what was handed over */
	struct buf next; /* handed over and not taken yet */
	long blocks;	 /* read from disk when the last page began */
};

static void fetch(int dir, const char *name)
{
	struct err ignored;
	int fd = fsys_open(dir, name, FSYS_READ, 0, &ignored);

	if (fd >= 0)
		fsys_will_need(fd, MSG_DATA_MAX);
	fsys_close(fd);
}

static bool is_over(struct ahead *a, unsigned page)
{
	bool over;

	pthread_mutex_lock(&a->lock);
	over = a->leaving || a->page != page;
	pthread_mutex_unlock(&a->lock);
	return over;
}

static void fetch_all(struct ahead *a, const struct buf *list, unsigned page)
{
	const char *p = (const char *)list->data, *end = p + list->len;
	struct err ignored;
	int dir = -1;

	for (; p < end && !is_over(a, page); p += strlen(p) + 1) {
		if (*p != '/') {
			if (dir >= 0)
				fetch(dir, p);
			continue;
		}
		fsys_close(dir);
		dir = path_open_dir(a->root_fd, view_of(p + 1, strlen(p + 1)),
				    &ignored);
	}
	fsys_close(dir);
}

static void *work(void *arg)
{
	struct ahead *a = arg;
	struct buf mine, swap;
	unsigned page;

	buf_init(&mine, LIST_BYTES);
	pthread_mutex_lock(&a->lock);
	while (!a->leaving) {
		if (a->next.len == 0) {
			pthread_cond_wait(&a->changed, &a->lock);
			continue;
		}
		swap = mine;
		mine = a->next;
		a->next = swap;
		page = a->page;
		pthread_mutex_unlock(&a->lock);
		fetch_all(a, &mine, page);
		buf_clear(&mine);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	buf_release(&mine);
	return NULL;
}

struct ahead *ahead_new(int root_fd)
{
	struct ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	if (pthread_mutex_init(&a->lock, NULL) != 0) {
		free(a);
		return NULL;
	}
	if (pthread_cond_init(&a->changed, NULL) != 0) {
		pthread_mutex_destroy(&a->lock);
		free(a);
		return NULL;
	}
	a->root_fd = root_fd;
	a->blocks = -1;
	buf_init(&a->next, LIST_BYTES);
	return a;
}

bool ahead_pays(struct ahead *a)
{
	struct rusage u;
	bool pays;

	if (!a || getrusage(RUSAGE_SELF, &u) != 0)
		return false;
	pays = a->blocks >= 0 && u.ru_inblock - a->blocks >= WAITS_MIN;
	a->blocks = u.ru_inblock;
	return pays;
}

void ahead_hand(struct ahead *a, struct buf *list)
{
	struct buf swap;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	swap = a->next;
	a->next = *list;
	*list = swap;
	a->page++;
	if (!a->started)
		a->started = thread_start(&a->thread, work, a);
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	buf_clear(list);
}

void ahead_free(struct ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->leaving = true;
	pthread_cond_signal(&a->changed);
	pthread_mutex_unlock(&a->lock);
	if (a->started)
		pthread_join(a->thread, NULL);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	buf_release(&a->next);
	free(a);
}
