/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recovery plan: a directed acyclic graph of steps, each with a do and an undo, with a commit
 * point. The model is RAIDframe's; the rules are those of recovery-plan-engine.md (R-DAG and so on).
 * This file is the graph, how it is built and how it is checked; runner.h executes it. Pure.
 *
 *   source --> step --> step (commit) --> step --> terminator
 *      \                                   ^
 *       `-------> step -------------------'
 *
 * A plan object is one execution: it is built, run once, reported and freed. Retrying means building
 * another one (R-LIST-3), so the progress lives in it beside the graph.
 */
#ifndef LOCKSTEP_AGENT_PLAN_H
#define LOCKSTEP_AGENT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_NAME_MAX 64          /* bytes of a plan's and of a step's name */
#define PLAN_STEPS_MAX 1024       /* source and terminator included */
#define PLAN_ANTECEDENTS_MAX 20   /* R-DAG-5; a plan may raise it up to PLAN_STEPS_MAX */
#define PLAN_ERROR_MAX 256        /* bytes of a sentence, with its NUL */
#define PLAN_NONE UINT32_MAX      /* no step */

/* R-DAG-2. Only trueData does more than order. */
enum plan_edge_type {
	PLAN_EDGE_CONTROL,
	PLAN_EDGE_TRUE_DATA,
	PLAN_EDGE_ANTI_DATA,
	PLAN_EDGE_OUTPUT_DATA,
};

/* R-DAG-3 */
enum plan_kind {
	PLAN_NIL,
	PLAN_COMMAND,
	PLAN_FUNCTION,
	PLAN_TERMINATOR,
};

/* A do or an undo that is missing is an error, nil has to be said (R-DAG-6). */
enum plan_deed {
	PLAN_DEED_MISSING,
	PLAN_DEED_NIL,
	PLAN_DEED_COMMAND,
	PLAN_DEED_FUNCTION,
};

/* Section 2. */
enum plan_state {
	PLAN_WAIT,
	PLAN_FIRED,
	PLAN_GOOD,
	PLAN_BAD,
	PLAN_SKIPPED,
	PLAN_RECOVER,
	PLAN_UNDONE,
	PLAN_PANIC,
	PLAN_DROPPED,
};

enum plan_header {
	PLAN_ENABLE,
	PLAN_FORWARD,
	PLAN_BACKWARD,
};

/* R-END-2, and: */
enum plan_outcome {
	PLAN_UNDECIDED,
	PLAN_DONE,
	PLAN_DONE_WITH_ERRORS,
	PLAN_ROLLED_BACK,
	PLAN_PANICKED,
	/* Stopped where it was (runner_stop): neither finished nor rolled back, whoever has the right
	 * to goes on from the beginning (R-PLAN-2, R-PLAN-4). */
	PLAN_STOPPED,
};

/* What a command step runs. Everything here is owned by the plan; the executor reads it. */
struct plan_command {
	char **argv;         /* NULL terminated, at least one; NULL when there is none */
	char **env;          /* "NAME=value", NULL terminated, added to the agent's; or NULL */
	char *directory;     /* NULL: the agent's */
	uint64_t timeout_ms; /* 0: no limit */
	uint8_t success[32]; /* exit codes that mean success, a bit each; see plan_success() */
};

/* A function step's do and undo (R-EXEC-5): called by the driver; it reports through
 * runner_finish(), at once or later. */
struct plan;
typedef void (*plan_fn)(struct plan *plan, uint32_t step, void *arg);

struct plan_antecedent {
	uint32_t step;
	enum plan_edge_type type;
};

struct plan_step {
	char name[PLAN_NAME_MAX + 1];
	enum plan_kind kind;
	unsigned int line; /* in its file, 0 none; for messages */
	bool commit;
	bool undo_on_fail;    /* R-UNDO-4 */
	bool skip_on_forward; /* R-FWD-1 */
	enum plan_deed run;
	enum plan_deed undo;
	struct plan_command run_command;
	struct plan_command undo_command;
	plan_fn run_fn;
	plan_fn undo_fn;
	void *arg;

	/* Both sides of an edge list it (R-DAG-2). */
	struct plan_antecedent *antecedents;
	size_t antecedents_count;
	uint32_t *succedents;
	size_t succedents_count;

	/* Progress: the runner's, for the report (R-END-5). */
	enum plan_state state;
	bool failed;         /* was BAD, also when it was undone since (R-UNDO-4) */
	bool queued;         /* fired, or to be undone, and not yet handed to the driver */
	bool under_way;      /* its do or undo was handed to the driver and has not ended */
	bool timed_out;
	unsigned int undos;  /* 0 or 1 (R-UNDO-5) */
	uint32_t skipped_by; /* the antecedent that it missed, or PLAN_NONE */
	int status;          /* as reported by the driver */
	char error[PLAN_ERROR_MAX];
	uint64_t start_ms, end_ms;
	uint64_t undo_start_ms, undo_end_ms;
	uint64_t deadline_ms; /* of what is under way; 0 none */
	unsigned int signals; /* sent to what is under way: 1 SIGTERM, 2 SIGKILL as well */
};

enum plan_panic_policy {
	PLAN_PANIC_HALT,
	PLAN_PANIC_CONTINUE,
};

struct plan_queue {
	uint32_t *items;
	size_t head, count, capacity;
};

struct plan_action_queue {
	struct runner_action *items;
	size_t head, count, capacity;
};

struct plan {
	char name[PLAN_NAME_MAX + 1];
	struct plan_step *steps;
	size_t steps_count;
	size_t steps_capacity;
	size_t antecedents_max;
	uint32_t commit_total; /* how many commit steps it declares (R-DAG-4) */
	enum plan_panic_policy panic_policy;
	uint32_t max_parallel; /* 0: no limit */
	uint64_t kill_delay_ms; /* from SIGTERM to SIGKILL (R-EXEC-7) */

	/* Progress. */
	bool dispatched;
	enum plan_header header;
	enum plan_outcome outcome;
	uint32_t commits;
	uint32_t source;
	uint32_t terminator;
	size_t running;      /* under way at the driver */
	bool panicked;
	bool stopping;
	struct plan_queue to_start; /* FIRED or RECOVER, not yet under way */
	struct plan_action_queue actions;
};

struct plan *plan_new(const char *name);
struct plan *plan_free(struct plan *plan); /* NULL is fine; returns NULL */

/* Adds a step with neither do nor undo (a nil step and the terminator have nil ones). Its number, or
 * PLAN_NONE when there are PLAN_STEPS_MAX. A name that is too long is cut: check before. */
uint32_t plan_step_add(struct plan *plan, const char *name, enum plan_kind kind);
uint32_t plan_step_find(const struct plan *plan, const char *name);
/* @to needs @from. Anything goes in; plan_check() complains. */
void plan_edge_add(struct plan *plan, uint32_t from, uint32_t to, enum plan_edge_type type);
/* Adds the nil source and the terminator where they are missing, and counts commit_total when it is
 * still 0 (R-DAG-1, R-DAG-4). Once, after the last step. -E2BIG: no room for them. */
int plan_close(struct plan *plan);

void plan_success_set(struct plan_command *command, unsigned int code);
bool plan_success(const struct plan_command *command, unsigned int code);

/* R-DAG-6. 0, or -EINVAL with a sentence that names the step; nothing is changed. */
int plan_check(const struct plan *plan, char *ret_error, size_t error_size);

const char *plan_state_name(enum plan_state state);
const char *plan_header_name(enum plan_header header);
const char *plan_outcome_name(enum plan_outcome outcome);
const char *plan_edge_name(enum plan_edge_type type);

#endif
