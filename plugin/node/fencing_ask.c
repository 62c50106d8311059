/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which node asks for a fencing, and when (R-COND-4). One for all lockspaces:
 *
 *   want    of each daemon that waits for a fencing, in each view of the group of all daemons anew
 *   ask     of the lowest of them, when nobody asks yet: it goes to its fencing device
 *   failed  of the asker: the next lowest asks; when all have failed, all over again
 *   done    see fencing.c
 *
 * Each of these is ordered, so that two nodes that think of asking at the same time do not both do.
 * Pacemaker fences a lost node by itself in most cases, and what is merely late comes back: so nobody
 * asks at once, nor while Pacemaker is at it.
 */
#include "config.h"

#include <stdarg.h>
#include <string.h>

#include "lib/base/text.h"
#include "plugin/node/node_private.h"

#define MERGED_MS 200 /* between the ends of two requests that were one attempt */

static void start_over(struct fence_node *f)
{
	f->wanters.count = 0;
	f->failed.count = 0;
	f->asker = 0;
	f->want_sent = false;
	f->ask_sent = false;
	f->want = 0;
	f->retry_ms = 0;
}

void fencing_view_changed(struct node *n)
{
	list_for_each(item, &n->fence_nodes) {
		start_over(list_entry(item, struct fence_node, item));
	}
}

/* Who still needs it, for another process or for a node that has to be off now, says so again. */
void fencing_ask_done(struct fence_node *f, uint64_t process)
{
	if (f->want == 0 || f->want == process) {
		start_over(f);
	}
}

/* --- what is waited for ----------------------------------------------------------------- */

static bool may_request(const struct node *n)
{
	return n->config.fencing == NODE_FENCING_PACEMAKER && n->config.fence_request;
}

/* @process: 0 whatever runs there. Not of a node that is back as somebody else, or that is just
 * saying who it is. */
static void want(struct node *n, uint32_t nodeid, uint64_t process)
{
	struct fence_node *f = fencing_get(n, nodeid);
	bool there = daemons_present(n, nodeid);

	if (nodeid == n->config.nodeid || !fencing_ring_ok(n) ||
	    (there && (process == 0 || daemons_process(n, nodeid) != process))) {
		return;
	}
	struct wire_body body = { .nodeid = nodeid, .incarnation = process };

	f->needed = true;
	if (f->want_sent) {
		return;
	}
	f->want_sent = true;
	daemons_send(n, WIRE_FENCE_WANT, &body);
}

static void lost_first_seen(struct space *s, struct lost *l)
{
	struct node *n = s->node;

	l->mark = fencing_mark_new(n);
	l->since_ms = n->now_ms;
	l->since_wall_ms = n->wall_ms;
	if (n->config.fencing == NODE_FENCING_NONE) {
		node_log(n, 2,
			 "lockspace %s: fencing = none: what node %u holds is given to others after "
			 "%u s, whether its programs have stopped or not",
			 s->name, l->nodeid, n->config.lost_timeout_ms / 1000);
	}
}

void fencing_tick(struct space *s, uint64_t elapsed_ms)
{
	list_for_each(item, &s->lost_members) {
		struct lost *l = list_entry(item, struct lost, item);

		/* The first one began before the loss. */
		if (l->ticked) {
			l->waited_ms += elapsed_ms < TICK_COUNTS_MS_MAX ? elapsed_ms : TICK_COUNTS_MS_MAX;
		}
		l->ticked = l->since_ms != 0;
	}
}

/* R-MERGE-6: somebody is there who has a state, too, or has not said yet, and this part cannot go on by itself. Of two
 * nodes each may be the one that has to shoot. */
static bool merging(const struct space *s)
{
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (!m->carrier && !m->left_clean && !m->expelled && !view_ghost(s, m) && (m->has_state || !m->hello)) {
			return s->node->configured_count != 2 && !node_mutated(s->node, NODE_FENCE_MUTATE_MERGE);
		}
	}
	return false;
}

static void space_wants(struct space *s)
{
	struct node *n = s->node;

	if (!space_serving(s)) {
		return;
	}
	list_for_each(item, &s->lost_members) {
		struct lost *l = list_entry(item, struct lost, item);

		if (l->mark == 0) {
			lost_first_seen(s, l);
		}
		if (s->state == SPACE_RECOVERING && !l->fenced && may_request(n) &&
		    !fencing_settled(s, l)) {
			want(n, l->nodeid, fencing_process(l->incarnation));
		}
	}
	if (s->state != SPACE_STOPPED || !may_request(n) || !space_quorum_ok(s) || merging(s)) {
		return;
	}
	/* The slow way is the only one (R-VIEW-2, R-MERGE-4). */
	for (size_t i = 0; i < n->configured_count; i++) {
		if (view_electorate_lacks(s, n->configured[i])) {
			want(n, n->configured[i], 0);
		}
	}
}

/* R-COND-7 (b). */
static void forming_wants(struct space *s)
{
	struct node *n = s->node;

	for (size_t i = 0; i < n->configured_count; i++) {
		if (!daemons_accounted(n, s->name, n->configured[i])) {
			want(n, n->configured[i], 0);
		}
	}
}

/* --- who asks --------------------------------------------------------------------------- */

static uint32_t actor(const struct fence_node *f)
{
	for (size_t i = 0; i < f->wanters.count; i++) {
		if (!nodeset_has(&f->failed, f->wanters.ids[i])) {
			return f->wanters.ids[i];
		}
	}
	return 0;
}

/* R-MERGE-4: of two nodes that each are a quorate half the higher one shoots later. */
static uint64_t delay_ms(const struct node *n)
{
	bool second = n->configured_count == 2 && n->configured[0] != n->config.nodeid;

	return (uint64_t)n->config.fence_request_delay_ms * (second ? 2 : 1);
}

static void ask_progress(struct node *n, struct fence_node *f)
{
	struct wire_body body = { .nodeid = f->nodeid, .incarnation = f->want };

	if (!f->needed || f->asker != 0 || f->ask_sent || actor(f) != n->config.nodeid || f->busy ||
	    !n->fence_link || !fencing_ring_ok(n) || n->now_ms < f->retry_ms ||
	    n->now_ms - f->want_ms < delay_ms(n) ||
	    n->now_ms - n->daemons_change_ms < n->config.post_join_delay_ms) {
		return;
	}
	uint64_t there = daemons_process(n, f->nodeid);

	if (daemons_present(n, f->nodeid) && (there == 0 || there != f->want)) {
		return; /* back as somebody else */
	}
	f->ask_sent = true;
	daemons_send(n, WIRE_FENCE_ASK, &body);
}

void fencing_progress(struct node *n)
{
	if (!n->order_up || !n->daemons_joined) {
		return;
	}
	list_for_each(item, &n->fence_nodes) {
		list_entry(item, struct fence_node, item)->needed = false;
	}
	list_for_each(item, &n->spaces) {
		struct space *s = list_entry(item, struct space, item);

		space_wants(s);
		if (s->joined && !s->engine && !s->lost && n->config.fence_startup && may_request(n) &&
		    space_quorum_ok(s)) {
			forming_wants(s);
		}
	}
	list_for_each(item, &n->fence_nodes) {
		ask_progress(n, list_entry(item, struct fence_node, item));
	}
}

static void asked(struct node *n, struct fence_node *f)
{
	f->asked_ms = n->now_ms;
	node_log(n, 4, "node %u asks for the fencing of node %u", f->asker, f->nodeid);
	if (f->asker != n->config.nodeid || f->request != 0) {
		return; /* or an own request of an earlier view is still on its way */
	}
	struct node_action act = { .type = NODE_ACTION_FENCE,
				   .value = f->nodeid,
				   .token = ++n->fence_request_last };

	f->request = act.token;
	n->counters[COUNTER_FENCE_REQUESTS]++;
	node_act(n, &act);
}

void fencing_ask_message(struct node *n, uint32_t by, enum wire_type type, const struct wire_body *b)
{
	struct fence_node *f = fencing_get(n, b->nodeid);

	switch (type) {
	case WIRE_FENCE_WANT:
		if (f->wanters.count == 0) {
			f->want_ms = n->now_ms;
		}
		f->want = b->incarnation ? b->incarnation : f->want;
		nodeset_add(&f->wanters, by);
		break;
	case WIRE_FENCE_ASK:
		if (f->asker == 0 && nodeset_has(&f->wanters, by)) {
			f->asker = by;
			asked(n, f);
		}
		break;
	case WIRE_FENCE_FAILED:
		if (f->asker != by) {
			break;
		}
		f->asker = 0;
		f->ask_sent = false;
		nodeset_add(&f->failed, by);
		if (actor(f) == 0) {
			f->failed.count = 0;
			f->retry_ms = n->now_ms + FENCE_RETRY_MS;
		}
		break;
	default:
		break;
	}
}

/* --- from the driver -------------------------------------------------------------------- */

void node_fence_link(struct node *n, bool up, const char *text)
{
	n->fence_link = up;
	(void)base_format(n->fence_link_text, sizeof(n->fence_link_text), "%s", text ? text : "");
	list_for_each(item, &n->fence_nodes) {
		list_entry(item, struct fence_node, item)->busy = false;
	}
}

void node_fence_busy(struct node *n, uint32_t nodeid, bool busy)
{
	struct fence_node *f = fencing_get(n, nodeid);

	if (busy && !f->busy) {
		f->busy_ms = n->now_ms;
		f->busy_by[0] = '\0';
	}
	f->busy = busy;
}

void node_fence_note(struct node *n, uint32_t nodeid, const char *by, const char *devices)
{
	struct fence_node *f = fencing_get(n, nodeid);

	if (by) {
		(void)base_format(f->busy_by, sizeof(f->busy_by), "%s", by);
	}
	if (devices) {
		(void)base_format(f->devices, sizeof(f->devices), "%s", devices);
	}
}

/* Pacemaker's fencer often knows no reason, and then whoever asked may hear of one. A request that it
 * merged with another one ends with it, and is no attempt of its own. */
void fencing_failed(const struct node *n, struct fence_node *f, const char *text, uint64_t wall_ms)
{
	bool same = wall_ms != 0 && wall_ms < f->failed_wall_ms + MERGED_MS &&
		    f->failed_wall_ms < wall_ms + MERGED_MS;

	f->failures += same ? 0 : 1;
	f->failed_ms = n->now_ms;
	f->failed_wall_ms = wall_ms;
	(void)base_format(f->error, sizeof(f->error), "%s", text && text[0] ? text : "no reason given");
}

/* Done, and still nobody knows it to be: it was merged with a fencing asked for too early, or it did
 * not switch anything off. So it is asked for again. */
void node_fence_answer(struct node *n, uint64_t token, const char *error)
{
	list_for_each(item, &n->fence_nodes) {
		struct fence_node *f = list_entry(item, struct fence_node, item);
		struct wire_body body = { .nodeid = f->nodeid, .incarnation = f->want };

		if (f->request != token) {
			continue;
		}
		f->request = 0;
		n->counters[COUNTER_FENCE_FAILURES] += error ? 1 : 0;
		if (error) {
			/* Its result was told before, if it came to one. */
			if (f->failures == 0 || f->failed_ms < f->asked_ms) {
				fencing_failed(n, f, error, 0);
			} else {
				(void)base_format(f->error, sizeof(f->error), "%s", error);
			}
			node_log(n, 3, "the fencing of node %u that was asked for here failed: %s",
				 f->nodeid, error);
		} else if (node_mutated(n, NODE_FENCE_MUTATE_ANSWER) && f->processes_count > 0) {
			body.incarnation = f->processes[f->processes_count - 1];
			daemons_send(n, WIRE_FENCE_DONE, &body);
		}
		if (n->order_up && n->daemons_joined && f->asker == n->config.nodeid) {
			body.incarnation = f->want;
			daemons_send(n, WIRE_FENCE_FAILED, &body);
		}
		return;
	}
}

/* --- in words --------------------------------------------------------------------------- */

void node_fence_text(const struct node *n, char *ret, size_t size)
{
	switch (n->config.fencing) {
	case NODE_FENCING_NONE:
		(void)base_format(ret, size,
				  "none: locks of a lost node are given to others after %u s, and nothing "
				  "guarantees that its programs have stopped",
				  n->config.lost_timeout_ms / 1000);
		break;
	case NODE_FENCING_MANUAL:
		(void)base_format(ret, size, "by hand: a lost node is waited for until it is back clean, or "
					     "until lockstep fence-ack");
		break;
	case NODE_FENCING_PACEMAKER:
		(void)base_format(ret, size, "Pacemaker, %s%s%s%s", n->fence_link ? "connected" : "not connected",
				  n->fence_link_text[0] ? ": " : "", n->fence_link_text,
				  n->config.fence_request ? "" : "; nothing is asked for");
		break;
	}
}

/* A list of things that are known, with commas between. */
struct phrases {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3)))
static void phrase_add(struct phrases *p, const char *format, ...)
{
	size_t used = strlen(p->text);
	va_list args;

	if (used > 0) {
		used += base_format(p->text + used, p->size - used, ", ");
	}
	va_start(args, format);
	(void)base_vformat(p->text + used, p->size - used, format, args);
	va_end(args);
}

/* Nobody is at it: who will be, and when. The delays are this node's; others may have other ones. */
static void words_soon(const struct node *n, const struct fence_node *f, struct phrases *p)
{
	uint64_t at = f->want_ms + delay_ms(n);
	char number[16];

	if (!n->config.fence_request) {
		phrase_add(p, "nobody asks for its fencing (request_fencing = no)");
		return;
	}
	if (actor(f) == 0) {
		phrase_add(p, "not fenced yet");
		return;
	}
	if (at < n->daemons_change_ms + n->config.post_join_delay_ms) {
		at = n->daemons_change_ms + n->config.post_join_delay_ms;
	}
	if (at < f->retry_ms) {
		at = f->retry_ms;
	}
	phrase_add(p, "not fenced yet, node %s asks for it in %llu s if nobody else does",
		   node_name_of(n, actor(f), number),
		   (unsigned long long)(at > n->now_ms ? (at - n->now_ms + 999) / 1000 : 0));
}

/* All that is known: what is being done, who wanted it, and how the attempts so far went. */
void fencing_words(const struct node *n, uint32_t nodeid, char *ret, size_t size)
{
	static const struct fence_node nothing = { .nodeid = 0 };
	const struct fence_node *f = fencing_find(n, nodeid);
	struct phrases p = { ret, size };
	char number[16];

	ret[0] = '\0';
	if (n->config.fencing != NODE_FENCING_PACEMAKER) {
		return;
	}
	f = f ? f : &nothing;
	if (!n->fence_link) {
		phrase_add(&p, "Pacemaker cannot be asked%s%s", n->fence_link_text[0] ? ": " : "",
			   n->fence_link_text);
	} else if (f->busy) {
		phrase_add(&p, "Pacemaker is fencing it for %llu s, attempt %u%s%s",
			   reason_seconds(n, f->busy_ms), f->failures + 1,
			   f->busy_by[0] ? ", for " : "", f->busy_by);
	}
	if (f->asker != 0) {
		phrase_add(&p, "node %s has asked for its fencing %llu s ago",
			   node_name_of(n, f->asker, number), reason_seconds(n, f->asked_ms));
	} else if (!f->busy && n->fence_link) {
		words_soon(n, f, &p);
	}
	if (f->failures > 0) {
		phrase_add(&p, "its fencing failed %u time%s, the last %llu s ago%s%s%s: %.100s", f->failures,
			   f->failures == 1 ? "" : "s", reason_seconds(n, f->failed_ms),
			   f->devices[0] ? " (device " : "", f->devices, f->devices[0] ? ")" : "", f->error);
	}
}
