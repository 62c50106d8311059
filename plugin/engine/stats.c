/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters of what an engine does, for metrics. They count what the rules decide where it is
 * decided and change nothing.
 */
#include "config.h"

#include <errno.h>

#include "plugin/engine/engine_private.h"

const struct engine_stats *engine_stats_get(const struct engine *e)
{
	return &e->stats;
}

struct engine_outcomes *stats_outcomes(struct engine *e, const struct lock *lock)
{
	return lock->granted == LOCKSTEP_LOCK_IV ? &e->stats.lock : &e->stats.convert;
}

void stats_refused(struct engine *e, const struct lock *lock, int status)
{
	struct engine_outcomes *of = stats_outcomes(e, lock);

	switch (status) {
	case EAGAIN:
		of->eagain++;
		break;
	case EDEADLK:
		of->edeadlk++;
		break;
	case ETIMEDOUT:
		of->etimedout++;
		break;
	case LOCKSTEP_ECANCEL:
		of->ecancel++;
		break;
	default:
		break;
	}
}
