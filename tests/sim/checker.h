/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must never happen, watched from outside: what clients believe, the tokens and values they
 * are told, and that replicas of one history are equal.
 */
#ifndef LOCKSTEP_TESTS_SIM_CHECKER_H
#define LOCKSTEP_TESTS_SIM_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/sim/cpgmodel.h"

struct world;
struct client;
struct simnode;
struct slot;
struct lvb_write;

#define SIM_RESOURCES_MAX 16

/* One resource as clients know it. */
struct checked_resource {
	uint64_t token_max[6]; /* told, per granted mode */
	const struct slot *token_of[6];
	unsigned int live;     /* locks that clients know they hold */
	uint64_t interval;     /* changes whenever `live` becomes or leaves 0: the LVB may be gone */
	/* An invalid mark may have been set, the last time at `spoilt_us`. A value that was written later
	 * clears it, unless the mark may come any time (`spoilt_late`). */
	bool spoilt;
	bool spoilt_late;
	uint64_t spoilt_us;
	uint64_t cleared_us;
	uint32_t writers;      /* hosts whose clients were granted PW or EX since their daemon has its state */
	struct lvb_write *writes; /* in the order they were sent */
	struct lvb_write *writes_last;
};

struct digest_point {
	uint64_t seq;
	uint64_t digest;
};

/* What one replica has been, since its last view point. */
struct digest_log {
	uint64_t history;
	struct digest_point *points;
	size_t count;
	size_t capacity;
};

struct digest_known {
	uint64_t key;
	uint64_t digest;
	unsigned int host;
};

/* States of a lockspace on a node, for the count of moves. */
extern const char *const checker_states[7];

struct checker {
	unsigned int state_of[SIM_HOSTS_MAX][2];
	struct checked_resource resources[2][SIM_RESOURCES_MAX];
	struct digest_log logs[SIM_HOSTS_MAX][2];
	struct digest_known *known; /* open addressing */
	size_t known_count;
	size_t known_size;
	uint64_t values;
	size_t slow_index;     /* of counters of the node */
	size_t formed_index;
	uint64_t slow_seen[SIM_HOSTS_MAX];
	uint64_t formed_seen[SIM_HOSTS_MAX];
	unsigned int turns;
};

void checker_init(struct world *w);
/* R-MODE-1 once more. */
bool checker_modes_exclude(int8_t a, int8_t b);

/* --- clients ------------------------------------------------------------------------------- */

/* @s may now be used in s->believed (-1: not at all). */
void checker_belief(struct world *w, const struct client *c, const struct slot *s);
/* A grant was told, s->mode is set; @from is the mode before. Before the belief is raised. */
void checker_granted(struct world *w, const struct client *c, const struct slot *s, int8_t from,
		     const struct node_action *act);
/* @s is the lock of somebody who is gone, and has its token. */
void checker_adopted(struct world *w, const struct slot *s);
/* The owner of @s is gone, or has closed its session. */
void checker_lock_orphaned(struct world *w, const struct slot *s);
/* The owner of @s asked for the invalid mark. */
void checker_lvb_spoilt(struct world *w, const struct slot *s);
/* A replica differs from now on: what it says of values counts for nothing. */
void checker_corrupted(struct world *w);
struct lvb_write *checker_lvb_write(struct world *w, const struct client *c, const struct slot *s);
void checker_lvb_encode(const struct lvb_write *write, uint8_t *lvb);
void checker_lvb_written(struct world *w, const struct slot *s, struct lvb_write *write);
void checker_lvb_not_written(struct world *w, struct lvb_write *write);

/* That host is lost with whatever its clients held: values may be marked invalid. */
void checker_host_spoils(struct world *w, unsigned int host, unsigned int space);
/* Whose locks count has changed: unfenced.c. */
void checker_live_again(struct world *w, unsigned int space);
/* Of that node in that lockspace; 0 it is not in it. */
uint64_t checker_incarnation(const struct simnode *n, unsigned int space);

/* --- nodes --------------------------------------------------------------------------------- */

void checker_node_started(struct world *w, unsigned int host);
void checker_node_stopped(struct world *w, unsigned int host);
/* A message is about to be delivered to it in that group. */
void checker_message(struct world *w, unsigned int host, const char *group, const struct cpg_event *ev);
/* The node object has handled one event. */
void checker_node_stepped(struct world *w, unsigned int host);
/* One iteration of its loop is over. */
void checker_node_turned(struct world *w, unsigned int host);

/* --- when all is well again ----------------------------------------------------------------- */

/* Every node runs every lockspace in one history. @why receives what is missing, if not NULL. */
bool checker_healthy(struct world *w, char *why, size_t why_size);
/* Every lock that a client was told and nobody asked to change is in the table of every node. */
void checker_locks_known(struct world *w);
/* Nothing is left, all replicas are equal. Fails the run otherwise. */
void checker_final(struct world *w);

#endif
