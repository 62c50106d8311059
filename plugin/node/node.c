/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The node object: lifecycle, actions out, events in, administration. See node.h for the port. */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/name.h"
#include "lib/base/text.h"
#include "plugin/node/node_private.h"

static void *node_alloc(size_t size)
{
	void *p = calloc(1, size);

	ls_assert(p);
	return p;
}

struct node *node_new(const struct node_config *config)
{
	struct node *n = node_alloc(sizeof(*n));

	ls_assert(config->nodeid > 0);
	ls_assert(config->incarnation != 0 && (config->incarnation & 0xffff) == 0);
	n->config = *config;
	n->config.configured = NULL;
#define DEFAULT(field, value)                                                                      \
	do {                                                                                       \
		if (n->config.field == 0) {                                                        \
			n->config.field = (value);                                                 \
		}                                                                                  \
	} while (0)
	DEFAULT(window_messages, 64);
	DEFAULT(batch_bytes, 8192);
	DEFAULT(session_locks_max, 100000);
	DEFAULT(session_events_max, 10000);
	DEFAULT(outbox_ops_max, 16384);
	DEFAULT(spaces_max, 64);
	DEFAULT(sessions_max, 4096);
	DEFAULT(confirm_timeout_ms, 5000);
	DEFAULT(prep_ack_ms, 30000);
	DEFAULT(prep_kill_ms, 10000);
	DEFAULT(digest_interval, 4096);
	DEFAULT(level_max, FEATURE_LEVEL);
	DEFAULT(chunk_bytes, 16384);
	DEFAULT(chunk_window, 2);
	DEFAULT(replay_bytes, 65536);
	DEFAULT(image_stall_ms, 30000);
	DEFAULT(kept_bytes_max, 256u << 20);
	DEFAULT(lost_timeout_ms, 60000);
#undef DEFAULT
	ls_assert(n->config.chunk_bytes <= WIRE_CHUNK_BYTES);
	n->incarnation_next = config->incarnation + 1;
	n->group_next = NODE_DAEMONS_GROUP + 1;
	n->reserved = config->reserved;
	n->reserve_asked = config->reserved;
	list_init(&n->daemons);
	list_init(&n->fence_nodes);
	list_init(&n->spaces);
	list_init(&n->sessions);
	list_init(&n->actions);
	list_init(&n->garbage);
	node_configured(n, config->configured, config->configured_count);
	return n;
}

static struct action *action_free(struct action *a)
{
	if (a) {
		free(a->name);
		free(a->data);
		free(a);
	}
	return NULL;
}

static void garbage_free(struct node *n, size_t records)
{
	list_for_each_safe(item, &n->garbage) {
		struct garbage *g = list_entry(item, struct garbage, item);

		g->engine = engine_free_some(g->engine, records);
		if (!g->engine) {
			list_remove(item);
			free(g);
		}
	}
}

void node_engine_discard(struct node *n, struct engine *e)
{
	if (e) {
		struct garbage *g = node_alloc(sizeof(*g));

		g->engine = e;
		list_push_tail(&n->garbage, &g->item);
	}
}

struct node *node_free(struct node *n)
{
	if (!n) {
		return NULL;
	}
	list_for_each_safe(item, &n->spaces) {
		(void)space_free(list_entry(item, struct space, item));
	}
	list_for_each_safe(item, &n->sessions) {
		session_free(n, list_entry(item, struct session, node_item));
	}
	daemons_clear(n);
	fencing_clear(n);
	garbage_free(n, SIZE_MAX);
	list_for_each_safe(item, &n->actions) {
		struct action *a = list_entry(item, struct action, item);

		list_remove(item);
		(void)action_free(a);
	}
	(void)action_free(n->current);
	free(n->conn_hash);
	free(n);
	return NULL;
}

bool node_mutated(const struct node *n, uint64_t bit)
{
	return (n->config.mutations & bit) != 0;
}

/* --- actions ---------------------------------------------------------------------------- */

void node_act(struct node *n, const struct node_action *act)
{
	struct action *a = node_alloc(sizeof(*a));

	n->images_due += act->type == NODE_ACTION_IMAGE_BEGIN ? 1 : 0;

	a->act = *act;
	if (act->name) {
		a->name = strdup(act->name);
		ls_assert(a->name);
		a->act.name = a->name;
	}
	if (act->size > 0) {
		a->data = malloc(act->size);
		ls_assert(a->data);
		memcpy(a->data, act->data, act->size);
		a->act.data = a->data;
	}
	list_push_tail(&n->actions, &a->item);
}

void node_log(struct node *n, int priority, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	size_t size = base_vformat(text, sizeof(text), format, args);

	va_end(args);
	struct node_action act = { .type = NODE_ACTION_LOG,
				   .value = (uint32_t)priority,
				   .data = (const uint8_t *)text,
				   .size = size };

	node_act(n, &act);
}

bool node_action_next(struct node *n, struct node_action *ret)
{
	n->current = action_free(n->current);
	if (list_empty(&n->actions)) {
		return false;
	}
	n->current = list_entry(n->actions.next, struct action, item);
	list_remove(&n->current->item);
	*ret = n->current->act;
	if (ret->type == NODE_ACTION_IMAGE_BEGIN) {
		n->images_due--;
		sync_image_handed_out(n, ret->token);
	}
	return true;
}

bool node_urgent(const struct node *n)
{
	return n->images_due > 0;
}

/* --- events ----------------------------------------------------------------------------- */

struct space *node_space_find(const struct node *n, const char *name)
{
	list_for_each(item, &n->spaces) {
		struct space *s = list_entry(item, struct space, item);

		if (strcmp(s->name, name) == 0) {
			return s;
		}
	}
	return NULL;
}

static struct space *space_by_group(const struct node *n, uint32_t group)
{
	list_for_each(item, &n->spaces) {
		struct space *s = list_entry(item, struct space, item);

		if (s->group == group) {
			return s;
		}
	}
	return NULL;
}

void node_order_up(struct node *n)
{
	if (n->order_up) {
		return;
	}
	n->order_up = true;
	n->incarnation = n->incarnation_next++;
	struct node_action act = { .type = NODE_ACTION_JOIN,
				   .group = NODE_DAEMONS_GROUP,
				   .name = "lockstep:daemons" };

	node_act(n, &act);
	list_for_each(item, &n->spaces) {
		space_join(list_entry(item, struct space, item));
	}
}

void node_order_down(struct node *n)
{
	if (!n->order_up) {
		return;
	}
	n->order_up = false;
	n->quorum_known = false;
	n->quorate = false;
	n->daemons_joined = false;
	daemons_clear(n);
	list_for_each(item, &n->spaces) {
		space_lose(list_entry(item, struct space, item), "connection to Corosync lost");
	}
}

void node_confchg(struct node *n, uint32_t group, const struct node_address *members,
		  size_t members_count, const struct node_address *left, size_t left_count,
		  const struct node_address *joined, size_t joined_count)
{
	if (group == NODE_DAEMONS_GROUP) {
		daemons_confchg(n, members, members_count, left, left_count, joined, joined_count);
		return;
	}
	struct space *s = space_by_group(n, group);

	if (s) {
		sync_state_changes(s);
		view_confchg(s, members, members_count, left, left_count, joined, joined_count);
	}
}

void node_totem(struct node *n, uint32_t group, struct node_ring ring, const uint32_t *nodes,
		size_t nodes_count)
{
	if (group == NODE_DAEMONS_GROUP) {
		daemons_totem(n, ring, nodes, nodes_count);
		return;
	}
	struct space *s = space_by_group(n, group);

	if (s) {
		sync_state_changes(s);
		view_totem(s, ring, nodes, nodes_count);
	}
}

void node_message(struct node *n, uint32_t group, uint32_t nodeid, uint32_t pid, const void *data,
		  size_t size)
{
	n->counters[COUNTER_MESSAGES]++;
	if (group == NODE_DAEMONS_GROUP) {
		daemons_message(n, nodeid, pid, data, size);
		return;
	}
	struct space *s = space_by_group(n, group);

	if (s) {
		sync_state_changes(s);
		stream_message(s, nodeid, pid, data, size);
	}
}

void node_quorum(struct node *n, struct node_ring ring, bool quorate)
{
	if (n->quorum_known && n->quorate != quorate) {
		node_log(n, quorate ? 6 : 4, "quorum %s (ring %u:%llu)", quorate ? "gained" : "lost",
			 ring.nodeid, (unsigned long long)ring.seq);
	}
	if (!n->quorum_known || n->quorate != quorate) {
		n->quorum_change_ms = n->now_ms;
	}
	n->quorum_ring = ring;
	n->quorate = quorate;
	n->quorum_known = true;
	fencing_ring_changed(n);
	if (!quorate) {
		/* Somebody else may fence, reboot and re-admit nodes now; what an administrator
		 * told this node about absent ones is no longer current. */
		n->acked.count = 0;
		list_for_each(item, &n->spaces) {
			list_entry(item, struct space, item)->slow_acked.count = 0;
		}
	}
}

void node_configured(struct node *n, const uint32_t *nodes, size_t count)
{
	ls_assert(count <= LOCKSTEP_NODES_MAX);
	n->configured_count = count;
	if (count > 0) {
		memcpy(n->configured, nodes, count * sizeof(nodes[0]));
	}
	memset(n->names, 0, sizeof(n->names));
}

void node_name_set(struct node *n, uint32_t nodeid, const char *name)
{
	for (size_t i = 0; i < n->configured_count; i++) {
		if (n->configured[i] == nodeid) {
			(void)base_format(n->names[i], sizeof(n->names[i]), "%s", name);
		}
	}
}

void node_tick(struct node *n, uint64_t now_ms, uint64_t wall_ms)
{
	/* Before the first event there is nothing that could have waited. */
	uint64_t elapsed_ms = n->now_ms != 0 && now_ms > n->now_ms ? now_ms - n->now_ms : 0;

	n->now_ms = now_ms;
	n->wall_ms = wall_ms;
	list_for_each(item, &n->spaces) {
		wait_tick(list_entry(item, struct space, item), elapsed_ms);
		recovery_tick(list_entry(item, struct space, item), elapsed_ms);
		fencing_tick(list_entry(item, struct space, item), elapsed_ms);
	}
}

void node_flush(struct node *n)
{
	daemons_progress(n);
	fencing_progress(n);
	list_for_each_safe(item, &n->spaces) {
		space_progress(list_entry(item, struct space, item)); /* may free it */
	}
	if (!list_empty(&n->garbage)) {
		struct node_action again = { .type = NODE_ACTION_AGAIN };

		garbage_free(n, GARBAGE_RECORDS);
		node_act(n, &again);
	}
}

void node_session_killed(struct node *n, node_conn conn)
{
	struct session *session = session_by_conn(n, conn);

	if (session && session->holding) {
		session_settled(session);
	} else if (session && session->prep_killed) {
		node_session_close(n, conn);
	}
}

/* --- administration --------------------------------------------------------------------- */

bool node_attributes_valid(const struct node_attributes *a)
{
	return a->xid_scope <= 1 && a->personality <= ENGINE_PERSONALITY_LIBDLM &&
	       (a->lvb_len == 0 || (a->lvb_len >= 8 && a->lvb_len <= LOCKSTEP_LVB_MAX &&
				    a->lvb_len % 8 == 0));
}

/* Is everything that @more names named by @want with the same value? */
static bool attributes_covered(const struct node_attributes *want,
			       const struct node_attributes *more)
{
	return (more->lvb_len == 0 || more->lvb_len == want->lvb_len) &&
	       (!more->deadlock_wait_named ||
		(want->deadlock_wait_named && more->deadlock_wait_ms == want->deadlock_wait_ms)) &&
	       (!more->xid_scope_named ||
		(want->xid_scope_named && more->xid_scope == want->xid_scope));
}

/* R-LS-3 for a lockspace that is joined here. */
static int space_create_again(struct space *s, const struct node_attributes *want)
{
	if (s->leaving || s->node->stopping) {
		return EAGAIN;
	}
	if (want->flags & LOCKSTEP_LSFL_NEWEXCL) {
		return EEXIST;
	}
	if (s->engine ? !space_attributes_match(s, want) : !attributes_covered(&s->want, want)) {
		return s->engine ? EPROTO : EAGAIN;
	}
	s->create_count++;
	return 0;
}

int node_space_create(struct node *n, const char *space, const struct node_attributes *want)
{
	static const struct node_attributes nothing = { .lvb_len = 0 };

	want = want ? want : &nothing;
	if (!base_name_valid(space, LOCKSTEP_SPACE_MAX) || !node_attributes_valid(want)) {
		return EINVAL;
	}
	struct space *s = node_space_find(n, space);

	if (s) {
		return space_create_again(s, want);
	}
	if (n->stopping) {
		return EAGAIN;
	}
	if (n->spaces_count >= n->config.spaces_max) {
		n->counters[COUNTER_QUOTA_REFUSALS]++;
		return ENOSPC;
	}
	s = space_new(n, space, want);
	s->create_count = 1;
	if (n->order_up) {
		space_join(s);
	}
	return 0;
}

static size_t space_local_locks(const struct space *s)
{
	return s->engine ? engine_node_locks(s->engine, s->node->config.nodeid, s->incarnation) : 0;
}

/* R-LS-6 for a create count of 1, D-20: what counts is what sessions and orphans of this node own. */
static int space_release_check(struct space *s, unsigned int force)
{
	size_t locks = space_local_locks(s);
	size_t granted = locks; /* what no session here owns is an orphan, and granted */
	bool busy = false;

	list_for_each(item, &s->sessions) {
		const struct session *session = list_entry(item, struct session, item);
		size_t of_session = 0;
		size_t of_session_granted = 0;

		if (s->engine) {
			of_session = engine_session_locks(s->engine, s->node->config.nodeid,
							  s->incarnation, session->number,
							  &of_session_granted);
		}
		granted -= of_session - of_session_granted;
		busy |= session->callbacks_count > 0 || session->backlog > 0 ||
			session->locks_count > 0 || session->adoptions_count > 0;
	}
	if ((force == 0 && (locks > 0 || busy)) || (force == 1 && granted > 0)) {
		return s->ends_in_flight > 0 ? EAGAIN : EBUSY;
	}
	return 0;
}

static void space_release_start(struct space *s)
{
	s->leaving = true;
	session_lose_all(s, false);
}

int node_space_release(struct node *n, const char *space, unsigned int force, unsigned int *ret_count)
{
	struct space *s = node_space_find(n, space);

	if (!s || s->leaving) {
		return ENOENT;
	}
	if (force > 3) {
		return EINVAL;
	}
	if (s->create_count > 1) {
		*ret_count = --s->create_count;
		return 0;
	}
	int error = space_release_check(s, force);

	if (error) {
		return error;
	}
	s->create_count = 0;
	*ret_count = 0;
	space_release_start(s);
	if (force == 3 && !s->lost) {
		space_leave_now(s); /* as if the daemon had died: the others find out */
	}
	return 0;
}

bool node_is_configured(const struct node *n, uint32_t nodeid)
{
	for (size_t i = 0; i < n->configured_count; i++) {
		if (n->configured[i] == nodeid) {
			return true;
		}
	}
	return false;
}

int node_fence_ack(struct node *n, uint32_t nodeid)
{
	if (!node_is_configured(n, nodeid)) {
		return ENOENT;
	}
	if (daemons_present(n, nodeid)) {
		return EBUSY;
	}
	if (!n->quorate || !n->daemons_joined) {
		return EAGAIN;
	}
	struct wire_body body = { .nodeid = nodeid };
	daemons_send(n, WIRE_ACK, &body);
	return 0;
}

int node_stop(struct node *n, bool force, char *ret_space)
{
	if (!force) {
		list_for_each(item, &n->spaces) {
			struct space *s = list_entry(item, struct space, item);

			if (!s->lost && !s->leaving && (s->sessions_count > 0 || space_local_locks(s) > 0)) {
				(void)base_format(ret_space, LOCKSTEP_SPACE_MAX + 1, "%s", s->name);
				return EBUSY;
			}
		}
	}
	n->stopping = true;
	list_for_each(item, &n->spaces) {
		struct space *s = list_entry(item, struct space, item);

		s->create_count = 0;
		if (!s->lost) {
			space_release_start(s);
		}
	}
	return 0;
}

bool node_idle(const struct node *n)
{
	list_for_each(item, &n->spaces) {
		const struct space *s = list_entry(item, struct space, item);

		if (n->stopping || s->holding > 0) {
			return false;
		}
	}
	return true;
}

/* --- nodesets --------------------------------------------------------------------------- */

bool nodeset_has(const struct nodeset *s, uint32_t id)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->ids[i] == id) {
			return true;
		}
	}
	return false;
}

void nodeset_add(struct nodeset *s, uint32_t id)
{
	size_t at = 0;

	while (at < s->count && s->ids[at] < id) {
		at++;
	}
	if (at < s->count && s->ids[at] == id) {
		return;
	}
	ls_assert(s->count < LOCKSTEP_NODES_MAX);
	memmove(&s->ids[at + 1], &s->ids[at], (s->count - at) * sizeof(s->ids[0]));
	s->ids[at] = id;
	s->count++;
}

void nodeset_remove(struct nodeset *s, uint32_t id)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->ids[i] == id) {
			memmove(&s->ids[i], &s->ids[i + 1],
				(s->count - i - 1) * sizeof(s->ids[0]));
			s->count--;
			return;
		}
	}
}
