/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdio.h>

#include "plugin/engine/engine.h"
#include "tests/sim/faults.h"
#include "tests/sim/swarm.h"
#include "tests/sim/world.h"

enum { HEAL_LIMIT_US = 30000000, DRAIN_LIMIT_US = 60000000 };

/* From a source of its own, so that all other runs are as they would be without. */
static void rare_draw(struct world_config *c, uint64_t seed, const struct swarm_options *options)
{
	struct prng r;

	prng_seed(&r, seed ^ UINT64_C(0x4a4e));
	/* Where a rule is looked for it is in the mixture that its seeds were counted in (t-mutants.sh). */
	bool draws = options->mutations == 0;

	if (options->unfenced || (c->fencing == NODE_FENCING_MANUAL && prng_chance(&r, 100) && draws)) {
		c->fencing = NODE_FENCING_NONE;
		c->lost_timeout_ms = (uint32_t)prng_scale(&r, 50, 5000);
	}
	if (options->hosts == 0 && prng_chance(&r, 12) && draws) {
		c->cpg.hosts = prng_chance(&r, 200) ? 16 : 1;
	}
	if (c->cpg.hosts > 5) {
		/* What it costs grows with the square. */
		c->clients_per_host = 1;
		c->spaces = 1;
		c->think_us_max = c->think_us_max < 30000 ? 30000 : c->think_us_max;
	}
	if (c->cpg.quorum == QUORUM_MAJORITY && c->cpg.hosts > 1 && prng_chance(&r, 120) && draws) {
		c->cpg.quorum = prng_chance(&r, 500) ? QUORUM_DEVICE : QUORUM_LAST_MAN;
	}
	if (options->quorum_named) {
		c->cpg.quorum = options->quorum;
	}
	c->cpg.device_us_max = (uint32_t)prng_scale(&r, 1000, 2000000);
	c->cpg.last_man_us = (uint32_t)prng_scale(&r, 10000, 2000000);
}

static void config_draw(struct world_config *c, uint64_t seed, const struct swarm_options *options)
{
	struct prng r;
	static const unsigned int sizes[] = { 2, 2, 3, 3, 3, 3, 3, 4, 4, 5 };

	prng_seed(&r, seed ^ UINT64_C(0x51a7e5));
	*c = (struct world_config){ .seed = seed, .mutations = options->mutations };
	c->cpg.hosts = sizes[prng_below(&r, sizeof(sizes) / sizeof(sizes[0]))];
	if (options->hosts != 0) {
		c->cpg.hosts = options->hosts;
	}
	c->cpg.quorum = c->cpg.hosts == 2 && prng_chance(&r, 700) ? QUORUM_TWO_NODE
			: prng_chance(&r, 200)			  ? QUORUM_TIE_BREAKER
								  : QUORUM_MAJORITY;
	c->cpg.detect_us_min = (uint32_t)prng_scale(&r, 2000, 400000);
	c->cpg.detect_us_max = c->cpg.detect_us_min * (uint32_t)prng_range(&r, 1, 4);
	c->cpg.merge_us_max = (uint32_t)prng_scale(&r, 1000, 500000);
	c->cpg.rotation_us = (uint32_t)prng_range(&r, 20, 400);
	c->cpg.lag_us_max = (uint32_t)prng_scale(&r, 30, 5000);
	c->cpg.sync_us_max = (uint32_t)prng_scale(&r, 10, 50000);
	c->cpg.quorum_us_max = (uint32_t)(prng_chance(&r, 300) ? prng_range(&r, 1000, 2000000)
								: 2000);
	c->cpg.tail_per_mille = prng_chance(&r, 700) ? 500 : 0;
	c->cpg.again_per_mille = prng_chance(&r, 400) ? (unsigned int)prng_range(&r, 1, 30) : 0;
	c->cpg.initial_totem_early_per_mille = 100;
	c->cpg.zombie_per_mille = prng_chance(&r, 200) ? 500 : 0;
	c->cpg.ghost_per_mille = prng_chance(&r, 200) ? 700 : 0;
	c->on_lost = prng_chance(&r, 600) ? NODE_ON_LOST_KILL : NODE_ON_LOST_FENCE;
	c->spaces = prng_chance(&r, 150) ? 2 : 1;
	c->clients_per_host = (unsigned int)prng_range(&r, 1, 3);
	if (options->clients != 0 && options->clients < c->clients_per_host) {
		c->clients_per_host = options->clients;
	}
	c->resources = (unsigned int)prng_range(&r, 1, 4);
	c->think_us_max = (uint32_t)prng_scale(&r, 3000, 100000);
	c->hold_us_max = (uint32_t)prng_scale(&r, 1000, 8000000);
	c->convert_per_mille = (unsigned int)prng_range(&r, 0, 700);
	c->cancel_per_mille = (unsigned int)prng_range(&r, 0, 200);
	c->noqueue_per_mille = (unsigned int)prng_range(&r, 0, 400);
	c->lvb_per_mille = (unsigned int)prng_range(&r, 0, 900);
	c->close_per_mille = prng_chance(&r, 500) ? (unsigned int)prng_range(&r, 1, 30) : 0;
	c->react_us_max = prng_chance(&r, 700) ? (uint32_t)prng_scale(&r, 1000, 3000000) : 0;
	c->turn_us_max = (uint32_t)prng_scale(&r, 5, 1000);
	c->quorum_race_per_mille = prng_chance(&r, 500) ? 100 : 0;
	c->ipc_us_max = (uint32_t)prng_range(&r, 10, 2000);
	c->window_messages = prng_chance(&r, 300) ? (uint32_t)prng_range(&r, 2, 8) : 0;
	c->batch_bytes = prng_chance(&r, 300) ? (uint32_t)prng_range(&r, 100, 500) : 0;
	/* Measured in ticks: not shorter than some of them. */
	c->digest_interval = prng_chance(&r, 500) ? (uint32_t)prng_scale(&r, 10, 1000) : 0;
	c->confirm_timeout_ms = prng_chance(&r, 400) ? (uint32_t)prng_scale(&r, 500, 5000) : 0;
	/* A state of a few locks in as many pieces as one of a million. */
	c->chunk_bytes = prng_chance(&r, 800) ? (uint32_t)prng_scale(&r, 30, 2000) : 0;
	c->chunk_window = (uint32_t)prng_range(&r, 1, 5);
	c->replay_bytes = prng_chance(&r, 800) ? (uint32_t)prng_range(&r, 1, 4000) : 0;
	c->image_us_max = (uint32_t)prng_scale(&r, 10, 20000);
	c->image_stall_ms = prng_chance(&r, 300) ? (uint32_t)prng_range(&r, 300, 2000) : 4000;
	c->image_fail_per_mille = prng_chance(&r, 300) ? 200 : 0;
	/* Some clusters are being upgraded, and back. */
	c->timeout_per_mille = prng_chance(&r, 500) ? (unsigned int)prng_range(&r, 10, 300) : 0;
	c->orphan_per_mille = c->spaces == 1 && prng_chance(&r, 400) ? (unsigned int)prng_range(&r, 20, 500) : 0;
	c->deadlock_wait_ms = prng_chance(&r, 500) ? (uint32_t)prng_scale(&r, 20, 3000) : 0;
	c->old_per_mille = prng_chance(&r, 250) ? (unsigned int)prng_range(&r, 100, 900) : 0;
	c->fencing = prng_chance(&r, 400) || options->fencing ? NODE_FENCING_PACEMAKER : NODE_FENCING_MANUAL;
	c->fence_startup = prng_chance(&r, 300);
	c->fence_request_delay_ms = (uint32_t)prng_scale(&r, 1, 3000);
	c->fence_late_us_max = (uint32_t)prng_scale(&r, 1000, 8000000);
	c->fence_fail_per_mille = prng_chance(&r, 500) ? (unsigned int)prng_range(&r, 100, 700) : 0;
	c->fence_deaf_per_mille = prng_chance(&r, 300) ? (unsigned int)prng_range(&r, 1, 100) : 0;
	c->subscribe_per_mille = prng_chance(&r, 600) ? (unsigned int)prng_range(&r, 100, 1000) : 0;
	c->stuck_per_mille = prng_chance(&r, 300) ? (unsigned int)prng_range(&r, 10, 200) : 0;
	c->prep_ack_ms = (uint32_t)prng_scale(&r, 200, 3000);
	c->prep_kill_ms = (uint32_t)prng_range(&r, 500, 2000);
	rare_draw(c, seed, options);
}

static void config_tell(struct world *w, const struct faults *f, uint64_t faults_us)
{
	const struct world_config *c = &w->config;
	static const char *const rules[] = { "majority", "two_node", "tie breaker", "device",
					     "last man" };
	static const char *const fencing[] = { "by hand", "asked for", "none" };

	story_tell(w, "%u nodes, quorum by %s, fencing %s, on_lost %s, %u clients each, %u resources, %u spaces",
		   c->cpg.hosts, rules[c->cpg.quorum], fencing[c->fencing], c->on_lost == NODE_ON_LOST_KILL ? "kill" : "fence",
		   c->clients_per_host, c->resources, c->spaces);
	story_tell(w, "detection %u..%u us, faults for %.1f s, one every %.2f s", c->cpg.detect_us_min,
		   c->cpg.detect_us_max, (double)faults_us / 1e6, (double)f->between_us / 1e6);
}

static bool healthy(struct world *w)
{
	return checker_healthy(w, NULL, 0);
}

static bool drained(struct world *w)
{
	for (unsigned int i = 0; i < w->clients_count; i++) {
		const struct client *c = &w->clients[i];

		if (c->alive && c->state != CLIENT_LOST && !client_done(c)) {
			return false;
		}
	}
	return true;
}

static bool emptied(struct world *w)
{
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		for (unsigned int host = 0; host < w->config.cpg.hosts; host++) {
			struct node_space_info info;

			if (!simnode_space(&w->nodes[host], space, &info) || !info.engine ||
			    engine_totals_get(info.engine).locks > 0) {
				return false;
			}
		}
	}
	return true;
}

static bool settled(struct world *w)
{
	struct node_space_info first, info;

	if (!healthy(w) || !emptied(w)) {
		return false;
	}
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		(void)simnode_space(&w->nodes[0], space, &first);
		for (unsigned int host = 1; host < w->config.cpg.hosts; host++) {
			(void)simnode_space(&w->nodes[host], space, &info);
			if (info.seq != first.seq) {
				return false;
			}
		}
	}
	return true;
}

static void drain_fail(struct world *w)
{
	for (unsigned int i = 0; i < w->clients_count; i++) {
		const struct client *c = &w->clients[i];

		for (unsigned int j = 0; c->alive && c->state != CLIENT_LOST && j < CLIENT_SLOTS; j++) {
			const struct slot *s = &c->slots[j];

			if (s->state != SLOT_FREE) {
				world_fail(w,
					   "forgotten: client %u of node %u, conn %llu, r%u lkid %u: state "
					   "%d, mode %d, asked %u%s%s%s",
					   i, c->host + 1, (unsigned long long)c->conn, s->resource,
					   s->lkid, (int)s->state, s->mode, s->asked,
					   s->converting ? ", converting" : "",
					   s->unlocking ? ", unlocking" : "",
					   s->cancelling ? ", cancelling" : "");
			}
		}
	}
}

static bool swarm_masked(const struct swarm_options *options, unsigned int fault)
{
	return fault < SWARM_FAULTS_MAX && options->masked[fault];
}

bool swarm_run(struct world *w, uint64_t seed, const struct swarm_options *options,
	       struct counters *counters)
{
	struct world_config config;
	struct faults faults;
	uint64_t faults_us, end;
	char why[300] = "";

	config_draw(&config, seed, options);
	world_init(w, &config, counters);
	if (options->steps_max != 0) {
		w->steps_max = options->steps_max;
	}
	prng_seed(&w->fault_prng, seed ^ UINT64_C(0xfa017));
	faults_draw(w, &faults);
	if (options->faults != 0) {
		faults_only(&faults, options->faults);
	}
	/* Not more than so many lock calls in all. */
	faults_us = faults.between_us * faults.count;
	if (faults_us / config.think_us_max * w->clients_count > 3000) {
		faults_us = 3000ull * config.think_us_max / w->clients_count;
	}
	config_tell(w, &faults, faults_us);
	admin_init(w);
	fencer_init(w);
	w->marks[MARK_ONE_NODE] += config.cpg.hosts == 1;
	w->marks[MARK_SIXTEEN_NODES] += config.cpg.hosts == 16;
	if (faults.network_only || prng_chance(&w->prng, 900)) {
		/* (With fencing, two lockspaces may each be lost on another node, and both are fenced; and a node
		 * whose subscriber cannot be killed evicts itself, R-CB-10.) */
		w->formed_for_good = world_run_until(w, healthy, HEAL_LIMIT_US) && faults.network_only &&
				     config.fencing != NODE_FENCING_PACEMAKER &&
				     config.stuck_per_mille == 0 &&
				     (config.spaces == 1 || config.on_lost == NODE_ON_LOST_KILL);
	}
	end = world_now(w) + faults_us;
	for (unsigned int i = 0; !w->failed && world_now(w) < end; i++) {
		/* Each fault has its own randomness, so that one can be left out. */
		prng_seed(&w->fault_prng, seed * UINT64_C(0x9e3779b97f4a7c15) + i);
		world_run(w, prng_range(&w->fault_prng, 1, 2 * faults.between_us));
		if (!w->failed && !swarm_masked(options, i)) {
			fault_happen(w, &faults, i);
		}
		w->faults_count = i + 1;
	}
	if (w->failed) {
		return false;
	}
	admin_heal(w);
	if (!world_run_until(w, healthy, HEAL_LIMIT_US)) {
		(void)checker_healthy(w, why, sizeof(why));
		world_fail(w, "does not get well: %s", why);
		return false;
	}
	/* Under load again, for a while. */
	world_run(w, 300000);
	w->draining = true;
	if (!world_run_until(w, drained, DRAIN_LIMIT_US)) {
		drain_fail(w);
		return false;
	}
	if (!world_run_until(w, emptied, DRAIN_LIMIT_US)) {
		checker_final(w);
		return false;
	}
	/* Long enough for everything on its way; a process that died may be reported dead late. */
	world_run(w, 1000000);
	(void)world_run_until(w, settled, HEAL_LIMIT_US);
	checker_final(w);
	return !w->failed;
}
