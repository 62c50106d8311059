/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>

#include "plugin/engine/engine_private.h"
#include "plugin/node/wire.h"
#include "tests/sim/faults.h"
#include "tests/sim/world.h"

static uint64_t draw(struct world *w, uint64_t lo, uint64_t hi)
{
	return prng_range(&w->fault_prng, lo, hi < lo ? lo : hi);
}

static bool chance(struct world *w, unsigned int per_mille)
{
	return prng_chance(&w->fault_prng, per_mille);
}

const char *fault_name(enum sim_fault fault)
{
	static const char *const names[FAULTS_COUNT] = {
#define X(id) #id,
		SIM_FAULTS(X)
#undef X
	};

	return names[fault];
}

void faults_draw(struct world *w, struct faults *f)
{
	unsigned int sum = 0;

	f->network_only = chance(w, 250);
	for (unsigned int i = 0; i < FAULTS_COUNT; i++) {
		bool restarts = i == FAULT_CRASH || i == FAULT_FAST_RESTART || i == FAULT_DAEMON_KILL ||
				i == FAULT_COROSYNC_KILL || i == FAULT_STOP || i == FAULT_RELEASE ||
				i == FAULT_DONOR || i == FAULT_SWALLOW || i == FAULT_CORRUPT;

		bool rare = i == FAULT_SWALLOW || i == FAULT_CORRUPT || i == FAULT_CLOCK;

		f->weights[i] = chance(w, rare ? 30 : 400) && !(f->network_only && restarts) ? (unsigned int)draw(w, 1, 10) : 0;
		sum += f->weights[i];
	}
	if (sum == 0) {
		f->weights[FAULT_PARTITION] = 1;
	}
	f->between_us = prng_scale(&w->fault_prng, 10000, 1500000);
	f->long_us = prng_scale(&w->fault_prng, 30000, 5000000);
	f->count = (unsigned int)draw(w, 2, w->config.cpg.hosts > 5 ? 12 : 40);
}

static unsigned int random_host(struct world *w)
{
	return (unsigned int)prng_below(&w->fault_prng, w->config.cpg.hosts);
}

/* --- power --------------------------------------------------------------------------------- */

static void crash_now(void *ctx, uint64_t host, uint64_t long_us)
{
	struct world *w = ctx;
	struct admin_host *h = &w->admin.hosts[host];
	uint64_t now = world_now(w);

	if (!h->on || w->admin.healing) {
		return;
	}
	world_mark(w, MARK_CRASH);
	admin_crash(w, (unsigned int)host);
	h->ack_us = chance(w, 800) ? now + draw(w, 1, long_us) : UINT64_MAX;
	h->boot_us = chance(w, 800) ? now + draw(w, 1, 2 * long_us) : UINT64_MAX;
}

/* Now, or while that host has something on its lips. */
static void happen(struct world *w, unsigned int host, timeline_fn *fn, uint64_t a, uint64_t b)
{
	if (chance(w, 400) || !cpgmodel_on_token(w->cpg, host, chance(w, 700) ? 1 : 0, fn, w, a, b)) {
		fn(w, a, b);
	}
}

static void crash(struct world *w, unsigned int host, const struct faults *f)
{
	happen(w, host, crash_now, host, f->long_us);
}

static void boot_soon(void *ctx, uint64_t host, uint64_t serial)
{
	struct world *w = ctx;

	if (w->admin.hosts[host].serial == serial) {
		admin_boot(w, (unsigned int)host);
	}
}

static void fast_restart_now(void *ctx, uint64_t host, uint64_t b)
{
	struct world *w = ctx;
	struct admin_host *h = &w->admin.hosts[host];

	(void)b;
	if (!h->on || w->admin.healing) {
		return;
	}
	world_mark(w, MARK_FAST_RESTART);
	admin_crash(w, (unsigned int)host);
	timeline_in(&w->timeline, draw(w, 1, w->config.cpg.detect_us_min), boot_soon, w, host, h->serial);
}

static void daemon_kill(struct world *w, unsigned int host, const struct faults *f)
{
	struct admin_host *h = &w->admin.hosts[host];

	if (!h->on || !w->nodes[host].running) {
		return;
	}
	world_mark(w, MARK_DAEMON_KILL);
	simnode_kill(&w->nodes[host], false);
	if (chance(w, 300)) {
		/* Pacemaker fences the node whose monitor has failed. */
		h->daemon_us = UINT64_MAX;
		if (chance(w, 700)) {
			crash_now(w, host, f->long_us);
		}
		return;
	}
	h->daemon_us = world_now(w) + draw(w, 1, f->long_us);
}

static void corosync_kill(struct world *w, unsigned int host, const struct faults *f)
{
	if (!w->admin.hosts[host].on || !cpgmodel_up(w->cpg, host)) {
		return;
	}
	world_mark(w, MARK_COROSYNC_KILL);
	story_tell(w, "machine %u: corosync is killed", host + 1);
	w->admin.hosts[host].corosync_us = world_now(w) + draw(w, 1, f->long_us);
	cpgmodel_kill(w->cpg, host);
	simnode_order_lost(&w->nodes[host]);
}

static void wake_daemon(void *ctx, uint64_t host, uint64_t serial)
{
	struct world *w = ctx;

	if (w->admin.hosts[host].serial == serial) {
		story_tell(w, "node %u: daemon goes on", (unsigned int)host + 1);
		simnode_pause(&w->nodes[host], false);
	}
}

static void wake_corosync(void *ctx, uint64_t host, uint64_t serial)
{
	struct world *w = ctx;

	if (w->admin.hosts[host].serial == serial) {
		story_tell(w, "machine %u: corosync goes on", (unsigned int)host + 1);
		cpgmodel_freeze(w->cpg, (unsigned int)host, false);
	}
}

static void pause_daemon(struct world *w, unsigned int host, uint64_t us)
{
	world_mark(w, MARK_PAUSE_DAEMON);
	story_tell(w, "node %u: daemon is stopped", host + 1);
	simnode_pause(&w->nodes[host], true);
	timeline_in(&w->timeline, us, wake_daemon, w, host, w->admin.hosts[host].serial);
}

static void freeze_now(void *ctx, uint64_t host, uint64_t long_us)
{
	struct world *w = ctx;
	uint64_t us = draw(w, 1000, long_us);

	if (!w->admin.hosts[host].on || !cpgmodel_up(w->cpg, (unsigned int)host) || w->admin.healing) {
		return;
	}
	world_mark(w, MARK_PAUSE_HOST);
	story_tell(w, "machine %u: corosync is stopped", (unsigned int)host + 1);
	cpgmodel_freeze(w->cpg, (unsigned int)host, true);
	timeline_in(&w->timeline, us, wake_corosync, w, host, w->admin.hosts[host].serial);
	if (chance(w, 500)) {
		pause_daemon(w, (unsigned int)host, us + draw(w, 0, 20000));
	}
}

static void heal_network(void *ctx, uint64_t count, uint64_t b)
{
	struct world *w = ctx;
	unsigned int parts[SIM_HOSTS_MAX] = { 0 };

	(void)b;
	if (w->partitions == count) {
		story_tell(w, "net: whole again");
		world_mark(w, MARK_HEAL);
		cpgmodel_partition(w->cpg, parts);
	}
}

/* @parts: three bits per host. */
static void partition_now(void *ctx, uint64_t packed, uint64_t us)
{
	struct world *w = ctx;
	unsigned int parts[SIM_HOSTS_MAX];

	if (w->admin.healing || w->config.cpg.hosts < 2) {
		return;
	}
	for (unsigned int i = 0; i < SIM_HOSTS_MAX; i++) {
		parts[i] = packed >> (3 * i) & 7;
	}
	char text[SIM_HOSTS_MAX + 1] = "";

	for (unsigned int i = 0; i < w->config.cpg.hosts; i++) {
		text[i] = (char)('0' + parts[i]);
	}
	story_tell(w, "net: parts %s", text);
	w->partitions++;
	cpgmodel_partition(w->cpg, parts);
	timeline_in(&w->timeline, us, heal_network, w, w->partitions, 0);
}

static void partition(struct world *w, uint64_t us)
{
	unsigned int n = w->config.cpg.hosts;
	unsigned int ways = chance(w, 700) || n < 2 ? 2 : (unsigned int)draw(w, 2, n < 8 ? n : 8);
	uint64_t packed = 0;

	if (n < 2) {
		return;
	}
	if (chance(w, 400)) {
		packed = 1ull << (3 * random_host(w));
	} else {
		for (unsigned int i = 0; i < n; i++) {
			packed |= prng_below(&w->fault_prng, ways) << (3 * i);
		}
	}
	world_mark(w, MARK_PARTITION);
	happen(w, random_host(w), partition_now, packed, us);
}

/* --- one thing said, then cut off ----------------------------------------------------------- */

static const struct {
	enum wire_type type;
	enum sim_mark mark;
} cuts[] = {
	{ WIRE_READY, MARK_CUT_READY },	      { WIRE_READY, MARK_CUT_READY },
	{ WIRE_SYNCED, MARK_CUT_SYNCED },     { WIRE_SYNCED, MARK_CUT_SYNCED },
	{ WIRE_PREPARED, MARK_CUT_PREPARED }, { WIRE_PREPARED, MARK_CUT_PREPARED },
	{ WIRE_FENCED, MARK_CUT_FENCED },     { WIRE_EVICT, MARK_CUT_EVICT },
	{ WIRE_LEAVE, MARK_CUT_LEAVE },	      { WIRE_LEAVE, MARK_CUT_LEAVE },
	{ WIRE_FORM, MARK_CUT_FORM },	      { WIRE_HELLO, MARK_CUT_OTHER },
	{ WIRE_SYNC_BEGIN, MARK_CUT_OTHER },  { WIRE_SYNC_CHUNK, MARK_CUT_OTHER },
};

/* @b: how long, times 16, plus the cut. */
static void cut_now(void *ctx, uint64_t host, uint64_t b)
{
	struct world *w = ctx;

	if (w->admin.healing) {
		return;
	}
	world_mark(w, cuts[b % 16].mark);
	story_tell(w, "net: %u is cut off at its %s", (unsigned int)host + 1,
		   wire_type_name(cuts[b % 16].type));
	partition_now(w, 1ull << (3 * host), b / 16);
}

static void cut_at(struct world *w, unsigned int host, uint64_t us)
{
	unsigned int k = (unsigned int)draw(w, 0, sizeof(cuts) / sizeof(cuts[0]) - 1);

	/* Whoever says it next. */
	for (unsigned int i = 0; i < w->config.cpg.hosts; i++) {
		if (i == host || chance(w, 700)) {
			(void)cpgmodel_on_token(w->cpg, i, CPG_TYPE + cuts[k].type, cut_now, w, i,
						us * 16 + k);
		}
	}
}

/* A bit of one replica flips: a value is marked invalid there and nowhere else. Its digest follows. */
static void corrupt(struct world *w, unsigned int host)
{
	unsigned int space = (unsigned int)draw(w, 0, w->config.spaces - 1);
	struct node_space_info info;

	if (w->corrupted || !simnode_space(&w->nodes[host], space, &info) || !info.engine ||
	    info.members_count < 3 || engine_totals_get(info.engine).resources == 0) {
		return;
	}
	struct engine *e = (struct engine *)(uintptr_t)info.engine;
	struct resource **items = resources_sorted(e);

	if (!items[0]->lvb_invalid) {
		world_mark(w, MARK_CORRUPTED);
		story_tell(w, "node %u: a bit of its replica flips", host + 1);
		lvb_invalidate(e, items[0]);
		records_flush(e);
		w->corrupted = true;
		checker_corrupted(w);
	}
	free(items);
}

static void donor_hit(void *ctx, uint64_t host, uint64_t long_us)
{
	struct world *w = ctx;

	if (w->admin.healing || !w->admin.hosts[host].on || !w->nodes[host].running) {
		return;
	}
	world_mark(w, MARK_DONOR_HIT);
	if (chance(w, 500)) {
		partition_now(w, 1ull << (3 * host), draw(w, 1000, 2 * w->config.cpg.detect_us_max));
	} else {
		simnode_kill(&w->nodes[host], false);
		w->admin.hosts[host].daemon_us = world_now(w) + draw(w, 1, long_us);
	}
}

void fault_transfer_begins(struct world *w, unsigned int host)
{
	if (!w->donor_trap) {
		return;
	}
	w->donor_trap = false;
	/* Mostly the donor; else anybody, the joiner among them. */
	timeline_in(&w->timeline, draw(w, 1, 20 * w->config.cpg.rotation_us), donor_hit, w,
		    chance(w, 700) ? host : random_host(w), 1000000);
}

static void client_continues(void *ctx, uint64_t a, uint64_t b)
{
	struct client *c = ctx;

	(void)a;
	(void)b;
	c->stopped = false;
	client_continue(c);
}

static void fast_again(void *ctx, uint64_t host, uint64_t b)
{
	struct world *w = ctx;

	(void)b;
	cpgmodel_slow(w->cpg, (unsigned int)host, 1);
}

static void quorum_back(void *ctx, uint64_t host, uint64_t b)
{
	struct world *w = ctx;

	(void)b;
	cpgmodel_quorum_flip(w->cpg, (unsigned int)host, true);
}

static void stop_cleanly(struct world *w, unsigned int host)
{
	struct admin_host *h = &w->admin.hosts[host];

	if (!h->on || !w->nodes[host].running) {
		return;
	}
	for (unsigned int i = 0; i < w->clients_count; i++) {
		if (w->clients[i].host == host) {
			client_kill(&w->clients[i], "the daemon is about to stop");
		}
	}
	simnode_request(&w->nodes[host], &(struct request){ .type = REQUEST_STOP,
							     .force = chance(w, 200) });
	h->daemon_us = world_now(w) + draw(w, 10000, 3000000);
}

static void release(struct world *w, unsigned int host)
{
	unsigned int space = (unsigned int)prng_below(&w->fault_prng, w->config.spaces);
	struct node_space_info info;

	if (!w->nodes[host].running) {
		return;
	}
	if (!simnode_space(&w->nodes[host], space, &info)) {
		simnode_request(&w->nodes[host], &(struct request){ .type = REQUEST_CREATE, .space = space });
		return;
	}
	if (chance(w, 700)) {
		/* Nobody holds anything: the release is not refused. */
		for (unsigned int i = 0; i < w->clients_count; i++) {
			struct client *c = &w->clients[i];

			if (c->host == host && c->alive && c->space == space && c->conn != 0 &&
			    c->state != CLIENT_LOST) {
				client_close(c);
			}
		}
	}
	simnode_request(&w->nodes[host], &(struct request){ .type = REQUEST_RELEASE, .space = space,
							     .force = (unsigned int)draw(w, 0, 1) });
}

void faults_only(struct faults *f, uint32_t kinds)
{
	for (unsigned int i = 0; i < FAULTS_COUNT; i++) {
		f->weights[i] = kinds & 1u << i ? 5 : 0;
	}
	f->network_only = false;
	f->between_us = f->between_us > 200000 ? 200000 : f->between_us;
	f->count = 30;
}

void fault_happen(struct world *w, const struct faults *f, unsigned int number)
{
	unsigned int sum = 0, pick, i = 0;
	unsigned int host = random_host(w);

	for (unsigned int k = 0; k < FAULTS_COUNT; k++) {
		sum += f->weights[k];
	}
	pick = (unsigned int)prng_below(&w->fault_prng, sum);
	while (pick >= f->weights[i]) {
		pick -= f->weights[i++];
	}
	story_tell(w, "fault %u: %s %u", number, fault_name((enum sim_fault)i), host + 1);
	w->faults[i]++;
	switch ((enum sim_fault)i) {
	case FAULT_CRASH:
		crash(w, host, f);
		break;
	case FAULT_FAST_RESTART:
		happen(w, host, fast_restart_now, host, 0);
		break;
	case FAULT_DAEMON_KILL:
		daemon_kill(w, host, f);
		break;
	case FAULT_COROSYNC_KILL:
		corosync_kill(w, host, f);
		break;
	case FAULT_PAUSE_DAEMON:
		pause_daemon(w, host, draw(w, 1000, f->long_us));
		break;
	case FAULT_FREEZE:
		happen(w, host, freeze_now, host, f->long_us);
		break;
	case FAULT_PARTITION:
		partition(w, draw(w, 1000, f->long_us));
		break;
	case FAULT_FLAP:
		partition(w, draw(w, w->config.cpg.detect_us_min / 2, 2 * w->config.cpg.detect_us_max));
		break;
	case FAULT_MUTE:
		if (cpgmodel_on_token(w->cpg, host, chance(w, 700) ? 1 : 0, partition_now, w, 1ull << (3 * host),
				      draw(w, 1000, f->long_us))) {
			world_mark(w, MARK_MUTE);
		}
		break;
	case FAULT_SLOW:
		world_mark(w, MARK_SLOW);
		cpgmodel_slow(w->cpg, host, (unsigned int)draw(w, 2, 200));
		timeline_in(&w->timeline, draw(w, 1000, f->long_us), fast_again, w, host, 0);
		break;
	case FAULT_QUORUM_FLIP:
		world_mark(w, MARK_QUORUM_FLIP);
		cpgmodel_quorum_flip(w->cpg, host, false);
		timeline_in(&w->timeline, draw(w, 1000, f->long_us), quorum_back, w, host, 0);
		break;
	case FAULT_CLIENT_KILL:
		if (w->clients_count > 0) {
			world_mark(w, MARK_CLIENT_KILL);
			client_kill(&w->clients[prng_below(&w->fault_prng, w->clients_count)], "SIGKILL");
		}
		break;
	case FAULT_STOP:
		stop_cleanly(w, host);
		break;
	case FAULT_RELEASE:
		release(w, host);
		break;
	case FAULT_CUT_AT:
		cut_at(w, host, draw(w, 1000, f->long_us));
		break;
	case FAULT_DONOR:
		w->donor_trap = true;
		break;
	case FAULT_AGAIN:
		world_mark(w, MARK_AGAIN_STORM);
		cpgmodel_again(w->cpg, host, draw(w, 1000, f->long_us));
		break;
	case FAULT_SWALLOW:
		cpgmodel_swallow(w->cpg, host);
		break;
	case FAULT_CLOCK:
		world_mark(w, MARK_CLOCK_JUMP);
		w->nodes[host].wall_jump_ms = (int64_t)draw(w, 0, 2000000000) - 1000000000;
		break;
	case FAULT_CLIENT_STOP:
		if (w->clients_count > 0) {
			struct client *c = &w->clients[draw(w, 0, w->clients_count - 1)];

			if (!c->stopped) {
				world_mark(w, MARK_CLIENT_STOP);
				story_tell(w, "client %u of node %u: is stopped", c->index, c->host + 1);
				c->stopped = true;
				timeline_in(&w->timeline, draw(w, 1000, f->long_us), client_continues, c, 0, 0);
			}
		}
		break;
	case FAULT_CORRUPT:
		corrupt(w, host);
		break;
	case FAULTS_COUNT:
		break;
	}
}
