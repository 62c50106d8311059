/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep-sim: runs the real node and engine code of a whole cluster in one process, in virtual
 * time, many times. A run is decided by its seed alone.
 *
 *   lockstep-sim --seeds 1..5000            that many runs; 1 and a story on the first violation
 *   lockstep-sim --seed 17 --verbose        one run, told in full
 *   lockstep-sim --seeds 1..500 --mutate no-stable     with one safety rule taken out
 *   lockstep-sim --seeds 1..20 --cpgtrace DIR           writes down what its Corosync did, for cpg-check
 *   lockstep-sim --seeds 1..5000 --cover    fails, too, when something was never reached
 *
 * Seeds are spread over processes (--jobs); the lowest seed with a violation is the one that is told. Its
 * faults are left out one by one, and its clients, as long as the violation stays.
 */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/cpgtrace.h"
#include "tests/sim/swarm.h"
#include "tests/sim/world.h"

static const struct {
	const char *name;
	uint64_t bit;
} mutations[] = {
	{ "no-stable", NODE_MUTATE_NO_STABLE },
	{ "no-epoch", NODE_MUTATE_NO_EPOCH },
	{ "no-fence", NODE_MUTATE_NO_FENCE },
	{ "no-electorate", NODE_MUTATE_NO_ELECTORATE },
	{ "no-quorum", NODE_MUTATE_NO_QUORUM },
	{ "no-ringid", NODE_MUTATE_NO_RINGID },
	{ "stab-current", NODE_MUTATE_STAB_CURRENT },
	{ "no-lost-keep", NODE_MUTATE_NO_LOST_KEEP },
	{ "no-incarnation", NODE_MUTATE_NO_INCARNATION },
	{ "fence-any", NODE_MUTATE_FENCE_ANY },
	{ "no-hold", NODE_MUTATE_NO_HOLD },
	{ "held-drop", NODE_MUTATE_HELD_DROP },
	{ "resend-late", NODE_MUTATE_RESEND_LATE },
	{ "no-digest", NODE_MUTATE_NO_DIGEST },
	{ "early-growth", NODE_MUTATE_EARLY_GROWTH },
	{ "evict-any", NODE_MUTATE_EVICT_ANY },
	{ "leave-shrinks", NODE_MUTATE_LEAVE_SHRINKS },
	{ "slow-any", NODE_MUTATE_SLOW_ANY },
	{ "donor-gone", NODE_MUTATE_DONOR_GONE },
	{ "no-raise", NODE_MUTATE_NO_RAISE },
	{ "stable-held", NODE_MUTATE_STABLE_HELD },
	{ "no-reserve", NODE_MUTATE_NO_RESERVE },
	{ "lost-lives", NODE_MUTATE_LOST_LIVES },
	{ "no-lvb-mark", NODE_MUTATE_NO_LVB_MARK },
	{ "form-alone", NODE_MUTATE_FORM_ALONE },
	{ "ready-old", NODE_MUTATE_READY_OLD },
	{ "not-prepared", NODE_MUTATE_NOT_PREPARED },
	{ "foreign-stays", NODE_MUTATE_FOREIGN_STAYS },
	{ "no-renew", NODE_MUTATE_NO_RENEW },
	{ "no-numbers", NODE_MUTATE_NO_NUMBERS },
	{ "confirm-any", NODE_MUTATE_CONFIRM_ANY },
	{ "prep-unheard", NODE_MUTATE_CB_NO_BARRIER },
	{ "slot-again", NODE_MUTATE_CB_SLOT_AGAIN },
	{ "slot-leaver", NODE_MUTATE_CB_SLOT_LEAVER },
	{ "done-early", NODE_MUTATE_CB_DONE_EARLY },
	{ "generation-own", NODE_MUTATE_CB_GENERATION },
	{ "prep-again", NODE_MUTATE_CB_PREP_AGAIN },
	{ "prep-joiner", NODE_MUTATE_CB_PREP_JOINER },
	{ "slot-unstable", NODE_MUTATE_CB_UNSTABLE },
	{ "stuck-lives", NODE_MUTATE_CB_STUCK_LIVES },
	{ "slot-order", NODE_MUTATE_CB_SLOT_ORDER },
	{ "slot-kept", NODE_MUTATE_CB_SLOT_KEPT },
	{ "level-any", NODE_MUTATE_LEVEL_ANY },
	{ "fence-old", NODE_FENCE_MUTATE_OLD },
	{ "fence-action", NODE_FENCE_MUTATE_ACTION },
	{ "fence-failed", NODE_FENCE_MUTATE_FAILED },
	{ "fence-node", NODE_FENCE_MUTATE_NODE },
	{ "fence-itself", NODE_FENCE_MUTATE_ITSELF },
	{ "fence-slow", NODE_FENCE_MUTATE_SLOW },
	{ "fence-answer", NODE_FENCE_MUTATE_ANSWER },
	{ "fence-rejoin", NODE_FENCE_MUTATE_REJOIN },
	{ "fence-word", NODE_FENCE_MUTATE_WORD },
	{ "fence-merge", NODE_FENCE_MUTATE_MERGE },
	{ "none-early", NODE_FENCE_MUTATE_TIMEOUT },
	{ "none-alone", NODE_FENCE_MUTATE_ALONE },
};

static uint64_t arg_first = 1;
static uint64_t arg_last = 100;
static bool arg_verbose;
static bool arg_quiet;
static bool arg_keep_going;
static size_t arg_lines = 120;
static bool arg_cover;
static const char *arg_cpgtrace;
static unsigned int arg_jobs;
static struct swarm_options arg_options;

/* What one process has found; shared with its parent. */
struct tally {
	uint64_t runs;
	uint64_t bad;
	uint64_t steps;
	uint64_t marks[SIM_MARKS_COUNT];
	uint64_t faults[FAULTS_COUNT];
	uint64_t moves[7][7];
	struct counters counters;
	uint64_t bad_seed; /* the first; UINT64_MAX none */
	char bad_text[700];
};

/* Of all processes together. */
struct shared {
	volatile uint64_t stop_at; /* no seed above this one is looked at any more */
	struct tally tallies[];
};

static struct shared *shared;
static struct tally *mine;

/* For the signal handler: which run an assertion has stopped. */
static volatile sig_atomic_t running_high;
static volatile sig_atomic_t running_low;

static void stop_at(uint64_t seed)
{
	uint64_t now = shared->stop_at;

	while (seed < now && !__sync_bool_compare_and_swap(&shared->stop_at, now, seed)) {
		now = shared->stop_at;
	}
}

static void aborted(int sig)
{
	unsigned long long seed = (unsigned long long)(unsigned int)running_high << 31 |
				  (unsigned int)running_low;

	if (mine) {
		mine->bad++;
		if (mine->bad_seed == UINT64_MAX) {
			mine->bad_seed = seed;
			(void)snprintf(mine->bad_text, sizeof(mine->bad_text),
				       "seed %llu: stopped by signal %d; run it with --verbose", seed, sig);
		}
		stop_at(seed);
	}
	_exit(1);
}

static void usage(FILE *f)
{
	(void)fputs("usage: lockstep-sim [--seeds A..B | --seed S] [--nodes N] [--quorum RULE] [--verbose] [--quiet]\n"
		    "                    [--fencing | --unfenced] [--keep-going] [--lines N] [--mutate NAME]... [--max-steps N]\n"
		    "                    [--jobs N] [--cover] [--only FAULT]... [--without N,N...] [--clients N]\n"
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

/* Numbers of faults to leave out: 3,5,7 */
static bool parse_without(const char *text)
{
	char *end;

	do {
		unsigned long n = strtoul(text, &end, 10);

		if (end == text || n >= SWARM_FAULTS_MAX) {
			return false;
		}
		arg_options.masked[n] = true;
		text = end + 1;
	} while (*end == ',');
	return *end == 0;
}

static bool parse_quorum(const char *text)
{
	static const char *const rules[QUORUM_RULES] = { "majority", "two-node", "tie-breaker", "device", "last-man" };

	for (unsigned int i = 0; i < QUORUM_RULES; i++) {
		if (strcmp(rules[i], text) == 0) {
			arg_options.quorum_named = true;
			arg_options.quorum = (enum quorum_rule)i;
			return true;
		}
	}
	return false;
}

static bool parse_fault(const char *text)
{
	for (unsigned int i = 0; i < FAULTS_COUNT; i++) {
		if (strcmp(fault_name((enum sim_fault)i), text) == 0) {
			arg_options.faults |= 1u << i;
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
		{ "max-steps", required_argument, NULL, 'x' }, { "jobs", required_argument, NULL, 'j' },
		{ "cover", no_argument, NULL, 'c' },	    { "only", required_argument, NULL, 'o' },
		{ "quorum", required_argument, NULL, 'Q' },
		{ "without", required_argument, NULL, 'w' }, { "clients", required_argument, NULL, 'C' },
		{ "fencing", no_argument, NULL, 'f' },	    { "unfenced", no_argument, NULL, 'u' },
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
		case 'f':
			arg_options.fencing = true;
			break;
		case 'u':
			arg_options.unfenced = true;
			break;
		case 'Q':
			if (!parse_quorum(optarg)) {
				return false;
			}
			break;
		case 't':
			arg_cpgtrace = optarg;
			break;
		case 'j':
			arg_jobs = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			arg_cover = true;
			break;
		case 'o':
			if (!parse_fault(optarg)) {
				return false;
			}
			break;
		case 'w':
			if (!parse_without(optarg)) {
				return false;
			}
			break;
		case 'C':
			arg_options.clients = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'x':
			arg_options.steps_max = strtoull(optarg, NULL, 10);
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

/* --- a smaller run with the same end --------------------------------------------------------- */

/* The same kind of violation: its text up to the first digit. */
static bool same_violation(const char *a, const char *b)
{
	size_t n = strcspn(a, "0123456789");

	return strncmp(a, b, n) == 0;
}

static bool fails_still(struct world *w, uint64_t seed, const char *violation)
{
	struct counters unused = { 0 };
	bool good = run(w, seed, false, false, &unused);
	bool same = !good && same_violation(violation, w->violation);

	world_done(w);
	return same;
}

/* Leaves out faults, in halves, then one by one, and clients. */
static void shrink(struct world *w, uint64_t seed, const char *violation, unsigned int faults)
{
	unsigned int count = faults < SWARM_FAULTS_MAX ? faults : SWARM_FAULTS_MAX, left = 0;

	for (unsigned int size = count; size > 0; size /= 2) {
		for (unsigned int from = 0; from < count; from += size) {
			bool before[SWARM_FAULTS_MAX];

			memcpy(before, arg_options.masked, sizeof(before));
			for (unsigned int i = from; i < from + size && i < count; i++) {
				arg_options.masked[i] = true;
			}
			if (!fails_still(w, seed, violation)) {
				memcpy(arg_options.masked, before, sizeof(before));
			}
		}
	}
	for (unsigned int clients = 1; clients < 3; clients++) {
		unsigned int before = arg_options.clients;

		arg_options.clients = clients;
		if (fails_still(w, seed, violation)) {
			break;
		}
		arg_options.clients = before;
	}
	(void)printf("needs these of its %u faults:", faults);
	for (unsigned int i = 0; i < count; i++) {
		if (!arg_options.masked[i]) {
			(void)printf(" %u", i);
			left++;
		}
	}
	(void)printf(" (%u)\n", left);
}

/* The same run once more, smaller, told. */
static void tell(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct counters unused = { 0 };
	char violation[sizeof(w->violation)];
	bool any = false;

	if (!w) {
		return;
	}
	if (run(w, seed, false, false, &unused)) {
		(void)puts("the run is not the same the second time: the simulator is not deterministic");
	}
	memcpy(violation, w->violation, sizeof(violation));
	unsigned int faults = w->faults_count;

	world_done(w);
	shrink(w, seed, violation, faults);
	(void)run(w, seed, true, false, &unused);
	(void)printf("then, at %.3f ms: %s\nthe last of what happened:\n", (double)world_now(w) / 1000.0,
		     w->violation);
	story_print(&w->story, arg_lines);
	world_done(w);
	story_done(&w->story);
	free(w);
	(void)printf("again, in full: lockstep-sim --seed %llu --verbose", (unsigned long long)seed);
	if (arg_options.clients) {
		(void)printf(" --clients %u", arg_options.clients);
	}
	for (unsigned int i = 0; i < faults && i < SWARM_FAULTS_MAX; i++) {
		if (arg_options.masked[i]) {
			(void)printf("%s%u", any ? "," : " --without ", i);
			any = true;
		}
	}
	(void)puts("");
}

/* --- many runs ------------------------------------------------------------------------------- */

static bool trace_save(const struct world *w, uint64_t seed)
{
	char prefix[400];
	int n = snprintf(prefix, sizeof(prefix), "%s/%llu", arg_cpgtrace, (unsigned long long)seed);

	return n > 0 && n < (int)sizeof(prefix) && cpgtrace_write(w->cpg, prefix);
}

static void seed_run(struct world *w, struct tally *t, uint64_t seed)
{
	bool good = run(w, seed, arg_verbose, true, &t->counters);

	t->runs++;
	t->steps += w->timeline.steps;
	for (size_t i = 0; i < SIM_MARKS_COUNT; i++) {
		t->marks[i] += w->marks[i];
	}
	for (size_t i = 0; i < FAULTS_COUNT; i++) {
		t->faults[i] += w->faults[i];
	}
	for (size_t i = 0; i < 49; i++) {
		t->moves[i / 7][i % 7] += w->moves[i / 7][i % 7];
	}
	if (arg_cpgtrace && !trace_save(w, seed)) {
		(void)fprintf(stderr, "lockstep-sim: cannot write a trace into %s\n", arg_cpgtrace);
		world_fail(w, "no trace");
		good = false;
	}
	if (!good) {
		char text[700];

		t->bad++;
		(void)snprintf(text, sizeof(text), "seed %llu: at %.3f ms: %s", (unsigned long long)seed,
			       (double)world_now(w) / 1000.0, w->violation);
		if (arg_keep_going) {
			(void)puts(text);
		} else {
			stop_at(seed);
		}
		if (t->bad_seed == UINT64_MAX) {
			t->bad_seed = seed;
			memcpy(t->bad_text, text, sizeof(text));
		}
	}
	/* (Counters of nodes that still run are added here.) */
	world_done(w);
}

static void work(unsigned int job, unsigned int jobs)
{
	struct world *w = calloc(1, sizeof(*w));

	mine = &shared->tallies[job];
	for (uint64_t seed = arg_first + job; w && seed <= arg_last && seed <= shared->stop_at; seed += jobs) {
		seed_run(w, mine, seed);
	}
	free(w);
}

static void tally_add(struct tally *sum, const struct tally *t)
{
	sum->runs += t->runs;
	sum->bad += t->bad;
	sum->steps += t->steps;
	for (size_t i = 0; i < SIM_MARKS_COUNT; i++) {
		sum->marks[i] += t->marks[i];
	}
	for (size_t i = 0; i < FAULTS_COUNT; i++) {
		sum->faults[i] += t->faults[i];
	}
	for (size_t i = 0; i < 49; i++) {
		sum->moves[i / 7][i % 7] += t->moves[i / 7][i % 7];
	}
	for (size_t i = 0; i < t->counters.count; i++) {
		counters_add(&sum->counters, t->counters.names[i], t->counters.values[i]);
	}
	if (t->bad_seed < sum->bad_seed) {
		sum->bad_seed = t->bad_seed;
		memcpy(sum->bad_text, t->bad_text, sizeof(sum->bad_text));
	}
}

/* Zeroes that are right: what a correct node never counts, what the protocol's own order keeps from
 * happening (ARCHITECTURE.md, "Second lines"), and quotas, which no run has (test_node_submit). */
static bool zero_allowed(const char *counter)
{
	static const char *const names[] = { "bad_messages", "unknown_sender", "resent_ops", "kept_overflows",
					     "time_warnings", "quota_refusals" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], counter) == 0) {
			return true;
		}
	}
	return false;
}

static unsigned int line(uint64_t value, const char *kind, const char *text, bool needed)
{
	bool missing = arg_cover && needed && value == 0;

	if (!arg_quiet || missing) {
		(void)printf("%12llu  %s%s%s\n", (unsigned long long)value, kind, text,
			     missing ? "   NEVER REACHED" : "");
	}
	return missing ? 1 : 0;
}

/* Moves that a lockspace on a node has to make in some run. */
static const struct {
	unsigned int from, to;
} moves_needed[] = {
	{ 0, 1 }, /* absent, joining */
	{ 1, 2 }, /* formed */
	{ 1, 4 }, /* synced */
	{ 2, 3 }, { 3, 4 }, { 4, 2 }, { 4, 3 }, /* view change, view point, recovery point, and back */
	{ 2, 5 }, { 3, 5 }, { 4, 5 }, { 5, 1 }, /* lost, and clean again */
	{ 2, 6 }, { 6, 0 },                     /* leaving */
	{ 2, 0 }, { 3, 0 }, { 4, 0 }, { 5, 0 }, { 1, 0 }, /* gone with its daemon */
};

static unsigned int report(const struct tally *sum)
{
	static const char *const texts[] = {
#define X(id, text) text,
		SIM_MARKS(X)
#undef X
	};
	unsigned int missing = 0;

	for (unsigned int i = 0; i < FAULTS_COUNT; i++) {
		missing += line(sum->faults[i], "fault: ", fault_name((enum sim_fault)i), true);
	}
	for (size_t i = 0; i < SIM_MARKS_COUNT; i++) {
		/* Too rare for check's seeds. */
		missing += line(sum->marks[i], "", texts[i], i != MARK_CUT_EVICT);
	}
	for (size_t i = 0; i < sizeof(moves_needed) / sizeof(moves_needed[0]); i++) {
		unsigned int from = moves_needed[i].from, to = moves_needed[i].to;
		char text[64];

		(void)snprintf(text, sizeof(text), "%s to %s", checker_states[from], checker_states[to]);
		missing += line(sum->moves[from][to], "move: ", text, true);
	}
	for (size_t i = 0; i < sum->counters.count; i++) {
		missing += line(sum->counters.values[i], "node: ", sum->counters.names[i],
				!zero_allowed(sum->counters.names[i]));
	}
	return missing;
}

static unsigned int jobs_count(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t seeds = arg_last - arg_first + 1;
	unsigned int jobs = arg_jobs ? arg_jobs : cpus > 0 ? (unsigned int)cpus : 1;

	jobs = jobs > 64 ? 64 : jobs;
	return arg_verbose || seeds < jobs ? 1 : jobs;
}

int main(int argc, char **argv)
{
	struct tally *sum = calloc(1, sizeof(*sum));

	if (!sum || !parse(argc, argv)) {
		usage(stderr);
		free(sum);
		return 2;
	}
	unsigned int jobs = jobs_count();

	shared = mmap(NULL, sizeof(*shared) + jobs * sizeof(shared->tallies[0]), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		free(sum);
		return 2;
	}
	(void)signal(SIGABRT, aborted);
	(void)signal(SIGSEGV, aborted);
	shared->stop_at = UINT64_MAX;
	sum->bad_seed = UINT64_MAX;
	for (unsigned int i = 0; i < jobs; i++) {
		shared->tallies[i].bad_seed = UINT64_MAX;
		if (jobs > 1) {
			(void)fflush(stdout);
			if (fork() == 0) {
				work(i, jobs);
				(void)fflush(stdout);
				_exit(0);
			}
		} else {
			work(0, 1);
		}
	}
	while (jobs > 1 && wait(NULL) > 0) {
	}
	for (unsigned int i = 0; i < jobs; i++) {
		tally_add(sum, &shared->tallies[i]);
	}
	if (sum->bad_seed != UINT64_MAX && !arg_keep_going) {
		(void)puts(sum->bad_text);
		if (!arg_quiet && !arg_verbose) {
			mine = NULL;
			(void)fflush(stdout);
			tell(sum->bad_seed);
		}
	}
	unsigned int missing = report(sum);
	uint64_t bad = sum->bad;

	(void)printf("%llu runs, %llu steps, %llu violations\n", (unsigned long long)sum->runs,
		     (unsigned long long)sum->steps, (unsigned long long)bad);
	free(sum);
	return bad > 0 || missing > 0 ? 1 : 0;
}
