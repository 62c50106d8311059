/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between daemons: one header, one body. Pure codec; every byte is foreign.
 *
 *   offset size  header, little-endian
 *   0      4     magic "LKS1"
 *   4      1     version, WIRE_VERSION
 *   5      1     type, enum wire_type
 *   6      2     reserved, zero
 *   8      8     incarnation of the sender in this group
 *   16     8     epoch: view id of the last view point the sender passed, 0 before
 *   24     8     number: 1, 2, 3 ... per sender, group and incarnation
 *   32     8     confirm: the sender has applied everything up to this seq of `epoch` (R-STAB-1)
 *   40     ...   body by type
 *
 * CPG checks the bytes, so there is no checksum here.
 */
#ifndef LOCKSTEP_NODE_WIRE_H
#define LOCKSTEP_NODE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep_types.h>

struct buf;
struct cursor;

#define WIRE_VERSION 1
#define WIRE_HEADER_SIZE 40
#define WIRE_CHUNK_BYTES 32768 /* bytes of a state image in one SYNC_CHUNK, at most */
#define WIRE_SPACES_MAX 256    /* lockspaces named in one ANNOUNCE */

/*
 * Feature levels. A lockspace works at the lowest level of its members (ARCHITECTURE.md, R-LVL), so nothing
 * of a higher level is said, or listened to, below it. Numbers are never used again.
 *
 *   1   everything but the below
 *   2   WIRE_DIGEST: digests between view points
 */
#define FEATURE_LEVEL 2
#define FEATURE_LEVEL_DIGESTS 2

enum wire_type {
	/* in a lockspace's group */
	WIRE_OPS = 1,        /* lock ops, engine_op_encode()d one after another */
	WIRE_CONFIRM = 2,    /* header only */
	WIRE_HELLO = 3,
	WIRE_READY = 4,
	WIRE_PREPARED = 5,
	WIRE_FENCED = 6,
	WIRE_SYNC_BEGIN = 7, /* the snapshot for that joiner is exact here */
	WIRE_SYNC_CHUNK = 8,
	WIRE_SYNCED = 9,     /* header only: the sender has loaded its snapshot and caught up */
	WIRE_LEAVE = 10,     /* header only; an op: this member leaves cleanly */
	WIRE_FORM = 11,
	WIRE_EVICT = 12,     /* that carrier has stopped answering (R-STAB-4) */
	WIRE_DIGEST = 13,    /* of the sender's state right after that seq (R-DIG-1) */
	/* in the group of all daemons */
	WIRE_ANNOUNCE = 32,
	WIRE_ACK = 33,       /* an administrator vouches that a node is down (R-COND-6) */
	WIRE_RESERVE = 34,   /* token reservation wanted (R-TOK-2) */
	WIRE_FENCE_WANT = 35,   /* the sender waits for the fencing of that process (R-COND-0) */
	WIRE_FENCE_ASK = 36,    /* the sender is going to ask for it */
	WIRE_FENCE_FAILED = 37, /* the sender has asked in vain */
	WIRE_FENCE_DONE = 38,   /* that process has been fenced */
};

#define WIRE_HELLO_STATE      0x01u /* the sender carries state */
#define WIRE_HELLO_CONTINUING 0x02u /* its continuing set holds its electorate */
#define WIRE_HELLO_WANTING    0x04u /* a joiner to whom nothing is coming in: begin again */

#define WIRE_CHUNK_LAST 0x01u

#define WIRE_FENCE_NODE   0x01u /* the node is off, and the fencing was asked for in ring `key` */
#define WIRE_FENCE_MANUAL 0x02u /* on an administrator's word */

struct wire_header {
	enum wire_type type;
	uint64_t incarnation;
	uint64_t epoch;
	uint64_t number;
	uint64_t confirm;
};

/* One shape for all small bodies; each type uses the fields its encoder names. */
struct wire_body {
	uint32_t flags;        /* HELLO, SYNC_CHUNK, FENCE_DONE */
	uint16_t level;        /* HELLO, ANNOUNCE: feature level the sender knows, from 1 */
	uint16_t level_used;   /* HELLO: that its lineage works at; 0 without state */
	uint64_t history;      /* HELLO, READY */
	uint64_t views;        /* HELLO: view points passed by its lineage */
	uint32_t lowest;       /* HELLO: lowest nodeid of its continuing set */
	uint64_t view;         /* READY, PREPARED, FENCED, EVICT */
	uint64_t seq;          /* READY, DIGEST */
	uint64_t digest;       /* READY, DIGEST */
	uint64_t base;         /* READY: raise seq to this (slow way) or 0; FORM: first seq */
	uint32_t nodeid;       /* FENCED, EVICT, SYNC_*, ACK, FENCE_* */
	uint64_t incarnation;  /* FENCED, EVICT, SYNC_*; FENCE_*: of the process, 0 not known */
	uint64_t begin;        /* SYNC_CHUNK: number of the SYNC_BEGIN it belongs to */
	uint32_t index;        /* SYNC_CHUNK */
	uint64_t key;          /* FORM: hash of the members it was written for; HELLO, READY, FENCE_DONE: of the ring */
	uint16_t lvb_len;      /* FORM */
	uint32_t deadlock_wait_ms; /* FORM */
	uint8_t xid_scope;     /* FORM: 0 node, 1 cluster */
	uint64_t reserved;     /* ANNOUNCE, RESERVE */
	const uint8_t *bytes;  /* SYNC_CHUNK, OPS */
	size_t bytes_size;
};

void wire_header_encode(const struct wire_header *h, struct buf *out);
/* 0 or -EBADMSG; leaves the cursor at the body. */
int wire_header_decode(struct cursor *in, struct wire_header *ret);
/* Appends the body of `type`; OPS takes bytes as they are. ANNOUNCE: header part only, the caller
 * appends names with wire_space_encode(). */
void wire_body_encode(enum wire_type type, const struct wire_body *b, struct buf *out);
/* 0 or -EBADMSG. Refuses trailing bytes except for ANNOUNCE, whose names follow. */
int wire_body_decode(enum wire_type type, struct cursor *in, struct wire_body *ret);

void wire_space_encode(const char *name, bool carries, struct buf *out);
int wire_space_decode(struct cursor *in, char ret_name[LOCKSTEP_SPACE_MAX + 1], bool *ret_carries);
const char *wire_type_name(enum wire_type type);

#endif
