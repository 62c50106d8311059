/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small language to tell an engine what to do and to say what must come of it, so that a test
 * reads like a test vector of the lock model.
 *
 * A lock is named by a letter, its session, and digits: A, B, B2 (a second lock of session B).
 * Sessions begin by themselves on node 1, or with `A on 2 [pid=N] [libdlm]` on node 2.
 *
 *   A lock MODE [WORD...]       words: flag names, res=NAME, lvb=TEXT, nobast, xid=N, timeout=N
 *   A conv MODE [WORD...]
 *   A unlock [WORD...]
 *   A cancel | A deadlock       (deadlock: R-CAN-8)
 *   A timeout [seq=N]           N: seq of the queueing, without it the right one
 *   A search [seq=N]            the deadlock search of its node on behalf of the lock
 *   A adopt MODE [WORD...]      the adopted lock is named A from then on
 *   A end                       the session ends
 *   A purge NODE PID
 *   A again                     the session's last op once more, with its old number
 *   node N lost | node N lost-slow | node N remove     (slow: R-VIEW-2, LVBs are marked)
 *
 * The default resource is "r". What comes of an op is written
 *
 *   A cast(0 EX), B cast(EAGAIN), C bast(PR), D reply(ENOENT)
 *
 * in effect order; inside: status, granted mode (none when the lock is gone), flags, lvb=TEXT.
 * Nothing is the empty string.
 *
 * Each op goes to two engines: the one that lives through the whole test and one that is restored
 * from a snapshot before every op. They must do the same, keep the invariants and have the same
 * digest and the same snapshot.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_SCRIPT_H
#define LOCKSTEP_TESTS_ENGINE_SCRIPT_H

#include <stdint.h>

#include "plugin/engine/engine.h"

struct script;

/* LVB length 8, deadlock search on, xids of one node. */
struct script *script_new(void);
/* The same with this attribute in another way. */
struct script *script_new_xid_scope_cluster(void);
struct script *script_new_no_deadlock_wait(void);
void script_free(struct script *s);

void script_step(struct script *s, const char *command, const char *effects, const char *file,
		 int line);
#define step(s, command, effects) script_step((s), (command), (effects), __FILE__, __LINE__)

/* "G[A:PR B:PR] C[D:NL>EX] W[E:>PR]" of resource @name, or "-" when there is none. Orphans are
 * in small letters. */
void script_queues(struct script *s, const char *name, const char *queues, const char *file,
		   int line);
#define queues(s, name, text) script_queues((s), (name), (text), __FILE__, __LINE__)

/* "x", "x!" (invalid), "-" (none), "-!" (none, invalid). */
void script_lvb(struct script *s, const char *name, const char *text, const char *file, int line);
#define lvb_is(s, name, text) script_lvb((s), (name), (text), __FILE__, __LINE__)

struct engine *script_engine(struct script *s);
/* Of the last step. */
const struct engine_effects *script_effects(const struct script *s);
uint32_t script_lkid(struct script *s, const char *lock);
uint32_t script_node(struct script *s, char session);
/* All nodes have this one. */
uint64_t script_incarnation(void);

#endif
