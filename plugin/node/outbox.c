/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From accepted ops to messages: ops are encoded when they are accepted and packed at the
 * end of the loop iteration, those first that the epoch rule has thrown back (stream.c).
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/node/node_private.h"

void outbox_push(struct space *s, const struct engine_op *op)
{
	buf_clear(&s->encoded);
	engine_op_encode(op, &s->encoded);
	struct pending *p = malloc(sizeof(*p) + s->encoded.size);

	ls_assert(p);
	p->session = op->session;
	p->type = op->type;
	p->size = s->encoded.size;
	memcpy(p->bytes, s->encoded.data, s->encoded.size);
	list_push_tail(&s->outbox, &p->item);
	s->outbox_count++;
}

static void drop(struct space *s, struct pending *p)
{
	list_remove(&p->item);
	s->outbox_count--;
	free(p);
}

void outbox_session_drop(struct space *s, uint32_t session)
{
	list_for_each_safe(item, &s->outbox) {
		struct pending *p = list_entry(item, struct pending, item);

		if (p->session == session && p->type != ENGINE_OP_SESSION_BEGIN) {
			drop(s, p);
		}
	}
}

void outbox_clear(struct space *s)
{
	stream_pending_clear(&s->outbox);
	s->outbox_count = 0;
}

/* The first op to go, thrown back ones first. */
static struct pending *first(struct space *s, bool *ret_resend)
{
	*ret_resend = !list_empty(&s->resend);
	if (node_mutated(s->node, NODE_MUTATE_RESEND_LATE) && !list_empty(&s->outbox)) {
		*ret_resend = false;
	}
	const struct list *head = *ret_resend ? &s->resend : &s->outbox;

	return list_empty(head) ? NULL : list_entry(head->next, struct pending, item);
}

static struct buf pack(struct space *s)
{
	struct buf ops = { 0 };
	struct pending *p;
	bool resend;

	while ((p = first(s, &resend)) &&
	       (ops.size == 0 || ops.size + p->size <= s->node->config.batch_bytes)) {
		buf_put_bytes(&ops, p->bytes, p->size);
		if (resend) {
			list_remove(&p->item);
			free(p);
		} else {
			drop(s, p);
		}
		s->node->counters[COUNTER_OPS_SENT]++;
	}
	return ops;
}

void outbox_send(struct space *s)
{
	if (s->state == SPACE_STOPPED || s->leave_sent || s->sent_ops_old > 0 ||
	    !space_quorum_ok(s)) {
		return;
	}
	while (!list_empty(&s->resend) || !list_empty(&s->outbox)) {
		if (s->sent_count >= s->node->config.window_messages) {
			s->node->counters[COUNTER_WINDOW_FULL]++;
			return;
		}
		struct buf ops = pack(s);
		struct wire_body body = { .bytes = ops.data, .bytes_size = ops.size };

		s->node->counters[COUNTER_BATCHES]++;
		stream_send(s, WIRE_OPS, &body, &ops);
	}
}
