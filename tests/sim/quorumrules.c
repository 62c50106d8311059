/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What votequorum makes of a ring. Most rules look at its members only; a quorum device has its word to say later, and
 * with last_man_standing it matters who was there before.
 */
#include "config.h"

#include "tests/sim/cpgstate.h"
#include "tests/sim/world.h"

static unsigned int votes(uint32_t members)
{
	return (unsigned int)__builtin_popcount(members);
}

static unsigned int lowest_of(uint32_t members)
{
	return (unsigned int)__builtin_ctz(members);
}

static bool last_man(const struct cpgmodel *m, uint32_t members)
{
	unsigned int expected = 0, lowest = SIM_HOSTS_MAX, n = votes(members);

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		const struct corosync *c = &m->hosts[i];

		if ((members & 1u << i) && c->expected > expected) {
			expected = c->expected;
			lowest = c->lowest;
		}
	}
	if (expected == 0) {
		return n == m->config.hosts; /* wait_for_all */
	}
	expected = n > expected ? n : expected;
	return 2 * n > expected || (2 * n == expected && (members & 1u << lowest));
}

bool quorum_rule(struct cpgmodel *m, unsigned int host, uint32_t members)
{
	unsigned int n = votes(members);

	switch (m->config.quorum) {
	case QUORUM_TWO_NODE:
		return m->config.hosts == 2 ? n > 0 : 2 * n > m->config.hosts;
	case QUORUM_TIE_BREAKER:
		return 2 * n > m->config.hosts || (2 * n == m->config.hosts && (members & 1u));
	case QUORUM_DEVICE:
		return 2 * (n + (m->hosts[host].device_vote ? 1 : 0)) > m->config.hosts + 1;
	case QUORUM_LAST_MAN:
		return last_man(m, members);
	case QUORUM_MAJORITY:
	case QUORUM_RULES:
		break;
	}
	return 2 * n > m->config.hosts;
}

/* --- the device ------------------------------------------------------------------------------ */

static void device_word(void *ctx, uint64_t host, uint64_t vote)
{
	struct cpgmodel *m = ctx;
	struct corosync *c = &m->hosts[host];

	if (!c->up || c->device_vote == (vote != 0)) {
		return;
	}
	story_tell(m->w, "net: the quorum device %s %u", vote ? "votes for" : "does not vote for",
		   (unsigned int)host + 1);
	world_mark(m->w, vote ? MARK_DEVICE_VOTES : MARK_DEVICE_LEAVES);
	c->device_vote = vote != 0;
	/* (Else the end of its sync says it.) */
	if (c->ring && c->ring->active && c->quorum_ring.nodeid == c->ring->id.nodeid &&
	    c->quorum_ring.seq == c->ring->id.seq) {
		bool now = quorum_rule(m, (unsigned int)host, c->ring->members);

		if (c->quorate != now) {
			c->quorate = now;
			ring_quorum_push(m, (unsigned int)host);
		}
	}
}

void cpgmodel_device(struct cpgmodel *m, unsigned int host, bool vote)
{
	device_word(m, host, vote);
}

/* The largest part that it hears of, else that of the lowest nodeid. */
static const struct ring *device_choice(const struct cpgmodel *m)
{
	const struct ring *best = NULL;

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		const struct ring *ring = m->hosts[i].up ? m->hosts[i].ring : NULL;

		if (ring && ring->active && !ring->broken && (!best || votes(ring->members) > votes(best->members))) {
			best = ring;
		}
	}
	return best;
}

static void device_decides(void *ctx, uint64_t a, uint64_t b)
{
	struct cpgmodel *m = ctx;
	const struct ring *best = device_choice(m);

	(void)a;
	(void)b;
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (m->hosts[i].up) {
			timeline_in(&m->w->timeline, prng_range(&m->w->prng, 1, m->config.device_us_max), device_word, m, i,
				    best && m->hosts[i].ring == best);
		}
	}
}

/* --- last_man_standing ----------------------------------------------------------------------- */

/* The window is over: if it is still that ring, and quorate, nobody else is expected. */
static void window_over(void *ctx, uint64_t host, uint64_t seq)
{
	struct cpgmodel *m = ctx;
	struct corosync *c = &m->hosts[host];

	if (!c->up || !c->quorate || c->quorum_ring.seq != seq || !c->ring || c->ring->id.seq != seq) {
		return;
	}
	if (c->expected > votes(c->ring->members)) {
		world_mark(m->w, MARK_LAST_MAN);
		story_tell(m->w, "net: %u expects %u votes from now on", (unsigned int)host + 1,
			   votes(c->ring->members));
	}
	c->expected = votes(c->ring->members);
	c->lowest = lowest_of(c->ring->members);
}

static void last_man_joined(struct cpgmodel *m, unsigned int host, const struct ring *ring)
{
	struct corosync *c = &m->hosts[host];

	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if ((ring->members & 1u << i) && m->hosts[i].expected > c->expected) {
			c->expected = m->hosts[i].expected;
			c->lowest = m->hosts[i].lowest;
		}
	}
	if (c->expected < votes(ring->members)) {
		c->expected = votes(ring->members);
		c->lowest = lowest_of(ring->members);
	}
	timeline_in(&m->w->timeline, m->config.last_man_us, window_over, m, host, ring->id.seq);
}

void quorum_ring_there(struct cpgmodel *m, const struct ring *ring)
{
	if (m->config.quorum == QUORUM_DEVICE && m->config.device_us_max > 0) {
		timeline_in(&m->w->timeline, prng_range(&m->w->prng, 1, m->config.device_us_max), device_decides, m, 0, 0);
	}
	for (unsigned int i = 0; m->config.quorum == QUORUM_LAST_MAN && i < m->config.hosts; i++) {
		if (ring->members & 1u << i && m->hosts[i].quorate) {
			last_man_joined(m, i, ring);
		}
	}
}
