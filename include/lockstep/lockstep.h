/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * liblockstep - locks of a Corosync cluster, for programs
 *
 * Model. A *lockspace* is a cluster-wide namespace of resources. A *session* is one open handle on
 * one lockspace with a connection of its own to the daemon of this node; it owns locks. When the
 * connection ends, for whatever reason, the session's locks go. Locks have the six modes and the
 * conversions of the Linux DLM (which has them from VMS); every call here behaves as its dlm_
 * namesake unless it says otherwise.
 *
 * What a lock cannot do. It excludes other users of the lock, not their late writes: a process
 * that was stopped for a minute may wake up after its lock was lost. Every grant carries a
 * `token` that only grows per resource: hand it to the storage and let that refuse smaller ones.
 *
 * Threads. A session may be used by one thread at a time, except that lockstep_session_fd() may be
 * polled anywhere. Different sessions are independent. The library starts no thread, installs no
 * signal handler and has no global variable. Do not use a session in a child after fork(); a child
 * that keeps the descriptor keeps the session alive.
 *
 * Callbacks run only inside lockstep_dispatch() and inside the _wait calls of the same session, one
 * at a time, in the order of the cluster's decisions. A callback may make any lock call, also a _wait
 * call, which runs other callbacks meanwhile; not lockstep_dispatch() and lockstep_close() of its own
 * session.
 *
 * Returns. 0 (or a count where stated) on success, a negative errno otherwise. Errors any call can
 * return: -EINVAL argument out of range; -ENOTCONN the session is NULL, the daemon is gone or this node
 * has left the quorate cluster or the lockspace: **all locks of the session are lost**, close it;
 * -ENOMEM. Of several mistakes in one call the order of the manual page decides which is told, as in
 * the Linux DLM. A call that returns an error has changed nothing, the lksb included.
 */
#ifndef LOCKSTEP_LOCKSTEP_H
#define LOCKSTEP_LOCKSTEP_H

#include <lockstep/lockstep_types.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
/* The library itself is built with everything else hidden. */
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

struct lockstep_session;
struct lockstep_admin;

/**
 * struct lockstep_lksb - lock status block, one per lock, owned by the caller
 * @status: LOCKSTEP_EINPROG from submission on; final status when the completion callback runs:
 *          0 granted, EAGAIN, EDEADLK, ETIMEDOUT, LOCKSTEP_ECANCEL, LOCKSTEP_EUNLOCK (positive)
 * @lkid:   lock id; set when the submitting call returns, input for conversions and unlock
 * @flags:  LOCKSTEP_SBF_*, valid with the completion
 * @token:  fencing token of the grant, valid with status 0
 * @lvb:    caller's buffer of lockstep_lvb_length() bytes, or NULL; read when a call with VALBLK is
 *          made, written just before the completion callback. Must live as long as the lock.
 */
struct lockstep_lksb {
	int32_t status;
	uint32_t lkid;
	uint32_t flags;
	uint64_t token;
	void *lvb;
};

/* Completion: look at lksb. Blocking: somebody waits for @mode; convert down or ignore it. */
typedef void (*lockstep_ast_fn)(void *arg);
typedef void (*lockstep_bast_fn)(void *arg, int mode);
/* The session is lost: its locks are, or are about to be, somebody else's. Runs once. */
typedef void (*lockstep_lost_fn)(void *arg, int error);

#define LOCKSTEP_OPEN_CREATE 0x1u /* join the lockspace on this node if it is not yet joined */

/**
 * struct lockstep_options - optional settings; NULL or all zero means the defaults
 * @ipc_name:   IPC name of the daemon, or the path of its socket file; NULL for $LOCKSTEP_IPC_NAME or "lockstep"
 * @timeout_ms: how long opening may take: connecting and, for a lockspace that is being joined,
 *              waiting for its state; 0 = 30000, negative = for ever
 * @lvb_len:    LVB length, a multiple of 8 in 8..1024; 0 = the lockspace's, or LOCKSTEP_LVB_DEFAULT
 *              when it is created
 * @mode:       permission bits of a lockspace created by this call, 0 = 0660
 * @deadlock_wait_ms: how long a lock is queued before a deadlock is searched for, and how often then;
 *              negative = never; 0 = the lockspace's, or LOCKSTEP_DEADLOCK_WAIT_DEFAULT
 * @xid_scope:  LOCKSTEP_XID_SCOPE_*: are equal xids of different nodes one transaction? 0 = the
 *              lockspace's, or LOCKSTEP_XID_SCOPE_NODE
 * @space_flags: LOCKSTEP_LSFL_*, used when this call creates the lockspace on this node
 * @cluster_name: the expected name of the cluster, NULL for any
 *
 * @lvb_len, @deadlock_wait_ms and @xid_scope are fixed when the first node creates the lockspace and
 * the same on all nodes. Whoever names another value is refused (-EPROTO).
 */
struct lockstep_options {
	const char *ipc_name;
	int timeout_ms;
	uint16_t lvb_len;
	uint16_t mode;
	int deadlock_wait_ms;
	int xid_scope;
	uint32_t space_flags;
	const char *cluster_name;
};

/**
 * lockstep_open - open a session on a lockspace of this node
 * @space:   1..64 bytes without '/' or control bytes
 * @flags:   LOCKSTEP_OPEN_*
 * @options: may be NULL
 * @ret:     the session; free with lockstep_close()
 *
 * Blocks up to options->timeout_ms. -EUNATCH no daemon on this node; -EBADR the cluster has another
 * name; -EEXIST LOCKSTEP_LSFL_NEWEXCL and it is joined already; -ENOENT no such lockspace here and no
 * LOCKSTEP_OPEN_CREATE; -EPERM it would have to be created, which needs privilege; -EACCES; -EPROTO it
 * has other attributes than asked for; -ETIMEDOUT; -ESTALE this node is outside the quorate cluster and
 * not yet reset.
 */
int lockstep_open(const char *space, unsigned int flags, const struct lockstep_options *options,
		  struct lockstep_session **ret);

/** lockstep_close - end the session; its locks are released (persistent ones become orphans).
 * NULL is fine. No callback runs any more. */
void lockstep_close(struct lockstep_session *s);

/** lockstep_session_fd - descriptor that is readable when lockstep_dispatch() has something to do,
 * and when the daemon is gone. Close-on-exec. A process that inherits it keeps the session alive. */
int lockstep_session_fd(const struct lockstep_session *s);

/** lockstep_dispatch - run callbacks that are due; never blocks.
 * Returns how many ran, or -ENOTCONN (after the lost callback has run). */
int lockstep_dispatch(struct lockstep_session *s);

/** lockstep_lost_set - register the session-lost callback (NULL removes it). */
int lockstep_lost_set(struct lockstep_session *s, void *arg, lockstep_lost_fn lost);

/** lockstep_lvb_length - bytes of a lock value block in this lockspace */
int lockstep_lvb_length(const struct lockstep_session *s);

/**
 * lockstep_lock - ask for a lock on a named resource, or convert one (LOCKSTEP_LKF_CONVERT)
 * @mode:  LOCKSTEP_LOCK_NL..EX
 * @lksb:  caller owned, must stay valid until the lock's last callback; lksb->lkid is set on return
 *         (and names the lock to convert)
 * @flags: LOCKSTEP_LKF_*
 * @name:  resource name, @name_len bytes 0..64, any bytes, copied; ignored when converting
 * @arg:   handed to both callbacks
 * @ast:   completion callback, not NULL
 * @bast:  blocking callback, may be NULL; replaced by a conversion
 *
 * Does not wait for the lock (one round trip to the daemon, about 10 microseconds). 0: accepted,
 * exactly one completion will come. Negative: nothing was sent, @ast never runs: -ENOENT unknown
 * lkid; -EBUSY the lock is queued or has a request outstanding; -EINVAL; -EAGAIN the daemon's send
 * window is full: dispatch, then retry; -ENOMEM session's quota reached; -ENOTCONN.
 * As dlm_lock(), VMS conversion rules.
 *
 * LOCKSTEP_LKF_ORPHAN (without CONVERT) adopts the oldest lock of that name and granted @mode that a
 * session of this node has left behind with LOCKSTEP_LKF_PERSISTENT. The call waits for the cluster's
 * decision; on 0 the lock is yours, lksb has its old lkid and token, status 0, and no completion
 * comes. -ENOENT no orphan of that name; -EAGAIN none in that mode.
 */
int lockstep_lock(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb, uint32_t flags,
		  const void *name, size_t name_len, void *arg, lockstep_ast_fn ast,
		  lockstep_bast_fn bast);

/**
 * lockstep_lockx - lockstep_lock() with a transaction and a time limit
 * @xid:        transaction the lock belongs to from now on, for the search for deadlocks; 0: that of
 *              the session
 * @timeout_cs: with LOCKSTEP_LKF_TIMEOUT: hundredths of a second after which the request, if it is
 *              still queued, ends with ETIMEDOUT; time in which the lockspace is stopped does not count.
 *              Resolution a tenth of a second, never early
 *
 * As dlm_ls_lockx(). Errors as lockstep_lock().
 */
int lockstep_lockx(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb, uint32_t flags,
		   const void *name, size_t name_len, void *arg, lockstep_ast_fn ast,
		   lockstep_bast_fn bast, uint64_t xid, uint32_t timeout_cs);

/**
 * lockstep_unlock - release a lock, or take back a queued request (LOCKSTEP_LKF_CANCEL)
 * @flags: CANCEL, VALBLK (write lksb->lvb when held PW or EX), IVVALBLK, FORCEUNLOCK
 * @lksb:  receives the completion; NULL keeps the lock's own
 *
 * The completion is LOCKSTEP_EUNLOCK or, for a cancel that found something, LOCKSTEP_ECANCEL; a
 * cancel that finds nothing returns 0 and has no completion. -ENOENT; -EBUSY a request is
 * outstanding and FORCEUNLOCK is not given; -EINVAL.
 */
int lockstep_unlock(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
		    struct lockstep_lksb *lksb);

/** lockstep_unlockx - lockstep_unlock() that gives the lock's callbacks another argument (@arg not
 * NULL). */
int lockstep_unlockx(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
		     struct lockstep_lksb *lksb, void *arg);

/** lockstep_deadlock_cancel - as a cancel, but what it takes back ends with EDEADLK. 0 also when there
 * is nothing to take back. -ENOENT; -EINVAL a cancel or an unlock is outstanding. */
int lockstep_deadlock_cancel(struct lockstep_session *s, uint32_t lkid);

/**
 * lockstep_purge - remove locks that ended processes have left behind (orphans)
 * @nodeid: of that node; 0 for this one
 * @pid:    of that process; 0 for all orphans of the node in the lockspace
 *
 * With @pid that of the program itself and @nodeid of this node: all locks of this session are given
 * up, without callbacks, and callbacks that have not run are discarded; the session goes on. Does not
 * wait. -ENOBUFS that node is no member; -EAGAIN as lockstep_lock(). As dlm_ls_purge().
 */
int lockstep_purge(struct lockstep_session *s, uint32_t nodeid, uint32_t pid);

/**
 * struct lockstep_request - one call of lockstep_submit()
 * @unlock: false: as lockstep_lockx() with the fields of the first group; true: as lockstep_unlockx()
 *          with @lkid, @flags, @lksb and @arg
 * @result: what that call would have returned
 */
struct lockstep_request {
	bool unlock;
	int result;
	uint32_t flags;
	struct lockstep_lksb *lksb;
	void *arg;
	/* lock */
	int mode;
	const void *name;
	size_t name_len;
	lockstep_ast_fn ast;
	lockstep_bast_fn bast;
	uint64_t xid;
	uint32_t timeout_cs;
	/* unlock */
	uint32_t lkid;
};

/**
 * lockstep_submit - many lock and unlock calls with one round trip for each hundreds of them
 * @requests: @count of them, made in this order; each as by its own call, with its own result. One
 *            that fails does not hold up the others. A request may not refer to a lock that an
 *            earlier one of the same call asks for.
 *
 * Returns 0 when every result is filled in, else -ENOTCONN: the session is lost, and results are
 * filled in as far as they are known (the others are -ENOTCONN).
 */
int lockstep_submit(struct lockstep_session *s, struct lockstep_request *requests, size_t count);

/**
 * lockstep_lock_wait - lockstep_lock() and wait for the completion
 * @timeout_ms: < 0 for ever, else the request is cancelled after it and -ETIMEDOUT returned (unless
 *              the grant came first: then 0)
 *
 * 0: granted, see lksb for flags and token. -EAGAIN (NOQUEUE), -EDEADLK, -ETIMEDOUT, -ECANCELED, or
 * an error of lockstep_lock(). Other callbacks of the session run while it waits.
 */
int lockstep_lock_wait(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb,
		       uint32_t flags, const void *name, size_t name_len, void *arg,
		       lockstep_bast_fn bast, int timeout_ms);

/** lockstep_lockx_wait - lockstep_lockx() and wait for the completion. @timeout_ms as above and beside
 * @timeout_cs: with the former this program gives up, with the latter the lockspace. */
int lockstep_lockx_wait(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb,
			uint32_t flags, const void *name, size_t name_len, void *arg,
			lockstep_bast_fn bast, uint64_t xid, uint32_t timeout_cs, int timeout_ms);

/** lockstep_unlock_wait - lockstep_unlock() and wait for its completion. 0 on EUNLOCK or ECANCEL,
 * and when a cancel had nothing to do (lksb->status is 0 then). */
int lockstep_unlock_wait(struct lockstep_session *s, uint32_t lkid, uint32_t flags,
			 struct lockstep_lksb *lksb);

/* --- administration and queries: a second connection that holds no locks ------------------- */

/**
 * lockstep_admin_open - connect to the daemon's administration service (name "<ipc_name>-admin"), which answers also when locking is stopped. Blocks up to
 * options->timeout_ms. -EUNATCH no daemon; -EACCES. */
int lockstep_admin_open(const struct lockstep_options *options, struct lockstep_admin **ret);
void lockstep_admin_close(struct lockstep_admin *a);

/** struct lockstep_status - the daemon and its cluster */
struct lockstep_status {
	char version[32];
	char cluster_name[LOCKSTEP_NODE_NAME_MAX + 1];
	char node_name[LOCKSTEP_NODE_NAME_MAX + 1];
	uint32_t nodeid;
	bool standalone;
	bool corosync;  /* connected */
	bool quorate;
	uint64_t ring_seq;
	uint32_t ring_nodeid;
	uint32_t spaces;
	uint32_t sessions;
	uint64_t uptime_ms;
	char state[32];   /* one word: "ok", "noquorum", "stopped", "recovering", "joining", "waiting", "lost" */
	char reason[LOCKSTEP_REASON_MAX + 1]; /* a sentence: what is waited for and what a human can do; empty when ok */
	bool unfenced;    /* fencing = none: nothing guarantees that a lost node has stopped */
	char fencing[160]; /* what counts as fencing, and whether it works; empty when standalone */
};

int lockstep_admin_status(struct lockstep_admin *a, struct lockstep_status *ret);

/** struct lockstep_space_info - one lockspace as this node sees it */
struct lockstep_space_info {
	char name[LOCKSTEP_SPACE_MAX + 1];
	char state[32]; /* "joining", "running", "stopped", "recovering", "lost", "leaving" */
	char reason[LOCKSTEP_REASON_MAX + 1];
	uint64_t seq;
	uint64_t stable;
	uint64_t digest;
	uint64_t epoch;
	uint64_t history;
	uint32_t generation;
	uint16_t lvb_len;
	uint32_t members;
	uint32_t lost_members;
	uint32_t resources;
	uint32_t locks;
	uint32_t waiting; /* queued, converting included */
	uint32_t sessions;
	uint32_t local_sessions;
};

/** struct lockstep_member_info - one member, or lost member, of a lockspace */
struct lockstep_member_info {
	uint32_t nodeid;
	char name[LOCKSTEP_NODE_NAME_MAX + 1];
	uint64_t incarnation;
	char state[32]; /* "member", "joining", "foreign", "lost", "lost-fenced", "departed" */
	uint32_t slot;
	bool local;
	uint32_t locks;
	uint64_t lost_ms; /* "lost": since when, wall clock of the daemon asked, as time_ms; 0 not known */
	char reason[LOCKSTEP_REASON_MAX + 1]; /* "lost": what is being done about it, and how that goes */
};

/** struct lockstep_lock_info - one lock; queue is 'G', 'C' or 'W' */
struct lockstep_lock_info {
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	uint32_t nodeid;
	char node_name[LOCKSTEP_NODE_NAME_MAX + 1];
	uint32_t session; /* 0: orphan */
	uint32_t lkid;
	char queue;
	int8_t granted;   /* mode or -1 */
	int8_t requested; /* mode or -1 */
	uint64_t token;
	uint64_t time_ms; /* wall clock of its node at its last request, since the epoch */
	uint32_t pid;
	uint32_t uid;
	char comm[LOCKSTEP_COMM_MAX + 1];
	bool lost;        /* its node is lost: kept until that node is fenced or has rejoined */
	bool lvb_invalid; /* of the resource */
};

/** struct lockstep_blocker - why a queued lock is not granted: one lock in its way */
struct lockstep_blocker {
	struct lockstep_lock_info lock;
	bool by_order; /* only queued ahead; false: its granted mode conflicts */
};

/* Listings call @visit once per row until it returns non-zero (which is then returned). */
int lockstep_admin_spaces(struct lockstep_admin *a,
			  int (*visit)(const struct lockstep_space_info *info, void *arg), void *arg);
int lockstep_admin_members(struct lockstep_admin *a, const char *space,
			   int (*visit)(const struct lockstep_member_info *info, void *arg), void *arg);
/* @name NULL: all resources, in name order; else that one. -ENOENT: no such lockspace here. */
int lockstep_admin_locks(struct lockstep_admin *a, const char *space, const void *name,
			 size_t name_len,
			 int (*visit)(const struct lockstep_lock_info *info, void *arg), void *arg);
/** lockstep_admin_contended - as lockstep_admin_locks(), but only of resources that somebody waits for: where
 * to look when something is slow, however large the table is. */
int lockstep_admin_contended(struct lockstep_admin *a, const char *space,
			     int (*visit)(const struct lockstep_lock_info *info, void *arg), void *arg);
/* What stands in the way of one queued lock. */
int lockstep_admin_blockers(struct lockstep_admin *a, const char *space, uint32_t nodeid,
			    uint32_t lkid,
			    int (*visit)(const struct lockstep_blocker *b, void *arg), void *arg);

/** What a struct lockstep_change is about. */
enum lockstep_change_kind {
	LOCKSTEP_CHANGE_LOCK = 1,    /* a lock as it is now: new, queued, granted, converted */
	LOCKSTEP_CHANGE_GONE = 2,    /* a lock as it was last: released, withdrawn, refused */
	LOCKSTEP_CHANGE_SPACE = 3,   /* the lockspace is now in @state; "gone": this node has left it */
	LOCKSTEP_CHANGE_AGAIN = 4,   /* what was told before is void: look again. @missed changes were thrown away */
	LOCKSTEP_CHANGE_CURRENT = 5, /* between AGAIN and this one stand all locks of the name subscribed to; @missed: but so many */
};

/** struct lockstep_change - something that has happened in a lockspace */
struct lockstep_change {
	int kind;
	uint64_t time_ms; /* wall clock of this node when it learned of it, since the epoch */
	uint64_t missed;
	char state[32];   /* as in lockstep_space_info */
	struct lockstep_lock_info lock; /* of LOCK and GONE */
};

/** lockstep_admin_subscribe - be told what changes in @space, or with the lock @name of it (NULL: all), from now on and
 * in the order in which this node applies it; a second subscription replaces the first. The first change is AGAIN. Whoever
 * reads too slowly is told so by another AGAIN and misses what was between. -EACCES; -ENOENT: no such lockspace here; -EUSERS: too many subscriptions. */
int lockstep_admin_subscribe(struct lockstep_admin *a, const char *space, const void *name, size_t name_len);
/** lockstep_admin_fd - readable when lockstep_admin_changes() has something, and when the daemon is gone. */
int lockstep_admin_fd(const struct lockstep_admin *a);
/** lockstep_admin_changes - shows what has come; never waits. 0, what @visit returned other than 0 (what came along with that
 * change is not shown any more), or -ENOTCONN. @visit must not use @a. */
int lockstep_admin_changes(struct lockstep_admin *a,
			   int (*visit)(const struct lockstep_change *change, void *arg), void *arg);

/** lockstep_admin_space_create - join a lockspace on this node, creating it in the cluster if needed; one more on its create count. Returns when this node has
 * its state or after options->timeout_ms (-ETIMEDOUT: it goes on trying). */
int lockstep_admin_space_create(struct lockstep_admin *a, const char *space, uint16_t lvb_len,
				uint16_t mode);
/** lockstep_admin_space_create_with - the same with everything that lockstep_options says of a
 * lockspace. -EINVAL; -EBADR another cluster; -EEXIST LOCKSTEP_LSFL_NEWEXCL and it is joined already;
 * -EPERM; -EPROTO other attributes. */
int lockstep_admin_space_create_with(struct lockstep_admin *a, const char *space,
				     const struct lockstep_options *options);
/** lockstep_admin_space_release - one less; at zero leave it. @force 0: -EBUSY while this node has locks, orphans or undelivered callbacks in it; 1: only while one of its
 * locks is granted; 2: never, its locks go. Waits, up to options->timeout_ms, for sessions that are just ending. -ENOENT; -EPERM. */
int lockstep_admin_space_release(struct lockstep_admin *a, const char *space, unsigned int force);
/** lockstep_admin_fence_ack - an administrator's word that @nodeid is down and will not come back with its old locks. -EBUSY: that node is an active member;
 * -ENOENT: not a configured node. Logged with the caller's uid. */
int lockstep_admin_fence_ack(struct lockstep_admin *a, uint32_t nodeid);
/** lockstep_admin_node_id - nodeid of a node name (or a number as text). -ENOENT. */
int lockstep_admin_node_id(struct lockstep_admin *a, const char *name, uint32_t *ret_nodeid);
/** lockstep_admin_debug - the daemon's last events as text lines, for support. */
int lockstep_admin_events(struct lockstep_admin *a, int (*visit)(const char *line, void *arg),
			  void *arg);

/** lockstep_admin_configfs - the folder in which the daemon shows what the kernel's DLM has in configfs, see
 * lockstep-libdlm(7). -ENOBUFS: @size is too small. */
int lockstep_admin_configfs(struct lockstep_admin *a, char *ret_path, size_t size);

/** lockstep_admin_stats - counters of the daemon: a word and how often it happened. Those of the cluster
 * protocol begin again at 0 when this node was outside the quorate cluster. Names may come and go with versions.
 * Not a counter: resident_bytes, the daemon's memory. */
int lockstep_admin_stats(struct lockstep_admin *a,
			 int (*visit)(const char *name, uint64_t value, void *arg), void *arg);

#define LOCKSTEP_WAIT_BUCKETS 8
/* Upper bounds in ms of all of them but the last one, which has none. */
#define LOCKSTEP_WAIT_BOUNDS_MS { 500, 1000, 5000, 10000, 30000, 60000, 300000 }

/** struct lockstep_space_metrics - figures of one lockspace, for monitoring. Those marked * are of the whole lockspace,
 * the same on every node; counters begin at 0 when this node joins. The others are of this node's programs. */
struct lockstep_space_metrics {
	char name[LOCKSTEP_SPACE_MAX + 1];
	uint32_t held[6];    /* * locks by the mode they hold: those that are being converted, too */
	uint32_t waiting[6]; /* * locks by the mode they are queued for */
	uint32_t orphans;    /* * */
	uint64_t granted_at_once;   /* * requests and conversions that met with nobody, */
	uint64_t granted_later;     /* * that were granted after they had been queued, */
	uint64_t queued;            /* * that were queued, whatever became of them, */
	uint64_t refused_busy;      /* * LOCKSTEP_LKF_NOQUEUE and somebody in the way, */
	uint64_t refused_deadlock;  /* * that would never have been granted, */
	uint64_t timed_out;         /* * LOCKSTEP_LKF_TIMEOUT, */
	uint64_t cancelled;         /* * and that were taken back */
	uint64_t blocking_callbacks; /* * sent */
	uint64_t deadlock_searches; /* * */
	uint64_t deadlock_victims;  /* * */
	uint64_t waits[LOCKSTEP_WAIT_BUCKETS]; /* how many were queued that long, to a tenth of a second; each once */
	uint64_t waits_ms;          /* all of them together */
	uint32_t lost_nodeid;       /* lost for longest of the nodes that are not known to be fenced; 0 none */
	char lost_name[LOCKSTEP_NODE_NAME_MAX + 1];
	uint64_t lost_ms;
	bool has_oldest;            /* @oldest is queued, and of this node's programs was queued first */
	uint64_t oldest_ms;
	struct lockstep_lock_info oldest;
	bool has_blocker;           /* one that stands in its way; who holds something before who is queued */
	struct lockstep_blocker blocker;
};

/** lockstep_admin_metrics - the figures of each lockspace of this node. One request for all of them; what it costs the
 * daemon does not depend on how many locks there are. */
int lockstep_admin_metrics(struct lockstep_admin *a,
			   int (*visit)(const struct lockstep_space_metrics *metrics, void *arg), void *arg);

/** lockstep_mode_name - "NL".."EX", "--" for no mode, "??" else. lockstep_mode_parse - the inverse, case-insensitive; -EINVAL. */
const char *lockstep_mode_name(int mode);
int lockstep_mode_parse(const char *name);
/** lockstep_strerror - a sentence for a negative return or a positive lksb status. Static. */
const char *lockstep_strerror(int error);
const char *lockstep_version(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
