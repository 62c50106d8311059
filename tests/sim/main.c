/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep-sim: runs the real node and engine code of a whole cluster in one process, in virtual
 * time, many times. A run is decided by its seed alone.
 *
 *   lockstep-sim --seeds 1..5000            that many runs; 1 and a story on the first violation
 *   lockstep-sim --seed 17 --verbose        one run, told in full
 *   lockstep-sim --seeds 1..500 --mutate no-stable     with one safety rule taken out
 *   lockstep-sim --seeds 1..20 --cpgtrace DIR           writes down what its Corosync did, for cpg-check
 */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/cpgtrace.h"
#include "tests/sim/swarm.h"
#include "tests/sim/world.h"

static const struct {
	const char *name;
	uint32_t bit;
} mutations[] = {
	{ "no-stable", NODE_MUTATE_NO_STABLE },
	{ "no-epoch", NODE_MUTATE_NO_EPOCH },
	{ "no-fence", NODE_MUTATE_NO_FENCE },
	{ "no-electorate", NODE_MUTATE_NO_ELECTORATE },
	{ "no-quorum", NODE_MUTATE_NO_QUORUM },
	{ "no-ringid", NODE_MUTATE_NO_RINGID },
	{ "stab-current", NODE_MUTATE_STAB_CURRENT },
	{ "no-lost-keep", NODE_MUTATE_NO_LOST_KEEP },
};

static uint64_t arg_first = 1;
static uint64_t arg_last = 100;
static bool arg_verbose;
static bool arg_quiet;
static bool arg_keep_going;
static size_t arg_lines = 120;
static const char *arg_cpgtrace;
static struct swarm_options arg_options;

/* For the signal handler: which run an assertion has stopped. */
static volatile sig_atomic_t running_high;
static volatile sig_atomic_t running_low;

static void aborted(int sig)
{
	char text[128];
	unsigned long long seed = (unsigned long long)(unsigned int)running_high << 31 |
				  (unsigned int)running_low;
	int n = snprintf(text, sizeof(text), "seed %llu: stopped by signal %d; run it with --verbose\n", seed,
			 sig);

	if (n > 0) {
		(void)!write(STDERR_FILENO, text, (size_t)n);
	}
	_exit(1);
}

static void usage(FILE *f)
{
	(void)fputs("usage: lockstep-sim [--seeds A..B | --seed S] [--nodes N] [--verbose] [--quiet]\n"
		    "                    [--keep-going] [--lines N] [--mutate NAME]... [--max-steps N]\n"
		    "                    [--cpgtrace DIR]\n"
		    "mutations:",
		    f);
	for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++) {
		(void)fprintf(f, " %s", mutations[i].name);
	}
	(void)fputs("\n", f);
}

static bool parse_seeds(const char *text)
{
	char *end;

	arg_first = strtoull(text, &end, 10);
	arg_last = arg_first;
	if (strncmp(end, "..", 2) == 0) {
		arg_last = strtoull(end + 2, &end, 10);
	}
	return *end == 0 && arg_first <= arg_last;
}

static bool parse_mutation(const char *text)
{
	for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++) {
		if (strcmp(mutations[i].name, text) == 0) {
			arg_options.mutations |= mutations[i].bit;
			return true;
		}
	}
	return false;
}

static bool parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 's' },  { "seed", required_argument, NULL, 's' },
		{ "nodes", required_argument, NULL, 'n' },  { "verbose", no_argument, NULL, 'v' },
		{ "quiet", no_argument, NULL, 'q' },	    { "keep-going", no_argument, NULL, 'k' },
		{ "lines", required_argument, NULL, 'l' },  { "mutate", required_argument, NULL, 'm' },
		{ "max-steps", required_argument, NULL, 'x' },
		{ "cpgtrace", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 's':
			if (!parse_seeds(optarg)) {
				return false;
			}
			break;
		case 'n':
			arg_options.hosts = (unsigned int)strtoul(optarg, NULL, 10);
			if (arg_options.hosts < 1 || arg_options.hosts > SIM_HOSTS_MAX) {
				return false;
			}
			break;
		case 'v':
			arg_verbose = true;
			break;
		case 'q':
			arg_quiet = true;
			break;
		case 'k':
			arg_keep_going = true;
			break;
		case 'l':
			arg_lines = strtoull(optarg, NULL, 10);
			break;
		case 'm':
			if (!parse_mutation(optarg)) {
				return false;
			}
			break;
		case 'x':
			arg_options.steps_max = strtoull(optarg, NULL, 10);
			break;
		case 't':
			arg_cpgtrace = optarg;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

static bool run(struct world *w, uint64_t seed, bool story, bool print, struct counters *counters)
{
	running_high = (sig_atomic_t)(seed >> 31 & 0x7fffffff);
	running_low = (sig_atomic_t)(seed & 0x7fffffff);
	w->story.on = story;
	w->story.print = print;
	w->cpgtrace = arg_cpgtrace != NULL;
	return swarm_run(w, seed, &arg_options, counters);
}

static bool trace_save(const struct world *w, uint64_t seed)
{
	char prefix[400];
	int n = snprintf(prefix, sizeof(prefix), "%s/%llu", arg_cpgtrace, (unsigned long long)seed);

	return n > 0 && n < (int)sizeof(prefix) && cpgtrace_write(w->cpg, prefix);
}

/* The same run once more, told. */
static void tell(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct counters unused = { 0 };

	if (!w) {
		return;
	}
	if (run(w, seed, true, false, &unused)) {
		(void)puts("the run is not the same the second time: the simulator is not deterministic");
	}
	story_print(&w->story, arg_lines);
	world_done(w);
	story_done(&w->story);
	free(w);
}

int main(int argc, char **argv)
{
	static const char *const texts[] = {
#define X(id, text) text,
		SIM_MARKS(X)
#undef X
	};
	struct world *w = calloc(1, sizeof(*w));
	struct counters *counters = calloc(1, sizeof(*counters));
	uint64_t marks[SIM_MARKS_COUNT] = { 0 }, runs = 0, bad = 0, steps = 0;

	if (!w || !counters) {
		return 2;
	}
	if (!parse(argc, argv)) {
		usage(stderr);
		free(w);
		free(counters);
		return 2;
	}
	(void)signal(SIGABRT, aborted);
	(void)signal(SIGSEGV, aborted);
	for (uint64_t seed = arg_first; seed <= arg_last; seed++) {
		bool good = run(w, seed, arg_verbose, true, counters);

		runs++;
		steps += w->timeline.steps;
		for (size_t i = 0; i < SIM_MARKS_COUNT; i++) {
			marks[i] += w->marks[i];
		}
		if (arg_cpgtrace && !trace_save(w, seed)) {
			(void)fprintf(stderr, "lockstep-sim: cannot write a trace into %s\n", arg_cpgtrace);
			return 2;
		}
		if (!good) {
			bad++;
			(void)printf("seed %llu: at %.3f ms: %s\n", (unsigned long long)seed,
				     (double)world_now(w) / 1000.0, w->violation);
		}
		world_done(w);
		if (!good && !arg_keep_going) {
			if (!arg_quiet && !arg_verbose) {
				(void)printf("the last of what happened:\n");
				tell(seed);
				(void)printf("again, in full: lockstep-sim --seed %llu --verbose\n",
					     (unsigned long long)seed);
			}
			break;
		}
	}
	if (!arg_quiet) {
		for (size_t i = 0; i < SIM_MARKS_COUNT; i++) {
			(void)printf("%12llu  %s\n", (unsigned long long)marks[i], texts[i]);
		}
		for (size_t i = 0; i < counters->count; i++) {
			(void)printf("%12llu  node: %s\n", (unsigned long long)counters->values[i],
				     counters->names[i]);
		}
	}
	(void)printf("%llu runs, %llu steps, %llu violations\n", (unsigned long long)runs,
		     (unsigned long long)steps, (unsigned long long)bad);
	free(w);
	free(counters);
	return bad > 0 ? 1 : 0;
}
