/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "plugin/node/wire.h"
#include "tests/sim/admin.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

enum { TICK_US = 100000, GROUP_BUDGET = 8, REQUEST_BUDGET = 8 };

struct simaction {
	enum node_action_type type;
	struct simaction *next;
	const uint8_t *data;
	size_t size;
};

const char *sim_space_name(unsigned int space)
{
	static const char *const names[SIM_SPACES_MAX] = { "default", "other" };

	return names[space];
}

static uint64_t draw(struct simnode *s, uint64_t lo, uint64_t hi)
{
	return prng_range(&s->w->prng, lo, hi < lo ? lo : hi);
}

/* --- life ---------------------------------------------------------------------------------- */

static uint64_t wall_now(const struct simnode *s)
{
	return (uint64_t)(1700000000000ll + (int64_t)(world_now(s->w) / 1000) + s->wall_jump_ms);
}

static void tick(void *ctx, uint64_t serial, uint64_t b)
{
	struct simnode *s = ctx;

	(void)b;
	if (!s->running || s->serial != serial) {
		return;
	}
	s->tick_due = true;
	simnode_wake(s);
	timeline_in(&s->w->timeline, draw(s, TICK_US - 10000, TICK_US + 10000), tick, s, serial, 0);
}

static void node_make(struct simnode *s)
{
	uint32_t configured[SIM_HOSTS_MAX];
	struct node_config config = {
		.nodeid = s->host + 1,
		.incarnation = prng_next(&s->w->prng) & ~UINT64_C(0xffff),
		.pid = s->pid,
		.on_lost = s->w->config.on_lost,
		.configured = configured,
		.configured_count = s->w->config.cpg.hosts,
		.reserved = s->reserved,
		.mutations = s->w->config.mutations,
		.window_messages = s->w->config.window_messages,
		.batch_bytes = s->w->config.batch_bytes,
		.confirm_timeout_ms = s->w->config.confirm_timeout_ms,
		.digest_interval = s->w->config.digest_interval,
		.level_max = s->level_max,
		.chunk_bytes = s->w->config.chunk_bytes,
		.chunk_window = s->w->config.chunk_window,
		.replay_bytes = s->w->config.replay_bytes,
		.image_stall_ms = s->w->config.image_stall_ms,
		.fencing = s->w->config.fencing,
		.lost_timeout_ms = s->w->config.lost_timeout_ms,
		.fence_request = true,
		.fence_startup = s->w->config.fence_startup,
		.fence_request_delay_ms = s->w->config.fence_request_delay_ms,
		.prep_ack_ms = s->w->config.prep_ack_ms,
		.prep_kill_ms = s->w->config.prep_kill_ms,
	};

	for (unsigned int i = 0; i < s->w->config.cpg.hosts; i++) {
		configured[i] = i + 1;
	}
	s->incarnation = config.incarnation;
	s->node = node_new(&config);
	s->order_up = false;
	s->order_lost = false;
	s->quorate = false;
	s->groups = arena_alloc(&s->w->arena, SIMNODE_GROUPS_MAX * sizeof(*s->groups));
	s->groups_count = 0;
	s->images = NULL;
	s->again = false;
	fencing_node_new(s->w, s->host);
}

void simnode_start(struct simnode *s, uint32_t spaces)
{
	ls_assert(!s->running);
	s->running = true;
	s->stopping = false;
	s->turn_scheduled = false;
	s->used_up = false;
	s->paused = false;
	s->serial++;
	s->pid = 100 + s->serial % 50;
	s->clock_offset_ms = draw(s, 1, 1000000);
	s->first = s->last = NULL;
	s->tick_due = true;
	s->level_max = FEATURE_LEVEL;
	if (s->w->config.old_per_mille > 0 && !s->refused &&
	    prng_chance(&s->w->prng, s->w->config.old_per_mille)) {
		s->level_max = 1;
		world_mark(s->w, MARK_OLD_DAEMON);
	}
	s->refused = false;
	story_tell(s->w, "node %u: daemon starts, pid %u, feature level %u", s->host + 1, s->pid,
		   s->level_max);
	world_mark(s->w, MARK_DAEMON_START);
	node_make(s);
	checker_node_started(s->w, s->host);
	cpgmodel_quorum_track(s->w->cpg, s->host);
	for (unsigned int i = 0; i < s->w->config.spaces; i++) {
		if (spaces & 1u << i) {
			simnode_request(s, &(struct request){ .type = REQUEST_CREATE, .space = i });
		}
	}
	tick(s, s->serial, 0);
}

static void node_drop(struct simnode *s)
{
	uint64_t value;
	const char *name;

	for (size_t i = 0; (name = node_counter_at(s->node, i, &value)); i++) {
		counters_add(s->w->counters, name, value);
	}
	s->node = node_free(s->node);
}

void simnode_kill(struct simnode *s, bool crash)
{
	if (!s->running) {
		return;
	}
	story_tell(s->w, "node %u: daemon %s", s->host + 1, crash ? "gone with its machine" : "killed");
	checker_node_stopped(s->w, s->host);
	node_drop(s);
	s->running = false;
	s->first = s->last = NULL;
	if (!crash) {
		/* Corosync notices soon, but not always before a new process has joined. */
		cpgmodel_process_exit(s->w->cpg, s->host, s->pid,
				      prng_chance(&s->w->prng, 800) ? 1 : draw(s, 1, 3000000));
	}
	for (unsigned int i = 0; i < s->w->clients_count; i++) {
		if (s->w->clients[i].host == s->host) {
			client_disconnected(&s->w->clients[i]);
		}
	}
}

void simnode_pause(struct simnode *s, bool paused)
{
	s->paused = paused;
	if (!paused) {
		simnode_wake(s);
	}
}

void simnode_order_lost(struct simnode *s)
{
	if (s->running) {
		s->order_lost = true;
		simnode_wake(s);
	}
}

bool simnode_space(const struct simnode *s, unsigned int space, struct node_space_info *ret)
{
	return s->running && node_space_info_find(s->node, sim_space_name(space), ret);
}

/* --- actions ------------------------------------------------------------------------------- */

static struct simgroup *group_get(struct simnode *s, uint32_t group)
{
	ls_assert(group < SIMNODE_GROUPS_MAX);
	if (group >= s->groups_count) {
		s->groups_count = group + 1;
	}
	return &s->groups[group];
}

static void group_queue(struct simnode *s, const struct node_action *act)
{
	struct simgroup *g = group_get(s, act->group);
	struct simaction *a = arena_alloc(&s->w->arena, sizeof(*a));

	a->type = act->type;
	if (act->type == NODE_ACTION_MCAST) {
		a->data = arena_copy(&s->w->arena, act->data, act->size);
		a->size = act->size;
		if (act->size > NODE_MESSAGE_MAX) {
			world_fail(s->w, "node %u multicasts %zu bytes", s->host + 1, act->size);
		}
		recovery_node_sends(s, g->name, act->data, act->size);
	} else if (act->type == NODE_ACTION_JOIN) {
		if (g->name) {
			world_fail(s->w, "node %u uses group number %u twice", s->host + 1, act->group);
		}
		g->name = arena_copy(&s->w->arena, act->name, strlen(act->name) + 1);
	} else {
		g->left = true;
	}
	if (g->last) {
		g->last->next = a;
	} else {
		g->first = a;
	}
	g->last = a;
}

/* Performs what can be performed now. True when something has to be tried again. */
static bool group_perform(struct simnode *s, struct simgroup *g)
{
	while (g->first) {
		struct simaction *a = g->first;
		bool done = true;

		switch (a->type) {
		case NODE_ACTION_JOIN:
			g->handle = cpgmodel_join(s->w->cpg, s->host, s->pid, g->name);
			done = g->handle != NULL;
			if (done) {
				story_tell(s->w, "node %u: joins %s", s->host + 1, g->name);
			}
			break;
		case NODE_ACTION_MCAST:
			done = g->handle && cpgmodel_mcast(s->w->cpg, g->handle, a->data, a->size);
			break;
		default:
			done = !g->handle || cpgmodel_leave(s->w->cpg, g->handle);
			if (done) {
				story_tell(s->w, "node %u: leaves %s", s->host + 1, g->name);
			}
			break;
		}
		if (!done) {
			return true;
		}
		g->first = a->next;
		if (!g->first) {
			g->last = NULL;
		}
	}
	return false;
}

static void kill_later(void *ctx, uint64_t a, uint64_t b)
{
	struct simnode *s = ctx;
	struct client *c = (struct client *)(uintptr_t)a;

	/* SIGKILL works although the daemon that sent it may be gone or paused by now. */
	if (c->conn == b && c->host == s->host) {
		world_mark(s->w, MARK_KILLED);
		client_kill(c, "by its daemon");
	}
}

/* --- state images ------------------------------------------------------------------------- */

static void image_wake(void *ctx, uint64_t serial, uint64_t number)
{
	struct simnode *s = ctx;

	if (s->running && s->serial == serial) {
		simnode_request(s, &(struct request){ .type = REQUEST_IMAGE, .image = number });
	}
}

static void image_later(struct simnode *s, const struct simimage *i)
{
	timeline_in(&s->w->timeline, draw(s, 1, s->w->config.image_us_max), image_wake, s, s->serial,
		    i->number);
}

static struct simimage *image_find(const struct simnode *s, uint64_t number)
{
	for (struct simimage *i = s->images; i; i = i->next) {
		if (i->number == number && !i->over) {
			return i;
		}
	}
	return NULL;
}

static void image_sink(void *arg, const void *data, size_t size)
{
	buf_put_bytes(arg, data, size);
}

/* The child has the state as it is now, and all the time it wants. */
static void image_begin(struct simnode *s, uint64_t number)
{
	struct simimage *i = arena_alloc(&s->w->arena, sizeof(*i));
	struct buf bytes = { 0 };

	*i = (struct simimage){ .next = s->images, .number = number, .fails_at = SIZE_MAX };
	if (node_image_write(s->node, number, image_sink, &bytes) == 0) {
		i->bytes = arena_copy(&s->w->arena, bytes.data, bytes.size);
		i->size = bytes.size;
		world_mark(s->w, MARK_IMAGE);
		fault_transfer_begins(s->w, s->host);
	}
	if (bytes.size == 0 || prng_chance(&s->w->prng, s->w->config.image_fail_per_mille)) {
		i->fails_at = draw(s, 0, bytes.size);
	}
	buf_done(&bytes);
	s->images = i;
	if (i->fails_at == 0) {
		image_later(s, i);
	}
}

static void image_read(struct simnode *s, uint64_t number, size_t bytes)
{
	struct simimage *i = image_find(s, number);

	if (!i) {
		return;
	}
	if (i->wanted == 0) {
		image_later(s, i);
	}
	i->wanted += bytes;
}

static void image_over(struct simnode *s, struct simimage *i, int error)
{
	i->over = true;
	if (error != 0) {
		world_mark(s->w, MARK_IMAGE_FAILED);
	}
	node_image_end(s->node, i->number, error);
}

/* Some of what is wanted comes through the pipe. */
static void image_feed(struct simnode *s, uint64_t number)
{
	struct simimage *i = image_find(s, number);

	if (!i) {
		return;
	}
	size_t limit = i->fails_at < i->size ? i->fails_at : i->size;
	size_t size = draw(s, 1, i->wanted);

	size = size < limit - i->fed ? size : limit - i->fed;
	size = size < i->wanted ? size : i->wanted;
	if (size > 0) {
		node_image_bytes(s->node, number, i->bytes + i->fed, size);
		i->fed += size;
		i->wanted -= size;
	}
	if (i->fed >= i->fails_at) {
		image_over(s, i, EIO);
	} else if (i->fed == i->size) {
		image_over(s, i, 0);
	} else if (i->wanted > 0) {
		image_later(s, i);
	}
}

static void image_stop(struct simnode *s, uint64_t number)
{
	struct simimage *i = image_find(s, number);

	if (i) {
		i->over = true;
		world_mark(s->w, MARK_IMAGE_STOPPED);
	}
}

/* --- actions, again ------------------------------------------------------------------------ */

static void act(struct simnode *s, const struct node_action *act)
{
	struct client *c;

	switch (act->type) {
	case NODE_ACTION_JOIN:
	case NODE_ACTION_LEAVE:
	case NODE_ACTION_MCAST:
		group_queue(s, act);
		break;
	case NODE_ACTION_CAST:
		/* (What a client has already it may be told again: down-conversions wait for nobody.) */
		if (act->status == 0 && !s->quorate && client_gains(s->w, act)) {
			world_fail(s->w, "node %u tells a grant without quorum (R-CPG-7)", s->host + 1);
		}
		client_tell(s->w, act);
		break;
	case NODE_ACTION_READY:
		unfenced_client_ready(s, client_by_conn(s->w, act->conn));
		client_tell(s->w, act);
		break;
	case NODE_ACTION_REPLY:
	case NODE_ACTION_BAST:
	case NODE_ACTION_LOST:
		recovery_node_tells(s, act);
		client_tell(s->w, act);
		break;
	case NODE_ACTION_KILL:
		c = client_by_conn(s->w, act->conn);
		story_tell(s->w, "node %u: kills client of conn %llu", s->host + 1,
			   (unsigned long long)act->conn);
		if (c) {
			timeline_in(&s->w->timeline, draw(s, 10, 50000) + recovery_client_lives_us(c), kill_later, s,
				    (uint64_t)(uintptr_t)c, act->conn);
		} else {
			/* Already gone: its pidfd says so at once. */
			simnode_request(s, &(struct request){ .type = REQUEST_KILLED, .conn = act->conn });
		}
		break;
	case NODE_ACTION_RESERVE:
		simnode_request(s, &(struct request){ .type = REQUEST_RESERVED, .reserved = act->token });
		break;
	case NODE_ACTION_PREP:
	case NODE_ACTION_SLOT:
	case NODE_ACTION_DONE:
		recovery_node_tells(s, act);
		client_tell(s->w, act);
		break;
	case NODE_ACTION_SPACE_FAILED:
		/* (Clients ask for no attributes.) */
		story_tell(s->w, "node %u: %s is refused: %d", s->host + 1, act->name, act->status);
		world_mark(s->w, MARK_LEVEL_REFUSED);
		s->refused = true;
		if (act->status != EPROTONOSUPPORT) {
			world_fail(s->w, "node %u: %s refused with %d", s->host + 1, act->name, act->status);
		}
		break;
	case NODE_ACTION_DUMP:
		world_mark(s->w, MARK_DUMP);
		if (!s->w->corrupted && s->w->config.mutations == 0) {
			world_fail(s->w, "node %u: replicas differ, node %u is taken out", s->host + 1,
				   act->value);
		}
		break;
	case NODE_ACTION_TRACE:
		break;
	case NODE_ACTION_LOG:
		story_tell(s->w, "node %u: log <%u> %.*s", s->host + 1, act->value, (int)act->size,
			   (const char *)act->data);
		break;
	case NODE_ACTION_IMAGE_BEGIN:
		image_begin(s, act->token);
		break;
	case NODE_ACTION_IMAGE_READ:
		image_read(s, act->token, act->value);
		break;
	case NODE_ACTION_IMAGE_STOP:
		image_stop(s, act->token);
		break;
	case NODE_ACTION_FENCE_MARK:
	case NODE_ACTION_FENCE:
		fencing_action(s->w, s->host, act);
		break;
	case NODE_ACTION_REBOOT:
		break; /* not drawn: a power cycle is what the administrator does */
	case NODE_ACTION_AGAIN:
		s->again = true;
		break;
	}
}

/* --- requests ------------------------------------------------------------------------------ */

void simnode_request(struct simnode *s, const struct request *r)
{
	if (!s->running) {
		return;
	}
	struct request *copy = arena_copy(&s->w->arena, r, sizeof(*r));

	copy->next = NULL;
	if (s->last) {
		s->last->next = copy;
	} else {
		s->first = copy;
	}
	s->last = copy;
	simnode_wake(s);
}

static struct node_attributes attributes(const struct simnode *s)
{
	uint32_t wait_ms = s->w->config.deadlock_wait_ms;

	return (struct node_attributes){ .deadlock_wait_named = wait_ms > 0, .deadlock_wait_ms = wait_ms };
}

static void request_open(struct simnode *s, const struct request *r)
{
	const struct node_open open = {
		.space = sim_space_name(r->space),
		.create = r->create,
		.want = attributes(s),
		.pid = 1000 + r->client->index,
		.comm = "client",
	};
	int e = node_session_open(s->node, r->conn, &open);

	story_tell(s->w, "node %u: opens conn %llu on %s%s: %d", s->host + 1,
		   (unsigned long long)r->conn, open.space, r->create ? " (create)" : "", e);
	if (e != 0) {
		const struct node_action failed = { .type = NODE_ACTION_READY, .conn = r->conn,
						    .status = e };

		client_tell(s->w, &failed);
	}
}

static void request_submit(struct simnode *s, const struct request *r)
{
	uint32_t lkid = r->op.lkid;
	bool completes = true;
	int e = node_submit(s->node, r->conn, &r->op, &lkid, &completes);

	client_reply(r->client, r->conn, r->slot, r->op.type, e, lkid, completes);
}

static void request_ack(struct simnode *s, const struct request *r)
{
	/* The administrator looks at the machine before he vouches for it. */
	if (!admin_host_dead(s->w, r->nodeid - 1)) {
		return;
	}
	int e = node_fence_ack(s->node, r->nodeid);

	story_tell(s->w, "node %u: fence-ack %u: %d", s->host + 1, r->nodeid, e);
	world_mark(s->w, e == 0 ? MARK_ACK : MARK_ACK_REFUSED);
	if (e == 0) {
		admin_acked(s->w, r->nodeid - 1);
	}
}

static void request_fence(struct simnode *s, const struct request *r)
{
	switch (r->fence) {
	case FENCE_LINK:
		node_fence_link(s->node, r->yes, "simulated");
		break;
	case FENCE_BUSY:
		node_fence_busy(s->node, r->nodeid, r->yes);
		break;
	case FENCE_RESULT:
		story_tell(s->w, "node %u: hears of a fencing of %u: action %d, success %d, asked after mark %llu",
			   s->host + 1, r->result.nodeid, (int)r->result.action, r->result.success,
			   (unsigned long long)r->result.mark);
		node_fence_result(s->node, &r->result);
		break;
	case FENCE_ANSWER:
		story_tell(s->w, "node %u: its request to fence is over: %d", s->host + 1, r->yes);
		node_fence_answer(s->node, r->token, r->yes ? NULL : "simulated failure");
		break;
	}
}

static void request_do(struct simnode *s, const struct request *r)
{
	char busy[LOCKSTEP_SPACE_MAX + 1] = "";
	unsigned int count = 0;
	struct node_attributes want;
	int e;

	switch (r->type) {
	case REQUEST_OPEN:
		request_open(s, r);
		break;
	case REQUEST_CLOSE:
		story_tell(s->w, "node %u: conn %llu is closed", s->host + 1,
			   (unsigned long long)r->conn);
		node_session_close(s->node, r->conn);
		break;
	case REQUEST_SUBMIT:
		request_submit(s, r);
		break;
	case REQUEST_KILLED:
		story_tell(s->w, "node %u: processes of conn %llu are gone", s->host + 1,
			   (unsigned long long)r->conn);
		node_session_killed(s->node, r->conn);
		break;
	case REQUEST_RESERVED:
		world_mark(s->w, MARK_RESERVED);
		s->reserved = r->reserved > s->reserved ? r->reserved : s->reserved;
		node_reserved(s->node, r->reserved);
		break;
	case REQUEST_CREATE:
		want = attributes(s);
		e = node_space_create(s->node, sim_space_name(r->space), &want);
		story_tell(s->w, "node %u: create %s: %d", s->host + 1, sim_space_name(r->space), e);
		world_mark(s->w, MARK_CREATE);
		break;
	case REQUEST_RELEASE:
		e = node_space_release(s->node, sim_space_name(r->space), r->force, &count);
		story_tell(s->w, "node %u: release %s force %u: %d, count %u", s->host + 1,
			   sim_space_name(r->space), r->force, e, count);
		if (e == 0) {
			world_mark(s->w, MARK_RELEASE);
		}
		break;
	case REQUEST_STOP:
		e = node_stop(s->node, r->force != 0, busy);
		story_tell(s->w, "node %u: stop: %d %s", s->host + 1, e, busy);
		s->stopping |= e == 0;
		break;
	case REQUEST_ACK:
		request_ack(s, r);
		break;
	case REQUEST_IMAGE:
		image_feed(s, r->image);
		break;
	case REQUEST_FENCE:
		request_fence(s, r);
		break;
	case REQUEST_RECOVERY:
		recovery_request(s, r);
		break;
	}
}

/* A message in a few words, for the story only. */
static void message_tell(struct simnode *s, const char *group, const struct cpg_event *ev)
{
	struct cursor in = cursor_make(ev->data, ev->size);
	struct wire_header h;
	struct wire_body b;
	char more[100] = "";

	if (wire_header_decode(&in, &h)) {
		story_tell(s->w, "node %u: %s undecodable message of %u/%u", s->host + 1, group, ev->nodeid,
			   ev->pid);
		return;
	}
	if (wire_body_decode(h.type, &in, &b) == 0) {
		if (h.type == WIRE_READY) {
			(void)snprintf(more, sizeof(more), " view %04x seq %llu digest %04x history %04x",
				       (unsigned int)b.view & 0xffff, (unsigned long long)b.seq,
				       (unsigned int)b.digest & 0xffff, (unsigned int)b.history & 0xffff);
		} else if (h.type == WIRE_HELLO) {
			(void)snprintf(more, sizeof(more), " flags %x history %04x views %llu lowest %u",
				       b.flags, (unsigned int)b.history & 0xffff,
				       (unsigned long long)b.views, b.lowest);
		} else if (b.nodeid != 0) {
			(void)snprintf(more, sizeof(more), " about %u", b.nodeid);
		}
	}
	story_tell(s->w, "node %u: %s %s of %u/%u inc %04x:%x no %llu epoch %04x confirm %llu%s", s->host + 1,
		   group, wire_type_name(h.type), ev->nodeid, ev->pid,
		   (unsigned int)(h.incarnation >> 16) & 0xffff, (unsigned int)h.incarnation & 0xffff,
		   (unsigned long long)h.number, (unsigned int)h.epoch & 0xffff,
		   (unsigned long long)h.confirm, more);
}

/* --- one iteration of the loop ------------------------------------------------------------- */

static void quorum_drain(struct simnode *s)
{
	const struct cpg_quorum_event *ev;

	while ((ev = cpgmodel_quorum_dispatch(s->w->cpg, s->host))) {
		story_tell(s->w, "node %u: quorum ring %u:%llu %s", s->host + 1, ev->ring.nodeid,
			   (unsigned long long)ev->ring.seq, ev->quorate ? "yes" : "no");
		node_quorum(s->node, ev->ring, ev->quorate);
		s->quorate = ev->quorate;
	}
}

static void tell_confchg(struct simnode *s, const struct cpg_event *ev, const char *name)
{
	char line[160];
	size_t at = 0;

	for (unsigned int k = 0; k < 3; k++) {
		static const char *const words[] = { "members", " left", " joined" };
		const struct node_address *a = k == 0 ? ev->members : k == 1 ? ev->left : ev->joined;
		size_t n = k == 0 ? ev->members_count : k == 1 ? ev->left_count : ev->joined_count;

		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s", words[k]);
		for (size_t i = 0; i < n && at + 16 < sizeof(line); i++) {
			at += (size_t)snprintf(line + at, sizeof(line) - at, " %u/%u", a[i].nodeid,
					       a[i].pid);
		}
		if (at + 20 > sizeof(line)) {
			break;
		}
	}
	story_tell(s->w, "node %u: %s confchg %s", s->host + 1, name, line);
}

static bool actions_drain(struct simnode *s);

static void group_event(struct simnode *s, uint32_t group, const struct cpg_event *ev)
{
	const char *name = s->groups[group].name;

	switch (ev->type) {
	case CPG_CONFCHG:
		if (s->w->story.on) {
			tell_confchg(s, ev, name);
		}
		node_confchg(s->node, group, ev->members, ev->members_count, ev->left,
			     ev->left_count, ev->joined, ev->joined_count);
		break;
	case CPG_TOTEM:
		story_tell(s->w, "node %u: %s totem ring %u:%llu, %zu nodes", s->host + 1, name,
			   ev->ring.nodeid, (unsigned long long)ev->ring.seq, ev->nodes_count);
		node_totem(s->node, group, ev->ring, ev->nodes, ev->nodes_count);
		break;
	case CPG_MESSAGE:
		if (s->w->story.on) {
			message_tell(s, name, ev);
		}
		checker_message(s->w, s->host, name, ev);
		if (cpgmodel_quorum_pending(s->w->cpg, s->host)) {
			world_mark(s->w, MARK_QUORUM_LATE);
		}
		node_message(s->node, group, ev->nodeid, ev->pid, ev->data, ev->size);
		break;
	}
	if (node_urgent(s->node)) {
		(void)actions_drain(s);
	}
	checker_node_stepped(s->w, s->host);
}

static void groups_dispatch(struct simnode *s)
{
	size_t start = s->groups_count > 0 ? prng_below(&s->w->prng, s->groups_count) : 0;

	for (size_t k = 0; k < s->groups_count; k++) {
		uint32_t group = (uint32_t)((start + k) % s->groups_count);
		uint64_t budget = draw(s, 1, GROUP_BUDGET);

		while (budget-- > 0) {
			struct simgroup *g = &s->groups[group];
			const struct cpg_event *ev;

			if (!g->handle || g->left) {
				break;
			}
			ev = cpgmodel_dispatch(g->handle);
			if (!ev) {
				break;
			}
			group_event(s, group, ev);
		}
	}
}

/* Runs until the node says nothing more. True when actions wait for Corosync. */
static bool actions_drain(struct simnode *s)
{
	struct node_action a;
	bool again = false;

	while (node_action_next(s->node, &a)) {
		act(s, &a);
	}
	for (size_t i = 0; i < s->groups_count; i++) {
		again |= group_perform(s, &s->groups[i]);
	}
	return again;
}

static void order_follow(struct simnode *s)
{
	bool up = cpgmodel_up(s->w->cpg, s->host);

	if (s->order_lost) {
		s->order_lost = false;
		if (s->order_up) {
			story_tell(s->w, "node %u: corosync is gone", s->host + 1);
			checker_node_stopped(s->w, s->host);
			node_order_down(s->node);
			s->order_up = false;
			for (size_t i = 0; i < s->groups_count; i++) {
				s->groups[i].left = true;
				s->groups[i].first = s->groups[i].last = NULL;
				s->groups[i].handle = NULL;
			}
			s->used_up = true;
		}
		return;
	}
	if (s->order_up || !up) {
		return;
	}
	if (s->used_up) {
		/* An object that has lost its order is never used again (R-MEM-8). */
		if (!node_idle(s->node)) {
			return;
		}
		s->used_up = false;
		node_drop(s);
		node_make(s);
		checker_node_started(s->w, s->host);
		node_tick(s->node, world_now(s->w) / 1000 + s->clock_offset_ms,
			  wall_now(s));
		for (unsigned int i = 0; i < s->w->config.spaces; i++) {
			simnode_request(s, &(struct request){ .type = REQUEST_CREATE, .space = i });
		}
	}
	cpgmodel_quorum_track(s->w->cpg, s->host);
	s->order_up = true;
	node_order_up(s->node);
}

static bool something_pending(const struct simnode *s)
{
	if (s->first || s->tick_due || cpgmodel_quorum_pending(s->w->cpg, s->host)) {
		return true;
	}
	for (size_t i = 0; i < s->groups_count; i++) {
		if (s->groups[i].handle && !s->groups[i].left && cpgmodel_pending(s->groups[i].handle)) {
			return true;
		}
	}
	return false;
}

static void turn_schedule(struct simnode *s, uint64_t delay);

static void turn(void *ctx, uint64_t serial, uint64_t b)
{
	struct simnode *s = ctx;
	bool late = prng_chance(&s->w->prng, s->w->config.quorum_race_per_mille);
	unsigned int budget = REQUEST_BUDGET;

	(void)b;
	if (!s->running || s->serial != serial) {
		return;
	}
	s->turn_scheduled = false;
	if (s->paused) {
		return;
	}
	if (s->tick_due) {
		s->tick_due = false;
		node_tick(s->node, world_now(s->w) / 1000 + s->clock_offset_ms,
			  wall_now(s));
	}
	order_follow(s);
	if (s->order_up) {
		if (!late) {
			quorum_drain(s);
		}
		groups_dispatch(s);
		if (late) {
			quorum_drain(s);
		}
	}
	while (s->first && budget-- > 0) {
		struct request *r = s->first;

		s->first = r->next;
		if (!s->first) {
			s->last = NULL;
		}
		request_do(s, r);
	}
	node_flush(s->node);
	bool again = actions_drain(s);
	bool more = s->again;

	s->again = false;
	checker_node_stepped(s->w, s->host);
	checker_node_turned(s->w, s->host);
	if (s->stopping && node_idle(s->node) && !again) {
		story_tell(s->w, "node %u: daemon exits, as asked", s->host + 1);
		world_mark(s->w, MARK_CLEAN_STOP);
		simnode_kill(s, false);
		return;
	}
	if (something_pending(s) || more) {
		turn_schedule(s, draw(s, 1, s->w->config.turn_us_max));
	} else if (again) {
		turn_schedule(s, draw(s, 100, 5000));
	}
}

static void turn_schedule(struct simnode *s, uint64_t delay)
{
	if (!s->turn_scheduled) {
		s->turn_scheduled = true;
		timeline_in(&s->w->timeline, delay, turn, s, s->serial, 0);
	}
}

void simnode_wake(struct simnode *s)
{
	if (s->running && !s->paused) {
		turn_schedule(s, draw(s, 1, s->w->config.turn_us_max));
	}
}
