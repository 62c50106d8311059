/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fencing = none (R-COND-9): what a lost node holds is given to others after lost_timeout, whether its programs have
 * stopped or not. So its clients may believe in what others hold, too; that, and what they are told late, is all that
 * is not guaranteed. What is checked instead:
 *
 *   - nobody is given up sooner than lost_timeout after anybody could see it lost;
 *   - who goes on by itself is not given up; and who was given up does not go on, unless nobody is left who was given
 *     its locks: from then on its clients count again, in everything.
 */
#ifndef LOCKSTEP_TESTS_SIM_UNFENCED_H
#define LOCKSTEP_TESTS_SIM_UNFENCED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/cpgmodel.h"

struct client;
struct simnode;
struct world;

#define UNFENCED_MAX 256 /* losses in a run; older ones are forgotten */

/* A loss, by the incarnation that was lost. */
struct unfenced_loss {
	unsigned int space;
	unsigned int host;
	uint64_t incarnation;
	uint32_t seen_by;     /* hosts that wait for it now, */
	uint64_t since_us[SIM_HOSTS_MAX]; /* and since when */
	bool given_up;
};

struct unfenced {
	struct unfenced_loss losses[UNFENCED_MAX];
	size_t count; /* so far */
	uint64_t passed_us[SIM_HOSTS_MAX][2]; /* the last view point of each */
};

/* @host has handled an event; @passed: that was a view point of that lockspace. */
void unfenced_node_stepped(struct world *w, unsigned int host, unsigned int space, bool passed);
/* It has no state of it any more: it waits for nobody. */
void unfenced_node_stateless(struct world *w, unsigned int host, unsigned int space);
/* The session of @c (may be NULL) is usable from now on, says its node. */
void unfenced_client_ready(const struct simnode *s, struct client *c);
/* What it believes in may have been given to others. */
bool unfenced_client(const struct client *c);

#endif
