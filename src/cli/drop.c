/*
 * What a one-pass run gives up when it has its connection: from then on it
 * reads the source, writes its state, and no more; what the far end sends is
 * read after that.  A run with --interval may have to connect again, which can
 * take any program and file that ssh wants: it keeps everything.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "snapsync/fsys.h"
#include "snapsync/sandbox.h"

/* Where the database really is: somebody may have put a link in its place. */
static int open_state(const struct client *k, struct err *err)
{
	char path[PATH_MAX + 16], real[PATH_MAX];
	char *slash;

	snprintf(path, sizeof(path), "%s/state.db", k->state);
	if (!realpath(path, real))
		return fsys_open_root(k->state, err);
	slash = strrchr(real, '/');
	slash[slash == real] = 0;
	return fsys_open_root(real, err);
}

void drop_rights(struct client *k)
{
	const char *tmp = getenv("SQLITE_TMPDIR"); /* see state_find */
	struct sandbox_place places[3];
	struct sandbox_held held;
	struct err ignored;
	size_t count = 0, i;

	if (k->c->interval > 0) {
		log_line(&k->out.log, LOG_INFO,
			 "client: not confined (with --interval it may have to "
			 "connect again)");
		return;
	}
	tzset(); /* reads a file that is out of reach then */
	places[count++].dir = fsys_dup(k->root_fd, &ignored);
	places[count++].dir = open_state(k, &ignored);
	if (tmp)
		places[count++].dir = fsys_open_root(tmp, &ignored);
	for (i = 0; i < count; i++)
		places[i].write = i > 0;
	if (places[0].dir >= 0 && places[1].dir >= 0) {
		/* One that is not there is of no use to SQLite either. */
		if (tmp && places[2].dir < 0)
			tmp = NULL;
		sandbox_enter(places, tmp ? 3 : 2, 0, &held);
		log_line(&k->out.log, LOG_INFO, "client: confined %s%s%s",
			 held.files ? "to reading SRC and writing its state by "
				    : "by its own checks only (",
			 held.how, held.files ? "" : ")");
	}
	for (i = 0; i < count; i++)
		fsys_close(places[i].dir);
}
