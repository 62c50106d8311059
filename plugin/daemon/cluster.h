/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to Corosync as a whole: waits for it, makes the node when it is there, notices
 * when it is gone, and begins again. Parts: cluster_info.c (cmap), quorum_cs.c, order_cpg.c.
 */
#ifndef LOCKSTEP_DAEMON_CLUSTER_H
#define LOCKSTEP_DAEMON_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cluster;
struct cluster_info;
struct daemon;

/* Starts trying from the next loop iteration on. -EOPNOTSUPP when built without Corosync. */
int cluster_new(struct daemon *d, struct cluster **ret);
struct cluster *cluster_free(struct cluster *c);

/* Some part found its connection to Corosync broken. May be called from inside its callbacks: the
 * handles are closed later. */
void cluster_lost(struct daemon *d, const char *what);
/* Feeds what the quorum service has queued; called before CPG events are (corosync-notes 6.2). */
void cluster_quorum_dispatch(struct daemon *d);

bool cluster_connected(const struct cluster *c);
/* Why there is no node yet. */
const char *cluster_reason(const struct cluster *c);

/* Also for a standalone daemon. "" when it has none; static until the next call. */
const char *cluster_node_name(const struct daemon *d, uint32_t nodeid);
/* Name or number. 0 or ENOENT. */
int cluster_node_id(const struct daemon *d, const char *name, uint32_t *ret_nodeid);

#endif
