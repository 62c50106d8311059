/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/engine_model.h"

#define LOCKS_MAX 512
#define SESSIONS_MAX 256
#define IV (-1)

enum { NL, CR, CW, PR, PW, EX };
enum { G, C, W, QUEUES };

#define FLAG(name) LOCKSTEP_LKF_##name

struct mlock {
	bool used;
	uint32_t node;
	uint32_t session;
	uint32_t lkid;
	int resource;
	int queue;
	int gr;
	int rq;
	uint32_t flags;
	int highbast;
	uint8_t sb_flags;
	bool bast;
	bool orphan;
	uint32_t pid;
	uint64_t token;
	uint64_t stamp; /* when it got its present mode, in order of granting */
	uint64_t created;
	uint64_t request; /* of the op that waits */
	uint64_t queued_seq;
	int call_lvb; /* IV: none */
};

struct msession {
	bool used;
	uint32_t node;
	uint32_t number;
	uint32_t pid;
	uint64_t request;
};

struct mresource {
	struct mlock *queue[QUEUES][LOCKS_MAX];
	int count[QUEUES];
	int lvb; /* IV: none */
	bool invalid;
};

struct model {
	uint64_t seq;
	uint64_t stamp;
	struct mlock locks[LOCKS_MAX];
	struct msession sessions[SESSIONS_MAX];
	bool lost[16];
	struct mresource resources[MODEL_RESOURCES];
	char text[MODEL_TEXT_SIZE];
	const struct engine_op *op;
};

/* --- text --- */

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + used, MODEL_TEXT_SIZE - used, format, args);
	va_end(args);
}

static void add_effect(char *text, const struct engine_effect *effect)
{
	add(text, "node %u session %u lkid %u type %d request %llu status %d mode %d flags %u ",
	    effect->nodeid, effect->session, effect->lkid, (int)effect->type,
	    (unsigned long long)effect->request, effect->status, effect->mode, effect->sb_flags);
	add(text, "stable %d token %llu lvb %d\n", effect->needs_stable,
	    (unsigned long long)effect->token, effect->lvb_len ? effect->lvb[0] : IV);
}

void model_effect_text(const struct engine_effect *effect, char *text)
{
	add_effect(text, effect);
}

/* --- modes: the table of R-MODE-1 as it is printed --- */

static bool compatible(int a, int b)
{
	static const char table[6][7] = { "yyyyyy", "yyyyy-", "yyy---", "yy-y--", "yy----", "y-----" };

	return a == IV || b == IV || table[a][b] == 'y';
}

static bool middle(int a, int b)
{
	return (a == PR && b == CW) || (a == CW && b == PR);
}

/* R-LVB-1 as it is printed */
static char lvb_action(int gr, int rq)
{
	static const char table[6][7] = { "RRRRRR", ".RRRRR", "..RRRR", "...RRR", "WWWWWR", "WWWWWW" };

	if (gr == IV) {
		return 'R';
	}
	if (rq == IV) {
		return gr >= PW ? 'W' : '.';
	}
	return table[gr][rq];
}

/* --- queues --- */

static struct mresource *resource_of(struct model *m, const struct mlock *l)
{
	return &m->resources[l->resource];
}

static void take(struct model *m, struct mlock *l)
{
	struct mresource *r = resource_of(m, l);
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

static void put(struct model *m, struct mlock *l, int q)
{
	struct mresource *r = resource_of(m, l);
	int at = r->count[q];

	take(m, l);
	if (q == G) {
		for (at = 0; at < r->count[G] && r->queue[G][at]->stamp < l->stamp; at++) {
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

static void gone(struct model *m, struct mlock *l)
{
	struct mresource *r = resource_of(m, l);

	take(m, l);
	l->used = false;
	if (r->count[G] + r->count[C] + r->count[W] == 0) {
		r->lvb = IV;
		r->invalid = false;
	}
}

/* --- effects --- */

static bool nobody(struct model *m, const struct mlock *l)
{
	return l->orphan || m->lost[l->node];
}

static struct engine_effect effect_for(struct model *m, const struct mlock *l,
				       enum engine_effect_type type)
{
	struct engine_effect effect;

	(void)m;
	memset(&effect, 0, sizeof(effect));
	effect.type = type;
	effect.nodeid = l->node;
	effect.session = l->session;
	effect.lkid = l->lkid;
	return effect;
}

static void bast(struct model *m, struct mlock *l, int mode, int highbast)
{
	l->highbast = highbast;
	if (l->bast && !nobody(m, l)) {
		struct engine_effect effect = effect_for(m, l, ENGINE_EFFECT_BAST);

		effect.mode = (int8_t)mode;
		add_effect(m->text, &effect);
	}
}

static void refuse(struct model *m, const struct mlock *l, uint64_t request, int status)
{
	if (!nobody(m, l)) {
		struct engine_effect effect = effect_for(m, l, ENGINE_EFFECT_CAST);

		effect.request = request;
		effect.status = status;
		effect.mode = (int8_t)l->gr;
		effect.sb_flags = l->sb_flags & LOCKSTEP_SBF_DEMOTED;
		effect.needs_stable = status == LOCKSTEP_ECANCEL;
		add_effect(m->text, &effect);
	}
}

/* --- section 12 --- */

static bool lvb_write(struct model *m, struct mlock *l, uint32_t flags, int bytes)
{
	struct mresource *r = resource_of(m, l);

	if (flags & FLAG(IVVALBLK)) {
		r->invalid = true;
		return true;
	}
	if (flags & FLAG(VALBLK) && bytes != IV) {
		r->lvb = bytes;
		r->invalid = false;
		return true;
	}
	return false;
}

/* --- section 6 --- */

static bool conflict(struct mresource *r, int q, const struct mlock *l)
{
	for (int i = 0; i < r->count[q]; i++) {
		if (r->queue[q][i] != l && !compatible(r->queue[q][i]->gr, l->rq)) {
			return true;
		}
	}
	return false;
}

static bool grantable(struct model *m, const struct mlock *l, bool now)
{
	struct mresource *r = resource_of(m, l);
	bool conversion = l->gr != IV;

	if (l->flags & FLAG(EXPEDITE)) {
		return true;
	}
	if (conflict(r, G, l)) {
		return false;
	}
	if (conflict(r, C, l)) {
		return false;
	}
	if (now && conversion && !(l->flags & FLAG(QUECVT))) {
		return true;
	}
	if (now && conversion) {
		return r->count[C] == 0;
	}
	if (l->flags & FLAG(NOORDER)) {
		return true;
	}
	if (!now && conversion) {
		return r->count[C] > 0 && r->queue[C][0] == l;
	}
	if (now) {
		return r->count[C] == 0 && r->count[W] == 0;
	}
	return r->count[C] == 0 && r->count[W] > 0 && r->queue[W][0] == l;
}

static void mode_set(struct model *m, struct mlock *l, int mode)
{
	l->gr = mode;
	l->token = m->seq;
	l->stamp = ++m->stamp;
}

static void grant(struct model *m, struct mlock *l, int call_lvb, uint64_t request)
{
	struct mresource *r = resource_of(m, l);
	struct engine_effect effect = effect_for(m, l, ENGINE_EFFECT_CAST);
	char action = lvb_action(l->gr, l->rq);
	uint8_t bytes[MODEL_LVB_LEN] = { 0 };
	bool wrote = false;
	bool down = l->gr != IV && l->rq < l->gr && !middle(l->gr, l->rq);

	effect.sb_flags = l->sb_flags;
	effect.request = request;
	if (action == 'R' && l->flags & FLAG(VALBLK)) {
		if (r->lvb != IV) {
			bytes[0] = (uint8_t)r->lvb;
			effect.lvb_len = MODEL_LVB_LEN;
			if (r->invalid) {
				effect.sb_flags |= LOCKSTEP_SBF_VALNOTVALID;
			}
		} else if (l->gr == IV) {
			effect.lvb_len = MODEL_LVB_LEN;
		}
	} else if (action == 'W') {
		wrote = lvb_write(m, l, l->flags, call_lvb);
	} else if (action == '.' && r->invalid) {
		effect.sb_flags |= LOCKSTEP_SBF_VALNOTVALID;
	}
	if (l->gr != l->rq) {
		mode_set(m, l, l->rq);
		put(m, l, G);
	} else if (l->queue != G) {
		put(m, l, G);
	}
	l->rq = IV;
	l->highbast = NL;
	l->sb_flags = 0;
	effect.mode = (int8_t)l->gr;
	effect.token = l->token;
	effect.lvb = bytes;
	effect.needs_stable = !down || wrote || effect.lvb_len > 0;
	if (!nobody(m, l)) {
		add_effect(m->text, &effect);
	}
}

/* R-CDL-1 */
static bool conversion_deadlock(struct model *m, const struct mlock *l)
{
	struct mresource *r = resource_of(m, l);
	int own = r->count[C];

	for (int i = 0; i < r->count[C]; i++) {
		if (r->queue[C][i] == l) {
			own = i;
		}
	}
	for (int i = 0; i < r->count[C]; i++) {
		const struct mlock *x = r->queue[C][i];

		if (i < own && !compatible(l->gr, x->rq)) {
			return true;
		}
		if (i > own && !compatible(l->gr, x->rq) && !compatible(x->gr, l->rq)) {
			return true;
		}
	}
	return false;
}

enum { GRANTED, NOT_GRANTED, DEADLOCK, DEMOTED };

static int try(struct model *m, struct mlock *l, bool now)
{
	int rq = l->rq;

	if (grantable(m, l, now)) {
		return GRANTED;
	}
	if (l->gr != IV && !(l->flags & FLAG(NOQUEUE)) && conversion_deadlock(m, l)) {
		if (!(l->flags & FLAG(CONVDEADLK))) {
			return DEADLOCK;
		}
		mode_set(m, l, NL);
		l->sb_flags |= LOCKSTEP_SBF_DEMOTED;
		if (l->queue == G) {
			put(m, l, G);
		}
		return DEMOTED;
	}
	if (l->flags & FLAG(ALTPR) && rq != PR) {
		l->rq = PR;
	} else if (l->flags & FLAG(ALTCW) && rq != CW) {
		l->rq = CW;
	}
	if (l->rq != rq) {
		if (grantable(m, l, now)) {
			l->sb_flags |= LOCKSTEP_SBF_ALTMODE;
			return GRANTED;
		}
		l->rq = rq;
	}
	return NOT_GRANTED;
}

struct counts {
	int high;
	bool cw;
};

static void count(struct counts *n, const struct mlock *l)
{
	n->high = l->rq > n->high ? l->rq : n->high;
	n->cw = n->cw || l->rq == CW;
}

static void convert_pass(struct model *m, struct mresource *r, struct counts *n)
{
	bool again_for_demoted = false;
	bool granted;
	bool demoted;

	do {
		struct mlock *walk[LOCKS_MAX];
		int walk_count = r->count[C];

		granted = false;
		demoted = false;
		n->high = IV;
		n->cw = false;
		memcpy(walk, r->queue[C], sizeof(walk));
		for (int i = 0; i < walk_count; i++) {
			struct mlock *l = walk[i];
			int result = try(m, l, false);

			if (result == GRANTED) {
				grant(m, l, l->call_lvb, l->request);
				granted = true;
			} else if (result == DEADLOCK) {
				if (l->flags & FLAG(NODLCKWT) && l->highbast < l->rq) {
					bast(m, l, l->rq, l->rq);
				}
			} else if (result == DEMOTED) {
				demoted = true;
			} else {
				count(n, l);
			}
		}
		if (!granted && demoted) {
			granted = !again_for_demoted;
			again_for_demoted = true;
		}
	} while (granted);
}

/* R-BAST-3 */
static void bast_rule_settle(struct model *m, struct mlock *x, const struct counts *n)
{
	bool needed;

	if (x->gr == PR && n->cw) {
		needed = x->highbast < EX;
	} else {
		needed = x->highbast < n->high && !compatible(x->gr, n->high);
	}
	if (needed) {
		bast(m, x, n->cw && n->high == PR && x->gr == PR ? CW : n->high, n->high);
	}
}

static void settle(struct model *m, struct mresource *r)
{
	struct mlock *walk[LOCKS_MAX];
	int walk_count;
	struct counts n = { .high = IV };

	convert_pass(m, r, &n);
	walk_count = r->count[W];
	memcpy(walk, r->queue[W], sizeof(walk));
	for (int i = 0; i < walk_count; i++) {
		if (try(m, walk[i], false) == GRANTED) {
			grant(m, walk[i], walk[i]->call_lvb, walk[i]->request);
		} else {
			count(&n, walk[i]);
		}
	}
	for (int i = 0; n.high != IV && i < r->count[G]; i++) {
		bast_rule_settle(m, r->queue[G][i], &n);
	}
}

/* R-BAST-2 */
static void bast_rule_immediate(struct model *m, struct mresource *r, int q, const struct mlock *b)
{
	for (int i = 0; i < r->count[q]; i++) {
		struct mlock *x = r->queue[q][i];
		bool needed;

		if (middle(x->gr, b->rq)) {
			needed = x->highbast < EX;
		} else {
			needed = x->highbast < b->rq && !compatible(x->gr, b->rq);
		}
		if (x != b && needed) {
			bast(m, x, b->rq, b->rq);
		}
	}
}

/* --- sections 7 and 8 --- */

static struct mlock *lock_find(struct model *m, uint32_t node, uint32_t lkid)
{
	for (int i = 0; i < LOCKS_MAX; i++) {
		if (m->locks[i].used && m->locks[i].node == node && m->locks[i].lkid == lkid) {
			return &m->locks[i];
		}
	}
	return NULL;
}

static int op_lvb(const struct engine_op *op)
{
	return op->lvb_len ? op->lvb[0] : IV;
}

static void queue_up(struct model *m, struct mlock *l, int q)
{
	l->request = m->op->request;
	l->queued_seq = m->seq;
	l->call_lvb = op_lvb(m->op);
	put(m, l, q);
	bast_rule_immediate(m, resource_of(m, l), G, l);
}

static void refuse_noqueue(struct model *m, struct mlock *l)
{
	refuse(m, l, m->op->request, EAGAIN);
	if (l->flags & FLAG(NOQUEUEBAST)) {
		bast_rule_immediate(m, resource_of(m, l), G, l);
		bast_rule_immediate(m, resource_of(m, l), C, l);
	}
}

static void take_args(struct mlock *l, const struct engine_op *op)
{
	l->flags = op->flags;
	l->bast = op->attr & ENGINE_ATTR_HAS_BAST;
	l->sb_flags = 0;
	l->rq = op->mode;
}

static void op_lock(struct model *m, struct msession *s)
{
	const struct engine_op *op = m->op;
	struct mlock *l = m->locks;

	if (op->lkid == 0 || op->lkid > 0x7fffffff || lock_find(m, op->nodeid, op->lkid)) {
		return;
	}
	while (l->used) {
		l++;
	}
	memset(l, 0, sizeof(*l));
	l->used = true;
	l->node = s->node;
	l->session = s->number;
	l->pid = s->pid;
	l->lkid = op->lkid;
	l->resource = op->name[0] - 'a';
	l->queue = IV;
	l->gr = IV;
	l->created = m->seq;
	take_args(l, op);
	if (try(m, l, true) == GRANTED) {
		grant(m, l, op_lvb(op), op->request);
	} else if (l->flags & FLAG(NOQUEUE)) {
		refuse_noqueue(m, l);
		gone(m, l);
	} else {
		queue_up(m, l, W);
	}
}

static bool quecvt_pair(int gr, int rq)
{
	static const char *const legal[] = { "12345", "2345", "345", "245", "5", "" };

	return strchr(legal[gr], '0' + rq) != NULL;
}

static void op_convert(struct model *m, struct mlock *l)
{
	const struct engine_op *op = m->op;
	struct mresource *r = resource_of(m, l);
	struct counts unused;
	int result;

	if (l->queue != G || (op->flags & FLAG(QUECVT) && !quecvt_pair(l->gr, op->mode))) {
		return;
	}
	take_args(l, op);
	result = try(m, l, true);
	if (result == GRANTED) {
		grant(m, l, op_lvb(op), op->request);
		settle(m, r);
		return;
	}
	if (result == DEADLOCK && !(l->flags & FLAG(NODLCKWT))) {
		refuse(m, l, op->request, EDEADLK);
		l->rq = IV;
		return;
	}
	if (result == DEMOTED) {
		convert_pass(m, r, &unused);
		if (grantable(m, l, true)) {
			grant(m, l, op_lvb(op), op->request);
			settle(m, r);
			return;
		}
	}
	if (l->flags & FLAG(NOQUEUE)) {
		refuse_noqueue(m, l);
		l->rq = IV;
		return;
	}
	queue_up(m, l, C);
}

/* --- section 15 --- */

static void op_unlock(struct model *m, struct mlock *l)
{
	struct mresource *r = resource_of(m, l);
	struct engine_effect effect = effect_for(m, l, ENGINE_EFFECT_CAST);
	bool wrote = false;

	if (l->gr != IV && lvb_action(l->gr, IV) == 'W') {
		wrote = lvb_write(m, l, m->op->flags, op_lvb(m->op));
	}
	effect.request = m->op->request;
	effect.status = LOCKSTEP_EUNLOCK;
	effect.mode = IV;
	effect.needs_stable = wrote;
	add_effect(m->text, &effect);
	gone(m, l);
	settle(m, r);
}

static void stop_waiting(struct model *m, struct mlock *l)
{
	if (l->queue == W) {
		gone(m, l);
	} else if (l->queue == C) {
		l->rq = IV;
		l->sb_flags = 0;
		put(m, l, G);
	}
}

static void op_cancel(struct model *m, struct mlock *l, int status)
{
	struct mresource *r = resource_of(m, l);

	if (l->queue == G) {
		return;
	}
	refuse(m, l, l->request, status);
	stop_waiting(m, l);
	settle(m, r);
}

/* --- sections 17, 18 and recovery --- */

/* Locks of interest, sorted by @key; and the resources they are on. */
struct picked {
	struct mlock *locks[LOCKS_MAX];
	int count;
	int resources[MODEL_RESOURCES];
	int resources_count;
};

static void pick(struct picked *p, struct mlock *l, bool by_lkid)
{
	int at = p->count++;

	while (at > 0 && (by_lkid ? p->locks[at - 1]->lkid > l->lkid :
				    p->locks[at - 1]->created > l->created)) {
		p->locks[at] = p->locks[at - 1];
		at--;
	}
	p->locks[at] = l;
}

static void touch(struct picked *p, const struct mlock *l)
{
	for (int i = 0; i < p->resources_count; i++) {
		if (p->resources[i] == l->resource) {
			return;
		}
	}
	p->resources[p->resources_count++] = l->resource;
}

static void settle_picked(struct model *m, const struct picked *p)
{
	for (int i = 0; i < p->resources_count; i++) {
		settle(m, &m->resources[p->resources[i]]);
	}
}

static void settle_by_name(struct model *m, const struct picked *p)
{
	for (int name = 0; name < MODEL_RESOURCES; name++) {
		for (int i = 0; i < p->resources_count; i++) {
			if (p->resources[i] == name) {
				settle(m, &m->resources[name]);
			}
		}
	}
}

static void drop(struct model *m, struct mlock *l)
{
	if (l->gr >= PW) {
		resource_of(m, l)->invalid = true;
	}
	gone(m, l);
}

static void op_session_end(struct model *m, struct msession *s)
{
	struct picked p = { .count = 0 };

	for (int i = 0; i < LOCKS_MAX; i++) {
		struct mlock *l = &m->locks[i];

		if (l->used && !l->orphan && l->node == s->node && l->session == s->number) {
			pick(&p, l, false);
		}
	}
	for (int i = 0; i < p.count; i++) {
		struct mlock *l = p.locks[i];

		touch(&p, l);
		if (l->flags & FLAG(PERSISTENT)) {
			stop_waiting(m, l);
			l->orphan = true;
		} else {
			drop(m, l);
		}
	}
	s->used = false;
	settle_picked(m, &p);
}

static void op_adopt(struct model *m, struct msession *s)
{
	const struct engine_op *op = m->op;
	struct mresource *r = &m->resources[op->name[0] - 'a'];
	struct mlock *found = NULL;
	bool any = false;
	struct engine_effect effect;
	struct counts n = { .high = IV };

	for (int i = 0; i < LOCKS_MAX; i++) {
		struct mlock *l = &m->locks[i];

		if (l->used && l->orphan && l->node == s->node && resource_of(m, l) == r) {
			any = true;
			if (l->gr == op->mode && (!found || l->created < found->created)) {
				found = l;
			}
		}
	}
	memset(&effect, 0, sizeof(effect));
	effect.type = ENGINE_EFFECT_REPLY;
	effect.nodeid = s->node;
	effect.session = s->number;
	effect.request = op->request;
	effect.status = any ? EAGAIN : ENOENT;
	effect.mode = IV;
	if (!found) {
		add_effect(m->text, &effect);
		return;
	}
	found->orphan = false;
	found->session = s->number;
	found->pid = s->pid;
	found->flags = op->flags;
	found->bast = op->attr & ENGINE_ATTR_HAS_BAST;
	found->highbast = NL;
	effect.status = 0;
	effect.lkid = found->lkid;
	effect.mode = (int8_t)found->gr;
	effect.token = found->token;
	effect.needs_stable = true;
	add_effect(m->text, &effect);
	/* Who is blocked, were the resource settled now. Looked at on a copy. */
	for (int q = C; q <= W; q++) {
		for (int i = 0; i < r->count[q]; i++) {
			struct mlock saved = *r->queue[q][i];
			uint64_t stamp = m->stamp;

			if (try(m, r->queue[q][i], false) == NOT_GRANTED) {
				count(&n, r->queue[q][i]);
			}
			*r->queue[q][i] = saved;
			m->stamp = stamp;
		}
	}
	if (n.high != IV) {
		bast_rule_settle(m, found, &n);
	}
}

static void op_purge(struct model *m, struct msession *s)
{
	const struct engine_op *op = m->op;
	uint32_t node = op->purge_nodeid ? op->purge_nodeid : op->nodeid;
	bool own = node == s->node && op->purge_pid != 0 && op->purge_pid == s->pid;
	struct picked p = { .count = 0 };

	for (int i = 0; i < LOCKS_MAX; i++) {
		struct mlock *l = &m->locks[i];

		if (!l->used || l->node != node || m->lost[node]) {
			continue;
		}
		if (own ? !l->orphan && l->session == s->number :
			  l->orphan && (op->purge_pid == 0 || op->purge_pid == l->pid)) {
			pick(&p, l, false);
		}
	}
	for (int i = 0; i < p.count; i++) {
		touch(&p, p.locks[i]);
		drop(m, p.locks[i]);
	}
	settle_picked(m, &p);
}

static void op_members(struct model *m, bool remove)
{
	struct picked p = { .count = 0 };

	for (int i = 0; !remove && m->op->flags & FLAG(IVVALBLK) && i < MODEL_RESOURCES; i++) {
		for (int k = 0; k < LOCKS_MAX; k++) {
			if (m->locks[k].used && resource_of(m, &m->locks[k]) == &m->resources[i]) {
				m->resources[i].invalid = true;
			}
		}
	}
	for (size_t k = 0; k < m->op->members_count; k++) {
		uint32_t node = m->op->members[k].nodeid;
		struct picked of_node = { .count = 0 };

		for (int i = 0; i < LOCKS_MAX; i++) {
			if (m->locks[i].used && m->locks[i].node == node) {
				pick(&of_node, &m->locks[i], true);
			}
		}
		for (int i = 0; i < of_node.count; i++) {
			struct mlock *l = of_node.locks[i];

			if (remove) {
				touch(&p, l);
				if (l->gr >= PW && l->flags & FLAG(VALBLK)) {
					resource_of(m, l)->invalid = true;
				}
				gone(m, l);
			} else if (l->queue != G) {
				touch(&p, l);
				stop_waiting(m, l);
			}
		}
		bool has_session = false;

		for (int i = 0; i < SESSIONS_MAX; i++) {
			if (m->sessions[i].used && m->sessions[i].node == node) {
				has_session = true;
				m->sessions[i].used = !remove;
			}
		}
		m->lost[node] = !remove && (m->lost[node] || has_session || of_node.count > 0);
	}
	settle_by_name(m, &p);
}

/* --- the verb --- */

static struct msession *session_find(struct model *m, uint32_t node, uint32_t number)
{
	for (int i = 0; i < SESSIONS_MAX; i++) {
		if (m->sessions[i].used && m->sessions[i].node == node &&
		    m->sessions[i].number == number) {
			return &m->sessions[i];
		}
	}
	return NULL;
}

static bool session_has_orphans(struct model *m, uint32_t node, uint32_t number)
{
	for (int i = 0; i < LOCKS_MAX; i++) {
		if (m->locks[i].used && m->locks[i].orphan && m->locks[i].node == node &&
		    m->locks[i].session == number) {
			return true;
		}
	}
	return false;
}

static void op_session_begin(struct model *m)
{
	const struct engine_op *op = m->op;
	struct msession *s = m->sessions;

	if (op->session == 0 || m->lost[op->nodeid] || session_find(m, op->nodeid, op->session) ||
	    session_has_orphans(m, op->nodeid, op->session)) {
		return;
	}
	while (s->used) {
		s++;
	}
	s->used = true;
	s->node = op->nodeid;
	s->number = op->session;
	s->pid = op->pid;
	s->request = op->request;
}

/* R-ERR-1 */
static bool request_is_legal(const struct engine_op *op)
{
	uint32_t flags = op->flags;
	bool convert = op->type == ENGINE_OP_CONVERT;

	return op->mode <= EX && !(flags & FLAG(CANCEL)) && !(flags & FLAG(QUECVT) && !convert) &&
	       !(flags & FLAG(CONVDEADLK) && (!convert || flags & FLAG(NOQUEUE))) &&
	       !(flags & FLAG(EXPEDITE) &&
		 (convert || flags & (FLAG(QUECVT) | FLAG(NOQUEUE)) || op->mode != NL));
}

/* R-ERR-2 */
static bool unlock_is_legal(const struct engine_op *op)
{
	return !(op->flags & ~(FLAG(VALBLK) | FLAG(IVVALBLK) | FLAG(FORCEUNLOCK)));
}

static void op_of_session(struct model *m)
{
	const struct engine_op *op = m->op;
	struct msession *s = session_find(m, op->nodeid, op->session);
	struct mlock *l = lock_find(m, op->nodeid, op->lkid);

	if (!s || m->lost[op->nodeid] || op->request <= s->request) {
		return;
	}
	s->request = op->request;
	if (l && (l->orphan || l->session != s->number)) {
		l = NULL;
	}
	if (op->type == ENGINE_OP_SESSION_END) {
		op_session_end(m, s);
	} else if (op->type == ENGINE_OP_LOCK && request_is_legal(op)) {
		op_lock(m, s);
	} else if (op->type == ENGINE_OP_CONVERT && l && request_is_legal(op)) {
		op_convert(m, l);
	} else if (op->type == ENGINE_OP_UNLOCK && l && unlock_is_legal(op)) {
		op_unlock(m, l);
	} else if (op->type == ENGINE_OP_CANCEL && l) {
		op_cancel(m, l, LOCKSTEP_ECANCEL);
	} else if (op->type == ENGINE_OP_DEADLOCK_CANCEL && l) {
		op_cancel(m, l, EDEADLK);
	} else if (op->type == ENGINE_OP_ADOPT && request_is_legal(op)) {
		op_adopt(m, s);
	} else if (op->type == ENGINE_OP_PURGE) {
		op_purge(m, s);
	}
}

void model_apply(struct model *m, const struct engine_op *op)
{
	struct mlock *l;

	m->seq++;
	m->op = op;
	m->text[0] = '\0';
	switch (op->type) {
	case ENGINE_OP_SESSION_BEGIN:
		op_session_begin(m);
		break;
	case ENGINE_OP_TIMEOUT:
		l = lock_find(m, op->nodeid, op->lkid);
		if (l && l->queue != G && l->queued_seq == op->queued_seq &&
		    l->flags & FLAG(TIMEOUT)) {
			op_cancel(m, l, ETIMEDOUT);
		}
		break;
	case ENGINE_OP_VIEW_POINT:
		op_members(m, false);
		break;
	case ENGINE_OP_NODES_REMOVE:
		op_members(m, true);
		break;
	default:
		op_of_session(m);
		break;
	}
}

struct model *model_new(uint64_t seq)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m) {
		abort();
	}
	m->seq = seq;
	for (int i = 0; i < MODEL_RESOURCES; i++) {
		m->resources[i].lvb = IV;
	}
	return m;
}

void model_free(struct model *m)
{
	free(m);
}

const char *model_effects(const struct model *m)
{
	return m->text;
}

void model_state_text(const struct model *m, char *text)
{
	for (int i = 0; i < MODEL_RESOURCES; i++) {
		const struct mresource *r = &m->resources[i];

		if (r->count[G] + r->count[C] + r->count[W] == 0) {
			continue;
		}
		add(text, "%c lvb %d%s:", 'a' + i, r->lvb, r->invalid ? " invalid" : "");
		for (int q = G; q <= W; q++) {
			for (int k = 0; k < r->count[q]; k++) {
				const struct mlock *l = r->queue[q][k];

				add(text, " %u.%u/%d(%d,%d)t%llu", l->node, l->lkid, q + 1, l->gr,
				    l->rq, (unsigned long long)l->token);
			}
		}
		add(text, "\n");
	}
}
