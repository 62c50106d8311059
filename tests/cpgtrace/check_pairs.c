/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The axioms about what several processes see together; see axioms.h. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cpgtrace/axioms.h"

/* One ring as one life saw it: events[first .. end) are delivered in it, with the
 * confchgs of the change to the next one at the end; events[end] is the totem callback of
 * the next ring, if there is one. */
struct period {
	struct ringid ring;
	size_t first;
	size_t end;
	bool last;
};

struct periods {
	struct period *list;
	size_t count;
};

static void *must(void *p)
{
	if (!p) {
		abort();
	}
	return p;
}

static struct periods periods_of(const struct life *l)
{
	struct periods ps = { .list = must(calloc(l->count + 1, sizeof(struct period))) };

	for (size_t i = 0; i < l->count; i++) {
		if (l->events[i].type != EVENT_TOTEM) {
			continue;
		}
		if (ps.count > 0) {
			ps.list[ps.count - 1].end = i;
			ps.list[ps.count - 1].last = false;
		}
		/* What came before the first totem callback, the own JOIN at most, is of
		 * its ring. */
		ps.list[ps.count] = (struct period){ .ring = l->events[i].ring,
						     .first = ps.count > 0 ? i + 1 : 0,
						     .end = l->count,
						     .last = true };
		ps.count++;
	}
	return ps;
}

/* --- same-nodes, same-members, one-ring
 * ------------------------------------------------------ */

struct place {
	const struct life *l;
	const struct event *ev;
	struct key key;
	struct ringid ring;
	const struct address *list;
	size_t count;
};

struct places {
	struct place *list;
	size_t count;
	size_t capacity;
};

static void place_add(struct places *p, struct place place)
{
	if (p->count == p->capacity) {
		p->capacity = p->capacity ? 2 * p->capacity : 64;
		p->list = must(realloc(p->list, p->capacity * sizeof(*p->list)));
	}
	p->list[p->count++] = place;
}

#define COMPARE(a, b)                                                                    \
	do {                                                                             \
		if ((a) != (b)) {                                                        \
			return (a) < (b) ? -1 : 1;                                       \
		}                                                                        \
	} while (0)

static int ring_order(struct ringid a, struct ringid b)
{
	COMPARE(a.nodeid, b.nodeid);
	COMPARE(a.seq, b.seq);
	return 0;
}

static int key_order(struct key a, struct key b)
{
	COMPARE(a.nodeid, b.nodeid);
	COMPARE(a.pid, b.pid);
	COMPARE(a.life, b.life);
	COMPARE(a.number, b.number);
	return 0;
}

static int place_order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int c = key_order(x->key, y->key);

	return c ? c : ring_order(x->ring, y->ring);
}

static void same_lists(struct check *c, struct places *p, const char *axiom,
		       const char *what)
{
	if (p->count > 0) {
		qsort(p->list, p->count, sizeof(*p->list), place_order);
	}
	for (size_t i = 1; i < p->count; i++) {
		const struct place *a = &p->list[i - 1], *b = &p->list[i];

		if (ring_equal(a->ring, b->ring) &&
		    !addresses_equal(a->list, a->count, b->list, b->count)) {
			violation(c, b->l, b->ev, axiom,
				  "other %s in ring %u.%" PRIu64 " than %s:%u says", what,
				  b->ring.nodeid, b->ring.seq, a->l->file, a->ev->line);
		}
	}
	free(p->list);
}

static void same_nodes(struct check *c)
{
	struct places p = { 0 };

	for (size_t i = 0; i < c->trace->count; i++) {
		const struct life *l = &c->trace->lives[i];

		for (size_t k = 0; k < l->count; k++) {
			const struct event *ev = &l->events[k];

			if (ev->type == EVENT_TOTEM || ev->type == EVENT_QUORUM) {
				place_add(&p,
					  (struct place){ .l = l,
							  .ev = ev,
							  .ring = ev->ring,
							  .list = ev->members,
							  .count = ev->members_count });
			}
		}
	}
	same_lists(c, &p, "same-nodes", "nodes");
}

static void same_members(struct check *c)
{
	struct places p = { 0 };

	for (size_t i = 0; i < c->trace->count; i++) {
		const struct life *l = &c->trace->lives[i];
		const struct event *last = NULL;
		bool ringed = l->born < l->count && l->events[l->born].period.nodeid != 0;

		for (size_t k = l->born; k < l->count; k++) {
			const struct event *ev = &l->events[k];

			if (ev->type == EVENT_CONFCHG) {
				last = ev;
			} else if (ev->type == EVENT_TOTEM) {
				/* The first one is no ring change. */
				if (ringed && last) {
					place_add(&p,
						  (struct place){
							  .l = l,
							  .ev = ev,
							  .ring = ev->ring,
							  .list = last->members,
							  .count = last->members_count });
				}
				ringed = true;
			}
		}
	}
	same_lists(c, &p, "same-members", "members");
}

static struct address self(const struct life *l)
{
	return (struct address){ .nodeid = l->nodeid, .pid = l->pid };
}

/* Another one whom the sender sees in the group when it delivers its message, and who
 * goes on to another ring later: so it was not killed before it could get it. */
static bool others_there(const struct check *c, const struct periods *ps,
			 const struct place *m)
{
	const struct event *last = m->ev;

	while (last > m->l->events && last->type != EVENT_CONFCHG) {
		last--;
	}
	for (size_t i = 0; i < c->trace->count; i++) {
		const struct life *b = &c->trace->lives[i];

		for (size_t j = 0; b != m->l && j < ps[i].count; j++) {
			const struct period *p = &ps[i].list[j];

			if (ring_equal(p->ring, m->ring) && !p->last &&
			    b->born < p->end &&
			    address_in(last->members, last->members_count, self(b))) {
				return true;
			}
		}
	}
	return false;
}

static void one_ring(struct check *c, const struct periods *ps)
{
	struct places p = { 0 };

	for (size_t i = 0; i < c->trace->count; i++) {
		const struct life *l = &c->trace->lives[i];

		for (size_t k = 0; k < l->count; k++) {
			if (l->events[k].type == EVENT_MESSAGE) {
				place_add(&p,
					  (struct place){ .l = l,
							  .ev = &l->events[k],
							  .key = l->events[k].key,
							  .ring = l->events[k].period });
			}
		}
	}
	if (p.count > 0) {
		qsort(p.list, p.count, sizeof(*p.list), place_order);
	}
	for (size_t i = 0; i < p.count; i++) {
		const struct place *m = &p.list[i];
		bool as_before = i > 0 && key_order(p.list[i - 1].key, m->key) == 0;
		bool as_after =
			i + 1 < p.count && key_order(p.list[i + 1].key, m->key) == 0;

		if (as_before && !ring_equal(p.list[i - 1].ring, m->ring)) {
			violation(c, m->l, m->ev, "one-ring",
				  "%s:%u delivers it in another ring",
				  p.list[i - 1].l->file, p.list[i - 1].ev->line);
		}
		if (!as_before && !as_after && m->l->nodeid == m->key.nodeid &&
		    m->l->pid == m->key.pid) {
			c->seen[SEEN_SELF_ONLY] += others_there(c, ps, m);
		}
	}
	free(p.list);
}

/* --- pairs
 * ----------------------------------------------------------------------------------- */

static bool same_event(const struct event *a, const struct event *b)
{
	if (a->type != b->type) {
		return false;
	}
	if (a->type == EVENT_MESSAGE) {
		return key_order(a->key, b->key) == 0;
	}
	return a->reason == b->reason &&
	       addresses_equal(a->members, a->members_count, b->members,
			       b->members_count) &&
	       addresses_equal(a->left, a->left_count, b->left, b->left_count) &&
	       addresses_equal(a->joined, a->joined_count, b->joined, b->joined_count);
}

static const struct event *next_ordered(const struct life *l, size_t *at, size_t end)
{
	while (*at < end) {
		const struct event *ev = &l->events[(*at)++];

		if (ev->type == EVENT_MESSAGE || ev->type == EVENT_CONFCHG) {
			return ev;
		}
	}
	return NULL;
}

/* Where @l sees the JOIN of @other in that period; the period's end when it does not. The
 * last one: the same process may have been in and out before, and it is @other who goes
 * on to the next ring. */
static size_t join_seen(const struct life *l, const struct period *p,
			const struct life *other)
{
	for (size_t i = p->end; i > p->first; i--) {
		const struct event *ev = &l->events[i - 1];

		if (ev->type == EVENT_CONFCHG && ev->reason == REASON_JOIN &&
		    address_in(ev->joined, ev->joined_count, self(other))) {
			return i - 1;
		}
	}
	return p->end;
}

/* From where on both were there, in the period that they share. */
static bool common_start(const struct life *a, const struct period *pa,
			 const struct life *b, const struct period *pb, size_t *ret_a,
			 size_t *ret_b)
{
	bool a_born = a->born >= pa->first && a->born < pa->end;
	bool b_born = b->born >= pb->first && b->born < pb->end;

	*ret_a = pa->first;
	*ret_b = pb->first;
	if (a_born && b_born) {
		size_t in_a = join_seen(a, pa, b);

		if (in_a < pa->end && in_a > a->born) {
			*ret_a = in_a;
			*ret_b = b->born;
			return true;
		}
	}
	if (a_born) {
		*ret_a = a->born;
		*ret_b = join_seen(b, pb, a);
		return *ret_b < pb->end;
	}
	if (b_born) {
		*ret_a = join_seen(a, pa, b);
		*ret_b = b->born;
		return *ret_a < pa->end;
	}
	return true;
}

static void together(struct check *c, const struct life *a, const struct period *pa,
		     const struct life *b, const struct period *pb)
{
	size_t ia, ib;

	c->seen[SEEN_TOGETHER]++;
	if (c->seen[SEEN_GHOSTS] > 0 && c->ghosts_allowed) {
		return; /* not everybody sees the ghost (corosync-notes 2.8) */
	}
	if (!common_start(a, pa, b, pb, &ia, &ib)) {
		violation(c, b, NULL, "together",
			  "it or %s has not seen the JOIN of the other", a->file);
		return;
	}
	for (;;) {
		const struct event *ea = next_ordered(a, &ia, pa->end);
		const struct event *eb = next_ordered(b, &ib, pb->end);

		if (!ea && !eb) {
			return;
		}
		if (!ea || !eb || !same_event(ea, eb)) {
			violation(c, eb ? b : a, eb ? eb : ea, "together",
				  "they go on together, but %s:%u is something else",
				  eb ? a->file : b->file,
				  eb ? (ea ? ea->line : a->events[pa->end].line)
				     : b->events[pb->end].line);
			return;
		}
	}
}

struct item {
	struct key key; /* messages; a confchg has its reason as number and no life */
	size_t at;
};

static int item_order(const void *a, const void *b)
{
	return key_order(((const struct item *)a)->key, ((const struct item *)b)->key);
}

/* It left and joined again: its confchgs cannot be told apart by what is in them. */
static bool many_lives(const struct check *c, struct address who)
{
	unsigned int lives = 0;

	for (size_t i = 0; i < c->trace->count; i++) {
		lives += address_equal(self(&c->trace->lives[i]), who);
	}
	return lives > 1;
}

/* Messages and the confchgs of single processes, each once. */
static struct item *items_of(const struct check *c, const struct life *l,
			     const struct period *p, size_t *ret_count)
{
	struct item *list = must(calloc(p->end - p->first + 1, sizeof(*list)));
	size_t n = 0;

	for (size_t i = p->first; i < p->end; i++) {
		const struct event *ev = &l->events[i];

		if (ev->type == EVENT_MESSAGE) {
			list[n++] = (struct item){ ev->key, i };
		} else if (ev->type == EVENT_CONFCHG && ev->reason != REASON_NODEDOWN &&
			   ev->reason != REASON_NODEUP &&
			   ev->left_count + ev->joined_count == 1) {
			struct address who = ev->left_count ? ev->left[0] : ev->joined[0];

			if (!many_lives(c, who)) {
				list[n++] = (struct item){ { who.nodeid, who.pid, 0,
							     (uint64_t)ev->reason },
							   i };
			}
		}
	}
	*ret_count = n;
	return list;
}

/* NULL when it is not there exactly once. */
static const struct item *item_find(const struct item *sorted, size_t count,
				    const struct item *what)
{
	const struct item *found =
		count ? bsearch(what, sorted, count, sizeof(*sorted), item_order) : NULL;

	if (!found || (found > sorted && item_order(found - 1, what) == 0) ||
	    (found + 1 < sorted + count && item_order(found + 1, what) == 0)) {
		return NULL;
	}
	return found;
}

static void order(struct check *c, const struct life *a, const struct period *pa,
		  const struct life *b, const struct period *pb)
{
	size_t na, nb, before = 0;
	struct item *in_a = items_of(c, a, pa, &na), *in_b = items_of(c, b, pb, &nb);
	struct item *sorted_a = items_of(c, a, pa, &na);

	qsort(sorted_a, na, sizeof(*sorted_a), item_order);
	qsort(in_b, nb, sizeof(*in_b), item_order);
	for (size_t i = 0; i < na; i++) {
		const struct item *found = item_find(in_b, nb, &in_a[i]);

		if (!found || !item_find(sorted_a, na, &in_a[i])) {
			continue;
		}
		if (found->at < before) {
			violation(c, b, &b->events[found->at], "order",
				  "%s:%u has it the other way round", a->file,
				  a->events[in_a[i].at].line);
			break;
		}
		before = found->at;
	}
	free(in_a);
	free(sorted_a);
	free(in_b);
}

/* Was @other NODEDOWN for @l between the totem callbacks of two of its periods? It was as
 * well when it comes as NODEUP: its JOIN may have been delivered to itself only. */
static bool departs(const struct life *l, const struct periods *ps, size_t from,
		    size_t to, const struct life *other)
{
	for (size_t i = ps->list[from].first; i < ps->list[to].first; i++) {
		const struct event *ev = &l->events[i];

		if (ev->type == EVENT_CONFCHG &&
		    ((ev->reason == REASON_NODEDOWN &&
		      address_in(ev->left, ev->left_count, self(other))) ||
		     (ev->reason == REASON_NODEUP &&
		      address_in(ev->joined, ev->joined_count, self(other))))) {
			return true;
		}
	}
	return false;
}

static bool born_in_or_before(const struct life *l, const struct period *p)
{
	return l->born < p->end;
}

static void pair(struct check *c, const struct life *a, const struct periods *pa,
		 const struct life *b, const struct periods *pb)
{
	size_t ka = 0, kb = 0; /* the last ring that both saw */
	bool common = false;

	for (size_t i = 0; i < pa->count; i++) {
		size_t j = common ? kb + 1 : 0;

		while (j < pb->count && !ring_equal(pa->list[i].ring, pb->list[j].ring)) {
			j++;
		}
		if (j == pb->count || !born_in_or_before(a, &pa->list[i]) ||
		    !born_in_or_before(b, &pb->list[j])) {
			continue;
		}
		order(c, a, &pa->list[i], b, &pb->list[j]);
		if (common) {
			bool a_sees = departs(a, pa, ka, i, b),
			     b_sees = departs(b, pb, kb, j, a);

			if (a_sees != b_sees) {
				violation(
					c, a_sees ? b : a,
					a_sees ? &b->events[pb->list[j].first - 1]
					       : &a->events[pa->list[i].first - 1],
					"departure",
					"it is NODEDOWN for %s, not the other way round",
					a_sees ? a->file : b->file);
			} else if (!a_sees && (i != ka + 1 || j != kb + 1)) {
				violation(
					c, b, &b->events[pb->list[j].first - 1],
					"departure",
					"one of it and %s sees a ring in between, and no NODEDOWN",
					a->file);
			} else if (a_sees) {
				c->seen[SEEN_APART]++;
			} else {
				together(c, a, &pa->list[ka], b, &pb->list[kb]);
			}
		}
		common = true;
		ka = i;
		kb = j;
	}
}

/* --- reasons, and what is only counted
 * --------------------------------------------------------- */

static void reasons(struct check *c, const struct life *l, const struct event *ev)
{
	bool known = false, called = false, died = false;

	if (ev->type != EVENT_CONFCHG || ev->left_count == 0) {
		return;
	}
	for (size_t i = 0; i < c->trace->count; i++) {
		const struct life *o = &c->trace->lives[i];

		if (address_equal(self(o), ev->left[0])) {
			known = true;
			called |= o->leave_called || o->end == END_KILLED;
			died |= o->end != END_LEFT;
		}
	}
	if (known && ev->reason == REASON_LEAVE && !called) {
		violation(c, l, ev, "reasons", "LEAVE of a process that did not leave");
	}
	if (known && ev->reason == REASON_PROCDOWN && !died) {
		violation(c, l, ev, "reasons",
			  "PROCDOWN of a process that neither died nor lost Corosync");
	}
}

static void rings_count(struct check *c, const struct periods *ps)
{
	struct places p = { 0 };

	for (size_t i = 0; i < c->trace->count; i++) {
		for (size_t k = 0; k < ps[i].count; k++) {
			place_add(&p, (struct place){ .ring = ps[i].list[k].ring });
		}
	}
	if (p.count > 0) {
		qsort(p.list, p.count, sizeof(*p.list), place_order);
	}
	for (size_t i = 0; i < p.count; i++) {
		c->seen[SEEN_RINGS] +=
			i == 0 || !ring_equal(p.list[i - 1].ring, p.list[i].ring);
	}
	free(p.list);
}

void check_pairs(struct check *c)
{
	struct periods *ps = must(calloc(c->trace->count + 1, sizeof(*ps)));

	same_nodes(c);
	if (c->seen[SEEN_GHOSTS] == 0 || !c->ghosts_allowed) {
		same_members(c);
	}
	for (size_t i = 0; i < c->trace->count; i++) {
		ps[i] = periods_of(&c->trace->lives[i]);
	}
	one_ring(c, ps);
	for (size_t i = 0; i < c->trace->count; i++) {
		const struct life *a = &c->trace->lives[i];

		for (size_t k = 0; k < a->count; k++) {
			reasons(c, a, &a->events[k]);
		}
		for (size_t j = i + 1; j < c->trace->count; j++) {
			const struct life *b = &c->trace->lives[j];

			/* Two lives of one process are never there at the same time. */
			if (!address_equal(self(a), self(b))) {
				pair(c, a, &ps[i], b, &ps[j]);
			}
		}
	}
	rings_count(c, ps);
	for (size_t i = 0; i < c->trace->count; i++) {
		free(ps[i].list);
	}
	free(ps);
}
