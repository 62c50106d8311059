/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs made for the kernel's DLM read in configfs, as a tree of our own (R-LVM-2):
 *
 *   run_dir/configfs/dlm/cluster/cluster_name                   a line
 *   run_dir/configfs/dlm/cluster/spaces/NAME/nodes/NODEID/      lockspaces of this node, their members
 *
 * `lockstep libdlm run` shows it to its program on /sys/kernel/config; nobody else looks at it. The
 * daemon keeps it itself, and not a process beside each program, since lvmlockd counts the members before
 * it lets a volume group be removed: a member must be in the tree of every node before its own join
 * returns. It is, because each node writes it down before it agrees to the view.
 *
 * The directories above `spaces` are never removed and made again: they are bound elsewhere, and a new
 * daemon goes on with them.
 */
#ifndef LOCKSTEP_DAEMON_DLM_TREE_H
#define LOCKSTEP_DAEMON_DLM_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct daemon;
struct dlm_tree;

/* Makes it, or takes the predecessor's over and empties it. 0 or a negative errno. */
int dlm_tree_open(struct daemon *d, struct dlm_tree **ret);
/* Empties it. */
struct dlm_tree *dlm_tree_free(struct dlm_tree *t);

/* Called whenever the node may have changed; cheap when it has not. NULL is fine. */
void dlm_tree_update(struct dlm_tree *t);

/* What is to be shown on /sys/kernel/config. */
void dlm_tree_path(const struct daemon *d, char *ret, size_t size);

/* R-OCFS-1: does the kernel's DLM have a lockspace @name on this node? */
bool dlm_tree_kernel_has(const char *name);

#endif
