/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the deadlock search does what section 19 says, on random states: here the graph is
 * built edge by edge as R-DLK-4 is written, with a matrix of who reaches whom, and each victim is
 * ended by a deadlock cancel (R-CAN-8) of a second engine. Both must have the same effects and
 * leave the same queues. The question for a cycle is held against the same matrix.
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

#define SEEDS 1500
#define STEPS 60
#define INCARNATION 5u
#define SESSIONS 5 /* 1 to 5; 1 to 3 on node 1, the others on node 2 */
#define SESSION_LIBDLM 3
#define LOCKS_MAX 64
#define LKID_MAX_HERE 40 /* per session */

static const char *const together[] = { "yyyyyy", "yyyyy-", "yyy---", "yy-y--", "yy----", "y-----" };

/* --- one state, copied out of an engine ------------------------------------------------------ */

struct copy {
	struct engine_lock_info locks[LOCKS_MAX]; /* by resource, then in the order of listings */
	size_t count;
	uint8_t xid_scope;
	size_t transactions[LOCKS_MAX]; /* of each lock: the first lock of the same one */
	bool edge[LOCKS_MAX][LOCKS_MAX]; /* between transactions, not to itself */
	bool reach[LOCKS_MAX][LOCKS_MAX];
};

static bool copy_lock(const struct engine_lock_info *info, void *arg)
{
	struct copy *c = arg;

	assert_true(c->count < LOCKS_MAX);
	c->locks[c->count++] = *info;
	return true;
}

struct visit {
	const struct engine *engine;
	struct copy *copy;
};

static bool copy_resource(const struct engine_resource_info *info, void *arg)
{
	struct visit *visit = arg;

	engine_locks_visit(visit->engine, info->name, info->name_len, copy_lock, visit->copy);
	return true;
}

/* R-DLK-3 */
static bool same_transaction(const struct copy *c, size_t a, size_t b)
{
	const struct engine_lock_info *x = &c->locks[a];
	const struct engine_lock_info *y = &c->locks[b];

	if (x->xid != y->xid) {
		return false;
	}
	if (x->xid == 0) {
		return x->nodeid == y->nodeid && x->session == y->session;
	}
	return c->xid_scope == 1 || x->nodeid == y->nodeid;
}

static bool same_resource(const struct copy *c, size_t a, size_t b)
{
	const struct engine_lock_info *x = &c->locks[a];
	const struct engine_lock_info *y = &c->locks[b];

	return x->name_len == y->name_len && memcmp(x->name, y->name, x->name_len) == 0;
}

enum edge { EDGE_NONE, EDGE_A, EDGE_B };

/* R-DLK-4: from what waits with lock @l to the transaction of lock @x. */
static enum edge edge(const struct copy *c, size_t l, size_t x)
{
	const struct engine_lock_info *waiter = &c->locks[l];
	const struct engine_lock_info *other = &c->locks[x];

	if (l == x || !same_resource(c, l, x) || waiter->queue == ENGINE_QUEUE_GRANTED ||
	    waiter->flags & LOCKSTEP_LKF_NODLCKWT || other->flags & LOCKSTEP_LKF_NODLCKBLK) {
		return EDGE_NONE;
	}
	if (other->granted >= 0 && together[other->granted][waiter->requested] != 'y') {
		return EDGE_A;
	}
	if (waiter->flags & LOCKSTEP_LKF_NOORDER || other->queue == ENGINE_QUEUE_GRANTED || x > l) {
		return EDGE_NONE; /* a listing has C before W and both in order */
	}
	return EDGE_B;
}

static void copy_make(struct copy *c, const struct engine *e)
{
	struct visit visit = { .engine = e, .copy = c };

	memset(c, 0, sizeof(*c));
	c->xid_scope = engine_config_get(e)->xid_scope;
	engine_resources_visit(e, copy_resource, &visit);
	for (size_t i = 0; i < c->count; i++) {
		while (!same_transaction(c, c->transactions[i], i)) {
			c->transactions[i]++;
		}
	}
	for (size_t l = 0; l < c->count; l++) {
		for (size_t x = 0; x < c->count; x++) {
			if (c->transactions[l] != c->transactions[x] && edge(c, l, x)) {
				c->edge[c->transactions[l]][c->transactions[x]] = true;
			}
		}
	}
	memcpy(c->reach, c->edge, sizeof(c->reach));
	for (size_t k = 0; k < c->count; k++) {
		for (size_t i = 0; i < c->count; i++) {
			for (size_t j = 0; c->reach[i][k] && j < c->count; j++) {
				c->reach[i][j] |= c->reach[k][j];
			}
		}
	}
}

/* R-DLK-5, R-DLK-6 */
static bool is_deadlocked(const struct copy *c, size_t l)
{
	size_t t = c->transactions[l];

	for (size_t x = 0; x < c->count; x++) {
		enum edge is = edge(c, l, x);
		size_t to = c->transactions[x];

		if ((is == EDGE_A && to == t) || (is != EDGE_NONE && to != t && c->reach[to][t])) {
			return true;
		}
	}
	return false;
}

static size_t lock_find(const struct copy *c, uint32_t nodeid, uint32_t lkid)
{
	size_t i = 0;

	while (i < c->count && (c->locks[i].nodeid != nodeid || c->locks[i].lkid != lkid)) {
		i++;
	}
	return i;
}

/* R-DLK-7: index of the victim among what a transaction of that session and xid reaches, or count. */
static size_t victim(const struct copy *c, const struct engine_lock_info *start)
{
	size_t best = c->count;
	size_t root = 0;

	/* Some lock of the transaction; it may be another one by now. */
	while (root < c->count &&
	       (c->locks[root].xid != start->xid ||
		(start->xid == 0 && c->locks[root].session != start->session) ||
		((start->xid == 0 || c->xid_scope == 0) && c->locks[root].nodeid != start->nodeid))) {
		root++;
	}
	if (root == c->count) {
		return best;
	}
	root = c->transactions[root];
	for (size_t l = 0; l < c->count; l++) {
		size_t t = c->transactions[l];

		if ((t == root || c->reach[root][t]) && c->locks[l].session != SESSION_LIBDLM &&
		    is_deadlocked(c, l) &&
		    (best == c->count || c->locks[l].queued_seq < c->locks[best].queued_seq)) {
			best = l;
		}
	}
	return best;
}

/* --- random ops ------------------------------------------------------------------------------ */

struct world {
	uint64_t random;
	uint64_t seed;
	struct engine *engine;
	uint64_t requests[SESSIONS + 1];
	uint32_t lkids[SESSIONS + 1];
	struct engine_effects effects;
};

static struct {
	unsigned int victims;
	unsigned int repeated; /* searches with more than one victim */
	unsigned int found_none;
	unsigned int cycles;
	unsigned int grants; /* that followed a victim's end */
} marks;

static uint32_t draw(struct world *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 20) % below;
}

static uint32_t node_of(uint32_t session)
{
	return session <= 3 ? 1 : 2;
}

static struct engine_op op_of(struct world *w, enum engine_op_type type, uint32_t session)
{
	struct engine_op op;

	memset(&op, 0, sizeof(op));
	op.type = type;
	op.nodeid = node_of(session);
	op.incarnation = INCARNATION;
	op.session = session;
	op.request = ++w->requests[session];
	return op;
}

static void apply(struct world *w, const struct engine_op *op)
{
	engine_effects_clear(&w->effects);
	engine_apply(w->engine, op, &w->effects);
	const char *broken = engine_check(w->engine);

	if (broken) {
		fail_msg("seed %llu: %s", (unsigned long long)w->seed, broken);
	}
}

static uint32_t draw_flags(struct world *w)
{
	static const uint32_t flags[] = { LOCKSTEP_LKF_NODLCKWT, LOCKSTEP_LKF_NODLCKBLK,
					  LOCKSTEP_LKF_NOORDER, LOCKSTEP_LKF_HEADQUE };

	return draw(w, 3) == 0 ? flags[draw(w, 4)] : 0;
}

static void random_op(struct world *w)
{
	static const uint8_t modes[] = { 0, 1, 2, 3, 3, 4, 5, 5 };
	uint32_t session = 1 + draw(w, SESSIONS);
	uint32_t what = draw(w, 10);
	enum engine_op_type type = what < 5 ? ENGINE_OP_LOCK :
				   what < 8 ? ENGINE_OP_CONVERT : ENGINE_OP_UNLOCK;

	if (w->lkids[session] == 0 || (type == ENGINE_OP_LOCK && w->lkids[session] < LKID_MAX_HERE &&
				       engine_session_locks(w->engine, node_of(session), INCARNATION,
							    session, NULL) > 8)) {
		type = w->lkids[session] == 0 ? ENGINE_OP_LOCK : ENGINE_OP_UNLOCK;
	}
	struct engine_op op = op_of(w, type, session);

	/* lkids are of a node. */
	op.lkid = session * 1000 + (type == ENGINE_OP_LOCK ? ++w->lkids[session] :
							     1 + draw(w, w->lkids[session]));
	op.name_len = 1;
	op.name[0] = (uint8_t)('a' + draw(w, 3));
	if (type != ENGINE_OP_UNLOCK) {
		op.mode = modes[draw(w, 8)];
		op.xid = draw(w, 3) == 0 ? 1 + draw(w, 2) : 0;
		op.flags = draw_flags(w);
	}
	apply(w, &op);
}

/* --- what is compared ------------------------------------------------------------------------ */

#define TEXT_SIZE 8192

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + used, TEXT_SIZE - used, format, args);
	va_end(args);
}

static void add_effects(const struct engine_effects *effects, char *text)
{
	for (size_t i = 0; i < effects->count; i++) {
		const struct engine_effect *effect = &effects->items[i];

		add(text, "%d %u/%u status %d mode %d\n", effect->type, effect->nodeid, effect->lkid,
		    effect->status, effect->mode);
		marks.grants += effect->type == ENGINE_EFFECT_CAST && effect->status == 0;
	}
}

static void add_queues(const struct copy *c, char *text)
{
	for (size_t i = 0; i < c->count; i++) {
		add(text, "%u/%u %d %d>%d\n", c->locks[i].nodeid, c->locks[i].lkid, c->locks[i].queue,
		    c->locks[i].granted, c->locks[i].requested);
	}
}

static struct engine *twin(const struct world *w)
{
	struct buf bytes = { .data = NULL };
	struct engine *e = NULL;

	engine_snapshot_encode(w->engine, &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	assert_int_equal(engine_snapshot_decode(&in, &e), 0);
	buf_done(&bytes);
	return e;
}

/* What section 19 says, on a second engine. */
static void expected(const struct world *w, const struct engine_lock_info *start, char *text)
{
	struct world other = *w;
	static struct copy c;
	unsigned int victims = 0;

	other.engine = twin(w);
	memset(&other.effects, 0, sizeof(other.effects));
	for (;;) {
		copy_make(&c, other.engine);
		size_t i = victim(&c, start);

		if (i == c.count || start->session == SESSION_LIBDLM) {
			break;
		}
		struct engine_op op = op_of(&other, ENGINE_OP_DEADLOCK_CANCEL, c.locks[i].session);

		op.lkid = c.locks[i].lkid;
		apply(&other, &op);
		add_effects(&other.effects, text);
		victims++;
	}
	add_queues(&c, text);
	marks.victims += victims;
	marks.repeated += victims > 1;
	marks.found_none += victims == 0;
	engine_effects_done(&other.effects);
	(void)engine_free(other.engine);
}

static void search(struct world *w, const struct engine_lock_info *start)
{
	static char wanted[TEXT_SIZE];
	static char did[TEXT_SIZE];
	static struct copy c;
	struct engine_op op = { .type = ENGINE_OP_DEADLOCK_SEARCH,
				.nodeid = start->nodeid,
				.incarnation = INCARNATION,
				.lkid = start->lkid,
				.queued_seq = start->queued_seq };

	wanted[0] = '\0';
	did[0] = '\0';
	expected(w, start, wanted);
	apply(w, &op);
	add_effects(&w->effects, did);
	copy_make(&c, w->engine);
	add_queues(&c, did);
	if (strcmp(wanted, did) != 0) {
		fail_msg("seed %llu: search for %u\nwanted\n%s\ndid\n%s",
			 (unsigned long long)w->seed, start->lkid, wanted, did);
	}
}

/* --- the question for a cycle ---------------------------------------------------------------- */

struct cycle {
	const struct copy *copy;
	size_t first;
	size_t last; /* the lock that the edge before leads to */
	size_t count;
};

static bool cycle_edge(const struct engine_lock_info *waiter, const struct engine_lock_info *blocker,
		       bool by_order, void *arg)
{
	struct cycle *cycle = arg;
	const struct copy *c = cycle->copy;
	size_t l = lock_find(c, waiter->nodeid, waiter->lkid);
	size_t x = lock_find(c, blocker->nodeid, blocker->lkid);

	assert_true(l < c->count && x < c->count);
	assert_int_equal(edge(c, l, x), by_order ? EDGE_B : EDGE_A);
	if (cycle->count == 0) {
		assert_int_equal(l, cycle->first);
	} else {
		assert_int_equal(c->transactions[l], c->transactions[cycle->last]);
	}
	cycle->last = x;
	cycle->count++;
	return true;
}

static void ask(const struct world *w, const struct copy *c, size_t l)
{
	struct cycle cycle = { .copy = c, .first = l };
	bool is = engine_deadlock_visit(w->engine, &c->locks[l], cycle_edge, &cycle);

	if (is != is_deadlocked(c, l)) {
		fail_msg("seed %llu: lock %u is %sin a cycle", (unsigned long long)w->seed,
			 c->locks[l].lkid, is ? "not " : "");
	}
	if (is) {
		assert_int_equal(c->transactions[cycle.last], c->transactions[l]);
		/* A cycle of one edge is a self deadlock, which is of type (a). */
		assert_true(cycle.count > 1 || edge(c, l, cycle.last) == EDGE_A);
		marks.cycles++;
	} else {
		assert_int_equal(cycle.count, 0);
	}
}

/* --- runs ------------------------------------------------------------------------------------ */

static void look(struct world *w)
{
	static struct copy c;
	size_t waiting = 0;

	copy_make(&c, w->engine);
	for (size_t l = 0; l < c.count; l++) {
		ask(w, &c, l);
		waiting += c.locks[l].queue != ENGINE_QUEUE_GRANTED;
	}
	if (waiting == 0 || draw(w, 4) != 0) {
		return;
	}
	size_t chosen = draw(w, (uint32_t)waiting);

	for (size_t l = 0; l < c.count; l++) {
		if (c.locks[l].queue != ENGINE_QUEUE_GRANTED && chosen-- == 0) {
			if (!(c.locks[l].flags & LOCKSTEP_LKF_NODLCKWT)) {
				search(w, &c.locks[l]);
			}
			return;
		}
	}
}

static void run(uint64_t seed)
{
	struct engine_config config = { .lvb_len = 8,
					.deadlock_wait_ms = 1,
					.xid_scope = (uint8_t)(seed % 2) };
	struct world w = { .seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 1 };

	w.engine = engine_new(&config);
	for (uint32_t session = 1; session <= SESSIONS; session++) {
		struct engine_op op = op_of(&w, ENGINE_OP_SESSION_BEGIN, session);

		op.personality = session == SESSION_LIBDLM ? ENGINE_PERSONALITY_LIBDLM :
							     ENGINE_PERSONALITY_NATIVE;
		apply(&w, &op);
	}
	for (int step = 0; step < STEPS; step++) {
		random_op(&w);
		look(&w);
	}
	engine_effects_done(&w.effects);
	(void)engine_free(w.engine);
}

/* R-DLK-2, R-DLK-3, R-DLK-4, R-DLK-5, R-DLK-6, R-DLK-7 */
static void search_does_what_the_rules_say_edge_by_edge(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run(seed);
	}
	/* It has seen what it is for. */
	assert_true(marks.victims > 1000);
	assert_true(marks.repeated > 100);
	assert_true(marks.found_none > 1000);
	assert_true(marks.cycles > 1000);
	assert_true(marks.grants > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_does_what_the_rules_say_edge_by_edge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
