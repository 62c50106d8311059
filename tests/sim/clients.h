/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that use locks. A client knows only what it asked for and what it was told; from that
 * follows what it may use right now, its *belief*, and the checker compares beliefs. A client goes
 * on believing after its daemon has died and after it was told that its session is lost, until its
 * process is gone: nobody else may be granted what it believes in before that.
 */
#ifndef LOCKSTEP_TESTS_SIM_CLIENTS_H
#define LOCKSTEP_TESTS_SIM_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/engine/op.h"
#include "plugin/node/node.h"
#include "tests/sim/recovery.h"

struct world;
struct lvb_write;
struct request;

#define CLIENT_SLOTS 4
#define SIM_LVB_LEN 32

/* One lock of a client. */
struct slot {
	enum {
		SLOT_FREE = 0,
		SLOT_ASKED,   /* request on its way to the daemon */
		SLOT_QUEUED,  /* accepted, verdict outstanding */
		SLOT_HELD,
	} state;
	bool held;            /* QUEUED: a conversion; the lock is held at `mode` meanwhile */
	bool converting;      /* the outstanding op is a conversion */
	bool adopting;        /* ASKED: an orphan */
	bool unlocking;       /* an unlock was sent */
	bool cancelling;
	bool cancel_replied;
	unsigned int space;
	unsigned int resource;
	uint32_t lkid;
	uint32_t flags;       /* of the last request or conversion */
	uint8_t asked;        /* mode of it */
	int8_t mode;          /* told: granted in it; -1 nothing */
	int8_t believed;      /* may be used in this mode now; -1 not at all */
	uint64_t token;
	uint64_t since_us;
	uint64_t read_since_us; /* when the request that may read the LVB was sent */
	struct lvb_write *write; /* the op in flight writes this */
};

struct client {
	struct world *w;
	unsigned int index;
	unsigned int host;
	bool alive;
	bool stopped;         /* SIGSTOP: reads and does nothing, believes as ever */
	struct held_message *waiting; /* arrived meanwhile */
	struct held_message *waiting_last;
	node_conn conn;       /* 0: not connected */
	enum { CLIENT_IDLE = 0, CLIENT_OPENING, CLIENT_READY, CLIENT_LOST } state;
	unsigned int space;
	uint64_t incarnation; /* its node's when the session became usable (unfenced.c) */
	unsigned int life;    /* processes so far */
	uint64_t told_us;     /* when the last message on its way arrives: order is kept */
	struct slot slots[CLIENT_SLOTS];
	bool purging;         /* asked for, and no verdict of anything later has come */
	unsigned int purge_host, purge_space;
	uint64_t purge_us;
	unsigned int opens;
	unsigned int failures; /* of the last open */
	struct recovery_client recovery;
};

void clients_init(struct world *w);
/* A new process of that client starts. */
void client_start(struct client *c);
/* SIGCONT. */
void client_continue(struct client *c);
void client_kill(struct client *c, const char *why);
/* Its daemon is gone. */
void client_disconnected(struct client *c);
struct client *client_by_conn(struct world *w, node_conn conn);
/* Is that grant of more than the client has? */
bool client_gains(struct world *w, const struct node_action *act);
/* From the daemon, on its way to the client. */
void client_tell(struct world *w, const struct node_action *act);
void client_reply(struct client *c, node_conn conn, unsigned int slot, enum engine_op_type type,
		  int status, uint32_t lkid, bool completes);
/* To its daemon. */
void client_post(struct client *c, const struct request *r);
/* Nothing asked, nothing held. */
bool client_done(const struct client *c);

/* What clients do by themselves, and scripts make them do. */
void client_open(struct client *c, unsigned int space, bool create);
void client_close(struct client *c);
void client_lock(struct client *c, unsigned int slot, unsigned int resource, uint8_t mode,
		 uint32_t flags);
void client_convert(struct client *c, unsigned int slot, uint8_t mode, uint32_t flags);
/* @flags: VALBLK, IVVALBLK, FORCEUNLOCK */
void client_unlock(struct client *c, unsigned int slot, uint32_t flags);
void client_cancel(struct client *c, unsigned int slot);
/* An orphan of its node (R-ORPH-1). */
void client_adopt(struct client *c, unsigned int slot, unsigned int resource, uint8_t mode);
/* All orphans of that node (R-PURGE-1). */
void client_purge(struct client *c, unsigned int host);

#endif
