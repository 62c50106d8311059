/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Totem and sync: rings break, are formed, order messages; and the verdict about quorum.
 *
 *   running --token lost--> broken --detection time--> next ring formed: old messages flushed
 *      ^                                                        |
 *      +-- verdict queued everywhere <-- callbacks shown <------+   (aborted when it breaks again)
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "tests/sim/cpgstate.h"
#include "tests/sim/cpgtrace.h"
#include "tests/sim/world.h"

static uint64_t draw(struct cpgmodel *m, uint64_t lo, uint64_t hi)
{
	return prng_range(&m->w->prng, lo, hi < lo ? lo : hi);
}

static void log_append(struct cpgmodel *m, struct ring *ring, struct entry *e)
{
	if (ring->len == ring->capacity) {
		size_t capacity = ring->capacity ? 2 * ring->capacity : 32;
		struct entry **log = arena_alloc(&m->w->arena, capacity * sizeof(*log));

		if (ring->len > 0) {
			memcpy(log, ring->log, ring->len * sizeof(*log));
		}
		ring->log = log;
		ring->capacity = capacity;
	}
	if (e->written_in != ring) {
		world_mark(m->w, MARK_CROSSED);
	}
	ring->log[ring->len++] = e;
}

static struct entry *pending_pop(struct corosync *c)
{
	struct entry *e = c->pending;

	c->pending = e->next;
	if (!c->pending) {
		c->pending_last = NULL;
	}
	c->pending_count--;
	return e;
}

/* --- delivery ------------------------------------------------------------------------------ */

static void deliver_schedule(struct cpgmodel *m, unsigned int host, bool own);

static size_t deliver_limit(const struct ring *ring, unsigned int host)
{
	return ring->broken && host != ring->tail_host ? ring->cut : ring->len;
}

static void deliver_some(void *ctx, uint64_t a, uint64_t b)
{
	struct cpgmodel *m = ctx;
	unsigned int host = (unsigned int)a;
	struct corosync *c = &m->hosts[host];

	if (!c->up || c->instance != (uint32_t)b) {
		return;
	}
	c->deliver_scheduled = false;
	if (c->frozen || !c->ring || !c->ring->active) {
		return;
	}
	size_t limit = deliver_limit(c->ring, host);
	size_t most = draw(m, 1, 16);

	while (c->position < limit && most-- > 0) {
		cpg_entry_deliver(m, host, c->ring->log[c->position++]);
	}
	if (c->position < limit) {
		deliver_schedule(m, host, false);
	}
}

static void deliver_schedule(struct cpgmodel *m, unsigned int host, bool own)
{
	struct corosync *c = &m->hosts[host];

	if (c->deliver_scheduled) {
		return;
	}
	c->deliver_scheduled = true;
	uint64_t lag = own ? draw(m, 1, 20) : draw(m, 20, (uint64_t)m->config.lag_us_max * c->slow);

	timeline_in(&m->w->timeline, lag, deliver_some, m, host, c->instance);
}

/* --- the token ----------------------------------------------------------------------------- */

static void ring_break(struct cpgmodel *m, struct ring *ring, unsigned int teller);

static bool token_wanted(const struct corosync *c)
{
	const struct entry *e = c->pending;

	switch (c->token_what) {
	case 0:
		return true;
	case 1:
		return e->size > 48;
	default:
		return e->kind == ENTRY_MESSAGE && e->size > 5 && e->data[5] == c->token_what - CPG_TYPE;
	}
}

static void ring_turn(void *ctx, uint64_t a, uint64_t b)
{
	struct cpgmodel *m = ctx;
	struct ring *ring = (struct ring *)(uintptr_t)a;
	unsigned int holders[SIM_HOSTS_MAX], count = 0, left = 0;

	(void)b;
	ring->turn_scheduled = false;
	if (!ring->active || ring->broken) {
		return;
	}
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		const struct corosync *c = &m->hosts[i];

		if (c->up && !c->frozen && c->ring == ring && c->pending) {
			holders[count++] = i;
		}
	}
	if (count == 0) {
		return;
	}
	unsigned int holder = holders[prng_below(&m->w->prng, count)];
	struct corosync *c = &m->hosts[holder];

	if (c->token_then && token_wanted(c)) {
		timeline_fn *then = c->token_then;

		c->token_then = NULL;
		ring_break(m, ring, holder);
		then(c->token_ctx, c->token_a, c->token_b);
		/* Whatever it was, the token is late now; maybe only late. */
		ring_network_changed(m);
		return;
	}
	for (uint64_t n = draw(m, 1, 4); n > 0 && c->pending; n--) {
		log_append(m, ring, pending_pop(c));
	}
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (m->hosts[i].up && m->hosts[i].ring == ring) {
			deliver_schedule(m, i, i == holder);
			left += m->hosts[i].pending ? 1u : 0;
		}
	}
	if (left > 0) {
		ring->turn_scheduled = true;
		timeline_in(&m->w->timeline, draw(m, 10, m->config.rotation_us), ring_turn, m,
			    (uint64_t)(uintptr_t)ring, 0);
	}
}

static void ring_run(struct cpgmodel *m, struct ring *ring)
{
	if (ring->turn_scheduled || !ring->active || ring->broken) {
		return;
	}
	ring->turn_scheduled = true;
	timeline_in(&m->w->timeline, draw(m, 10, m->config.rotation_us), ring_turn, m,
		    (uint64_t)(uintptr_t)ring, 0);
}

void ring_kick(struct cpgmodel *m, unsigned int host)
{
	struct corosync *c = &m->hosts[host];

	if (c->up && c->ring && c->pending) {
		ring_run(m, c->ring);
	}
}

/* The token is lost. Its last holder may have put messages on the wire that only it delivers. */
static void ring_break(struct cpgmodel *m, struct ring *ring, unsigned int teller)
{
	unsigned int holders[SIM_HOSTS_MAX], count = 0;

	if (ring->broken) {
		return;
	}
	ring->broken = true;
	ring->cut = ring->len;
	ring->tail_host = SIM_HOSTS_MAX;
	if (!ring->active) {
		return;
	}
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		const struct corosync *c = &m->hosts[i];

		if (c->ring == ring && !c->frozen && c->pending && (teller == SIM_HOSTS_MAX || teller == i)) {
			holders[count++] = i;
		}
	}
	if (count == 0 || (teller == SIM_HOSTS_MAX && !prng_chance(&m->w->prng, m->config.tail_per_mille))) {
		return;
	}
	ring->tail_host = holders[prng_below(&m->w->prng, count)];
	struct corosync *c = &m->hosts[ring->tail_host];

	for (uint64_t n = draw(m, 1, 5); n > 0 && c->pending; n--) {
		log_append(m, ring, pending_pop(c));
		world_mark(m->w, MARK_TAIL);
	}
	story_tell(m->w, "net: ring %u:%llu broken; %u still delivers %zu messages of its own",
		   ring->id.nodeid, (unsigned long long)ring->id.seq, ring->tail_host + 1,
		   ring->len - ring->cut);
	if (c->up) {
		deliver_schedule(m, ring->tail_host, true);
	}
}

/* --- forming a ring ------------------------------------------------------------------------ */

void ring_quorum_push(struct cpgmodel *m, unsigned int host)
{
	struct corosync *c = &m->hosts[host];
	struct cpg_quorum_event *ev = arena_alloc(&m->w->arena, sizeof(*ev));

	ev->ring = c->quorum_ring;
	ev->quorate = c->quorate;
	if (c->quorum_last) {
		c->quorum_last->next = ev;
	} else {
		c->quorum_first = ev;
	}
	c->quorum_last = ev;
	cpgtrace_quorum(m, host);
	simnode_wake(&m->w->nodes[host]);
}

void cpgmodel_quorum_flip(struct cpgmodel *m, unsigned int host, bool yes)
{
	const struct ring *ring = m->hosts[host].ring;

	if (!m->hosts[host].up || !ring || !ring->active) {
		return;
	}
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		struct corosync *c = &m->hosts[i];

		bool now = yes && quorum_rule(m, i, ring->members);

		if (c->up && c->ring == ring && c->quorate != now) {
			c->quorate = now;
			ring_quorum_push(m, i);
		}
	}
}

/* Hosts of @group move together: what they deliver of their old ring before they leave it. */
static void group_flush(struct cpgmodel *m, struct ring *old, uint32_t group)
{
	size_t seen = 0, foreign = 0, keep;

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if ((group & 1u << i) && m->hosts[i].position > seen) {
			seen = m->hosts[i].position;
		}
	}
	for (size_t k = seen; k < old->len; k++) {
		foreign += !(group & 1u << old->log[k]->host);
	}
	keep = foreign;
	if (foreign > 0 && prng_chance(&m->w->prng, 600)) {
		keep = prng_chance(&m->w->prng, 600) ? 0 : prng_below(&m->w->prng, foreign);
	}
	if (m->config.foreign_drop) {
		keep = 0;
	}
	m->w->marks[MARK_FOREIGN_KEPT] += keep;
	m->w->marks[MARK_FOREIGN_DROPPED] += foreign - keep;
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		struct corosync *c = &m->hosts[i];
		size_t left = keep;

		if (!(group & 1u << i)) {
			continue;
		}
		for (size_t k = c->position; k < old->len; k++) {
			if (k >= seen && !(group & 1u << old->log[k]->host)) {
				if (left == 0) {
					continue;
				}
				left--;
			}
			cpg_entry_deliver(m, i, old->log[k]);
		}
	}
}

/* A round of sync is ended by ordered messages: of hosts that move together either all have shown the
 * old ring to their clients, or none. */
static void group_announce(struct cpgmodel *m, struct ring *old, uint32_t group)
{
	if (old->active) {
		return;
	}
	if (!(old->announced & group)) {
		world_mark(m->w, MARK_SYNC_ABORTED);
		return;
	}
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if ((group & 1u << i) && !(old->announced & 1u << i)) {
			old->announced |= 1u << i;
			cpg_ring_announce(m, i, old);
		}
	}
}

static void host_synced(void *ctx, uint64_t a, uint64_t b)
{
	struct cpgmodel *m = ctx;
	unsigned int host = (unsigned int)b;
	struct ring *ring = (struct ring *)(uintptr_t)a;
	struct corosync *c = &m->hosts[host];

	if (!c->up || c->ring != ring || !c->syncing) {
		return;
	}
	if (c->frozen) {
		c->thaw_next = host_synced;
		return;
	}
	c->quorum_ring = ring->id;
	c->quorum_members = ring->members;
	c->quorate = quorum_rule(m, host, ring->members);
	ring_quorum_push(m, host);
	ring->synced |= 1u << host;
	if (ring->synced != ring->members) {
		return;
	}
	ring->active = true;
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (ring->members & 1u << i && m->hosts[i].ring == ring) {
			m->hosts[i].syncing = false;
			simnode_wake(&m->w->nodes[i]);
		}
	}
	quorum_ring_there(m, ring);
	ring_run(m, ring);
}

static void host_announce(void *ctx, uint64_t a, uint64_t b)
{
	struct cpgmodel *m = ctx;
	unsigned int host = (unsigned int)b;
	struct ring *ring = (struct ring *)(uintptr_t)a;
	struct corosync *c = &m->hosts[host];

	if (!c->up || c->ring != ring || !c->syncing) {
		return;
	}
	if (c->frozen) {
		c->thaw_next = host_announce;
		return;
	}
	if (ring->broken && prng_chance(&m->w->prng, 500)) {
		return;
	}
	ring->announced |= 1u << host;
	cpg_ring_announce(m, host, ring);
	if (ring->broken) {
		return;
	}
	uint64_t delay = prng_chance(&m->w->prng, 800) ? draw(m, 1, 200)
						       : draw(m, 1, m->config.quorum_us_max);

	timeline_in(&m->w->timeline, delay, host_synced, m, a, b);
}

/* The process list of a corosync that has gone again during the sync of @old is replayed in @ring. */
static void ghosts_keep(struct cpgmodel *m, const struct ring *old, struct ring *ring)
{
	uint32_t replayed = 0, before = 0;

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		replayed |= prng_chance(&m->w->prng, m->config.ghost_per_mille) ? 1u << i : 0;
	}
	for (size_t j = 0; j < ring->procs_count; j++) {
		before |= 1u << ring->procs[j].host;
	}
	for (size_t k = 0; k < old->procs_count; k++) {
		struct proc p = old->procs[k];

		if (m->hosts[p.host].up || !(replayed & ~before & 1u << p.host)) {
			continue;
		}
		world_mark(m->w, MARK_GHOST);
		story_tell(m->w, "net: process %u of %u becomes a ghost", p.pid, p.host + 1);
		p.ghost = 1;
		ls_assert(ring->procs_count < CPG_PROCS_MAX);
		ring->procs[ring->procs_count++] = p;
	}
}

void ring_form(struct cpgmodel *m, uint32_t hosts)
{
	struct ring *ring = arena_alloc(&m->w->arena, sizeof(*ring));
	uint64_t seq = 0;
	uint32_t done = 0;

	ring->members = hosts;
	ring->tail_host = SIM_HOSTS_MAX;
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (hosts & 1u << i) {
			if (ring->id.nodeid == 0) {
				ring->id.nodeid = i + 1;
			}
			seq = m->hosts[i].seq > seq ? m->hosts[i].seq : seq;
		}
	}
	ring->id.seq = seq + 4;
	world_mark(m->w, MARK_RINGS);
	story_tell(m->w, "net: ring %u:%llu of hosts %#x%s", ring->id.nodeid,
		   (unsigned long long)ring->id.seq, hosts,
		   quorum_rule(m, ring->id.nodeid - 1, hosts) ? ", quorate" : "");
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		struct ring *old = m->hosts[i].ring;
		uint32_t group = 0;

		if (!(hosts & 1u << i) || (done & 1u << i)) {
			continue;
		}
		for (unsigned int j = i; j < m->config.hosts; j++) {
			if ((hosts & 1u << j) && (j == i || (old && m->hosts[j].ring == old))) {
				group |= 1u << j;
			}
		}
		if (old && !old->active) {
			ghosts_keep(m, old, ring);
		}
		if (old) {
			group_announce(m, old, group);
			group_flush(m, old, group);
		}
		for (unsigned int j = i; j < m->config.hosts; j++) {
			if (group & 1u << j) {
				m->hosts[j].departed |= old ? old->members & ~group : 0;
			}
		}
		done |= group;
	}
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		struct corosync *c = &m->hosts[i];

		if (!(hosts & 1u << i)) {
			continue;
		}
		c->seq = ring->id.seq;
		c->ring = ring;
		c->position = 0;
		c->syncing = true;
		c->thaw_next = NULL;
		for (size_t k = 0; k < c->procs_count; k++) {
			const struct proc p = c->procs[k];
			bool alive = false;

			if (p.host != i) {
				continue;
			}
			/* A process whose death waits for its place in the order is not announced
			 * when the draw says that corosync has noticed. */
			for (const struct cpg_handle *h = c->handles; h; h = h->next) {
				alive |= h->pid == p.pid && h->name == p.name;
			}
			if (alive || !prng_chance(&m->w->prng, m->config.zombie_per_mille)) {
				ls_assert(ring->procs_count < CPG_PROCS_MAX);
				ring->procs[ring->procs_count++] = p;
			}
		}
		timeline_in(&m->w->timeline, draw(m, 1, m->config.sync_us_max), host_announce, m,
			    (uint64_t)(uintptr_t)ring, i);
	}
}

void ring_thawed(struct cpgmodel *m, unsigned int host)
{
	struct corosync *c = &m->hosts[host];

	if (c->thaw_next && c->ring) {
		timeline_in(&m->w->timeline, 1, c->thaw_next, m, (uint64_t)(uintptr_t)c->ring, host);
		c->thaw_next = NULL;
	}
	deliver_schedule(m, host, false);
}

/* --- who hears whom ------------------------------------------------------------------------ */

static uint32_t part_hosts(const struct cpgmodel *m, unsigned int part)
{
	uint32_t hosts = 0;

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (m->hosts[i].up && !m->hosts[i].frozen && m->parts[i] == part) {
			hosts |= 1u << i;
		}
	}
	return hosts;
}

/* The hosts are exactly the members of one ring that was not given up. */
static struct ring *part_ring(const struct cpgmodel *m, uint32_t hosts)
{
	struct ring *ring = NULL;

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (hosts & 1u << i) {
			if (!m->hosts[i].ring || (ring && ring != m->hosts[i].ring)) {
				return NULL;
			}
			ring = m->hosts[i].ring;
		}
	}
	return ring && ring->members == hosts ? ring : NULL;
}

static void part_form(void *ctx, uint64_t a, uint64_t b)
{
	struct cpgmodel *m = ctx;
	unsigned int part = (unsigned int)a;

	if (m->forming_serial[part] != b) {
		return;
	}
	ls_assert(m->forming[part] == part_hosts(m, part));
	m->forming[part] = 0;
	ring_form(m, part_hosts(m, part));
}

void ring_network_changed(struct cpgmodel *m)
{
	for (unsigned int part = 0; part < m->config.hosts; part++) {
		uint32_t hosts = part_hosts(m, part);
		struct ring *same = hosts ? part_ring(m, hosts) : NULL;
		bool lost = false;

		/* A ring whose sync was in progress when it broke is never resumed. */
		if (!hosts || (same && (!same->broken || same->active))) {
			m->forming[part] = 0;
			m->forming_serial[part]++;
			if (same && same->broken) {
				/* The token was only late; nobody has given the ring up. */
				same->broken = false;
				for (unsigned int i = 0; i < m->config.hosts; i++) {
					if (hosts & 1u << i) {
						deliver_schedule(m, i, false);
					}
				}
				ring_run(m, same);
			}
			continue;
		}
		if (m->forming[part] == hosts) {
			continue;
		}
		for (unsigned int i = 0; i < m->config.hosts; i++) {
			struct ring *ring = m->hosts[i].ring;

			if ((hosts & 1u << i) && ring && (ring->members & ~hosts)) {
				ring_break(m, ring, SIM_HOSTS_MAX);
			}
			lost |= (hosts & 1u << i) && ring && ring->broken;
		}
		m->forming[part] = hosts;
		timeline_in(&m->w->timeline,
			    lost ? draw(m, m->config.detect_us_min, m->config.detect_us_max)
				 : draw(m, 100, m->config.merge_us_max),
			    part_form, m, part, ++m->forming_serial[part]);
	}
	/* Rings of hosts that are down or frozen break too: nobody passes the token on. */
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		struct ring *ring = m->hosts[i].ring;

		if (!ring || ring->broken) {
			continue;
		}
		for (unsigned int j = 0; j < m->config.hosts; j++) {
			const struct corosync *c = &m->hosts[j];

			if ((ring->members & 1u << j) &&
			    (!c->up || c->frozen || c->ring != ring || m->parts[j] != m->parts[i])) {
				ring_break(m, ring, SIM_HOSTS_MAX);
			}
		}
	}
}
