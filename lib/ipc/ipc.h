/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages between a program and the daemon of its node: pure codec, shared by both ends.
 *
 * Transport is libqb IPC (service "<name>" for sessions, "<name>-admin" for queries). Every libqb
 * message begins with libqb's own header (struct qb_ipc_request_header in requests, struct
 * qb_ipc_response_header in responses and events, see qb/qbipc_common.h): the transport fills it
 * with an IPC_MSG_* id (a response repeats its request's, events have IPC_EVENT) and the size of
 * the whole message, and leaves `error` zero. This codec never sees it. Our body follows it at once,
 * little-endian, every field at the place where the one before it ends, no padding:
 *
 *   offset size  meaning
 *   0      2     IPC_VERSION
 *   2      2     reserved, zero
 *   4      4     tag: chosen by the client, repeated in the response, zero in events; a client
 *                discards answers whose tag is not the one it waits for (libqb-notes section 4)
 *   8      ...   the message, drawn beside its struct below
 *
 * text = u16 length, then that many bytes, none of them NUL; blob = u16 length, then bytes.
 * bool = one byte, 0 or 1. Reserved bytes are zero. All versions: since 1.
 *
 * Requests are answered at once (accepted or refused), but for a SUBMIT that adopts; what happens later
 * comes as events. SUBMIT, its answer and events are packs: after the tag one row or several, up to the
 * end of the message and at most IPC_PACK_MAX. Encoders append to a buf, decoders refuse trailing
 * bytes, unknown flags and lengths over their maximum with -EBADMSG; on success encoding the result
 * again gives the same bytes. What the numbers mean (modes, lock flags, names) is the node's to judge, not the codec's.
 *
 * The same messages go over a Unix stream socket with a file, for programs that cannot share the daemon's network
 * namespace and its /dev/shm; there each is a frame instead of a libqb message (ipc_frame below).
 *
 * Answers: OPEN, RECOVERY, SPACE_CREATE, SPACE_RELEASE, FENCE_ACK, NODE_ID, SPACE_STATUS and
 * OPEN_STATUS are answered by a result, SUBMIT by as many as it has rows, the others by a page (STATUS by a page of one row).
 * SPACE_STATUS and OPEN_STATUS have error EINPROGRESS until the lockspace is usable here.
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
#define IPC_PACK_MAX 1024 /* rows of a SUBMIT, its answer, an event message */
#define IPC_SUBMIT_ROW_MAX (24 + 2 + LOCKSTEP_NAME_MAX + 2 + LOCKSTEP_LVB_MAX)
#define IPC_EVENT_ROW_MAX (24 + 2 + LOCKSTEP_LVB_MAX)
#define IPC_CHANGE_ROW_MAX (20 + sizeof(struct lockstep_change)) /* bytes of the wire are no more than those of the struct */

/* libqb ids; assigned once. */
enum ipc_message {
	IPC_MSG_OPEN = 1,   /* sessions */
	IPC_MSG_SUBMIT = 2,
	IPC_MSG_OPEN_STATUS = 3, /* is my session ready yet? (also pushed as an event) */
	IPC_MSG_CLOSE = 4,  /* a tag only: my session ends, whoever still has the connection open */
	IPC_MSG_RECOVERY = 5, /* recovery callbacks: subscribe, unsubscribe, acknowledge */
	IPC_EVENT = 16,
	IPC_MSG_HELLO = 24, /* socket transport: the first frame of each connection */
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
	IPC_MSG_SUBSCRIBE = 43, /* changes come as IPC_EVENT; a second one replaces the first */
	IPC_MSG_STATS = 48,        /* counters */
	IPC_MSG_CONFIGFS = 49,     /* one line, a path */
	IPC_MSG_METRICS = 50,      /* figures of each lockspace */
};

/* Every message begins with it (version, reserved, tag). Returns 0 or -EBADMSG, and leaves the cursor at
 * what follows. */
struct cursor;
void ipc_tag_encode(struct buf *out, uint32_t tag);
int ipc_tag_decode(struct cursor *in, uint32_t *ret_tag);

/* --- the socket transport ------------------------------------------------------------------ */

/*
 * All frames of both directions, little-endian as the bodies:
 *
 *   offset size  meaning
 *   0      4     size of the whole frame, this field included: 8 .. IPC_FRAME_MAX
 *   4      4     id, an IPC_MSG_* or IPC_EVENT
 *   8      ...   the body
 *
 * A client begins with HELLO, which names the service, and is answered by a result: error 0, or why it is
 * refused (EACCES, EUSERS), behind which the connection is closed. Everything else is as with libqb.
 */
#define IPC_FRAME_HEAD 8
#define IPC_FRAME_MAX IPC_MESSAGE_MAX

struct ipc_frame {
	size_t size; /* of the whole */
	int32_t id;
	const uint8_t *body; /* into the input */
	size_t body_size;
};

void ipc_frame_encode(int32_t id, const void *body, size_t size, struct buf *out);
/* What begins at @data. -EAGAIN: more than @have bytes are needed; from IPC_FRAME_HEAD on *ret says how
 * many. -EBADMSG: this is no frame, and nothing behind it can be trusted to be one. */
int ipc_frame_decode(const void *data, size_t have, struct ipc_frame *ret);

enum ipc_service {
	IPC_SERVICE_SESSIONS = 0,
	IPC_SERVICE_ADMIN = 1,
};

/*   service u8 | reserved u8[3] */
struct ipc_hello {
	uint32_t tag;
	uint8_t service; /* enum ipc_service */
};

void ipc_hello_encode(const struct ipc_hello *m, struct buf *out);
int ipc_hello_decode(const void *body, size_t size, struct ipc_hello *ret);

/* --- messages ------------------------------------------------------------------------------ */

/* OPEN: bind this connection to a lockspace. Answer: error 0 and lvb_len; the session is usable when
 * the READY event has come (error 0), which may be at once or after the lockspace has been joined.
 * SPACE_CREATE has the same body: one more on the create count. What a lockspace is to be like may be
 * left open (0) and must otherwise be so (R-LS-8, R-LS-11).
 *
 *   flags u32 | lvb_len u16 | mode u16 | personality u8 | xid_scope u8 | deadlock_wait_ms i32 |
 *   space_flags u32 | space text | comm text | cluster text */
struct ipc_open {
	uint32_t tag;
	uint32_t flags; /* LOCKSTEP_OPEN_* */
	uint16_t lvb_len;
	uint16_t mode;
	uint8_t personality; /* enum engine_personality */
	uint8_t xid_scope;   /* 0, LOCKSTEP_XID_SCOPE_* */
	int32_t deadlock_wait_ms; /* -1: no search */
	uint32_t space_flags; /* LOCKSTEP_LSFL_* */
	char space[LOCKSTEP_SPACE_MAX + 1];
	char comm[LOCKSTEP_COMM_MAX + 1];
	char cluster[LOCKSTEP_NODE_NAME_MAX + 1]; /* expected name of the cluster, or empty */
};

/* SUBMIT: lock ops, in the order in which they were made.
 *
 *   op u8 | mode u8 | has_bast bool | reserved u8 | flags u32 | lkid u32, PURGE: nodeid u32 |
 *   timeout_cs u32, PURGE: pid u32 | xid u64 | name blob | lvb blob */
enum ipc_op {
	IPC_OP_LOCK = 1, /* CONVERT in flags: conversion; ORPHAN without it: adoption */
	IPC_OP_UNLOCK = 2, /* CANCEL in flags: cancel */
	IPC_OP_DEADLOCK_CANCEL = 3,
	IPC_OP_PURGE = 4,
};

struct ipc_submit {
	uint8_t op;
	uint8_t mode;
	bool has_bast;
	uint32_t flags;
	uint32_t lkid;
	uint64_t xid;
	uint32_t timeout_cs;
	uint32_t nodeid; /* PURGE only: R-PURGE-1 */
	uint32_t pid;
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	uint16_t lvb_len;
	const uint8_t *lvb; /* into the input when decoded */
};

/* Response of OPEN and of admin verbs without rows, and one row of the answer of a SUBMIT. error: 0 or
 * positive errno.
 *
 *   error u32 | lkid u32 | value u32 | completes bool | reserved u8[3] | token u64 */
struct ipc_result {
	uint32_t tag;
	uint32_t error;
	uint32_t lkid;    /* SUBMIT of a new request */
	uint32_t value;   /* OPEN: lvb_len; RECOVERY: number of the subscription; NODE_ID: nodeid; RELEASE: remaining create count; a purge: 1
			   * when it took the session's own locks; an adoption: 1 when its error is the
			   * cluster's answer and not the daemon's pushing back */
	bool completes;   /* SUBMIT: a completion event will come (not for a cancel of an idle lock) */
	uint64_t token;   /* SUBMIT that adopted an orphan: its token, as no completion comes */
};

enum ipc_event_kind {
	IPC_EVENT_READY = 1, /* session may submit; value = lvb_len */
	IPC_EVENT_CAST = 2,
	IPC_EVENT_BAST = 3,
	IPC_EVENT_LOST = 4,  /* session is dead; status = errno */
	/* Recovery callbacks; token = number of the subscription */
	IPC_EVENT_PREP = 5,  /* value = number of the prep, to be acknowledged */
	IPC_EVENT_SLOT = 6,  /* lkid = nodeid that failed, value = its slot */
	IPC_EVENT_DONE = 7,  /* lkid = own slot, value = generation, lvb = slots: nodeid u32 | slot u32 of
			      * each member, ascending nodeid */
};
#define IPC_SLOT_SIZE 8 /* bytes of one slot in there */

/*   kind u8 | mode i8 | sb_flags u8 | reserved u8 | lkid u32 | status i32 | value u32 | token u64 |
 *   lvb blob */
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

/* RECOVERY: about the subscription of this session. Answer: errno, of SUBSCRIBE the number that its
 * events carry.
 *
 *   op u8 | reserved u8[3] | prep u32 (PREP_DONE, else 0) */
enum ipc_recovery_op {
	IPC_RECOVERY_SUBSCRIBE = 1,
	IPC_RECOVERY_UNSUBSCRIBE = 2,
	IPC_RECOVERY_PREP_DONE = 3,
};

struct ipc_recovery {
	uint32_t tag;
	uint8_t op;
	uint32_t prep; /* the number from the event */
};

void ipc_recovery_encode(const struct ipc_recovery *m, struct buf *out);
int ipc_recovery_decode(const void *body, size_t size, struct ipc_recovery *ret);
/* The slots in a DONE. Refuses an empty list and one that is not in ascending order of nodeids; @ret has
 * room for LOCKSTEP_NODES_MAX. */
struct lockstep_slot;
void ipc_slots_encode(const struct lockstep_slot *slots, size_t count, struct buf *out);
int ipc_slots_decode(const void *bytes, size_t size, struct lockstep_slot *ret, size_t *ret_count);

void ipc_open_encode(const struct ipc_open *m, struct buf *out);
int ipc_open_decode(const void *body, size_t size, struct ipc_open *ret);
/* With its tag: a message of its own. */
void ipc_result_encode(const struct ipc_result *m, struct buf *out);
int ipc_result_decode(const void *body, size_t size, struct ipc_result *ret);
/* Rows of packs, behind a tag (events: 0). */
void ipc_submit_encode(const struct ipc_submit *m, struct buf *out);
int ipc_submit_decode(struct cursor *in, struct ipc_submit *ret);
void ipc_result_row_encode(const struct ipc_result *m, struct buf *out);
int ipc_result_row_decode(struct cursor *in, struct ipc_result *ret);
void ipc_event_encode(const struct ipc_event *m, struct buf *out);
int ipc_event_decode(struct cursor *in, struct ipc_event *ret);

/* Admin request with optional space, name, ids: one shape for all verbs, unused fields zero.
 *
 *   nodeid u32 | lkid u32 | flags u32 | lvb_len u16 | has_name bool | reserved u8 | page u64 |
 *   space text | name blob (empty unless has_name) | text text */
struct ipc_query {
	uint32_t tag;
	char space[LOCKSTEP_SPACE_MAX + 1];
	bool has_name;
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	uint32_t nodeid;
	uint32_t lkid;
	uint32_t flags; /* SPACE_RELEASE: force; LOCKS: IPC_LOCKS_* */
	uint16_t lvb_len;
	uint64_t page; /* row number to start at; 0 first */
	char text[LOCKSTEP_NODE_NAME_MAX + 1]; /* NODE_ID */
};

/* LOCKS: only of resources that somebody waits for. */
#define IPC_LOCKS_CONTENDED 0x1u

void ipc_query_encode(const struct ipc_query *m, struct buf *out);
int ipc_query_decode(const void *body, size_t size, struct ipc_query *ret);

/* Answer to a query with rows: header, then rows in the encoding of the verb (their
 * fields in struct order, text and blob for arrays). The caller checks cursor_end() after the rows.
 *
 *   error u32 | rows u32 | next_page u64 | rows... */
struct ipc_page {
	uint32_t tag;
	uint32_t error;     /* 0 or positive errno */
	uint64_t next_page; /* 0: that was all */
	uint32_t rows;
};

/* Encode the header with rows = 0 and next_page = 0, append rows, then set the counts. */
size_t ipc_page_begin(struct buf *out, uint32_t tag, uint32_t error);
void ipc_page_end(struct buf *out, size_t at, uint32_t rows, uint64_t next_page);
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
/* One row of an event of the administration service, a pack.
 *
 *   kind u8 | reserved u8[3] | time_ms u64 | missed u64 | state text | lock, or one with nothing in it */
void ipc_change_encode(const struct lockstep_change *row, struct buf *out);
int ipc_change_decode(struct cursor *in, struct lockstep_change *ret);
#define IPC_LINE_MAX 512 /* bytes of one text line; longer ones are cut */
void ipc_line_encode(const char *line, struct buf *out);
int ipc_line_decode(struct cursor *in, char *ret, size_t ret_size);
/* One row of METRICS: the fields of the struct in their order; a lock or blocker that is not there is left out. */
void ipc_metrics_encode(const struct lockstep_space_metrics *row, struct buf *out);
int ipc_metrics_decode(struct cursor *in, struct lockstep_space_metrics *ret);
/* One counter: name text (as a line) | value u64. */
void ipc_counter_encode(const char *name, uint64_t value, struct buf *out);
int ipc_counter_decode(struct cursor *in, char *ret_name, size_t name_size, uint64_t *ret_value);

#endif
