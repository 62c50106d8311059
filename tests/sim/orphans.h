/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks that outlive their owner (section 17 of the lock model). Whoever is gone believes in nothing, but an orphan
 * goes on excluding others, until it is adopted or purged, or its node is gone. Known here are those that must be
 * there; while anything is on its way that may take one away, it is left out.
 */
#ifndef LOCKSTEP_TESTS_SIM_ORPHANS_H
#define LOCKSTEP_TESTS_SIM_ORPHANS_H

#include <stdint.h>

struct client;
struct slot;
struct world;

#define SIM_ORPHANS_MAX 64

struct orphan {
	unsigned int host, space, resource;
	int8_t mode;
	uint32_t lkid;
};

/* The owner of @s is gone: an orphan, if its last op asked for it and nothing is on its way. */
void orphan_left(struct world *w, const struct client *c, const struct slot *s);
/* A client of @host asks to adopt one, or has all of them purged (@resource and @mode -1). */
void orphans_asked_for(struct world *w, unsigned int host, unsigned int space, int resource, int mode);
/* @c ends, and what it asked for may still come about, or not. */
void orphans_taker_ends(struct world *w, struct client *c);
/* The node may have lost them all, in that lockspace. */
void orphans_gone(struct world *w, unsigned int host, unsigned int space);
/* @s is believed in from now on: nobody's orphan excludes it. */
void orphans_check(struct world *w, const struct client *c, const struct slot *s);

#endif
