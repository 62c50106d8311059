/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep stats --timing: how long the requests of this node's programs take, class by class. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include <lockstep/lockstep_timing.h>

#include "tools/lockstep.h"

#define BAR 40 /* characters of the longest */

struct shown {
	struct json_object *list; /* NULL: text */
	unsigned int count;
};

static double us(int64_t ns)
{
	return (double)ns / 1000;
}

/* The buckets from the first to the last that is not empty. */
static void histogram_print(const struct lockstep_timing_class *c)
{
	unsigned int first = LOCKSTEP_TIMING_BUCKETS, last = 0;
	uint64_t most = 0;

	for (unsigned int i = 0; i < LOCKSTEP_TIMING_BUCKETS; i++) {
		if (c->histogram[i]) {
			first = first == LOCKSTEP_TIMING_BUCKETS ? i : first;
			last = i;
			most = c->histogram[i] > most ? c->histogram[i] : most;
		}
	}
	for (unsigned int i = first; i <= last && most; i++) {
		uint64_t length = (c->histogram[i] * BAR + most - 1) / most;

		(void)printf("  %s%8" PRIu64 " us %10" PRIu64 " %.*s\n",
			     i == LOCKSTEP_TIMING_BUCKETS - 1 ? ">=" : "< ",
			     (uint64_t)1 << (i == LOCKSTEP_TIMING_BUCKETS - 1 ? i - 1 : i),
			     c->histogram[i], (int)length,
			     "########################################");
	}
}

static void text_print(uint32_t pid, const char *comm, const char *space,
		       const struct lockstep_timing_class *c)
{
	const struct lockstep_timing *t = &c->timing;
	char name[4 * LOCKSTEP_COMM_MAX + 4], where[4 * LOCKSTEP_SPACE_MAX + 4];
	char what[4 * LOCKSTEP_TIMING_CLASS_MAX + 4];

	/* They come from a file of somebody else. */
	(void)printf("%s (pid %" PRIu32 "), lockspace %s, class %s\n",
		     bytes_escape(comm, strlen(comm), false, name), pid,
		     bytes_escape(space, strlen(space), false, where),
		     c->name[0] ? bytes_escape(c->name, strlen(c->name), false, what) : "-");
	(void)printf("  requests %" PRIu64 ", queued now %" PRIu64 "\n", t->dcount, t->qcount);
	(void)printf("  at once    %12.1f us +- %.1f\n", us(t->srtt), us(t->srttvar));
	(void)printf("  may wait   %12.1f us +- %.1f\n", us(t->srttb), us(t->srttvarb));
	(void)printf("  apart      %12.1f us +- %.1f\n", us(t->sirt), us(t->sirtvar));
	histogram_print(c);
}

static struct json_object *escaped(const char *text)
{
	char out[4 * LOCKSTEP_SPACE_MAX + 4]; /* the longest of the three */

	return json_object_new_string(bytes_escape(text, strlen(text), true, out));
}

static struct json_object *class_json(uint32_t pid, const char *comm, const char *space,
				      const struct lockstep_timing_class *c)
{
	const struct lockstep_timing *t = &c->timing;
	struct json_object *o = json_object_new_object();
	struct json_object *histogram = json_object_new_array();

	json_put(o, "pid", json_object_new_uint64(pid));
	json_put(o, "comm", escaped(comm));
	json_put(o, "lockspace", escaped(space));
	json_put(o, "class", escaped(c->name));
	json_put(o, "srtt_ns", json_object_new_int64(t->srtt));
	json_put(o, "srttvar_ns", json_object_new_int64(t->srttvar));
	json_put(o, "srttb_ns", json_object_new_int64(t->srttb));
	json_put(o, "srttvarb_ns", json_object_new_int64(t->srttvarb));
	json_put(o, "sirt_ns", json_object_new_int64(t->sirt));
	json_put(o, "sirtvar_ns", json_object_new_int64(t->sirtvar));
	json_put(o, "dcount", json_object_new_uint64(t->dcount));
	json_put(o, "qcount", json_object_new_uint64(t->qcount));
	for (unsigned int i = 0; i < LOCKSTEP_TIMING_BUCKETS; i++) {
		(void)json_object_array_add(histogram, json_object_new_uint64(c->histogram[i]));
	}
	json_put(o, "histogram", histogram);
	return o;
}

static int on_class(uint32_t pid, const char *comm, const char *space,
		    const struct lockstep_timing_class *c, void *arg)
{
	struct shown *shown = arg;

	shown->count++;
	if (shown->list) {
		(void)json_object_array_add(shown->list, class_json(pid, comm, space, c));
	} else {
		text_print(pid, comm, space, c);
	}
	return 0;
}

int timing_show(struct cli *cli)
{
	struct shown shown = { .list = cli->json ? json_object_new_array() : NULL };
	int error = lockstep_timing_read(on_class, &shown);

	if (error) {
		(void)json_object_put(shown.list);
		return fail(error, "stats --timing");
	}
	if (shown.list) {
		return json_print(shown.list);
	}
	if (shown.count == 0) {
		(void)printf("no program of this node that may be looked at has LOCKSTEP_TIMING=1\n");
	}
	return output_end();
}
