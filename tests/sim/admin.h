/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The administrator, with the power switch and the init system: boots machines, starts daemons once
 * the clients of the last one are gone (R-MEM-6), switches off machines that say that they are lost,
 * vouches only for machines that are off. He reboots nothing else: what is neither dead nor lost has
 * to get well by itself.
 */
#ifndef LOCKSTEP_TESTS_SIM_ADMIN_H
#define LOCKSTEP_TESTS_SIM_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/cpgmodel.h"

struct world;

struct admin_host {
	bool on;
	bool acked;           /* since it went off */
	uint64_t ack_us;      /* when it will be acknowledged; UINT64_MAX: not unless needed */
	uint64_t boot_us;     /* when it will be switched on */
	uint64_t daemon_us;   /* when a dead daemon will be started again */
	uint64_t corosync_us; /* the same for corosync */
	uint64_t lost_since_us;
	uint32_t spaces;      /* lockspaces its daemon joins at start */
	uint64_t serial;      /* of power cycles */
};

struct admin {
	struct admin_host hosts[SIM_HOSTS_MAX];
	bool healing;         /* no more faults: everything has to come back */
	bool never;           /* scripted: does nothing by itself */
};

/* Switches all machines on. */
void admin_init(struct world *w);
bool admin_host_dead(const struct world *w, unsigned int host);
bool admin_host_on(const struct world *w, unsigned int host);
void admin_acked(struct world *w, unsigned int host);
/* Power off: the machine, its daemons and its clients are gone at once. */
void admin_crash(struct world *w, unsigned int host);
void admin_boot(struct world *w, unsigned int host);
/* Kills what the last daemon has left behind and starts a new one. */
void admin_daemon_start(struct world *w, unsigned int host);
/* Asks the daemon of @at to believe that @host is off. */
void admin_ack(struct world *w, unsigned int at, unsigned int host);
void admin_heal(struct world *w);

#endif
