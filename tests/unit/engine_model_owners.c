/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions and nodes that end, orphans: section 17, and what recovery does to locks.
 */
#include "config.h"

#include <stdlib.h>

#include "tests/unit/engine_model_private.h"

/* Locks of interest, in order of creation or of lkid; and the resources they are on. */
struct picked {
	struct mlock *locks[LOCKS_MAX];
	int count;
	int resources[MODEL_RESOURCES];
	int resources_count;
};

static void pick(struct picked *p, struct mlock *l, bool by_lkid)
{
	int at = p->count++;

	while (at > 0 && (by_lkid ? p->locks[at - 1]->lkid > l->lkid
				  : p->locks[at - 1]->created > l->created)) {
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
	m->marks->turns[MARK_PROC1_TWO] += p->resources_count > 1;
	for (int i = 0; i < p->resources_count; i++) {
		model_settle(m, &m->resources[p->resources[i]]);
	}
}

static void settle_by_name(struct model *m, const struct picked *p)
{
	for (int name = 0; name < MODEL_RESOURCES; name++) {
		for (int i = 0; i < p->resources_count; i++) {
			if (p->resources[i] == name) {
				model_settle(m, &m->resources[name]);
			}
		}
	}
}

/* R-PROC-1, second bullet: as unlock with FORCEUNLOCK|IVVALBLK. */
static void drop(struct model *m, struct mlock *l)
{
	if (l->gr >= PW) {
		m->marks->turns[l->orphan ? MARK_LVB11_PURGE : MARK_LVB8]++;
		model_resource_of(m, l)->invalid = true;
	}
	model_gone(m, l);
}

static void end_lock(struct model *m, struct mlock *l)
{
	if (!(l->flags & FLAG(PERSISTENT))) {
		MARK(m, PROC1_DROP);
		drop(m, l);
		return;
	}
	m->marks->turns[l->queue == G	? MARK_PROC1_ORPHAN
			: l->queue == C ? MARK_PROC1_ORPHAN_C
					: MARK_PROC1_ORPHAN_W]++;
	m->marks->turns[MARK_LVB11] += l->gr >= PW;
	model_stop_waiting(m, l);
	l->orphan = true;
}

static bool is_of_session(const struct mlock *l, const struct msession *s)
{
	return l->used && !l->orphan && l->member == s->member && l->session == s->number;
}

void model_op_session_end(struct model *m, struct msession *s)
{
	struct picked p = { .count = 0 };

	for (int i = 0; i < LOCKS_MAX; i++) {
		if (is_of_session(&m->locks[i], s)) {
			pick(&p, &m->locks[i], false);
		}
	}
	for (int i = 0; i < p.count; i++) {
		touch(&p, p.locks[i]);
		end_lock(m, p.locks[i]);
	}
	s->used = false;
	settle_picked(m, &p);
}

/* Who would be blocked, were the resource settled now. Looked at on copies. */
static struct counts blocked_now(struct model *m, struct mresource *r)
{
	struct counts n = { .high = IV };

	for (int q = C; q <= W; q++) {
		for (int i = 0; i < r->count[q]; i++) {
			struct mlock saved = *r->queue[q][i];
			uint64_t stamp = m->stamp;

			if (model_try(m, r->queue[q][i], false) == NOT_GRANTED) {
				model_count(&n, r->queue[q][i]);
			}
			*r->queue[q][i] = saved;
			m->stamp = stamp;
		}
	}
	return n;
}

/* R-ORPH-2 */
static void adopted_is_told(struct model *m, struct mlock *l)
{
	struct counts n = blocked_now(m, model_resource_of(m, l));
	size_t before = m->effects_count;

	l->highbast = NL;
	if (n.high != IV) {
		model_bast_rule_settle(m, l, &n);
	}
	m->marks->turns[MARK_ORPH2] += m->effects_count > before;
}

/* R-ORPH-1 */
void model_op_adopt(struct model *m, struct msession *s)
{
	const struct engine_op *op = m->op;
	struct mlock *found = NULL;
	int any = 0;
	int fit = 0;

	for (int i = 0; i < LOCKS_MAX; i++) {
		struct mlock *l = &m->locks[i];

		if (!l->used || !l->orphan || l->member != s->member ||
		    l->resource != op->name[0] - 'a') {
			continue;
		}
		any++;
		if (l->gr == op->mode) {
			fit++;
			found = !found || l->created < found->created ? l : found;
		}
	}
	struct engine_effect effect = {
		.type = ENGINE_EFFECT_REPLY,
		.request = op->request,
		.status = any > 0 ? EAGAIN : ENOENT,
		.mode = IV,
	};

	if (!found) {
		const struct mlock none = { .member = s->member, .session = s->number };

		m->marks->turns[any > 0 ? MARK_ORPH1_EAGAIN : MARK_ORPH1_ENOENT]++;
		model_add_effect(m, &none, &effect, IV);
		return;
	}
	m->marks->turns[fit > 1 ? MARK_ORPH1_OLDEST : MARK_ORPH1]++;
	found->orphan = false;
	found->session = s->number;
	found->personality = s->personality;
	found->pid = s->pid;
	model_take_args(found, op);
	found->rq = IV;
	effect.status = 0;
	effect.mode = (int8_t)found->gr;
	effect.token = found->token;
	effect.needs_stable = true;
	model_add_effect(m, found, &effect, IV);
	adopted_is_told(m, found);
}

/* R-PURGE-1, R-PURGE-3 */
void model_op_purge(struct model *m, struct msession *s)
{
	const struct engine_op *op = m->op;
	uint32_t node = op->purge_nodeid ? op->purge_nodeid : op->nodeid;
	bool own = node == op->nodeid && op->purge_pid != 0 && op->purge_pid == s->pid;
	struct picked p = { .count = 0 };

	for (int i = 0; i < LOCKS_MAX; i++) {
		struct mlock *l = &m->locks[i];
		bool fits =
			own ? is_of_session(l, s)
			    : l->used && l->orphan && l->member->node == node &&
					(op->purge_pid == 0 || op->purge_pid == l->pid);

		if (fits && l->member->lost) {
			MARK(m, PURGE1_LOST);
		} else if (fits) {
			pick(&p, l, false);
		}
	}
	if (p.count > 0) {
		m->marks->turns[own		     ? MARK_PURGE1_OWN
				: node != op->nodeid ? MARK_PURGE1_OTHER
				: op->purge_pid == 0 ? MARK_PURGE1_ALL
						     : MARK_PURGE1_PID]++;
	}
	for (int i = 0; i < p.count; i++) {
		touch(&p, p.locks[i]);
		drop(m, p.locks[i]);
	}
	settle_picked(m, &p);
}

struct mmember *model_member_find(struct model *m, uint32_t node, uint64_t incarnation)
{
	for (size_t i = 0; i < m->members_count; i++) {
		if (m->members[i].node == node &&
		    m->members[i].incarnation == incarnation) {
			return &m->members[i];
		}
	}
	if (m->members_count == MEMBERS_MAX) {
		abort();
	}
	m->members[m->members_count] =
		(struct mmember){ .node = node, .incarnation = incarnation };
	return &m->members[m->members_count++];
}

static bool resource_exists(const struct mresource *r)
{
	return r->count[G] + r->count[C] + r->count[W] > 0;
}

/* R-REC-4: a lost node's locks stay granted and do not wait any more. */
static void lose_lock(struct model *m, struct picked *p, struct mlock *l)
{
	if (l->queue == G) {
		return;
	}
	m->marks->turns[l->queue == C ? MARK_REC4_C : MARK_REC4_W]++;
	touch(p, l);
	model_stop_waiting(m, l);
}

/* R-PROC-5, R-LVB-9 */
static void remove_lock(struct model *m, struct picked *p, struct mlock *l)
{
	touch(p, l);
	m->marks->turns[l->orphan ? MARK_PROC5_ORPHAN : MARK_PROC5_G]++;
	if (l->gr >= PW) {
		bool used = l->flags & FLAG(VALBLK);

		m->marks->turns[used ? MARK_LVB9_YES : MARK_LVB9_NO]++;
		model_resource_of(m, l)->invalid =
			model_resource_of(m, l)->invalid || used;
	}
	model_gone(m, l);
}

static void op_member(struct model *m, struct picked *p, struct mmember *member,
		      bool remove)
{
	struct picked of = { .count = 0 };
	bool known = false;

	for (int i = 0; i < LOCKS_MAX; i++) {
		if (m->locks[i].used && m->locks[i].member == member) {
			pick(&of, &m->locks[i], true);
		}
	}
	/* A member that has nothing here is not known here. */
	for (int i = 0; i < SESSIONS_MAX; i++) {
		if (m->sessions[i].used && m->sessions[i].member == member) {
			known = true;
			m->sessions[i].used = !remove;
		}
	}
	member->lost = !remove && (member->lost || known || of.count > 0);
	for (int i = 0; i < of.count; i++) {
		if (remove) {
			remove_lock(m, p, of.locks[i]);
		} else {
			lose_lock(m, p, of.locks[i]);
		}
	}
}

void model_op_members(struct model *m, bool remove)
{
	struct picked p = { .count = 0 };

	if (!remove && m->op->flags & FLAG(IVVALBLK)) {
		for (int i = 0; i < MODEL_RESOURCES; i++) {
			m->resources[i].invalid = resource_exists(&m->resources[i]);
			/* That there is no value may be old, too. */
			if (m->resources[i].invalid && m->resources[i].lvb == IV) {
				m->resources[i].lvb = 0;
			}
			m->marks->turns[MARK_VIEW2_SLOW] += m->resources[i].invalid;
		}
	}
	for (size_t k = 0; k < m->op->members_count; k++) {
		op_member(m, &p,
			  model_member_find(m, m->op->members[k].nodeid,
					    m->op->members[k].incarnation),
			  remove);
	}
	settle_by_name(m, &p);
}
