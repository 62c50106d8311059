/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows by long random runs that the engine does what a slow and obvious statement of the lock
 * model does (engine_model.h), effect by effect; that two engines fed the same ops are the same;
 * that an engine restored from a snapshot goes on as the original; that its digest follows and
 * its invariants hold after every op. Ops are mostly sensible, sometimes nonsense. Seeds are
 * fixed; a failure prints its seed and step.
 *
 * LOCKSTEP_SEED=N runs that seed only, LOCKSTEP_STEPS=N changes the length.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "tests/unit/engine_model.h"

#define NODES 3
#define SESSIONS 3 /* on a node at a time; an ended one's place goes to a new number */
#define LKIDS 200  /* of a node */
#define SEEDS 100
#define STEPS 2000
#define MARK_MIN 20 /* of each kind of effect, in all runs together */
#define LOCKS_HIGH 60 /* above this only ends are drawn */

struct gambler {
	uint64_t random;
	uint64_t request[NODES + 1];
	uint32_t session[NODES + 1][SESSIONS]; /* their present numbers */
	uint32_t session_last;
	bool lost[NODES + 1];
	uint8_t lvb[MODEL_LVB_LEN];
	struct engine_member_id members[2];
	bool crowded;
	/* Tastes of this run. */
	unsigned int recklessness; /* of 100: how often flags are drawn */
	uint32_t resources;
	uint32_t flags;
	uint8_t modes[8];
	uint32_t convert_percent; /* more of them than types[] says */
};

static uint32_t draw(struct gambler *g, uint32_t below)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return (uint32_t)((g->random >> 11) % below);
}

static bool chance(struct gambler *g, uint32_t percent)
{
	return draw(g, 100) < percent;
}

static const uint32_t request_flags[] = {
	LOCKSTEP_LKF_NOQUEUE,	  LOCKSTEP_LKF_VALBLK,	LOCKSTEP_LKF_IVVALBLK,
	LOCKSTEP_LKF_PERSISTENT,  LOCKSTEP_LKF_HEADQUE, LOCKSTEP_LKF_NOQUEUEBAST,
	LOCKSTEP_LKF_NOORDER,	  LOCKSTEP_LKF_ALTPR,	LOCKSTEP_LKF_ALTCW,
	LOCKSTEP_LKF_TIMEOUT,	  LOCKSTEP_LKF_EXPEDITE, LOCKSTEP_LKF_NODLCKWT,
};
static const uint32_t convert_flags[] = { LOCKSTEP_LKF_QUECVT, LOCKSTEP_LKF_CONVDEADLK,
					  LOCKSTEP_LKF_NODLCKWT };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a run likes: not everything at once, so that it gets deep into what it has. */
static void draw_tastes(struct gambler *g)
{
	g->recklessness = 20 + draw(g, 60);
	g->resources = 1 + draw(g, MODEL_RESOURCES);
	for (size_t i = 0; i < COUNT(request_flags); i++) {
		g->flags |= chance(g, 50) ? request_flags[i] : 0;
	}
	for (size_t i = 0; i < COUNT(convert_flags); i++) {
		g->flags |= chance(g, 60) ? convert_flags[i] : 0;
	}
	for (size_t i = 0; i < COUNT(g->modes); i++) {
		g->modes[i] = (uint8_t)draw(g, 6);
	}
	g->convert_percent = draw(g, 30);
}

static uint32_t draw_flags(struct gambler *g, bool convert)
{
	uint32_t flags = 0;

	while (chance(g, g->recklessness)) {
		flags |= request_flags[draw(g, COUNT(request_flags))];
	}
	while (convert && chance(g, g->recklessness)) {
		flags |= convert_flags[draw(g, COUNT(convert_flags))];
	}
	if (chance(g, 20)) {
		flags |= LOCKSTEP_LKF_PERSISTENT;
	}
	flags &= g->flags;
	if (convert && chance(g, 3)) {
		/* All that it takes for a late grant to write the LVB of its call. */
		flags |= LOCKSTEP_LKF_NODLCKWT | LOCKSTEP_LKF_ALTPR | LOCKSTEP_LKF_VALBLK;
	}
	if (chance(g, 1)) {
		flags |= 1u << draw(g, 32);
	}
	return flags;
}

/* One node or two, and for the recovery point mostly lost ones. */
static void draw_members(struct gambler *g, struct engine_op *op)
{
	uint32_t node = 1 + draw(g, NODES);
	bool lose = op->type == ENGINE_OP_VIEW_POINT;

	while (!lose && !g->lost[node] && !chance(g, 20)) {
		node = 1 + draw(g, NODES);
	}
	op->members = g->members;
	op->members_count = 1;
	g->members[0] = (struct engine_member_id){ .nodeid = node, .incarnation = 1 };
	g->lost[node] = lose;
	if (chance(g, 20) && node < NODES) {
		op->members_count = 2;
		g->members[1] = (struct engine_member_id){ .nodeid = node + 1, .incarnation = 1 };
		g->lost[node + 1] = lose;
	}
}

static const struct {
	enum engine_op_type type;
	uint32_t weight;
} types[] = {
	{ ENGINE_OP_SESSION_BEGIN, 2 },	   { ENGINE_OP_SESSION_END, 12 },
	{ ENGINE_OP_LOCK, 300 },	   { ENGINE_OP_CONVERT, 300 },
	{ ENGINE_OP_UNLOCK, 110 },	   { ENGINE_OP_CANCEL, 60 },
	{ ENGINE_OP_DEADLOCK_CANCEL, 15 }, { ENGINE_OP_ADOPT, 40 },
	{ ENGINE_OP_PURGE, 5 },		   { ENGINE_OP_TIMEOUT, 25 },
	{ ENGINE_OP_VIEW_POINT, 6 },	   { ENGINE_OP_NODES_REMOVE, 2 },
};

static enum engine_op_type draw_type(struct gambler *g)
{
	uint32_t total = 0;

	if (g->crowded) {
		return chance(g, 98) ? ENGINE_OP_UNLOCK : ENGINE_OP_SESSION_END;
	}
	if (chance(g, 3) && (g->lost[1] || g->lost[2] || g->lost[3])) {
		return ENGINE_OP_NODES_REMOVE;
	}
	if (chance(g, g->convert_percent)) {
		return ENGINE_OP_CONVERT;
	}
	for (size_t i = 0; i < COUNT(types); i++) {
		total += types[i].weight;
	}
	uint32_t x = draw(g, total);
	size_t i = 0;

	while (x >= types[i].weight) {
		x -= types[i++].weight;
	}
	return types[i].type;
}

struct picking {
	struct gambler *g;
	struct engine_op *op;
	uint32_t seen;
	bool queued; /* only such */
};

/* Each of the n locks seen so far is the chosen one with the same chance. */
static bool pick_lock(const struct engine_lock_info *info, void *arg)
{
	struct picking *picking = arg;

	bool orphan = info->session == 0;
	bool adopt = picking->op->type == ENGINE_OP_ADOPT;

	if ((picking->queued && info->queue == ENGINE_QUEUE_GRANTED) || orphan != adopt) {
		return true;
	}
	if (draw(picking->g, ++picking->seen) == 0) {
		picking->op->nodeid = info->nodeid;
		picking->op->session = adopt ? picking->g->session[info->nodeid][0] :
					       info->session;
		picking->op->lkid = info->lkid;
		picking->op->mode = adopt ? (uint8_t)info->granted : picking->op->mode;
	}
	return true;
}

static bool names_a_lock(enum engine_op_type type)
{
	return type == ENGINE_OP_CONVERT || type == ENGINE_OP_UNLOCK || type == ENGINE_OP_CANCEL ||
	       type == ENGINE_OP_DEADLOCK_CANCEL || type == ENGINE_OP_TIMEOUT ||
	       type == ENGINE_OP_ADOPT;
}

static void draw_target(struct gambler *g, const struct engine *e, struct engine_op *op)
{
	struct picking picking = { .g = g, .op = op };

	op->nodeid = 1 + draw(g, NODES);
	uint32_t *session = &g->session[op->nodeid][draw(g, SESSIONS)];

	if (op->type < ENGINE_OP_VIEW_POINT && !g->lost[op->nodeid] &&
	    !engine_session_exists(e, op->nodeid, 1, *session) && chance(g, 70)) {
		op->type = ENGINE_OP_SESSION_BEGIN;
		*session = ++g->session_last;
	}
	op->session = *session;
	op->lkid = 1 + draw(g, LKIDS);
	op->mode = chance(g, 5) ? (uint8_t)draw(g, 8) : g->modes[draw(g, COUNT(g->modes))];
	if (names_a_lock(op->type) && chance(g, 85)) {
		picking.queued = op->type == ENGINE_OP_CANCEL || op->type == ENGINE_OP_TIMEOUT;
		engine_locks_visit(e, op->name, op->name_len, pick_lock, &picking);
	}
	if (chance(g, 3)) {
		op->lkid = draw(g, 2) * 0xffffffffu; /* none, or too large */
	}
}

static void draw_op(struct gambler *g, const struct engine *e, struct engine_op *op)
{
	memset(op, 0, sizeof(*op));
	op->type = draw_type(g);
	op->incarnation = 1;
	op->name_len = 1;
	op->name[0] = (uint8_t)('a' + draw(g, chance(g, 50) ? 1 : g->resources));
	draw_target(g, e, op);
	/* One counter for all sessions of a node ascends in each of them. */
	uint64_t *request = &g->request[op->nodeid];

	op->request = chance(g, 2) ? *request : ++*request;
	op->attr = chance(g, 80) ? ENGINE_ATTR_HAS_BAST : 0;
	op->time_ms = draw(g, 1000);
	op->pid = 100 + draw(g, 4);
	op->purge_nodeid = draw(g, NODES + 1);
	op->purge_pid = chance(g, 30) ? 0 : 100 + draw(g, 4);
	if (op->type == ENGINE_OP_UNLOCK || op->type == ENGINE_OP_CANCEL) {
		op->flags = chance(g, 30) ? LOCKSTEP_LKF_VALBLK : 0;
		op->flags |= chance(g, 10) ? LOCKSTEP_LKF_IVVALBLK : 0;
		op->flags |= chance(g, 20) && op->type == ENGINE_OP_UNLOCK ?
				     LOCKSTEP_LKF_FORCEUNLOCK :
				     0;
	} else if (op->type != ENGINE_OP_DEADLOCK_CANCEL) {
		op->flags = draw_flags(g, op->type == ENGINE_OP_CONVERT);
	}
	if (op->flags & LOCKSTEP_LKF_VALBLK) {
		memset(g->lvb, (int)(1 + draw(g, 200)), sizeof(g->lvb));
		op->lvb = g->lvb;
		op->lvb_len = MODEL_LVB_LEN;
	}
	if (op->type == ENGINE_OP_TIMEOUT) {
		struct engine_lock_info info;

		op->queued_seq = draw(g, 100);
		if (engine_lock_find(e, op->nodeid, 1, op->lkid, &info) && chance(g, 90)) {
			op->queued_seq = info.queued_seq;
		}
	}
	if (op->type == ENGINE_OP_VIEW_POINT || op->type == ENGINE_OP_NODES_REMOVE) {
		draw_members(g, op);
		op->flags = draw(g, 100) < 30 ? LOCKSTEP_LKF_IVVALBLK : 0;
	}
}

/* --- what the engine's state looks like in the model's words --- */

struct state_text {
	const struct engine *e;
	char *text;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct state_text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->text + t->used, MODEL_TEXT_SIZE - t->used, format, args);

	va_end(args);
	t->used += (size_t)n;
}

static bool put_lock(const struct engine_lock_info *info, void *arg)
{
	put(arg, " %u.%u/%d(%d,%d)t%llu", info->nodeid, info->lkid, (int)info->queue, info->granted,
	    info->requested, (unsigned long long)info->token);
	return true;
}

static bool put_resource(const struct engine_resource_info *info, void *arg)
{
	struct state_text *t = arg;

	put(t, "%c lvb %d%s:", info->name[0], info->lvb_exists ? info->lvb[0] : -1,
	    info->lvb_invalid ? " invalid" : "");
	engine_locks_visit(t->e, info->name, info->name_len, put_lock, t);
	put(t, "\n");
	return true;
}

static void engine_state_text(const struct engine *e, char *text)
{
	struct state_text t = { .e = e, .text = text };

	text[0] = '\0';
	engine_resources_visit(e, put_resource, &t);
}

/* --- one run --- */

/* What the runs came by; a run that never got there shows nothing about it. */
enum mark {
	MARK_GRANTED,
	MARK_EAGAIN,
	MARK_EDEADLK,
	MARK_ETIMEDOUT,
	MARK_ECANCEL,
	MARK_EUNLOCK,
	MARK_DEMOTED,
	MARK_ALTMODE,
	MARK_VALNOTVALID,
	MARK_LVB_READ,
	MARK_BAST,
	MARK_ADOPTED,
	MARK_NOT_ADOPTED,
	MARK_LOST,
	MARKS_COUNT,
};

static void mark_effect(size_t *marks, const struct engine_effect *effect)
{
	if (effect->type == ENGINE_EFFECT_BAST) {
		marks[MARK_BAST]++;
		return;
	}
	if (effect->type == ENGINE_EFFECT_REPLY) {
		marks[effect->status == 0 ? MARK_ADOPTED : MARK_NOT_ADOPTED]++;
		return;
	}
	marks[MARK_GRANTED] += effect->status == 0;
	marks[MARK_EAGAIN] += effect->status == EAGAIN;
	marks[MARK_EDEADLK] += effect->status == EDEADLK;
	marks[MARK_ETIMEDOUT] += effect->status == ETIMEDOUT;
	marks[MARK_ECANCEL] += effect->status == LOCKSTEP_ECANCEL;
	marks[MARK_EUNLOCK] += effect->status == LOCKSTEP_EUNLOCK;
	marks[MARK_DEMOTED] += (effect->sb_flags & LOCKSTEP_SBF_DEMOTED) != 0;
	marks[MARK_ALTMODE] += (effect->sb_flags & LOCKSTEP_SBF_ALTMODE) != 0;
	marks[MARK_VALNOTVALID] += (effect->sb_flags & LOCKSTEP_SBF_VALNOTVALID) != 0;
	marks[MARK_LVB_READ] += effect->lvb_len > 0;
}

struct run {
	uint64_t seed;
	size_t step;
	struct engine *engine;
	struct engine *twin;
	struct engine_effects effects;
	struct engine_effects twin_effects;
	struct model *model;
	size_t *marks;
	char text[MODEL_TEXT_SIZE];
	char other[MODEL_TEXT_SIZE];
};

static void effects_text(const struct engine_effects *effects, char *text)
{
	text[0] = '\0';
	for (size_t i = 0; i < effects->count; i++) {
		model_effect_text(&effects->items[i], text);
	}
}

static void same(const struct run *run, const char *what, const char *is, const char *wanted)
{
	if (strcmp(is, wanted) != 0) {
		(void)fprintf(stderr, "seed %llu step %zu: %s\n--- is\n%s--- wanted\n%s",
			      (unsigned long long)run->seed, run->step, what, is, wanted);
		fail();
	}
}

static void holds(const struct run *run, bool condition, const char *what)
{
	if (!condition) {
		(void)fprintf(stderr, "seed %llu step %zu: %s\n", (unsigned long long)run->seed,
			      run->step, what);
		fail();
	}
}

/* The twin becomes an engine restored from the other's snapshot. */
static void twin_restore(struct run *run)
{
	struct buf bytes = { .data = NULL };
	struct buf twin_bytes = { .data = NULL };

	engine_snapshot_encode(run->engine, &bytes);
	engine_snapshot_encode(run->twin, &twin_bytes);
	holds(run, bytes.size == twin_bytes.size &&
			   memcmp(bytes.data, twin_bytes.data, bytes.size) == 0,
	      "two engines with the same ops have different snapshots");
	run->twin = engine_free(run->twin);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	holds(run, engine_snapshot_decode(&in, &run->twin) == 0, "a snapshot is refused");
	holds(run, cursor_end(&in), "a snapshot is longer than what is read");
	buf_clear(&twin_bytes);
	engine_snapshot_encode(run->twin, &twin_bytes);
	holds(run, bytes.size == twin_bytes.size &&
			   memcmp(bytes.data, twin_bytes.data, bytes.size) == 0,
	      "a restored engine has another snapshot");
	buf_done(&bytes);
	buf_done(&twin_bytes);
}

static void one_step(struct run *run, struct gambler *g)
{
	struct engine_op op;
	const char *rule;

	draw_op(g, run->engine, &op);
	engine_effects_clear(&run->effects);
	engine_effects_clear(&run->twin_effects);
	engine_apply(run->engine, &op, &run->effects);
	engine_apply(run->twin, &op, &run->twin_effects);
	model_apply(run->model, &op);
	for (size_t i = 0; i < run->effects.count; i++) {
		mark_effect(run->marks, &run->effects.items[i]);
	}
	run->marks[MARK_LOST] += op.type == ENGINE_OP_VIEW_POINT && run->effects.count > 0;
	effects_text(&run->effects, run->text);
	effects_text(&run->twin_effects, run->other);
	same(run, "two engines with the same ops do different things", run->text, run->other);
	same(run, engine_op_type_name(op.type), run->text, model_effects(run->model));
	engine_state_text(run->engine, run->text);
	run->other[0] = '\0';
	model_state_text(run->model, run->other);
	same(run, "state", run->text, run->other);
	rule = engine_check(run->engine);
	holds(run, !rule, rule ? rule : "");
	holds(run, engine_digest(run->engine) == engine_digest(run->twin), "digests differ");
	if (chance(g, 3)) {
		twin_restore(run);
	}
	g->crowded = engine_totals_get(run->engine).locks > LOCKS_HIGH ||
		     (g->crowded && engine_totals_get(run->engine).locks > LOCKS_HIGH / 2);
}

static void run_seed(uint64_t seed, size_t steps, size_t *marks)
{
	struct engine_config config = { .lvb_len = MODEL_LVB_LEN, .seq_base = seed * 1000 };
	struct run *run = calloc(1, sizeof(*run));
	struct gambler g = { .random = seed * 0x9e3779b97f4a7c15u + 1 };

	assert_non_null(run);
	draw_tastes(&g);
	run->seed = seed;
	run->marks = marks;
	run->engine = engine_new(&config);
	run->twin = engine_new(&config);
	run->model = model_new(config.seq_base);
	for (run->step = 0; run->step < steps; run->step++) {
		one_step(run, &g);
	}
	twin_restore(run);
	(void)engine_free(run->engine);
	(void)engine_free(run->twin);
	engine_effects_done(&run->effects);
	engine_effects_done(&run->twin_effects);
	model_free(run->model);
	free(run);
}

static size_t from_environment(const char *name, size_t otherwise)
{
	const char *text = getenv(name);

	return text ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

static void engine_agrees_with_the_model_and_its_twin(void **state)
{
	size_t only = from_environment("LOCKSTEP_SEED", 0);
	size_t steps = from_environment("LOCKSTEP_STEPS", STEPS);

	(void)state;
	size_t first = only ? only : 1;
	size_t last = only ? only : SEEDS;
	size_t marks[MARKS_COUNT] = { 0 };

	for (size_t seed = first; seed <= last; seed++) {
		run_seed(seed, steps, marks);
	}
	print_message("seeds %zu..%zu, %zu ops each; came by:", first, last, steps);
	for (size_t i = 0; i < MARKS_COUNT; i++) {
		print_message(" %zu", marks[i]);
	}
	print_message("\n");
	for (size_t i = 0; i < MARKS_COUNT && !only; i++) {
		assert_true(marks[i] >= MARK_MIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(engine_agrees_with_the_model_and_its_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
