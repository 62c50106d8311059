/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One simulated run: everything hangs on a struct world, nothing is global. Who may call whom:
 *
 *   swarm, scripted -> faults, admin -> cpgmodel, simnode, clients -> checker, story
 */
#ifndef LOCKSTEP_TESTS_SIM_WORLD_H
#define LOCKSTEP_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/admin.h"
#include "tests/sim/arena.h"
#include "tests/sim/checker.h"
#include "tests/sim/clients.h"
#include "tests/sim/cpgmodel.h"
#include "tests/sim/faults.h"
#include "tests/sim/fencing.h"
#include "tests/sim/orphans.h"
#include "tests/sim/prng.h"
#include "tests/sim/recovery.h"
#include "tests/sim/simnode.h"
#include "tests/sim/story.h"
#include "tests/sim/timeline.h"
#include "tests/sim/unfenced.h"

#define SIM_CLIENTS_MAX 32
#define SIM_SPACES_MAX 2

/* Marks: what the run has seen. Summed over seeds, so that a rate that fell to zero shows. */
#define SIM_MARKS(X)                                                                               \
	X(RINGS, "rings formed")                                                                   \
	X(SYNC_ABORTED, "ring rounds aborted")                                                     \
	X(TAIL, "messages delivered to their sender in a breaking ring")                           \
	X(FOREIGN_KEPT, "foreign messages kept at a cut")                                          \
	X(FOREIGN_DROPPED, "foreign messages lost at a cut")                                       \
	X(CROSSED, "messages that crossed into another ring")                                      \
	X(LEFT_AND_JOINED, "left and joined in one ring change")                                   \
	X(ZOMBIE, "processes found gone at a ring change")                                         \
	X(GHOST, "processes of nobody (ghosts)")                                                    \
	X(TRY_AGAIN, "mcasts refused for a while")                                                 \
	X(QUORUM_LATE, "messages handled before the verdict about their ring")                     \
	X(CRASH, "crashes")                                                                        \
	X(BOOT, "boots")                                                                           \
	X(FAST_RESTART, "restarts faster than detection")                                          \
	X(DAEMON_KILL, "daemons killed")                                                           \
	X(DAEMON_START, "daemons started")                                                         \
	X(COROSYNC_KILL, "corosyncs killed")                                                       \
	X(PAUSE_DAEMON, "daemons paused")                                                          \
	X(PAUSE_HOST, "hosts frozen")                                                              \
	X(PARTITION, "partitions")                                                                 \
	X(HEAL, "partitions healed")                                                               \
	X(MUTE, "one-way losses")                                                                  \
	X(SLOW, "slow hosts")                                                                      \
	X(QUORUM_FLIP, "quorum flips without a ring change")                                       \
	X(DEVICE_VOTES, "votes of a quorum device that came")                                      \
	X(DEVICE_LEAVES, "votes of a quorum device that went")                                     \
	X(LAST_MAN, "fewer votes expected (last_man_standing)")                                    \
	X(ONE_NODE, "clusters of one node")                                                        \
	X(SIXTEEN_NODES, "clusters of sixteen nodes")                                              \
	X(CLIENT_KILL, "clients killed")                                                           \
	X(CLEAN_STOP, "daemons stopped cleanly")                                                   \
	X(RELEASE, "lockspace releases")                                                           \
	X(CREATE, "lockspace creates")                                                             \
	X(ACK, "fence acknowledgements accepted")                                                  \
	X(ACK_REFUSED, "fence acknowledgements refused")                                           \
	X(FENCED_LIVE, "living nodes fenced by the administrator")                                 \
	X(GRANT, "grants told")                                                                    \
	X(REFUSAL, "refusals told")                                                                \
	X(UNLOCKED, "unlocks told")                                                                \
	X(CANCELLED, "cancels told")                                                               \
	X(BAST, "blocking notifications told")                                                     \
	X(TIMED_OUT, "requests timed out")                                                         \
	X(VICTIM, "victims of a deadlock search")                                                  \
	X(ORPHAN, "orphans left")                                                                  \
	X(ADOPTED, "orphans adopted")                                                              \
	X(ADOPT_REFUSED, "adoptions refused")                                                      \
	X(PURGE, "purges asked for")                                                               \
	X(LVB_WRITE, "lock values written and told")                                               \
	X(LVB_READ, "lock values read")                                                            \
	X(LVB_INVALID, "lock values read as invalid")                                              \
	X(SESSION, "sessions opened")                                                              \
	X(SESSION_FAILED, "sessions refused")                                                      \
	X(LOST, "sessions told that they are lost")                                                \
	X(KILLED, "sessions killed by their daemon")                                               \
	X(RESERVED, "token reservations stored")                                                   \
	X(IMAGE, "state images begun")                                                              \
	X(IMAGE_FAILED, "state images whose writer failed")                                        \
	X(IMAGE_STOPPED, "state images nobody wanted any more")                                    \
	X(DIGESTS, "digests compared")                                                            \
	X(CUT_READY, "cuts at a ready")                                                            \
	X(CUT_SYNCED, "cuts at a synced")                                                          \
	X(CUT_PREPARED, "cuts at a prepared")                                                      \
	X(CUT_FENCED, "cuts at a fenced")                                                          \
	X(CUT_EVICT, "cuts at an evict")                                                           \
	X(CUT_LEAVE, "cuts at a leave")                                                            \
	X(CUT_FORM, "cuts at a form")                                                              \
	X(CUT_OTHER, "cuts at a hello, sync-begin or chunk")                                       \
	X(AGAIN_STORM, "storms of TRY_AGAIN")                                                      \
	X(SWALLOWED, "messages accepted and lost (CS_OK)")                                         \
	X(CLOCK_JUMP, "jumps of a wall clock")                                                     \
	X(CLIENT_STOP, "clients stopped for a while")                                              \
	X(DONOR_HIT, "donors or joiners hit during a transfer")                                    \
	X(FENCED, "fencings that switched a machine off")                                         \
	X(FENCED_LATE, "fencings reported after the machine was up again")                        \
	X(FENCE_FAILED, "fencings that failed")                                                    \
	X(FENCE_MERGED, "requests merged with a fencing that was going on")                       \
	X(FENCE_ASKED, "fencings asked for by a daemon")                                          \
	X(FENCE_USELESS, "unfencings and fencings by the node itself")                            \
	X(UNFENCED, "lost nodes given up without fencing, with clients that go on")                \
	X(CORRUPTED, "replicas changed behind the node's back")                                   \
	X(DUMP, "dumps of replicas that differ")                                                   \
	X(OLD_DAEMON, "daemons of an older feature level started")                                 \
	X(LEVEL_REFUSED, "joins refused for their feature level")                                  \
	X(SUBSCRIBED, "subscriptions to recovery callbacks")                                       \
	X(SUBSCRIBED_LATE, "subscriptions during a recovery")                                      \
	X(UNSUBSCRIBED, "subscriptions ended")                                                     \
	X(PREP, "preps told")                                                                      \
	X(PREP_PENDING, "preps acknowledged later")                                                \
	X(PREP_STUCK, "preps never acknowledged")                                                  \
	X(SLOT, "slots told")                                                                      \
	X(DONE, "dones told")

enum sim_mark {
#define X(id, text) MARK_##id,
	SIM_MARKS(X)
#undef X
	SIM_MARKS_COUNT
};

struct world_config {
	uint64_t seed;
	struct cpg_config cpg;
	enum node_on_lost on_lost;
	uint64_t mutations;
	unsigned int spaces;
	unsigned int clients_per_host;
	unsigned int resources;
	bool manual_clients; /* scripted: clients do nothing by themselves */
	/* Clients; microseconds. */
	uint32_t think_us_max;
	uint32_t hold_us_max;
	unsigned int convert_per_mille;
	unsigned int cancel_per_mille;
	unsigned int noqueue_per_mille;
	unsigned int lvb_per_mille;
	unsigned int close_per_mille;
	unsigned int timeout_per_mille;
	unsigned int orphan_per_mille; /* requests whose lock outlives its owner */
	uint32_t deadlock_wait_ms; /* of the lockspaces; 0: what is the default */
	uint32_t react_us_max; /* how long a client goes on after it was told that it is lost */
	/* Daemons. */
	uint32_t turn_us_max;   /* latency of a loop iteration */
	unsigned int quorum_race_per_mille;
	uint32_t ipc_us_max;
	uint32_t window_messages; /* node_config; 0 for the default */
	uint32_t batch_bytes;
	uint32_t confirm_timeout_ms;
	uint32_t digest_interval;
	unsigned int old_per_mille; /* a daemon that starts knows feature level 1 only */
	uint32_t chunk_bytes;
	uint32_t chunk_window;
	uint32_t replay_bytes;
	uint32_t image_us_max; /* from one read of an image's pipe to the next */
	unsigned int image_fail_per_mille;
	uint32_t image_stall_ms;
	/* Fencing, if so through something like Pacemaker. */
	enum node_fencing fencing;
	uint32_t lost_timeout_ms;
	bool fence_manual; /* scripted: the fencer does nothing by itself, and says what the story says */
	bool fence_startup;
	uint32_t fence_request_delay_ms;
	uint32_t fence_late_us_max;    /* from the cut of the power to the report */
	unsigned int fence_fail_per_mille;
	unsigned int fence_deaf_per_mille; /* the way to the fencer is down, and what it said lost */
	/* Recovery callbacks. */
	unsigned int subscribe_per_mille;
	unsigned int stuck_per_mille;
	uint32_t prep_ack_ms;
	uint32_t prep_kill_ms;
};

/* Counters of node objects, summed by name. */
#define COUNTERS_MAX 128
struct counters {
	size_t count;
	char names[COUNTERS_MAX][48];
	uint64_t values[COUNTERS_MAX];
};

struct world {
	struct world_config config;
	struct prng prng;
	struct prng fault_prng; /* of faults only: leaving one out does not change the others */
	struct timeline timeline;
	struct arena arena;
	struct story story;
	struct cpgmodel *cpg;
	struct simnode nodes[SIM_HOSTS_MAX];
	struct client clients[SIM_CLIENTS_MAX];
	unsigned int clients_count;
	struct checker checker;
	struct orphan orphans[SIM_ORPHANS_MAX];
	unsigned int orphans_count;
	bool orphans_unsure[SIM_HOSTS_MAX][SIM_SPACES_MAX]; /* whoever asked for some has ended before the verdict */
	struct recovery recovery;
	struct admin admin;
	struct fencer fencer;
	struct unfenced unfenced;
	uint64_t conn_next;
	uint64_t partitions; /* so far; the last one is healed, not an earlier one */
	unsigned int faults_count; /* chances for a fault so far */
	bool corrupted; /* a replica was changed: it must be found and taken out */
	bool donor_trap; /* the next transfer is hit */
	bool formed_for_good; /* nothing will happen that could take all state away */
	bool draining; /* clients take nothing new and give back what they have */
	uint64_t marks[SIM_MARKS_COUNT];
	uint64_t faults[FAULTS_COUNT]; /* by kind */
	uint64_t moves[7][7];          /* of a lockspace on a node from state to state */
	struct counters *counters; /* of the node objects, by name, over all runs */
	uint64_t steps_max;
	bool cpgtrace; /* what Corosync says is written down; see cpgtrace.h */
	bool failed;
	char violation[600];
};

void world_init(struct world *w, const struct world_config *config, struct counters *counters);
void world_done(struct world *w);
/* A property does not hold. The first one is kept. */
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Runs for that long; stops at the first violation. */
void world_run(struct world *w, uint64_t us);
/* Runs until @done says so, at most @limit_us; returns what it said last. */
bool world_run_until(struct world *w, bool (*done)(struct world *w), uint64_t limit_us);

static inline uint64_t world_now(const struct world *w)
{
	return w->timeline.now_us;
}

static inline void world_mark(struct world *w, enum sim_mark mark)
{
	w->marks[mark]++;
}

void counters_add(struct counters *c, const char *name, uint64_t value);

#endif
