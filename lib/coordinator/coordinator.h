/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The recovery coordinator of one member, as a state machine (recovery.md section 8, R-RC-1 to R-RC-29):
 * events in by function call, actions out by coordinator_action_next(). Pure: lib/client/coordinator.c
 * joins it to a session, tests/agent to a lock engine and a membership of their own.
 *
 *   start                                                  worker (after each done and each result)
 *
 *   NL, NL -> wait for the first done                      control EX <- queue
 *      |                                                      | read generation g, bitmap
 *      v      NOQUEUE          NOQUEUE                        | take in results and reported failures
 *   control EX -----> mounted EX -----> FIRST                 v
 *      ^  `EAGAIN        `EAGAIN: PR                       control NL, written when it changed
 *      |                    |                                 |
 *      |               control NL                             +--> bits left: recover those items
 *      |                    v                                 `--> none: unblock
 *      `-- 500 ms -- all clean and told? -----> OTHER
 *
 * Beside the two locks of the specification there is the member's own item's lock, held EX from the
 * start on: whoever still means to recover an earlier user of the item finds it taken (R-RC-23).
 *
 * The driver's duty: after each event drain coordinator_action_next() and perform the actions in order.
 * Every LOCK and UNLOCK is answered by exactly one coordinator_completed(), every RECOVER by one
 * coordinator_result(), every BLOCK by one coordinator_blocked().
 */
#ifndef LOCKSTEP_COORDINATOR_COORDINATOR_H
#define LOCKSTEP_COORDINATOR_COORDINATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COORDINATOR_LVB_MIN 16              /* generation, 4 zero bytes, a bitmap of 64 items */
#define COORDINATOR_DISABLED 0xffffffffu    /* a generation that nobody may start with */
#define COORDINATOR_ROUND_MS 500            /* R-RC-5 */
#define COORDINATOR_SPECTATOR_ROUND_MS 1000 /* R-RC-12 */
#define COORDINATOR_RETRY_MS 1000           /* R-RC-24 */
#define COORDINATOR_NO_ITEM UINT32_MAX

struct coordinator;

enum coordinator_lock {
	COORDINATOR_CONTROL,
	COORDINATOR_MOUNTED,
	COORDINATOR_OWN, /* the lock of the member's own item */
	COORDINATOR_LOCKS,
};

enum coordinator_timer {
	COORDINATOR_TIMER_ROUND, /* of the start */
	COORDINATOR_TIMER_RETRY, /* of the worker */
	COORDINATOR_TIMERS,
};

enum coordinator_outcome {
	COORDINATOR_SUCCESS = 1, /* recovered, or found clean */
	COORDINATOR_GAVEUP = 2,  /* another member is at it, or it failed and is to be tried again */
	COORDINATOR_PANIC = 3,   /* it failed, and this member must not try again (R-RC-31) */
};

enum coordinator_action_type {
	COORDINATOR_DO_LOCK = 1,    /* lock, mode, flags; write: coordinator_lvb() goes with it */
	COORDINATOR_DO_UNLOCK,      /* lock */
	COORDINATOR_DO_TIMER,       /* timer, ms: from now on; a timer that runs is set anew */
	COORDINATOR_DO_RECOVER,     /* item */
	COORDINATOR_DO_BLOCK,       /* use no lock granted from now on (R-RC-4) */
	COORDINATOR_DO_UNBLOCK,     /* all locks may be used; those held back, too */
	COORDINATOR_DO_PREPARED,    /* acknowledge prep */
	COORDINATOR_DO_STARTED,     /* error; or first, item. The member is still blocked */
	COORDINATOR_DO_FIRST_ENDED, /* error; the answer to coordinator_first_done() */
	COORDINATOR_DO_STOPPED,     /* the answer to coordinator_stop(); the last one */
	COORDINATOR_DO_NOTE_INVALID, /* the control LVB was marked invalid: say so (R-RC-28) */
};

struct coordinator_action {
	enum coordinator_action_type type;
	enum coordinator_lock lock;
	enum coordinator_timer timer;
	int mode;       /* LOCKSTEP_LOCK_* */
	uint32_t flags; /* LOCKSTEP_LKF_*: CONVERT, NOQUEUE, VALBLK */
	uint32_t ms;
	uint32_t item;
	int error; /* negative errno, or 0 */
	bool first;
};

/* @lvb_len: of the lockspace, at least COORDINATOR_LVB_MIN. @spectator: never recovers an item and never
 * is the first (R-RC-12). NULL without memory or with an @lvb_len that is too small. */
struct coordinator *coordinator_new(uint16_t lvb_len, bool spectator);
struct coordinator *coordinator_free(struct coordinator *c); /* NULL is fine; returns NULL */

/* Once. DO_STARTED answers, after the first done has come. */
void coordinator_start(struct coordinator *c);
/* The first member has recovered everything (R-RC-13 to 15). -EINVAL: not the first, or not started, or
 * called before; else DO_FIRST_ENDED answers. */
int coordinator_first_done(struct coordinator *c);
/* R-RC-27. DO_STOPPED answers; then the driver ends the session, with which the locks go. */
void coordinator_stop(struct coordinator *c);
/* The session is lost: what is waited for ends with -ENOTCONN, nothing else comes. */
void coordinator_lose(struct coordinator *c);

/* R-RC-1 to R-RC-3. Slots count from 1; item = slot - 1. @slot_max: the largest in use. */
void coordinator_prep(struct coordinator *c);
void coordinator_slot(struct coordinator *c, uint32_t slot);
void coordinator_done(struct coordinator *c, uint32_t generation, uint32_t slot_own,
		      uint32_t slot_max);

/* @status: of the completion, positive as in lksb. @lvb: what was read, lvb_len bytes; looked at only
 * when the action said VALBLK and asked for a mode above NL. */
void coordinator_completed(struct coordinator *c, enum coordinator_lock lock, int status,
			   bool lvb_invalid, const void *lvb);
void coordinator_result(struct coordinator *c, uint32_t item, enum coordinator_outcome outcome);
void coordinator_blocked(struct coordinator *c);
void coordinator_timer_expired(struct coordinator *c, enum coordinator_timer timer);

bool coordinator_action_next(struct coordinator *c, struct coordinator_action *ret);
/* The bytes of the control lock's VALBLK, lvb_len of them; as of the last action taken. */
const uint8_t *coordinator_lvb(const struct coordinator *c);

/* Questions. */
uint32_t coordinator_items_max(const struct coordinator *c); /* as many as the LVB has bits for */
uint32_t coordinator_generation(const struct coordinator *c); /* of the last done; 0 before */
uint32_t coordinator_own_item(const struct coordinator *c); /* COORDINATOR_NO_ITEM before done */
bool coordinator_is_blocked(const struct coordinator *c);
bool coordinator_is_started(const struct coordinator *c); /* MOUNT_DONE */
bool coordinator_is_first(const struct coordinator *c);   /* and not yet first_done */
/* Failed, and not seen recovered by this member yet: the bitmap as of the last look, reported ones
 * included. */
bool coordinator_item_failed(const struct coordinator *c, uint32_t item);
/* Invariants, for tests: NULL, or a static sentence about the first one broken. */
const char *coordinator_check(const struct coordinator *c);

/* The control LVB: bytes 0-3 generation, little endian; 4-7 zero; from 8 on a bit per item. */
uint32_t coordinator_lvb_generation(const uint8_t *lvb);
bool coordinator_lvb_bit(const uint8_t *lvb, uint32_t item);

#endif
