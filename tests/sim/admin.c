/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "tests/sim/world.h"

enum { LOOK_US = 100000 };

static void look(void *ctx, uint64_t a, uint64_t b);

void admin_init(struct world *w)
{
	for (unsigned int i = 0; i < w->config.cpg.hosts; i++) {
		w->admin.hosts[i].spaces = (1u << w->config.spaces) - 1;
		admin_boot(w, i);
	}
	timeline_in(&w->timeline, LOOK_US, look, w, 0, 0);
}

bool admin_host_on(const struct world *w, unsigned int host)
{
	return w->admin.hosts[host].on;
}

bool admin_host_dead(const struct world *w, unsigned int host)
{
	return !w->admin.hosts[host].on;
}

void admin_acked(struct world *w, unsigned int host)
{
	w->admin.hosts[host].acked = true;
}

static void clients_kill(struct world *w, unsigned int host, const char *why)
{
	for (unsigned int i = 0; i < w->clients_count; i++) {
		if (w->clients[i].host == host) {
			client_kill(&w->clients[i], why);
		}
	}
}

void admin_crash(struct world *w, unsigned int host)
{
	struct admin_host *h = &w->admin.hosts[host];

	if (!h->on) {
		return;
	}
	story_tell(w, "machine %u: off", host + 1);
	h->on = false;
	h->acked = false;
	h->ack_us = h->boot_us = UINT64_MAX;
	h->lost_since_us = 0;
	h->serial++;
	cpgmodel_kill(w->cpg, host);
	simnode_kill(&w->nodes[host], true);
	clients_kill(w, host, "with its machine");
}

void admin_daemon_start(struct world *w, unsigned int host)
{
	struct admin_host *h = &w->admin.hosts[host];

	if (!h->on || w->nodes[host].running) {
		return;
	}
	/* Before the daemon is there, so that nothing they do reaches it. */
	clients_kill(w, host, "before a new daemon starts");
	simnode_start(&w->nodes[host], h->spaces);
	h->daemon_us = 0;
}

static void boot_daemon(void *ctx, uint64_t host, uint64_t serial)
{
	struct world *w = ctx;
	struct admin_host *h = &w->admin.hosts[host];

	if (!h->on || h->serial != serial) {
		return;
	}
	admin_daemon_start(w, (unsigned int)host);
	for (unsigned int i = 0; i < w->clients_count; i++) {
		if (w->clients[i].host == host) {
			client_start(&w->clients[i]);
		}
	}
}

void admin_boot(struct world *w, unsigned int host)
{
	struct admin_host *h = &w->admin.hosts[host];

	if (h->on) {
		return;
	}
	story_tell(w, "machine %u: on", host + 1);
	world_mark(w, MARK_BOOT);
	h->on = true;
	h->boot_us = h->ack_us = UINT64_MAX;
	h->daemon_us = h->corosync_us = h->lost_since_us = 0;
	w->nodes[host].paused = false;
	cpgmodel_boot(w->cpg, host);
	timeline_in(&w->timeline, prng_range(&w->prng, 1, 20000), boot_daemon, w, host, h->serial);
}

void admin_ack(struct world *w, unsigned int at, unsigned int host)
{
	simnode_request(&w->nodes[at], &(struct request){ .type = REQUEST_ACK, .nodeid = host + 1 });
}

/* Somewhere where a daemon runs; everywhere when everything has to come back. */
static void ack_somewhere(struct world *w, unsigned int host)
{
	unsigned int start = (unsigned int)prng_below(&w->prng, w->config.cpg.hosts);

	for (unsigned int k = 0; k < w->config.cpg.hosts; k++) {
		unsigned int at = (start + k) % w->config.cpg.hosts;

		if (w->nodes[at].running && !w->nodes[at].paused) {
			admin_ack(w, at, host);
			if (!w->admin.healing) {
				return;
			}
		}
	}
}

static bool host_lost(struct world *w, unsigned int host)
{
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		struct node_space_info info;

		if (simnode_space(&w->nodes[host], space, &info) && strcmp(info.state, "lost") == 0) {
			return true;
		}
	}
	return false;
}

static void power_cycle(struct world *w, unsigned int host)
{
	struct admin_host *h = &w->admin.hosts[host];
	uint64_t now = world_now(w);

	admin_crash(w, host);
	h->ack_us = now + prng_range(&w->prng, 1000, 1500000);
	h->boot_us = h->ack_us + prng_range(&w->prng, 1, w->admin.healing ? 3000000 : 1000000);
}

static void spaces_create(struct world *w, unsigned int host)
{
	for (unsigned int space = 0; space < w->config.spaces; space++) {
		struct node_space_info info;

		if (w->nodes[host].running && !simnode_space(&w->nodes[host], space, &info)) {
			simnode_request(&w->nodes[host],
					&(struct request){ .type = REQUEST_CREATE, .space = space });
		}
	}
}

static void look_at_host(struct world *w, unsigned int host)
{
	struct admin_host *h = &w->admin.hosts[host];
	uint64_t now = world_now(w);

	if (!h->on) {
		if (now >= h->ack_us && (!h->acked || w->admin.healing)) {
			ack_somewhere(w, host);
		}
		if (now >= h->boot_us) {
			admin_boot(w, host);
		}
		return;
	}
	if (!cpgmodel_up(w->cpg, host) && now >= h->corosync_us) {
		cpgmodel_boot(w->cpg, host);
	}
	if (!w->nodes[host].running && now >= h->daemon_us && h->daemon_us != 0) {
		admin_daemon_start(w, host);
	}
	/* Too old for the cluster: the administrator installs what the others have. */
	if (w->nodes[host].running && w->nodes[host].refused && !w->nodes[host].paused) {
		story_tell(w, "node %u: is upgraded", host + 1);
		simnode_kill(&w->nodes[host], false);
		h->daemon_us = now + prng_range(&w->prng, 1, 1000000);
		return;
	}
	if (w->admin.healing) {
		spaces_create(w, host);
	}
	/* A node that waits to be fenced is fenced, in the end. */
	if (!w->nodes[host].paused && host_lost(w, host)) {
		if (h->lost_since_us == 0) {
			h->lost_since_us = now;
		} else if (now - h->lost_since_us > (w->admin.healing ? 2000000 : 5000000)) {
			world_mark(w, MARK_FENCED_LIVE);
			power_cycle(w, host);
		}
	} else {
		h->lost_since_us = 0;
	}
}

static void look(void *ctx, uint64_t a, uint64_t b)
{
	struct world *w = ctx;

	(void)a;
	(void)b;
	if (!w->admin.never) {
		for (unsigned int i = 0; i < w->config.cpg.hosts; i++) {
			look_at_host(w, i);
		}
	}
	timeline_in(&w->timeline, LOOK_US, look, w, 0, 0);
}

void admin_heal(struct world *w)
{
	unsigned int parts[SIM_HOSTS_MAX] = { 0 };
	uint64_t now = world_now(w);

	story_tell(w, "administrator: no more faults from here on");
	cpgmodel_token_disarm(w->cpg);
	w->donor_trap = false;
	for (unsigned int i = 0; i < w->clients_count; i++) {
		w->clients[i].stopped = false;
		client_continue(&w->clients[i]);
	}
	w->admin.healing = true;
	cpgmodel_partition(w->cpg, parts);
	for (unsigned int i = 0; i < w->config.cpg.hosts; i++) {
		struct admin_host *h = &w->admin.hosts[i];

		cpgmodel_freeze(w->cpg, i, false);
		cpgmodel_slow(w->cpg, i, 1);
		cpgmodel_quorum_flip(w->cpg, i, true);
		simnode_pause(&w->nodes[i], false);
		h->spaces = (1u << w->config.spaces) - 1;
		if (!h->on) {
			if (h->ack_us == UINT64_MAX) {
				h->ack_us = now + prng_range(&w->prng, 1, 2000000);
			}
			if (h->boot_us == UINT64_MAX) {
				h->boot_us = now + prng_range(&w->prng, 1000000, 4000000);
			}
		} else if (!w->nodes[i].running) {
			h->daemon_us = now + prng_range(&w->prng, 1, 2000000);
		}
	}
}
