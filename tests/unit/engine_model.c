/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>

#include "tests/unit/engine_model_private.h"

/* --- modes: the table of R-MODE-1 as it is printed --- */

bool model_compatible(int a, int b)
{
	static const char table[6][7] = { "yyyyyy", "yyyyy-", "yyy---",
					  "yy-y--", "yy----", "y-----" };

	return a == IV || b == IV || table[a][b] == 'y';
}

static bool middle(int a, int b)
{
	return (a == PR && b == CW) || (a == CW && b == PR);
}

/* R-LVB-1 as it is printed */
char model_lvb_action(int gr, int rq)
{
	static const char table[6][7] = { "RRRRRR", ".RRRRR", "..RRRR",
					  "...RRR", "WWWWWR", "WWWWWW" };

	if (gr == IV) {
		return 'R';
	}
	if (rq == IV) {
		return gr >= PW ? 'W' : '.';
	}
	return table[gr][rq];
}

/* --- queues --- */

struct mresource *model_resource_of(struct model *m, const struct mlock *l)
{
	return &m->resources[l->resource];
}

static void take(struct model *m, struct mlock *l)
{
	struct mresource *r = model_resource_of(m, l);
	int q = l->queue;
	int at = 0;

	if (q == IV) {
		return;
	}
	while (r->queue[q][at] != l) {
		at++;
	}
	for (r->count[q]--; at < r->count[q]; at++) {
		r->queue[q][at] = r->queue[q][at + 1];
	}
	l->queue = IV;
}

void model_put(struct model *m, struct mlock *l, int q)
{
	struct mresource *r = model_resource_of(m, l);
	int at;

	m->marks->moves[l->queue + 1][q + 1]++;
	take(m, l);
	at = r->count[q];
	if (q == G) {
		for (at = 0; at < r->count[G] && r->queue[G][at]->stamp < l->stamp;
		     at++) {
		}
	} else if (l->flags & FLAG(HEADQUE)) {
		at = 0;
	}
	for (int i = r->count[q]; i > at; i--) {
		r->queue[q][i] = r->queue[q][i - 1];
	}
	r->queue[q][at] = l;
	r->count[q]++;
	l->queue = q;
}

void model_gone(struct model *m, struct mlock *l)
{
	struct mresource *r = model_resource_of(m, l);

	m->marks->moves[l->queue + 1][0]++;
	take(m, l);
	l->used = false;
	if (r->count[G] + r->count[C] + r->count[W] == 0) {
		m->marks->turns[MARK_RES2] += r->lvb != IV;
		r->lvb = IV;
		r->lvb_seq = 0;
		r->invalid = false;
	}
}

struct mlock *model_lock_find(struct model *m, const struct mmember *member,
			      uint32_t lkid)
{
	for (int i = 0; i < LOCKS_MAX; i++) {
		if (m->locks[i].used && m->locks[i].member == member &&
		    m->locks[i].lkid == lkid) {
			return &m->locks[i];
		}
	}
	return NULL;
}

/* --- effects --- */

/* For the session of @l. An orphan and a lost node are told nothing. */
void model_add_effect(struct model *m, const struct mlock *l,
		      const struct engine_effect *effect, int lvb)
{
	struct engine_effect *to = &m->effects[m->effects_count];

	if (l->orphan || l->member->lost) {
		m->marks->turns[MARK_PROC4] += l->orphan;
		return;
	}
	if (m->effects_count == EFFECTS_MAX) {
		abort();
	}
	*to = *effect;
	to->nodeid = l->member->node;
	to->incarnation = l->member->incarnation;
	to->session = l->session;
	to->lkid = l->lkid;
	to->seq = m->seq;
	if (to->lvb_len > 0) {
		memset(m->effect_lvbs[m->effects_count], lvb, MODEL_LVB_LEN);
		to->lvb = m->effect_lvbs[m->effects_count];
	}
	m->effects_count++;
}

static void bast(struct model *m, struct mlock *l, int mode, int highbast)
{
	struct engine_effect effect = { .type = ENGINE_EFFECT_BAST,
					.mode = (int8_t)mode };

	l->highbast = highbast;
	if (l->bast) {
		model_add_effect(m, l, &effect, IV);
	} else {
		MARK(m, BAST7);
	}
}

void model_refuse(struct model *m, const struct mlock *l, uint64_t request, int status)
{
	struct engine_effect effect = {
		.type = ENGINE_EFFECT_CAST,
		.request = request,
		.status = status,
		.mode = (int8_t)l->gr,
		.sb_flags = l->sb_flags & LOCKSTEP_SBF_DEMOTED,
		.needs_stable = status == LOCKSTEP_ECANCEL,
	};

	model_add_effect(m, l, &effect, IV);
}

/* --- section 12 --- */

int model_op_lvb(const struct engine_op *op)
{
	return op->lvb_len ? op->lvb[0] : IV;
}

void model_mark_lvb(struct model *m, int gr, int rq, uint32_t flags)
{
	int kind = (flags & FLAG(VALBLK) ? MODEL_LVB_VALBLK : 0) +
		   (flags & FLAG(IVVALBLK) ? MODEL_LVB_IVVALBLK : 0);

	m->marks->lvb[gr + 1][rq == IV ? 6 : rq][kind]++;
}

bool model_lvb_write(struct model *m, struct mlock *l, uint32_t flags, int bytes)
{
	struct mresource *r = model_resource_of(m, l);

	if (flags & FLAG(IVVALBLK)) {
		MARK(m, LVB4);
		m->marks->turns[MARK_LVB4_BOTH] += (flags & FLAG(VALBLK)) != 0;
		r->invalid = true;
		return true;
	}
	if (flags & FLAG(VALBLK) && bytes != IV) {
		m->marks->turns[MARK_LVB3_FIRST] += r->lvb == IV;
		m->marks->turns[MARK_LVB3_CLEARS] += r->invalid;
		r->lvb = bytes;
		r->lvb_seq++;
		r->invalid = false;
		return true;
	}
	return false;
}

/* R-LVB-2, R-LVB-6: what the caller gets and is told. */
static int lvb_read(struct model *m, const struct mlock *l, struct engine_effect *effect)
{
	const struct mresource *r = model_resource_of(m, l);

	if (!(l->flags & FLAG(VALBLK))) {
		m->marks->turns[MARK_LVB6_READ_NOT] += r->invalid;
		return IV;
	}
	if (r->lvb == IV) {
		m->marks->turns[MARK_LVB6_READ_NONE] += r->invalid;
		if (l->gr == IV) {
			MARK(m, LVB2_ZERO);
			effect->lvb_len = MODEL_LVB_LEN;
			return 0;
		}
		MARK(m, LVB2_LEFT);
		return IV;
	}
	effect->lvb_len = MODEL_LVB_LEN;
	if (r->invalid) {
		MARK(m, LVB6_READ);
		effect->sb_flags |= LOCKSTEP_SBF_VALNOTVALID;
	}
	return r->lvb;
}

/* --- section 6 --- */

static bool conflict(const struct mresource *r, int q, const struct mlock *l)
{
	for (int i = 0; i < r->count[q]; i++) {
		if (r->queue[q][i] != l && !model_compatible(r->queue[q][i]->gr, l->rq)) {
			return true;
		}
	}
	return false;
}

bool model_grantable(struct model *m, const struct mlock *l, bool now)
{
	const struct mresource *r = model_resource_of(m, l);
	bool conversion = l->gr != IV;
	bool yes;

	if (l->flags & FLAG(EXPEDITE)) {
		MARK(m, GR1_1);
		return true;
	}
	if (conflict(r, G, l)) {
		MARK(m, GR1_2);
		return false;
	}
	if (conflict(r, C, l)) {
		MARK(m, GR1_3);
		return false;
	}
	if (now && conversion && !(l->flags & FLAG(QUECVT))) {
		m->marks->turns[r->count[C] > 0 ? MARK_GR1_4 : MARK_GR1_4_ALONE]++;
		return true;
	}
	if (now && conversion) {
		yes = r->count[C] == 0;
		m->marks->turns[yes ? MARK_GR1_5_YES : MARK_GR1_5_NO]++;
		m->marks->turns[MARK_GR1_5_NOORDER] += !yes && l->flags & FLAG(NOORDER);
		return yes;
	}
	if (l->flags & FLAG(NOORDER)) {
		m->marks->turns[now ? MARK_GR1_6 : MARK_GR1_6_LATER]++;
		return true;
	}
	if (!now && conversion) {
		yes = r->count[C] > 0 && r->queue[C][0] == l;
		m->marks->turns[yes ? MARK_GR1_7_YES : MARK_GR1_7_NO]++;
		return yes;
	}
	if (now) {
		yes = r->count[C] == 0 && r->count[W] == 0;
		m->marks->turns[yes ? MARK_GR1_8_YES : MARK_GR1_8_NO]++;
		return yes;
	}
	yes = r->count[C] == 0 && r->count[W] > 0 && r->queue[W][0] == l;
	m->marks->turns[yes ? MARK_GR1_9_YES : MARK_GR1_9_NO]++;
	return yes;
}

static void mode_set(struct model *m, struct mlock *l, int mode)
{
	l->gr = mode;
	l->token = m->seq;
	l->stamp = ++m->stamp;
}

/* R-GR-5 */
void model_grant(struct model *m, struct mlock *l, int call_lvb, uint64_t request)
{
	struct mresource *r = model_resource_of(m, l);
	struct engine_effect effect = { .type = ENGINE_EFFECT_CAST, .request = request };
	char action = model_lvb_action(l->gr, l->rq);
	bool down = l->gr != IV && l->rq < l->gr && !middle(l->gr, l->rq);
	bool wrote = false;
	int lvb = IV;

	model_mark_lvb(m, l->gr, l->rq, l->flags);
	effect.sb_flags = l->sb_flags;
	if (action != 'W') {
		m->marks->turns[MARK_LVB5] += (l->flags & FLAG(IVVALBLK)) != 0;
	}
	if (action == 'R') {
		lvb = lvb_read(m, l, &effect);
	} else if (action == 'W') {
		m->marks->turns[MARK_LVB6_WRITE] += r->invalid;
		m->marks->turns[MARK_LVB3_LATE] += l->queue == C &&
						   l->flags & FLAG(VALBLK) &&
						   !(l->flags & FLAG(IVVALBLK));
		wrote = model_lvb_write(m, l, l->flags, call_lvb);
	} else if (r->invalid) {
		m->marks->turns[l->flags & FLAG(VALBLK) ? MARK_LVB6_NOTHING
							: MARK_LVB6_NOTHING_NOT]++;
		effect.sb_flags |= LOCKSTEP_SBF_VALNOTVALID;
	}
	if (l->gr != l->rq) {
		mode_set(m, l, l->rq);
		model_put(m, l, G);
	} else if (l->queue != G) {
		MARK(m, GR5_STAYS_ALT);
		model_put(m, l, G);
	} else {
		m->marks->turns[MARK_GR5_STAYS] += r->queue[G][r->count[G] - 1] != l;
		m->marks->turns[MARK_TOK1_KEPT] += l->token < m->seq;
	}
	l->rq = IV;
	l->highbast = NL;
	l->sb_flags = 0;
	effect.mode = (int8_t)l->gr;
	effect.token = l->token;
	effect.needs_stable = !down || wrote || effect.lvb_len > 0;
	model_add_effect(m, l, &effect, lvb);
}

/* R-CDL-1 */
static bool conversion_deadlock(struct model *m, const struct mlock *l)
{
	const struct mresource *r = model_resource_of(m, l);
	int own = r->count[C];

	for (int i = 0; i < r->count[C]; i++) {
		if (r->queue[C][i] == l) {
			own = i;
		}
	}
	for (int i = 0; i < r->count[C]; i++) {
		const struct mlock *x = r->queue[C][i];

		if (i == own || model_compatible(l->gr, x->rq)) {
			continue;
		}
		if (i < own) {
			MARK(m, CDL1_BEFORE);
			return true;
		}
		if (!model_compatible(x->gr, l->rq)) {
			MARK(m, CDL1_BEHIND);
			return true;
		}
		MARK(m, CDL1_BEHIND_HALF);
	}
	return false;
}

/* R-ALT-1 */
static bool try_alternate(struct model *m, struct mlock *l, bool now)
{
	int rq = l->rq;

	if (l->flags & FLAG(ALTPR) && rq != PR) {
		l->rq = PR;
	} else if (l->flags & FLAG(ALTCW) && rq != CW) {
		l->rq = CW;
	}
	if (l->rq == rq) {
		return false;
	}
	if (!model_grantable(m, l, now)) {
		MARK(m, ALT_NO);
		l->rq = rq;
		return false;
	}
	m->marks->turns[l->rq == PR ? MARK_ALT_PR : MARK_ALT_CW]++;
	m->marks->turns[MARK_ALT_BOTH] +=
		l->flags & FLAG(ALTPR) && l->flags & FLAG(ALTCW) && l->rq == PR;
	m->marks->turns[MARK_ALT_CONVERT] += l->gr != IV;
	m->marks->turns[MARK_ALT_LATER] += !now;
	l->sb_flags |= LOCKSTEP_SBF_ALTMODE;
	return true;
}

/* R-GR-4 */
int model_try(struct model *m, struct mlock *l, bool now)
{
	if (model_grantable(m, l, now)) {
		return GRANTED;
	}
	if (l->gr != IV && !(l->flags & FLAG(NOQUEUE)) && conversion_deadlock(m, l)) {
		m->marks->turns[MARK_ALT_NOT] +=
			(l->flags & (FLAG(ALTPR) | FLAG(ALTCW))) != 0;
		if (!(l->flags & FLAG(CONVDEADLK))) {
			MARK(m, GR4_DEADLOCK);
			return DEADLOCK;
		}
		m->marks->turns[now ? MARK_GR4_DEMOTED : MARK_GR4_DEMOTED_LATER]++;
		mode_set(m, l, NL);
		l->sb_flags |= LOCKSTEP_SBF_DEMOTED;
		if (l->queue == G) {
			model_put(m, l, G);
		}
		return DEMOTED;
	}
	return try_alternate(m, l, now) ? GRANTED : NOT_GRANTED;
}

void model_count(struct counts *n, const struct mlock *l)
{
	n->high = l->rq > n->high ? l->rq : n->high;
	n->cw = n->cw || l->rq == CW;
}

/* R-GR-6 (1): a NODLCKWT conversion in a deadlock. */
static void bast_self(struct model *m, struct mlock *l)
{
	if (l->highbast < l->rq) {
		MARK(m, GR6_SELF);
		bast(m, l, l->rq, l->rq);
	} else {
		MARK(m, GR6_SELF_TOLD);
	}
}

/* One walk of R-GR-6 (1). */
static void convert_walk(struct model *m, struct mresource *r, struct counts *n,
			 bool *granted, bool *demoted)
{
	struct mlock *walk[LOCKS_MAX];
	int walk_count = r->count[C];

	*granted = false;
	*demoted = false;
	n->high = IV;
	n->cw = false;
	memcpy(walk, r->queue[C], (size_t)walk_count * sizeof(walk[0]));
	for (int i = 0; i < walk_count; i++) {
		struct mlock *l = walk[i];
		int result = model_try(m, l, false);

		if (result == GRANTED) {
			model_grant(m, l, l->call_lvb, l->request);
			*granted = true;
		} else if (result == DEMOTED) {
			*demoted = true;
		} else if (result == NOT_GRANTED) {
			model_count(n, l);
		} else if (l->flags & FLAG(NODLCKWT)) {
			bast_self(m, l);
		} else {
			MARK(m, GR6_DEADLOCK_LEFT);
		}
	}
}

void model_convert_pass(struct model *m, struct mresource *r, struct counts *n)
{
	bool once_more = true;
	bool granted;
	bool demoted;

	for (;;) {
		convert_walk(m, r, n, &granted, &demoted);
		if (granted) {
			m->marks->turns[MARK_GR6_AGAIN] += r->count[C] > 0;
		} else if (demoted && once_more) {
			MARK(m, GR6_ONCE_MORE);
			once_more = false;
		} else {
			return;
		}
	}
}

/* R-BAST-3 */
void model_bast_rule_settle(struct model *m, struct mlock *x, const struct counts *n)
{
	bool blocks = !model_compatible(x->gr, n->high);
	int memory = n->high;

	if (x->gr == PR && n->cw) {
		blocks = true;
		memory = EX;
	}
	if (!blocks) {
		return;
	}
	if (x->highbast >= memory) {
		MARK(m, BAST3_TOLD);
		return;
	}
	MARK(m, BAST3);
	m->marks->turns[MARK_BAST3_CW] += x->gr == PR && n->cw;
	m->marks->turns[MARK_BAST3_CW_TELL] += x->gr == PR && n->cw && n->high == PR;
	bast(m, x, n->cw && n->high == PR && x->gr == PR ? CW : n->high, n->high);
}

/* R-GR-6 */
void model_settle(struct model *m, struct mresource *r)
{
	struct mlock *walk[LOCKS_MAX];
	int walk_count;
	struct counts n = { .high = IV };
	bool blocked = false;

	model_convert_pass(m, r, &n);
	walk_count = r->count[W];
	memcpy(walk, r->queue[W], (size_t)walk_count * sizeof(walk[0]));
	for (int i = 0; i < walk_count; i++) {
		if (model_try(m, walk[i], false) == GRANTED) {
			m->marks->turns[blocked ? MARK_GR6_WAIT_PAST
						: MARK_GR6_WAIT_GRANT]++;
			model_grant(m, walk[i], walk[i]->call_lvb, walk[i]->request);
		} else {
			model_count(&n, walk[i]);
			blocked = true;
		}
	}
	for (int i = 0; n.high != IV && i < r->count[G]; i++) {
		model_bast_rule_settle(m, r->queue[G][i], &n);
	}
}

/* R-BAST-2 */
void model_bast_rule_immediate(struct model *m, struct mresource *r, int q,
			       const struct mlock *b)
{
	for (int i = 0; i < r->count[q]; i++) {
		struct mlock *x = r->queue[q][i];
		bool is_middle = middle(x->gr, b->rq);
		int memory = is_middle ? EX : b->rq;

		if (x == b || (!is_middle && model_compatible(x->gr, b->rq))) {
			continue;
		}
		if (x->highbast >= memory) {
			MARK(m, BAST2_TOLD);
			continue;
		}
		m->marks->turns[is_middle ? MARK_BAST2_MIDDLE : MARK_BAST2]++;
		m->marks->turns[MARK_BAST4_C] += q == C;
		bast(m, x, b->rq, b->rq);
	}
}
