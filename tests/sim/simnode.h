/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The driver of one node: what plugin/daemon is to a real node object, here over the model of
 * Corosync and in virtual time. It reads quorum before groups (except for the race a real loop has
 * too), performs actions in order per group, and carries messages to and from clients.
 */
#ifndef LOCKSTEP_TESTS_SIM_SIMNODE_H
#define LOCKSTEP_TESTS_SIM_SIMNODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/node/node.h"

struct world;
struct client;
struct cpg_handle;
struct simaction;

#define SIMNODE_GROUPS_MAX 256

/* What reaches the daemon from its side: clients, pidfds, the disk, the administrator. */
struct request {
	enum {
		REQUEST_OPEN = 1,
		REQUEST_CLOSE,
		REQUEST_SUBMIT,
		REQUEST_KILLED,
		REQUEST_RESERVED,
		REQUEST_CREATE,
		REQUEST_RELEASE,
		REQUEST_STOP,
		REQUEST_ACK,
		REQUEST_IMAGE,
		REQUEST_FENCE,
		REQUEST_RECOVERY,
	} type;
	struct request *next;
	node_conn conn;
	struct client *client;
	unsigned int slot;      /* SUBMIT */
	unsigned int space;     /* OPEN, CREATE, RELEASE */
	bool create;
	struct node_submit op;  /* pointers are the arena's */
	uint64_t reserved;
	uint32_t nodeid;        /* ACK */
	unsigned int force;
	enum { FENCE_LINK, FENCE_BUSY, FENCE_RESULT, FENCE_ANSWER } fence; /* FENCE: which */
	struct node_fence_result result; /* FENCE_RESULT */
	bool yes;               /* FENCE_LINK: up; FENCE_BUSY; FENCE_ANSWER: success */
	uint64_t token;         /* FENCE_ANSWER */
	uint64_t image;         /* IMAGE: something has come through its pipe */
	uint32_t recovery_op;   /* RECOVERY: see recovery.c */
	uint32_t recovery_prep;
};

/* A state image that a child of the daemon writes. */
struct simimage {
	struct simimage *next;
	uint64_t number;
	const uint8_t *bytes;
	size_t size;
	size_t fed;
	size_t wanted;
	size_t fails_at;        /* the child dies when so much is fed; SIZE_MAX never */
	bool over;
};

struct simgroup {
	struct cpg_handle *handle;
	bool left;              /* no more events for the node */
	struct simaction *first; /* to perform, in order */
	struct simaction *last;
	const char *name;
};

struct simnode {
	struct world *w;
	unsigned int host;
	bool running;
	bool stopping;          /* a clean stop was asked for */
	uint16_t level_max;     /* feature level of the program that is installed */
	bool refused;           /* it was too old for a lockspace */
	uint32_t serial;        /* of the process */
	uint32_t pid;
	uint64_t incarnation;
	struct node *node;
	bool order_up;          /* told to the node */
	bool order_lost;        /* corosync is gone; to be told */
	bool quorate;           /* as the node was told last */
	bool paused;
	int64_t wall_jump_ms;   /* of the machine's wall clock */
	bool turn_scheduled;
	bool tick_due;
	uint64_t clock_offset_ms;
	uint64_t reserved;      /* on this host's disk */
	bool again;             /* NODE_ACTION_AGAIN */
	struct simimage *images;
	struct simgroup *groups;
	size_t groups_count;
	struct request *first;
	struct request *last;
	bool used_up;           /* the node object has lost its order: never used again */
};

/* Starts the daemon: corosync need not be there yet. */
void simnode_start(struct simnode *s, uint32_t spaces);
/* The process is gone, by SIGKILL (@crash false) or with its machine. */
void simnode_kill(struct simnode *s, bool crash);
void simnode_pause(struct simnode *s, bool paused);
/* Corosync of this host is gone. */
void simnode_order_lost(struct simnode *s);
/* There may be something to read. */
void simnode_wake(struct simnode *s);
void simnode_request(struct simnode *s, const struct request *r);
bool simnode_space(const struct simnode *s, unsigned int space, struct node_space_info *ret);
/* Lockspace names by number. */
const char *sim_space_name(unsigned int space);

#endif
