/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * R-DIG-2: what this node has when replicas turn out to differ, as bytes for whoever wants to find out why.
 * All carriers find it out at the same point of the stream, so the dumps of two nodes can be compared record
 * by record (lockstep-replay --compare). A dump is a trace by itself (trace.h): the snapshot, its digest, the
 * members, and at the end what was said and the view in words.
 */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/text.h"
#include "plugin/node/node_private.h"
#include "plugin/node/trace.h"

enum {
	DUMP_LOCKS_MAX = 100000, /* a snapshot in one go: some tens of milliseconds */
	DUMP_TEXT_MAX = 60000,
};

static void say(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct buf *out, const char *format, ...)
{
	char line[400];
	va_list ap;

	va_start(ap, format);
	(void)base_vformat(line, sizeof(line), format, ap);
	va_end(ap);
	if (out->size + strlen(line) <= DUMP_TEXT_MAX) {
		buf_put_bytes(out, line, strlen(line));
	}
}

static void nodeset_say(struct buf *out, const char *what, const struct nodeset *set)
{
	say(out, "%s:", what);
	for (size_t i = 0; i < set->count; i++) {
		say(out, " %u", set->ids[i]);
	}
	say(out, "\n");
}

static void view_say(const struct space *s, struct buf *out)
{
	static const char *const states[] = { "stopped", "recovering", "running" };

	say(out, "view: %s, view %016" PRIx64 ", epoch %016" PRIx64 ", history %016" PRIx64 ", view points %" PRIu64
	    ", generation %u, feature level %u, held messages %zu\n",
	    states[s->state], s->view, s->epoch, s->history, s->views, s->generation, s->level, s->held_count);
	nodeset_say(out, "electorate", &s->electorate);
	nodeset_say(out, "its growth", &s->growth);
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier) {
			say(out, "member: node %u, incarnation %016" PRIx64 ", slot %u\n", m->nodeid,
			    m->incarnation, m->slot);
		}
	}
	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		say(out, "lost: node %u, incarnation %016" PRIx64 "%s%s\n", l->nodeid, l->incarnation,
		    l->marked ? ", since before the view point" : "", l->fenced ? ", fenced" : "");
	}
}

static void said_say(const struct space *s, bool ready, struct buf *out)
{
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && ready) {
			say(out, "said: node %u was ready at seq %" PRIu64 ", digest %016" PRIx64
			    ", history %016" PRIx64 "\n",
			    m->nodeid, m->ready_seq, m->ready_digest, m->ready_history);
		} else if (m->carrier) {
			say(out, "said: node %u had digest %016" PRIx64 " at seq %" PRIu64 "\n", m->nodeid,
			    m->digest, m->digest_seq);
		}
	}
}

static void members_put(const struct space *s, struct trace_record *r, struct engine_member_id *ids)
{
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && r->members_count < LOCKSTEP_NODES_MAX) {
			ids[r->members_count++] = (struct engine_member_id){
				.nodeid = m->nodeid, .incarnation = m->incarnation };
		}
	}
	r->members = ids;
}

static void record_put(const struct space *s, struct trace_record *r, struct buf *out)
{
	r->time_ms = s->node->wall_ms;
	r->seq = engine_seq(s->engine);
	trace_encode(r, out);
}

static void dump_encode(const struct space *s, const struct member *differs, bool ready, struct buf *out)
{
	struct engine_member_id ids[LOCKSTEP_NODES_MAX];
	struct buf image = { 0 };
	struct buf text = { 0 };

	engine_snapshot_encode(s->engine, &image);
	if (image.size <= TRACE_RECORD_MAX / 2) {
		struct trace_record begin = { .type = TRACE_BEGIN,
					      .nodeid = s->node->config.nodeid,
					      .incarnation = s->incarnation,
					      .space = (const uint8_t *)s->name,
					      .space_size = strlen(s->name),
					      .data = image.data,
					      .size = image.size };
		struct trace_record mark = { .type = TRACE_MARK, .value = engine_digest(s->engine) };
		struct trace_record view = { .type = TRACE_VIEW,
					     .what = TRACE_DIFFERS,
					     .value = s->view,
					     .generation = s->generation };
		struct trace_record end = { .type = TRACE_END };

		members_put(s, &view, ids);
		say(&text, "replicas differ (R-DIG-2), node %u is taken out\n", differs->nodeid);
		said_say(s, ready, &text);
		view_say(s, &text);
		end.data = text.data;
		end.size = text.size;
		record_put(s, &begin, out);
		record_put(s, &mark, out);
		record_put(s, &view, out);
		record_put(s, &end, out);
	}
	buf_done(&image);
	buf_done(&text);
}

void space_dump(struct space *s, const struct member *differs, bool ready)
{
	struct buf out = { 0 };

	if (engine_totals_get(s->engine).locks <= DUMP_LOCKS_MAX) {
		dump_encode(s, differs, ready, &out);
	}
	struct node_action act = { .type = NODE_ACTION_DUMP,
				   .name = s->name,
				   .value = differs->nodeid,
				   .data = out.data,
				   .size = out.size };

	node_act(s->node, &act);
	buf_done(&out);
}
