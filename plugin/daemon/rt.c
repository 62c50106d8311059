/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See rt.h. */
#include "config.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <syslog.h>

#include "plugin/daemon/capability.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/rt.h"
#include "plugin/daemon/settings.h"

/* Above everything ordinary; below threaded interrupts (50) and corosync (99), without which no
 * message comes. */
#define RT_PRIORITY 20

void rt_apply(const struct settings *settings)
{
	struct sched_param param = { .sched_priority = RT_PRIORITY };
	struct rlimit limit;

	if (settings->lock_memory) {
		/* Under a limit later allocations would fail, which is worse than being paged out. Who has
		 * CAP_IPC_LOCK has none, whatever the number says that he may not be able to raise. */
		limit.rlim_cur = RLIM_INFINITY;
		limit.rlim_max = RLIM_INFINITY;
		if ((setrlimit(RLIMIT_MEMLOCK, &limit) != 0 && !capability_has(CAP_IPC_LOCK)) ||
		    mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
			qb_log(LOG_WARNING, "cannot lock memory: %s; going on without (lock_memory = no silences this)", strerror(errno));
		}
	}
	if (settings->realtime) {
		if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) != 0) {
			qb_log(LOG_WARNING, "cannot get real-time scheduling: %s; going on without (realtime = no silences this)", strerror(errno));
		} else {
			qb_log(LOG_INFO, "scheduling is round robin, priority %d", RT_PRIORITY);
		}
	}
}
