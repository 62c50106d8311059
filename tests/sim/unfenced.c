/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "plugin/engine/engine.h"
#include "tests/sim/unfenced.h"
#include "tests/sim/world.h"

enum { MEMBERS_MAX = 64 };

static struct unfenced_loss *loss_find(struct world *w, unsigned int space, unsigned int host, uint64_t incarnation)
{
	size_t n = w->unfenced.count < UNFENCED_MAX ? w->unfenced.count : UNFENCED_MAX;

	for (size_t i = 0; i < n; i++) {
		struct unfenced_loss *l = &w->unfenced.losses[i];

		if (l->space == space && l->host == host && l->incarnation == incarnation) {
			return l;
		}
	}
	return NULL;
}

bool unfenced_client(const struct client *c)
{
	if (c->w->config.fencing != NODE_FENCING_NONE || c->incarnation == 0) {
		return false;
	}
	const struct unfenced_loss *l = loss_find(c->w, c->space, c->host, c->incarnation);

	return l && l->given_up;
}

void unfenced_client_ready(const struct simnode *s, struct client *c)
{
	if (c && s->w->config.fencing == NODE_FENCING_NONE) {
		c->incarnation = checker_incarnation(s, c->space);
	}
}

/* Somebody of that incarnation lives and believes in something. */
static bool anybody(const struct world *w, const struct unfenced_loss *l)
{
	for (unsigned int i = 0; i < w->clients_count; i++) {
		const struct client *c = &w->clients[i];

		for (unsigned int k = 0; k < CLIENT_SLOTS; k++) {
			if (c->alive && c->host == l->host && c->space == l->space &&
			    c->incarnation == l->incarnation && c->slots[k].state != SLOT_FREE &&
			    c->slots[k].believed >= 0) {
				return true;
			}
		}
	}
	return false;
}

/* Who has come later has it from somebody who was there. */
static uint64_t since_first(const struct unfenced_loss *l, unsigned int host)
{
	uint64_t first = l->since_us[host];

	for (unsigned int i = 0; i < SIM_HOSTS_MAX; i++) {
		if ((l->seen_by & 1u << i) && l->since_us[i] < first) {
			first = l->since_us[i];
		}
	}
	return first;
}

static void give_up(struct world *w, unsigned int host, struct unfenced_loss *l)
{
	uint64_t waited_us = world_now(w) - since_first(l, host);
	bool lives = anybody(w, l); /* so nobody has vouched for it */

	if (lives && w->unfenced.passed_us[l->host][l->space] > l->since_us[host]) {
		world_fail(w, "node %u gives away what node %u holds, which goes on by itself", host + 1, l->host + 1);
		return;
	}
	if (lives && waited_us < w->config.lost_timeout_ms * 1000ull) {
		world_fail(w, "node %u gives away what node %u holds %.3f ms after it was lost, lost_timeout is %u ms",
			   host + 1, l->host + 1, (double)waited_us / 1000.0, w->config.lost_timeout_ms);
		return;
	}
	if (lives) {
		story_tell(w, "checker: what clients of node %u hold in %s is given to others", l->host + 1,
			   sim_space_name(l->space));
		world_mark(w, MARK_UNFENCED);
	}
	for (unsigned int i = 0; i < w->clients_count; i++) {
		struct client *c = &w->clients[i];

		for (unsigned int k = 0; c->alive && c->host == l->host && k < CLIENT_SLOTS; k++) {
			if (c->slots[k].state != SLOT_FREE && c->slots[k].space == l->space) {
				checker_lock_orphaned(w, &c->slots[k]);
			}
		}
	}
	checker_host_spoils(w, l->host, l->space);
	orphans_gone(w, l->host, l->space);
	l->given_up = true;
	checker_live_again(w, l->space);
}

/* It goes on by itself: whoever was given its locks has to be gone. */
static void goes_on(struct world *w, unsigned int host, struct unfenced_loss *l)
{
	story_tell(w, "checker: node %u goes on in %s although it was given up", host + 1, sim_space_name(l->space));
	l->given_up = false;
	checker_live_again(w, l->space);
	for (unsigned int i = 0; i < w->clients_count; i++) {
		struct client *c = &w->clients[i];

		for (unsigned int k = 0; c->alive && c->host == host && k < CLIENT_SLOTS; k++) {
			if (c->slots[k].state != SLOT_FREE && c->slots[k].space == l->space) {
				checker_belief(w, c, &c->slots[k]);
			}
		}
	}
}

void unfenced_node_stateless(struct world *w, unsigned int host, unsigned int space)
{
	for (size_t i = 0; i < w->unfenced.count && i < UNFENCED_MAX; i++) {
		if (w->unfenced.losses[i].space == space) {
			w->unfenced.losses[i].seen_by &= ~(1u << host);
		}
	}
}

static struct unfenced_loss *loss_note(struct world *w, unsigned int host, unsigned int space,
				       const struct node_member_info *m)
{
	struct unfenced_loss *l = loss_find(w, space, m->nodeid - 1, m->incarnation);

	if (!l) {
		l = &w->unfenced.losses[w->unfenced.count++ % UNFENCED_MAX];
		*l = (struct unfenced_loss){ .space = space,
					     .host = m->nodeid - 1,
					     .incarnation = m->incarnation };
	}
	if (!(l->seen_by & 1u << host)) {
		l->seen_by |= 1u << host;
		l->since_us[host] = world_now(w);
	}
	return l;
}

void unfenced_node_stepped(struct world *w, unsigned int host, unsigned int space, bool passed)
{
	struct node_member_info members[MEMBERS_MAX];
	size_t count = node_space_members(w->nodes[host].node, sim_space_name(space), members, MEMBERS_MAX);
	size_t losses = w->unfenced.count < UNFENCED_MAX ? w->unfenced.count : UNFENCED_MAX;
	bool waits[UNFENCED_MAX] = { false };
	uint64_t self = checker_incarnation(&w->nodes[host], space);

	if (passed) {
		w->unfenced.passed_us[host][space] = world_now(w);
	}
	for (size_t i = 0; i < count && i < MEMBERS_MAX; i++) {
		if (strcmp(members[i].state, "lost") == 0) {
			waits[loss_note(w, host, space, &members[i]) - w->unfenced.losses] = true;
		}
	}
	for (size_t i = 0; i < losses; i++) {
		struct unfenced_loss *l = &w->unfenced.losses[i];

		if (l->space != space) {
			continue;
		}
		if ((l->seen_by & 1u << host) && !waits[i]) {
			l->seen_by &= ~(1u << host);
			if (!l->given_up) {
				give_up(w, host, l);
			}
		}
		if (passed && l->given_up && l->host == host && l->incarnation == self) {
			goes_on(w, host, l);
		}
	}
}
