/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the coordinator share: its state, and the verbs on it. */
#ifndef LOCKSTEP_COORDINATOR_PRIVATE_H
#define LOCKSTEP_COORDINATOR_PRIVATE_H

#include "lib/coordinator/coordinator.h"

#define ACTIONS_MAX 32 /* more than one event can cause, recoveries aside */

/* Where the start is. The lock named is the one that is being asked for. */
enum start_phase {
	START_NONE,
	START_CONTROL_NL,
	START_MOUNTED_NL,
	START_WAIT_DONE,
	START_CONTROL_EX,
	START_MOUNTED_EX,
	START_MOUNTED_PR,
	START_SPECTATOR_BACK, /* mounted to NL, for a spectator may not be the first */
	START_CONTROL_BACK,   /* to NL: the door is free for others */
	START_MOUNTED_BACK,   /* to NL, before the pause */
	START_PAUSE,
	START_OWN, /* started but for the own item's lock */
	START_STARTED,
	START_FIRST_MOUNTED, /* first_done: mounted to PR */
	START_FIRST_CONTROL, /* first_done: control to NL, with the LVB */
	START_FAIL_OWN,
	START_FAIL_MOUNTED,
	START_FAIL_CONTROL,
	START_FAILED,
};

enum worker_phase {
	WORKER_IDLE,
	WORKER_EX,
	WORKER_NL,      /* and then look at the bits (R-RC-21) */
	WORKER_NL_VOID, /* the world has changed meanwhile (R-RC-17) */
};

struct item {
	uint32_t submit; /* the generation in which its failure was reported, or 0 (R-RC-2) */
	uint8_t result;  /* enum coordinator_outcome, or 0 */
	bool reported;   /* submit counts */
	bool to_recover; /* DO_RECOVER is due */
	bool running;    /* DO_RECOVER was taken and has no result yet */
	bool stale;      /* ... and it failed again since: the result says nothing about that */
	bool panicked;   /* not again on this member, until it fails anew */
};

struct coordinator {
	uint16_t lvb_len;
	uint32_t items_max;
	bool spectator;

	/* The variables of section 8. */
	uint32_t start_generation; /* `start` */
	uint32_t block_generation; /* `block` */
	uint32_t mount_generation; /* `mount` */
	uint32_t own;
	bool blocked;
	bool mount_done;
	bool first;
	bool first_done;
	bool in_recovery;
	bool unmount;

	enum start_phase phase;
	int start_error;
	bool first_done_wanted;
	bool start_invalid; /* the LVB read by the start was marked */
	bool outstanding[COORDINATOR_LOCKS];
	bool held[COORDINATOR_LOCKS]; /* exists, at least in NL */

	enum worker_phase worker;
	bool worker_again;
	uint32_t worker_block, worker_start; /* as of its beginning */

	bool told_started;
	bool told_blocked;
	bool block_pending; /* DO_BLOCK was taken and is not answered */
	bool prep_pending;  /* DO_PREPARED waits for that */
	bool lost;
	bool stopped;

	uint8_t *lvb; /* lvb_len bytes: as read, or to write */
	struct item *items;
	size_t items_cursor; /* coordinator_action_next() looks for to_recover from here on */
	size_t recover_count;

	struct coordinator_action actions[ACTIONS_MAX];
	size_t actions_head, actions_count;
};

struct coordinator_action *action_add(struct coordinator *c, enum coordinator_action_type type);
/* One request for a lock: DO_LOCK, a conversion when the lock is there. */
void lock_ask(struct coordinator *c, enum coordinator_lock lock, int mode, uint32_t flags);
void unlock_ask(struct coordinator *c, enum coordinator_lock lock);
void timer_set(struct coordinator *c, enum coordinator_timer timer, uint32_t ms);
/* Tells whether the member is blocked, when that is news. */
void block_tell(struct coordinator *c);
void items_clear(struct coordinator *c);
void lvb_generation_set(struct coordinator *c, uint32_t generation);
void lvb_bit_set(struct coordinator *c, uint32_t item, bool value);
/* DO_STOPPED, when nothing is under way any more. */
void stop_try(struct coordinator *c);

/* start.c */
void start_completed(struct coordinator *c, enum coordinator_lock lock, int status, bool invalid);
void start_done_came(struct coordinator *c);
void start_round(struct coordinator *c);
/* The start or first_done is using the control lock. */
bool start_has_control(const struct coordinator *c);

/* worker.c */
void worker_run(struct coordinator *c);
void worker_completed(struct coordinator *c, int status, bool invalid);

#endif
