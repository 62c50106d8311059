/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The axioms that one process's view must keep by itself; see axioms.h. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cpgtrace/axioms.h"

enum { SENDERS_MAX = 256, MEMBERS_MAX = 256, VERDICTS = 16 };

struct sender {
	struct key key;	 /* number: the last one delivered */
	bool from_birth; /* its JOIN was seen: it begins with 1 */
	bool gap;	 /* it was NODEDOWN since */
};

struct walk {
	struct check *c;
	struct life *l;
	struct address members[MEMBERS_MAX];
	size_t members_count;
	struct sender senders[SENDERS_MAX];
	size_t senders_count;
	struct ringid ring;
	struct ringid verdicts[VERDICTS]; /* the last ones; [0] is the newest */
	bool totem;    /* one was seen */
	bool down, up; /* in a ring change: what was seen of it */
	bool over;     /* own LEAVE */
	/* Of the ring change in progress. */
	const struct event *left;
};

static struct address self(const struct walk *w)
{
	return (struct address){ .nodeid = w->l->nodeid, .pid = w->l->pid };
}

/* A process that is slow reads verdicts about rings to come while messages of this one still wait. */
static bool verdict_heard(const struct walk *w, struct ringid ring)
{
	for (size_t i = 0; i < VERDICTS; i++) {
		if (ring_equal(w->verdicts[i], ring)) {
			return true;
		}
	}
	return false;
}

static void verdict_hear(struct walk *w, struct ringid ring)
{
	memmove(&w->verdicts[1], &w->verdicts[0], (VERDICTS - 1) * sizeof(w->verdicts[0]));
	w->verdicts[0] = ring;
}

/* --- configuration changes
 * ----------------------------------------------------------------- */

static void one_change(struct walk *w, struct event *ev)
{
	const struct address *list = ev->left_count ? ev->left : ev->joined;
	size_t count = ev->left_count + ev->joined_count;

	if (count == 0 || (ev->left_count && ev->joined_count)) {
		violation(w->c, w->l, ev, "one-change", "%zu left, %zu joined",
			  ev->left_count, ev->joined_count);
		return;
	}
	ev->reason = list[0].reason;
	for (size_t i = 1; i < count; i++) {
		if (list[i].reason != ev->reason) {
			violation(w->c, w->l, ev, "one-change", "two reasons");
		}
	}
	if (count > 1 && ev->reason != REASON_NODEDOWN && ev->reason != REASON_NODEUP) {
		violation(w->c, w->l, ev, "one-change", "%zu processes at a time", count);
	}
	if ((ev->left_count > 0) !=
	    (ev->reason == REASON_LEAVE || ev->reason == REASON_NODEDOWN ||
	     ev->reason == REASON_PROCDOWN)) {
		violation(w->c, w->l, ev, "one-change",
			  "the reason is of the other list");
	}
}

static void members_change(struct walk *w, const struct event *ev)
{
	struct address expected[MEMBERS_MAX];
	size_t count = 0;

	for (size_t i = 1; i < ev->members_count; i++) {
		struct address a = ev->members[i - 1], b = ev->members[i];

		if (a.nodeid > b.nodeid || (a.nodeid == b.nodeid && a.pid >= b.pid)) {
			violation(w->c, w->l, ev, "members", "not sorted");
		}
	}
	if (w->members_count > 0) {
		for (size_t i = 0; i < w->members_count; i++) {
			if (!address_in(ev->left, ev->left_count, w->members[i])) {
				expected[count++] = w->members[i];
			}
		}
		if (count + ev->left_count != w->members_count) {
			violation(w->c, w->l, ev, "members",
				  "somebody left who was not there");
		}
		for (size_t i = 0; i < ev->joined_count && count < MEMBERS_MAX; i++) {
			if (address_in(expected, count, ev->joined[i])) {
				violation(w->c, w->l, ev, "members",
					  "somebody joined who was there");
			}
			expected[count++] = ev->joined[i];
		}
		if (!addresses_equal(expected, count, ev->members, ev->members_count)) {
			violation(
				w->c, w->l, ev, "members",
				"the list is not what the changes make of the one before");
		}
	}
	w->members_count =
		ev->members_count < MEMBERS_MAX ? ev->members_count : MEMBERS_MAX;
	for (size_t i = 0; i < w->members_count; i++) {
		w->members[i] = ev->members[i];
	}
}

static void sync_block(struct walk *w, const struct event *ev)
{
	switch (ev->reason) {
	case REASON_NODEDOWN:
		if (w->down || w->up) {
			violation(w->c, w->l, ev, "sync-block",
				  "NODEDOWN is not first in its ring change");
		}
		w->down = true;
		w->left = ev;
		break;
	case REASON_NODEUP:
		if (w->up) {
			violation(w->c, w->l, ev, "sync-block",
				  "a second NODEUP in one ring change");
		}
		w->up = true;
		for (size_t i = 0; w->left && i < ev->joined_count; i++) {
			w->c->seen[SEEN_UP_AGAIN] += address_in(
				w->left->left, w->left->left_count, ev->joined[i]);
		}
		break;
	case REASON_PROCDOWN:
		w->c->seen[SEEN_SYNC_PROCDOWN] += w->down || w->up;
		break;
	default:
		if (w->down || w->up) {
			violation(
				w->c, w->l, ev, "sync-block",
				"a JOIN or LEAVE between a NODEDOWN or NODEUP and its totem callback");
		}
		break;
	}
}

static void senders_change(struct walk *w, const struct event *ev)
{
	for (size_t i = 0; i < w->senders_count; i++) {
		struct sender *s = &w->senders[i];

		if (ev->reason == REASON_NODEDOWN &&
		    address_in(ev->left, ev->left_count,
			       (struct address){ s->key.nodeid, s->key.pid, 0 })) {
			s->gap = true;
		}
	}
}

static void confchg(struct walk *w, struct event *ev)
{
	one_change(w, ev);
	if (w->l->born == w->l->count) {
		w->l->born = (size_t)(ev - w->l->events);
		if (ev->reason != REASON_JOIN ||
		    !address_in(ev->joined, ev->joined_count, self(w)) ||
		    !address_in(ev->members, ev->members_count, self(w))) {
			violation(w->c, w->l, ev, "join-first",
				  "the first confchg is not the own JOIN");
		}
	} else if (!w->totem) {
		violation(w->c, w->l, ev, "join-first",
			  "no totem callback since the own JOIN");
	}
	members_change(w, ev);
	sync_block(w, ev);
	senders_change(w, ev);
	if (address_in(ev->left, ev->left_count, self(w))) {
		if (ev->reason != REASON_LEAVE) {
			violation(w->c, w->l, ev, "reasons",
				  "it sees itself leave without having asked");
		}
		w->over = true;
	}
}

/* --- rings
 * ---------------------------------------------------------------------------------- */

static void totem(struct walk *w, struct event *ev)
{
	if (ev->ring.seq <= w->ring.seq) {
		violation(w->c, w->l, ev, "ring", "sequence %" PRIu64 " after %" PRIu64,
			  ev->ring.seq, w->ring.seq);
	}
	for (size_t i = 0; i < ev->members_count; i++) {
		if (ev->members[i].nodeid < ev->ring.nodeid) {
			violation(w->c, w->l, ev, "ring",
				  "it is not named after its lowest node");
		}
	}
	if (!address_in(ev->members, ev->members_count,
			(struct address){ .nodeid = w->l->nodeid })) {
		violation(w->c, w->l, ev, "ring", "this node is not in it");
	}
	for (size_t i = 0; i < w->members_count; i++) {
		if (!address_in(ev->members, ev->members_count,
				(struct address){ .nodeid = w->members[i].nodeid })) {
			w->c->seen[SEEN_GHOSTS]++;
			if (!w->c->ghosts_allowed) {
				violation(w->c, w->l, ev, "ring",
					  "node %u of a member is not in it",
					  w->members[i].nodeid);
			}
		}
	}
	w->c->seen[SEEN_TOTEM_EARLY] += !w->totem && w->l->born == w->l->count;
	w->c->seen[SEEN_ALONE] += ev->members_count == 1;
	w->totem = true;
	w->ring = ev->ring;
	w->down = w->up = false;
	w->left = NULL;
	ev->period = ev->ring;
}

/* --- messages
 * ------------------------------------------------------------------------------- */

/* @ev is the sender's first message here: was its JOIN seen? Then none is missing. */
static bool born_here(const struct walk *w, const struct event *ev)
{
	bool seen = false;

	for (const struct event *e = w->l->events; e < ev; e++) {
		if (e->type != EVENT_CONFCHG) {
			continue;
		}
		if (e->reason == REASON_JOIN &&
		    address_in(e->joined, e->joined_count, ev->from)) {
			seen = true;
		} else if (address_in(e->left, e->left_count, ev->from) ||
			   address_in(e->joined, e->joined_count, ev->from)) {
			seen = false;
		}
	}
	return seen;
}

static void message(struct walk *w, const struct event *ev)
{
	struct sender *s = NULL;
	bool node = false;

	w->c->seen[SEEN_DELIVERED]++;
	w->c->seen[SEEN_CROSSED] +=
		ev->ring.nodeid != 0 && !ring_equal(ev->ring, w->ring);
	if (w->l->born == w->l->count || !w->totem) {
		violation(w->c, w->l, ev, "join-first",
			  "a message before the own JOIN and a totem callback");
	}
	if (w->down || w->up) {
		violation(
			w->c, w->l, ev, "sync-block",
			"a message between a NODEDOWN or NODEUP and its totem callback");
	}
	if (ev->from.nodeid != ev->key.nodeid || ev->from.pid != ev->key.pid) {
		violation(w->c, w->l, ev, "identity", "sent by %u.%u", ev->key.nodeid,
			  ev->key.pid);
	}
	for (size_t i = 0; i < w->members_count; i++) {
		node |= w->members[i].nodeid == ev->from.nodeid;
	}
	if (!node) {
		violation(w->c, w->l, ev, "identity", "no process of node %u is a member",
			  ev->from.nodeid);
	}
	if (!verdict_heard(w, w->ring)) {
		w->c->seen[SEEN_QUORUM_LATE]++;
		if (!w->l->cpg_first) {
			violation(w->c, w->l, ev, "quorum-first",
				  "in ring %u.%" PRIu64
				  ", the last verdict is about %u.%" PRIu64,
				  w->ring.nodeid, w->ring.seq, w->verdicts[0].nodeid,
				  w->verdicts[0].seq);
		}
	}
	for (size_t i = 0; i < w->senders_count && !s; i++) {
		const struct key *k = &w->senders[i].key;

		if (k->nodeid == ev->key.nodeid && k->pid == ev->key.pid &&
		    k->life == ev->key.life) {
			s = &w->senders[i];
		}
	}
	if (!s) {
		if (w->senders_count == SENDERS_MAX) {
			violation(w->c, w->l, ev, "numbers", "more than %d senders",
				  SENDERS_MAX);
			return;
		}
		s = &w->senders[w->senders_count++];
		*s = (struct sender){ .key = ev->key, .gap = !born_here(w, ev) };
		s->key.number = 0;
	}
	if (ev->key.number <= s->key.number) {
		violation(w->c, w->l, ev, "numbers", "number %" PRIu64 " after %" PRIu64,
			  ev->key.number, s->key.number);
	} else if (ev->key.number != s->key.number + 1) {
		if (!s->gap) {
			violation(w->c, w->l, ev, "numbers",
				  "number %" PRIu64 " after %" PRIu64
				  ", and its sender was there all the time",
				  ev->key.number, s->key.number);
		} else if (s->key.number > 0) {
			w->c->seen[SEEN_GAPS] += ev->key.number - s->key.number - 1;
		}
	}
	s->key.number = ev->key.number;
	s->gap = false;
}

static uint64_t own_delivered(const struct walk *w)
{
	for (size_t i = 0; i < w->senders_count; i++) {
		const struct key *k = &w->senders[i].key;

		if (k->nodeid == w->l->nodeid && k->pid == w->l->pid &&
		    k->life == w->l->life) {
			return k->number;
		}
	}
	return 0;
}

static void check_life(struct check *c, struct life *l)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w) {
		abort();
	}
	w->c = c;
	w->l = l;
	l->born = l->count;
	for (size_t i = 0; i < l->count; i++) {
		struct event *ev = &l->events[i];

		if (w->over && ev->type != EVENT_LEAVE) {
			violation(c, l, ev, "last", "something after the own LEAVE");
		}
		ev->period = w->ring;
		switch (ev->type) {
		case EVENT_SENT:
			if (ev->key.number != l->sent + 1) {
				violation(c, l, ev, "numbers",
					  "the recorder itself skips a number");
			}
			l->sent = ev->key.number;
			break;
		case EVENT_AGAIN:
			c->seen[SEEN_AGAIN]++;
			break;
		case EVENT_MESSAGE:
			message(w, ev);
			break;
		case EVENT_CONFCHG:
			confchg(w, ev);
			break;
		case EVENT_TOTEM:
			totem(w, ev);
			break;
		case EVENT_QUORUM:
			verdict_hear(w, ev->ring);
			c->seen[SEEN_NOT_QUORATE] += !ev->quorate;
			break;
		case EVENT_LEAVE:
			break;
		}
	}
	if (l->end == END_LEFT &&
	    (!w->over || !l->leave_called || own_delivered(w) != l->sent)) {
		violation(c, l, NULL, "own",
			  "it left with %" PRIu64 " of %" PRIu64
			  " own messages delivered",
			  own_delivered(w), l->sent);
	}
	c->seen[SEEN_LIVES]++;
	c->seen[SEEN_KILLED] += l->end == END_KILLED;
	c->seen[SEEN_GONE] += l->end == END_GONE;
	free(w);
}

void check_lives(struct check *c)
{
	for (size_t i = 0; i < c->trace->count; i++) {
		check_life(c, &c->trace->lives[i]);
	}
}
