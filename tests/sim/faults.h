/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes wrong, at random, and for how long. */
#ifndef LOCKSTEP_TESTS_SIM_FAULTS_H
#define LOCKSTEP_TESTS_SIM_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

struct world;

#define SIM_FAULTS(X)                                                                              \
	X(CRASH)         /* power off, then boot, acknowledged or not */                          \
	X(FAST_RESTART)  /* power off and on before anybody notices */                            \
	X(DAEMON_KILL)                                                                             \
	X(COROSYNC_KILL)                                                                           \
	X(PAUSE_DAEMON)                                                                            \
	X(FREEZE)        /* corosync, with or without the daemon */                               \
	X(PARTITION)                                                                               \
	X(FLAP)          /* a partition about as long as detection takes */                       \
	X(MUTE)          /* one-way loss from the next message on */                              \
	X(SLOW)                                                                                    \
	X(QUORUM_FLIP)                                                                             \
	X(CLIENT_KILL)                                                                             \
	X(STOP)          /* a clean stop and start of the daemon */                               \
	X(RELEASE)                                                                                 \
	X(CUT_AT)        /* cut off while it says something that matters */                       \
	X(DONOR)         /* death or cut of a donor or a joiner during a transfer */               \
	X(AGAIN)         /* a storm of TRY_AGAIN */                                                \
	X(SWALLOW)       /* CS_OK, and the message is never sent */                                \
	X(CLOCK)         /* a wall clock jumps */                                                  \
	X(CLIENT_STOP)                                                                             \
	X(CORRUPT)       /* a replica differs from now on */

enum sim_fault {
#define X(id) FAULT_##id,
	SIM_FAULTS(X)
#undef X
	FAULTS_COUNT
};

struct faults {
	unsigned int weights[FAULTS_COUNT];
	uint64_t between_us; /* on average */
	uint64_t long_us;    /* of a lasting fault, at most */
	unsigned int count;  /* in all */
	bool network_only;   /* nothing is restarted */
};

/* Draws which kinds there are in this run, and how often. */
void faults_draw(struct world *w, struct faults *f);
/* One of them happens. */
void fault_happen(struct world *w, const struct faults *f, unsigned int number);
/* Only kinds whose bit is set (directed runs). */
void faults_only(struct faults *f, uint32_t kinds);
/* @host begins to give its state away: the occasion of FAULT_DONOR. */
void fault_transfer_begins(struct world *w, unsigned int host);
const char *fault_name(enum sim_fault fault);

#endif
