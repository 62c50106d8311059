/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Corosync's CPG costs by itself, through libcpg and nothing else:
 *
 *   cpg.self       from multicast to the delivery of the own message. The floor of an unlock.
 *   cpg.confirmed  until each other member has multicast that it has delivered it, which it does once
 *                  per loop turn. The floor of a grant that is stable (R-STAB).
 *
 * Variants inflight1 and inflight64: so many 64 byte messages of this sender are under way at once.
 *
 *   cpg-echo listen                             a member: confirms what asks for it, until killed; says
 *                                               "members N", and "from NS" when Corosync reports that a
 *                                               node is down
 *   cpg-echo self|confirmed WINDOW MS MEMBERS   measures for so long, among so many members
 */
#include "config.h"

#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>

#include "bench/samples.h"

#define MESSAGE_SIZE 64
#define WINDOW_MAX 1024
#define MEMBERS_MAX 16
#define QUIET_MS 10000 /* nothing delivered for so long: give up */

/* One machine, one build: the struct is the format. */
enum message_type {
	MESSAGE_PING = 1,    /* nobody answers */
	MESSAGE_CONFIRM = 2, /* the others answer */
	MESSAGE_CONFIRMED = 3, /* the answer: delivered up to number, of that sender's */
};

struct message {
	uint32_t type;
	uint32_t sender; /* CONFIRMED: whose messages */
	uint64_t run;    /* of the sender: tells its messages from those of an earlier run */
	uint64_t number; /* 1, 2, ... */
	uint8_t padding[MESSAGE_SIZE - 24];
};

struct echo {
	cpg_handle_t cpg;
	uint32_t nodeid;
	uint64_t run;
	size_t members;
	/* Sender. */
	enum message_type type;
	uint64_t window;
	uint64_t sent;
	uint64_t done;      /* delivered, or confirmed by all */
	uint64_t delivered; /* to itself */
	uint64_t sent_ns[WINDOW_MAX];
	size_t others;
	struct {
		uint32_t nodeid;
		uint64_t number;
	} confirmed[MEMBERS_MAX];
	bool measuring;
	struct samples samples;
	/* Listener: what it owes an answer. */
	struct message owed;
};

static void die(const char *what, cs_error_t rc)
{
	fprintf(stderr, "cpg-echo: %s: %s\n", what, cs_strerror(rc));
	exit(1);
}

static struct echo *of(cpg_handle_t cpg)
{
	void *context = NULL;

	(void)cpg_context_get(cpg, &context);
	return context;
}

static bool multicast(struct echo *e, struct message *m)
{
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	cs_error_t rc = cpg_mcast_joined(e->cpg, CPG_TYPE_AGREED, &iov, 1);

	if (rc != CS_OK && rc != CS_ERR_TRY_AGAIN) {
		die("cpg_mcast_joined", rc);
	}
	return rc == CS_OK;
}

/* --- the sender ---------------------------------------------------------------------------- */

static void done_up_to(struct echo *e, uint64_t number)
{
	uint64_t now = now_ns();

	while (e->done < number) {
		e->done++;
		if (e->measuring) {
			samples_add(&e->samples, now - e->sent_ns[e->done % WINDOW_MAX]);
		}
	}
}

static void confirmed(struct echo *e, uint32_t nodeid, uint64_t number)
{
	uint64_t least = e->delivered;
	size_t i = 0;

	while (i < e->others && e->confirmed[i].nodeid != nodeid) {
		i++;
	}
	if (i == e->others) {
		if (i == MEMBERS_MAX) {
			return;
		}
		e->others++;
		e->confirmed[i].nodeid = nodeid;
	}
	e->confirmed[i].number = number;
	if (e->others + 1 < e->members) {
		return;
	}
	for (i = 0; i < e->others; i++) {
		least = e->confirmed[i].number < least ? e->confirmed[i].number : least;
	}
	done_up_to(e, least);
}

static void refill(struct echo *e)
{
	while (e->sent - e->done < e->window) {
		struct message m = {
			.type = e->type, .sender = e->nodeid, .run = e->run, .number = e->sent + 1,
		};

		e->sent_ns[m.number % WINDOW_MAX] = now_ns();
		if (!multicast(e, &m)) {
			return;
		}
		e->sent++;
	}
}

/* --- callbacks ----------------------------------------------------------------------------- */

static void deliver(cpg_handle_t cpg, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		    void *data, size_t size)
{
	struct echo *e = of(cpg);
	struct message m;

	(void)group;
	(void)pid;
	if (size != sizeof(m)) {
		return;
	}
	memcpy(&m, data, sizeof(m));
	if (e->run == 0) {
		if (m.type == MESSAGE_CONFIRM) {
			e->owed = m;
		}
	} else if (m.sender != e->nodeid || m.run != e->run) {
		return;
	} else if (m.type == MESSAGE_CONFIRMED) {
		confirmed(e, nodeid, m.number);
	} else {
		e->delivered = m.number;
		if (m.type == MESSAGE_PING) {
			done_up_to(e, m.number);
		}
	}
}

static void confchg(cpg_handle_t cpg, const struct cpg_name *group,
		    const struct cpg_address *members, size_t members_count,
		    const struct cpg_address *left, size_t left_count,
		    const struct cpg_address *joined, size_t joined_count)
{
	(void)group;
	(void)members;
	(void)joined;
	(void)joined_count;
	struct echo *e = of(cpg);

	if (e->run == 0 && left_count > 0 && left[0].reason == CPG_REASON_NODEDOWN) {
		printf("from %" PRIu64 "\n", now_ns());
		(void)fflush(stdout);
	}
	if (e->run == 0) {
		printf("members %zu\n", members_count);
		(void)fflush(stdout);
	}
	e->members = members_count;
}

/* --- main ---------------------------------------------------------------------------------- */

static void echo_join(struct echo *e)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1, .cpg_deliver_fn = deliver, .cpg_confchg_fn = confchg,
	};
	struct cpg_name group = { .length = 0 };
	cs_error_t rc = cpg_model_initialize(&e->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&model, e);

	if (rc != CS_OK) {
		die("cpg_model_initialize", rc);
	}
	rc = cpg_local_get(e->cpg, &e->nodeid);
	if (rc != CS_OK) {
		die("cpg_local_get", rc);
	}
	group.length = (uint32_t)snprintf(group.value, sizeof(group.value), "lockstep-bench:echo");
	while ((rc = cpg_join(e->cpg, &group)) == CS_ERR_TRY_AGAIN) {
		(void)poll(NULL, 0, 10);
	}
	if (rc != CS_OK) {
		die("cpg_join", rc);
	}
}

/* One loop turn: waits, then dispatches all that is there. */
static void turn(struct echo *e, int timeout_ms)
{
	struct pollfd pfd = { .events = POLLIN };

	(void)cpg_fd_get(e->cpg, &pfd.fd);
	(void)poll(&pfd, 1, timeout_ms);
	cs_error_t rc = cpg_dispatch(e->cpg, CS_DISPATCH_ALL);

	if (rc != CS_OK) {
		die("cpg_dispatch", rc);
	}
}

static void listen_forever(struct echo *e)
{
	for (;;) {
		turn(e, e->owed.number ? 1 : -1);
		if (e->owed.number) {
			e->owed.type = MESSAGE_CONFIRMED;
			if (multicast(e, &e->owed)) {
				e->owed.number = 0;
			}
		}
	}
}

static void measure(struct echo *e, uint64_t ms, size_t members)
{
	bool confirm = e->type == MESSAGE_CONFIRM;
	uint64_t quiet = now_ns();
	char variant[32];

	/* The first tenth is not counted. */
	e->measuring = false;
	while (e->members < members) {
		turn(e, 1000);
		if (now_ns() - quiet > (uint64_t)QUIET_MS * 1000000u) {
			fprintf(stderr, "cpg-echo: %zu of %zu members\n", e->members, members);
			exit(1);
		}
	}
	uint64_t begin = now_ns();
	uint64_t end = begin + ms * 1100000u;
	uint64_t done_before = 0;

	/* A busy machine may let the whole time pass before something comes back: at least one sample. */
	while (now_ns() < end || e->samples.count == 0) {
		uint64_t done = e->done;

		refill(e);
		/* Something is under way, or the send queue is full: then try again soon. */
		turn(e, e->sent - e->done < e->window ? 1 : 1000);
		if (!e->measuring && now_ns() - begin > ms * 100000u) {
			e->measuring = true;
			begin = now_ns();
			done_before = e->done;
		}
		if (e->done != done) {
			quiet = now_ns();
		} else if (now_ns() - quiet > (uint64_t)QUIET_MS * 1000000u) {
			fprintf(stderr, "cpg-echo: nothing comes back\n");
			exit(1);
		}
	}
	(void)snprintf(variant, sizeof(variant), "inflight%" PRIu64, e->window);
	samples_print(&e->samples, confirm ? "cpg.confirmed" : "cpg.self", variant,
		      (double)(e->done - done_before) * 1e9 / (double)(now_ns() - begin));
	samples_done(&e->samples);
}

int main(int argc, char **argv)
{
	static struct echo e;

	if (argc == 2 && strcmp(argv[1], "listen") == 0) {
		echo_join(&e);
		listen_forever(&e);
	}
	if (argc != 5 || (strcmp(argv[1], "self") != 0 && strcmp(argv[1], "confirmed") != 0)) {
		fprintf(stderr, "usage: cpg-echo listen\n"
				"       cpg-echo self|confirmed WINDOW MS MEMBERS\n");
		return 2;
	}
	e.type = strcmp(argv[1], "self") == 0 ? MESSAGE_PING : MESSAGE_CONFIRM;
	e.window = number_argument(argv[2], WINDOW_MAX);
	e.run = now_ns();
	echo_join(&e);
	measure(&e, number_argument(argv[3], 3600000), number_argument(argv[4], MEMBERS_MAX));
	(void)cpg_finalize(e.cpg);
	return 0;
}
