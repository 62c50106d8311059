/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which events of a lockspace become trace records (trace.h), when the driver wants a trace. Nothing here
 * changes anything else: with and without a trace the node does the same.
 *
 * A trace begins with a snapshot, so it begins again whenever the state is new here, and whenever the driver
 * wants a new file. The snapshot is made in one go; a table that is too large for that is not traced until
 * it has become smaller, and the trace says so at its end.
 */
#include "config.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "plugin/node/node_private.h"
#include "plugin/node/trace.h"

enum {
	TRACE_LOCKS_MAX = 20000, /* some milliseconds */
	TRACE_MARK_OPS = 256,
};

static bool tracing(const struct space *s)
{
	return s->traced != NULL && s->traced == s->engine;
}

static void emit(struct space *s, struct trace_record *r)
{
	struct buf out = { 0 };

	r->time_ms = s->node->wall_ms;
	r->seq = s->engine ? engine_seq(s->engine) : 0;
	trace_encode(r, &out);
	struct node_action act = { .type = NODE_ACTION_TRACE,
				   .name = s->name,
				   .value = (uint32_t)r->type,
				   .data = out.data,
				   .size = out.size };

	node_act(s->node, &act);
	buf_done(&out);
}

static void mark(struct space *s)
{
	struct trace_record r = { .type = TRACE_MARK, .value = engine_digest(s->engine) };

	emit(s, &r);
}

static bool too_large(const struct space *s)
{
	return engine_totals_get(s->engine).locks > TRACE_LOCKS_MAX;
}

void space_trace_progress(struct space *s)
{
	struct buf image = { 0 };

	if (!s->node->config.trace || !s->engine || tracing(s) || too_large(s)) {
		return;
	}
	engine_snapshot_encode(s->engine, &image);
	struct trace_record r = { .type = TRACE_BEGIN,
				  .nodeid = s->node->config.nodeid,
				  .incarnation = s->incarnation,
				  .space = (const uint8_t *)s->name,
				  .space_size = strlen(s->name),
				  .data = image.data,
				  .size = image.size };

	if (image.size <= TRACE_RECORD_MAX / 2) {
		s->traced = s->engine;
		emit(s, &r);
		mark(s);
	}
	buf_done(&image);
}

void space_trace_end(struct space *s, const char *reason)
{
	if (tracing(s)) {
		struct trace_record r = { .type = TRACE_END,
					  .data = (const uint8_t *)reason,
					  .size = strlen(reason) };

		emit(s, &r);
	}
	s->traced = NULL;
}

void space_trace_op(struct space *s, const struct engine_op *op)
{
	if (!tracing(s)) {
		return;
	}
	bool system = op->type == ENGINE_OP_VIEW_POINT || op->type == ENGINE_OP_NODES_REMOVE;
	struct trace_record r = { .type = system ? TRACE_SYSTEM : TRACE_OP,
				  .nodeid = op->nodeid,
				  .incarnation = op->incarnation,
				  .op = *op,
				  .members = op->members,
				  .members_count = op->members_count };

	emit(s, &r);
	if (system || engine_seq(s->engine) % TRACE_MARK_OPS == 0) {
		mark(s);
	}
}

void space_trace_raise(struct space *s, uint64_t seq)
{
	if (tracing(s)) {
		struct trace_record r = { .type = TRACE_RAISE, .value = seq };

		emit(s, &r);
	}
}

void space_trace_view(struct space *s, uint8_t what)
{
	struct engine_member_id ids[LOCKSTEP_NODES_MAX];
	size_t count = 0;

	if (!tracing(s)) {
		return;
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && count < LOCKSTEP_NODES_MAX) {
			ids[count++] = (struct engine_member_id){ .nodeid = m->nodeid,
								  .incarnation = m->incarnation };
		}
	}
	struct trace_record r = { .type = TRACE_VIEW,
				  .what = what,
				  .value = s->view,
				  .generation = s->generation,
				  .members = ids,
				  .members_count = count };

	emit(s, &r);
}

void space_trace_message(struct space *s, bool dropped, const struct member *m, uint8_t type, size_t size)
{
	if (tracing(s)) {
		struct trace_record r = { .type = dropped ? TRACE_DROP : TRACE_HOLD,
					  .nodeid = m->nodeid,
					  .incarnation = m->incarnation,
					  .what = type,
					  .count = (uint32_t)size };

		emit(s, &r);
	}
}

void node_trace_restart(struct node *n, const char *space)
{
	struct space *s = node_space_find(n, space);

	if (s && s->engine) {
		space_trace_end(s, too_large(s) ? "the lock table is too large for a snapshot"
						: "goes on in a new file");
	}
}
