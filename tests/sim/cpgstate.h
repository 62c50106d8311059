/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cpgmodel.c (processes and groups) and cpgrings.c (totem, sync, quorum) share. */
#ifndef LOCKSTEP_TESTS_SIM_CPGSTATE_H
#define LOCKSTEP_TESTS_SIM_CPGSTATE_H

#include "tests/sim/cpgmodel.h"
#include "tests/sim/timeline.h"

/* What has a place in a ring's order. */
struct entry {
	enum { ENTRY_MESSAGE = 1, ENTRY_JOIN, ENTRY_LEAVE, ENTRY_PROCDOWN } kind;
	unsigned int host;
	uint32_t pid;
	unsigned int name;
	struct cpg_handle *handle; /* not for PROCDOWN */
	uint64_t number;           /* MESSAGE: of that handle's */
	const uint8_t *data;
	size_t size;
	const struct ring *written_in;
	struct entry *next; /* queue of the sender */
};

struct proc {
	unsigned int host;
	uint32_t pid;
	unsigned int name;
	/* corosync-notes 2.8: announced by a corosync that was gone again before the end of that sync; no
	 * configuration change takes it away until its node has been in the ring and left it. */
	unsigned int ghost;
};

struct ring {
	struct node_ring id;
	uint32_t members; /* mask of hosts */
	struct entry **log;
	size_t len;
	size_t capacity;
	bool active;          /* its sync is over everywhere */
	uint32_t announced;   /* hosts that have shown it to their clients */
	uint32_t synced;      /* hosts whose sync is over */
	bool broken;          /* the token is lost */
	size_t cut;           /* entries from here on are known to tail_host only */
	unsigned int tail_host;
	bool turn_scheduled;
	struct proc procs[CPG_PROCS_MAX]; /* as announced by their own hosts when it was formed */
	size_t procs_count;
};

struct cpg_handle {
	struct cpg_handle *next; /* of the host */
	unsigned int host;
	uint32_t instance;
	uint32_t pid;
	unsigned int name;
	bool joined;
	bool leaving;
	bool closed;
	bool totem_seen;
	uint32_t life; /* how many handles there have been */
	uint64_t sent;
	struct cpgtrace *trace; /* NULL unless wanted */
	struct cpg_event *first;
	struct cpg_event *last;
};

struct corosync {
	bool up;
	bool frozen;
	uint32_t instance;
	struct ring *ring;
	size_t position; /* entries of the ring's log delivered */
	bool deliver_scheduled;
	bool syncing;
	timeline_fn *thaw_next; /* was frozen when that was due */
	unsigned int slow;
	struct entry *pending;
	struct entry *pending_last;
	size_t pending_count;
	uint64_t again_until_us;
	/* CPG as clients of this host have been told */
	struct proc procs[CPG_PROCS_MAX];
	size_t procs_count;
	uint32_t shown;    /* hosts */
	uint32_t departed; /* hosts that went since then */
	struct cpg_handle *handles;
	struct cpg_quorum_event *quorum_first;
	struct cpg_quorum_event *quorum_last;
	struct node_ring quorum_ring;
	uint32_t quorum_members; /* mask of its hosts */
	bool quorate;
	bool device_vote;         /* QUORUM_DEVICE: it counts the device's vote */
	unsigned int expected;    /* QUORUM_LAST_MAN: votes; 0 it has not been quorate since it was booted */
	unsigned int lowest;      /* of its last quorate ring */
	/* cpgmodel_on_token() */
	timeline_fn *token_then;
	void *token_ctx;
	uint64_t token_a;
	uint64_t token_b;
	unsigned int token_what;
	bool swallow;
	/* on disk */
	uint64_t seq;
};

struct cpgmodel {
	struct world *w;
	struct cpg_config config;
	struct corosync hosts[SIM_HOSTS_MAX];
	unsigned int parts[SIM_HOSTS_MAX];
	/* The ring that the hosts of a part are about to form. */
	uint32_t forming[SIM_HOSTS_MAX];
	uint64_t forming_serial[SIM_HOSTS_MAX];
	const char *names[CPG_NAMES_MAX];
	unsigned int names_count;
	uint32_t lives; /* handles so far */
	struct cpgtrace *traces;
};

/* cpgmodel.c */
/* Shows one ordered entry to the clients of @host. */
void cpg_entry_deliver(struct cpgmodel *m, unsigned int host, const struct entry *e);
/* Shows the configuration @ring to the clients of @host. */
void cpg_ring_announce(struct cpgmodel *m, unsigned int host, const struct ring *ring);

/* cpgrings.c */
/* @host has something to send. */
void ring_kick(struct cpgmodel *m, unsigned int host);
/* Who hears whom has changed. */
void ring_network_changed(struct cpgmodel *m);
void ring_form(struct cpgmodel *m, uint32_t hosts);
void ring_thawed(struct cpgmodel *m, unsigned int host);
void ring_quorum_push(struct cpgmodel *m, unsigned int host);

/* quorumrules.c */
/* May @host, in a ring of these members, call it quorate now? */
bool quorum_rule(struct cpgmodel *m, unsigned int host, uint32_t members);
/* A ring is there: what does not depend on it alone comes later. */
void quorum_ring_there(struct cpgmodel *m, const struct ring *ring);

#endif
