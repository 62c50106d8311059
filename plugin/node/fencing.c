/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of nodes that were switched off (R-COND-0, R-COND-3, R-COND-5). What one node learns
 * from its driver becomes a fact in the group of all daemons, about one process of one node; from a
 * fact each lockspace gets its fenced(node, incarnation) op, from every member that knows it.
 *
 * A fact about a process is true for ever, whatever comes later: who may say it, and when, is decided
 * where the result comes in. A fencing switches off a machine, so it also settles what ran there
 * before; what comes up later is somebody else. Who asks for fencings is in fencing_ask.c.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/text.h"
#include "plugin/node/node_private.h"

/* Clocks of two nodes agree that well; see completed_before(). */
#define CLOCKS_MS 2000

struct fence_node *fencing_find(const struct node *n, uint32_t nodeid)
{
	list_for_each(item, &n->fence_nodes) {
		struct fence_node *f = list_entry(item, struct fence_node, item);

		if (f->nodeid == nodeid) {
			return f;
		}
	}
	return NULL;
}

/* At most one for each nodeid that a daemon of the group has, or that is configured. */
struct fence_node *fencing_get(struct node *n, uint32_t nodeid)
{
	struct fence_node *f = fencing_find(n, nodeid);
	struct list *at = n->fence_nodes.next;

	if (f) {
		return f;
	}
	f = calloc(1, sizeof(*f));
	ls_assert(f);
	f->nodeid = nodeid;
	while (at != &n->fence_nodes && list_entry(at, struct fence_node, item)->nodeid < nodeid) {
		at = at->next;
	}
	list_insert_before(at, &f->item);
	return f;
}

void fencing_clear(struct node *n)
{
	list_for_each_safe(item, &n->fence_nodes) {
		list_remove(item);
		free(list_entry(item, struct fence_node, item));
	}
}

uint64_t fencing_mark_new(struct node *n)
{
	struct node_action act = { .type = NODE_ACTION_FENCE_MARK, .token = ++n->fence_mark };

	if (n->config.fencing == NODE_FENCING_PACEMAKER) {
		node_act(n, &act);
	}
	return n->fence_mark;
}

/* --- processes -------------------------------------------------------------------------- */

uint64_t fencing_process(uint64_t incarnation)
{
	return incarnation & ~(uint64_t)0xffff;
}

static int process_index(const struct fence_node *f, uint64_t process)
{
	for (size_t i = 0; process != 0 && i < f->processes_count; i++) {
		if (f->processes[i] == process) {
			return (int)i;
		}
	}
	return -1;
}

static void process_insert(struct fence_node *f, size_t at, uint64_t process)
{
	ls_assert(at <= f->processes_count && f->processes_count < FENCE_PROCESSES_MAX);
	memmove(&f->processes[at + 1], &f->processes[at],
		(f->processes_count - at) * sizeof(f->processes[0]));
	f->processes[at] = process;
	f->processes_count++;
}

void fencing_process_seen(struct node *n, uint32_t nodeid, uint64_t process)
{
	struct fence_node *f = fencing_get(n, nodeid);

	if (process_index(f, process) >= 0) {
		return;
	}
	if (f->processes_count == FENCE_PROCESSES_MAX) {
		f->processes_count--;
		memmove(&f->processes[0], &f->processes[1],
			f->processes_count * sizeof(f->processes[0]));
	}
	process_insert(f, f->processes_count, process);
	f->mark = fencing_mark_new(n);
	f->wall_ms = n->wall_ms;
	f->error[0] = '\0';
	f->failures = 0;
}

/* --- the ring --------------------------------------------------------------------------- */

bool fencing_ring_ok(const struct node *n)
{
	return n->quorum_known && n->quorate && n->daemons_ring_known && !n->daemons_totem_pending &&
	       ring_equal(n->quorum_ring, n->daemons_ring_id);
}

static uint64_t daemons_ring_key(const struct node *n)
{
	return ring_key(n->daemons_ring_id, 7);
}

/* R-VIEW-2 counts only what was asked for in the present view, once it was quorate. */
void fencing_ring_changed(struct node *n)
{
	if (!fencing_ring_ok(n)) {
		n->fence_ring_mark = 0;
	} else if (n->fence_ring_mark == 0 || !ring_equal(n->fence_ring, n->daemons_ring_id)) {
		n->fence_ring = n->daemons_ring_id;
		n->fence_ring_mark = fencing_mark_new(n);
	}
}

/* --- results ---------------------------------------------------------------------------- */

static void done_send(struct node *n, uint32_t nodeid, uint64_t process, uint32_t flags)
{
	struct wire_body body = { .nodeid = nodeid,
				  .incarnation = process,
				  .flags = flags,
				  .key = daemons_ring_key(n) };

	daemons_send(n, WIRE_FENCE_DONE, &body);
}

static bool ignore(struct node *n, const struct node_fence_result *r, const char *why)
{
	n->counters[COUNTER_FENCE_IGNORED]++;
	node_log(n, 5, "a fencing of node %u does not count: %s", r->nodeid, why);
	return true;
}

static bool ignored(struct node *n, const struct node_fence_result *r)
{
	if (r->nodeid == n->config.nodeid) {
		return ignore(n, r, "it is this node");
	}
	if (r->action != NODE_FENCE_OFF && r->action != NODE_FENCE_REBOOT &&
	    !node_mutated(n, NODE_FENCE_MUTATE_ACTION)) {
		return true; /* nobody was switched off */
	}
	if (r->by_itself && !node_mutated(n, NODE_FENCE_MUTATE_ITSELF)) {
		return ignore(n, r, "that node has done it itself");
	}
	if (r->manual && !n->config.fence_confirmed) {
		return ignore(n, r, "an administrator's word to Pacemaker, and "
				    "fencing_confirmed = no");
	}
	return false;
}

/* A second line behind the marks, for what the driver may have heard late: an end before the process
 * came, by clocks that agree within CLOCKS_MS. */
static bool completed_before(const struct fence_node *f, const struct node_fence_result *r)
{
	return r->wall_ms != 0 && r->wall_ms + CLOCKS_MS < f->wall_ms;
}

/* Lost members whose process was never seen in the group of all daemons: this daemon came later. */
static void unseen_done(struct node *n, const struct fence_node *f, const struct node_fence_result *r,
			uint32_t flags)
{
	list_for_each(item, &n->spaces) {
		const struct space *s = list_entry(item, struct space, item);

		list_for_each(lost_item, &s->lost_members) {
			const struct lost *l = list_entry(lost_item, struct lost, item);
			uint64_t process = fencing_process(l->incarnation);

			if (l->nodeid == r->nodeid && !l->fenced && l->mark != 0 && r->mark >= l->mark &&
			    process_index(f, process) < 0) {
				done_send(n, r->nodeid, process, flags);
			}
		}
	}
}

void node_fence_result(struct node *n, const struct node_fence_result *r)
{
	struct fence_node *f = fencing_get(n, r->nodeid);
	uint32_t flags = r->manual ? WIRE_FENCE_MANUAL : 0;
	bool old = node_mutated(n, NODE_FENCE_MUTATE_OLD);
	uint64_t last = f->processes_count > 0 ? f->processes[f->processes_count - 1] : 0;
	bool late = completed_before(f, r);
	bool now = n->fence_ring_mark != 0 && r->mark >= n->fence_ring_mark && fencing_ring_ok(n) && !late;

	f->busy = false;
	if (!r->success && !node_mutated(n, NODE_FENCE_MUTATE_FAILED)) {
		fencing_failed(n, f, r->text, r->wall_ms);
		return;
	}
	if (ignored(n, r) || !n->order_up || !n->daemons_joined) {
		return;
	}
	if (now || node_mutated(n, NODE_FENCE_MUTATE_SLOW)) {
		flags |= WIRE_FENCE_NODE;
	}
	bool counts = last != 0 && ((r->mark >= f->mark && !late) || old);

	n->counters[COUNTER_FENCE_RESULTS]++;
	if (counts && (f->done_sent != last || (flags & WIRE_FENCE_NODE))) {
		f->done_sent = last;
		done_send(n, r->nodeid, last, flags);
	} else if (flags & WIRE_FENCE_NODE) {
		done_send(n, r->nodeid, 0, flags);
	} else if (last != 0 && !counts) {
		(void)ignore(n, r, "it was asked for before that node came back");
	}
	unseen_done(n, f, r, flags);
}

static void done_receive(struct node *n, uint32_t by, const struct wire_body *b)
{
	struct fence_node *f = fencing_get(n, b->nodeid);
	const char *manual = b->flags & WIRE_FENCE_MANUAL ? " (an administrator's word)" : "";
	int index;

	if (b->incarnation != 0) {
		index = process_index(f, b->incarnation);
		if (index < 0 && f->processes_count < FENCE_PROCESSES_MAX) {
			/* Older than all that were seen here: its word settles nobody else. */
			process_insert(f, 0, b->incarnation);
			index = 0;
		}
		if (index >= 0 && index > process_index(f, f->fenced)) {
			f->fenced = b->incarnation;
			f->manual = b->flags & WIRE_FENCE_MANUAL;
			f->error[0] = '\0';
			f->failures = 0;
			node_log(n, 4, "node %u has been fenced%s, says node %u", b->nodeid, manual, by);
		}
	}
	fencing_ask_done(f, b->incarnation);
	if ((b->flags & WIRE_FENCE_NODE) && !daemons_present(n, b->nodeid) &&
	    ((b->key == daemons_ring_key(n) && fencing_ring_ok(n)) || node_mutated(n, NODE_FENCE_MUTATE_SLOW))) {
		node_log(n, 5, "node %u is off%s, says node %u", b->nodeid, manual, by);
		daemons_vouched(n, b->nodeid);
	}
}

void fencing_message(struct node *n, uint32_t by, enum wire_type type, const struct wire_body *b)
{
	if (by == b->nodeid && !node_mutated(n, NODE_FENCE_MUTATE_WORD)) {
		n->counters[COUNTER_FENCE_IGNORED]++;
		return; /* R-COND-5: never on the word of that node */
	}
	if (type == WIRE_FENCE_DONE) {
		if (b->nodeid != n->config.nodeid) {
			done_receive(n, by, b);
		}
	} else {
		fencing_ask_message(n, by, type, b);
	}
}

/* --- questions -------------------------------------------------------------------------- */

bool fencing_timed_out(const struct space *s, const struct lost *l)
{
	const struct node *n = s->node;

	return n->config.fencing == NODE_FENCING_NONE && l->since_ms != 0 &&
	       (l->waited_ms >= n->config.lost_timeout_ms || node_mutated(n, NODE_FENCE_MUTATE_TIMEOUT));
}

bool fencing_settled(const struct space *s, const struct lost *l)
{
	const struct node *n = s->node;
	const struct fence_node *f = fencing_find(n, l->nodeid);
	uint64_t process = fencing_process(l->incarnation);
	uint64_t there = daemons_process(n, l->nodeid);
	int index = f ? process_index(f, process) : -1;

	if (l->acked || fencing_timed_out(s, l)) {
		return true;
	}
	/* Vouched for before it was seen lost here. The lockspace's events may be ahead of those of
	 * the group of all daemons, so it must be a process that was seen there. */
	if (nodeset_has(&n->acked, l->nodeid) && (!f || f->processes_count == 0 || index >= 0)) {
		return true;
	}
	if (!f) {
		return false;
	}
	if (f->fenced != 0 && node_mutated(n, NODE_FENCE_MUTATE_NODE)) {
		return true;
	}
	if (there != 0 && there != process && node_mutated(n, NODE_FENCE_MUTATE_REJOIN)) {
		return true;
	}
	if (index < 0) {
		return false;
	}
	/* R-COND-3, also where the newcomer does not join this lockspace. */
	return index <= process_index(f, f->fenced) ||
	       (there != 0 && there == f->processes[f->processes_count - 1] && there != process);
}
