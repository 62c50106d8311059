/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "plugin/engine/engine.h"
#include "plugin/node/wire.h"
#include "tests/sim/admin.h"
#include "tests/sim/world.h"

struct lvb_write {
	struct lvb_write *next;
	uint64_t value;
	uint64_t interval;
	int8_t held; /* the writer's mode */
	uint64_t sent_us;
	uint64_t told_us;
	bool told;
	bool failed;
};

void checker_init(struct world *w)
{
	struct checker *k = &w->checker;

	memset(k, 0, sizeof(*k));
	k->slow_index = k->formed_index = SIZE_MAX;
	k->known_size = 1024;
	k->known = arena_alloc(&w->arena, k->known_size * sizeof(*k->known));
}

static struct checked_resource *resource_of(struct world *w, const struct slot *s)
{
	return &w->checker.resources[s->space][s->resource];
}

/* --- mutual exclusion ----------------------------------------------------------------------- */

/* R-MODE-1 once more, written as who excludes whom: bit b of row a. */
bool checker_modes_exclude(int8_t a, int8_t b)
{
	static const uint8_t rows[6] = {
		0,                                  /* NL */
		1u << 5,                            /* CR: EX */
		1u << 3 | 1u << 4 | 1u << 5,        /* CW: PR PW EX */
		1u << 2 | 1u << 4 | 1u << 5,        /* PR: CW PW EX */
		1u << 2 | 1u << 3 | 1u << 4 | 1u << 5, /* PW: CW PR PW EX */
		0x3e,                               /* EX: all but NL */
	};

	return rows[a] & 1u << b;
}

static void live_change(struct world *w, const struct slot *s)
{
	struct checked_resource *r = resource_of(w, s);
	unsigned int live = 0;

	for (unsigned int i = 0; i < w->clients_count; i++) {
		for (unsigned int j = 0; j < CLIENT_SLOTS; j++) {
			const struct slot *o = &w->clients[i].slots[j];

			live += w->clients[i].alive && !unfenced_client(&w->clients[i]) && o->state != SLOT_FREE && o->believed >= 0 &&
				o->space == s->space && o->resource == s->resource;
		}
	}
	if ((live == 0) != (r->live == 0)) {
		r->interval++;
	}
	r->live = live;
}

void checker_live_again(struct world *w, unsigned int space)
{
	for (unsigned int i = 0; i < w->config.resources; i++) {
		live_change(w, &(struct slot){ .space = space, .resource = i });
	}
}

void checker_belief(struct world *w, const struct client *c, const struct slot *s)
{
	live_change(w, s);
	if (s->believed < 0 || unfenced_client(c)) {
		return;
	}
	orphans_check(w, c, s);
	for (unsigned int i = 0; i < w->clients_count; i++) {
		const struct client *oc = &w->clients[i];

		for (unsigned int j = 0; j < CLIENT_SLOTS; j++) {
			const struct slot *o = &oc->slots[j];

			if (o != s && oc->alive && !unfenced_client(oc) && o->state != SLOT_FREE && o->believed >= 0 &&
			    o->space == s->space && o->resource == s->resource &&
			    checker_modes_exclude(o->believed, s->believed)) {
				world_fail(w,
					   "two clients hold r%u of %s: client %u of node %u mode %d "
					   "token %llu, client %u of node %u mode %d token %llu%s",
					   s->resource, sim_space_name(s->space), oc->index,
					   oc->host + 1, o->believed, (unsigned long long)o->token,
					   c->index, c->host + 1, s->believed,
					   (unsigned long long)s->token,
					   oc->state == CLIENT_LOST ? " (the first has lost its session"
								      " and lives on)"
								    : "");
				return;
			}
		}
	}
}

/* --- tokens and values ---------------------------------------------------------------------- */

static uint64_t pattern(uint64_t value, size_t word)
{
	return value * UINT64_C(0x9e3779b97f4a7c15) + word;
}

void checker_lvb_encode(const struct lvb_write *write, uint8_t *lvb)
{
	for (size_t i = 0; i < SIM_LVB_LEN / 8; i++) {
		uint64_t x = i == 0 ? write->value : pattern(write->value, i);

		memcpy(lvb + 8 * i, &x, 8);
	}
}

static bool lvb_decode(const uint8_t *lvb, uint64_t *ret_value)
{
	uint64_t value, x;

	memcpy(&value, lvb, 8);
	for (size_t i = 1; i < SIM_LVB_LEN / 8; i++) {
		memcpy(&x, lvb + 8 * i, 8);
		if (x != (value == 0 ? 0 : pattern(value, i))) {
			return false;
		}
	}
	*ret_value = value;
	return true;
}

struct lvb_write *checker_lvb_write(struct world *w, const struct client *c, const struct slot *s)
{
	struct checked_resource *r = resource_of(w, s);
	struct lvb_write *write = arena_alloc(&w->arena, sizeof(*write));

	(void)c;
	write->value = ++w->checker.values;
	write->interval = r->interval;
	write->held = s->mode;
	write->sent_us = world_now(w);
	if (r->writes_last) {
		r->writes_last->next = write;
	} else {
		r->writes = write;
	}
	r->writes_last = write;
	return write;
}

void checker_lvb_written(struct world *w, const struct slot *s, struct lvb_write *write)
{
	struct checked_resource *r = resource_of(w, s);

	write->told = true;
	write->told_us = world_now(w);
	world_mark(w, MARK_LVB_WRITE);
	if (r->spoilt && !r->spoilt_late && write->sent_us > r->spoilt_us) {
		r->spoilt = false;
		r->cleared_us = world_now(w);
	}
}

void checker_lvb_not_written(struct world *w, struct lvb_write *write)
{
	(void)w;
	write->failed = true;
}

static void spoil(struct world *w, struct checked_resource *r, bool late)
{
	r->spoilt = true;
	r->spoilt_late |= late;
	r->spoilt_us = world_now(w);
}

void checker_lvb_spoilt(struct world *w, const struct slot *s)
{
	spoil(w, resource_of(w, s), false);
}

void checker_lock_orphaned(struct world *w, const struct slot *s)
{
	if (s->mode >= LOCKSTEP_LOCK_PW || s->asked >= LOCKSTEP_LOCK_PW) {
		/* What was only asked for may be granted and taken away again later. */
		spoil(w, resource_of(w, s), s->mode < LOCKSTEP_LOCK_PW || s->state != SLOT_HELD ||
						    s->flags & LOCKSTEP_LKF_PERSISTENT);
	}
}

void checker_corrupted(struct world *w)
{
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		for (unsigned int i = 0; i < w->config.resources; i++) {
			spoil(w, &w->checker.resources[space][i], true);
		}
	}
}

/* A replica is gone: its node may be lost with locks that its clients had given back, since the others may
 * never have got the unlock (whose completion waits for nobody). */
void checker_host_spoils(struct world *w, unsigned int host, unsigned int space)
{
	for (unsigned int i = 0; i < w->config.resources; i++) {
		struct checked_resource *r = &w->checker.resources[space][i];

		if (r->writers & 1u << host) {
			r->writers &= ~(1u << host);
			spoil(w, r, false);
		}
	}
}

static void value_check(struct world *w, const struct client *c, const struct slot *s,
			const struct node_action *act)
{
	struct checked_resource *r = resource_of(w, s);
	bool invalid = act->sb_flags & LOCKSTEP_SBF_VALNOTVALID;
	const struct lvb_write *certain = NULL;
	bool found = false, since_certain = false;
	uint64_t value;

	world_mark(w, invalid ? MARK_LVB_INVALID : MARK_LVB_READ);
	if (act->size != SIM_LVB_LEN || !lvb_decode(act->data, &value)) {
		world_fail(w, "client %u: lock value of r%u is torn or %zu bytes long", c->index,
			   s->resource, act->size);
		return;
	}
	if (invalid && !r->spoilt && r->cleared_us < s->read_since_us) {
		world_fail(w, "client %u: lock value of r%u is marked invalid, but no writer was lost",
			   c->index, s->resource);
		return;
	}
	/* Writers exclude each other, so values were stored in the order they were sent. */
	for (const struct lvb_write *write = r->writes; write; write = write->next) {
		/* A lock that its client has given back before it was told of it excludes nobody any more. */
		bool excludes = !s->unlocking && checker_modes_exclude(s->mode, write->held);
		uint64_t before = excludes ? world_now(w) : s->read_since_us;

		if (write->told && write->told_us <= before && write->interval == r->interval &&
		    r->live > 0) {
			certain = write;
			since_certain = false;
			found = false;
		}
		if (write->value == value) {
			found = true;
			since_certain = certain != NULL;
			if (write->failed) {
				world_fail(w, "client %u: lock value of r%u is that of a refused op",
					   c->index, s->resource);
				return;
			}
		}
	}
	if (value != 0 && !found && invalid) {
		for (const struct lvb_write *write = r->writes; write; write = write->next) {
			found |= write->value == value;
		}
	}
	if (value != 0 && !found && !certain) {
		world_fail(w, "client %u: lock value %llu of r%u, which nobody wrote", c->index,
			   (unsigned long long)value, s->resource);
	} else if (!invalid && certain && !since_certain) {
		world_fail(w,
			   "client %u of node %u: reads value %llu of r%u, but %llu was stored and its "
			   "writer told so %.3f ms ago",
			   c->index, c->host + 1, (unsigned long long)value, s->resource,
			   (unsigned long long)certain->value,
			   (double)(world_now(w) - certain->told_us) / 1000.0);
	}
}

void checker_granted(struct world *w, const struct client *c, const struct slot *s, int8_t from,
		     const struct node_action *act)
{
	struct checked_resource *r = resource_of(w, s);

	(void)from;
	if (act->token == 0) {
		world_fail(w, "client %u: grant of r%u without a token", c->index, s->resource);
		return;
	}
	if (unfenced_client(c)) {
		return; /* its lock was given to others: what it is told late is about the time before */
	}
	/* Of two conflicting grants the one told later was made later: the first had to go. */
	for (int8_t mode = 0; mode <= 5; mode++) {
		if (!s->unlocking && checker_modes_exclude(mode, s->mode) && r->token_of[mode] != s &&
		    act->token <= r->token_max[mode]) {
			world_fail(w,
				   "client %u of node %u: r%u mode %d granted with token %llu after a grant of "
				   "mode %d with token %llu",
				   c->index, c->host + 1, s->resource, s->mode,
				   (unsigned long long)act->token, mode,
				   (unsigned long long)r->token_max[mode]);
			return;
		}
	}
	if (act->token > r->token_max[s->mode]) {
		r->token_max[s->mode] = act->token;
		r->token_of[s->mode] = s;
	}
	if (s->mode >= LOCKSTEP_LOCK_PW) {
		r->writers |= 1u << c->host;
	}
	if (act->size > 0) {
		value_check(w, c, s, act);
	}
}

void checker_adopted(struct world *w, const struct slot *s)
{
	struct checked_resource *r = resource_of(w, s);

	for (int8_t mode = 0; mode <= 5; mode++) {
		if (r->token_max[mode] == s->token) {
			r->token_of[mode] = s;
		}
	}
}

/* --- replicas ------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t z = a * UINT64_C(0x9e3779b97f4a7c15) ^ b;

	z = (z ^ (z >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ (z >> 32);
}

static struct digest_known *known_at(struct checker *k, uint64_t key)
{
	size_t i = key & (k->known_size - 1);

	while (k->known[i].key != 0 && k->known[i].key != key) {
		i = (i + 1) & (k->known_size - 1);
	}
	return &k->known[i];
}

static void known_grow(struct world *w)
{
	struct checker *k = &w->checker;
	struct digest_known *old = k->known;
	size_t old_size = k->known_size;

	k->known_size *= 2;
	k->known = arena_alloc(&w->arena, k->known_size * sizeof(*k->known));
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].key != 0) {
			*known_at(k, old[i].key) = old[i];
		}
	}
}

/*
 * Equal history and seq is equal state, for those who go on together. A node that is about to be cut
 * off may differ from the others in its last ops although its history is still theirs; so what a node
 * has been since a view point is compared when it passes the next one, under the name of both.
 */
static void log_commit(struct world *w, unsigned int host, unsigned int space, uint64_t next)
{
	struct checker *k = &w->checker;
	struct digest_log *log = &k->logs[host][space];

	/* A flipped bit may be gone with its resource; what is the same at the view point may go on. */
	for (size_t i = w->corrupted && log->count > 0 ? log->count - 1 : 0; i < log->count; i++) {
		uint64_t key = mix(mix(mix(log->history, next), space), log->points[i].seq) | 1;
		struct digest_known *known = known_at(k, key);

		world_mark(w, MARK_DIGESTS);
		if (known->key == 0) {
			known->key = key;
			known->digest = log->points[i].digest;
			known->host = host;
			if (++k->known_count * 2 > k->known_size) {
				known_grow(w);
			}
		} else if (known->digest != log->points[i].digest) {
			world_fail(w,
				   "nodes %u and %u differ at seq %llu of history %016llx of %s, and both "
				   "went on",
				   known->host + 1, host + 1, (unsigned long long)log->points[i].seq,
				   (unsigned long long)log->history, sim_space_name(space));
			return;
		}
	}
	log->count = 0;
}

void checker_node_started(struct world *w, unsigned int host)
{
	for (unsigned int i = 0; i < SIM_SPACES_MAX; i++) {
		w->checker.logs[host][i].count = 0;
		w->checker.logs[host][i].history = 0;
		checker_host_spoils(w, host, i);
		orphans_gone(w, host, i);
		unfenced_node_stateless(w, host, i);
		w->moves[w->checker.state_of[host][i]][0] += w->checker.state_of[host][i] != 0;
		w->checker.state_of[host][i] = 0;
	}
	w->checker.slow_seen[host] = w->checker.formed_seen[host] = 0;
	recovery_node_started(w, host);
}

void checker_node_stopped(struct world *w, unsigned int host)
{
	checker_node_started(w, host);
}

/* Nobody who goes on in a lineage is sent what his feature level does not know (R-LVL-1). */
void checker_message(struct world *w, unsigned int host, const char *group, const struct cpg_event *ev)
{
	struct simnode *n = &w->nodes[host];
	struct cursor in = cursor_make(ev->data, ev->size);
	struct wire_header h;

	if (n->level_max >= FEATURE_LEVEL_DIGESTS || wire_header_decode(&in, &h) != 0 ||
	    h.type != WIRE_DIGEST) {
		return;
	}
	for (unsigned int i = 0; i < w->config.spaces; i++) {
		struct node_space_info info;
		const char *name = sim_space_name(i);
		size_t skip = strlen(group) - strlen(name);

		if (strlen(group) > strlen(name) && strcmp(group + skip, name) == 0 &&
		    simnode_space(n, i, &info) && info.ready && info.epoch == h.epoch) {
			world_fail(w, "node %u knows feature level %u and gets a digest of node %u", host + 1,
				   n->level_max, ev->nodeid);
		}
	}
}

void checker_node_stepped(struct world *w, unsigned int host)
{
	struct simnode *n = &w->nodes[host];

	recovery_node_stepped(w, host);
	for (unsigned int i = 0; i < w->config.spaces; i++) {
		struct digest_log *log = &w->checker.logs[host][i];
		struct node_space_info info;

		if (!simnode_space(n, i, &info) || !info.engine) {
			if (log->history != 0) {
				checker_host_spoils(w, host, i);
				recovery_node_stateless(w, host, i);
				unfenced_node_stateless(w, host, i);
			}
			log->count = 0;
			log->history = 0;
			continue;
		}
		if (w->config.fencing == NODE_FENCING_NONE) {
			unfenced_node_stepped(w, host, i, log->history != 0 && log->history != info.history);
		}
		if (log->history != info.history) {
			if (log->history != 0) {
				log_commit(w, host, i, info.history);
			}
			log->history = info.history;
		}
		uint64_t seq = engine_seq(info.engine);

		if (log->count > 0 && log->points[log->count - 1].seq == seq) {
			continue;
		}
		if (log->count == log->capacity) {
			size_t capacity = log->capacity ? 2 * log->capacity : 64;
			struct digest_point *points =
				arena_alloc(&w->arena, capacity * sizeof(*points));

			if (log->count > 0) {
				memcpy(points, log->points, log->count * sizeof(*points));
			}
			log->points = points;
			log->capacity = capacity;
		}
		log->points[log->count++] = (struct digest_point){ seq, engine_digest(info.engine) };
	}
}

const char *const checker_states[7] = { "absent",     "joining", "running", "stopped",
					"recovering", "lost",    "leaving" };

static void move_note(struct world *w, unsigned int host, unsigned int space)
{
	struct node_space_info info;
	unsigned int *state = &w->checker.state_of[host][space], now = 0;

	if (simnode_space(&w->nodes[host], space, &info)) {
		for (now = 6; now > 0 && strcmp(info.state, checker_states[now]) != 0; now--) {
		}
	}
	if (now < 2 || now > 4) {
		orphans_gone(w, host, space); /* absent, joining, lost, leaving */
	}
	if (now != *state) {
		w->moves[*state][now]++;
		*state = now;
	}
}

static uint64_t counter_of(struct world *w, unsigned int host, const char *wanted, size_t *index)
{
	uint64_t value = 0;

	if (*index == SIZE_MAX) {
		const char *name;

		for (*index = 0;; (*index)++) {
			name = node_counter_at(w->nodes[host].node, *index, &value);
			ls_assert(name);
			if (strcmp(name, wanted) == 0) {
				break;
			}
		}
	}
	(void)node_counter_at(w->nodes[host].node, *index, &value);
	return value;
}

/*
 * What clients were told is not always what goes on:
 *  - the slow way (R-VIEW-2) may be taken by a node that carries an older state when all that carried
 *    a newer one are gone. No lock is wrong then, but what was stored meanwhile is lost, so values are
 *    marked invalid;
 *  - with two_node each node may be the whole cluster for a while and keep its token reservations to
 *    itself (R-TOK-2), and so may half of the nodes with the vote of a quorum device: only the clocks tell who
 *    was later, and here all happens within seconds.
 */
static bool apart_in_turn(const struct world *w)
{
	return w->config.cpg.quorum == QUORUM_TWO_NODE ||
	       (w->config.cpg.quorum == QUORUM_DEVICE && w->config.cpg.hosts % 2 == 0);
}

static void lineage_check(struct world *w, unsigned int host)
{
	struct checker *k = &w->checker;
	uint64_t slow = counter_of(w, host, "view_points_slow", &k->slow_index);
	uint64_t formed = counter_of(w, host, "formed", &k->formed_index);
	bool slow_taken = slow > k->slow_seen[host];
	bool forget_tokens = (slow_taken || formed > k->formed_seen[host]) &&
			     apart_in_turn(w);

	if (formed > k->formed_seen[host] && w->formed_for_good) {
		world_fail(w, "node %u forms a lockspace again, but no carrier of its state was ever restarted",
			   host + 1);
	}
	k->slow_seen[host] = slow;
	k->formed_seen[host] = formed;
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		for (unsigned int i = 0; i < w->config.resources; i++) {
			struct checked_resource *r = &k->resources[space][i];

			if (slow_taken) {
				spoil(w, r, false);
			}
			if (forget_tokens) {
				memset(r->token_max, 0, sizeof(r->token_max));
			}
		}
	}
}

void checker_node_turned(struct world *w, unsigned int host)
{
	struct simnode *n = &w->nodes[host];

	lineage_check(w, host);
	for (unsigned int i = 0; i < w->config.spaces; i++) {
		move_note(w, host, i);
	}
	if (w->checker.turns++ % 8 != 0) {
		return;
	}
	const char *broken = node_check(n->node);

	if (broken) {
		world_fail(w, "node %u: %s", host + 1, broken);
	}
	/* Replicas that went on together and differ are a defect, although the node deals with it. */
	const char *name;
	uint64_t value;

	for (size_t i = 0; (name = node_counter_at(n->node, i, &value)); i++) {
		if (value > 0 && ((strcmp(name, "digest_mismatch") == 0 && !w->corrupted) ||
				  strcmp(name, "bad_messages") == 0 ||
				  (strcmp(name, "number_gaps") == 0 && w->marks[MARK_SWALLOWED] == 0))) {
			world_fail(w, "node %u counts %s", host + 1, name);
		}
	}
}

/* --- when all is well again ----------------------------------------------------------------- */

bool checker_healthy(struct world *w, char *why, size_t why_size)
{
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		uint64_t history = 0;

		for (unsigned int host = 0; host < w->config.cpg.hosts; host++) {
			struct simnode *n = &w->nodes[host];
			struct node_space_info info;

			if (!n->running || !simnode_space(n, space, &info)) {
				if (why) {
					(void)snprintf(why, why_size, "node %u has no %s", host + 1,
						       n->running ? sim_space_name(space) : "daemon");
				}
				return false;
			}
			if (!info.ready || strcmp(info.state, "running") != 0) {
				if (why) {
					(void)snprintf(why, why_size, "%s of node %u is %s%s: %s",
						       sim_space_name(space), host + 1, info.state,
						       info.ready ? "" : ", not ready", info.reason);
				}
				return false;
			}
			if (history != 0 && history != info.history) {
				if (why) {
					(void)snprintf(why, why_size, "%s has two histories",
						       sim_space_name(space));
				}
				return false;
			}
			history = info.history;
		}
	}
	return true;
}

uint64_t checker_incarnation(const struct simnode *n, unsigned int space)
{
	struct node_member_info members[64];
	size_t count = node_space_members(n->node, sim_space_name(space), members, 64);
	uint64_t incarnation = 0;

	for (size_t i = 0; i < count && i < 64; i++) {
		/* (The process before this one may still be listed.) */
		if (members[i].local && (incarnation == 0 || strcmp(members[i].state, "member") == 0)) {
			incarnation = members[i].incarnation;
		}
	}
	return incarnation;
}

void checker_locks_known(struct world *w)
{
	for (unsigned int i = 0; i < w->clients_count; i++) {
		const struct client *c = &w->clients[i];

		for (unsigned int j = 0; j < CLIENT_SLOTS; j++) {
			const struct slot *s = &c->slots[j];
			struct node_space_info info;
			struct engine_lock_info lock;

			if (!c->alive || c->state != CLIENT_READY || s->state != SLOT_HELD || s->unlocking) {
				continue;
			}
			uint64_t incarnation = checker_incarnation(&w->nodes[c->host], s->space);

			for (unsigned int host = 0; host < w->config.cpg.hosts; host++) {
				if (!simnode_space(&w->nodes[host], s->space, &info) || !info.engine) {
					continue;
				}
				if (!engine_lock_find(info.engine, c->host + 1, incarnation, s->lkid,
						      &lock)) {
					world_fail(w, "node %u does not know lkid %u of client %u of node %u",
						   host + 1, s->lkid, c->index, c->host + 1);
					return;
				}
				if (lock.granted != s->mode) {
					world_fail(w, "node %u has lkid %u of client %u at %d, told was %d",
						   host + 1, s->lkid, c->index, lock.granted, s->mode);
					return;
				}
			}
		}
	}
}

void checker_final(struct world *w)
{
	char why[200];

	if (!checker_healthy(w, why, sizeof(why))) {
		world_fail(w, "not well at the end: %s", why);
		return;
	}
	/* Whoever was told that its session is lost had nothing left, or is gone by now. */
	for (unsigned int i = 0; i < w->clients_count; i++) {
		const struct client *c = &w->clients[i];

		for (unsigned int j = 0; c->alive && c->state == CLIENT_LOST && j < CLIENT_SLOTS; j++) {
			if (c->slots[j].state != SLOT_FREE && c->slots[j].believed >= 0) {
				world_fail(w, "client %u of node %u lives, has lost its session and believes in "
					      "r%u", i, c->host + 1, c->slots[j].resource);
				return;
			}
		}
	}
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		struct node_space_info first, info;

		for (unsigned int host = 0; host < w->config.cpg.hosts; host++) {
			(void)simnode_space(&w->nodes[host], space, &info);
			struct engine_totals t = engine_totals_get(info.engine);

			if (t.locks != 0 || t.resources != 0) {
				world_fail(w, "node %u: %zu locks on %zu resources of %s are left (%zu granted, "
					      "%zu converting, %zu waiting)",
					   host + 1, t.locks, t.resources, sim_space_name(space), t.granted,
					   t.converting, t.waiting);
				return;
			}
			if (host == 0) {
				first = info;
			} else if (info.digest != first.digest || info.seq != first.seq ||
				   engine_digest(info.engine) != engine_digest(first.engine)) {
				world_fail(w, "nodes 1 and %u differ at the end: seq %llu and %llu, digest "
					      "%016llx and %016llx",
					   host + 1, (unsigned long long)first.seq,
					   (unsigned long long)info.seq, (unsigned long long)first.digest,
					   (unsigned long long)info.digest);
				return;
			}
			const char *broken = engine_check(info.engine);

			if (broken) {
				world_fail(w, "node %u: %s", host + 1, broken);
			}
			log_commit(w, host, space, 0);
		}
	}
}
