/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows by long random runs that the engine does what a slow and obvious statement of the
 * lock model does (engine_model.h), effect by effect; that two engines fed the same ops
 * are the same; that an engine restored from a snapshot goes on as the original; that its
 * digest follows and its invariants hold after every op. Shows also that the runs came by
 * every turn of the rules.
 *
 * Seeds are fixed and shared out to as many processes as may run. A run that fails, also
 * one that crashes, prints its seed, is cut down to a few ops, and is told as a script
 * that can be pasted into a test (engine_script.h).
 *
 * LOCKSTEP_SEED=N runs that seed only, LOCKSTEP_SEEDS=N seeds 1 to N, LOCKSTEP_STEPS=N
 * changes the length; LOCKSTEP_MARKS=1 prints what the runs came by.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/engine_compare.h"
#include "tests/unit/engine_script.h"
#include "tests/unit/engine_shrink.h"

#define SEEDS	      2000
#define STEPS	      2000
#define WORKERS	      2
#define RESTORE_EVERY 32
#define REPORT_SIZE   9000

/* Of one worker, in memory that its parent sees. */
struct worker {
	struct compare_marks marks;
	size_t ops_count;
	uint64_t seed; /* the run under way */
	struct engine_config config;
	size_t steps; /* of it; the last one may have failed */
	bool failed;
	char report[REPORT_SIZE];
	struct stream_op stream[];
};

struct runs {
	uint64_t first;
	uint64_t last;
	size_t steps;
	bool all; /* nothing was changed by the environment */
	struct worker *workers[WORKERS];
	bool done;
};

static size_t from_environment(const char *name, size_t otherwise)
{
	const char *text = getenv(name);

	return text ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

static int runs_setup(void **state)
{
	struct runs *runs = calloc(1, sizeof(*runs));
	size_t only = from_environment("LOCKSTEP_SEED", 0);

	assert_non_null(runs);
	runs->first = only ? only : 1;
	runs->last = only ? only : from_environment("LOCKSTEP_SEEDS", SEEDS);
	runs->steps = from_environment("LOCKSTEP_STEPS", STEPS);
	runs->all = runs->first == 1 && runs->last >= SEEDS && runs->steps >= STEPS;
	*state = runs;
	return 0;
}

static size_t worker_size(const struct runs *runs)
{
	return sizeof(struct worker) + runs->steps * sizeof(struct stream_op);
}

static int runs_teardown(void **state)
{
	struct runs *runs = *state;

	for (size_t i = 0; i < WORKERS; i++) {
		if (runs->workers[i]) {
			(void)munmap(runs->workers[i], worker_size(runs));
		}
	}
	free(runs);
	return 0;
}

/* --- in a worker --- */

static void run_seed(struct worker *w, size_t steps)
{
	struct gambler *g = gambler_new(w->seed);
	struct compare *c;
	const char *wrong = NULL;

	w->config = gambler_config(g);
	w->steps = 0;
	c = compare_new(&w->config, &w->marks);
	while (w->steps < steps && !wrong) {
		struct stream_op *op = &w->stream[w->steps];

		gambler_draw(g, compare_engine(c), op);
		/* Counted before it is done, in case it kills the worker. */
		w->steps++;
		wrong = compare_step(c, op, w->steps % RESTORE_EVERY == 0);
	}
	wrong = wrong ? wrong : compare_snapshots(c);
	w->ops_count += w->steps;
	if (wrong) {
		w->failed = true;
		(void)snprintf(w->report, sizeof(w->report), "%s\n%s", wrong,
			       compare_report(c));
	}
	compare_free(c);
	gambler_free(g);
}

static pid_t worker_start(struct runs *runs, size_t number)
{
	struct worker *w = mmap(NULL, worker_size(runs), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(w != MAP_FAILED);
	runs->workers[number] = w;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0) {
		return pid;
	}
	for (w->seed = runs->first + number; w->seed <= runs->last; w->seed += WORKERS) {
		run_seed(w, runs->steps);
		if (w->failed) {
			break;
		}
	}
	_exit(w->failed ? 1 : 0);
}

/* --- a failure --- */

/* In a process of its own: it may crash. */
static bool stream_fails(const struct stream *s, void *arg)
{
	int status = 0;
	pid_t pid = fork();

	(void)arg;
	if (pid == 0) {
		(void)close(STDERR_FILENO);
		_exit(compare_stream(s) ? 1 : 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status != 0;
}

static void tell(const struct stream *s)
{
	struct stream_line *lines = calloc(s->count, sizeof(lines[0]));

	assert_non_null(lines);
	stream_tell(s, lines);
	stream_print(s, lines);
	free(lines);
}

static void failure_report(const struct worker *w, int status)
{
	struct stream s = { .config = w->config, .count = w->steps };

	(void)fprintf(stderr, "seed %llu step %zu: %s\n", (unsigned long long)w->seed,
		      w->steps, w->failed ? w->report : "the engine crashed");
	if (!w->failed && WIFSIGNALED(status)) {
		(void)fprintf(stderr, "signal %d\n", WTERMSIG(status));
	}
	if (from_environment("LOCKSTEP_SHRINK", 1) == 0) {
		return;
	}
	s.ops = malloc(s.count * sizeof(s.ops[0]));
	assert_non_null(s.ops);
	memcpy(s.ops, w->stream, s.count * sizeof(s.ops[0]));
	if (!stream_fails(&s, NULL)) {
		(void)fprintf(stderr, "it does not fail when it is done again\n");
	} else {
		size_t questions = stream_shrink(&s, stream_fails, NULL);

		(void)fprintf(stderr, "cut down from %zu to %zu ops by %zu runs:\n\n",
			      w->steps, s.count, questions);
		tell(&s);
	}
	free(s.ops);
}

/* --- the tests --- */

static void marks_add(struct compare_marks *sum, const struct compare_marks *more)
{
	size_t *to = (size_t *)(void *)sum;
	const size_t *from = (const size_t *)(const void *)more;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(size_t); i++) {
		to[i] += from[i];
	}
}

/* R-DET-1, R-DET-2: an engine and its twin, which was restored at other times and has its
 * tables in another order, do the same. The model is what every rule of sections 4 to 19
 * says. */
static void engine_agrees_with_the_model_and_its_twin(void **state)
{
	struct runs *runs = *state;
	pid_t pids[WORKERS];
	size_t ops_count = 0;
	bool failed = false;

	for (size_t i = 0; i < WORKERS; i++) {
		pids[i] = worker_start(runs, i);
	}
	for (size_t i = 0; i < WORKERS; i++) {
		int status = 0;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		if (status != 0 && !failed) {
			failure_report(runs->workers[i], status);
		}
		failed = failed || status != 0;
		ops_count += runs->workers[i]->ops_count;
	}
	print_message("seeds %llu..%llu, %zu ops\n", (unsigned long long)runs->first,
		      (unsigned long long)runs->last, ops_count);
	assert_false(failed);
	runs->done = true;
}

/* What was counted, with its name, as long as it can be reached at all. */
struct tally {
	bool print;
	size_t count;
	size_t zeros;
	size_t least;
	char least_name[96];
};

__attribute__((format(printf, 3, 4))) static void tally_add(struct tally *t, size_t count,
							    const char *format, ...)
{
	char name[96];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (t->print || count == 0) {
		print_message("%10zu  %s\n", count, name);
	}
	if (t->count == 0 || count < t->least) {
		t->least = count;
		(void)snprintf(t->least_name, sizeof(t->least_name), "%s", name);
	}
	t->count++;
	t->zeros += count == 0;
}

static void tally_turns(struct tally *t, const struct compare_marks *marks)
{
	static const char *const names[] = {
#define MODEL_MARK_TEXT(name, text) text,
		MODEL_MARKS(MODEL_MARK_TEXT)
#undef MODEL_MARK_TEXT
	};

	for (size_t i = 0; i < MARKS_COUNT; i++) {
		tally_add(t, marks->model.turns[i], "%s", names[i]);
	}
}

static void tally_ops(struct tally *t, const struct compare_marks *marks)
{
	for (size_t i = 1; i <= 13; i++) {
		enum engine_op_type type = i == 12   ? ENGINE_OP_VIEW_POINT
					   : i == 13 ? ENGINE_OP_NODES_REMOVE
						     : (enum engine_op_type)i;

		tally_add(t, marks->ops[i][0], "%s without effect",
			  engine_op_type_name(type));
		if (type !=
		    ENGINE_OP_SESSION_BEGIN) { /* it has none that is compared here */
			tally_add(t, marks->ops[i][1], "%s with effect",
				  engine_op_type_name(type));
		}
	}
}

static const char *const mode_names[] = { "none", "NL", "CR", "CW", "PR", "PW", "EX" };

static void tally_lvb(struct tally *t, const struct compare_marks *marks)
{
	static const char *const kinds[] = { "", " VALBLK", " IVVALBLK",
					     " VALBLK IVVALBLK" };

	for (size_t granted = 0; granted < 7; granted++) {
		for (size_t requested = 0; requested < 7; requested++) {
			/* From nothing to nothing there is no way. */
			for (size_t kind = 0; kind < 4 && (granted > 0 || requested < 6);
			     kind++) {
				tally_add(t, marks->model.lvb[granted][requested][kind],
					  "R-LVB-1: %s to %s%s", mode_names[granted],
					  requested == 6 ? "none"
							 : mode_names[requested + 1],
					  kinds[kind]);
			}
		}
	}
}

static void tally_moves(struct tally *t, const struct compare_marks *marks)
{
	static const char *const legal[] = { "n>n", "n>G", "n>W", "G>n", "G>G",
					     "G>C", "C>n", "C>G", "W>n", "W>G" };
	static const char queues[] = "nGCW";

	for (size_t i = 0; i < sizeof(legal) / sizeof(legal[0]); i++) {
		size_t from = (size_t)(strchr(queues, legal[i][0]) - queues);
		size_t to = (size_t)(strchr(queues, legal[i][2]) - queues);

		tally_add(t, marks->model.moves[from][to], "moves: %s", legal[i]);
	}
}

struct flag_name {
	const char *name;
	uint32_t value;
	/* What can come of a request and of a conversion: granted (g), queued (q),
	 * refused (r) */
	const char *request;
	const char *convert;
};

static void tally_flags(struct tally *t, const struct compare_marks *marks)
{
	static const struct flag_name flags[] = {
		{ "NOQUEUE", LOCKSTEP_LKF_NOQUEUE, "gr", "gr" },
		{ "VALBLK", LOCKSTEP_LKF_VALBLK, "gqr", "gqr" },
		{ "QUECVT", LOCKSTEP_LKF_QUECVT, "", "gqr" },
		{ "IVVALBLK", LOCKSTEP_LKF_IVVALBLK, "gqr", "gqr" },
		{ "CONVDEADLK", LOCKSTEP_LKF_CONVDEADLK, "", "gq" },
		{ "PERSISTENT", LOCKSTEP_LKF_PERSISTENT, "gqr", "gqr" },
		{ "NODLCKWT", LOCKSTEP_LKF_NODLCKWT, "gqr", "gqr" },
		{ "NODLCKBLK", LOCKSTEP_LKF_NODLCKBLK, "gqr", "gqr" },
		{ "EXPEDITE", LOCKSTEP_LKF_EXPEDITE, "g", "" },
		{ "NOQUEUEBAST", LOCKSTEP_LKF_NOQUEUEBAST, "gqr", "gqr" },
		{ "HEADQUE", LOCKSTEP_LKF_HEADQUE, "gqr", "gqr" },
		{ "NOORDER", LOCKSTEP_LKF_NOORDER, "gqr", "gqr" },
		{ "ORPHAN", LOCKSTEP_LKF_ORPHAN, "gqr", "gqr" },
		{ "ALTPR", LOCKSTEP_LKF_ALTPR, "gqr", "gqr" },
		{ "ALTCW", LOCKSTEP_LKF_ALTCW, "gqr", "gqr" },
		{ "FORCEUNLOCK", LOCKSTEP_LKF_FORCEUNLOCK, "gqr", "gqr" },
		{ "TIMEOUT", LOCKSTEP_LKF_TIMEOUT, "gqr", "gqr" },
	};
	static const char outcomes[] = "gqr";

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		size_t bit = (size_t)__builtin_ctz(flags[i].value);

		for (size_t convert = 0; convert <= 1; convert++) {
			const char *legal = convert ? flags[i].convert : flags[i].request;

			for (; *legal; legal++) {
				size_t outcome =
					(size_t)(strchr(outcomes, *legal) - outcomes);

				tally_add(t, marks->model.flags[bit][convert][outcome],
					  "%s with %s: %c", convert ? "convert" : "lock",
					  flags[i].name, *legal);
			}
		}
	}
}

/* A run that never came by a rule has shown nothing about it. */
static void the_runs_came_by_everything(void **state)
{
	struct runs *runs = *state;
	struct compare_marks *sum = calloc(1, sizeof(*sum));
	struct tally t = { .print = getenv("LOCKSTEP_MARKS") != NULL };

	assert_non_null(sum);
	if (!runs->done || !runs->all) {
		free(sum);
		print_message("there were fewer runs than it takes, or they failed\n");
		skip();
	}
	for (size_t i = 0; i < WORKERS; i++) {
		marks_add(sum, &runs->workers[i]->marks);
	}
	tally_turns(&t, sum);
	tally_ops(&t, sum);
	tally_lvb(&t, sum);
	tally_moves(&t, sum);
	tally_flags(&t, sum);
	free(sum);
	print_message("came by %zu of %zu; least often (%zu): %s\n", t.count - t.zeros,
		      t.count, t.least, t.least_name);
	assert_int_equal(t.zeros, 0);
}

/* A "failure" that is none: something is granted in its alternate mode after it waited.
 */
static bool late_alternate(const struct stream *s, void *arg)
{
	struct compare_marks marks;
	struct compare *c;

	(void)arg;
	memset(&marks, 0, sizeof(marks));
	c = compare_new(&s->config, &marks);
	for (size_t i = 0; i < s->count; i++) {
		assert_null(compare_step(c, &s->ops[i], false));
	}
	compare_free(c);
	return marks.model.turns[MARK_ALT_LATER] > 0;
}

/* The first seed of which that is true. */
static void draw_late_alternate(struct stream *s, size_t steps)
{
	for (uint64_t seed = 1;; seed++) {
		struct gambler *g = gambler_new(seed);
		struct compare *c;

		s->config = gambler_config(g);
		s->count = steps;
		c = compare_new(&s->config, NULL);
		for (size_t i = 0; i < steps; i++) {
			gambler_draw(g, compare_engine(c), &s->ops[i]);
			assert_null(compare_step(c, &s->ops[i], false));
		}
		compare_free(c);
		gambler_free(g);
		if (late_alternate(s, NULL)) {
			return;
		}
		assert_true(seed < 1000);
	}
}

/* The shrinker keeps what matters, and the script says the same as the stream: each line
 * of it has the effects that the stream had. */
static void a_stream_is_cut_down_to_a_script_that_says_the_same(void **state)
{
	struct stream s = { .count = 0 };
	struct stream_line *lines;
	struct script *script;
	size_t steps = 300;

	(void)state;
	s.ops = calloc(steps, sizeof(s.ops[0]));
	assert_non_null(s.ops);
	draw_late_alternate(&s, steps);
	(void)stream_shrink(&s, late_alternate, NULL);
	assert_true(late_alternate(&s, NULL));
	/* A session begins, a lock is in the way of another, and goes. */
	assert_in_range(s.count, 4, 6);

	lines = calloc(s.count, sizeof(lines[0]));
	assert_non_null(lines);
	stream_tell(&s, lines);
	script = script_new();
	for (size_t i = 0; i < s.count; i++) {
		assert_string_not_equal(lines[i].command, "");
		step(script, lines[i].command, lines[i].effects);
	}
	assert_non_null(strstr(lines[s.count - 1].effects, "ALTMODE"));
	script_free(script);
	free(lines);
	free(s.ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engine_agrees_with_the_model_and_its_twin),
		cmocka_unit_test(the_runs_came_by_everything),
		cmocka_unit_test(a_stream_is_cut_down_to_a_script_that_says_the_same),
	};

	return cmocka_run_group_tests(tests, runs_setup, runs_teardown);
}
