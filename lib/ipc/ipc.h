/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between a program and the daemon of its node: pure codec, shared by both ends.
 *
 * Transport is libqb IPC (service "<name>" for sessions, "<name>-admin" for queries). Every libqb
 * message starts with libqb's own header (id, size[, error]); what follows is ours:
 *
 *   offset size  meaning (little-endian, no padding beyond what is drawn)
 *   0      4     libqb id: IPC_MSG_* (request), same value in the response, IPC_EVENT in events
 *   4      4     padding of libqb's aligned header
 *   8      4     libqb size, whole message
 *   12     4     (padding)
 *   ... response header has `error` there; see qb/qbipc_common.h; we never rely on its layout but
 *       prepend sizeof(header) bytes and put our body after it.
 *   body:
 *   0      2     version of the body, IPC_VERSION
 *   2      2     reserved, zero
 *   4      4     tag: chosen by the client, repeated in the response; stale answers are discarded
 *   8      ...   per message
 *
 * Requests are answered at once (accepted or refused); what happens later comes as events. Encoders
 * append the body to a buf, decoders take the body only and refuse trailing bytes, unknown flags and
 * lengths over their maximum with -EBADMSG.
 */
#ifndef LOCKSTEP_IPC_H
#define LOCKSTEP_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep.h>

struct buf;

#define IPC_VERSION 1
#define IPC_NAME_DEFAULT "lockstep"
#define IPC_ADMIN_SUFFIX "-admin"
#define IPC_MESSAGE_MAX 65536 /* whole libqb message, both directions */
#define IPC_BODY_MAX (IPC_MESSAGE_MAX - 64)
#define IPC_PAGE_ROWS_MAX 64 /* rows of a listing in one response */

/* libqb ids; assigned once. */
enum ipc_message {
	IPC_MSG_OPEN = 1,   /* sessions */
	IPC_MSG_SUBMIT = 2,
	IPC_MSG_OPEN_STATUS = 3, /* is my session ready yet? (also pushed as an event) */
	IPC_EVENT = 16,
	IPC_MSG_STATUS = 32, /* admin */
	IPC_MSG_SPACES = 33,
	IPC_MSG_MEMBERS = 34,
	IPC_MSG_LOCKS = 35,
	IPC_MSG_BLOCKERS = 36,
	IPC_MSG_SPACE_CREATE = 37,
	IPC_MSG_SPACE_RELEASE = 38,
	IPC_MSG_FENCE_ACK = 39,
	IPC_MSG_NODE_ID = 40,
	IPC_MSG_EVENTS = 41,
	IPC_MSG_SPACE_STATUS = 42, /* is my created lockspace ready? */
};

/* OPEN: bind this connection to a lockspace. Answer: error 0 and lvb_len; the session is usable when
 * the READY event has come (error 0), which may be at once or after the lockspace has been joined. */
struct ipc_open {
	uint32_t tag;
	uint32_t flags; /* LOCKSTEP_OPEN_* */
	uint16_t lvb_len;
	uint16_t mode;
	uint8_t personality; /* enum engine_personality */
	char space[LOCKSTEP_SPACE_MAX + 1];
	char comm[LOCKSTEP_COMM_MAX + 1];
};

/* SUBMIT: one lock op. */
enum ipc_op {
	IPC_OP_LOCK = 1, /* CONVERT in flags: conversion */
	IPC_OP_UNLOCK = 2, /* CANCEL in flags: cancel */
};

struct ipc_submit {
	uint32_t tag;
	uint8_t op;
	uint8_t mode;
	bool has_bast;
	uint32_t flags;
	uint32_t lkid;
	uint64_t xid;
	uint32_t timeout_cs;
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	uint16_t lvb_len;
	const uint8_t *lvb; /* into the input when decoded */
};

/* Response of OPEN and SUBMIT and of admin verbs without rows. error: 0 or positive errno. */
struct ipc_result {
	uint32_t tag;
	uint32_t error;
	uint32_t lkid;    /* SUBMIT of a new request */
	uint32_t value;   /* OPEN: lvb_len; NODE_ID: nodeid; RELEASE: remaining create count */
	bool completes;   /* SUBMIT: a completion event will come (not for a cancel of an idle lock) */
};

enum ipc_event_kind {
	IPC_EVENT_READY = 1, /* session may submit; value = lvb_len */
	IPC_EVENT_CAST = 2,
	IPC_EVENT_BAST = 3,
	IPC_EVENT_LOST = 4,  /* session is dead; status = errno */
};

struct ipc_event {
	uint8_t kind;
	int8_t mode;      /* BAST: blocked mode; CAST: granted mode now */
	uint8_t sb_flags;
	uint32_t lkid;
	int32_t status;   /* CAST as in the lksb; READY/LOST errno */
	uint32_t value;
	uint64_t token;
	uint16_t lvb_len;
	const uint8_t *lvb;
};

void ipc_open_encode(const struct ipc_open *m, struct buf *out);
int ipc_open_decode(const void *body, size_t size, struct ipc_open *ret);
void ipc_submit_encode(const struct ipc_submit *m, struct buf *out);
int ipc_submit_decode(const void *body, size_t size, struct ipc_submit *ret);
void ipc_result_encode(const struct ipc_result *m, struct buf *out);
int ipc_result_decode(const void *body, size_t size, struct ipc_result *ret);
void ipc_event_encode(const struct ipc_event *m, struct buf *out);
int ipc_event_decode(const void *body, size_t size, struct ipc_event *ret);

/* Admin request with optional space, name, ids: one shape for all verbs, unused fields zero. */
struct ipc_query {
	uint32_t tag;
	char space[LOCKSTEP_SPACE_MAX + 1];
	bool has_name;
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	uint32_t nodeid;
	uint32_t lkid;
	uint32_t flags; /* SPACE_RELEASE: force; SPACE_CREATE: mode bits */
	uint16_t lvb_len;
	uint64_t page; /* row number to start at; 0 first */
	char text[LOCKSTEP_NODE_NAME_MAX + 1]; /* NODE_ID */
};

void ipc_query_encode(const struct ipc_query *m, struct buf *out);
int ipc_query_decode(const void *body, size_t size, struct ipc_query *ret);

/* Answer to a query with rows: header, then rows in the encoding of the verb. */
struct ipc_page {
	uint32_t tag;
	uint32_t error;     /* 0 or positive errno */
	uint64_t next_page; /* 0: that was all */
	uint32_t rows;
};

/* Encode the header with rows = 0 and next_page = 0, append rows, then set the counts. */
size_t ipc_page_begin(struct buf *out, uint32_t tag, uint32_t error);
void ipc_page_end(struct buf *out, size_t at, uint32_t rows, uint64_t next_page);
struct cursor;
int ipc_page_decode(struct cursor *in, struct ipc_page *ret); /* leaves the cursor at the rows */

void ipc_status_encode(const struct lockstep_status *row, struct buf *out);
int ipc_status_decode(struct cursor *in, struct lockstep_status *ret);
void ipc_space_encode(const struct lockstep_space_info *row, struct buf *out);
int ipc_space_decode(struct cursor *in, struct lockstep_space_info *ret);
void ipc_member_encode(const struct lockstep_member_info *row, struct buf *out);
int ipc_member_decode(struct cursor *in, struct lockstep_member_info *ret);
void ipc_lock_encode(const struct lockstep_lock_info *row, struct buf *out);
int ipc_lock_decode(struct cursor *in, struct lockstep_lock_info *ret);
void ipc_blocker_encode(const struct lockstep_blocker *row, struct buf *out);
int ipc_blocker_decode(struct cursor *in, struct lockstep_blocker *ret);
void ipc_line_encode(const char *line, struct buf *out);
int ipc_line_decode(struct cursor *in, char *ret, size_t ret_size);

#endif
