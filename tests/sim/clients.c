/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine.h"
#include "tests/sim/world.h"

static uint64_t draw(struct client *c, uint64_t lo, uint64_t hi)
{
	return prng_range(&c->w->prng, lo, hi < lo ? lo : hi);
}

static bool chance(struct client *c, unsigned int per_mille)
{
	return prng_chance(&c->w->prng, per_mille);
}

static void client_act(void *ctx, uint64_t life, uint64_t b);

void clients_init(struct world *w)
{
	w->clients_count = w->config.cpg.hosts * w->config.clients_per_host;
	ls_assert(w->clients_count <= SIM_CLIENTS_MAX);
	for (unsigned int i = 0; i < w->clients_count; i++) {
		w->clients[i].w = w;
		w->clients[i].index = i;
		w->clients[i].host = i % w->config.cpg.hosts;
	}
}

void client_start(struct client *c)
{
	if (c->alive) {
		return;
	}
	*c = (struct client){ .w = c->w, .index = c->index, .host = c->host, .life = c->life + 1,
			      .alive = true, .told_us = c->told_us };
	for (unsigned int i = 0; i < CLIENT_SLOTS; i++) {
		c->slots[i].mode = c->slots[i].believed = -1;
	}
	if (!c->w->config.manual_clients) {
		timeline_in(&c->w->timeline, draw(c, 1, c->w->config.think_us_max), client_act, c,
			    c->life, 0);
	}
}

/* --- beliefs ------------------------------------------------------------------------------- */

static void believe(struct client *c, struct slot *s, int8_t mode)
{
	if (s->believed != mode) {
		s->believed = mode;
		checker_belief(c->w, c, s);
	}
}

/* The strongest mode that both protect: what may be used while a lock is on its way from one mode to
 * the other and nobody has said where it is. */
static int8_t mode_meet(int8_t a, int8_t b)
{
	if ((a == LOCKSTEP_LOCK_PR && b == LOCKSTEP_LOCK_CW) ||
	    (a == LOCKSTEP_LOCK_CW && b == LOCKSTEP_LOCK_PR)) {
		return LOCKSTEP_LOCK_CR;
	}
	return a < b ? a : b;
}

static void slot_clear(struct client *c, struct slot *s)
{
	believe(c, s, -1);
	s->state = SLOT_FREE;
	s->mode = -1;
	s->held = s->converting = s->unlocking = s->cancelling = false;
	s->write = NULL;
}

static void client_forget(struct client *c)
{
	orphans_taker_ends(c->w, c);
	for (unsigned int i = 0; i < CLIENT_SLOTS; i++) {
		struct slot *s = &c->slots[i];

		if (s->state != SLOT_FREE) {
			checker_lock_orphaned(c->w, s);
			orphan_left(c->w, c, s);
			slot_clear(c, s);
		}
	}
}

struct message {
	node_conn conn;
	bool reply;
	bool hangup; /* the other end is gone */
	unsigned int slot;
	enum engine_op_type type;
	bool completes;
	struct node_action act; /* data is the arena's */
};

struct held_message {
	struct held_message *next;
	const struct message *msg;
};

static void message_arrives(void *ctx, uint64_t a, uint64_t b);

void client_continue(struct client *c)
{
	struct held_message *h = c->waiting;

	c->waiting = c->waiting_last = NULL;
	for (; h; h = h->next) {
		message_arrives(c, (uint64_t)(uintptr_t)h->msg, 0);
	}
}

static void send_to_client(struct client *c, const struct message *msg)
{
	uint64_t at = world_now(c->w) + draw(c, 1, c->w->config.ipc_us_max);

	/* One stream per connection. */
	if (at < c->told_us) {
		at = c->told_us;
	}
	c->told_us = at;
	timeline_in(&c->w->timeline, at - world_now(c->w), message_arrives, c,
		    (uint64_t)(uintptr_t)arena_copy(&c->w->arena, msg, sizeof(*msg)), 0);
}

/* --- life ---------------------------------------------------------------------------------- */

static void restart_later(void *ctx, uint64_t life, uint64_t b)
{
	struct client *c = ctx;

	(void)b;
	if (c->life == life && !c->alive && admin_host_on(c->w, c->host)) {
		client_start(c);
	}
}

void client_kill(struct client *c, const char *why)
{
	node_conn conn = c->conn;

	if (!c->alive) {
		return;
	}
	story_tell(c->w, "client %u of node %u: dies, %s", c->index, c->host + 1, why);
	c->alive = false;
	client_forget(c);
	c->conn = 0;
	c->state = CLIENT_IDLE;
	if (conn != 0) {
		struct request closed = { .type = REQUEST_CLOSE, .conn = conn };
		struct request gone = { .type = REQUEST_KILLED, .conn = conn };
		struct simnode *n = &c->w->nodes[c->host];

		/* The end of the connection and the end of the process are two descriptors. */
		if (chance(c, 500)) {
			simnode_request(n, &closed);
			simnode_request(n, &gone);
		} else {
			simnode_request(n, &gone);
			simnode_request(n, &closed);
		}
	}
	if (!c->w->config.manual_clients) {
		timeline_in(&c->w->timeline, draw(c, 10000, 2000000), restart_later, c, c->life, 0);
	}
}

void client_disconnected(struct client *c)
{
	if (c->alive && c->conn != 0) {
		/* What the daemon had written is still read; then the connection ends. */
		const struct message hangup = { .conn = c->conn, .hangup = true };

		send_to_client(c, &hangup);
	}
}

struct client *client_by_conn(struct world *w, node_conn conn)
{
	for (unsigned int i = 0; i < w->clients_count; i++) {
		if (w->clients[i].alive && w->clients[i].conn == conn && conn != 0) {
			return &w->clients[i];
		}
	}
	return NULL;
}

bool client_gains(struct world *w, const struct node_action *act)
{
	const struct client *c = client_by_conn(w, act->conn);

	for (unsigned int i = 0; c && i < CLIENT_SLOTS; i++) {
		if (c->slots[i].state != SLOT_FREE && c->slots[i].lkid == act->lkid) {
			return act->mode > c->slots[i].mode;
		}
	}
	return false;
}

bool client_done(const struct client *c)
{
	for (unsigned int i = 0; i < CLIENT_SLOTS; i++) {
		if (c->slots[i].state != SLOT_FREE) {
			return false;
		}
	}
	return true;
}

/* --- to the daemon ------------------------------------------------------------------------- */

struct posted {
	struct simnode *node;
	uint32_t serial;
	struct request request;
};

static void posted_arrives(void *ctx, uint64_t a, uint64_t b)
{
	struct posted *p = ctx;

	(void)a;
	(void)b;
	if (p->node->running && p->node->serial == p->serial) {
		simnode_request(p->node, &p->request);
	}
}

/* A fixed delay per client keeps what it sends in order. */
static void post(struct client *c, const struct request *r)
{
	struct simnode *n = &c->w->nodes[c->host];
	struct posted *p = arena_alloc(&c->w->arena, sizeof(*p));

	p->node = n;
	p->serial = n->serial;
	p->request = *r;
	timeline_in(&c->w->timeline, 1 + c->index % 7 * c->w->config.ipc_us_max / 7, posted_arrives, p,
		    0, 0);
}

void client_post(struct client *c, const struct request *r)
{
	post(c, r);
}

void client_open(struct client *c, unsigned int space, bool create)
{
	ls_assert(c->alive);
	ls_assert(c->conn == 0);
	c->conn = ++c->w->conn_next;
	c->state = CLIENT_OPENING;
	c->space = space;
	post(c, &(struct request){ .type = REQUEST_OPEN, .conn = c->conn, .client = c, .space = space,
				   .create = create });
}

void client_close(struct client *c)
{
	story_tell(c->w, "client %u of node %u: closes conn %llu", c->index, c->host + 1,
		   (unsigned long long)c->conn);
	client_forget(c);
	if (c->conn != 0) {
		post(c, &(struct request){ .type = REQUEST_CLOSE, .conn = c->conn });
	}
	c->conn = 0;
	c->state = CLIENT_IDLE;
}

static void submit(struct client *c, unsigned int slot, struct node_submit op)
{
	post(c, &(struct request){ .type = REQUEST_SUBMIT, .conn = c->conn, .client = c, .slot = slot,
				   .op = op });
}

static uint32_t timeout_of(struct client *c, uint32_t flags)
{
	return flags & LOCKSTEP_LKF_TIMEOUT ? (uint32_t)draw(c, 1, 300) : 0;
}

static const uint8_t *lvb_buffer(struct client *c, struct slot *s, bool writes)
{
	uint8_t *lvb = arena_alloc(&c->w->arena, SIM_LVB_LEN);

	if (writes) {
		s->write = checker_lvb_write(c->w, c, s);
		checker_lvb_encode(s->write, lvb);
	}
	return lvb;
}

static const char *mode_name(int mode)
{
	static const char *const names[] = { "--", "NL", "CR", "CW", "PR", "PW", "EX" };

	return mode >= -1 && mode <= 5 ? names[mode + 1] : "??";
}

void client_lock(struct client *c, unsigned int slot, unsigned int resource, uint8_t mode, uint32_t flags)
{
	struct slot *s = &c->slots[slot];
	char name[16];
	int len = snprintf(name, sizeof(name), "r%u", resource);

	ls_assert(s->state == SLOT_FREE);
	*s = (struct slot){ .state = SLOT_ASKED, .space = c->space, .resource = resource, .flags = flags,
			    .asked = mode, .mode = -1, .believed = -1, .since_us = world_now(c->w),
			    .read_since_us = world_now(c->w) };
	story_tell(c->w, "client %u of node %u: asks for r%u %s flags %#x", c->index, c->host + 1, resource,
		   mode_name(mode), flags);
	submit(c, slot, (struct node_submit){
				.type = ENGINE_OP_LOCK,
				.mode = mode,
				.has_bast = true,
				.flags = flags,
				.timeout_cs = timeout_of(c, flags),
				.name = arena_copy(&c->w->arena, name, (size_t)len),
				.name_len = (size_t)len,
				.lvb = flags & LOCKSTEP_LKF_VALBLK ? lvb_buffer(c, s, false) : NULL,
				.lvb_len = flags & LOCKSTEP_LKF_VALBLK ? SIM_LVB_LEN : 0,
			});
}

/* R-LVB-1: a transition that writes. */
static bool conversion_writes(int8_t from, uint8_t to)
{
	return (from == LOCKSTEP_LOCK_PW && to <= LOCKSTEP_LOCK_PW) || from == LOCKSTEP_LOCK_EX;
}

void client_convert(struct client *c, unsigned int slot, uint8_t mode, uint32_t flags)
{
	struct slot *s = &c->slots[slot];
	bool writes;
	int8_t least;

	ls_assert(s->state == SLOT_HELD);
	writes = (flags & LOCKSTEP_LKF_VALBLK) && !(flags & LOCKSTEP_LKF_IVVALBLK) &&
		 conversion_writes(s->mode, mode);
	if (flags & LOCKSTEP_LKF_IVVALBLK) {
		checker_lvb_spoilt(c->w, s);
	}
	s->state = SLOT_ASKED;
	s->converting = true;
	s->held = true;
	s->flags = flags;
	s->asked = mode;
	s->since_us = s->read_since_us = world_now(c->w);
	least = mode_meet(s->mode, (int8_t)mode);
	if (flags & LOCKSTEP_LKF_CONVDEADLK) {
		least = LOCKSTEP_LOCK_NL;
	}
	if (flags & LOCKSTEP_LKF_ALTPR) {
		least = mode_meet(least, LOCKSTEP_LOCK_PR);
	}
	if (flags & LOCKSTEP_LKF_ALTCW) {
		least = mode_meet(least, LOCKSTEP_LOCK_CW);
	}
	story_tell(c->w, "client %u of node %u: converts r%u lkid %u %s to %s flags %#x", c->index,
		   c->host + 1, s->resource, s->lkid, mode_name(s->mode), mode_name(mode), flags);
	believe(c, s, least);
	submit(c, slot, (struct node_submit){
				.type = ENGINE_OP_CONVERT,
				.mode = mode,
				.has_bast = true,
				.flags = flags | LOCKSTEP_LKF_CONVERT,
				.timeout_cs = timeout_of(c, flags),
				.lkid = s->lkid,
				.lvb = flags & LOCKSTEP_LKF_VALBLK ? lvb_buffer(c, s, writes) : NULL,
				.lvb_len = flags & LOCKSTEP_LKF_VALBLK ? SIM_LVB_LEN : 0,
			});
}

void client_unlock(struct client *c, unsigned int slot, uint32_t flags)
{
	struct slot *s = &c->slots[slot];
	bool writes = (flags & LOCKSTEP_LKF_VALBLK) && s->state == SLOT_HELD &&
		      s->mode >= LOCKSTEP_LOCK_PW && !(flags & LOCKSTEP_LKF_IVVALBLK);

	ls_assert(s->state == SLOT_HELD || s->state == SLOT_QUEUED);
	s->unlocking = true;
	if (flags & LOCKSTEP_LKF_IVVALBLK) {
		checker_lvb_spoilt(c->w, s);
	}
	story_tell(c->w, "client %u of node %u: unlocks r%u lkid %u %s flags %#x", c->index, c->host + 1,
		   s->resource, s->lkid, mode_name(s->mode), flags);
	believe(c, s, -1);
	submit(c, slot, (struct node_submit){
				.type = ENGINE_OP_UNLOCK,
				.flags = flags,
				.lkid = s->lkid,
				.lvb = flags & LOCKSTEP_LKF_VALBLK ? lvb_buffer(c, s, writes) : NULL,
				.lvb_len = flags & LOCKSTEP_LKF_VALBLK ? SIM_LVB_LEN : 0,
			});
}

void client_cancel(struct client *c, unsigned int slot)
{
	struct slot *s = &c->slots[slot];

	ls_assert(s->state == SLOT_QUEUED);
	s->cancelling = true;
	s->cancel_replied = false;
	story_tell(c->w, "client %u of node %u: cancels r%u lkid %u", c->index, c->host + 1, s->resource,
		   s->lkid);
	submit(c, slot, (struct node_submit){ .type = ENGINE_OP_CANCEL, .flags = LOCKSTEP_LKF_CANCEL,
					      .lkid = s->lkid });
}

void client_adopt(struct client *c, unsigned int slot, unsigned int resource, uint8_t mode)
{
	struct slot *s = &c->slots[slot];
	char name[16];
	int len = snprintf(name, sizeof(name), "r%u", resource);

	ls_assert(s->state == SLOT_FREE);
	*s = (struct slot){ .state = SLOT_ASKED, .adopting = true, .space = c->space, .resource = resource,
			    .asked = mode, .mode = -1, .believed = -1, .since_us = world_now(c->w),
			    .read_since_us = world_now(c->w) };
	story_tell(c->w, "client %u of node %u: adopts r%u %s", c->index, c->host + 1, resource, mode_name(mode));
	orphans_asked_for(c->w, c->host, c->space, (int)resource, mode);
	submit(c, slot, (struct node_submit){
				.type = ENGINE_OP_ADOPT,
				.mode = mode,
				.has_bast = true,
				.flags = LOCKSTEP_LKF_ORPHAN,
				.tag = slot,
				.name = arena_copy(&c->w->arena, name, (size_t)len),
				.name_len = (size_t)len,
			});
}

void client_purge(struct client *c, unsigned int host)
{
	story_tell(c->w, "client %u of node %u: purges orphans of node %u", c->index, c->host + 1, host + 1);
	world_mark(c->w, MARK_PURGE);
	orphans_gone(c->w, host, c->space);
	if (c->purging && (c->purge_host != host || c->purge_space != c->space)) {
		c->w->orphans_unsure[c->purge_host][c->purge_space] = true;
	}
	c->purging = true;
	c->purge_host = host;
	c->purge_space = c->space;
	c->purge_us = world_now(c->w);
	submit(c, 0, (struct node_submit){ .type = ENGINE_OP_PURGE, .purge_nodeid = host + 1 });
}

/* --- from the daemon ----------------------------------------------------------------------- */

void client_tell(struct world *w, const struct node_action *act)
{
	struct client *c = client_by_conn(w, act->conn);

	if (!c) {
		return;
	}
	if (act->type == NODE_ACTION_LOST) {
		/* Whatever it had goes from the table some time after this. */
		for (unsigned int i = 0; i < CLIENT_SLOTS; i++) {
			if (c->slots[i].state != SLOT_FREE) {
				checker_lock_orphaned(w, &c->slots[i]);
			}
		}
	}
	struct message msg = { .conn = act->conn, .act = *act };

	msg.act.data = act->data ? arena_copy(&w->arena, act->data, act->size) : NULL;
	send_to_client(c, &msg);
}

void client_reply(struct client *c, node_conn conn, unsigned int slot, enum engine_op_type type,
		  int status, uint32_t lkid, bool completes)
{
	const struct message msg = {
		.conn = conn,
		.reply = true,
		.slot = slot,
		.type = type,
		.completes = completes,
		.act = { .status = status, .lkid = lkid },
	};

	if (c->alive && c->conn == conn) {
		send_to_client(c, &msg);
	}
}

static void reply_arrives(struct client *c, const struct message *msg)
{
	struct slot *s = &c->slots[msg->slot];
	int e = msg->act.status;

	if (e != 0) {
		story_tell(c->w, "client %u of node %u: %s of r%u refused: errno %d", c->index, c->host + 1,
			   engine_op_type_name(msg->type), s->resource, e);
	}
	switch (msg->type) {
	case ENGINE_OP_LOCK:
		if (e != 0) {
			slot_clear(c, s);
			return;
		}
		s->lkid = msg->act.lkid;
		s->state = SLOT_QUEUED;
		return;
	case ENGINE_OP_ADOPT:
		if (e != 0) {
			slot_clear(c, s);
		}
		return;
	case ENGINE_OP_CONVERT:
		if (e == 0) {
			s->state = SLOT_QUEUED;
			return;
		}
		if (s->write) {
			checker_lvb_not_written(c->w, s->write);
			s->write = NULL;
		}
		s->state = SLOT_HELD;
		s->converting = false;
		/* Nothing was sent: the lock is what it was. */
		believe(c, s, s->mode);
		return;
	case ENGINE_OP_UNLOCK:
		if (e == 0) {
			return;
		}
		s->unlocking = false;
		if (s->write && !s->converting) {
			checker_lvb_not_written(c->w, s->write);
			s->write = NULL;
		}
		if (s->state == SLOT_HELD) {
			believe(c, s, s->mode);
		} else if (e != EBUSY && e != EINVAL && e != EAGAIN && e != ENOTCONN &&
			   e != ENOENT) {
			world_fail(c->w, "client %u: unlock of queued lkid %u: errno %d", c->index,
				   s->lkid, e);
		}
		return;
	case ENGINE_OP_CANCEL:
		/* R-CAN-3: a cancel that finds a granted lock has no completion. */
		if (e != 0 || !msg->completes || s->state != SLOT_QUEUED) {
			s->cancelling = false;
		}
		s->cancel_replied = true;
		return;
	default:
		return;
	}
}

static struct slot *slot_by_lkid(struct client *c, uint32_t lkid)
{
	for (unsigned int i = 0; i < CLIENT_SLOTS; i++) {
		if (c->slots[i].state != SLOT_FREE && c->slots[i].lkid == lkid) {
			return &c->slots[i];
		}
	}
	return NULL;
}

static bool mode_possible(const struct slot *s, int8_t mode)
{
	return mode == (int8_t)s->asked || ((s->flags & LOCKSTEP_LKF_ALTPR) && mode == LOCKSTEP_LOCK_PR) ||
	       ((s->flags & LOCKSTEP_LKF_ALTCW) && mode == LOCKSTEP_LOCK_CW);
}

static void granted(struct client *c, struct slot *s, const struct node_action *act)
{
	int8_t from = s->mode;

	world_mark(c->w, MARK_GRANT);
	if (s->state != SLOT_QUEUED) {
		world_fail(c->w, "client %u: granted lkid %u, but nothing was asked", c->index, act->lkid);
		return;
	}
	if (!mode_possible(s, act->mode)) {
		world_fail(c->w, "client %u: asked for %s, granted %s", c->index, mode_name(s->asked),
			   mode_name(act->mode));
		return;
	}
	if (s->write) {
		checker_lvb_written(c->w, s, s->write);
		s->write = NULL;
	}
	if (s->cancel_replied) {
		s->cancelling = false;
	}
	s->state = SLOT_HELD;
	s->converting = false;
	s->mode = act->mode;
	s->since_us = world_now(c->w);
	checker_granted(c->w, c, s, from, act);
	recovery_client_granted(c, act, s->token);
	s->token = act->token;
	if (!s->unlocking) {
		believe(c, s, s->mode);
	}
}

/* An attempt has ended without a grant. */
static void refused(struct client *c, struct slot *s, const struct node_action *act)
{
	if (s->state != SLOT_QUEUED) {
		world_fail(c->w, "client %u: status %d for lkid %u, but nothing was asked", c->index,
			   act->status, act->lkid);
		return;
	}
	if (s->write) {
		checker_lvb_not_written(c->w, s->write);
		s->write = NULL;
	}
	s->cancelling = false;
	if (!s->converting) {
		slot_clear(c, s);
		return;
	}
	s->state = SLOT_HELD;
	s->converting = false;
	/* A demoted lock stays at NL. */
	if (act->mode != s->mode &&
	    !(act->mode == LOCKSTEP_LOCK_NL && (s->flags & LOCKSTEP_LKF_CONVDEADLK))) {
		world_fail(c->w, "client %u: status %d left lkid %u at %s, it was %s", c->index,
			   act->status, act->lkid, mode_name(act->mode), mode_name(s->mode));
		return;
	}
	s->mode = act->mode;
	s->since_us = world_now(c->w);
	if (!s->unlocking) {
		believe(c, s, s->mode);
	}
}

static void cast_arrives(struct client *c, const struct node_action *act)
{
	struct slot *s = slot_by_lkid(c, act->lkid);

	story_tell(c->w, "client %u of node %u: lkid %u r%u status %d mode %s token %llu flags %#x",
		   c->index, c->host + 1, act->lkid, s ? s->resource : 0, act->status,
		   mode_name(act->mode), (unsigned long long)act->token, act->sb_flags);
	if (!s) {
		world_fail(c->w, "client %u: completion for lkid %u, which has ended", c->index, act->lkid);
		return;
	}
	/* One session's ops are applied in order: a later one has its verdict, so the purge is over. */
	if (s->state == SLOT_QUEUED && !s->converting && s->since_us > c->purge_us) {
		c->purging = false;
	}
	switch (act->status) {
	case 0:
		granted(c, s, act);
		break;
	case LOCKSTEP_EUNLOCK:
		world_mark(c->w, MARK_UNLOCKED);
		if (!s->unlocking) {
			world_fail(c->w, "client %u: lkid %u unlocked, but nobody asked", c->index,
				   act->lkid);
			return;
		}
		if (s->write) {
			checker_lvb_written(c->w, s, s->write);
		}
		slot_clear(c, s);
		break;
	case LOCKSTEP_ECANCEL:
		world_mark(c->w, MARK_CANCELLED);
		if (!s->cancelling) {
			world_fail(c->w, "client %u: lkid %u cancelled, but nobody asked", c->index,
				   act->lkid);
			return;
		}
		refused(c, s, act);
		break;
	case ETIMEDOUT:
		if (!(s->flags & LOCKSTEP_LKF_TIMEOUT)) {
			world_fail(c->w, "client %u: lkid %u timed out, but no limit was named", c->index, act->lkid);
			return;
		}
		world_mark(c->w, MARK_TIMED_OUT);
		refused(c, s, act);
		break;
	case EDEADLK:
		/* (Conversion deadlocks are found at once, others by a search.) */
		if (!s->converting) {
			world_mark(c->w, MARK_VICTIM);
		}
		if (s->flags & LOCKSTEP_LKF_NODLCKWT && !s->converting) {
			world_fail(c->w, "client %u: lkid %u is the victim of a search it does not take part in",
				   c->index, act->lkid);
			return;
		}
		world_mark(c->w, MARK_REFUSAL);
		refused(c, s, act);
		break;
	case EAGAIN:
		world_mark(c->w, MARK_REFUSAL);
		refused(c, s, act);
		break;
	default:
		world_fail(c->w, "client %u: lkid %u completed with status %d", c->index, act->lkid,
			   act->status);
		break;
	}
}

/* The verdict of an adoption (R-ORPH-3). */
static void adopted(struct client *c, const struct node_action *act)
{
	struct slot *s = &c->slots[act->value];

	story_tell(c->w, "client %u of node %u: adoption of r%u: errno %d, lkid %u", c->index, c->host + 1,
		   s->resource, act->status, act->lkid);
	if (s->state != SLOT_ASKED || !s->adopting) {
		world_fail(c->w, "client %u: answer to an adoption, but nothing was asked", c->index);
		return;
	}
	if (act->status != 0) {
		world_mark(c->w, MARK_ADOPT_REFUSED);
		if (act->status != ENOENT && act->status != EAGAIN && act->status != ENOTCONN) {
			world_fail(c->w, "client %u: adoption refused: errno %d", c->index, act->status);
		}
		slot_clear(c, s);
		return;
	}
	world_mark(c->w, MARK_ADOPTED);
	s->state = SLOT_HELD;
	s->adopting = false;
	s->lkid = act->lkid;
	s->mode = (int8_t)s->asked;
	s->token = act->token;
	s->since_us = world_now(c->w);
	checker_adopted(c->w, s);
	believe(c, s, s->mode);
}

static void react_to_loss(void *ctx, uint64_t life, uint64_t conn)
{
	struct client *c = ctx;

	if (!c->alive || c->life != life || c->state != CLIENT_LOST || c->conn != conn) {
		return;
	}
	if (c->stopped) {
		timeline_in(&c->w->timeline, 10000, react_to_loss, c, life, conn);
		return;
	}
	/* A well-behaved program stops what the locks protected, then it closes. */
	if (chance(c, 500)) {
		client_kill(c, "its session is lost");
	} else {
		client_close(c);
	}
}

static void message_arrives(void *ctx, uint64_t a, uint64_t b)
{
	struct client *c = ctx;
	const struct message *msg = (const struct message *)(uintptr_t)a;
	const struct node_action *act = &msg->act;

	(void)b;
	/* What a daemon had written before it died is still read, except by whom is dead himself; the
	 * connection number is gone then, so nothing of it is looked at here. */
	if (!c->alive || c->conn != msg->conn) {
		return;
	}
	if (c->stopped) {
		struct held_message *h = arena_alloc(&c->w->arena, sizeof(*h));

		h->msg = msg;
		if (c->waiting_last) {
			c->waiting_last->next = h;
		} else {
			c->waiting = h;
		}
		c->waiting_last = h;
		return;
	}
	if (msg->hangup) {
		/* It may go on believing: nobody has said that its locks are gone. */
		c->conn = 0;
		c->state = CLIENT_LOST;
		return;
	}
	if (msg->reply) {
		if (c->state == CLIENT_READY) {
			reply_arrives(c, msg);
		}
		return;
	}
	switch (act->type) {
	case NODE_ACTION_READY:
		if (c->state != CLIENT_OPENING) {
			world_fail(c->w, "client %u: ready twice", c->index);
		} else if (act->status != 0) {
			story_tell(c->w, "client %u of node %u: session refused: errno %d", c->index,
				   c->host + 1, act->status);
			world_mark(c->w, MARK_SESSION_FAILED);
			c->conn = 0;
			c->state = CLIENT_IDLE;
			c->failures++;
		} else {
			story_tell(c->w, "client %u of node %u: conn %llu is ready", c->index, c->host + 1,
				   (unsigned long long)c->conn);
			world_mark(c->w, MARK_SESSION);
			c->state = CLIENT_READY;
			c->failures = 0;
			if (act->value != SIM_LVB_LEN) {
				world_fail(c->w, "client %u: LVB length %u", c->index, act->value);
			}
			recovery_client_ready(c);
		}
		break;
	case NODE_ACTION_CAST:
		if (c->state == CLIENT_READY) {
			cast_arrives(c, act);
		} else {
			world_fail(c->w, "client %u: completion in state %d", c->index, (int)c->state);
		}
		break;
	case NODE_ACTION_REPLY:
		if (c->state == CLIENT_READY) {
			adopted(c, act);
		}
		break;
	case NODE_ACTION_PREP:
	case NODE_ACTION_SLOT:
	case NODE_ACTION_DONE:
		recovery_client_told(c, act);
		break;
	case NODE_ACTION_BAST:
		world_mark(c->w, MARK_BAST);
		if (c->state == CLIENT_READY && !slot_by_lkid(c, act->lkid)) {
			world_fail(c->w, "client %u: BAST for lkid %u, which has ended", c->index,
				   act->lkid);
		}
		break;
	case NODE_ACTION_LOST:
		story_tell(c->w, "client %u of node %u: told that conn %llu is lost", c->index,
			   c->host + 1, (unsigned long long)c->conn);
		world_mark(c->w, MARK_LOST);
		c->state = CLIENT_LOST;
		if (c->w->config.react_us_max > 0) {
			timeline_in(&c->w->timeline, draw(c, 1, c->w->config.react_us_max),
				    react_to_loss, c, c->life, c->conn);
		}
		break;
	default:
		break;
	}
}

/* --- by themselves -------------------------------------------------------------------------- */

static uint8_t random_mode(struct client *c)
{
	static const uint8_t often[] = { 5, 5, 5, 5, 3, 3, 3, 4, 4, 2, 1, 0 };

	return often[prng_below(&c->w->prng, sizeof(often))];
}

static uint32_t random_flags(struct client *c, bool convert, uint8_t mode, int8_t from)
{
	uint32_t flags = 0;

	if (chance(c, c->w->config.lvb_per_mille)) {
		flags |= LOCKSTEP_LKF_VALBLK;
	}
	if (chance(c, c->w->config.noqueue_per_mille)) {
		flags |= LOCKSTEP_LKF_NOQUEUE;
		if (chance(c, 300)) {
			flags |= LOCKSTEP_LKF_NOQUEUEBAST;
		}
	}
	/* At the head of the convert queue one can wait for somebody who waits behind (R-GR-1 line 7),
	 * and only the owner can end that. */
	if (!convert && chance(c, 60)) {
		flags |= LOCKSTEP_LKF_HEADQUE;
	}
	if (chance(c, 60)) {
		flags |= LOCKSTEP_LKF_NOORDER;
	}
	if (chance(c, c->w->config.orphan_per_mille)) {
		flags |= LOCKSTEP_LKF_PERSISTENT;
	}
	if (!(flags & LOCKSTEP_LKF_NOQUEUE) && chance(c, c->w->config.timeout_per_mille)) {
		flags |= LOCKSTEP_LKF_TIMEOUT;
		/* No search ends its wait: time does. */
		flags |= chance(c, 300) ? LOCKSTEP_LKF_NODLCKWT : 0;
	}
	/* From PW and EX an alternate mode would make a conversion one that writes. */
	if (from < LOCKSTEP_LOCK_PW && chance(c, 60)) {
		flags |= chance(c, 500) ? LOCKSTEP_LKF_ALTPR : LOCKSTEP_LKF_ALTCW;
	}
	if (convert) {
		if (chance(c, 100) && !(flags & LOCKSTEP_LKF_NOQUEUE)) {
			flags |= LOCKSTEP_LKF_CONVDEADLK;
		}
		if (chance(c, 100) && engine_quecvt_legal(from, mode)) {
			flags |= LOCKSTEP_LKF_QUECVT;
		}
		if (chance(c, 30)) {
			flags |= LOCKSTEP_LKF_IVVALBLK;
		}
	} else if (mode == LOCKSTEP_LOCK_NL && !(flags & LOCKSTEP_LKF_NOQUEUE) && chance(c, 300)) {
		flags |= LOCKSTEP_LKF_EXPEDITE;
	}
	return flags;
}

/* Gives back what it has; waits for what it asked for. True when it did something. */
static bool drain_one(struct client *c)
{
	for (unsigned int i = 0; i < CLIENT_SLOTS; i++) {
		struct slot *s = &c->slots[i];

		if (s->state == SLOT_HELD && !s->unlocking) {
			client_unlock(c, i, 0);
			return true;
		}
	}
	if (c->w->config.orphan_per_mille > 0) {
		client_purge(c, (unsigned int)prng_below(&c->w->prng, c->w->config.cpg.hosts));
	}
	return false;
}

static void slot_act(struct client *c, unsigned int i)
{
	struct slot *s = &c->slots[i];
	const struct world_config *config = &c->w->config;
	uint64_t age = world_now(c->w) - s->since_us;

	switch (s->state) {
	case SLOT_FREE: {
		uint8_t mode = random_mode(c);

		if (config->orphan_per_mille > 0 && chance(c, 100)) {
			client_adopt(c, i, (unsigned int)prng_below(&c->w->prng, config->resources), mode);
			break;
		}
		if (config->orphan_per_mille > 0 && chance(c, 10)) {
			client_purge(c, (unsigned int)prng_below(&c->w->prng, config->cpg.hosts));
			break;
		}

		client_lock(c, i, (unsigned int)prng_below(&c->w->prng, config->resources), mode,
			    random_flags(c, false, mode, -1));
		break;
	}
	case SLOT_ASKED:
		break;
	case SLOT_QUEUED:
		if (s->unlocking || s->cancelling) {
			break;
		}
		/* Waiting long: other resources of its own may be in somebody's way. */
		if (age > config->hold_us_max * 4ull || chance(c, config->cancel_per_mille)) {
			if (chance(c, 100)) {
				client_unlock(c, i, LOCKSTEP_LKF_FORCEUNLOCK);
			} else if (chance(c, 100)) {
				client_unlock(c, i, 0);
			} else {
				client_cancel(c, i);
			}
		}
		break;
	case SLOT_HELD:
		if (s->unlocking || s->cancelling || age < draw(c, 0, config->hold_us_max)) {
			break;
		}
		if (chance(c, config->convert_per_mille)) {
			uint8_t mode = random_mode(c);

			client_convert(c, i, mode, random_flags(c, true, mode, s->mode));
		} else {
			client_unlock(c, i, (chance(c, config->lvb_per_mille) ? LOCKSTEP_LKF_VALBLK : 0) |
						    (chance(c, 30) ? LOCKSTEP_LKF_IVVALBLK : 0));
		}
		break;
	}
}

static void client_act(void *ctx, uint64_t life, uint64_t b)
{
	struct client *c = ctx;
	struct world *w = c->w;
	uint64_t think = draw(c, 1, w->config.think_us_max);

	(void)b;
	if (!c->alive || c->life != life) {
		return;
	}
	if (c->stopped) {
		timeline_in(&w->timeline, think, client_act, c, life, 0);
		return;
	}
	if (c->state == CLIENT_IDLE && c->conn == 0 && w->nodes[c->host].running &&
	    (!w->draining || w->config.orphan_per_mille > 0)) {
		client_open(c, (unsigned int)prng_below(&w->prng, w->config.spaces), chance(c, 500));
		think += 20000;
	} else if (c->state == CLIENT_IDLE) {
		think += 100000;
	} else if (c->state == CLIENT_READY && w->draining) {
		if (!drain_one(c)) {
			think += 20000;
		}
	} else if (c->state == CLIENT_READY && chance(c, w->config.close_per_mille)) {
		client_close(c);
	} else if (c->state == CLIENT_READY) {
		slot_act(c, (unsigned int)prng_below(&w->prng, CLIENT_SLOTS));
	}
	timeline_in(&w->timeline, think, client_act, c, life, 0);
}
