/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lockstep status says of each lost node: since when, what is being done about it, which of its locks
 * are waited for and by whom, and the command that ends it. Fits a screen whatever the table holds.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256
#define LOCKS_SHOWN 6 /* of each lost node in each lockspace */

/* Of one resource, whose locks come one after the other. */
struct contended {
	uint32_t nodeid;                   /* the lost node in question */
	bool any;                          /* there is a resource under way */
	struct lockstep_lock_info holder;  /* of that node */
	struct lockstep_lock_info waiter;  /* the first */
	size_t holders;
	size_t waiters;
	size_t shown;
	size_t more;
};

static bool same_name(const struct lockstep_lock_info *a, const struct lockstep_lock_info *b)
{
	return a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

static void resource_end(struct contended *c)
{
	char name[NAME_TEXT_MAX], owner[TEXT_MAX], since[TEXT_MAX];

	if (c->holders == 0 || c->waiters == 0) {
		return;
	}
	if (c->shown == LOCKS_SHOWN) {
		c->more++;
		return;
	}
	if (c->shown++ == 0) {
		(void)printf("  of these are waited for:\n");
	}
	(void)printf("    %s, held in mode %s by %s:\n",
		     bytes_escape(c->holder.name, c->holder.name_len, false, name),
		     lockstep_mode_name(c->holder.granted), owner_text(&c->holder, owner, sizeof(owner)));
	(void)printf("      %s waits for %s since %s", owner_text(&c->waiter, owner, sizeof(owner)),
		     lockstep_mode_name(c->waiter.requested),
		     since_text(c->waiter.time_ms, since, sizeof(since)));
	if (c->waiters > 1) {
		(void)printf(", and %zu more wait%s", c->waiters - 1, c->waiters == 2 ? "s" : "");
	}
	(void)printf("\n");
}

static int lock_visit(const struct lockstep_lock_info *lock, void *arg)
{
	struct contended *c = arg;

	if (c->any && !same_name(&c->holder, lock)) {
		resource_end(c);
		c->any = false;
	}
	if (!c->any) {
		c->any = true;
		c->holder = *lock; /* for its name, until one of that node comes */
		c->holders = 0;
		c->waiters = 0;
	}
	if (lock->lost && lock->nodeid == c->nodeid && lock->granted > LOCKSTEP_LOCK_NL) {
		c->holder = *lock;
		c->holders++;
	}
	if (lock->queue != 'G' && c->waiters++ == 0) {
		c->waiter = *lock;
	}
	return 0;
}

int lost_add(const struct lockstep_member_info *info, void *arg)
{
	struct lost_list *l = arg;

	if (strcmp(info->state, "lost") == 0 && l->count < LOST_MAX) {
		l->member[l->count++] = *info;
	}
	return 0;
}

static int lost_tell(struct lockstep_admin *a, const char *space, const struct lockstep_member_info *m,
		     const char *said)
{
	struct contended c = { .nodeid = m->nodeid };
	char since[TEXT_MAX], number[16], node[LOCKSTEP_NODE_NAME_MAX + 16];
	const char *name = m->name;
	int error = 0;

	(void)snprintf(number, sizeof(number), "%" PRIu32, m->nodeid);
	name = name[0] ? name : number;
	(void)printf("lost: %s", node_text(m->name, m->nodeid, node, sizeof(node)));
	if (m->lost_ms) {
		(void)printf(" since %s", since_text(m->lost_ms, since, sizeof(since)));
	}
	(void)printf("; lockspace %s keeps its %" PRIu32 " lock%s until it was fenced or has come back clean\n",
		     space, m->locks, m->locks == 1 ? "" : "s");
	if (m->reason[0] && !strstr(said, m->reason)) {
		(void)printf("  %s\n", m->reason);
	}
	if (m->locks > 0) {
		error = lockstep_admin_contended(a, space, lock_visit, &c);
	}
	if (error) {
		return error;
	}
	if (c.any) {
		resource_end(&c);
	}
	if (c.more > 0) {
		(void)printf("    and %zu more: lockstep locks -s %s --contended\n", c.more, space);
	}
	if (m->locks > 0) {
		(void)printf("  all that it holds: lockstep locks -s %s --node %s\n", space, name);
	}
	(void)printf("  if you are sure that it is off: lockstep fence-ack %s\n", name);
	return 0;
}

int lost_nodes_tell(struct lockstep_admin *a, const char *space, const char *said)
{
	struct lost_list lost = { .count = 0 };
	int error = lockstep_admin_members(a, space, lost_add, &lost);

	for (size_t i = 0; error == 0 && i < lost.count; i++) {
		error = lost_tell(a, space, &lost.member[i], said);
	}
	return error == -ENOENT || error == -EACCES ? 0 : error; /* left meanwhile, or not for us */
}
