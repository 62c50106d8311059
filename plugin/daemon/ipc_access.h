/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The access file, lockstep.access(5): who may do what with which lockspaces, beyond what the permission bits
 * and ipc_group say. Rules are tried in order, and the first that fits decides; where none fits the built-in
 * rules do. Root and the daemon's own user are not subject to it.
 */
#ifndef LOCKSTEP_DAEMON_IPC_ACCESS_H
#define LOCKSTEP_DAEMON_IPC_ACCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct access_rules;

/* Operations, as bits. */
#define ACCESS_VIEW 0x1u   /* be shown the lockspace, its members and locks */
#define ACCESS_LOCK 0x2u   /* open sessions on it */
#define ACCESS_CREATE 0x4u /* create and release it */
#define ACCESS_ADMIN 0x8u  /* release it by force; acknowledge fencing (any lockspace) */

enum access_verdict {
	ACCESS_NO_RULE = 0,
	ACCESS_ALLOWED,
	ACCESS_DENIED,
};

/*
 * Reads @path. 0; or a negative errno with *ret_errors a text of lines, each "file:line: sentence", to be freed with
 * g_free(). The whole file is looked at. It must belong to root or the daemon's user, and nobody else may write it.
 */
int access_load(const char *path, struct access_rules **ret, char **ret_errors);
struct access_rules *access_free(struct access_rules *r);

/* @r NULL: there are no rules. @space NULL: the whole node; only a rule for "*" fits. May ask the name
 * service for the groups of the user. */
enum access_verdict access_check(const struct access_rules *r, uid_t uid, gid_t gid, const char *space,
				 unsigned int operation);
/* Does some rule allow that user something? Then he may connect. */
bool access_any(const struct access_rules *r, uid_t uid, gid_t gid);
/* Does some rule speak of @operation? */
bool access_mentions(const struct access_rules *r, unsigned int operation);
/* Is @group the user's primary group or one of his others? May ask the name service. */
bool access_user_in_group(uid_t uid, gid_t primary, gid_t group);

#endif
