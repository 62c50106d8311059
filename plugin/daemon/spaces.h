/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lockspaces this daemon was asked to be in, and who may open them (R-LS-3, R-LS-10). The node
 * object has its own table; this one outlives it, so that a node that comes back after Corosync
 * was gone joins the same lockspaces again.
 */
#ifndef LOCKSTEP_DAEMON_SPACES_H
#define LOCKSTEP_DAEMON_SPACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct node;
struct node_attributes;
struct spaces;

struct spaces *spaces_new(void);
struct spaces *spaces_free(struct spaces *s);

/* As node_space_create(), @want NULL too. @mode 0: 0660. Owner and mode are those of the first. @n may be NULL: it is
 * joined when there is a node. */
int spaces_create(struct spaces *s, struct node *n, const char *name,
		  const struct node_attributes *want, mode_t mode, uid_t uid, gid_t gid);
/* As node_space_release(); works without a node too. */
int spaces_release(struct spaces *s, struct node *n, const char *name, unsigned int force,
		   unsigned int *ret_count);
/* The node has left it again, since it could not be joined (@error). */
void spaces_failed(struct spaces *s, const char *name, int error);
/* Why the last attempt to join it failed; 0: it did not, or another one has been made. */
int spaces_failure(const struct spaces *s, const char *name);
/* For a new node object. */
void spaces_join(struct spaces *s, struct node *n);
/* Is it there (on this node)? */
bool spaces_find(const struct spaces *s, const char *name);
/* May that user open sessions on it? */
bool spaces_may_open(const struct spaces *s, const char *name, uid_t uid, gid_t gid);

#endif
