/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdbool.h>
#include <string.h>

#include "plugin/engine/engine.h"
#include "tests/sim/orphans.h"
#include "tests/sim/world.h"

/* Its daemon lives, and has not been lost and come back without telling its clients yet; and the op that asked for
 * it was not refused. */
static bool known_here(struct world *w, const struct client *c, const struct slot *s)
{
	struct simnode *n = &w->nodes[c->host];
	struct node_member_info members[SIM_HOSTS_MAX * 2];
	struct engine_lock_info lock;
	struct node_space_info info;
	size_t count;

	if (!simnode_space(n, s->space, &info) || !info.engine || !n->order_up || n->order_lost) {
		return false;
	}
	count = node_space_members(n->node, info.name, members, sizeof(members) / sizeof(members[0]));
	for (size_t i = 0; i < count && i < sizeof(members) / sizeof(members[0]); i++) {
		if (members[i].local && strcmp(members[i].state, "member") == 0) {
			return engine_lock_find(info.engine, members[i].nodeid, members[i].incarnation, s->lkid,
						&lock) &&
			       lock.granted == s->mode && lock.flags & LOCKSTEP_LKF_PERSISTENT;
		}
	}
	return false;
}

/* Somebody asked for it, and nobody knows yet whether that came before its owner's end. */
static bool may_be_taken(const struct world *w, unsigned int host, const struct slot *s)
{
	if (w->orphans_unsure[host][s->space]) {
		return true;
	}
	for (unsigned int i = 0; i < w->clients_count; i++) {
		const struct client *c = &w->clients[i];

		if (c->purging && c->purge_host == host && c->purge_space == s->space) {
			return true;
		}
		for (unsigned int k = 0; c->host == host && k < CLIENT_SLOTS; k++) {
			const struct slot *t = &c->slots[k];

			if (t->state == SLOT_ASKED && t->adopting && t->space == s->space &&
			    t->resource == s->resource && t->asked == s->mode) {
				return true;
			}
		}
	}
	return false;
}

void orphans_taker_ends(struct world *w, struct client *c)
{
	if (c->purging) {
		w->orphans_unsure[c->purge_host][c->purge_space] = true;
		c->purging = false;
	}
	for (unsigned int k = 0; k < CLIENT_SLOTS; k++) {
		const struct slot *t = &c->slots[k];

		if (t->state == SLOT_ASKED && t->adopting) {
			w->orphans_unsure[c->host][t->space] = true;
		}
	}
}

void orphan_left(struct world *w, const struct client *c, const struct slot *s)
{
	if (!(s->flags & LOCKSTEP_LKF_PERSISTENT) || s->state != SLOT_HELD || s->unlocking || s->cancelling ||
	    s->mode < 0 || c->state != CLIENT_READY || w->orphans_count == SIM_ORPHANS_MAX ||
	    may_be_taken(w, c->host, s) || !known_here(w, c, s) ||
	    unfenced_client(c)) { /* what it held was given to others */
		return;
	}
	world_mark(w, MARK_ORPHAN);
	w->orphans[w->orphans_count++] = (struct orphan){ .host = c->host,
							  .space = s->space,
							  .resource = s->resource,
							  .mode = s->mode,
							  .lkid = s->lkid };
}

void orphans_asked_for(struct world *w, unsigned int host, unsigned int space, int resource, int mode)
{
	for (unsigned int i = w->orphans_count; i-- > 0;) {
		const struct orphan *o = &w->orphans[i];

		if (o->host == host && o->space == space && (resource < 0 || (int)o->resource == resource) &&
		    (mode < 0 || o->mode == mode)) {
			w->orphans[i] = w->orphans[--w->orphans_count];
		}
	}
}

void orphans_gone(struct world *w, unsigned int host, unsigned int space)
{
	orphans_asked_for(w, host, space, -1, -1);
}

void orphans_check(struct world *w, const struct client *c, const struct slot *s)
{
	for (unsigned int i = 0; i < w->orphans_count; i++) {
		const struct orphan *o = &w->orphans[i];

		if (o->space == s->space && o->resource == s->resource &&
		    checker_modes_exclude(o->mode, s->believed)) {
			world_fail(w, "client %u of node %u holds r%u mode %d, and so does orphan %u of node %u mode %d",
				   c->index, c->host + 1, s->resource, s->believed, o->lkid, o->host + 1, o->mode);
			return;
		}
	}
}
