/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking in: status, members, invariants, counters. Reads only; reasons in words are in reason.c. */
#include "config.h"

#include <string.h>

#include "lib/base/text.h"
#include "plugin/node/node_private.h"

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

static void space_info_fill(const struct space *s, struct node_space_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->name = s->name;
	ret->state = space_state_word(s);
	reason_space(s, ret->reason, sizeof(ret->reason));
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
			.lost_wall_ms = l->since_wall_ms,
		};

		reason_lost_member(s, l, info.reason, sizeof(info.reason));

		if (count < max) {
			ret[count] = info;
		}
		count++;
	}
	return count;
}

uint32_t node_space_orphans(const struct node *n, const char *space)
{
	const struct space *s = node_space_find(n, space);
	const struct member *self = s ? view_self(s) : NULL;
	size_t owned = 0;
	size_t all = self ? member_locks(s, self->nodeid, self->incarnation) : 0;

	if (s) {
		list_for_each(item, &s->sessions) {
			owned += list_entry(item, struct session, item)->locks_count;
		}
	}
	return all > owned ? (uint32_t)(all - owned) : 0;
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
	bool holding = false;

	memset(ret, 0, sizeof(*ret));
	ret->order_up = n->order_up;
	ret->quorate = n->quorate;
	ret->ring = n->quorum_ring;
	ret->spaces = n->spaces_count;
	ret->sessions = n->sessions_count;
	ret->state = "ok";
	list_for_each(item, &n->spaces) {
		const struct space *s = list_entry(item, struct space, item);
		struct node_space_info info;

		holding |= s->holding > 0;
		space_info_fill(s, &info);
		if (!found || severity(info.state) > severity(worst.state)) {
			worst = info;
			found = true;
		}
	}
	if (!n->order_up) {
		/* Corosync may be back long since: whoever believes in a lock must end first. */
		ret->state = "waiting";
		if (!holding) {
			(void)base_format(ret->reason, sizeof(ret->reason), "waiting for Corosync");
		}
	} else if (found && strcmp(worst.state, "lost") == 0) {
		ret->state = "lost";
	} else if (!n->quorate) {
		ret->state = "noquorum";
		reason_quorum(n, ret->reason, sizeof(ret->reason));
	} else if (found && severity(worst.state) >= severity("joining")) {
		ret->state = worst.state;
	}
	if (ret->reason[0] == 0 && strcmp(ret->state, "ok") != 0) {
		(void)base_format(ret->reason, sizeof(ret->reason), "lockspace %.40s: %s", worst.name,
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
