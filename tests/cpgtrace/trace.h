/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Corosync told some processes of one CPG group, as text, so that a trace can be read, cut and broken
 * with a line editor. tests/cpgtrace/cpg-recorder writes it on a real cluster, lockstep-sim --cpgtrace
 * writes what the simulator's model of Corosync does, and cpg-check reads both.
 *
 *   cpgtrace 1                      a file begins; files may simply be put one after another
 *   client NODE PID LIFE [cpg-first]  cpg_join() was accepted; all lines up to E are of this life of the
 *                                   process. cpg-first: it does not read quorum before CPG
 *   S NUMBER                        cpg_mcast_joined() said CS_OK for this life's message NUMBER (1, 2, ...)
 *   A                               it said CS_ERR_TRY_AGAIN (once per streak)
 *   D NODE.PID NODE.PID.LIFE.NUMBER RING
 *                                   deliver: sender according to Corosync, what the message itself says, and
 *                                   the last ring its sender had been told of when it sent it (0.0: none)
 *   C m NODE.PID... l NODE.PID.REASON... j NODE.PID.REASON...
 *                                   confchg: members, left, joined
 *   T RING NODE...                  totem callback
 *   Q RING 0|1 NODE...              quorum callback; repeated at the begin of a life
 *   L                               cpg_leave() was accepted
 *   E left|gone                     the end: own LEAVE delivered, or Corosync went away. A life without E was
 *                                   killed, or its machine was
 *
 * RING is NODE.SEQ. A last line without its newline is ignored: its writer was killed.
 */
#ifndef LOCKSTEP_TESTS_CPGTRACE_TRACE_H
#define LOCKSTEP_TESTS_CPGTRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reason {
	REASON_NONE = 0,
	REASON_JOIN,
	REASON_LEAVE,
	REASON_NODEDOWN,
	REASON_NODEUP,
	REASON_PROCDOWN,
};

struct ringid {
	uint32_t nodeid; /* 0: not known */
	uint64_t seq;
};

struct address {
	uint32_t nodeid;
	uint32_t pid;
	enum reason reason;
};

struct key {
	uint32_t nodeid;
	uint32_t pid;
	uint32_t life;
	uint64_t number;
};

enum event_type {
	EVENT_SENT = 1,
	EVENT_AGAIN,
	EVENT_MESSAGE,
	EVENT_CONFCHG,
	EVENT_TOTEM,
	EVENT_QUORUM,
	EVENT_LEAVE,
};

struct event {
	enum event_type type;
	unsigned int line;
	struct address from; /* MESSAGE */
	struct key key;      /* MESSAGE; SENT has the number only */
	struct ringid ring;  /* MESSAGE: when it was sent; TOTEM, QUORUM */
	bool quorate;
	/* CONFCHG: members, left, joined; TOTEM, QUORUM: nodes (nodeid only) in members. */
	struct address *members, *left, *joined;
	size_t members_count, left_count, joined_count;
	/* Set by check_life(). */
	struct ringid period; /* the ring of the last totem callback: where this event has its place */
	enum reason reason;   /* CONFCHG: of all its entries */
};

enum life_end { END_KILLED = 0, END_LEFT, END_GONE };

struct life {
	const char *file;
	unsigned int line;
	uint32_t nodeid;
	uint32_t pid;
	uint32_t life;
	bool cpg_first;
	bool leave_called;
	enum life_end end;
	uint64_t sent;
	struct event *events;
	size_t count;
	size_t capacity;
	size_t born; /* index of the own JOIN; count when there is none */
};

struct trace {
	struct life *lives;
	size_t count;
	size_t capacity;
};

/* Adds the file to the trace. False, with a message on stderr, when it is no trace. */
bool trace_read(struct trace *t, const char *path);
void trace_done(struct trace *t);

static inline bool ring_equal(struct ringid a, struct ringid b)
{
	return a.nodeid == b.nodeid && a.seq == b.seq;
}

static inline bool address_equal(struct address a, struct address b)
{
	return a.nodeid == b.nodeid && a.pid == b.pid;
}

bool address_in(const struct address *list, size_t count, struct address a);
/* Both lists hold the same processes, in any order. */
bool addresses_equal(const struct address *a, size_t a_count, const struct address *b, size_t b_count);

#endif
