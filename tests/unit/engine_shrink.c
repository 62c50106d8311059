/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/engine_shrink.h"

#define QUESTIONS_MAX 20000 /* a bound, should something go in circles */

struct shrink {
	struct stream *stream;
	struct stream trial;
	bool (*fails)(const struct stream *s, void *arg);
	void *arg;
	size_t questions;
};

/* The trial becomes the stream when it fails too. */
static bool adopt_trial(struct shrink *s)
{
	if (s->questions == QUESTIONS_MAX) {
		return false;
	}
	s->questions++;
	if (!s->fails(&s->trial, s->arg)) {
		return false;
	}
	s->stream->count = s->trial.count;
	memcpy(s->stream->ops, s->trial.ops, s->trial.count * sizeof(s->trial.ops[0]));
	return true;
}

static void trial_without(struct shrink *s, size_t first, size_t count)
{
	const struct stream *of = s->stream;

	memcpy(s->trial.ops, of->ops, first * sizeof(of->ops[0]));
	memcpy(s->trial.ops + first, of->ops + first + count,
	       (of->count - first - count) * sizeof(of->ops[0]));
	s->trial.count = of->count - count;
}

static bool is_of_node_only(const struct stream_op *op)
{
	return op->op.type == ENGINE_OP_VIEW_POINT ||
	       op->op.type == ENGINE_OP_NODES_REMOVE;
}

static bool same_session(const struct stream_op *a, const struct stream_op *b)
{
	return !is_of_node_only(a) && !is_of_node_only(b) &&
	       a->op.nodeid == b->op.nodeid && a->op.incarnation == b->op.incarnation &&
	       a->op.session == b->op.session;
}

/* Everything a session does, tried once for each. */
static void drop_sessions(struct shrink *s)
{
	size_t i = 0;

	while (i < s->stream->count) {
		const struct stream_op of = s->stream->ops[i];

		if (of.op.type != ENGINE_OP_SESSION_BEGIN) {
			i++;
			continue;
		}
		s->trial.count = 0;
		for (size_t k = 0; k < s->stream->count; k++) {
			if (!same_session(&s->stream->ops[k], &of)) {
				s->trial.ops[s->trial.count++] = s->stream->ops[k];
			}
		}
		i += adopt_trial(s) ? 0 : 1;
	}
}

/* Runs of ops, half of the stream at first, in the end single ones until none can go. */
static void drop_ops(struct shrink *s)
{
	size_t size = s->stream->count / 2;
	bool dropped = true;

	while (size > 0 && (size > 1 || dropped)) {
		size_t first = 0;

		dropped = false;
		while (first + size <= s->stream->count) {
			trial_without(s, first, size);
			if (adopt_trial(s)) {
				dropped = true;
			} else {
				first += size;
			}
		}
		size = size > 1 ? size / 2 : 1;
	}
}

/* The ways in which an op can be plainer; false when it is so already, or there are no
 * more. */
static bool plainer(struct stream_op *s, unsigned int way)
{
	struct stream_op before = *s;
	struct engine_op *op = &s->op;

	if (way < 32) {
		op->flags &= ~(1u << way);
		if (!(op->flags & LOCKSTEP_LKF_VALBLK)) {
			op->lvb_len = 0;
			s->lvb = 0;
		}
		op->timeout_cs = op->flags & LOCKSTEP_LKF_TIMEOUT ? op->timeout_cs : 0;
	} else if (way == 32) {
		op->time_ms = 0;
	} else if (way == 33) {
		op->xid = 0;
	} else if (way == 34) {
		op->attr = ENGINE_ATTR_HAS_BAST;
	} else if (way == 35) {
		op->personality = 0;
	} else if (way == 36) {
		s->raise = 0;
	} else if (way == 37) {
		op->name[0] = op->name_len ? 'a' : 0;
	} else if (way == 38) {
		op->pid = 100;
	}
	return memcmp(&before, s, sizeof(before)) != 0;
}

static void simplify(struct shrink *s)
{
	for (size_t i = 0; i < s->stream->count; i++) {
		for (unsigned int way = 0; way < 39; way++) {
			trial_without(s, 0, 0);
			if (plainer(&s->trial.ops[i], way)) {
				(void)adopt_trial(s);
			}
		}
	}
}

size_t stream_shrink(struct stream *stream,
		     bool (*fails)(const struct stream *s, void *arg), void *arg)
{
	struct shrink s = {
		.stream = stream, .trial = *stream, .fails = fails, .arg = arg
	};

	s.trial.ops = calloc(stream->count + 1, sizeof(s.trial.ops[0]));
	if (!s.trial.ops) {
		abort();
	}
	drop_sessions(&s);
	drop_ops(&s);
	simplify(&s);
	drop_ops(&s);
	free(s.trial.ops);
	return s.questions;
}
