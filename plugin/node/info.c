/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking in: status, members, reasons in words, invariants, counters. Reads only. */
#include "config.h"

#include <string.h>

#include "lib/base/text.h"
#include "plugin/node/node_private.h"

/* A list of nodes by name, as far as it fits. */
struct words {
	char text[96];
	size_t count;
};

const char *node_name_of(const struct node *n, uint32_t nodeid, char ret[16])
{
	for (size_t i = 0; i < n->configured_count; i++) {
		if (n->configured[i] == nodeid && n->names[i][0]) {
			return n->names[i];
		}
	}
	(void)base_format(ret, 16, "%u", nodeid);
	return ret;
}

static void words_add(struct words *w, const struct node *n, uint32_t nodeid)
{
	size_t used = strlen(w->text);
	char number[16];

	(void)base_format(w->text + used, sizeof(w->text) - used, "%s%s", w->count ? ", " : "",
		       node_name_of(n, nodeid, number));
	w->count++;
}

static const char *space_state_word(const struct space *s)
{
	if (s->lost) {
		return "lost";
	}
	if (s->leaving) {
		return "leaving";
	}
	if (!space_serving(s)) {
		return "joining";
	}
	switch (s->state) {
	case SPACE_RUNNING:
		return "running";
	case SPACE_RECOVERING:
		return "recovering";
	case SPACE_STOPPED:
		break;
	}
	return "stopped";
}

static void reason_joining(const struct space *s, char *ret, size_t size)
{
	const struct node *n = s->node;
	struct words w = { .count = 0 };
	char number[16];

	if (!n->order_up) {
		(void)base_format(ret, size, "waiting for Corosync");
		return;
	}
	if (!s->joined) {
		(void)base_format(ret, size, "joining the group");
		return;
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->has_state) {
			char progress[80] = "not begun yet";

			(void)sync_progress_text(s, progress, sizeof(progress));
			(void)base_format(ret, size, "receiving the state from node %s: %s",
					  node_name_of(n, s->keeping || s->catching_up ? s->donor_nodeid :
										    m->nodeid,
						  number),
					  progress);
			return;
		}
	}
	if (!space_quorum_ok(s)) {
		(void)base_format(ret, size, "no quorum: waiting for more nodes");
		return;
	}
	for (size_t i = 0; i < n->configured_count; i++) {
		if (!daemons_accounted(n, s->name, n->configured[i])) {
			words_add(&w, n, n->configured[i]);
		}
	}
	if (w.count > 0) {
		(void)base_format(ret, size,
			       "not formed yet: node %s may hold its state; start lockstepd there, "
			       "or if it is surely down run: lockstep fence-ack NODE",
			       w.text);
		return;
	}
	(void)base_format(ret, size, "forming");
}

static void reason_stopped(const struct space *s, char *ret, size_t size)
{
	struct words w = { .count = 0 };
	bool slow;

	if (!s->node->quorate) {
		(void)base_format(ret, size, "no quorum: nothing is granted until more nodes are back");
		return;
	}
	if (!space_quorum_ok(s)) {
		(void)base_format(ret, size, "waiting for Corosync to settle membership and quorum");
		return;
	}
	if (!view_electorate_ok(s, &slow)) {
		char doing[128] = "";

		list_for_each(item, &s->lost_members) {
			words_add(&w, s->node, list_entry(item, struct lost, item)->nodeid);
			fencing_words(s->node, list_entry(item, struct lost, item)->nodeid, doing,
				      sizeof(doing));
		}
		(void)base_format(ret, size,
			       "node %s may have gone on alone; it must come back clean, or be fenced%s%s: "
			       "if it is surely down run: lockstep fence-ack NODE",
			       w.text, doing[0] ? "; " : "", doing);
		return;
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && !m->ready) {
			words_add(&w, s->node, m->nodeid);
		}
	}
	(void)base_format(ret, size, "waiting for node %s to agree on the view", w.text);
}

/* Since when, what is being done about the first of them, and what a human can do. */
static void reason_lost(const struct space *s, const struct words *lost, const char *prep, char *ret,
			size_t size)
{
	const struct node *n = s->node;
	char doing[128] = "";
	uint64_t seconds = 0;
	uint32_t first = 0;

	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		if (!l->fenced && first == 0) {
			first = l->nodeid;
			seconds = l->since_ms ? (n->now_ms - l->since_ms) / 1000 : 0;
		}
	}
	fencing_words(n, first, doing, sizeof(doing));
	if (n->config.fencing == NODE_FENCING_NONE) {
		(void)base_format(ret, size,
				  "%s%snode %s is lost for %llu s: no fencing, its locks are given to others "
				  "after %u s whether its programs have stopped or not",
				  prep, prep[0] ? "; " : "", lost->text, (unsigned long long)seconds,
				  n->config.lost_timeout_ms / 1000);
		return;
	}
	(void)base_format(ret, size,
			  "%s%snode %s is lost for %llu s: its locks stay until it is fenced or back clean%s%s; "
			  "if it is surely down run: lockstep fence-ack NODE",
			  prep, prep[0] ? "; " : "", lost->text, (unsigned long long)seconds,
			  doing[0] ? "; " : "", doing);
}

static void reason_recovering(const struct space *s, char *ret, size_t size)
{
	struct words lost = { .count = 0 };
	struct words late = { .count = 0 };
	struct words unprepared = { .count = 0 };
	char prep[120];
	bool here = recovery_text(s, prep, sizeof(prep));

	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		if (!l->fenced) {
			words_add(&lost, s->node, l->nodeid);
		}
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (view_awaits(m) && !m->prepared) {
			words_add(m->carrier ? &unprepared : &late, s->node, m->nodeid);
		}
	}
	if (lost.count > 0) {
		reason_lost(s, &lost, here ? prep : "", ret, size);
	} else if (here) {
		(void)base_format(ret, size, "%s", prep);
	} else if (late.count > 0) {
		(void)base_format(ret, size, "waiting for node %s to take over the state", late.text);
	} else {
		(void)base_format(ret, size,
				  "waiting for node %s, where a program has not answered its recovery "
				  "callback: lockstep status there says which",
				  unprepared.text);
	}
}

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
					  (unsigned long long)(s->node->now_ms - m->behind_ms) / 1000);
			return;
		}
	}
	/* R-LVL-1: as soon as nobody is older, the recovery that brought him raises it. */
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && m->level < s->node->config.level_max) {
			words_add(&older, s->node, m->nodeid);
		}
	}
	if (older.count > 0) {
		(void)base_format(ret, size,
				  "works at feature level %u, not %u, until lockstepd of node %s is upgraded",
				  s->level, s->node->config.level_max, older.text);
	}
}

static void space_info_fill(const struct space *s, struct node_space_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->name = s->name;
	ret->state = space_state_word(s);
	if (s->lost) {
		(void)base_format(ret->reason, sizeof(ret->reason), "%s; %zu session%s with locks must end",
			       s->lost_reason, s->holding, s->holding == 1 ? "" : "s");
	} else if (!space_serving(s)) {
		reason_joining(s, ret->reason, sizeof(ret->reason));
	} else if (s->state == SPACE_STOPPED) {
		reason_stopped(s, ret->reason, sizeof(ret->reason));
	} else if (s->state == SPACE_RECOVERING) {
		reason_recovering(s, ret->reason, sizeof(ret->reason));
	} else {
		reason_running(s, ret->reason, sizeof(ret->reason));
	}
	ret->view = s->view;
	ret->local_sessions = s->sessions_count;
	ret->ready = space_serving(s);
	ret->lvb_len = s->want.lvb_len ? s->want.lvb_len : LOCKSTEP_LVB_DEFAULT;
	if (!ret->ready) {
		return;
	}
	ret->engine = s->engine;
	ret->seq = engine_seq(s->engine);
	ret->stable = s->stable;
	ret->digest = view_digest(s);
	ret->epoch = s->epoch;
	ret->history = s->history;
	ret->generation = s->generation;
	ret->lvb_len = engine_config_get(s->engine)->lvb_len;
	ret->level = s->level;
	list_for_each(item, &s->members) {
		ret->members_count += list_entry(item, struct member, item)->carrier ? 1 : 0;
	}
	list_for_each(item, &s->lost_members) {
		ret->lost_count++;
	}
}

size_t node_spaces_count(const struct node *n)
{
	return n->spaces_count;
}

bool node_space_info_at(const struct node *n, size_t index, struct node_space_info *ret)
{
	list_for_each(item, &n->spaces) {
		if (index-- == 0) {
			space_info_fill(list_entry(item, struct space, item), ret);
			return true;
		}
	}
	return false;
}

bool node_space_info_find(const struct node *n, const char *space, struct node_space_info *ret)
{
	const struct space *s = node_space_find(n, space);

	if (s) {
		space_info_fill(s, ret);
	}
	return s != NULL;
}

bool node_space_watch(struct node *n, const char *space,
		      void (*fn)(const struct engine_lock_info *info, bool gone, void *arg), void *arg)
{
	struct space *s = node_space_find(n, space);

	if (!s || !s->engine || engine_watch_arg(s->engine) == arg) {
		return false;
	}
	engine_watch_set(s->engine, fn, arg);
	return true;
}

static uint32_t member_locks(const struct space *s, uint32_t nodeid, uint64_t incarnation)
{
	return s->engine ? (uint32_t)engine_node_locks(s->engine, nodeid, incarnation) : 0;
}

size_t node_space_members(const struct node *n, const char *space, struct node_member_info *ret,
			  size_t max)
{
	const struct space *s = node_space_find(n, space);
	size_t count = 0;

	if (!s) {
		return 0;
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);
		struct node_member_info info = {
			.nodeid = m->nodeid,
			.incarnation = m->incarnation,
			.slot = m->slot,
			.level = m->level,
			.local = m->nodeid == n->config.nodeid,
			.locks = member_locks(s, m->nodeid, m->incarnation),
			.state = m->carrier	      ? "member"
				 : view_ghost(s, m)   ? "ghost"
				 : m->left_clean      ? "leaving"
				 : m->has_state	      ? "foreign"
						      : "joining",
		};

		if (count < max) {
			ret[count] = info;
		}
		count++;
	}
	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);
		struct node_member_info info = {
			.nodeid = l->nodeid,
			.incarnation = l->incarnation,
			.slot = l->slot,
			.locks = member_locks(s, l->nodeid, l->incarnation),
			.state = l->fenced ? "lost-fenced" : "lost",
		};

		if (count < max) {
			ret[count] = info;
		}
		count++;
	}
	return count;
}

static uint64_t mark_mix(uint64_t mark, uint64_t value)
{
	mark = (mark ^ value) * 0x9e3779b97f4a7c15u;
	return mark ^ mark >> 32;
}

uint64_t node_membership_mark(const struct node *n)
{
	uint64_t mark = n->config.incarnation;

	list_for_each(space_item, &n->spaces) {
		const struct space *s = list_entry(space_item, struct space, item);

		for (const char *c = s->name; *c; c++) {
			mark = mark_mix(mark, (unsigned char)*c);
		}
		mark = mark_mix(mark, s->leaving ? 0x1000 : 0x2000);
		list_for_each(item, &s->members) {
			const struct member *m = list_entry(item, struct member, item);

			mark = mark_mix(mark, (uint64_t)m->nodeid << 2 |
						      (m->carrier || !view_ghost(s, m) ? 1 : 2));
		}
		list_for_each(item, &s->lost_members) {
			mark = mark_mix(mark, (uint64_t)list_entry(item, struct lost, item)->nodeid
						      << 2 | 3);
		}
	}
	return mark;
}

bool node_space_member_lost(const struct node *n, const char *space, uint32_t nodeid,
			    uint64_t incarnation)
{
	const struct space *s = node_space_find(n, space);

	return s && view_lost_find(s, nodeid, incarnation) != NULL;
}

/* Worse states first: the one word of a node is that of its worst lockspace. */
static int severity(const char *state)
{
	static const char *const order[] = { "running",	   "leaving", "joining",
					     "recovering", "stopped", "lost" };

	for (int i = 0; i < (int)(sizeof(order) / sizeof(order[0])); i++) {
		if (strcmp(state, order[i]) == 0) {
			return i;
		}
	}
	return 0;
}

void node_info_get(const struct node *n, struct node_info *ret)
{
	struct node_space_info worst = { .state = "running" };
	bool found = false;

	memset(ret, 0, sizeof(*ret));
	ret->order_up = n->order_up;
	ret->quorate = n->quorate;
	ret->ring = n->quorum_ring;
	ret->spaces = n->spaces_count;
	ret->sessions = n->sessions_count;
	ret->state = "ok";
	list_for_each(item, &n->spaces) {
		struct node_space_info info;

		space_info_fill(list_entry(item, struct space, item), &info);
		if (!found || severity(info.state) > severity(worst.state)) {
			worst = info;
			found = true;
		}
	}
	if (!n->order_up) {
		ret->state = "waiting";
		(void)base_format(ret->reason, sizeof(ret->reason), "waiting for Corosync");
	} else if (found && strcmp(worst.state, "lost") == 0) {
		ret->state = "lost";
	} else if (!n->quorate) {
		ret->state = "noquorum";
		(void)base_format(ret->reason, sizeof(ret->reason),
			       "this part of the cluster has no quorum: nothing is granted");
	} else if (found && severity(worst.state) >= severity("joining")) {
		ret->state = worst.state;
	}
	if (ret->reason[0] == 0 && strcmp(ret->state, "ok") != 0) {
		(void)base_format(ret->reason, sizeof(ret->reason), "lockspace %.40s: %.180s", worst.name,
			       worst.reason);
	}
}

/* --- invariants ------------------------------------------------------------------------- */

static const char *space_check(const struct space *s)
{
	size_t count = 0;
	uint32_t last_nodeid = 0;

	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		count++;
		if (m->nodeid < last_nodeid) {
			return "members are not in order of nodeid";
		}
		last_nodeid = m->nodeid;
		if (m->carrier && m->incarnation == 0) {
			return "a member without incarnation carries state";
		}
		if (m->carrier && m->left_clean) {
			return "a member that left cleanly still counts as a carrier";
		}
	}
	if (count != s->members_count) {
		return "members are miscounted";
	}
	if (!s->engine) {
		return s->held_count == 0 ? NULL : "held messages without state";
	}
	if (s->state != SPACE_STOPPED && s->held_count > 0) {
		return "held messages while not stopped";
	}
	if (s->state == SPACE_RUNNING && !list_empty(&s->lost_members)) {
		return "running although a member is lost";
	}
	if (s->stable > engine_seq(s->engine)) {
		return "stable is ahead of what was applied";
	}
	return engine_check(s->engine);
}

const char *node_check(const struct node *n)
{
	list_for_each(item, &n->spaces) {
		const char *broken = space_check(list_entry(item, struct space, item));

		if (broken) {
			return broken;
		}
	}
	return NULL;
}

const char *node_counter_at(const struct node *n, size_t index, uint64_t *ret_value)
{
	static const char *const names[COUNTER_COUNT] = {
		[COUNTER_MESSAGES] = "messages",
		[COUNTER_BAD_MESSAGES] = "bad_messages",
		[COUNTER_UNKNOWN_SENDER] = "unknown_sender",
		[COUNTER_DROPPED_EPOCH] = "dropped_epoch",
		[COUNTER_RESENT] = "resent_ops",
		[COUNTER_HELD] = "held",
		[COUNTER_HELD_APPLIED] = "held_applied",
		[COUNTER_OPS_SENT] = "ops_sent",
		[COUNTER_OPS_APPLIED] = "ops_applied",
		[COUNTER_BATCHES] = "batches",
		[COUNTER_CONFIRMS] = "confirms",
		[COUNTER_VIEWS] = "views",
		[COUNTER_VIEW_POINTS] = "view_points",
		[COUNTER_VIEW_POINTS_SLOW] = "view_points_slow",
		[COUNTER_RECOVERY_POINTS] = "recovery_points",
		[COUNTER_FORMED] = "formed",
		[COUNTER_SYNC_DONATED] = "sync_donated",
		[COUNTER_SYNC_LOADED] = "sync_loaded",
		[COUNTER_SYNC_ABANDONED] = "sync_abandoned",
		[COUNTER_IMAGES_FAILED] = "images_failed",
		[COUNTER_REPLAY_SLICES] = "replay_slices",
		[COUNTER_KEPT_OVERFLOWS] = "kept_overflows",
		[COUNTER_SYNCED] = "synced",
		[COUNTER_LOST_MEMBERS] = "lost_members",
		[COUNTER_FENCED_BY_ACK] = "fenced_by_ack",
		[COUNTER_FENCED_BY_REJOIN] = "fenced_by_rejoin",
		[COUNTER_FENCE_REQUESTS] = "fence_requests",
		[COUNTER_FENCE_FAILURES] = "fence_failures",
		[COUNTER_FENCE_RESULTS] = "fence_results",
		[COUNTER_FENCE_IGNORED] = "fence_ignored",
		[COUNTER_LOST_TIMEOUTS] = "lost_timeouts",
		[COUNTER_LEAVES] = "leaves",
		[COUNTER_SELF_LOST] = "self_lost",
		[COUNTER_FOREIGN_SEEN] = "foreign_seen",
		[COUNTER_DIGESTS] = "digests",
		[COUNTER_DIGEST_MISMATCH] = "digest_mismatch",
		[COUNTER_NUMBER_GAPS] = "number_gaps",
		[COUNTER_EVICTIONS] = "evictions",
		[COUNTER_BASTS] = "basts",
		[COUNTER_CASTS] = "casts",
		[COUNTER_STABLE_WAITS] = "stable_waits",
		[COUNTER_WINDOW_FULL] = "window_full",
		[COUNTER_TIME_WARNINGS] = "time_warnings",
		[COUNTER_LEVELS_RAISED] = "levels_raised",
		[COUNTER_LEVELS_REFUSED] = "levels_refused",
		[COUNTER_PREPS] = "recovery_preps",
		[COUNTER_SLOTS] = "recovery_slots",
		[COUNTER_DONES] = "recovery_dones",
		[COUNTER_PREP_KILLS] = "prep_kills",
		[COUNTER_QUOTA_REFUSALS] = "quota_refusals",
	};

	if (index >= COUNTER_COUNT) {
		return NULL;
	}
	*ret_value = n->counters[index];
	return names[index];
}
