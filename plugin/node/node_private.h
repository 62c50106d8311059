/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of the node logic, shared by the files of plugin/node and by nobody else.
 *
 *   node.c     lifecycle, actions out, admin verbs, dispatch of events to groups
 *   daemons.c  the group of all daemons: announcements, acknowledged nodes, reservations
 *   fencing.c  what is known of nodes that were switched off; fencing_ask.c  which node asks for it
 *   space.c    one lockspace: join, form, leave, lose; what is to be sent now (progress)
 *   view.c     the replicated view machine: membership events, ready, view and recovery point
 *   view_table.c  its members and lost members: look-up, digest, snapshot
 *   electorate.c  may this part go on (R-VIEW-2)
 *   stream.c   delivery: epoch rule, hold and drop, apply, confirms, stable effects
 *   sync.c     state transfer
 *   session.c  sessions and their callbacks
 *   submit.c   what a client may submit now: errors in their order, busy rules
 *   local_lock.c  the locks of sessions here, lkids
 *   wait.c     time-outs, deadlock searches and warnings of queued locks
 *   recovery.c  recovery callbacks of sessions here: what is told, what is acknowledged
 *   outbox.c   packing ops into messages
 *   dump.c     what is kept when replicas differ
 *   info.c     looking in
 */
#ifndef LOCKSTEP_NODE_PRIVATE_H
#define LOCKSTEP_NODE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/base/pool.h"
#include "plugin/engine/engine.h"
#include "plugin/node/node.h"
#include "plugin/node/wire.h"

#define SPACE_MEMBERS_MAX 128 /* processes in a CPG group */
/* Tokens per reservation: half of them are two million ops, seconds of the fastest load, so no grant waits for a
 * disk. No more, since they are also how far a reservation runs ahead of the clock (reserve_clock(): 4 s). */
#define RESERVE_STEP (1ull << 22)
/* A member is evicted when this many probes, confirm_timeout_ms / BEHIND_PROBES apart, came back and it
 * still owes: time in which the ring delivers nothing at all is held against nobody. */
#define BEHIND_PROBES 5
#define SPACE_SESSION_BUCKETS 1024 /* power of two */
#define IMAGES_MAX 2 /* lockspaces of which this node gives away the state at a time */
#define IMAGE_RETRY_MS 1000
#define GARBAGE_RECORDS 4000 /* freed per flush */

struct action {
	struct list item;
	struct node_action act;
	char *name;
	uint8_t *data;
};

/* Small ascending set of nodeids: the electorate and its growth. */
struct nodeset {
	uint32_t ids[LOCKSTEP_NODES_MAX];
	size_t count;
};

struct garbage {
	struct list item;
	struct engine *engine;
};

/* One process in the group of a lockspace. Everything here except `confirmed` and `sync_sent` follows from the
 * stream and is the same on every carrier of state. */
struct member {
	struct list item; /* space.members, ascending nodeid, pid */
	uint32_t nodeid;
	uint32_t pid;
	uint64_t incarnation; /* 0 until its hello */
	uint64_t number;      /* last message number seen, 0 none */
	uint16_t level;       /* feature level it knows, by its hello */
	bool counted;         /* has said hello since it came: part of the view. A ghost never does */
	bool hello;           /* has said hello in this very membership and ring: everybody knows it */
	bool has_state;       /* by its hello */
	bool continuing;      /* by its hello */
	uint64_t views;
	uint32_t lowest;
	uint64_t history;
	bool carrier;         /* in K: carries our lineage's state */
	bool confirmer;       /* its confirm counts for `stable` */
	bool left_clean;      /* its leave op was applied: it holds nothing any more */
	bool expelled;        /* taken out by an ordered event: it gives up when it sees it, its claims are void */
	bool superseded;      /* a clean newer incarnation of its node has said hello (R-COND-3) */
	bool ready;
	uint64_t ready_seq;
	uint64_t ready_digest;
	uint64_t ready_history;
	uint64_t ready_base;
	bool prepared;
	uint64_t digest_seq;  /* the last digest it sent in this view (R-DIG-1); 0 none */
	uint64_t digest;
	bool sync_sent;       /* local: a sync-begin for it is on its way or in effect */
	bool sync_again;      /* local: this node's was dropped or came to nothing: it sends another one */
	uint64_t sync_donor;  /* local: incarnation of whoever sent the last one */
	uint32_t slot;        /* 0 none yet */
	uint64_t confirmed;   /* seq, in the current epoch; local knowledge, not digested */
	uint64_t behind_seq;  /* local: `confirmed` when it was first seen to be due for more */
	uint64_t behind_ms;   /* local: since when; 0 not behind */
	unsigned int probes;  /* local: own messages that came back meanwhile */
	bool evict_sent;      /* local */
};

/* A carrier that departed uncleanly since the last recovery point. */
struct lost {
	struct list item; /* space.lost, ascending nodeid, incarnation */
	uint32_t nodeid;
	uint64_t incarnation;
	uint32_t slot;    /* 0: it failed before its first recovery, and is reported to nobody (R-CB-4) */
	bool marked;      /* a view point has passed since */
	bool fenced;
	bool fenced_sent; /* local */
	bool acked;       /* local: an administrator's word, or a fencing, that came after it was lost */
	uint64_t since_ms; /* local: first seen lost; 0 not yet */
	uint64_t waited_ms; /* local: in ticks since then */
	bool ticked;      /* local: there was one since then */
	uint64_t since_wall_ms; /* local: the same, as people count */
	uint64_t mark;    /* local: what was asked for after it hit that process, too */
};

/* A message delivered while STOPPED, kept in order (R-REC-3). */
struct held {
	struct list item;
	uint32_t nodeid;
	uint64_t incarnation;
	enum wire_type type;
	uint8_t *bytes;
	size_t size;
};

/* A sent message that has not come back. */
struct sent {
	struct list item;
	uint64_t number;
	uint64_t epoch;
	enum wire_type type;
	struct buf ops; /* OPS: to send again if dropped */
};

/* An event kept by a joiner from sync-begin on. */
struct kept {
	struct list item;
	enum { KEPT_MESSAGE, KEPT_CONFCHG, KEPT_TOTEM } kind;
	uint32_t nodeid;
	uint32_t pid;
	struct node_address *members, *left, *joined;
	size_t members_count, left_count, joined_count;
	struct node_ring ring;
	uint32_t *nodes;
	size_t nodes_count;
	uint8_t *bytes;
	size_t size;
	size_t cost;  /* what it counts for in kept_bytes and when it is replayed */
	bool unseen;  /* not looked at when it came, since older ones still had to be replayed */
};

enum callback_kind {
	CALLBACK_CAST,
	CALLBACK_BAST,
	CALLBACK_REPLY,
	CALLBACK_PREP, /* status: number */
	CALLBACK_SLOT, /* lkid: nodeid; status: slot */
	CALLBACK_DONE, /* lkid: own slot; status: generation; lvb: slots; token: seq of the recovery point */
};

/* An effect for a session here that was not yet handed to the driver. */
struct callback {
	struct list item;
	struct local_lock *lock; /* NULL: of none, as recovery callbacks and adoptions that failed */
	enum callback_kind kind;
	uint32_t tag; /* REPLY */
	bool needs_stable;
	uint64_t seq;
	uint32_t lkid;
	int32_t status;
	int8_t mode;
	uint8_t sb_flags;
	uint64_t token;
	uint16_t lvb_len;
	uint8_t lvb[];
};

/* What the owner's node knows about a lock that the engine may not know yet or any more. */
struct local_lock {
	struct local_lock *hash_next;
	struct list item; /* session.locks, unless ended */
	struct session *session;
	struct local_wait *wait; /* while it is known to be on C or W */
	uint32_t lkid;
	uint32_t callbacks;     /* of it that wait in session.callbacks */
	bool request_in_flight; /* request or conversion */
	bool unlock_in_flight;
	bool cancel_in_flight;
	bool awaited;           /* a request's completion is still to come */
	bool ended;             /* only its callbacks are left (R-LOCK-3) */
};

struct session {
	struct list item;       /* space.sessions, in order of opening */
	struct list node_item;  /* node.sessions */
	struct session *number_next; /* in space.number_hash */
	struct session *conn_next; /* in node.conn_hash */
	node_conn conn;
	struct space *space;    /* NULL once the session is dead */
	uint32_t number;
	uint32_t pid;
	uint32_t uid;
	uint8_t personality;
	struct node_attributes want;
	char comm[LOCKSTEP_COMM_MAX];
	bool active;            /* READY was sent, SESSION_BEGIN is queued */
	bool holding;           /* lost while it held locks: its processes must be gone first */
	bool closed;            /* the connection is gone, `holding` is not yet settled */
	uint64_t request;       /* last request number */
	size_t in_flight;       /* requests, conversions and adoptions not yet completed */
	struct list callbacks;
	size_t callbacks_count;
	size_t casts_count;     /* of them completions */
	size_t backlog;         /* callbacks that wait in the driver */
	struct list adoptions;  /* struct adoption */
	size_t adoptions_count;
	struct list locks;
	size_t locks_count;
	/* recovery.c */
	bool subscribed;
	bool prepped;           /* prep was queued since the last done */
	bool prep_killed;
	uint32_t subscription;  /* number of the last one */
	uint32_t prep_number;   /* of the last prep */
	uint32_t prep_told;     /* number of one that was told and is not acknowledged; 0 none */
	uint32_t preps_owed;    /* that one, and those still in `callbacks` */
	uint64_t prep_waited_ms;
};

/* An op waiting to be packed, already encoded. */
struct pending {
	struct list item;
	uint32_t session;
	enum engine_op_type type;
	size_t size;
	uint8_t bytes[];
};

enum space_state { SPACE_STOPPED, SPACE_RECOVERING, SPACE_RUNNING };

struct space {
	struct list item; /* node.spaces, by name */
	struct node *node;
	char name[LOCKSTEP_SPACE_MAX + 1];
	uint32_t group;
	uint64_t incarnation; /* of this node in this group */
	unsigned int create_count;
	struct node_attributes want; /* of whoever created it here */
	bool joined;          /* own join confchg seen */
	bool leaving;         /* wants out */
	bool leave_sent;
	bool leave_done;      /* own LEAVE delivered: never vote again */
	bool lost;            /* outside the lineage: clients told, waiting for kills or for fencing */
	char lost_reason[160];

	/* replicated (digested by view_digest) */
	struct engine *engine; /* NULL: this node has no state */
	enum space_state state;
	uint64_t epoch;
	uint64_t view;
	uint64_t history;
	uint64_t views;
	uint32_t generation;
	uint16_t level;        /* feature level in use */
	struct nodeset electorate;
	struct nodeset growth; /* synced since the last recovery point */
	struct list members;
	size_t members_count;
	struct list lost_members;
	struct list held;
	size_t held_count;

	uint64_t waits_since_ms; /* local: when it ran last, or began to join; for people */

	struct engine *traced; /* the engine that the trace is about; NULL: no trace */

	/* view, local */
	struct node_ring ring;
	bool ring_known;
	bool totem_pending;
	uint32_t ring_nodes[LOCKSTEP_NODES_MAX];
	size_t ring_nodes_count;
	uint64_t view_seq;     /* right after the membership event */
	uint64_t view_digest;
	bool hello_due;
	uint16_t level_wanted; /* a joiner has heard that it would have to know this level; 0 no */
	bool ready_sent;
	bool prepared_sent;
	struct nodeset slow_acked; /* acknowledged in this very view while quorate (R-VIEW-2) */
	uint64_t form_sent_key;
	uint64_t reserve_target;   /* forming or slow way waits for it; 0 none */
	uint64_t reserve_base;

	/* stable grants */
	uint64_t stable;
	uint64_t confirm_sent;     /* in this epoch */
	uint64_t confirm_wanted;   /* largest seq with an effect another node must wait for */
	/* Who must confirm up to where, to notice who does not: the latest seq with an effect that
	 * waits, its owner, and the latest one of any other owner. */
	uint64_t awaited_seq;
	uint32_t awaited_owner;
	uint64_t awaited_seq_other;
	uint64_t probe_number;     /* own message that shows that the ring delivers; 0 none out */
	/* R-DIG-1: the last agreed point passed here. */
	uint64_t digest_seq;
	uint64_t digest;
	bool digest_due;
	uint64_t probe_ms;         /* when the last one was sent or came back */

	uint32_t preps_owed;       /* by all sessions here */
	/* The last recovery point, as sessions here are told of it; local. */
	struct buf done_slots;     /* as in NODE_ACTION_DONE */
	uint32_t done_own;         /* 0: there was none */
	uint32_t done_generation;
	uint64_t done_seq;

	/* sending */
	uint64_t number;           /* last sent */
	struct list sent;
	size_t sent_count;
	uint64_t unreturned;       /* number of the oldest own message that is out, */
	uint64_t unreturned_ms;    /* since when it is, */
	unsigned int unreturned_probes; /* and how many were sent after it for its sake */
	size_t sent_ops_old;       /* sent OPS whose epoch is not the current one */
	struct list resend;        /* struct pending */
	struct list outbox;        /* struct pending */
	size_t outbox_count;
	struct buf encoded;        /* scratch of outbox_push() */

	/* sync, as donor */
	struct list transfers;     /* struct transfer; at most one */
	bool begin_out;            /* an own sync-begin is on its way */
	uint64_t image_retry_ms;   /* no new image before */
	/* sync, as joiner */
	bool keeping;
	uint32_t donor_nodeid;
	uint64_t donor_incarnation;
	uint64_t begin_number;
	uint32_t chunks_seen;
	uint64_t image_heard_ms;   /* when something of an image came last */
	bool wanting;              /* the next hello says so */
	uint64_t image_bytes;
	struct buf image_head;     /* what precedes the engine's snapshot in an image */
	struct engine_reader *reader;
	struct list kept;
	uint64_t kept_bytes;
	bool catching_up;          /* the image is loaded; what was kept is replayed, slice by slice */
	bool synced_wanted;
	bool synced_sent;
	bool image_stale;      /* loaded, but its lineage is gone: drop it and start over */
	bool replaying;
	bool replaying_unseen;

	/* sessions here */
	struct list sessions;
	size_t sessions_count;
	struct session *number_hash[SPACE_SESSION_BUCKETS];
	uint32_t session_number;
	size_t ends_in_flight; /* of sessions: their locks are still in the engine */
	uint32_t lkid_last;
	struct local_lock **lock_hash;
	size_t lock_hash_size; /* power of two */
	size_t lock_count;
	struct pool lock_pool; /* struct local_lock */
	/* What time does to queued locks (wait.c). */
	uint64_t clock_ms;     /* runs while the lockspace does */
	struct pool wait_pool;
	struct list timeouts;
	struct list searches;
	struct list warnings;
	struct list waits;     /* all of them, in the order in which they began */
	uint64_t waits_ended[NODE_WAIT_BUCKETS];
	uint64_t waits_ended_ms;
	bool search_in_flight;
	size_t holding;        /* sessions of a lost space whose processes must go first */

	struct engine_effects effects;
};

struct transfer {
	struct list item;
	uint32_t nodeid;
	uint64_t incarnation;
	uint64_t begin;
	uint64_t image;       /* its number at the driver */
	bool handed_out;      /* the driver has taken it */
	bool ended;           /* everything was fed */
	struct buf bytes;     /* fed and not sent yet: less than a chunk */
	uint32_t asked_bytes; /* asked for and not fed yet */
	uint64_t fed_ms;      /* last sign of life of the writer */
	uint64_t sent_bytes;
	uint32_t sent;        /* chunks; returned: those of them that came back */
	uint32_t returned;
	bool last_sent;
};

struct daemon_space {
	char name[LOCKSTEP_SPACE_MAX + 1];
	bool carries;
};

/* One daemon in lockstep:daemons. */
struct daemon_member {
	struct list item;
	uint32_t nodeid;
	uint32_t pid;
	uint64_t process; /* by its announcement; 0 not known */
	bool announced; /* in the current view of that group */
	bool superseded; /* a newer process of its node has announced itself */
	uint64_t reserved;
	struct daemon_space *spaces;
	size_t spaces_count;
};

#define FENCE_PROCESSES_MAX 8
#define FENCE_RETRY_MS 5000 /* from one round of failed requests to the next */

/* What is known of one node's daemons and their fencing. "Process" is an incarnation without the bits in
 * which a process counts its rejoins. */
struct fence_node {
	struct list item; /* node.fence_nodes, by nodeid */
	uint32_t nodeid;
	uint64_t processes[FENCE_PROCESSES_MAX]; /* seen in the group of all daemons, oldest first */
	size_t processes_count;
	uint64_t mark;        /* what was asked for before is too old for the last process */
	uint64_t wall_ms;     /* when the last process came, by this node's clock */
	uint64_t fenced;      /* the latest of them known to be fenced; 0 none */
	bool manual;          /* on an administrator's word */
	uint64_t done_sent;   /* local: the same, as this node has told it */
	uint64_t node_sent;   /* local: key of the ring in which this node told that the node is off */
	/* Who asks for it: the same on all daemons of a view. */
	struct nodeset wanters;
	struct nodeset failed;
	uint64_t want;        /* the process; 0 any */
	uint64_t want_ms;     /* local: since when */
	uint64_t retry_ms;    /* local: not asked for before */
	uint32_t asker;       /* 0 nobody */
	uint64_t asked_ms;    /* local */
	bool needed;          /* local: this node waits for it */
	bool want_sent;       /* local, in this view */
	bool ask_sent;        /* local, in this view */
	bool busy;            /* local: Pacemaker is at it */
	uint64_t request;     /* local: own request that has no answer yet; 0 none */
	char error[128];      /* local: of the last attempt */
	/* Only told to people, and local: */
	uint32_t failures;    /* attempts that failed since the last process came */
	uint64_t failed_ms;   /* when the last of them did */
	uint64_t failed_wall_ms; /* as Pacemaker says */
	uint64_t busy_ms;     /* since when Pacemaker is at it */
	char busy_by[96];     /* who asked for that; may be empty */
	char devices[64];     /* that can do it; empty not known */
};

/* What one tick counts at most where others may need the time: after a pause of this process they get theirs. */
#define TICK_COUNTS_MS_MAX (10 * NODE_TICK_MS)

enum counter {
	COUNTER_MESSAGES,
	COUNTER_BAD_MESSAGES,
	COUNTER_UNKNOWN_SENDER,
	COUNTER_DROPPED_EPOCH,
	COUNTER_RESENT,
	COUNTER_HELD,
	COUNTER_HELD_APPLIED,
	COUNTER_OPS_SENT,
	COUNTER_OPS_APPLIED,
	COUNTER_BATCHES,
	COUNTER_CONFIRMS,
	COUNTER_VIEWS,
	COUNTER_VIEW_POINTS,
	COUNTER_VIEW_POINTS_SLOW,
	COUNTER_RECOVERY_POINTS,
	COUNTER_FORMED,
	COUNTER_SYNC_DONATED,
	COUNTER_SYNC_LOADED,
	COUNTER_SYNC_ABANDONED,
	COUNTER_IMAGES_FAILED,
	COUNTER_REPLAY_SLICES,
	COUNTER_KEPT_OVERFLOWS,
	COUNTER_SYNCED,
	COUNTER_LOST_MEMBERS,
	COUNTER_FENCED_BY_ACK,
	COUNTER_FENCED_BY_REJOIN,
	COUNTER_FENCE_REQUESTS,
	COUNTER_FENCE_FAILURES,
	COUNTER_FENCE_RESULTS,
	COUNTER_FENCE_IGNORED,
	COUNTER_LOST_TIMEOUTS,
	COUNTER_LEAVES,
	COUNTER_SELF_LOST,
	COUNTER_FOREIGN_SEEN,
	COUNTER_DIGESTS,
	COUNTER_DIGEST_MISMATCH,
	COUNTER_NUMBER_GAPS,
	COUNTER_EVICTIONS,
	COUNTER_BASTS,
	COUNTER_CASTS,
	COUNTER_STABLE_WAITS,
	COUNTER_WINDOW_FULL,
	COUNTER_TIME_WARNINGS,
	COUNTER_LEVELS_RAISED,
	COUNTER_LEVELS_REFUSED,
	COUNTER_PREPS,
	COUNTER_SLOTS,
	COUNTER_DONES,
	COUNTER_PREP_KILLS,
	COUNTER_QUOTA_REFUSALS,
	COUNTER_COUNT,
};

struct node {
	struct node_config config;
	uint64_t incarnation_next; /* for the next join of any group */
	uint32_t group_next;
	uint32_t configured[LOCKSTEP_NODES_MAX];
	char names[LOCKSTEP_NODES_MAX][LOCKSTEP_NODE_NAME_MAX + 1]; /* of configured[i]; may be empty */
	size_t configured_count;
	bool order_up;
	bool stopping;
	uint64_t now_ms;
	uint64_t wall_ms;

	struct node_ring quorum_ring;
	bool quorum_known;
	bool quorate;
	uint64_t quorum_change_ms; /* when that changed last */

	/* group of all daemons */
	uint64_t incarnation; /* in that group */
	bool daemons_joined;
	bool daemons_ring_known;
	bool daemons_totem_pending;
	uint32_t daemons_ring[LOCKSTEP_NODES_MAX];
	size_t daemons_ring_count;
	struct list daemons;
	uint64_t daemons_number;
	bool announce_due;
	struct nodeset acked;
	struct node_ring daemons_ring_id;
	uint64_t daemons_change_ms; /* when a daemon came last */
	/* fencing */
	struct list fence_nodes;
	uint64_t fence_mark;      /* the last one given out */
	struct node_ring fence_ring; /* what fence_ring_mark is about */
	uint64_t fence_ring_mark; /* given out when the present ring was known to be quorate; 0 not yet */
	uint64_t fence_request_last;
	bool fence_link;
	char fence_link_text[96];
	uint64_t reserved;       /* on this node's disk */
	uint64_t reserve_asked;  /* handed to the driver */
	uint64_t reserve_sent;   /* multicast */

	struct list spaces;
	size_t spaces_count;
	struct list sessions;
	size_t sessions_count;
	struct session **conn_hash;
	size_t conn_hash_size; /* power of two */

	struct list garbage;   /* struct garbage: engines nobody needs, freed bit by bit */
	uint64_t image_last;   /* number of the last state image */
	size_t images_due;     /* IMAGE_BEGIN actions not handed out */

	struct list actions;
	struct action *current; /* handed out last */
	uint64_t counters[COUNTER_COUNT];
};

/* node.c */
void node_act(struct node *n, const struct node_action *act);
void node_log(struct node *n, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
struct space *node_space_find(const struct node *n, const char *name);
bool node_attributes_valid(const struct node_attributes *a);
bool node_is_configured(const struct node *n, uint32_t nodeid);
/* By name, else by number in @number. */
const char *node_name_of(const struct node *n, uint32_t nodeid, char number[16]);
bool node_mutated(const struct node *n, uint64_t bit);
/* Frees an engine in the course of the next flushes. NULL is fine. */
void node_engine_discard(struct node *n, struct engine *e);

/* Nodesets. */
bool nodeset_has(const struct nodeset *s, uint32_t id);
void nodeset_add(struct nodeset *s, uint32_t id);
void nodeset_remove(struct nodeset *s, uint32_t id);

/* reason.c. Sentences for people; @ret is empty when there is nothing to say. */
void reason_space(const struct space *s, char *ret, size_t size);
void reason_lost_member(const struct space *s, const struct lost *l, char *ret, size_t size);
void reason_quorum(const struct node *n, char *ret, size_t size);
/* Since then, by this node's clock; 0 also when @since_ms is 0, not known. */
unsigned long long reason_seconds(const struct node *n, uint64_t since_ms);

/* daemons.c */
void daemons_confchg(struct node *n, const struct node_address *members, size_t members_count,
		     const struct node_address *left, size_t left_count,
		     const struct node_address *joined, size_t joined_count);
void daemons_totem(struct node *n, struct node_ring ring, const uint32_t *nodes, size_t nodes_count);
void daemons_message(struct node *n, uint32_t nodeid, uint32_t pid, const void *data, size_t size);
void daemons_send(struct node *n, enum wire_type type, const struct wire_body *body);
void daemons_progress(struct node *n);
void daemons_clear(struct node *n);
bool daemons_present(const struct node *n, uint32_t nodeid);
/* That configured node is known to carry nothing of this lockspace (ARCHITECTURE, forming). */
bool daemons_accounted(const struct node *n, const char *space, uint32_t nodeid);
/* Every daemon present has stored at least @value. Asks for it otherwise. */
bool daemons_reserve(struct node *n, uint64_t value);
uint64_t daemons_reserved_max(const struct node *n);

static inline bool ring_equal(struct node_ring a, struct node_ring b)
{
	return a.nodeid == b.nodeid && a.seq == b.seq;
}

/* fencing.c */
struct fence_node *fencing_find(const struct node *n, uint32_t nodeid);
struct fence_node *fencing_get(struct node *n, uint32_t nodeid);
uint64_t fencing_mark_new(struct node *n);
/* Of that incarnation: the same for all rejoins of a process. */
uint64_t fencing_process(uint64_t incarnation);
/* Quorate, and the group of all daemons is in that ring. */
bool fencing_ring_ok(const struct node *n);
/* R-COND-9: without fencing it counts as fenced by now. */
bool fencing_timed_out(const struct space *s, const struct lost *l);
/* A daemon of that node has announced itself. */
void fencing_process_seen(struct node *n, uint32_t nodeid, uint64_t process);
void fencing_ring_changed(struct node *n);
void fencing_message(struct node *n, uint32_t by, enum wire_type type, const struct wire_body *b);
void fencing_clear(struct node *n);
/* That lost member can do no harm any more, as far as this node knows. */
bool fencing_settled(const struct space *s, const struct lost *l);

/* fencing_ask.c */
void fencing_view_changed(struct node *n);
/* Time of those that are waited for (R-COND-9). */
void fencing_tick(struct space *s, uint64_t elapsed_ms);
/* That process is known to be fenced: nobody need ask for it. */
void fencing_ask_done(struct fence_node *f, uint64_t process);
/* An attempt has failed; @text why, may be NULL or empty; @wall_ms when, 0 not known. */
void fencing_failed(const struct node *n, struct fence_node *f, const char *text, uint64_t wall_ms);
void fencing_ask_message(struct node *n, uint32_t by, enum wire_type type, const struct wire_body *b);
void fencing_progress(struct node *n);
/* What is being done about that node, in words; empty when nothing is to be said. */
void fencing_words(const struct node *n, uint32_t nodeid, char *ret, size_t size);

/* daemons.c */
/* A node is known to be off: by an administrator, or by a fencing asked for in the present view. */
void daemons_vouched(struct node *n, uint32_t nodeid);
/* The process of that node that is there and has announced itself; 0 none. */
uint64_t daemons_process(const struct node *n, uint32_t nodeid);

/* space.c */
struct space *space_new(struct node *n, const char *name, const struct node_attributes *want);
/* R-LS-8, R-LS-11: is the lockspace, whose state is here, what somebody wants? */
bool space_attributes_match(const struct space *s, const struct node_attributes *want);
struct space *space_free(struct space *s);
void space_join(struct space *s);
void space_progress(struct space *s);
/* R-LOST-1: this node is outside the quorate lineage of the lockspace. */
void space_lose(struct space *s, const char *reason);
/* Without state, and somebody departed or has sent a FORM that is void here: others may count this node as a
 * carrier, and wait for its fencing. So it goes on as somebody new, who is clean (R-COND-3). */
void space_identity_new(struct space *s);
void space_leave_now(struct space *s); /* ACTION_LEAVE and free */
void space_state_clear(struct space *s);
bool space_quorum_ok(const struct space *s);
bool space_serving(const struct space *s); /* self is a carrier */
/* Counts as a carrier of state for others: R-MERGE-3. */
bool space_carries(const struct space *s);

/* view.c */
struct member *view_self(const struct space *s);
struct member *view_member_find(const struct space *s, uint32_t nodeid, uint32_t pid);
/* By identity, whatever process it is. */
struct member *view_member_by_id(const struct space *s, uint32_t nodeid, uint64_t incarnation);
struct member *view_member_add(struct space *s, uint32_t nodeid, uint32_t pid);
void view_member_free(struct space *s, struct member *m);
struct lost *view_lost_add(struct space *s, uint32_t nodeid, uint64_t incarnation);
bool view_ghost(const struct space *s, const struct member *m);
/* The recovery point waits for it. Follows from the stream alone. */
bool view_awaits(const struct member *m);
/* A clean newcomer that does not know the feature level in use: it is no part of the view. */
bool view_below_level(const struct space *s, const struct member *m);
void view_confchg(struct space *s, const struct node_address *members, size_t members_count,
		  const struct node_address *left, size_t left_count,
		  const struct node_address *joined, size_t joined_count);
void view_totem(struct space *s, struct node_ring ring, const uint32_t *nodes, size_t nodes_count);
struct member *view_renounced(struct space *s, struct member *m);
void view_hello(struct space *s, struct member *m, const struct wire_body *b);
void view_ready(struct space *s, struct member *m, const struct wire_body *b);
void view_digest_said(struct space *s, struct member *m, const struct wire_body *b);
void view_prepared(struct space *s, struct member *m, const struct wire_body *b);
void view_fenced(struct space *s, struct member *m, const struct wire_body *b);
void view_synced(struct space *s, struct member *m);
void view_left_clean(struct space *s, struct member *m);
void view_expel(struct space *s, struct member *m);
void view_evict(struct space *s, const struct member *by, const struct wire_body *b);
void view_form(struct space *s, struct member *m, const struct wire_body *b);
uint64_t view_group_key(const struct space *s);
/* A ring as one number; each use has a @seed of its own. */
uint64_t ring_key(struct node_ring ring, uint64_t seed);
/* Names the present ring; 0 while it is not known. */
uint64_t view_ring_key(const struct space *s);
uint64_t view_digest(const struct space *s);
/* The nodeids of K. */
struct nodeset view_continuing(const struct space *s);
bool view_fast(const struct space *s);
/* R-VIEW-2 as this node sees it; *ret_slow: only the slow way holds. */
bool view_electorate_ok(const struct space *s, bool *ret_slow);
/* That configured node is in the way of the slow way. */
bool view_electorate_lacks(const struct space *s, uint32_t nodeid);
struct member *view_donor(const struct space *s);
bool view_all_carriers(const struct space *s);
struct lost *view_lost_find(const struct space *s, uint32_t nodeid, uint64_t incarnation);
void view_state_encode(const struct space *s, struct buf *out);
int view_state_decode(struct space *s, struct cursor *in);
void view_members_clear(struct space *s);

/* stream.c */
void stream_message(struct space *s, uint32_t nodeid, uint32_t pid, const void *data, size_t size);
void stream_send(struct space *s, enum wire_type type, const struct wire_body *b,
		 struct buf *ops_take);
void stream_apply(struct space *s, struct engine_op *op);
void stream_held_apply(struct space *s);
void stream_held_clear(struct space *s);
void stream_stable_update(struct space *s);
/* Who has not answered for longer than confirm_timeout_ms; NULL nobody. */
struct member *stream_behind(struct space *s);
void stream_release(struct space *s);
/* An own message that Corosync has lost shows when a later one comes back: there is one in time. */
void stream_unreturned(struct space *s);
void stream_epoch_changed(struct space *s);
void stream_sent_clear(struct space *s);
void stream_pending_clear(struct list *head);

/* sync.c */
void sync_begin(struct space *s, struct member *donor, uint64_t number, const struct wire_body *b);
/* That carrier is one no more: what it was giving away, others have to. */
void sync_donor_gone(struct space *s, const struct member *m);
/* A joiner says that nothing is coming in. */
void sync_wanted(struct space *s, struct member *m);
/* Without a state, although others have one: says so when nothing has come for too long. */
void sync_joiner_progress(struct space *s);
/* The donor saw its own sync-begin dropped by the epoch rule: it sends it again. */
void sync_begin_dropped(struct space *s, const struct wire_body *b);
void sync_chunk(struct space *s, struct member *m, const struct wire_body *b);
/* An event is about to change the state. */
void sync_state_changes(struct space *s);
/* The driver has taken the image. */
void sync_image_handed_out(struct node *n, uint64_t image);
/* Replays a slice of what was kept; true when nothing is left. */
bool sync_catch_up(struct space *s);
/* More was kept than this node may. */
bool sync_kept_too_much(const struct space *s);
/* What a joiner has, in words of status; false when nothing is coming in. */
bool sync_progress_text(const struct space *s, char *ret, size_t size);
void sync_donor_progress(struct space *s);
void sync_keep_message(struct space *s, uint32_t nodeid, uint32_t pid, const void *data,
		       size_t size);
void sync_keep_confchg(struct space *s, const struct node_address *members, size_t members_count,
		       const struct node_address *left, size_t left_count,
		       const struct node_address *joined, size_t joined_count);
void sync_keep_totem(struct space *s, struct node_ring ring, const uint32_t *nodes,
		     size_t nodes_count);
void sync_abandon(struct space *s);
void sync_transfers_clear(struct space *s);

/* dump.c */
/* R-DIG-2: @differs is about to be taken out, by what was said when ready or at a digest point. */
void space_dump(struct space *s, const struct member *differs, bool ready);

/* trace_space.c */
void space_trace_progress(struct space *s);
void space_trace_end(struct space *s, const char *reason);
void space_trace_op(struct space *s, const struct engine_op *op);
void space_trace_raise(struct space *s, uint64_t seq);
void space_trace_view(struct space *s, uint8_t what);
void space_trace_message(struct space *s, bool dropped, const struct member *m, uint8_t type, size_t size);

/* session.c */
struct session *session_by_conn(const struct node *n, node_conn conn);
struct session *session_by_number(struct space *s, uint32_t number);
void session_activate_all(struct space *s);
/* READY with @error for those that are not active yet. */
void session_refuse_all(struct space *s, int error);
/* Before and after the effects of an own op that was applied. */
void session_op_applied(struct space *s, const struct engine_op *op);
void session_op_done(struct space *s, const struct engine_op *op);
void session_effect(struct space *s, const struct engine_effect *effect);
void session_callback_emit(struct session *session, struct callback *c);
/* At the end of its queue, with room for @lvb_len bytes. */
struct callback *session_callback_add(struct session *session, enum callback_kind kind, size_t lvb_len);
void session_callback_free(struct session *session, struct callback *c);
void session_adoption_add(struct session *session, uint64_t request, uint32_t tag);
/* All its locks are being purged, by itself. */
void session_purged(struct session *session);
/* A slow view point: grants not told yet are made now, at @base, and what they read may be old. */
void session_untold_renew(struct space *s, uint64_t base);
/* Tells every session that it is lost. With @reset those that hold locks stay in the space until
 * their processes are gone (R-LOST-1). */
void session_lose_all(struct space *s, bool reset);
void session_detach(struct session *session);
void session_free(struct node *n, struct session *session);
/* The processes of a session that held locks when its space was lost are gone. */
void session_settled(struct session *session);

/* recovery.c */
/* A view point was passed, before its op is applied: prep (R-REC-5). */
void recovery_view_point(struct space *s);
/* The recovery point (R-REC-6) in three steps. Before its op, which will have @seq: slot of all lost. */
void recovery_slots(struct space *s, uint64_t seq);
/* ... slots and generation are final; */
void recovery_note(struct space *s, uint64_t seq);
/* ... after its op: done. */
void recovery_done(struct space *s);
void recovery_callback_emit(struct session *session, const struct callback *c);
bool recovery_callback_waits(const struct session *session, const struct callback *c);
/* Every subscribed session here has acknowledged prep, or is dead (R-CB-10). */
bool recovery_acknowledged(const struct space *s);
void recovery_tick(struct space *s, uint64_t elapsed_ms);
/* It acknowledges nothing any more, and is not waited for. */
void recovery_session_gone(struct session *session);
/* Deals with those that do not. */
void recovery_progress_late(struct space *s);
/* "waits for prep of session ..."; false when it does not. */
bool recovery_text(const struct space *s, char *ret, size_t size);

/* local_lock.c */
/* By lkid; ended ones too. */
struct local_lock *local_lock_find(const struct space *s, uint32_t lkid);
/* The lock of that number if it is alive and of that session (R-LOCK-5). */
struct local_lock *local_lock_of(const struct session *session, uint32_t lkid);
struct local_lock *local_lock_add(struct session *session, uint32_t lkid);
/* Freed at once, or with the last of its callbacks. */
void local_lock_end(struct local_lock *l);
void local_lock_callback_gone(struct local_lock *l);
uint32_t local_lock_id_next(struct space *s);

/* wait.c */
void wait_pool_init(struct space *s);
void wait_tick(struct space *s, uint64_t elapsed_ms);
/* The request @op was applied and has no completion yet. */
void wait_begin(struct local_lock *l, const struct engine_op *op);
void wait_end(struct local_lock *l);
/* Orders what is due. */
void wait_progress(struct space *s);

/* outbox.c */
void outbox_push(struct space *s, const struct engine_op *op);
/* What that session has in it, its begin excepted. */
void outbox_session_drop(struct space *s, uint32_t session);
void outbox_clear(struct space *s);
void outbox_send(struct space *s);

#endif
