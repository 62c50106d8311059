/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The axioms that tests/sim/cpgmodel.c and cpgrings.c keep, and on which plugin/node therefore builds.
 * Recorded traces of a real Corosync and traces of the model are held to the same list.
 *
 * What one process sees (check_life.c):
 *
 *  join-first    its first confchg is its own JOIN, itself among the members; no message comes before it;
 *                a totem callback comes before the first message or other confchg (before or after the
 *                own JOIN: both happen)
 *  one-change    a confchg has a left list or a joined list, never both, never none; one reason in it;
 *                JOIN, LEAVE and PROCDOWN come one process at a time
 *  members       members after = members before - left + joined, sorted by nodeid, then pid
 *  sync-block    a ring change is: NODEDOWN at most once, NODEUP at most once, any PROCDOWN, totem; in this
 *                order and with no message, JOIN or LEAVE in between
 *  ring          ring sequences grow; the ring's name is its lowest node; this node and the nodes of all
 *                members are in it (ghosts excepted: corosync-notes 2.8)
 *  identity      nodeid and pid of a message are those of the process that sent it, a member's node
 *  numbers       a sender's messages come in the order it sent them, none twice, and none is missing unless the
 *                sender was NODEDOWN for the receiver in between
 *  own           a process delivers every message of its own that was accepted, before its own LEAVE
 *  quorum-first  the verdict about a ring has been queued when the first message of that ring is delivered
 *                (not asked of cpg-first)
 *  last          nothing comes after the own LEAVE
 *
 * What they see together (check_pairs.c):
 *
 *  same-nodes    a ring id names one list of nodes, in CPG and in quorum, on every node
 *  same-members  all who are told of a ring change have the same members after it
 *  one-ring      a message is delivered in the same ring by everybody
 *  order         of any two messages, JOINs, LEAVEs, PROCDOWNs that two processes both see in a ring, both see the
 *                same one first
 *  together      two processes that go from one ring to the next with neither NODEDOWN for the other have
 *                seen exactly the same, messages and confchgs, since both were in
 *  departure     between two rings that both see, either both or none is NODEDOWN for the other; when one of
 *                them sees a ring in between that the other does not, they are
 *  reasons       LEAVE only of who called cpg_leave(), PROCDOWN only of who died or lost Corosync
 *
 * What is *not* promised, and is counted so that one sees that it happens: enum seen.
 */
#ifndef LOCKSTEP_TESTS_CPGTRACE_AXIOMS_H
#define LOCKSTEP_TESTS_CPGTRACE_AXIOMS_H

#include <stdarg.h>
#include <stdbool.h>

#include "tests/cpgtrace/trace.h"

#define SEEN(X)                                                                                      \
	X(LIVES, "lives")                                                                            \
	X(KILLED, "lives that were killed")                                                          \
	X(GONE, "lives that lost their Corosync")                                                    \
	X(RINGS, "rings")                                                                            \
	X(DELIVERED, "messages delivered")                                                           \
	X(AGAIN, "times refused (TRY_AGAIN)")                                                        \
	X(CROSSED, "messages delivered in another ring than they were sent in")                      \
	X(SELF_ONLY, "messages delivered to their sender only, not to another who was in the ring") \
	X(GAPS, "messages missing after a NODEDOWN")                                                 \
	X(UP_AGAIN, "processes that were NODEDOWN and NODEUP in one ring change")                    \
	X(SYNC_PROCDOWN, "processes found gone in a ring change")                                    \
	X(GHOSTS, "members whose node is not in the ring")                                           \
	X(ALONE, "rings of a single node")                                                           \
	X(TOTEM_EARLY, "first totem callbacks before the own JOIN")                                  \
	X(QUORUM_LATE, "messages handled before the verdict about their ring")                       \
	X(NOT_QUORATE, "verdicts without quorum")                                                    \
	X(TOGETHER, "pairs that went from ring to ring together")                                    \
	X(APART, "pairs that were apart in between")

enum seen {
#define X(id, text) SEEN_##id,
	SEEN(X)
#undef X
	SEEN_COUNT
};

struct check {
	struct trace *trace;
	bool ghosts_allowed;
	unsigned int violations;
	uint64_t seen[SEEN_COUNT];
};

/* Only the first few are printed. */
void violation(struct check *c, const struct life *l, const struct event *ev, const char *axiom,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Each life by itself; also fills in event.period and event.reason. */
void check_lives(struct check *c);
/* After check_lives(). */
void check_pairs(struct check *c);

#endif
