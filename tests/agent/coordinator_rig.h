/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lockspace for coordinators in virtual time: the real lock engine, a membership that does what
 * recovery.md section 4 says (prep, barrier, fencing, recovery point, slots, done), and members whose
 * application has one item each that it makes dirty. What a coordinator promises (G1 to G4) is watched
 * after every event; the first broken promise is kept in rig->violation.
 *
 * Everything a member sees comes in order (R-ORD-2) and after a delay, everything it says as well. With
 * a seed of 0 each delay is 1 ms, which is good for stories; else they are drawn.
 */
#ifndef LOCKSTEP_TESTS_AGENT_COORDINATOR_RIG_H
#define LOCKSTEP_TESTS_AGENT_COORDINATOR_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/coordinator/coordinator.h"

#define RIG_MEMBERS 264 /* incarnations in one run */
#define RIG_ITEMS 256

struct rig;

enum rig_use {
	RIG_IDLE,     /* not started */
	RIG_STARTING,
	RIG_FIRST,    /* recovers everything */
	RIG_STARTED,
	RIG_FAILED,
	RIG_STOPPED,
};

struct rig_member {
	struct rig *rig;
	struct coordinator *c;
	uint32_t nodeid;
	uint64_t incarnation;
	bool alive;
	bool stopped_clean;
	bool in_view;    /* listed, since its view point */
	bool recovered;  /* a recovery point has taken it in */
	bool prepared;   /* acknowledged in this recovery */
	bool prep_told;
	bool dead_told;  /* its failure was told to the others */
	uint32_t slot;
	uint32_t session;
	uint64_t requests;
	uint32_t lkid_next;
	uint32_t lkid[COORDINATOR_LOCKS];
	uint32_t item_lkid[RIG_ITEMS];
	uint64_t sends_at, hears_at; /* nothing earlier may overtake */
	uint64_t timer_at[COORDINATOR_TIMERS];
	unsigned int timer_round[COORDINATOR_TIMERS];

	/* The application. */
	enum rig_use use;
	int start_error;
	bool may_use; /* told to be unblocked */
	bool frozen;  /* does not answer a block */
	bool all_recovered; /* as the first */
	bool by_hand; /* ends its first recovery when the test says so */
	unsigned int recoveries[RIG_ITEMS]; /* begun, by item */
	unsigned int outcome[RIG_ITEMS];    /* forced outcome of the next one, 0: chance */
	unsigned int starts_told, stops_told, blocks, unblocks, notes;
};

struct rig_item {
	bool dirty;
	uint32_t owner; /* index of the member that made it so */
	unsigned int recovered;
};

struct rig_event;

struct rig {
	struct engine *engine;
	uint64_t now;
	struct rig_member *members[RIG_MEMBERS];
	size_t members_count;
	struct rig_item items[RIG_ITEMS];

	/* Membership. */
	bool recovering;
	uint32_t generation;
	uint64_t fence_until;
	uint64_t fence_ms; /* how long fencing takes */
	uint32_t joining;

	struct rig_event *events;
	size_t events_count, events_capacity;
	uint64_t order;

	bool random;
	unsigned int give_up_per_mille;
	uint64_t chance[4];
	uint16_t lvb_len;
	uint8_t listed[RIG_ITEMS]; /* the item's failure has been told, at some time */
	uint64_t lvb_writes;
	uint8_t lvb_seen[1024];
	unsigned int bits_ever; /* bits that went from 0 to 1 */
	char violation[256];
	bool verbose;
};

struct rig *rig_new(uint64_t seed, uint16_t lvb_len);
void rig_free(struct rig *rig);

/* A new member on @nodeid; its coordinator is started when it gets its session. */
struct rig_member *rig_join(struct rig *rig, uint32_t nodeid, bool spectator);
void rig_kill(struct rig *rig, struct rig_member *m);
void rig_stop(struct rig *rig, struct rig_member *m);

/* After a call of its coordinator. */
void rig_drain(struct rig_member *m);

/* One event; false when there is none before @until. */
bool rig_step(struct rig *rig, uint64_t until);
/* Until @condition holds; false when it does not within @ms. */
bool rig_until(struct rig *rig, bool (*condition)(struct rig *rig, void *arg), void *arg,
	       uint64_t ms);
void rig_for(struct rig *rig, uint64_t ms);

uint64_t rig_draw(struct rig *rig, uint64_t lo, uint64_t hi);
/* The control LVB as it is in the cluster; zeroes when there is none. */
const uint8_t *rig_lvb(const struct rig *rig, bool *ret_invalid);
unsigned int rig_bits(const struct rig *rig);
/* Mode in which the member holds that lock now; -1 none. */
int rig_mode(const struct rig *rig, const struct rig_member *m, enum coordinator_lock lock);
/* An administrator writes it while nobody holds the control lock. */
void rig_lvb_write(struct rig *rig, const uint8_t *lvb);
/* Alive members are all in use, nothing is dirty that should not be, nothing is under way. */
bool rig_is_calm(struct rig *rig, void *unused);

#endif
