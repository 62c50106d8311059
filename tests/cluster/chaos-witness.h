/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the chaos test believes rather than Lockstep: files on the disk of the machine whose kernel all nodes
 * of the sandbox share. Called by chaos-worker.c only.
 *
 *   DIR/witness.I   whoever holds shared/I has it locked with flock(2), which goes with the last process that
 *                   has it. In it is the token of whoever wrote last
 *   DIR/stored.I    the largest token that a client was told is stored in the value block of shared/I
 *   DIR/violations  what is not so, in words
 */
#ifndef LOCKSTEP_CHAOS_WITNESS_H
#define LOCKSTEP_CHAOS_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#define WITNESS_VIOLATION 9 /* exit status of whoever has met one */

struct witness {
	const char *dir;
	const char *who; /* "n1 2" */
	int index;	 /* of the lock */
	uint64_t token;	 /* of its grant */
	bool shared;	 /* PR: nobody writes */
	int fd;
	char text[64]; /* must be in the file as long as the lock is held */
};

/* The lock is there: nobody else has the file, and no later token was in it. */
void witness_enter(struct witness *w);
/* It is about to be given up: nobody has written meanwhile. */
void witness_leave(struct witness *w);

/* A value was stored with @token, and the client was told so. */
void witness_stored(const char *dir, int index, uint64_t token);
/* What was told until now. */
uint64_t witness_stored_least(const char *dir, int index);
/* A grant brought @value, which is marked @invalid or not; before it was asked for @least was told. */
void witness_value(const struct witness *w, uint64_t value, bool invalid, uint64_t least);

/* Appends @line to DIR/@name. */
void witness_note(const char *dir, const char *name, const char *line);

/* Forges histories that break each rule, and one that breaks none: 0 when it sees just those that do. */
int witness_check_itself(const char *dir);

#endif
