/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a lockspace does not go on, in words, for whoever is called at night: whom or what it waits for,
 * for how long, what is being done about it, and what a human can do. One sentence each, which fits
 * LOCKSTEP_REASON_MAX. Reads only; seconds are those of this node.
 */
#include "config.h"

#include <string.h>

#include "lib/base/text.h"
#include "plugin/node/node_private.h"

/* Names with commas between, as far as they fit. */
struct words {
	char text[128];
	size_t count;
};

static void words_add(struct words *w, const char *word)
{
	size_t used = strlen(w->text);

	(void)base_format(w->text + used, sizeof(w->text) - used, "%s%s", w->count ? ", " : "", word);
	w->count++;
}

static void words_add_node(struct words *w, const struct node *n, uint32_t nodeid)
{
	char number[16];

	words_add(w, node_name_of(n, nodeid, number));
}

/* "node" or "nodes" */
static const char *nodes(const struct words *w)
{
	return w->count == 1 ? "node" : "nodes";
}

unsigned long long reason_seconds(const struct node *n, uint64_t since_ms)
{
	return since_ms != 0 && since_ms < n->now_ms ? (n->now_ms - since_ms) / 1000 : 0;
}

/* The command for those nodes. */
static void ack_text(const struct words *w, char *ret, size_t size)
{
	if (w->count == 1) {
		(void)base_format(ret, size, "if it is surely down run: lockstep fence-ack %s", w->text);
	} else {
		(void)base_format(ret, size, "if they are surely down run for each: lockstep fence-ack NODE");
	}
}

/* --- quorum ------------------------------------------------------------------------------ */

static bool in_ring(const struct node *n, uint32_t nodeid)
{
	for (size_t i = 0; i < n->daemons_ring_count; i++) {
		if (n->daemons_ring[i] == nodeid) {
			return true;
		}
	}
	return false;
}

void reason_quorum(const struct node *n, char *ret, size_t size)
{
	struct words absent = { .count = 0 };
	char who[160] = "";

	for (size_t i = 0; n->daemons_ring_known && i < n->configured_count; i++) {
		if (!in_ring(n, n->configured[i])) {
			words_add_node(&absent, n, n->configured[i]);
		}
	}
	if (absent.count > 0) {
		(void)base_format(who, sizeof(who), " %s %s cannot be reached;", nodes(&absent), absent.text);
	}
	(void)base_format(ret, size,
			  "no quorum for %llu s:%s nothing is granted here until enough nodes are back: start "
			  "or connect them, corosync-quorumtool -s shows the votes",
			  reason_seconds(n, n->quorum_change_ms), who);
}

/* --- joining ----------------------------------------------------------------------------- */

/* Is somebody there to give this node the state? */
static bool receiving(const struct space *s, char *ret, size_t size)
{
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);
		char progress[80] = "not begun yet";
		char number[16];

		if (!m->has_state) {
			continue;
		}
		(void)sync_progress_text(s, progress, sizeof(progress));
		(void)base_format(ret, size, "receiving the state from node %s for %llu s: %s",
				  node_name_of(s->node,
					       s->keeping || s->catching_up ? s->donor_nodeid : m->nodeid,
					       number),
				  reason_seconds(s->node, s->waits_since_ms), progress);
		return true;
	}
	return false;
}

/* R-COND-7. What is being done is told of the first. */
static void not_formed(const struct space *s, const struct words *w, uint32_t first, char *ret,
		       size_t size)
{
	char doing[LOCKSTEP_REASON_MAX / 2] = "";
	char ack[128];

	fencing_words(s->node, first, doing, sizeof(doing));
	ack_text(w, ack, sizeof(ack));
	(void)base_format(ret, size,
			  "not formed for %llu s: %s %s may hold its state; start lockstepd there%s%s; %s",
			  reason_seconds(s->node, s->waits_since_ms), nodes(w), w->text,
			  doing[0] ? "; " : "", doing, ack);
}

static void reason_joining(const struct space *s, char *ret, size_t size)
{
	const struct node *n = s->node;
	struct words w = { .count = 0 };
	uint32_t first = 0;

	if (!n->order_up) {
		(void)base_format(ret, size, "waiting for Corosync");
		return;
	}
	if (!s->joined) {
		(void)base_format(ret, size, "joining the group");
		return;
	}
	if (receiving(s, ret, size)) {
		return;
	}
	if (!n->quorate) {
		reason_quorum(n, ret, size);
		return;
	}
	if (!space_quorum_ok(s)) {
		(void)base_format(ret, size, "waiting for Corosync to settle membership and quorum");
		return;
	}
	for (size_t i = 0; i < n->configured_count; i++) {
		if (!daemons_accounted(n, s->name, n->configured[i])) {
			first = first ? first : n->configured[i];
			words_add_node(&w, n, n->configured[i]);
		}
	}
	if (w.count > 0) {
		not_formed(s, &w, first, ret, size);
		return;
	}
	(void)base_format(ret, size, "forming");
}

/* --- stopped ----------------------------------------------------------------------------- */

static void reason_electorate(const struct space *s, char *ret, size_t size)
{
	const struct node *n = s->node;
	struct words w = { .count = 0 };
	char doing[LOCKSTEP_REASON_MAX / 2] = "";
	char ack[128];
	uint32_t first = 0;

	for (size_t i = 0; i < n->configured_count; i++) {
		if (view_electorate_lacks(s, n->configured[i])) {
			first = first ? first : n->configured[i];
			words_add_node(&w, n, n->configured[i]);
		}
	}
	fencing_words(n, first, doing, sizeof(doing));
	ack_text(&w, ack, sizeof(ack));
	(void)base_format(ret, size,
			  "stopped for %llu s: %s %s may have gone on alone, and must come back clean or be "
			  "fenced%s%s; %s",
			  reason_seconds(n, s->waits_since_ms), nodes(&w), w.text, doing[0] ? "; " : "", doing,
			  ack);
}

static void reason_stopped(const struct space *s, char *ret, size_t size)
{
	const struct node *n = s->node;
	struct words w = { .count = 0 };
	bool slow;

	if (!n->quorate) {
		reason_quorum(n, ret, size);
		return;
	}
	if (!space_quorum_ok(s)) {
		(void)base_format(ret, size,
				  "waiting for Corosync to settle membership and quorum for %llu s",
				  reason_seconds(n, s->waits_since_ms));
		return;
	}
	if (!view_electorate_ok(s, &slow)) {
		reason_electorate(s, ret, size);
		return;
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && !m->ready) {
			words_add_node(&w, n, m->nodeid);
		}
	}
	(void)base_format(ret, size, "waiting for %s %s to agree on the view for %llu s", nodes(&w), w.text,
			  reason_seconds(n, s->waits_since_ms));
}

/* --- recovering -------------------------------------------------------------------------- */

void reason_lost_member(const struct space *s, const struct lost *l, char *ret, size_t size)
{
	const struct node *n = s->node;

	ret[0] = '\0';
	if (l->fenced) {
		(void)base_format(ret, size, "it can do no harm any more: its locks go as soon as all members are prepared");
	} else if (n->config.fencing == NODE_FENCING_NONE) {
		unsigned int limit = n->config.lost_timeout_ms / 1000;
		unsigned int waited = (unsigned int)(l->waited_ms / 1000);

		(void)base_format(ret, size,
				  "no fencing, its locks are given to others after %u s, in %u s, whether its "
				  "programs have stopped or not",
				  limit, waited < limit ? limit - waited : 0);
	} else if (n->config.fencing == NODE_FENCING_MANUAL) {
		(void)base_format(ret, size, "fencing = manual: nothing fences it, somebody has to look");
	} else {
		fencing_words(n, l->nodeid, ret, size);
	}
}

/* Since when, what is being done about the first of them, and what a human can do. */
static void reason_lost(const struct space *s, const struct words *lost, const struct lost *first,
			const char *prep, char *ret, size_t size)
{
	const struct node *n = s->node;
	char doing[LOCKSTEP_REASON_MAX / 2];
	char name[16 + LOCKSTEP_NODE_NAME_MAX] = "";
	char number[16];
	char ack[128];

	reason_lost_member(s, first, doing, sizeof(doing));
	if (lost->count > 1) {
		(void)base_format(name, sizeof(name), "%s: ", node_name_of(n, first->nodeid, number));
	}
	ack_text(lost, ack, sizeof(ack));
	(void)base_format(ret, size, "%s%s%s %s %s lost for %llu s: %s%s%s%s; %s", prep, prep[0] ? "; " : "",
			  nodes(lost), lost->text, lost->count == 1 ? "is" : "are",
			  reason_seconds(n, first->since_ms),
			  n->config.fencing == NODE_FENCING_NONE ? "" :
			  lost->count == 1 ? "its locks stay until it is fenced or back clean" :
					     "their locks stay until they are fenced or back clean",
			  doing[0] && n->config.fencing != NODE_FENCING_NONE ? "; " : "", name, doing, ack);
}

static void reason_recovering(const struct space *s, char *ret, size_t size)
{
	const struct node *n = s->node;
	const struct lost *first = NULL;
	struct words lost = { .count = 0 };
	struct words late = { .count = 0 };
	struct words unprepared = { .count = 0 };
	char prep[160];
	bool here = recovery_text(s, prep, sizeof(prep));

	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		if (!l->fenced) {
			first = first ? first : l;
			words_add_node(&lost, n, l->nodeid);
		}
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (view_awaits(m) && !m->prepared) {
			words_add_node(m->carrier ? &unprepared : &late, n, m->nodeid);
		}
	}
	if (first) {
		reason_lost(s, &lost, first, here ? prep : "", ret, size);
	} else if (here) {
		(void)base_format(ret, size, "%s", prep);
	} else if (late.count > 0) {
		(void)base_format(ret, size,
				  "waiting for %s %s to take over the state for %llu s: lockstep status there "
				  "says how far it is",
				  nodes(&late), late.text, reason_seconds(n, s->waits_since_ms));
	} else {
		(void)base_format(ret, size,
				  "waiting for %s %s for %llu s, where a program has not answered its recovery "
				  "callback: lockstep status there says which",
				  nodes(&unprepared), unprepared.text, reason_seconds(n, s->waits_since_ms));
	}
}

/* --- running, lost ----------------------------------------------------------------------- */

/* Running, but somebody does not confirm: grants wait for it (R-STAB-4). Or somebody is old. */
static void reason_running(const struct space *s, char *ret, size_t size)
{
	struct words older = { .count = 0 };
	char number[16];

	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->behind_ms != 0 && s->node->now_ms - m->behind_ms >= 1000) {
			(void)base_format(ret, size,
					  "grants wait for node %s, whose daemon has not answered for "
					  "%llu s",
					  node_name_of(s->node, m->nodeid, number),
					  reason_seconds(s->node, m->behind_ms));
			return;
		}
	}
	/* R-LVL-1: as soon as nobody is older, the recovery that brought him raises it. */
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && m->level < s->node->config.level_max) {
			words_add_node(&older, s->node, m->nodeid);
		}
	}
	if (older.count > 0) {
		(void)base_format(ret, size,
				  "works at feature level %u, not %u, until lockstepd of node %s is upgraded",
				  s->level, s->node->config.level_max, older.text);
	}
}

const char *node_on_lost_words(enum node_on_lost on_lost)
{
	static const char *const words[] = {
		[NODE_ON_LOST_FENCE] = "end them, or restart this node",
		[NODE_ON_LOST_KILL] = "they are being killed",
		[NODE_ON_LOST_REBOOT] = "this node restarts itself",
	};

	return words[on_lost];
}

/* R-LOST-1: who must end first, and who sees to it. */
static void reason_out(const struct space *s, char *ret, size_t size)
{
	struct words who = { .count = 0 };

	list_for_each(item, &s->sessions) {
		const struct session *session = list_entry(item, struct session, item);
		char one[LOCKSTEP_COMM_MAX + 24];

		if (session->holding) {
			(void)base_format(one, sizeof(one), "%.*s (pid %u)", LOCKSTEP_COMM_MAX, session->comm,
					  session->pid);
			words_add(&who, one);
		}
	}
	(void)base_format(ret, size, "%s; %zu session%s with locks must end first", s->lost_reason, s->holding,
			  s->holding == 1 ? "" : "s");
	if (who.count > 0) {
		size_t used = strlen(ret);

		(void)base_format(ret + used, size - used, ", for %llu s: %s; %s",
				  reason_seconds(s->node, s->waits_since_ms), who.text,
				  node_on_lost_words(s->node->config.on_lost));
	}
}

void reason_space(const struct space *s, char *ret, size_t size)
{
	ret[0] = '\0';
	if (s->lost) {
		reason_out(s, ret, size);
	} else if (!space_serving(s)) {
		reason_joining(s, ret, size);
	} else if (s->state == SPACE_STOPPED) {
		reason_stopped(s, ret, size);
	} else if (s->state == SPACE_RECOVERING) {
		reason_recovering(s, ret, size);
	} else {
		reason_running(s, ret, size);
	}
}
