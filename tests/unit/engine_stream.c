/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/engine_stream.h"

#define NODES	   3
#define SESSIONS   3 /* on a node at a time; an ended one's place goes to a new number */
#define LKIDS	   200 /* of a node */
#define XIDS	   4
#define LOST_MAX   8
#define LOCKS_HIGH 60 /* above this only ends are drawn */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct gambler {
	uint64_t random;
	uint64_t request[NODES + 1];
	uint32_t session[NODES + 1][SESSIONS]; /* their present numbers */
	uint32_t session_last;
	uint64_t incarnation[NODES + 1]; /* the present ones */
	struct engine_member_id lost[LOST_MAX];
	size_t lost_count;
	bool crowded;
	/* Tastes of this run. */
	unsigned int recklessness; /* of 100: how often flags are drawn */
	uint32_t resources;
	uint32_t flags;
	uint8_t modes[8];
	uint32_t convert_percent; /* more of them than types[] says */
	uint32_t xid_percent;
	uint32_t libdlm_percent;
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
	LOCKSTEP_LKF_NOQUEUE,	 LOCKSTEP_LKF_VALBLK,	LOCKSTEP_LKF_IVVALBLK,
	LOCKSTEP_LKF_PERSISTENT, LOCKSTEP_LKF_HEADQUE,	LOCKSTEP_LKF_NOQUEUEBAST,
	LOCKSTEP_LKF_NOORDER,	 LOCKSTEP_LKF_ALTPR,	LOCKSTEP_LKF_ALTCW,
	LOCKSTEP_LKF_TIMEOUT,	 LOCKSTEP_LKF_EXPEDITE, LOCKSTEP_LKF_NODLCKWT,
	LOCKSTEP_LKF_NODLCKBLK,
};
static const uint32_t convert_flags[] = { LOCKSTEP_LKF_QUECVT, LOCKSTEP_LKF_CONVDEADLK,
					  LOCKSTEP_LKF_NODLCKWT };

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
	g->xid_percent = chance(g, 50) ? draw(g, 100) : 0;
	g->libdlm_percent = chance(g, 50) ? draw(g, 60) : 0;
}

struct gambler *gambler_new(uint64_t seed)
{
	struct gambler *g = calloc(1, sizeof(*g));

	if (!g) {
		abort();
	}
	g->random = seed * 0x9e3779b97f4a7c15u + 1;
	for (size_t node = 0; node <= NODES; node++) {
		g->incarnation[node] = 1;
	}
	draw_tastes(g);
	return g;
}

void gambler_free(struct gambler *g)
{
	free(g);
}

struct engine_config gambler_config(struct gambler *g)
{
	struct engine_config config = {
		.lvb_len = MODEL_LVB_LEN,
		.deadlock_wait_ms = chance(g, 95) ? 10000 : 0,
		.xid_scope = chance(g, 30),
		.seq_base = draw(g, 1000000),
	};

	return config;
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
	if (chance(g, 1)) {
		flags |= 1u << draw(g, 32);
	}
	return flags;
}

/* The members of a view point are lost, those of a recovery point mostly were. */
static void draw_member(struct gambler *g, const struct engine_op *op,
			struct engine_member_id *ret)
{
	uint32_t node = 1 + draw(g, NODES);

	*ret = (struct engine_member_id){ .nodeid = node,
					  .incarnation = g->incarnation[node] };
	if (op->type == ENGINE_OP_VIEW_POINT) {
		if (g->lost_count < LOST_MAX) {
			g->lost[g->lost_count++] = *ret;
		}
		g->incarnation[node] += chance(g, 70);
	} else if (g->lost_count > 0 && chance(g, 80)) {
		*ret = g->lost[draw(g, (uint32_t)g->lost_count)];
	}
	if (op->type == ENGINE_OP_NODES_REMOVE) {
		for (size_t i = 0; i < g->lost_count;) {
			if (g->lost[i].nodeid == ret->nodeid &&
			    g->lost[i].incarnation == ret->incarnation) {
				g->lost[i] = g->lost[--g->lost_count];
			} else {
				i++;
			}
		}
	}
}

static void draw_members(struct gambler *g, struct stream_op *s)
{
	struct engine_op *op = &s->op;

	draw_member(g, op, &s->members[0]);
	op->members_count = 1;
	if (chance(g, 20)) {
		draw_member(g, op, &s->members[1]);
		/* They are listed in order. */
		op->members_count += s->members[1].nodeid > s->members[0].nodeid;
	}
	op->flags = chance(g, 30) ? LOCKSTEP_LKF_IVVALBLK : 0;
}

static const struct {
	enum engine_op_type type;
	uint32_t weight;
} types[] = {
	{ ENGINE_OP_SESSION_BEGIN, 2 },
	{ ENGINE_OP_SESSION_END, 12 },
	{ ENGINE_OP_LOCK, 300 },
	{ ENGINE_OP_CONVERT, 300 },
	{ ENGINE_OP_UNLOCK, 110 },
	{ ENGINE_OP_CANCEL, 60 },
	{ ENGINE_OP_DEADLOCK_CANCEL, 15 },
	{ ENGINE_OP_ADOPT, 40 },
	{ ENGINE_OP_PURGE, 8 },
	{ ENGINE_OP_TIMEOUT, 25 },
	{ ENGINE_OP_DEADLOCK_SEARCH, 30 },
	{ ENGINE_OP_VIEW_POINT, 6 },
	{ ENGINE_OP_NODES_REMOVE, 2 },
};

static enum engine_op_type draw_type(struct gambler *g)
{
	uint32_t total = 0;

	if (g->crowded) {
		return chance(g, 98) ? ENGINE_OP_UNLOCK : ENGINE_OP_SESSION_END;
	}
	if (chance(g, 3) && g->lost_count > 0) {
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
		picking->op->incarnation = info->incarnation;
		picking->op->session =
			adopt ? picking->g->session[info->nodeid][0] : info->session;
		picking->op->lkid = info->lkid;
		picking->op->mode = adopt ? (uint8_t)info->granted : picking->op->mode;
	}
	return true;
}

static bool names_a_lock(enum engine_op_type type)
{
	return type == ENGINE_OP_CONVERT || type == ENGINE_OP_UNLOCK ||
	       type == ENGINE_OP_CANCEL || type == ENGINE_OP_DEADLOCK_CANCEL ||
	       type == ENGINE_OP_TIMEOUT || type == ENGINE_OP_DEADLOCK_SEARCH ||
	       type == ENGINE_OP_ADOPT;
}

static void draw_target(struct gambler *g, const struct engine *e, struct engine_op *op)
{
	struct picking picking = { .g = g, .op = op };

	op->nodeid = 1 + draw(g, NODES);
	op->incarnation = g->incarnation[op->nodeid];
	uint32_t *session = &g->session[op->nodeid][draw(g, SESSIONS)];

	if (op->type < ENGINE_OP_VIEW_POINT && chance(g, 70) &&
	    !engine_session_exists(e, op->nodeid, op->incarnation, *session)) {
		op->type = ENGINE_OP_SESSION_BEGIN;
		*session = ++g->session_last;
	}
	op->session = *session;
	op->lkid = 1 + draw(g, LKIDS);
	op->mode =
		chance(g, 5) ? (uint8_t)draw(g, 8) : g->modes[draw(g, COUNT(g->modes))];
	if (names_a_lock(op->type) && chance(g, 85)) {
		picking.queued =
			op->type == ENGINE_OP_CANCEL || op->type == ENGINE_OP_TIMEOUT ||
			op->type == ENGINE_OP_DEADLOCK_SEARCH ||
			(op->type == ENGINE_OP_DEADLOCK_CANCEL && chance(g, 60)) ||
			(op->type == ENGINE_OP_UNLOCK && chance(g, 10));
		engine_locks_visit(e, op->name, op->name_len, pick_lock, &picking);
	}
	if (chance(g, 3)) {
		op->lkid = draw(g, 2) * 0xffffffffu; /* none, or too large */
	}
}

static uint32_t draw_op_flags(struct gambler *g, enum engine_op_type type)
{
	uint32_t flags;

	switch (type) {
	case ENGINE_OP_UNLOCK:
	case ENGINE_OP_CANCEL:
		flags = chance(g, 30) ? LOCKSTEP_LKF_VALBLK : 0;
		flags |= chance(g, 10) ? LOCKSTEP_LKF_IVVALBLK : 0;
		flags |= chance(g, type == ENGINE_OP_UNLOCK ? 20 : 2)
				 ? LOCKSTEP_LKF_FORCEUNLOCK
				 : 0;
		flags |= chance(g, 2) ? 1u << draw(g, 20) : 0;
		return flags;
	case ENGINE_OP_LOCK:
	case ENGINE_OP_CONVERT:
	case ENGINE_OP_ADOPT:
		return draw_flags(g, type == ENGINE_OP_CONVERT);
	default:
		return 0;
	}
}

static void draw_waiting(struct gambler *g, struct stream_op *s)
{
	if (s->op.type == ENGINE_OP_TIMEOUT || s->op.type == ENGINE_OP_DEADLOCK_SEARCH) {
		s->op.queued_seq = draw(g, 100);
		s->queued_right = chance(g, 90);
	}
}

void gambler_draw(struct gambler *g, const struct engine *e, struct stream_op *s)
{
	struct engine_op *op = &s->op;
	size_t locks = engine_totals_get(e).locks;

	g->crowded = locks > LOCKS_HIGH || (g->crowded && locks > LOCKS_HIGH / 2);
	memset(s, 0, sizeof(*s));
	op->type = draw_type(g);
	op->name_len = 1;
	op->name[0] = (uint8_t)('a' + draw(g, chance(g, 50) ? 1 : g->resources));
	if (op->type == ENGINE_OP_VIEW_POINT || op->type == ENGINE_OP_NODES_REMOVE) {
		draw_members(g, s);
		s->raise = op->type == ENGINE_OP_VIEW_POINT && chance(g, 10)
				   ? 1 + draw(g, 1000)
				   : 0;
		return;
	}
	draw_target(g, e, op);
	/* One counter for all sessions of a node ascends in each of them. */
	uint64_t *request = &g->request[op->nodeid];

	op->request = chance(g, 2) ? *request : ++*request;
	op->attr = chance(g, 80) ? ENGINE_ATTR_HAS_BAST : 0;
	op->time_ms = draw(g, 1000);
	op->pid = 100 + draw(g, 4);
	op->personality = chance(g, g->libdlm_percent);
	op->xid = chance(g, g->xid_percent) ? 1 + draw(g, XIDS) : 0;
	op->purge_nodeid = draw(g, NODES + 1);
	op->purge_pid = chance(g, 30) ? 0 : 100 + draw(g, 4);
	op->flags = draw_op_flags(g, op->type);
	if (op->type == ENGINE_OP_CONVERT && chance(g, 5)) {
		/* All that it takes for a late grant to write the LVB of its call. */
		op->flags =
			LOCKSTEP_LKF_NODLCKWT | LOCKSTEP_LKF_ALTPR | LOCKSTEP_LKF_VALBLK;
		op->mode = LOCKSTEP_LOCK_EX;
	}
	if (op->flags & LOCKSTEP_LKF_TIMEOUT) {
		op->timeout_cs = draw(g, 1000);
	}
	if (op->flags & LOCKSTEP_LKF_VALBLK) {
		s->lvb = (uint8_t)('a' + draw(g, 26));
		op->lvb_len = MODEL_LVB_LEN;
	}
	draw_waiting(g, s);
}

struct engine_op stream_op_get(const struct stream_op *from, uint64_t queued_seq,
			       uint8_t lvb[MODEL_LVB_LEN])
{
	struct engine_op op = from->op;

	if (op.lvb_len > 0) {
		memset(lvb, from->lvb, MODEL_LVB_LEN);
		op.lvb = lvb;
	}
	if (op.members_count > 0) {
		op.members = from->members;
	}
	if (from->queued_right) {
		op.queued_seq = queued_seq;
	}
	return op;
}
