/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests, conversions, unlock, cancel and timeouts: sections 7, 8, 15, 18.
 */
#include "config.h"

#include <stdlib.h>

#include "tests/unit/engine_model_private.h"

/* --- sections 7 and 8 --- */

static void queue_up(struct model *m, struct mlock *l, int q)
{
	l->request = m->op->request;
	l->queued_seq = m->seq;
	l->call_lvb = model_op_lvb(m->op);
	model_put(m, l, q);
	model_bast_rule_immediate(m, model_resource_of(m, l), G, l);
}

/* R-REQ-3, R-CONV-7 */
static void refuse_noqueue(struct model *m, struct mlock *l)
{
	model_refuse(m, l, m->op->request, EAGAIN);
	if (l->flags & FLAG(NOQUEUEBAST)) {
		model_bast_rule_immediate(m, model_resource_of(m, l), G, l);
		model_bast_rule_immediate(m, model_resource_of(m, l), C, l);
	}
}

static void mark_flags(struct model *m, int outcome)
{
	for (int bit = 0; bit < 32; bit++) {
		if (m->op->flags & (1u << bit)) {
			m->marks->flags[bit][m->op->type == ENGINE_OP_CONVERT][outcome]++;
		}
	}
}

/* R-CONV-2 */
void model_take_args(struct mlock *l, const struct engine_op *op)
{
	l->flags = op->flags;
	l->bast = op->attr & ENGINE_ATTR_HAS_BAST;
	l->xid = op->xid;
	l->time_ms = op->time_ms;
	l->sb_flags = 0;
	l->rq = op->mode;
}

static struct mlock *new_lock(struct model *m, const struct msession *s)
{
	struct mlock *l = m->locks;

	while (l->used) {
		l++;
	}
	memset(l, 0, sizeof(*l));
	l->used = true;
	l->member = s->member;
	l->session = s->number;
	l->personality = s->personality;
	l->pid = s->pid;
	l->lkid = m->op->lkid;
	l->resource = m->op->name[0] - 'a';
	l->queue = IV;
	l->gr = IV;
	l->created = m->seq;
	model_take_args(l, m->op);
	return l;
}

void model_op_lock(struct model *m, struct msession *s)
{
	const struct engine_op *op = m->op;

	if (op->lkid == 0 || op->lkid > 0x7fffffff ||
	    model_lock_find(m, s->member, op->lkid)) {
		MARK(m, LOCK2);
		return;
	}
	struct mlock *l = new_lock(m, s);
	const struct mresource *r = model_resource_of(m, l);

	if (model_try(m, l, true) == GRANTED) {
		mark_flags(m, MODEL_NOW);
		MARK(m, REQ1);
		m->marks->turns[MARK_REQ1_WAITERS] += r->count[W] > 0;
		model_grant(m, l, model_op_lvb(op), op->request);
	} else if (l->flags & FLAG(NOQUEUE)) {
		mark_flags(m, MODEL_REFUSED);
		m->marks->turns[l->flags & FLAG(NOQUEUEBAST) ? MARK_REQ3_BAST
							     : MARK_REQ3]++;
		refuse_noqueue(m, l);
		model_gone(m, l);
	} else {
		mark_flags(m, MODEL_QUEUED);
		m->marks->turns[l->flags & FLAG(HEADQUE) && r->count[W] > 0
					? MARK_REQ2_HEAD
					: MARK_REQ2]++;
		queue_up(m, l, W);
	}
}

/* R-CONV-9 as it is printed */
static bool quecvt_pair(int gr, int rq)
{
	static const char *const legal[] = { "12345", "2345", "345", "245", "5", "" };

	return strchr(legal[gr], '0' + rq) != NULL;
}

static void convert_granted(struct model *m, struct mlock *l)
{
	mark_flags(m, MODEL_NOW);
	model_grant(m, l, model_op_lvb(m->op), m->op->request);
	model_settle(m, model_resource_of(m, l));
}

static void convert_not_granted(struct model *m, struct mlock *l, int result)
{
	const struct mresource *r = model_resource_of(m, l);

	if (result == DEADLOCK && !(l->flags & FLAG(NODLCKWT))) {
		MARK(m, CONV4);
		mark_flags(m, MODEL_REFUSED);
		model_refuse(m, l, m->op->request, EDEADLK);
		l->rq = IV;
		return;
	}
	if (l->flags & FLAG(NOQUEUE)) {
		bool deadlock = false;

		for (int i = 0; i < r->count[C]; i++) {
			deadlock =
				deadlock || !model_compatible(l->gr, r->queue[C][i]->rq);
		}
		m->marks->turns[MARK_CONV7_DEADLOCK] += deadlock;
		m->marks->turns[l->flags & FLAG(NOQUEUEBAST) ? MARK_CONV7_BAST
							     : MARK_CONV7]++;
		mark_flags(m, MODEL_REFUSED);
		refuse_noqueue(m, l);
		l->rq = IV;
		return;
	}
	mark_flags(m, MODEL_QUEUED);
	m->marks->turns[MARK_CONV6_DEADLOCK] += result == DEADLOCK;
	m->marks->turns[MARK_CONV5_QUEUED] += result == DEMOTED;
	m->marks->turns[l->flags & FLAG(HEADQUE) && r->count[C] > 0 ? MARK_CONV6_HEAD
								    : MARK_CONV6]++;
	queue_up(m, l, C);
}

void model_op_convert(struct model *m, struct mlock *l)
{
	const struct engine_op *op = m->op;
	int result;

	if (l->queue != G) {
		MARK(m, CONV1);
		return;
	}
	if (op->flags & FLAG(QUECVT) && !quecvt_pair(l->gr, op->mode)) {
		MARK(m, CONV9);
		return;
	}
	model_take_args(l, op);
	result = model_try(m, l, true);
	if (result == GRANTED) {
		m->marks->turns[l->gr == l->rq ? MARK_CONV8 : MARK_CONV3]++;
		convert_granted(m, l);
		return;
	}
	if (result == DEMOTED) {
		struct counts unused;

		model_convert_pass(m, model_resource_of(m, l), &unused);
		if (model_grantable(m, l, true)) {
			MARK(m, CONV5);
			convert_granted(m, l);
			return;
		}
	}
	convert_not_granted(m, l, result);
}

/* --- section 15 --- */

void model_op_unlock(struct model *m, struct mlock *l)
{
	struct mresource *r = model_resource_of(m, l);
	struct engine_effect effect = {
		.type = ENGINE_EFFECT_CAST,
		.request = m->op->request,
		.status = LOCKSTEP_EUNLOCK,
		.mode = IV,
	};

	m->marks->turns[l->queue == G	? MARK_UNL1
			: l->queue == C ? MARK_UNL2_C
					: MARK_UNL2_W]++;
	if (l->gr != IV) {
		model_mark_lvb(m, l->gr, IV, m->op->flags);
		if (model_lvb_action(l->gr, IV) == 'W') {
			effect.needs_stable =
				model_lvb_write(m, l, m->op->flags, model_op_lvb(m->op));
			m->marks->turns[MARK_UNL2_C_WRITE] +=
				effect.needs_stable && l->queue == C;
		}
	}
	model_add_effect(m, l, &effect, IV);
	model_gone(m, l);
	model_settle(m, r);
}

void model_stop_waiting(struct model *m, struct mlock *l)
{
	if (l->queue == W) {
		model_gone(m, l);
	} else if (l->queue == C) {
		const struct mresource *r = model_resource_of(m, l);

		m->marks->turns[MARK_CAN2_DEMOTED] += l->sb_flags != 0;
		l->rq = IV;
		l->sb_flags = 0;
		model_put(m, l, G);
		m->marks->turns[MARK_CAN2_PLACE] += r->queue[G][r->count[G] - 1] != l;
	}
}

/* R-CAN-1, R-CAN-2 with that status; nothing for a lock on G (R-CAN-3). */
void model_op_cancel(struct model *m, struct mlock *l, int status)
{
	struct mresource *r = model_resource_of(m, l);

	if (l->queue != G) {
		model_refuse(m, l, l->request, status);
		model_stop_waiting(m, l);
		model_settle(m, r);
	}
}

void model_mark_cancel(struct model *m, const struct mlock *l)
{
	if (m->op->type == ENGINE_OP_CANCEL) {
		m->marks->turns[l->queue == G	? MARK_CAN3
				: l->queue == C ? MARK_CAN2
						: MARK_CAN1]++;
	} else {
		m->marks->turns[l->queue == G	? MARK_CAN8_G
				: l->queue == C ? MARK_CAN8_C
						: MARK_CAN8_W]++;
	}
}

/* R-TMO-1, R-TMO-2 */
void model_op_timeout(struct model *m, struct mlock *l)
{
	if (l->queue == G || l->queued_seq != m->op->queued_seq) {
		MARK(m, TMO2);
	} else if (!(l->flags & FLAG(TIMEOUT))) {
		MARK(m, TMO5);
	} else {
		m->marks->turns[l->queue == C ? MARK_TMO1_C : MARK_TMO1_W]++;
		model_op_cancel(m, l, ETIMEDOUT);
	}
}
