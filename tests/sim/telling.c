/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim-scripted: tells every story under several seeds, and again without each rule that the story says it shows.
 * `--verbose NAME` tells one in full; NAME may be that of a story without one of its rules.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/words.h"

enum { SEEDS = 20 };

/* One story, or one without a rule (@without NULL: with all). */
struct told {
	char name[100];
	const struct story_entry *story;
	const struct story_without *without;
};

static bool seed_tell(struct world *w, const struct told *t, uint64_t seed)
{
	struct counters counters = { 0 };
	bool good;

	begin(w, seed, &t->story->cast, t->without ? t->without->mutation : 0, &counters);
	t->story->run(w);
	good = !w->failed;
	if (t->without) {
		good = w->failed && strstr(w->violation, t->without->violation) != NULL;
		if (w->story.on) {
			(void)printf("%s, seed %llu: %s\n", t->name, (unsigned long long)seed,
				     w->failed ? w->violation : "nothing happens");
		}
	} else if (!good) {
		(void)printf("%s, seed %llu: at %.3f ms: %s\n", t->name, (unsigned long long)seed,
			     (double)world_now(w) / 1000.0, w->violation);
	}
	world_done(w);
	return good;
}

/* With all rules every seed ends well; without one some seed ends with the violation. */
static bool told_tell(struct world *w, const struct told *t, bool verbose)
{
	unsigned int good = 0;
	bool enough;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		w->story.on = w->story.print = verbose;
		good += seed_tell(w, t, seed) ? 1 : 0;
		if (!t->without && good < seed) {
			break;
		}
	}
	enough = t->without ? good > 0 : good == SEEDS;
	if (t->without) {
		(void)printf("%s: %s: %u of %d seeds end with \"%s\"\n", t->name, enough ? "ok" : "FAILED", good,
			     SEEDS, t->without->violation);
	} else {
		(void)printf("%s: %s\n", t->name, enough ? "ok" : "FAILED");
	}
	return enough;
}

static unsigned int story_entry_tell(struct world *w, const struct story_entry *s, const char *only, bool verbose)
{
	struct told t = { .story = s };
	unsigned int bad = 0;

	(void)snprintf(t.name, sizeof(t.name), "%s", s->name);
	if (!only || strcmp(only, t.name) == 0) {
		bad += told_tell(w, &t, verbose) ? 0 : 1;
	}
	for (size_t i = 0; i < STORY_WITHOUT_MAX && s->without[i].name; i++) {
		t.without = &s->without[i];
		(void)snprintf(t.name, sizeof(t.name), "%s-%s", s->name, t.without->name);
		if (!only || strcmp(only, t.name) == 0) {
			bad += told_tell(w, &t, verbose) ? 0 : 1;
		}
	}
	return bad;
}

int main(int argc, char **argv)
{
	static const struct story_entry *const books[] = {
		stories, stories_join, stories_merge, stories_quorum, stories_fence,
	};
	const char *only = NULL;
	struct world *w = calloc(1, sizeof(*w));
	bool verbose = false;
	unsigned int bad = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0) {
			verbose = true;
		} else {
			only = argv[i];
		}
	}
	if (!w) {
		return 2;
	}
	for (size_t i = 0; i < sizeof(books) / sizeof(books[0]); i++) {
		for (const struct story_entry *s = books[i]; s->name; s++) {
			bad += story_entry_tell(w, s, only, verbose);
		}
	}
	free(w);
	return bad > 0 ? 1 : 0;
}
