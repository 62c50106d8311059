/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

void world_init(struct world *w, const struct world_config *config, struct counters *counters)
{
	struct story story = w->story;
	bool cpgtrace = w->cpgtrace;

	memset(w, 0, sizeof(*w));
	w->story = story;
	w->cpgtrace = cpgtrace;
	w->config = *config;
	w->counters = counters;
	w->steps_max = UINT64_MAX;
	prng_seed(&w->prng, config->seed);
	w->cpg = cpgmodel_new(w, &config->cpg);
	checker_init(w);
	recovery_init(w);
	for (unsigned int i = 0; i < config->cpg.hosts; i++) {
		w->nodes[i].w = w;
		w->nodes[i].host = i;
	}
	clients_init(w);
}

void world_done(struct world *w)
{
	/* Their counters are summed there. */
	for (unsigned int i = 0; i < w->config.cpg.hosts; i++) {
		simnode_kill(&w->nodes[i], true);
	}
	timeline_done(&w->timeline);
	arena_done(&w->arena);
}

void world_fail(struct world *w, const char *format, ...)
{
	va_list ap;

	if (w->failed) {
		return;
	}
	w->failed = true;
	va_start(ap, format);
	(void)vsnprintf(w->violation, sizeof(w->violation), format, ap);
	va_end(ap);
	story_tell(w, "VIOLATION: %s", w->violation);
}

void world_run(struct world *w, uint64_t us)
{
	uint64_t end = world_now(w) + us;

	while (!w->failed && timeline_next_us(&w->timeline) <= end) {
		(void)timeline_step(&w->timeline);
		if (w->timeline.steps > w->steps_max) {
			world_fail(w, "too many steps");
		}
	}
	if (!w->failed) {
		w->timeline.now_us = end;
	}
}

bool world_run_until(struct world *w, bool (*done)(struct world *w), uint64_t limit_us)
{
	uint64_t end = world_now(w) + limit_us;

	while (!w->failed && world_now(w) < end) {
		if (done(w)) {
			return true;
		}
		world_run(w, 10000);
	}
	return !w->failed && done(w);
}

void counters_add(struct counters *c, const char *name, uint64_t value)
{
	for (size_t i = 0; i < c->count; i++) {
		if (strcmp(c->names[i], name) == 0) {
			c->values[i] += value;
			return;
		}
	}
	if (c->count < COUNTERS_MAX) {
		(void)snprintf(c->names[c->count], sizeof(c->names[0]), "%s", name);
		c->values[c->count++] = value;
	}
}
