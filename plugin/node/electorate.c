/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * May this part of the cluster go on (R-VIEW-1, R-VIEW-2)? The continuing set K against the
 * replicated electorate E. Questions only; the answers decide when a ready is sent (space.c).
 */
#include "config.h"

#include "plugin/node/node_private.h"

struct nodeset view_continuing(const struct space *s)
{
	struct nodeset k = { .count = 0 };

	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier && k.count < LOCKSTEP_NODES_MAX) {
			nodeset_add(&k, m->nodeid);
		}
	}
	return k;
}

static bool holds(const struct nodeset *k, const struct nodeset *e)
{
	size_t in = 0;

	for (size_t i = 0; i < e->count; i++) {
		in += nodeset_has(k, e->ids[i]) ? 1 : 0;
	}
	return in * 2 > e->count || (in * 2 == e->count && e->count > 0 && nodeset_has(k, e->ids[0]));
}

bool view_fast(const struct space *s)
{
	struct nodeset k = view_continuing(s);

	if (k.count == 0 || s->leave_done || !holds(&k, &s->electorate)) {
		return false;
	}
	if (s->growth.count > 0) {
		struct nodeset grown = s->electorate;

		for (size_t i = 0; i < s->growth.count; i++) {
			nodeset_add(&grown, s->growth.ids[i]);
		}
		return holds(&k, &grown);
	}
	return true;
}

static bool clean_here(const struct space *s, uint32_t nodeid)
{
	bool found = false;

	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->nodeid != nodeid || view_ghost(s, m)) {
			continue;
		}
		if (m->incarnation == 0 || m->has_state || m->carrier) {
			return false;
		}
		found = true;
	}
	return found;
}

/* Everybody outside K must be known not to carry a newer state. */
static bool lacks(const struct space *s, const struct nodeset *k, uint32_t id)
{
	const struct node *n = s->node;

	if (node_mutated(n, NODE_FENCE_MUTATE_ALONE) && n->config.fencing == NODE_FENCING_NONE) {
		return false;
	}
	return !nodeset_has(k, id) && !clean_here(s, id) &&
	       !nodeset_has(node_mutated(n, NODE_MUTATE_SLOW_ANY) ? &n->acked : &s->slow_acked, id) &&
	       !(daemons_present(n, id) && daemons_accounted(n, s->name, id));
}

bool view_electorate_lacks(const struct space *s, uint32_t nodeid)
{
	struct nodeset k = view_continuing(s);

	return !view_fast(s) && k.count > 0 && !s->leave_done && lacks(s, &k, nodeid);
}

bool view_electorate_ok(const struct space *s, bool *ret_slow)
{
	const struct node *n = s->node;
	struct nodeset k = view_continuing(s);

	*ret_slow = false;
	if (view_fast(s) || node_mutated(n, NODE_MUTATE_NO_ELECTORATE)) {
		return true;
	}
	if (k.count == 0 || s->leave_done) {
		return false;
	}
	for (size_t i = 0; i < n->configured_count; i++) {
		if (lacks(s, &k, n->configured[i])) {
			return false;
		}
	}
	*ret_slow = true;
	return true;
}
