/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One trace file through the lock machine; see lockstep_replay.h. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "plugin/node/trace.h"
#include "tools/lockstep_replay.h"

enum { MEMBERS_MAX = 4 * LOCKSTEP_NODES_MAX };

struct replay {
	const char *path;
	const struct replay_options *o;
	struct replay_marks *marks;
	struct engine *engine;
	struct engine_effects effects;
	char space[LOCKSTEP_SPACE_MAX + 1];
	size_t offset;
	uint64_t ops, marks_seen, shared, held, dropped;
	uint64_t agreed; /* seq of the last digest that did */
	bool ended;
	/* Locks of interest before an op that may remove several. */
	struct engine_lock_info *before;
	size_t before_count, before_capacity;
};

static bool differ(const struct replay *p, const char *what, uint64_t here, uint64_t there)
{
	printf("%s: offset %zu: seq %" PRIu64 ": the first difference: %s is %016" PRIx64 " here and %016" PRIx64
	       " in the trace; it agreed last at seq %" PRIu64 "\n",
	       p->path, p->offset, engine_seq(p->engine), what, here, there, p->agreed);
	return false;
}

static bool refuse(const struct replay *p, const char *why)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: offset %zu: %s\n", p->path, p->offset, why);
	return false;
}

static bool wanted(const struct replay *p, const struct engine_lock_info *l)
{
	const struct replay_options *o = p->o;

	return (o->by_name && l->name_len == o->name_len && memcmp(l->name, o->name, o->name_len) == 0) ||
	       (o->by_lock && l->nodeid == o->nodeid && l->lkid == o->lkid);
}

static bool before_add(const struct engine_lock_info *l, void *arg)
{
	struct replay *p = arg;

	if (!wanted(p, l)) {
		return true;
	}
	if (p->before_count == p->before_capacity) {
		p->before_capacity = p->before_capacity ? 2 * p->before_capacity : 16;
		p->before = realloc(p->before, p->before_capacity * sizeof(*p->before));
		if (!p->before) {
			abort();
		}
	}
	p->before[p->before_count++] = *l;
	return true;
}

static bool resource_add(const struct engine_resource_info *r, void *arg)
{
	struct replay *p = arg;

	engine_locks_visit(p->engine, r->name, r->name_len, before_add, p);
	return true;
}

/* What may end without an op of its own. */
static void before_note(struct replay *p, const struct trace_record *r)
{
	p->before_count = 0;
	if (r->type == TRACE_OP && r->op.type != ENGINE_OP_SESSION_END && r->op.type != ENGINE_OP_PURGE) {
		return;
	}
	if (p->o->by_name) {
		engine_locks_visit(p->engine, p->o->name, p->o->name_len, before_add, p);
	} else if (p->o->by_lock) {
		engine_resources_visit(p->engine, resource_add, p);
	}
}

static bool op_lock(const struct replay *p, const struct engine_op *op, struct engine_lock_info *ret)
{
	if (op->type == ENGINE_OP_LOCK) {
		*ret = (struct engine_lock_info){ .nodeid = op->nodeid,
						  .incarnation = op->incarnation,
						  .session = op->session,
						  .lkid = op->lkid,
						  .granted = -1,
						  .requested = -1,
						  .name_len = op->name_len };
		memcpy(ret->name, op->name, op->name_len);
		return true;
	}
	return engine_lock_find(p->engine, op->nodeid, op->incarnation, op->lkid, ret);
}

static void effects_tell(const struct replay *p, const struct trace_record *r,
			 const struct engine_lock_info *own)
{
	for (size_t i = 0; i < p->effects.count; i++) {
		const struct engine_effect *e = &p->effects.items[i];
		struct engine_lock_info l;
		bool known = engine_lock_find(p->engine, e->nodeid, e->incarnation, e->lkid, &l);

		if (!known && own && own->nodeid == e->nodeid && own->incarnation == e->incarnation &&
		    own->lkid == e->lkid) {
			l = *own;
			known = true;
		}
		if (known && wanted(p, &l)) {
			tell_effect(p->o, r, e, &l);
		}
	}
}

static void apply(struct replay *p, const struct trace_record *r)
{
	struct engine_lock_info own, after;
	bool history = p->o->by_name || p->o->by_lock;
	bool known = history && r->type == TRACE_OP && op_lock(p, &r->op, &own);

	if (history) {
		before_note(p, r);
	}
	engine_effects_clear(&p->effects);
	engine_apply(p->engine, &r->op, &p->effects);
	p->ops++;
	if (!history) {
		return;
	}
	if (known && engine_lock_find(p->engine, own.nodeid, own.incarnation, own.lkid, &after)) {
		own = after;
	}
	if (known && wanted(p, &own)) {
		tell_op(p->o, r, &own);
	}
	for (size_t i = 0; i < p->before_count; i++) {
		const struct engine_lock_info *b = &p->before[i];

		if (!engine_lock_find(p->engine, b->nodeid, b->incarnation, b->lkid, &after)) {
			tell_removed(p->o, r, b);
		}
	}
	effects_tell(p, r, known ? &own : NULL);
	if (known && wanted(p, &own) &&
	    engine_lock_find(p->engine, own.nodeid, own.incarnation, own.lkid, &after) &&
	    (after.queue == ENGINE_QUEUE_WAIT || after.queue == ENGINE_QUEUE_CONVERT)) {
		tell_waits(p->o, r, p->engine, &after);
	}
}

/* --- marks --------------------------------------------------------------------------------- */

void replay_marks_done(struct replay_marks *m)
{
	free(m->list);
	*m = (struct replay_marks){ 0 };
}

/* The files' marks are in order of seq in each file; one pass per file would do, but there are few. */
static bool mark_compare(struct replay *p, uint64_t seq, uint64_t digest)
{
	struct replay_marks *m = p->marks;

	for (size_t i = 0; i < m->count; i++) {
		const struct replay_mark *other = &m->list[i];

		if (other->seq == seq && other->path != p->path && strcmp(other->space, p->space) == 0) {
			p->shared++;
			if (other->digest != digest) {
				printf("%s: offset %zu: seq %" PRIu64 ": the digest is not that of %s\n", p->path,
				       p->offset, seq, other->path);
				return false;
			}
			break;
		}
	}
	if (m->count == m->capacity) {
		m->capacity = m->capacity ? 2 * m->capacity : 64;
		m->list = realloc(m->list, m->capacity * sizeof(*m->list));
		if (!m->list) {
			abort();
		}
	}
	m->list[m->count] = (struct replay_mark){ .path = p->path, .seq = seq, .digest = digest };
	memcpy(m->list[m->count++].space, p->space, sizeof(p->space));
	return true;
}

static bool mark(struct replay *p, const struct trace_record *r)
{
	p->marks_seen++;
	if (engine_digest(p->engine) != r->value) {
		return differ(p, "the digest", engine_digest(p->engine), r->value);
	}
	p->agreed = engine_seq(p->engine);
	return mark_compare(p, r->seq, r->value);
}

/* --- records ------------------------------------------------------------------------------- */

static bool begin(struct replay *p, const struct trace_record *r)
{
	struct cursor in = cursor_make(r->data, r->size);

	if (engine_snapshot_decode(&in, &p->engine) != 0 || !cursor_end(&in)) {
		return refuse(p, "the snapshot is damaged");
	}
	memcpy(p->space, r->space, r->space_size);
	if (p->o->json) {
		printf("{\"file\":\"begin\",\"node\":%u,\"seq\":%" PRIu64 "}\n", r->nodeid, r->seq);
	} else {
		printf("%s: lockspace \"%s\", written by node %u (incarnation %016" PRIx64 "), from seq %" PRIu64
		       "\n", p->path, p->space, r->nodeid, r->incarnation, r->seq);
	}
	return true;
}

/* 0, or what replay_file() returns. */
static int record(struct replay *p, const struct trace_record *r)
{
	if ((p->engine == NULL) != (r->type == TRACE_BEGIN)) {
		(void)refuse(p, p->engine ? "a second beginning" : "it does not begin with a snapshot");
		return 3;
	}
	switch (r->type) {
	case TRACE_BEGIN:
		if (!begin(p, r)) {
			return 3;
		}
		break;
	case TRACE_OP:
	case TRACE_SYSTEM:
		apply(p, r);
		break;
	case TRACE_RAISE:
		engine_seq_raise(p->engine, r->value);
		break;
	case TRACE_MARK:
		if (!mark(p, r)) {
			return 1;
		}
		break;
	case TRACE_VIEW:
		tell_view(p->o, r);
		break;
	case TRACE_HOLD:
		p->held++;
		break;
	case TRACE_DROP:
		p->dropped++;
		break;
	case TRACE_END:
		p->ended = true;
		if (!p->o->json) {
			printf("%s: ends: %.*s\n", p->path, (int)r->size, (const char *)r->data);
		}
		break;
	}
	return engine_seq(p->engine) == r->seq || differ(p, "seq", engine_seq(p->engine), r->seq) ? 0 : 1;
}

static bool lock_tell(const struct engine_lock_info *l, void *arg)
{
	const struct replay *p = arg;

	if (wanted(p, l)) {
		tell_lock(p->o, l);
	}
	return true;
}

static bool resource_tell(const struct engine_resource_info *r, void *arg)
{
	struct replay *p = arg;

	engine_locks_visit(p->engine, r->name, r->name_len, lock_tell, p);
	return true;
}

static void final(struct replay *p)
{
	struct engine_totals t = engine_totals_get(p->engine);

	if (p->o->by_name || p->o->by_lock) {
		engine_resources_visit(p->engine, resource_tell, p);
	}
	if (p->o->json) {
		printf("{\"file\":\"end\",\"ops\":%" PRIu64 ",\"marks\":%" PRIu64 ",\"shared\":%" PRIu64
		       ",\"held\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"seq\":%" PRIu64
		       ",\"digest\":\"%016" PRIx64 "\",\"resources\":%zu,\"locks\":%zu,\"granted\":%zu,"
		       "\"converting\":%zu,\"waiting\":%zu,\"sessions\":%zu}\n",
		       p->ops, p->marks_seen, p->shared, p->held, p->dropped, engine_seq(p->engine),
		       engine_digest(p->engine), t.resources, t.locks, t.granted, t.converting, t.waiting,
		       t.sessions);
		return;
	}
	printf("%s: %" PRIu64 " ops, %" PRIu64 " digests agree (%" PRIu64 " also with another file), %" PRIu64
	       " messages held, %" PRIu64 " dropped\n",
	       p->path, p->ops, p->marks_seen, p->shared, p->held, p->dropped);
	printf("%s: seq %" PRIu64 ", digest %016" PRIx64
	       "; %zu resources, %zu locks (%zu granted, %zu converting, %zu waiting), %zu sessions\n",
	       p->path, engine_seq(p->engine), engine_digest(p->engine), t.resources, t.locks, t.granted,
	       t.converting, t.waiting, t.sessions);
}

int replay_file(const char *path, const uint8_t *data, size_t size, const struct replay_options *o,
		struct replay_marks *marks, struct engine **ret_state)
{
	static struct engine_member_id members[MEMBERS_MAX];
	struct replay p = { .path = path, .o = o, .marks = marks };
	struct cursor in = cursor_make(data, size);
	int status = 0;

	while (status == 0) {
		struct trace_record r;
		int rc;

		p.offset = in.offset;
		rc = trace_decode(&in, members, MEMBERS_MAX, &r);
		if (rc == -ENODATA) {
			if (!p.engine) {
				(void)refuse(&p, "the file ends before its snapshot does");
				status = 3;
			} else if (cursor_left(&in) > 0) {
				(void)refuse(&p, "the file ends within a record; what is before it counts");
			}
			break;
		}
		if (rc != 0 || p.ended) {
			(void)refuse(&p, p.ended ? "something follows the end" : "this is no trace record");
			status = 3;
			break;
		}
		status = record(&p, &r);
	}
	if (p.engine && status == 0) {
		final(&p);
	}
	if (p.engine && status == 0 && ret_state) {
		*ret_state = p.engine;
		p.engine = NULL;
	}
	engine_effects_done(&p.effects);
	(void)engine_free(p.engine);
	free(p.before);
	return status;
}
