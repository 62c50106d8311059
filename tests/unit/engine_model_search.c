/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Section 19 of the lock model, word by word: all transactions are compared with all,
 * every edge is written down, and two transactions belong together when each can be
 * reached from the other.
 */
#include "config.h"

#include "tests/unit/engine_model_private.h"

#define EDGES_MAX 16384

/* R-DLK-3. Equal bytes, same transaction. */
struct transaction {
	uint32_t node; /* 0: an xid of the whole cluster */
	uint64_t incarnation;
	uint32_t session; /* 0: it is an xid */
	uint64_t xid;
};

struct edge {
	struct mlock *lock; /* who waits */
	int from;
	int to;
	bool conflict; /* type (a); else (b) */
};

struct graph {
	struct transaction vertices[LOCKS_MAX];
	int vertices_count;
	struct edge edges[EDGES_MAX];
	int edges_count;
	bool reach[LOCKS_MAX][LOCKS_MAX];
};

static struct transaction transaction_of(struct model *m, const struct mlock *l)
{
	struct transaction t;

	memset(&t, 0, sizeof(t));
	if (l->xid != 0 && m->config.xid_scope == 1) {
		t.xid = l->xid;
		return t;
	}
	t.node = l->member->node;
	t.incarnation = l->member->incarnation;
	if (l->xid != 0) {
		t.xid = l->xid;
	} else {
		t.session = l->session;
	}
	return t;
}

static int vertex(struct graph *g, struct transaction t)
{
	for (int i = 0; i < g->vertices_count; i++) {
		if (memcmp(&g->vertices[i], &t, sizeof(t)) == 0) {
			return i;
		}
	}
	g->vertices[g->vertices_count] = t;
	return g->vertices_count++;
}

static bool is_ahead(const struct mresource *r, const struct mlock *x,
		     const struct mlock *l)
{
	if (x->queue == G) {
		return false;
	}
	if (x->queue != l->queue) {
		return x->queue == C;
	}
	for (int i = 0; r->queue[l->queue][i] != l; i++) {
		if (r->queue[l->queue][i] == x) {
			return true;
		}
	}
	return false;
}

/* R-DLK-4 for a queued lock and one that may stand in its way. */
static void add_edge(struct model *m, struct graph *g, struct mlock *l, struct mlock *x)
{
	bool conflict = x->queue != W && !model_compatible(x->gr, l->rq);
	bool ahead = is_ahead(model_resource_of(m, l), x, l);

	if (x->flags & FLAG(NODLCKBLK)) {
		m->marks->turns[MARK_DLK4_NODLCKBLK] += conflict || ahead;
		return;
	}
	if (!conflict && l->flags & FLAG(NOORDER)) {
		m->marks->turns[MARK_DLK4_NOORDER] += ahead;
		return;
	}
	if (conflict || ahead) {
		m->marks->turns[conflict ? MARK_DLK4_A : MARK_DLK4_B]++;
		g->edges[g->edges_count++] = (struct edge){
			.lock = l,
			.from = vertex(g, transaction_of(m, l)),
			.to = vertex(g, transaction_of(m, x)),
			.conflict = conflict,
		};
	}
}

static void mark_reach(struct graph *g, int root, int at)
{
	for (int i = 0; i < g->edges_count; i++) {
		if (g->edges[i].from == at && !g->reach[root][g->edges[i].to]) {
			g->reach[root][g->edges[i].to] = true;
			mark_reach(g, root, g->edges[i].to);
		}
	}
}

static void draw(struct model *m, struct graph *g)
{
	memset(g, 0, sizeof(*g));
	for (int i = 0; i < LOCKS_MAX; i++) {
		struct mlock *l = &m->locks[i];

		if (!l->used || l->queue == G) {
			continue;
		}
		if (l->flags & FLAG(NODLCKWT)) {
			MARK(m, DLK4_NODLCKWT);
			continue;
		}
		m->marks->turns[l->xid == 0		   ? MARK_DLK3_SESSION
				: m->config.xid_scope == 0 ? MARK_DLK3_XID
							   : MARK_DLK3_CLUSTER]++;
		for (int k = 0; k < LOCKS_MAX; k++) {
			if (k != i && m->locks[k].used &&
			    m->locks[k].resource == l->resource) {
				add_edge(m, g, l, &m->locks[k]);
			}
		}
	}
	for (int i = 0; i < g->vertices_count; i++) {
		mark_reach(g, i, i);
	}
}

/* How many transactions are in the component of that one. */
static int component_size(const struct graph *g, int at)
{
	int size = 1;

	for (int i = 0; i < g->vertices_count; i++) {
		size += i != at && g->reach[at][i] && g->reach[i][at];
	}
	return size;
}

/* R-DLK-5, R-DLK-6 */
static bool is_deadlocked(struct model *m, const struct graph *g, const struct edge *x)
{
	if (x->from == x->to) {
		m->marks->turns[x->conflict ? MARK_DLK5_A : MARK_DLK5_B]++;
		return x->conflict;
	}
	if (!g->reach[x->to][x->from]) {
		return false;
	}
	m->marks->turns[component_size(g, x->from) > 2 ? MARK_DLK6_MORE
						       : MARK_DLK6_TWO]++;
	return true;
}

/* R-DLK-7: the deadlocked request, of those that can be reached from @start, that is
 * queued longest. */
static struct mlock *victim_find(struct model *m, struct graph *g,
				 struct transaction start)
{
	struct mlock *victim = NULL;
	bool any = false;
	int from;

	draw(m, g);
	from = vertex(g, start);
	for (int i = 0; i < g->edges_count; i++) {
		const struct edge *x = &g->edges[i];

		if ((x->from != from && !g->reach[from][x->from]) ||
		    !is_deadlocked(m, g, x)) {
			continue;
		}
		any = true;
		m->marks->turns[MARK_DLK6_ELSEWHERE] +=
			x->from != from && !g->reach[x->from][from];
		if (x->lock->personality == ENGINE_PERSONALITY_LIBDLM) {
			MARK(m, DLK1_VICTIM);
		} else if (!victim || x->lock->queued_seq < victim->queued_seq) {
			victim = x->lock;
		}
	}
	m->marks->turns[MARK_DLK6_NONE] += !any;
	m->marks->turns[MARK_DLK7_NONE] += any && !victim;
	return victim;
}

/* R-DLK-1, R-DLK-2: may a search start here? */
static bool may_start(struct model *m, const struct mlock *l)
{
	if (m->config.deadlock_wait_ms == 0) {
		MARK(m, DLK1_OFF);
		return false;
	}
	if (l->queue == G || l->queued_seq != m->op->queued_seq ||
	    l->flags & FLAG(NODLCKWT)) {
		MARK(m, DLK2_NOT);
		return false;
	}
	if (l->personality == ENGINE_PERSONALITY_LIBDLM) {
		MARK(m, DLK1_LIBDLM);
		return false;
	}
	return true;
}

void model_op_deadlock_search(struct model *m, struct mlock *start)
{
	static struct graph g; /* large; drawn anew for each look */
	struct transaction from;
	struct mlock *victim;

	if (!may_start(m, start)) {
		return;
	}
	from = transaction_of(m, start);
	for (int victims = 0; (victim = victim_find(m, &g, from)); victims++) {
		m->marks->turns[victim->queue == C ? MARK_DLK7_C : MARK_DLK7_W]++;
		m->marks->turns[MARK_DLK7_OTHER] += victim != start;
		m->marks->turns[MARK_DLK7_AGAIN] += victims == 1;
		model_op_cancel(m, victim, EDEADLK);
	}
}
