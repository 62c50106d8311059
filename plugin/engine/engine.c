/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Life of an engine, and the one verb: engine_apply() looks at an op, finds its session and
 * lock, and hands it to its family. What can be wrong with an op ends here, silently and on
 * every replica alike.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

struct engine *engine_new(const struct engine_config *config)
{
	struct engine *e = calloc(1, sizeof(*e));

	ls_assert(e);
	ls_assert(config->lvb_len % 8 == 0);
	ls_assert(config->lvb_len >= 8);
	ls_assert(config->lvb_len <= LOCKSTEP_LVB_MAX);
	e->config = *config;
	e->seq = config->seq_base;
	store_init(e);
	return e;
}

struct engine *engine_free(struct engine *e)
{
	if (!e) {
		return NULL;
	}
	store_done(e);
	free(e);
	return NULL;
}

struct engine *engine_free_some(struct engine *e, size_t records)
{
	return store_free_some(e, records) ? engine_free(e) : e;
}

/* The lock an op of @s names: only its owner has a say (R-LOCK-5). */
static struct lock *own_lock(const struct engine *e, const struct session *s, uint32_t lkid)
{
	struct lock *lock = lock_find(e, s->member->nodeid, s->member->incarnation, lkid);

	return lock && lock->session == s ? lock : NULL;
}

/* Ops that name a lock of the session. */
static void apply_own_lock(struct apply *a, struct session *s)
{
	struct lock *lock = own_lock(a->engine, s, a->op->lkid);

	if (!lock) {
		return;
	}
	if (a->op->type == ENGINE_OP_CONVERT) {
		apply_convert(a, lock);
	} else if (a->op->type == ENGINE_OP_UNLOCK) {
		apply_unlock(a, lock);
	} else if (a->op->type == ENGINE_OP_CANCEL) {
		apply_cancel(a, lock, LOCKSTEP_ECANCEL);
	} else {
		apply_cancel(a, lock, EDEADLK); /* R-CAN-8 */
	}
}

/* Ops of a session, numbered by it. */
static void apply_of_session(struct apply *a)
{
	const struct engine_op *op = a->op;
	struct session *s = session_find(a->engine, op->nodeid, op->incarnation, op->session);

	/* The lost and the ended have no say; a number that came already is a resend of an op
	 * that was applied (R-CPG-11). */
	if (!s || s->ended || s->member->lost || op->request <= s->request_last) {
		return;
	}
	s->request_last = op->request;
	record_dirty(a->engine, &s->record);
	if (op_check_apply(&a->engine->config, op) != 0) {
		return;
	}
	switch (op->type) {
	case ENGINE_OP_SESSION_END:
		apply_session_end(a, s);
		break;
	case ENGINE_OP_LOCK:
		apply_lock(a, s);
		break;
	case ENGINE_OP_CONVERT:
	case ENGINE_OP_UNLOCK:
	case ENGINE_OP_CANCEL:
	case ENGINE_OP_DEADLOCK_CANCEL:
		apply_own_lock(a, s);
		break;
	case ENGINE_OP_ADOPT:
		apply_adopt(a, s);
		break;
	case ENGINE_OP_PURGE:
		apply_purge(a, s);
		break;
	default:
		break;
	}
}

void engine_apply(struct engine *e, const struct engine_op *op, struct engine_effects *effects)
{
	struct apply a = { .engine = e, .op = op, .effects = effects };

	ls_assert(e->dirty_count == 0);
	e->seq++;
	if (op->type <= ENGINE_OP_NODES_REMOVE) {
		e->stats.ops[op->type]++;
	}
	switch (op->type) {
	case ENGINE_OP_SESSION_BEGIN:
		if (op_check_apply(&e->config, op) == 0) {
			apply_session_begin(&a);
		}
		break;
	case ENGINE_OP_TIMEOUT:
		apply_timeout(&a);
		break;
	case ENGINE_OP_DEADLOCK_SEARCH:
		apply_deadlock_search(&a);
		break;
	case ENGINE_OP_VIEW_POINT:
		apply_view_point(&a);
		break;
	case ENGINE_OP_NODES_REMOVE:
		apply_nodes_remove(&a);
		break;
	default:
		apply_of_session(&a);
		break;
	}
	ls_assert(e->touched_count == 0);
	if (e->watch_fn) {
		records_watch(e);
	}
	records_flush(e);
}

void engine_watch_set(struct engine *e, engine_watch_fn fn, void *arg)
{
	e->watch_fn = fn;
	e->watch_arg = fn ? arg : NULL;
}

void *engine_watch_arg(const struct engine *e)
{
	return e->watch_arg;
}

/* Who goes on from an older state has grants that nobody was told yet; others, now gone, may have been
 * told later ones with larger tokens. So tokens move up with seq and keep their order (R-TOK-1). */
void engine_seq_raise(struct engine *e, uint64_t seq)
{
	if (seq <= e->seq) {
		return;
	}
	uint64_t by = seq - e->seq;
	struct resource **items = resources_sorted(e);

	e->seq = seq;
	for (size_t i = 0; i < e->resources.count; i++) {
		for (enum engine_queue queue = ENGINE_QUEUE_GRANTED; queue <= ENGINE_QUEUE_CONVERT; queue++) {
			list_for_each(at, resource_queue(items[i], queue)) {
				struct lock *lock = list_entry(at, struct lock, queue_link);

				lock->token += by;
				record_dirty(e, &lock->record);
			}
		}
	}
	free(items);
	records_flush(e);
}

uint64_t engine_digest(const struct engine *e)
{
	struct buf bytes = { .data = NULL };
	uint64_t digest = e->digest_sum + header_digest(e, &bytes);

	buf_done(&bytes);
	return digest;
}

uint64_t engine_seq(const struct engine *e)
{
	return e->seq;
}

const struct engine_config *engine_config_get(const struct engine *e)
{
	return &e->config;
}
