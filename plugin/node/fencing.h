/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fencing as the node sees it: what a fencing means, which node asks for one, what is known of it.
 * Part of the port of node.h, for drivers that have something to do with a fencing device.
 *
 *   driver                                       node
 *     <---- NODE_ACTION_FENCE_MARK token ---------  from here on another fencing is a new one
 *     ----- node_fence_result(mark, ...) -------->  a fencing has ended, whoever asked for it
 *     <---- NODE_ACTION_FENCE nodeid, token ------  please fence that node
 *     ----- node_fence_answer(token, ...) ------->  that request is over
 *     ----- node_fence_link(...) ---------------->  is there anybody who could fence?
 *
 * A mark is how "asked for after" is known without comparing clocks. The driver stamps each fencing it
 * first hears of with the last mark it had completely looked at before: that mark is older than the
 * request for that fencing. A fencing asked for before a node came back says nothing about it (R-COND-5).
 */
#ifndef LOCKSTEP_NODE_FENCING_H
#define LOCKSTEP_NODE_FENCING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node;

enum node_fencing {
	NODE_FENCING_MANUAL = 0,    /* only an administrator's word and a clean rejoin count */
	NODE_FENCING_PACEMAKER = 1, /* and what a fencing device has done */
	NODE_FENCING_NONE = 2,      /* a lost node counts as fenced after lost_timeout_ms (R-COND-9) */
};

enum node_fence_action {
	NODE_FENCE_OTHER = 0, /* unfencing ("on") and the like: nobody was switched off */
	NODE_FENCE_OFF,
	NODE_FENCE_REBOOT,
};

/* One fencing that has ended. */
struct node_fence_result {
	uint32_t nodeid;
	enum node_fence_action action;
	bool success;
	bool manual;        /* an administrator vouched (stonith_admin --confirm) */
	bool by_itself;     /* carried out by the very node it was for */
	uint64_t mark;      /* asked for after that mark; 0 not known */
	uint64_t wall_ms;   /* when it ended, by the clock of whoever did it; 0 not known */
	const char *text;   /* of a failure: why; may be NULL */
};

/* @up: there is somebody to ask, and NODE_ACTION_FENCE_MARK and _FENCE are heard. @text: why not, or who. */
void node_fence_link(struct node *n, bool up, const char *text);
void node_fence_result(struct node *n, const struct node_fence_result *r);
/* Somebody has asked for a fencing of that node, which is going on (@busy) or is over. */
void node_fence_busy(struct node *n, uint32_t nodeid, bool busy);
/* For people only: who asked for what is going on, and which devices can do it; NULL nothing new. */
void node_fence_note(struct node *n, uint32_t nodeid, const char *by, const char *devices);
/* Of every NODE_ACTION_FENCE, once. Its result, if it has one, was told before. @error: NULL success. */
void node_fence_answer(struct node *n, uint64_t token, const char *error);
/* One line for status: what counts as fencing here, and whether it works. */
void node_fence_text(const struct node *n, char *ret, size_t size);

/* Bits of node_config.mutations, which begin at the other end. */
#define NODE_FENCE_MUTATE_ALONE  (1ull << 52) /* with fencing = none a smaller part goes on, too (R-VIEW-2) */
#define NODE_FENCE_MUTATE_WORD   (1ull << 53) /* a daemon's word about its own fencing counts (R-COND-5) */
#define NODE_FENCE_MUTATE_MERGE  (1ull << 54) /* fencings are asked for in an unresolved merge (R-MERGE-6) */
#define NODE_FENCE_MUTATE_TIMEOUT (1ull << 55) /* lost_timeout is over at once (R-COND-9) */
#define NODE_FENCE_MUTATE_OLD    (1ull << 56) /* one asked for before the node came counts (R-COND-5) */
#define NODE_FENCE_MUTATE_ACTION (1ull << 57) /* unfencing counts */
#define NODE_FENCE_MUTATE_FAILED (1ull << 58) /* a fencing that failed counts */
#define NODE_FENCE_MUTATE_NODE   (1ull << 59) /* one counts for whatever runs there later (R-REC-6) */
#define NODE_FENCE_MUTATE_ITSELF (1ull << 60) /* a fencing by the node itself counts (R-COND-5) */
#define NODE_FENCE_MUTATE_SLOW   (1ull << 61) /* the slow way takes one asked for in any view (R-VIEW-2) */
#define NODE_FENCE_MUTATE_ANSWER (1ull << 62) /* a request that was answered counts, merged or not */
#define NODE_FENCE_MUTATE_REJOIN (1ull << 63) /* any other process is a clean rejoin (R-COND-3) */

#endif
