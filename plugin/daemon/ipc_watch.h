/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subscriptions of the administration service: whoever watches a lockspace, or one lock of it, is told each
 * change as this node applies it. What he does not read is kept up to a bound; beyond it everything is thrown
 * away and counted, and he begins anew when he reads again.
 */
#ifndef LOCKSTEP_DAEMON_IPC_WATCH_H
#define LOCKSTEP_DAEMON_IPC_WATCH_H

#include <stddef.h>
#include <stdint.h>

struct daemon;
struct ipc_link;
struct ipc_query;
struct watch;
struct watches;

struct watches *watches_new(struct daemon *d);
struct watches *watches_free(struct watches *w);

/* For a SUBSCRIBE, whose lockspace is there. NULL: there are too many. */
struct watch *watch_new(struct watches *w, const struct ipc_link *l, const struct ipc_query *query);
struct watch *watch_free(struct watch *w);

/* When the actions of the moment have been taken: takes up new engines, tells states, sends. */
void watches_flush(struct watches *w);

#endif
