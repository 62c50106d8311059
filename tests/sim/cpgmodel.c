/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "lib/base/assert.h"
#include "tests/sim/cpgstate.h"
#include "tests/sim/cpgtrace.h"
#include "tests/sim/world.h"

enum { PENDING_MAX = 64 };

struct cpgmodel *cpgmodel_new(struct world *w, const struct cpg_config *config)
{
	struct cpgmodel *m = arena_alloc(&w->arena, sizeof(*m));

	ls_assert(config->hosts > 0);
	ls_assert(config->hosts <= SIM_HOSTS_MAX);
	m->w = w;
	m->config = *config;
	for (unsigned int i = 0; i < SIM_HOSTS_MAX; i++) {
		m->hosts[i].slow = 1;
	}
	return m;
}

static unsigned int name_intern(struct cpgmodel *m, const char *name)
{
	for (unsigned int i = 0; i < m->names_count; i++) {
		if (strcmp(m->names[i], name) == 0) {
			return i;
		}
	}
	ls_assert(m->names_count < CPG_NAMES_MAX);
	m->names[m->names_count] = arena_copy(&m->w->arena, name, strlen(name) + 1);
	return m->names_count++;
}

/* --- faults ------------------------------------------------------------------------------ */

void cpgmodel_boot(struct cpgmodel *m, unsigned int host)
{
	struct corosync *c = &m->hosts[host];

	ls_assert(!c->up);
	*c = (struct corosync){
		.up = true,
		.instance = c->instance + 1,
		.slow = 1,
		.shown = 1u << host,
		.seq = c->seq,
	};
	/* Usually a ring of its own comes first, and finds the others then. */
	if (prng_chance(&m->w->prng, 700)) {
		ring_form(m, 1u << host);
	}
	ring_network_changed(m);
}

void cpgmodel_kill(struct cpgmodel *m, unsigned int host)
{
	struct corosync *c = &m->hosts[host];

	if (!c->up) {
		return;
	}
	c->up = false;
	for (struct cpg_handle *h = c->handles; h; h = h->next) {
		cpgtrace_end(m, h, "gone");
		h->closed = true;
	}
	c->handles = NULL;
	ring_network_changed(m);
	/* After the ring has broken: what was on its way may still have reached somebody. */
	c->pending = c->pending_last = NULL;
	c->pending_count = 0;
	c->ring = NULL;
	c->quorum_first = c->quorum_last = NULL;
}

void cpgmodel_freeze(struct cpgmodel *m, unsigned int host, bool frozen)
{
	struct corosync *c = &m->hosts[host];

	if (!c->up || c->frozen == frozen) {
		return;
	}
	c->frozen = frozen;
	ring_network_changed(m);
	if (!frozen) {
		ring_thawed(m, host);
	}
}

void cpgmodel_partition(struct cpgmodel *m, const unsigned int *parts)
{
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		ls_assert(parts[i] < m->config.hosts);
		m->parts[i] = parts[i];
	}
	ring_network_changed(m);
}

bool cpgmodel_on_token(struct cpgmodel *m, unsigned int host, unsigned int what, timeline_fn *then, void *ctx,
		       uint64_t a, uint64_t b)
{
	struct corosync *c = &m->hosts[host];

	if (!c->up || c->token_then) {
		return false;
	}
	c->token_then = then;
	c->token_ctx = ctx;
	c->token_a = a;
	c->token_b = b;
	c->token_what = what;
	ring_kick(m, host);
	return true;
}

void cpgmodel_token_disarm(struct cpgmodel *m)
{
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		m->hosts[i].token_then = NULL;
		m->hosts[i].swallow = false;
	}
}

void cpgmodel_again(struct cpgmodel *m, unsigned int host, uint64_t us)
{
	m->hosts[host].again_until_us = world_now(m->w) + us;
}

void cpgmodel_swallow(struct cpgmodel *m, unsigned int host)
{
	m->hosts[host].swallow = true;
}

void cpgmodel_slow(struct cpgmodel *m, unsigned int host, unsigned int factor)
{
	m->hosts[host].slow = factor;
}

bool cpgmodel_up(const struct cpgmodel *m, unsigned int host)
{
	return m->hosts[host].up;
}

bool cpgmodel_syncing(const struct cpgmodel *m, unsigned int host)
{
	return m->hosts[host].up && m->hosts[host].syncing;
}

bool cpgmodel_calm(const struct cpgmodel *m)
{
	const struct ring *ring = NULL;
	uint32_t up = 0;

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		const struct corosync *c = &m->hosts[i];

		if (!c->up) {
			continue;
		}
		up |= 1u << i;
		if (!c->ring || c->syncing || c->frozen || (ring && ring != c->ring)) {
			return false;
		}
		ring = c->ring;
	}
	return ring && ring->members == up && ring->active && !ring->broken;
}

/* --- processes ---------------------------------------------------------------------------- */

static void pending_push(struct cpgmodel *m, unsigned int host, struct entry *e)
{
	struct corosync *c = &m->hosts[host];

	e->written_in = c->ring;
	e->next = NULL;
	if (c->pending_last) {
		c->pending_last->next = e;
	} else {
		c->pending = e;
	}
	c->pending_last = e;
	c->pending_count++;
	ring_kick(m, host);
}

static struct entry *entry_new(struct cpgmodel *m, unsigned int kind, unsigned int host, uint32_t pid,
			       unsigned int name)
{
	struct entry *e = arena_alloc(&m->w->arena, sizeof(*e));

	e->kind = kind;
	e->host = host;
	e->pid = pid;
	e->name = name;
	return e;
}

static struct proc *proc_find(struct corosync *c, unsigned int host, uint32_t pid, unsigned int name)
{
	for (size_t i = 0; i < c->procs_count; i++) {
		if (c->procs[i].host == host && c->procs[i].pid == pid && c->procs[i].name == name) {
			return &c->procs[i];
		}
	}
	return NULL;
}

struct cpg_handle *cpgmodel_join(struct cpgmodel *m, unsigned int host, uint32_t pid,
				 const char *name)
{
	struct corosync *c = &m->hosts[host];

	if (!c->up || !c->ring || c->syncing) {
		return NULL;
	}
	unsigned int n = name_intern(m, name);

	/* One pid and name at a time: until the old leave has been delivered the answer is "try
	 * again". */
	if (proc_find(c, host, pid, n)) {
		return NULL;
	}
	for (const struct cpg_handle *h = c->handles; h; h = h->next) {
		if (h->pid == pid && h->name == n && !h->closed) {
			return NULL;
		}
	}
	struct cpg_handle *h = arena_alloc(&m->w->arena, sizeof(*h));

	h->host = host;
	h->instance = c->instance;
	h->pid = pid;
	h->name = n;
	h->life = ++m->lives;
	h->next = c->handles;
	c->handles = h;
	cpgtrace_begin(m, h);
	struct entry *e = entry_new(m, ENTRY_JOIN, host, pid, n);

	e->handle = h;
	pending_push(m, host, e);
	return h;
}

static bool handle_alive(const struct cpgmodel *m, const struct cpg_handle *h)
{
	const struct corosync *c = &m->hosts[h->host];

	return c->up && c->instance == h->instance && !h->closed;
}

bool cpgmodel_mcast(struct cpgmodel *m, struct cpg_handle *h, const void *data, size_t size)
{
	struct corosync *c = &m->hosts[h->host];

	if (!handle_alive(m, h) || c->syncing || c->pending_count >= PENDING_MAX ||
	    world_now(m->w) < c->again_until_us) {
		return false;
	}
	if (prng_chance(&m->w->prng, m->config.again_per_mille)) {
		c->again_until_us = world_now(m->w) + prng_range(&m->w->prng, 100, 20000);
		world_mark(m->w, MARK_TRY_AGAIN);
		return false;
	}
	if (c->swallow && strncmp(m->names[h->name], "lockstep:ls:", 12) == 0) {
		c->swallow = false;
		story_tell(m->w, "net: a message of %u is accepted and lost", h->host + 1);
		world_mark(m->w, MARK_SWALLOWED);
		return true;
	}
	struct entry *e = entry_new(m, ENTRY_MESSAGE, h->host, h->pid, h->name);

	e->handle = h;
	e->number = ++h->sent;
	e->data = arena_copy(&m->w->arena, data, size);
	e->size = size;
	cpgtrace_sent(m, h);
	pending_push(m, h->host, e);
	return true;
}

bool cpgmodel_leave(struct cpgmodel *m, struct cpg_handle *h)
{
	struct corosync *c = &m->hosts[h->host];

	if (!handle_alive(m, h)) {
		return true;
	}
	if (c->syncing) {
		return false;
	}
	struct entry *e = entry_new(m, ENTRY_LEAVE, h->host, h->pid, h->name);

	e->handle = h;
	h->leaving = true;
	cpgtrace_leave(m, h);
	pending_push(m, h->host, e);
	return true;
}

static void procdown_late(void *ctx, uint64_t a, uint64_t b)
{
	struct cpgmodel *m = ctx;
	unsigned int host = (unsigned int)(a & 0xff);
	struct corosync *c = &m->hosts[host];

	if (!c->up || c->instance != (uint32_t)(a >> 8)) {
		return;
	}
	pending_push(m, host, entry_new(m, ENTRY_PROCDOWN, host, (uint32_t)(b >> 8),
					(unsigned int)(b & 0xff)));
}

void cpgmodel_process_exit(struct cpgmodel *m, unsigned int host, uint32_t pid, uint64_t delay_us)
{
	struct corosync *c = &m->hosts[host];

	if (!c->up) {
		return;
	}
	for (struct cpg_handle **at = &c->handles; *at;) {
		struct cpg_handle *h = *at;

		if (h->pid != pid) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		h->closed = true;
		/* Corosync on that host may announce its processes without this one before the
		 * death has its place in the order. */
		if (proc_find(c, host, pid, h->name) && prng_chance(&m->w->prng, m->config.zombie_per_mille)) {
			delay_us += 2000000;
		}
		timeline_in(&m->w->timeline, delay_us, procdown_late, m,
			    (uint64_t)c->instance << 8 | host, (uint64_t)pid << 8 | h->name);
	}
}

/* --- what clients read --------------------------------------------------------------------- */

static void event_push(struct cpgmodel *m, struct cpg_handle *h, struct cpg_event *ev)
{
	if (h->closed) {
		return;
	}
	cpgtrace_event(m, h, ev);
	if (h->last) {
		h->last->next = ev;
	} else {
		h->first = ev;
	}
	h->last = ev;
	simnode_wake(&m->w->nodes[h->host]);
}

const struct cpg_event *cpgmodel_dispatch(struct cpg_handle *h)
{
	struct cpg_event *ev = h->closed ? NULL : h->first;

	if (ev) {
		h->first = ev->next;
		if (!h->first) {
			h->last = NULL;
		}
	}
	return ev;
}

bool cpgmodel_pending(const struct cpg_handle *h)
{
	return !h->closed && h->first;
}

const struct cpg_quorum_event *cpgmodel_quorum_dispatch(struct cpgmodel *m, unsigned int host)
{
	struct corosync *c = &m->hosts[host];
	struct cpg_quorum_event *ev = c->up ? c->quorum_first : NULL;

	if (ev) {
		c->quorum_first = ev->next;
		if (!c->quorum_first) {
			c->quorum_last = NULL;
		}
	}
	return ev;
}

bool cpgmodel_quorum_pending(const struct cpgmodel *m, unsigned int host)
{
	return m->hosts[host].up && m->hosts[host].quorum_first;
}

void cpgmodel_quorum_track(struct cpgmodel *m, unsigned int host)
{
	struct corosync *c = &m->hosts[host];

	c->quorum_first = c->quorum_last = NULL;
	if (c->up && c->quorum_ring.nodeid != 0) {
		ring_quorum_push(m, host);
	}
}

static uint32_t nodeid_of(unsigned int host)
{
	return host + 1;
}

/* Order of lists differs between nodes, except that of members. */
static void addresses_shuffle(struct cpgmodel *m, struct node_address *a, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = prng_below(&m->w->prng, i);
		struct node_address t = a[i - 1];

		a[i - 1] = a[j];
		a[j] = t;
	}
}

static bool proc_before(const struct proc *x, const struct proc *y)
{
	return x->host != y->host ? x->host < y->host : x->pid < y->pid;
}

/* A configuration change of group @name for every client of @host that is in it. */
static void confchg_push(struct cpgmodel *m, unsigned int host, unsigned int name,
			 const struct node_address *left, size_t left_count,
			 const struct node_address *joined, size_t joined_count)
{
	struct corosync *c = &m->hosts[host];

	for (struct cpg_handle *h = c->handles; h; h = h->next) {
		if (h->name != name || !h->joined) {
			continue;
		}
		struct cpg_event *ev = arena_alloc(&m->w->arena, sizeof(*ev));
		struct proc sorted[CPG_PROCS_MAX];
		struct node_address members[CPG_PROCS_MAX];
		size_t n = 0;

		for (size_t i = 0; i < c->procs_count; i++) {
			if (c->procs[i].name != name) {
				continue;
			}
			size_t at = n++;

			while (at > 0 && proc_before(&c->procs[i], &sorted[at - 1])) {
				sorted[at] = sorted[at - 1];
				at--;
			}
			sorted[at] = c->procs[i];
		}
		for (size_t i = 0; i < n; i++) {
			members[i] = (struct node_address){ .nodeid = nodeid_of(sorted[i].host),
							    .pid = sorted[i].pid };
		}
		ev->type = CPG_CONFCHG;
		ev->members = arena_copy(&m->w->arena, members, n * sizeof(*members));
		ev->members_count = n;
		struct node_address *l = arena_copy(&m->w->arena, left, left_count * sizeof(*left));
		struct node_address *j = arena_copy(&m->w->arena, joined, joined_count * sizeof(*joined));

		addresses_shuffle(m, l, left_count);
		addresses_shuffle(m, j, joined_count);
		ev->left = l;
		ev->left_count = left_count;
		ev->joined = j;
		ev->joined_count = joined_count;
		event_push(m, h, ev);
	}
}

static void totem_push(struct cpgmodel *m, struct cpg_handle *h, const struct ring *ring)
{
	struct cpg_event *ev = arena_alloc(&m->w->arena, sizeof(*ev));
	uint32_t nodes[SIM_HOSTS_MAX];

	ev->type = CPG_TOTEM;
	ev->ring = ring->id;
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (ring->members & 1u << i) {
			nodes[ev->nodes_count++] = nodeid_of(i);
		}
	}
	ev->nodes = arena_copy(&m->w->arena, nodes, ev->nodes_count * sizeof(*nodes));
	h->totem_seen = true;
	event_push(m, h, ev);
}

static void join_deliver(struct cpgmodel *m, unsigned int host, const struct entry *e)
{
	struct corosync *c = &m->hosts[host];
	struct cpg_handle *own = NULL;
	bool early = prng_chance(&m->w->prng, m->config.initial_totem_early_per_mille);

	if (proc_find(c, e->host, e->pid, e->name)) {
		return;
	}
	ls_assert(c->procs_count < CPG_PROCS_MAX);
	c->procs[c->procs_count++] = (struct proc){ .host = e->host, .pid = e->pid, .name = e->name };
	for (struct cpg_handle *h = c->handles; h; h = h->next) {
		if (h == e->handle) {
			h->joined = true;
			own = h;
		}
	}
	if (own && early && !own->totem_seen) {
		totem_push(m, own, c->ring);
	}
	struct node_address who = { .nodeid = nodeid_of(e->host), .pid = e->pid, .reason = NODE_REASON_JOIN };

	confchg_push(m, host, e->name, NULL, 0, &who, 1);
	if (own && !own->totem_seen) {
		totem_push(m, own, c->ring);
	}
}

static void leave_deliver(struct cpgmodel *m, unsigned int host, const struct entry *e)
{
	struct corosync *c = &m->hosts[host];
	struct proc *p = proc_find(c, e->host, e->pid, e->name);

	if (!p) {
		return;
	}
	*p = c->procs[--c->procs_count];
	struct node_address who = {
		.nodeid = nodeid_of(e->host),
		.pid = e->pid,
		.reason = e->kind == ENTRY_LEAVE ? NODE_REASON_LEAVE : NODE_REASON_PROCDOWN,
	};

	confchg_push(m, host, e->name, &who, 1, NULL, 0);
	for (struct cpg_handle **at = &c->handles; *at; at = &(*at)->next) {
		if (*at == e->handle && e->kind == ENTRY_LEAVE) {
			cpgtrace_end(m, *at, "left");
			(*at)->closed = true;
			*at = (*at)->next;
			simnode_wake(&m->w->nodes[host]);
			break;
		}
	}
}

static void message_deliver(struct cpgmodel *m, unsigned int host, const struct entry *e)
{
	struct corosync *c = &m->hosts[host];
	bool known = false;

	/* Corosync drops messages of nodes it knows no process of in that group. */
	for (size_t i = 0; i < c->procs_count; i++) {
		known |= c->procs[i].host == e->host && c->procs[i].name == e->name;
	}
	if (!known) {
		return;
	}
	for (struct cpg_handle *h = c->handles; h; h = h->next) {
		if (h->name != e->name || !h->joined) {
			continue;
		}
		struct cpg_event *ev = arena_alloc(&m->w->arena, sizeof(*ev));

		ev->type = CPG_MESSAGE;
		ev->nodeid = nodeid_of(e->host);
		ev->pid = e->pid;
		ev->life = e->handle->life;
		ev->number = e->number;
		if (e->written_in) {
			ev->ring = e->written_in->id;
		}
		ev->data = e->data;
		ev->size = e->size;
		event_push(m, h, ev);
	}
}

void cpg_entry_deliver(struct cpgmodel *m, unsigned int host, const struct entry *e)
{
	switch (e->kind) {
	case ENTRY_MESSAGE:
		message_deliver(m, host, e);
		break;
	case ENTRY_JOIN:
		join_deliver(m, host, e);
		break;
	case ENTRY_LEAVE:
	case ENTRY_PROCDOWN:
		leave_deliver(m, host, e);
		break;
	}
}

void cpg_ring_announce(struct cpgmodel *m, unsigned int host, const struct ring *ring)
{
	struct corosync *c = &m->hosts[host];
	uint32_t stay = c->shown & ~c->departed & ring->members;
	struct proc left[CPG_PROCS_MAX], joined[CPG_PROCS_MAX], gone[CPG_PROCS_MAX];
	size_t left_count = 0, joined_count = 0, gone_count = 0, kept = 0;

	if (c->shown & c->departed & ring->members) {
		world_mark(m->w, MARK_LEFT_AND_JOINED);
	}
	for (size_t i = 0; i < c->procs_count; i++) {
		const struct proc p = c->procs[i];
		bool announced = p.ghost && !(c->departed & 1u << p.host);
		bool stays = announced || (stay & 1u << p.host);

		for (size_t j = 0; j < ring->procs_count; j++) {
			announced |= ring->procs[j].host == p.host && ring->procs[j].pid == p.pid &&
				     ring->procs[j].name == p.name;
		}
		if (!stays) {
			left[left_count++] = p;
		} else if (!announced) {
			gone[gone_count++] = p;
			world_mark(m->w, MARK_ZOMBIE);
			c->procs[kept++] = p; /* until its own PROCDOWN below */
		} else {
			c->procs[kept++] = p;
		}
	}
	c->procs_count = kept;
	for (size_t j = 0; j < ring->procs_count; j++) {
		if (!proc_find(c, ring->procs[j].host, ring->procs[j].pid, ring->procs[j].name)) {
			joined[joined_count++] = ring->procs[j];
		}
	}
	for (unsigned int name = 0; name < m->names_count; name++) {
		struct node_address a[CPG_PROCS_MAX];
		size_t n = 0;

		for (size_t i = 0; i < left_count; i++) {
			if (left[i].name == name) {
				a[n++] = (struct node_address){ nodeid_of(left[i].host), left[i].pid,
								NODE_REASON_NODEDOWN };
			}
		}
		if (n > 0) {
			confchg_push(m, host, name, a, n, NULL, 0);
		}
	}
	for (size_t i = 0; i < joined_count; i++) {
		ls_assert(c->procs_count < CPG_PROCS_MAX);
		c->procs[c->procs_count++] = joined[i];
	}
	for (unsigned int name = 0; name < m->names_count; name++) {
		struct node_address a[CPG_PROCS_MAX];
		size_t n = 0;

		for (size_t i = 0; i < joined_count; i++) {
			if (joined[i].name == name) {
				a[n++] = (struct node_address){ nodeid_of(joined[i].host),
								joined[i].pid, NODE_REASON_NODEUP };
			}
		}
		if (n > 0) {
			confchg_push(m, host, name, NULL, 0, a, n);
		}
	}
	for (size_t i = 0; i < gone_count; i++) {
		const struct entry e = { .kind = ENTRY_PROCDOWN, .host = gone[i].host,
					 .pid = gone[i].pid, .name = gone[i].name };

		leave_deliver(m, host, &e);
	}
	for (struct cpg_handle *h = c->handles; h; h = h->next) {
		totem_push(m, h, ring);
	}
	c->shown = ring->members;
	c->departed = 0;
}
