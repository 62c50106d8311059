/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol of one node: everything between its clients and the ordered streams. Pure: events
 * in by function call, actions out by node_action_next(); no clock, no I/O, no randomness. The
 * same object code runs on Corosync (plugin/daemon), alone (--standalone) and N times in one
 * simulator process.
 *
 *      clients                                        Corosync CPG, quorum
 *   session_open, submit, ...                     confchg, totem, message, quorum
 *          |                                               |
 *          v                                               v
 *   +--------------------------------------------------------------+
 *   | node: groups { 0 = lockstep:daemons, n = one per lockspace } |
 *   |   space: view machine + engine + sessions + in-flight ops    |
 *   +--------------------------------------------------------------+
 *          |                                               |
 *   reply, callback, kill                         join, leave, mcast
 *
 * The driver's duty: after each burst of events (one loop iteration) call node_flush(), then drain
 * node_action_next() and perform the actions in order. Actions may be performed late, but per group
 * in order. Time enters with node_tick() only. One action cannot wait, not even for the rest of the
 * burst: see node_urgent().
 *
 * Order duty: when both are readable, feed quorum events before group events (corosync-notes 6.2).
 *
 * Rules: spec recovery.md; lock-model.md section 16 (busy rules are decided here).
 */
#ifndef LOCKSTEP_NODE_H
#define LOCKSTEP_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep_types.h>

#include "plugin/engine/op.h"
#include "plugin/node/fencing.h"

struct node;
struct engine;
struct engine_lock_info;

#define NODE_GROUP_NAME_MAX 128 /* bytes of a CPG group name, without a NUL */
#define NODE_DAEMONS_GROUP 0u   /* handle of the group of all daemons */
#define NODE_MESSAGE_MAX 65536  /* largest message the node ever multicasts */
#define NODE_TICK_MS 100        /* how far apart node_tick() comes, at most, when all is well */

/* R-LOST-1: what happens to this node's clients when it is outside the quorate lineage. */
enum node_on_lost {
	NODE_ON_LOST_FENCE = 0, /* stay refused, wait to be fenced */
	NODE_ON_LOST_KILL = 1,  /* SIGKILL sessions that hold locks, then rejoin clean */
	NODE_ON_LOST_REBOOT = 2, /* restart the machine if a session holds a lock */
};

/* What happens, or is to be done, about programs that have to end; for people. */
const char *node_on_lost_words(enum node_on_lost on_lost);

struct node_config {
	uint32_t nodeid;
	/* Random, different for every start of the daemon; the low 16 bits must be zero (the node
	 * counts its rejoins there). */
	uint64_t incarnation;
	uint32_t pid; /* as CPG reports it for this process */
	enum node_on_lost on_lost;
	/* Nodes of the cluster configuration, ascending, own one included (R-COND-7). */
	const uint32_t *configured;
	size_t configured_count;
	/* Largest token reservation this node has on disk (R-TOK-2). */
	uint64_t reserved;
	/* Bounds; 0 takes the default given. */
	uint32_t window_messages;   /* unconfirmed own messages per group, 64 */
	uint32_t batch_bytes;       /* ops are packed up to this size, 8192 */
	uint32_t session_locks_max; /* 100000 */
	uint32_t session_events_max; /* undelivered completions and ops in flight, 10000 */
	uint32_t outbox_ops_max; /* ops of a lockspace that wait for the window, 16384 */
	uint32_t spaces_max;        /* 64 */
	uint32_t sessions_max;      /* on this node, 4096 */
	uint32_t confirm_timeout_ms; /* R-STAB-4, 5000 */
	uint32_t digest_interval;    /* ops between compared digests (R-DIG-1), 4096; equal on all nodes */
	uint16_t level_max;          /* feature level; 0 and by default all that this program knows */
	uint32_t chunk_bytes;       /* of a state image in one message, 16384; at most 32768 */
	uint32_t chunk_window;      /* such messages on their way, 4 */
	uint32_t replay_bytes;      /* of kept messages a joiner catches up with per flush, 65536 */
	uint32_t image_stall_ms;    /* a state image of which nothing comes is begun again, 30000 */
	uint64_t kept_bytes_max;    /* of messages a joiner keeps; then it starts over, 256 MiB */
	bool trace; /* NODE_ACTION_TRACE is wanted */
	bool no_recovery_callbacks;  /* R-CB-9 */
	uint32_t prep_ack_ms;        /* R-CB-10, 30000 */
	uint32_t prep_kill_ms;       /* who is not dead so long after that cannot be killed, 10000 */
	/* Fencing; see fencing.h. */
	enum node_fencing fencing;
	bool fence_request;   /* ask for fencings that nobody else asks for (R-COND-4) */
	bool fence_startup;   /* also of nodes not seen since this part formed (R-COND-7) */
	bool fence_confirmed; /* an administrator's word to Pacemaker counts */
	uint32_t post_join_delay_ms;    /* no request so soon after a daemon came */
	uint32_t fence_request_delay_ms; /* no request so soon after the loss: others may do it */
	uint32_t lost_timeout_ms;       /* with NODE_FENCING_NONE, 60000 */
	/* Test switches: a set bit removes one safety rule (the simulator must then find it). 0. */
	uint64_t mutations;
};

/* Bits of node_config.mutations. */
#define NODE_MUTATE_NO_STABLE    0x0001u /* deliver grants on self-delivery (R-STAB-2) */
#define NODE_MUTATE_NO_EPOCH     0x0002u /* accept messages of older epochs (R-CPG-11) */
#define NODE_MUTATE_NO_FENCE     0x0004u /* recovery point without fencing (R-REC-7) */
#define NODE_MUTATE_NO_ELECTORATE 0x0008u /* view point without R-VIEW-2 */
#define NODE_MUTATE_NO_QUORUM    0x0010u
#define NODE_MUTATE_NO_RINGID    0x0020u
#define NODE_MUTATE_STAB_CURRENT 0x0040u /* stable over the current view (R-STAB-1) */
#define NODE_MUTATE_NO_LOST_KEEP 0x0080u /* lost members' locks removed at the view point */
#define NODE_MUTATE_NO_INCARNATION 0x0100u /* messages of any incarnation of a process count (R-CPG-11) */
#define NODE_MUTATE_FENCE_ANY    0x0200u /* fenced counts for any incarnation of the node (R-REC-6) */
#define NODE_MUTATE_NO_HOLD      0x0400u /* ops are applied while STOPPED (R-REC-3) */
#define NODE_MUTATE_HELD_DROP    0x0800u /* held ops are forgotten (R-REC-4 (6)) */
#define NODE_MUTATE_RESEND_LATE  0x1000u /* what was dropped goes out after what is new (R-CPG-11) */
#define NODE_MUTATE_NO_DIGEST    0x2000u /* differing replicas go on (R-DIG-2) */
#define NODE_MUTATE_EARLY_GROWTH 0x4000u /* a joiner is in the electorate at once (R-VIEW-2) */
#define NODE_MUTATE_EVICT_ANY    0x8000u /* an evict of an older view counts (R-STAB-4) */
#define NODE_MUTATE_LEAVE_SHRINKS 0x10000u /* the leave op takes the leaver out of the electorate */
#define NODE_MUTATE_SLOW_ANY     0x20000u /* the slow way takes any acknowledgement (R-VIEW-2) */
#define NODE_MUTATE_DONOR_GONE   0x40000u /* chunks of a donor that departed count (R-CPG-4) */
#define NODE_MUTATE_NO_RAISE     0x80000u /* a slow view point does not raise seq (R-TOK-2) */
#define NODE_MUTATE_STABLE_HELD  0x100000u /* held ops are stable at the view point (R-STAB-3) */
#define NODE_MUTATE_NO_RESERVE   0x200000u /* a forming starts its tokens at 1 (R-TOK-2) */
#define NODE_MUTATE_LOST_LIVES   0x400000u /* rejoins while clients still believe (R-LOST-1) */
#define NODE_MUTATE_NO_LVB_MARK  0x800000u /* a slow view point leaves values valid */
#define NODE_MUTATE_FORM_ALONE   0x1000000u /* forms without word of absent nodes (R-COND-7) */
#define NODE_MUTATE_READY_OLD    0x2000000u /* a ready of an older view counts (R-REC-4) */
#define NODE_MUTATE_NOT_PREPARED 0x4000000u /* the recovery point does not wait for joiners (R-REC-5) */
#define NODE_MUTATE_FOREIGN_STAYS 0x8000000u /* of two lineages that meet none gives up (R-MERGE-2) */
#define NODE_MUTATE_NO_RENEW     0x10000000u /* untold grants keep their tokens over a slow view point */
#define NODE_MUTATE_NO_NUMBERS   0x20000000u /* messages lost on the way go unnoticed (notes, rule 8) */
#define NODE_MUTATE_CONFIRM_ANY  0x40000000u /* a confirm of another epoch counts (R-STAB-1) */
#define NODE_MUTATE_LEVEL_ANY    0x80000000u /* the highest feature level counts, not the lowest */
/* Of recovery callbacks. */
#define NODE_MUTATE_CB_NO_BARRIER  0x0100000000u /* prepared without acknowledgements (R-CB-3, R-CB-10) */
#define NODE_MUTATE_CB_SLOT_AGAIN  0x0200000000u /* slot at the view point, too (R-CB-4) */
#define NODE_MUTATE_CB_SLOT_LEAVER 0x0400000000u /* slot of one that left cleanly (R-CB-4) */
#define NODE_MUTATE_CB_DONE_EARLY  0x0800000000u /* done before the grants of the recovery (R-CB-5) */
#define NODE_MUTATE_CB_GENERATION  0x1000000000u /* each node counts recoveries by itself (R-GEN-1) */
#define NODE_MUTATE_CB_PREP_AGAIN  0x2000000000u /* prep at each attempt (R-CB-2) */
#define NODE_MUTATE_CB_PREP_JOINER 0x4000000000u /* prep in a joiner's first recovery (R-CB-2) */
#define NODE_MUTATE_CB_UNSTABLE    0x8000000000u /* slot and done before they are stable (R-STAB-2) */
#define NODE_MUTATE_CB_STUCK_LIVES 0x10000000000u /* nobody is killed for a late prep (R-CB-10) */
#define NODE_MUTATE_CB_SLOT_ORDER  0x20000000000u /* new members get slots in descending order (R-SLOT-2) */
#define NODE_MUTATE_CB_SLOT_KEPT   0x40000000000u /* slots of the lost are free one recovery later (R-SLOT-2) */

struct node *node_new(const struct node_config *config);
struct node *node_free(struct node *n);

/* --- events from the cluster ------------------------------------------------------------ */

enum node_reason {
	NODE_REASON_JOIN = 1, /* values as cpg_reason_t */
	NODE_REASON_LEAVE = 2,
	NODE_REASON_NODEDOWN = 3,
	NODE_REASON_NODEUP = 4,
	NODE_REASON_PROCDOWN = 5,
};

struct node_address {
	uint32_t nodeid;
	uint32_t pid;
	enum node_reason reason; /* left and joined lists only */
};

struct node_ring {
	uint32_t nodeid;
	uint64_t seq;
};

/* Corosync (or the solo order) is there: joins the group of all daemons and the lockspaces asked
 * for. */
void node_order_up(struct node *n);
/* Corosync is gone (R-MEM-8): everything this incarnation had is lost. The driver makes a new node
 * object (new incarnation) once the sessions are gone; see node_idle(). */
void node_order_down(struct node *n);

/* One CPG configuration change. Lists in any order; @members as CPG gives them (all processes). */
void node_confchg(struct node *n, uint32_t group, const struct node_address *members,
		  size_t members_count, const struct node_address *left, size_t left_count,
		  const struct node_address *joined, size_t joined_count);
/* cpg_totem_confchg of that group's handle: ends the view that node_confchg began. */
void node_totem(struct node *n, uint32_t group, struct node_ring ring, const uint32_t *nodes,
		size_t nodes_count);
/* One delivered message, own ones included. Foreign bytes: validated. */
void node_message(struct node *n, uint32_t group, uint32_t nodeid, uint32_t pid, const void *data,
		  size_t size);
void node_quorum(struct node *n, struct node_ring ring, bool quorate);
/* The configured nodes changed (cmap). */
void node_configured(struct node *n, const uint32_t *nodes, size_t count);

/* Name of a configured node, for the sentences of status; decoration only. Forgotten by the next
 * node_configured(). */
void node_name_set(struct node *n, uint32_t nodeid, const char *name);

/* --- time ------------------------------------------------------------------------------- */

/* @now_ms monotonic; @wall_ms since the epoch (goes into ops, never into decisions). Every
 * NODE_TICK_MS, followed by node_flush(), and once before the first event. */
void node_tick(struct node *n, uint64_t now_ms, uint64_t wall_ms);
/* End of a loop iteration: packs collected ops into messages, sends confirms, releases what has
 * become stable. */
void node_flush(struct node *n);

/* --- events from clients ---------------------------------------------------------------- */

/* Connections are numbers chosen by the driver, never reused within a process. */
typedef uint64_t node_conn;

/* What somebody wants of a lockspace (R-LS-8, R-LS-11). What he does not name is as it is there, or
 * as it is by default when he creates it. All zero names nothing. */
struct node_attributes {
	uint16_t lvb_len;         /* 0: not named */
	uint8_t personality;      /* enum engine_personality of who asks */
	bool deadlock_wait_named;
	bool xid_scope_named;
	uint8_t xid_scope;        /* 0 node, 1 cluster (R-DLK-3) */
	uint32_t deadlock_wait_ms; /* 0: no search (R-DLK-1) */
	uint32_t flags;           /* LOCKSTEP_LSFL_*; of this node alone, never compared */
};

struct node_open {
	const char *space;
	bool create;          /* join the lockspace when this node is not in it */
	struct node_attributes want;
	uint32_t pid;
	uint32_t uid;
	const char *comm;
};

/* Returns 0 (NODE_ACTION_READY will follow) or a positive errno; EAGAIN: it is just being left. */
int node_session_open(struct node *n, node_conn conn, const struct node_open *open);
/* The connection is closed: R-PROC-1. Unknown connections are ignored. */
void node_session_close(struct node *n, node_conn conn);
/* So many callbacks of that session wait in the driver because the client does not take them: they
 * count for its quota (R-CAST-5). */
void node_session_backlog(struct node *n, node_conn conn, size_t count);

struct node_submit {
	enum engine_op_type type; /* LOCK, CONVERT, UNLOCK, CANCEL, DEADLOCK_CANCEL, ADOPT, PURGE */
	uint8_t mode;
	bool has_bast;
	uint32_t flags;
	uint32_t lkid; /* not for LOCK */
	uint64_t xid;
	uint32_t timeout_cs;
	const uint8_t *name;
	size_t name_len;
	const uint8_t *lvb; /* the caller's buffer with VALBLK: exactly the lockspace's length */
	size_t lvb_len;
	uint32_t tag;       /* ADOPT: repeated in the NODE_ACTION_REPLY */
	uint32_t purge_nodeid; /* PURGE: R-PURGE-1 */
	uint32_t purge_pid;
};

/*
 * Decides R-ERR-1/2 and, when accepted, queues the op for ordering. Returns 0 or a positive errno.
 * *ret_lkid is set for LOCK; *ret_completes is false for a cancel that has nothing to do and for a
 * purge. An accepted ADOPT is answered by one NODE_ACTION_REPLY, unless the connection closes.
 */
int node_submit(struct node *n, node_conn conn, const struct node_submit *op, uint32_t *ret_lkid,
		bool *ret_completes);

/* Does that purge take the session's own locks (and its undelivered callbacks)? */
bool node_purge_is_own(const struct node *n, node_conn conn, uint32_t nodeid, uint32_t pid);

/* How many locks it has, queued ones included; 0 for one that is not known. */
size_t node_session_locks(const struct node *n, node_conn conn);
/* The processes of a session that NODE_ACTION_KILL named are gone (pidfd, inheritors included). */
void node_session_killed(struct node *n, node_conn conn);

/* --- recovery callbacks (recovery.md section 3; lockstep_recovery.h says what clients are told) --- */

/* 0 and the number that NODE_ACTION_PREP, _SLOT and _DONE of this subscription carry, or EOPNOTSUPP
 * (R-CB-9), EALREADY, ENOTCONN: that session is not ready, or dead. */
int node_recovery_subscribe(struct node *n, node_conn conn, uint32_t *ret_number);
/* A prep that was not acknowledged is. 0, ENOENT, ENOTCONN. */
int node_recovery_unsubscribe(struct node *n, node_conn conn);
/* @prep as NODE_ACTION_PREP has it. 0, EINVAL: that one is not waited for; ENOTCONN. */
int node_recovery_prep_done(struct node *n, node_conn conn, uint32_t prep);

/* --- state images (R-CPG-4) ------------------------------------------------------------- */

/*
 * The state of a lockspace for a joiner, as bytes. NODE_ACTION_IMAGE_BEGIN asks for the state as it
 * is at that moment. Writing it takes long, so the driver forks: the child calls node_image_write()
 * and ends, the parent goes on and feeds what the child has written as far as NODE_ACTION_IMAGE_READ
 * asks for it.
 */

/* True while an IMAGE_BEGIN has not been handed out: no event of groups may be fed before that. (One that
 * is fed all the same makes that image void; it is asked for again later.) */
bool node_urgent(const struct node *n);
typedef void node_sink(void *arg, const void *data, size_t size);
/* Writes the whole image. 0, or -ENOENT when it is not wanted any more. */
int node_image_write(const struct node *n, uint64_t image, node_sink *sink, void *arg);
/* At most as many bytes as were asked for and not fed yet. Images not wanted any more are ignored. */
void node_image_bytes(struct node *n, uint64_t image, const void *data, size_t size);
/* The last word on an image: everything was fed (0), or it cannot be had (positive errno); then it is
 * asked for again after a while. */
void node_image_end(struct node *n, uint64_t image, int error);

/* --- administration --------------------------------------------------------------------- */

/*
 * R-LS-3: adds one to the create count; joins when it was not a member. @want may be NULL. 0 or a
 * positive errno: EINVAL; EEXIST it is joined and LOCKSTEP_LSFL_NEWEXCL given; EPROTO its
 * attributes are others; EAGAIN they are not known yet, or it is being left; ENOSPC. The state is in
 * node_space_info(); NODE_ACTION_SPACE_FAILED when the attributes turn out to be others.
 */
int node_space_create(struct node *n, const char *space, const struct node_attributes *want);
/* R-LS-6. 0, EBUSY, ENOENT, EINVAL; EAGAIN: in the way are only sessions whose end is on its way.
 * *ret_count: create count left. */
int node_space_release(struct node *n, const char *space, unsigned int force,
		       unsigned int *ret_count);
/* R-COND-6. 0, EBUSY (that node is an active member), ENOENT (not configured), EAGAIN (not quorate
 * here). */
int node_fence_ack(struct node *n, uint32_t nodeid);
/* The driver has stored the reservation that NODE_ACTION_RESERVE asked for. */
void node_reserved(struct node *n, uint64_t reserved);
/* R-MEM-7: leave all lockspaces in which this node has no session and no lock. 0, or EBUSY with the
 * name of the first lockspace still in use in ret_space (LOCKSTEP_SPACE_MAX + 1 bytes). With @force
 * leaves all. When node_idle() becomes true the daemon may exit. */
int node_stop(struct node *n, bool force, char *ret_space);
bool node_idle(const struct node *n);
/* This node is to be left: every lock of a session here that is more than NL and has a routine for blocking
 * notifications gets one, as if somebody waited for EX. To be called when node_stop() has refused. */
void node_stop_tell(struct node *n);
/* Does that session hold a granted lock, or may its processes believe so? */
bool node_session_holds(const struct node *n, node_conn conn);

/* The trace of that lockspace is to go on in a new file (with a snapshot), or records were lost. */
void node_trace_restart(struct node *n, const char *space);

/* --- actions ---------------------------------------------------------------------------- */

enum node_action_type {
	NODE_ACTION_JOIN = 1,  /* join CPG group `name` on a fresh handle and call it `group` */
	NODE_ACTION_LEAVE,     /* leave and finalise that handle; no more events of `group` */
	NODE_ACTION_MCAST,     /* multicast data in `group`; keep order, retry on TRY_AGAIN */
	NODE_ACTION_READY,     /* session `conn` may submit (status 0; value = LVB length), or its
				* opening has failed (status errno; the session is gone) */
	NODE_ACTION_CAST,      /* completion for `conn` */
	NODE_ACTION_BAST,
	NODE_ACTION_LOST,      /* session `conn` is dead; tell it (status ENOTCONN or so) */
	NODE_ACTION_KILL,      /* SIGKILL every process of `conn`, those that inherited the connection
				* included, then node_session_killed(). LOST was sent, or it has not
				* acknowledged a prep in time (R-CB-10) */
	/* Recovery callbacks for `conn`; `group` is the number of the subscription. */
	NODE_ACTION_PREP,      /* `value` is to be acknowledged: node_recovery_prep_done() */
	NODE_ACTION_SLOT,      /* node `lkid` has failed, its slot is `value` */
	NODE_ACTION_DONE,      /* generation `value`, own slot `lkid`; data is of each member nodeid u32 | slot
				* u32, little-endian, by nodeid; token is the seq of the recovery point */
	NODE_ACTION_RESERVE,   /* store `token` durably, then node_reserved() */
	NODE_ACTION_REPLY,     /* answer of an ADOPT of `conn`: value = tag, status 0 or errno, lkid, token */
	NODE_ACTION_SPACE_FAILED, /* `name` could not be joined (status): it has been left */
	NODE_ACTION_TRACE,     /* append data to the trace of lockspace `name`; value is the record's
				* type, and BEGIN begins a new file (plugin/node/trace.h) */
	NODE_ACTION_LOG,       /* data is a text (no NUL); value is a syslog priority */
	NODE_ACTION_IMAGE_BEGIN, /* state image `token` is wanted, exactly as of now (node_urgent) */
	NODE_ACTION_IMAGE_READ,  /* feed `value` more bytes of image `token`, as they come */
	NODE_ACTION_IMAGE_STOP,  /* image `token` is not wanted any more: no end is to be told */
	NODE_ACTION_FENCE_MARK,  /* fencings first heard of after this are asked for after mark `token` */
	NODE_ACTION_FENCE,       /* switch node `value` off or restart it; node_fence_answer(token) */
	NODE_ACTION_REBOOT,      /* restart this machine, now: processes may use locks that are lost */
	NODE_ACTION_AGAIN,       /* node_flush() has more to do: call it again, after a turn of others */
	NODE_ACTION_DUMP,        /* replicas of lockspace `name` differ (R-DIG-2), `value` is a node that
				  * does: keep data, a trace by itself (plugin/node/trace.h); size 0: too large */
};

struct node_action {
	enum node_action_type type;
	uint32_t group;
	node_conn conn;
	int32_t status;
	uint32_t value;
	uint32_t lkid;
	int8_t mode;
	uint8_t sb_flags;
	uint64_t token;
	const char *name;    /* JOIN, SPACE_FAILED, TRACE; NUL terminated */
	const uint8_t *data; /* MCAST bytes, LOG text, CAST LVB */
	size_t size;
};

/* The next action; pointers in it are valid until the next call on @n. False when there is none. */
bool node_action_next(struct node *n, struct node_action *ret);

/* --- looking in (status, tests) --------------------------------------------------------- */

struct node_member_info {
	uint32_t nodeid;
	uint64_t incarnation; /* 0: not announced yet */
	const char *state;    /* "member", "joining", "foreign", "lost", "lost-fenced", "ghost" */
	uint32_t slot;
	bool local;
	uint16_t level; /* feature level it knows; 0 not said yet, or lost */
	uint32_t locks;
	uint64_t lost_wall_ms; /* lost: since when, by this node's clock; 0 not known */
	char reason[LOCKSTEP_REASON_MAX + 1]; /* lost: what is being done about it */
};

struct node_space_info {
	const char *name;
	const char *state;  /* "joining", "running", "stopped", "recovering", "lost", "leaving" */
	char reason[LOCKSTEP_REASON_MAX + 1]; /* mostly empty when running */
	const struct engine *engine; /* NULL while this node has no state */
	uint64_t seq;
	uint64_t stable;
	uint64_t digest;    /* of everything replicated */
	uint64_t epoch;
	uint64_t view;
	uint64_t history;
	uint32_t generation;
	uint16_t lvb_len;
	uint16_t level;     /* feature level the lockspace works at */
	size_t members_count; /* carriers of state in the current view */
	size_t lost_count;
	size_t local_sessions;
	bool ready;         /* this node has the state and passed a view point: sessions work */
};

/* R-COND-7, two-node, quorum: a word and a sentence for status. */
struct node_info {
	const char *state; /* "ok", "noquorum", "stopped", "recovering", "joining", "waiting", "lost" */
	char reason[LOCKSTEP_REASON_MAX + 1];
	bool order_up;
	bool quorate;
	struct node_ring ring;
	size_t spaces;
	size_t sessions;
};

/* How long requests of this node's sessions were queued: bounds in ms, the last bucket has none. Time enters with
 * node_tick(), so a wait is known to NODE_TICK_MS. */
#define NODE_WAIT_BUCKETS 8
#define NODE_WAIT_BOUNDS_MS { 500, 1000, 5000, 10000, 30000, 60000, 300000 }

/* What waits in one lockspace, for metrics. Costs the same however many locks there are. */
struct node_space_waits {
	uint64_t ended[NODE_WAIT_BUCKETS]; /* since this node joined; each wait in one of them */
	uint64_t ended_ms;		   /* all of them together */
	uint64_t oldest_ms;   /* how long the request of this node that was queued first has been */
	uint32_t oldest_lkid; /* 0: none is queued */
	uint64_t incarnation;
	uint32_t lost_nodeid; /* lost for longest of those not known to be fenced; 0 none */
	uint64_t lost_ms;
};

/* False when this node has no such lockspace. */
bool node_space_waits(const struct node *n, const char *space, struct node_space_waits *ret);
void node_info_get(const struct node *n, struct node_info *ret);
size_t node_spaces_count(const struct node *n);
bool node_space_info_at(const struct node *n, size_t index, struct node_space_info *ret);
bool node_space_info_find(const struct node *n, const char *space, struct node_space_info *ret);
/* Has @fn told of the locks that change in that lockspace, as engine_watch_set(); one watcher each. True when it was
 * not told before, or no longer, since the state is another one now: then look at everything. */
bool node_space_watch(struct node *n, const char *space,
		      void (*fn)(const struct engine_lock_info *info, bool gone, void *arg), void *arg);
/* Members and lost members, by nodeid; returns how many there are, fills at most @max. */
size_t node_space_members(const struct node *n, const char *space, struct node_member_info *ret,
			  size_t max);
/* Locks of this node that belong to no session. */
uint32_t node_space_orphans(const struct node *n, const char *space);
/* Cheap: another number (but for chance) when there are other lockspaces, or node_space_members() names
 * others. */
uint64_t node_membership_mark(const struct node *n);
bool node_space_member_lost(const struct node *n, const char *space, uint32_t nodeid,
			    uint64_t incarnation);
/* Checks the node's own invariants and its engines'. NULL, or a static sentence. */
const char *node_check(const struct node *n);
/* Counters for status and coverage marks: name and value of the @index-th; NULL past the end. */
const char *node_counter_at(const struct node *n, size_t index, uint64_t *ret_value);

#endif
