/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Corosync's configuration says: node ids and names, the cluster's name, who we are. Read from
 * cmap, and again when the node list changes.
 */
#ifndef LOCKSTEP_DAEMON_CLUSTER_INFO_H
#define LOCKSTEP_DAEMON_CLUSTER_INFO_H

#include <stddef.h>
#include <stdint.h>

struct cluster_info;
struct daemon;

#define CLUSTER_NODES_MAX 64 /* LOCKSTEP_NODES_MAX */

/* 0, or a negative errno with a sentence in *ret_error (static). */
int cluster_info_open(struct daemon *d, struct cluster_info **ret, const char **ret_error);
struct cluster_info *cluster_info_free(struct cluster_info *info);

/* Ascending node ids. */
const uint32_t *cluster_info_nodes(const struct cluster_info *info, size_t *ret_count);
/* Tells the node logic the names, for its sentences. */
void cluster_info_names_tell(const struct cluster_info *info);
/* NULL: no such node. */
const char *cluster_info_name(const struct cluster_info *info, uint32_t nodeid);
/* 0: no such node. */
uint32_t cluster_info_id(const struct cluster_info *info, const char *name);
/* Our own id; 0: not known. */
uint32_t cluster_info_local(const struct cluster_info *info);

#endif
