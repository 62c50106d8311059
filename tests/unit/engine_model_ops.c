/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verb: whose op it is, and whether it is legal (sections 3, 16).
 */
#include "config.h"

#include <stdlib.h>

#include "tests/unit/engine_model_private.h"

static struct msession *session_find(struct model *m, const struct mmember *member,
				     uint32_t number)
{
	for (int i = 0; i < SESSIONS_MAX; i++) {
		if (m->sessions[i].used && m->sessions[i].member == member &&
		    m->sessions[i].number == number) {
			return &m->sessions[i];
		}
	}
	return NULL;
}

static bool session_has_orphans(struct model *m, const struct mmember *member,
				uint32_t number)
{
	for (int i = 0; i < LOCKS_MAX; i++) {
		if (m->locks[i].used && m->locks[i].orphan &&
		    m->locks[i].member == member && m->locks[i].session == number) {
			return true;
		}
	}
	return false;
}

/* R-PROC-6: a number is never used twice. */
static void op_session_begin(struct model *m, struct mmember *member)
{
	const struct engine_op *op = m->op;
	struct msession *s = m->sessions;

	if (op->session == 0 || member->lost || session_find(m, member, op->session) ||
	    session_has_orphans(m, member, op->session) || op->personality > 1) {
		return;
	}
	while (s->used) {
		s++;
	}
	*s = (struct msession){
		.used = true,
		.member = member,
		.number = op->session,
		.pid = op->pid,
		.personality = op->personality,
		.request = op->request,
	};
}

/* R-ERR-1 */
static bool request_is_legal(struct model *m)
{
	const struct engine_op *op = m->op;
	uint32_t flags = op->flags;
	bool convert = op->type == ENGINE_OP_CONVERT;
	bool legal =
		op->mode <= EX && !(flags & FLAG(CANCEL)) &&
		!(flags & FLAG(QUECVT) && !convert) &&
		!(flags & FLAG(CONVDEADLK) && (!convert || flags & FLAG(NOQUEUE))) &&
		!(flags & FLAG(EXPEDITE) &&
		  (convert || flags & (FLAG(QUECVT) | FLAG(NOQUEUE)) || op->mode != NL));

	m->marks->turns[MARK_ERR1] += !legal;
	return legal;
}

/* R-ERR-2 */
static bool unlock_is_legal(struct model *m)
{
	bool legal =
		!(m->op->flags & ~(FLAG(VALBLK) | FLAG(IVVALBLK) | FLAG(FORCEUNLOCK)));

	m->marks->turns[MARK_ERR2] += !legal;
	return legal;
}

/* R-ERR-2; a cancel may also say so by its flag. */
static bool cancel_is_legal(struct model *m)
{
	bool legal = !(m->op->flags & ~(FLAG(CANCEL) | FLAG(VALBLK) | FLAG(IVVALBLK)));

	m->marks->turns[MARK_ERR2] += !legal;
	return legal;
}

static void op_of_own_lock(struct model *m, const struct msession *s, struct mlock *l)
{
	if (!l) {
		MARK(m, LOCK6);
		return;
	}
	if (l->orphan || l->session != s->number) {
		MARK(m, LOCK5);
		return;
	}
	if (m->op->type == ENGINE_OP_CONVERT && request_is_legal(m)) {
		model_op_convert(m, l);
	} else if (m->op->type == ENGINE_OP_UNLOCK && unlock_is_legal(m)) {
		model_op_unlock(m, l);
	} else if (m->op->type == ENGINE_OP_CANCEL && cancel_is_legal(m)) {
		model_mark_cancel(m, l);
		model_op_cancel(m, l, LOCKSTEP_ECANCEL);
	} else if (m->op->type == ENGINE_OP_DEADLOCK_CANCEL && cancel_is_legal(m)) {
		model_mark_cancel(m, l);
		model_op_cancel(m, l, EDEADLK);
	}
}

static void op_of_session(struct model *m, struct mmember *member)
{
	const struct engine_op *op = m->op;
	struct msession *s = session_find(m, member, op->session);

	if (s && member->lost) {
		MARK(m, REC4_SILENT);
	}
	if (!s || member->lost) {
		return;
	}
	if (op->request <= s->request) {
		MARK(m, CPG11);
		return;
	}
	s->request = op->request;
	if (op->type == ENGINE_OP_SESSION_END) {
		model_op_session_end(m, s);
	} else if (op->type == ENGINE_OP_PURGE) {
		model_op_purge(m, s);
	} else if (op->type == ENGINE_OP_LOCK) {
		if (request_is_legal(m)) {
			model_op_lock(m, s);
		}
	} else if (op->type == ENGINE_OP_ADOPT) {
		if (request_is_legal(m)) {
			model_op_adopt(m, s);
		}
	} else {
		op_of_own_lock(m, s, model_lock_find(m, member, op->lkid));
	}
}

void model_apply(struct model *m, const struct engine_op *op)
{
	struct mmember *member = NULL;
	struct mlock *l = NULL;

	m->seq++;
	m->op = op;
	m->effects_count = 0;
	if (op->type != ENGINE_OP_VIEW_POINT && op->type != ENGINE_OP_NODES_REMOVE) {
		member = model_member_find(m, op->nodeid, op->incarnation);
		l = model_lock_find(m, member, op->lkid);
	}
	switch (op->type) {
	case ENGINE_OP_SESSION_BEGIN:
		op_session_begin(m, member);
		break;
	case ENGINE_OP_TIMEOUT:
		if (l) {
			model_op_timeout(m, l);
		}
		break;
	case ENGINE_OP_DEADLOCK_SEARCH:
		if (l) {
			model_op_deadlock_search(m, l);
		}
		break;
	case ENGINE_OP_VIEW_POINT:
		model_op_members(m, false);
		break;
	case ENGINE_OP_NODES_REMOVE:
		model_op_members(m, true);
		break;
	default:
		op_of_session(m, member);
		break;
	}
}

uint64_t model_queued_seq(const struct model *m, const struct engine_op *op)
{
	for (int i = 0; i < LOCKS_MAX; i++) {
		const struct mlock *l = &m->locks[i];

		if (l->used && l->member->node == op->nodeid &&
		    l->member->incarnation == op->incarnation && l->lkid == op->lkid) {
			return l->queued_seq;
		}
	}
	return 0;
}

void model_seq_raise(struct model *m, uint64_t seq)
{
	if (seq <= m->seq) {
		return;
	}
	for (int i = 0; i < LOCKS_MAX; i++) {
		if (m->locks[i].used && m->locks[i].gr != IV) {
			m->locks[i].token += seq - m->seq;
		}
	}
	m->seq = seq;
}

struct model *model_new(const struct engine_config *config, struct model_marks *marks)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m) {
		abort();
	}
	m->config = *config;
	m->marks = marks ? marks : &m->own_marks;
	m->seq = config->seq_base;
	for (int i = 0; i < MODEL_RESOURCES; i++) {
		m->resources[i].lvb = IV;
	}
	return m;
}

void model_free(struct model *m)
{
	free(m);
}

const struct engine_effect *model_effects(const struct model *m, size_t *ret_count)
{
	*ret_count = m->effects_count;
	return m->effects;
}
