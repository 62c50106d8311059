/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ipc_metrics.h. Counts are kept up to date by whoever changes them, and of the queued locks only the one
 * that this node has queued first is looked at, with the first that stands in its way.
 */
#include "config.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/ipc/ipc.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_admin.h"
#include "plugin/daemon/ipc_metrics.h"
#include "plugin/engine/engine.h"
#include "plugin/node/node.h"

struct metrics_walk {
	struct daemon *daemon;
	const struct engine *engine;
	struct lockstep_space_metrics *row;
};

static bool blocker_take(const struct engine_lock_info *info, bool by_order, void *arg)
{
	struct metrics_walk *w = arg;

	w->row->has_blocker = true;
	w->row->blocker.by_order = by_order;
	ipc_lock_row(w->daemon, w->engine, info, &w->row->blocker.lock);
	return false; /* those on G come first, and they hold what it waits for */
}

static void metrics_of_engine(struct daemon *d, const struct node_space_info *info,
			      const struct node_space_waits *waits, struct lockstep_space_metrics *row)
{
	const struct engine_stats *stats = engine_stats_get(info->engine);
	const struct engine_outcomes *of[] = { &stats->lock, &stats->convert };
	struct engine_totals totals = engine_totals_get(info->engine);
	struct metrics_walk w = { .daemon = d, .engine = info->engine, .row = row };
	struct engine_lock_info oldest;

	for (int mode = LOCKSTEP_LOCK_NL; mode <= LOCKSTEP_LOCK_EX; mode++) {
		row->held[mode] = (uint32_t)totals.held[mode];
		row->waiting[mode] = (uint32_t)totals.wanted[mode];
	}
	row->orphans = (uint32_t)totals.orphans;
	for (size_t i = 0; i < 2; i++) {
		row->granted_at_once += of[i]->granted_at_once;
		row->granted_later += of[i]->granted_later;
		row->queued += of[i]->queued;
		row->refused_busy += of[i]->eagain;
		row->refused_deadlock += of[i]->edeadlk;
		row->timed_out += of[i]->etimedout;
		row->cancelled += of[i]->ecancel;
	}
	row->blocking_callbacks = stats->basts_sent;
	row->deadlock_searches = stats->deadlock_searches;
	row->deadlock_victims = stats->deadlock_victims;
	if (waits->oldest_lkid != 0 && engine_lock_find(info->engine, d->nodeid, waits->incarnation,
							waits->oldest_lkid, &oldest)) {
		row->has_oldest = true;
		ipc_lock_row(d, info->engine, &oldest, &row->oldest);
		engine_blockers_visit(info->engine, &oldest, blocker_take, &w);
	}
}

void ipc_metrics_row(struct daemon *d, const struct node_space_info *info,
		     struct lockstep_space_metrics *ret)
{
	struct node_space_waits waits;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name, sizeof(ret->name), "%s", info->name);
	if (!node_space_waits(d->node, info->name, &waits)) {
		return;
	}
	static_assert(sizeof(ret->waits) == sizeof(waits.ended), "the same buckets");
	memcpy(ret->waits, waits.ended, sizeof(ret->waits));
	ret->waits_ms = waits.ended_ms;
	ret->oldest_ms = waits.oldest_ms;
	ret->lost_nodeid = waits.lost_nodeid;
	ret->lost_ms = waits.lost_ms;
	if (waits.lost_nodeid != 0) {
		(void)snprintf(ret->lost_name, sizeof(ret->lost_name), "%s",
			       cluster_node_name(d, waits.lost_nodeid));
	}
	if (info->engine) {
		metrics_of_engine(d, info, &waits, ret);
	}
}

uint64_t ipc_metrics_resident_bytes(void)
{
	unsigned long total, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%lu %lu", &total, &resident) != 2) {
			resident = 0;
		}
		(void)fclose(f);
	}
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
