/* -P: how far the run is, its rate, how long it will take, and what is at
 * hand. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "snapsync/clock.h"

#define TICK_TERMINAL (CLOCK_SECOND / 5)
#define TICK_OTHER (5 * CLOCK_SECOND)
#define SMOOTH 0.3 /* weight of the newest measurement */
#define COLUMNS 80

static size_t columns(void)
{
	const char *text = getenv("COLUMNS");
	int n = text ? atoi(text) : 0;

	return n >= 40 && n < 1000 ? (size_t)n : COLUMNS;
}

void output_clear(struct output *o)
{
	if (!o->ticker.on_screen)
		return;
	fprintf(stdout, "\r%*s\r", (int)columns() - 1, "");
	fflush(stdout);
	o->ticker.on_screen = false;
}

static void measure(struct ticker *t, const struct ship_progress *p,
		    int64_t now)
{
	double dt = (double)(now - t->shown) / 1e9;
	double rate = (double)(p->content - t->content) / dt;
	double pace = (double)(p->done - t->work) / dt;
	double percent;

	if (t->shown == t->started) {
		t->rate = rate;
		t->pace = pace;
	}
	t->rate += SMOOTH * (rate - t->rate);
	t->pace += SMOOTH * (pace - t->pace);
	t->shown = now;
	t->content = p->content;
	t->work = p->done;
	percent = p->total ? 100.0 * (double)p->done / (double)p->total : 0;
	if (percent > 99)
		percent = 99; /* the rest is for the far end to say */
	if (percent > t->percent)
		t->percent = percent;
}

static long seconds_left(const struct ticker *t, const struct ship_progress *p)
{
	double s = t->pace > 0 && p->total > p->done
			   ? (double)(p->total - p->done) / t->pace
			   : 0;

	return s < 359999 ? (long)(s + 0.5) : 359999;
}

static void left(const struct ticker *t, const struct ship_progress *p,
		 char *out, size_t size)
{
	long n = seconds_left(t, p);

	snprintf(out, size, "%ld:%02ld:%02ld", n / 3600, n / 60 % 60, n % 60);
}

static void show(struct output *o, const struct ship_progress *p)
{
	char content[32], rate[32], eta[32], path[8192], line[9000];
	struct config c = {.human = 1};
	struct ticker *t = &o->ticker;
	size_t room, len;

	if (o->c->json) {
		json_begin("progress");
		json_number("percent", (int64_t)t->percent);
		json_number("bytes", (int64_t)p->content);
		json_number("rate", (int64_t)t->rate);
		json_number("eta", (int64_t)seconds_left(t, p));
		json_path(p->path);
		json_end();
		return;
	}
	output_number(&c, p->content, content, sizeof(content));
	output_number(&c, (uint64_t)t->rate, rate, sizeof(rate));
	left(t, p, eta, sizeof(eta));
	log_escape(p->path.p, p->path.len, path, sizeof(path));
	len = (size_t)snprintf(line, sizeof(line), "%8s %3d%% %8s/s %8s  ",
			       content, (int)t->percent, rate, eta);
	room = columns() - 1 > len ? columns() - 1 - len : 0;
	if (t->terminal && strlen(path) > room && room > 3)
		snprintf(line + len, sizeof(line) - len, "...%s",
			 path + strlen(path) - (room - 3));
	else
		snprintf(line + len, sizeof(line) - len, "%s", path);
	if (t->terminal) {
		output_clear(o);
		printf("%s", line);
		t->on_screen = true;
	} else {
		printf("%s\n", line);
	}
	fflush(stdout);
}

void output_tick(void *arg, const struct ship_progress *p)
{
	static const struct ticker none;
	struct output *o = arg;
	struct ticker *t = &o->ticker;
	int64_t now = clock_mono();

	if (!t->started) {
		t->started = t->shown = now;
		t->terminal = !o->c->json && isatty(STDOUT_FILENO);
	}
	if (p->over) {
		if (p->done && p->complete) {
			t->percent = 100;
			t->pace = 0;
			t->rate = (double)p->content * 1e9 /
				  (double)(now - t->started + 1);
			show(o, p);
		}
		if (t->on_screen)
			printf("\n");
		*t = none;
		return;
	}
	if (now - t->shown < (t->terminal  ? TICK_TERMINAL
			      : o->c->json ? CLOCK_SECOND
					   : TICK_OTHER))
		return;
	measure(t, p, now);
	show(o, p);
}
