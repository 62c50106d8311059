/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes down everything that Corosync tells one process, through libcpg and libquorum
 * and nothing else. One of them runs on each node while a test breaks things; cpg-check
 * then asks whether what all of them saw obeys the axioms that the simulator's model of
 * Corosync is built on. The format is in tests/cpgtrace/trace.h.
 *
 *   cpg-recorder [--cpg-first] [--size BYTES] GROUP FILE
 *
 * Lines on standard input tell it what to do:
 *
 *   rate N     multicast N numbered messages a second from now on
 *   flood N    multicast N more as fast as Corosync takes them
 *   leave      leave the group (it stays connected to the quorum service)
 *   join       join it again, as a new life
 *   quit       wait for what was sent, leave, end
 *
 * It joins at the start, and when Corosync goes away it comes back with Corosync as a new
 * life. Quorum is read before every CPG event, as the daemon does it
 * (corosync-notes 6.2), unless --cpg-first.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>

#define MESSAGE_MAGIC	0x43505452u
#define SIZE_MAX_BYTES	60000
#define RETRY_MS	50
#define EVENTS_PER_TURN 64
#define SENDS_PER_TURN	64

/* One machine, one build: the struct is the format. */
struct message {
	uint32_t magic;
	uint32_t nodeid;
	uint32_t pid;
	uint32_t life;
	uint64_t number;
	uint32_t ring_nodeid; /* the last ring its sender had been told of */
	uint32_t padding;
	uint64_t ring_seq;
};

struct recorder {
	struct cpg_name group;
	int file;
	bool cpg_first;
	size_t size;
	char line[65536];
	size_t len;

	bool cpg_open;
	bool joined; /* cpg_join() has returned OK */
	bool leaving;
	bool left;	/* own LEAVE was delivered */
	bool wanted;	/* to be in the group */
	bool leave_due; /* this life is to end, whatever is wanted then */
	bool quitting;
	cpg_handle_t cpg;
	int cpg_fd;
	bool quorum_open;
	quorum_handle_t quorum;
	int quorum_fd;
	char verdict[512]; /* the last line about quorum; every life begins with it */

	uint32_t nodeid;
	uint32_t life;
	uint64_t sent;
	uint64_t delivered;
	struct cpg_ring_id ring;
	bool refused; /* TRY_AGAIN, so that only the first of a streak is written down */

	uint64_t rate;
	uint64_t flood;
	uint64_t rate_due_ms;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- the file
 * ---------------------------------------------------------------------------- */

static void flush(struct recorder *r)
{
	size_t done = 0;

	while (done < r->len) {
		ssize_t n = write(r->file, r->line + done, r->len - done);

		if (n < 0) {
			perror("cpg-recorder: write");
			exit(1);
		}
		done += (size_t)n;
	}
	r->len = 0;
}

__attribute__((format(printf, 2, 3))) static void put(struct recorder *r,
						      const char *format, ...)
{
	va_list args;
	int n;

	if (sizeof(r->line) - r->len < 512) {
		flush(r);
	}
	va_start(args, format);
	n = vsnprintf(r->line + r->len, sizeof(r->line) - r->len, format, args);
	va_end(args);
	if (n > 0) {
		r->len += (size_t)n;
	}
}

/* --- what Corosync says
 * ------------------------------------------------------------------ */

static const char *reason_name(uint32_t reason)
{
	switch (reason) {
	case CPG_REASON_JOIN:
		return "join";
	case CPG_REASON_LEAVE:
		return "leave";
	case CPG_REASON_NODEDOWN:
		return "nodedown";
	case CPG_REASON_NODEUP:
		return "nodeup";
	case CPG_REASON_PROCDOWN:
		return "procdown";
	default:
		return "unknown";
	}
}

static struct recorder *of(cpg_handle_t handle)
{
	void *context = NULL;

	(void)cpg_context_get(handle, &context);
	return context;
}

static void put_addresses(struct recorder *r, const char *what,
			  const struct cpg_address *list, size_t count, bool reasons)
{
	put(r, " %s", what);
	for (size_t i = 0; i < count; i++) {
		put(r, " %u.%u", list[i].nodeid, list[i].pid);
		if (reasons) {
			put(r, ".%s", reason_name(list[i].reason));
		}
	}
}

static void confchg(cpg_handle_t handle, const struct cpg_name *name,
		    const struct cpg_address *members, size_t members_count,
		    const struct cpg_address *left, size_t left_count,
		    const struct cpg_address *joined, size_t joined_count)
{
	struct recorder *r = of(handle);

	(void)name;
	put(r, "C");
	put_addresses(r, "m", members, members_count, false);
	put_addresses(r, "l", left, left_count, true);
	put_addresses(r, "j", joined, joined_count, true);
	put(r, "\n");
	for (size_t i = 0; i < left_count; i++) {
		if (left[i].nodeid == r->nodeid && left[i].pid == (uint32_t)getpid() &&
		    r->leaving) {
			r->left = true;
		}
	}
}

static void totem(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count,
		  const uint32_t *nodes)
{
	struct recorder *r = of(handle);

	put(r, "T %u.%" PRIu64, ring.nodeid, ring.seq);
	for (uint32_t i = 0; i < count; i++) {
		put(r, " %u", nodes[i]);
	}
	put(r, "\n");
	r->ring = ring;
}

static void deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t nodeid,
		    uint32_t pid, void *data, size_t size)
{
	struct recorder *r = of(handle);
	struct message m;

	(void)name;
	if (size < sizeof(m)) {
		put(r, "D %u.%u foreign\n", nodeid, pid);
		return;
	}
	memcpy(&m, data, sizeof(m));
	put(r, "D %u.%u %u.%u.%u.%" PRIu64 " %u.%" PRIu64 "\n", nodeid, pid, m.nodeid,
	    m.pid, m.life, m.magic == MESSAGE_MAGIC ? m.number : 0, m.ring_nodeid,
	    m.ring_seq);
	if (m.nodeid == r->nodeid && m.pid == (uint32_t)getpid() && m.life == r->life) {
		r->delivered = m.number;
	}
}

static void quorum_notify(quorum_handle_t handle, uint32_t quorate,
			  struct quorum_ring_id ring, uint32_t count,
			  const uint32_t *nodes)
{
	const void *context = NULL;
	struct recorder *r;

	(void)quorum_context_get(handle, &context);
	r = (struct recorder *)(uintptr_t)context;
	int n = snprintf(r->verdict, sizeof(r->verdict), "Q %u.%" PRIu64 " %u",
			 ring.nodeid, ring.seq, quorate);

	for (uint32_t i = 0; i < count && n > 0 && (size_t)n < sizeof(r->verdict); i++) {
		n += snprintf(r->verdict + n, sizeof(r->verdict) - (size_t)n, " %u",
			      nodes[i]);
	}
	put(r, "%s\n", r->verdict);
}

static void nodelist_notify(quorum_handle_t handle, struct quorum_ring_id ring,
			    uint32_t members_count, const uint32_t *members,
			    uint32_t joined_count, const uint32_t *joined,
			    uint32_t left_count, const uint32_t *left)
{
	(void)handle;
	(void)ring;
	(void)members_count;
	(void)members;
	(void)joined_count;
	(void)joined;
	(void)left_count;
	(void)left;
}

/* --- connecting, joining, leaving
 * --------------------------------------------------------- */

static void quorum_close(struct recorder *r)
{
	if (r->quorum_open) {
		(void)quorum_finalize(r->quorum);
		r->quorum_open = false;
		r->verdict[0] = 0;
	}
}

static bool quorum_connect(struct recorder *r)
{
	quorum_model_v1_data_t model = {
		.model = QUORUM_MODEL_V1,
		.quorum_notify_fn = quorum_notify,
		.nodelist_notify_fn = nodelist_notify,
	};
	uint32_t type;

	if (r->quorum_open) {
		return true;
	}
	if (quorum_model_initialize(&r->quorum, QUORUM_MODEL_V1,
				    (quorum_model_data_t *)&model, &type, r) != CS_OK) {
		return false;
	}
	r->quorum_open = true;
	if (quorum_trackstart(r->quorum, CS_TRACK_CHANGES | CS_TRACK_CURRENT) == CS_OK &&
	    quorum_fd_get(r->quorum, &r->quorum_fd) == CS_OK) {
		return true;
	}
	quorum_close(r);
	return false;
}

static void cpg_close(struct recorder *r, const char *why)
{
	if (r->cpg_open) {
		(void)cpg_finalize(r->cpg);
		r->cpg_open = false;
	}
	if (r->joined) {
		put(r, "E %s\n", why);
	}
	r->joined = r->leaving = r->left = r->leave_due = false;
	flush(r);
}

static void gone(struct recorder *r)
{
	cpg_close(r, "gone");
	quorum_close(r);
}

static void join(struct recorder *r)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = deliver,
		.cpg_confchg_fn = confchg,
		.cpg_totem_confchg_fn = totem,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};

	if (!r->cpg_open) {
		if (cpg_model_initialize(&r->cpg, CPG_MODEL_V1,
					 (cpg_model_data_t *)&model, r) != CS_OK) {
			return;
		}
		r->cpg_open = true;
		if (cpg_fd_get(r->cpg, &r->cpg_fd) != CS_OK ||
		    cpg_local_get(r->cpg, &r->nodeid) != CS_OK) {
			cpg_close(r, "gone");
			return;
		}
	}
	/* Until the leave of an earlier life has been delivered the answer is "try
	 * again". */
	if (cpg_join(r->cpg, &r->group) != CS_OK) {
		cpg_close(r, "gone");
		return;
	}
	r->joined = true;
	r->life++;
	r->sent = r->delivered = 0;
	r->ring = (struct cpg_ring_id){ 0 };
	put(r, "client %u %d %u%s\n", r->nodeid, (int)getpid(), r->life,
	    r->cpg_first ? " cpg-first" : "");
	if (r->verdict[0]) {
		put(r, "%s\n", r->verdict);
	}
	flush(r);
}

static void leave(struct recorder *r)
{
	if (cpg_leave(r->cpg, &r->group) == CS_OK) {
		put(r, "L\n");
		r->leaving = true;
	}
}

/* --- sending
 * ------------------------------------------------------------------------------ */

/* False when Corosync does not want more for now. */
static bool send_one(struct recorder *r)
{
	static uint8_t data[SIZE_MAX_BYTES];
	struct message m = {
		.magic = MESSAGE_MAGIC,
		.nodeid = r->nodeid,
		.pid = (uint32_t)getpid(),
		.life = r->life,
		.number = r->sent + 1,
		.ring_nodeid = r->ring.nodeid,
		.ring_seq = r->ring.seq,
	};
	struct iovec iov = { .iov_base = data, .iov_len = r->size };

	memcpy(data, &m, sizeof(m));
	if (cpg_mcast_joined(r->cpg, CPG_TYPE_AGREED, &iov, 1) != CS_OK) {
		if (!r->refused) {
			put(r, "A\n");
		}
		r->refused = true;
		return false;
	}
	r->refused = false;
	r->sent++;
	put(r, "S %" PRIu64 "\n", r->sent);
	return true;
}

static void send_due(struct recorder *r)
{
	unsigned int most = SENDS_PER_TURN;

	if (!r->joined || r->leaving || r->quitting) {
		return;
	}
	while (r->flood > 0 && most-- > 0 && send_one(r)) {
		r->flood--;
	}
	if (r->rate > 0 && now_ms() >= r->rate_due_ms && send_one(r)) {
		r->rate_due_ms = now_ms() + 1000 / r->rate;
	}
	flush(r);
}

/* --- the loop
 * ------------------------------------------------------------------------------ */

static void obey(struct recorder *r, char *line)
{
	uint64_t n = 0;

	if (sscanf(line, "rate %" SCNu64, &n) == 1) {
		r->rate = n;
	} else if (sscanf(line, "flood %" SCNu64, &n) == 1) {
		r->flood += n;
	} else if (strcmp(line, "leave") == 0) {
		r->wanted = false;
		r->leave_due = r->joined;
	} else if (strcmp(line, "join") == 0) {
		r->wanted = true;
	} else if (strcmp(line, "quit") == 0) {
		r->quitting = true;
	} else if (line[0]) {
		fprintf(stderr, "cpg-recorder: what is \"%s\"?\n", line);
		exit(2);
	}
}

static void commands(struct recorder *r)
{
	static char text[4096];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, text + len, sizeof(text) - len - 1);
	char *end;

	if (n <= 0) {
		r->quitting = n == 0 || errno != EAGAIN;
		return;
	}
	len += (size_t)n;
	text[len] = 0;
	while ((end = strchr(text, '\n'))) {
		*end = 0;
		obey(r, text);
		len -= (size_t)(end + 1 - text);
		memmove(text, end + 1, len + 1);
	}
}

static void quorum_read(struct recorder *r)
{
	cs_error_t rc;

	if (!r->quorum_open) {
		return;
	}
	rc = quorum_dispatch(r->quorum, CS_DISPATCH_ALL);
	if (rc != CS_OK && rc != CS_ERR_TRY_AGAIN) {
		quorum_close(r);
	}
}

static void cpg_read(struct recorder *r)
{
	for (unsigned int i = 0; i < EVENTS_PER_TURN && r->cpg_open; i++) {
		size_t before = r->len;
		cs_error_t rc;

		if (!r->cpg_first) {
			quorum_read(r);
			before = r->len;
		}
		rc = cpg_dispatch(r->cpg, CS_DISPATCH_ONE_NONBLOCKING);
		if (rc != CS_OK && rc != CS_ERR_TRY_AGAIN) {
			gone(r);
			return;
		}
		if (r->left) {
			cpg_close(r, "left");
			return;
		}
		if (r->len == before) {
			break;
		}
	}
}

static void turn(struct recorder *r)
{
	struct pollfd fds[3] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = r->cpg_open ? r->cpg_fd : -1, .events = POLLIN },
		{ .fd = r->quorum_open ? r->quorum_fd : -1, .events = POLLIN },
	};
	bool busy = r->flood > 0 && r->joined && !r->refused;
	int timeout = busy ? 0 : r->refused ? 1 : RETRY_MS;

	if (r->rate > 0 && timeout > (int)(1000 / r->rate)) {
		timeout = (int)(1000 / r->rate);
	}
	(void)poll(fds, 3, timeout);
	if (fds[0].revents) {
		commands(r);
	}
	if (r->cpg_first) {
		cpg_read(r);
		quorum_read(r);
	} else {
		quorum_read(r);
		cpg_read(r);
	}
	flush(r);
	if (r->quitting) {
		r->wanted = false;
	}
	if (r->wanted && !r->joined && quorum_connect(r)) {
		join(r);
	}
	if ((!r->wanted || r->leave_due) && r->joined && !r->leaving &&
	    (!r->quitting || r->delivered == r->sent)) {
		leave(r);
	}
	send_due(r);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cpg-first", no_argument, NULL, 'c' },
		{ "size", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	static struct recorder r = { .wanted = true, .size = 64 };
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c') {
			r.cpg_first = true;
		} else if (o == 's') {
			r.size = strtoul(optarg, NULL, 10);
		} else {
			return 2;
		}
	}
	if (argc - optind != 2 || strlen(argv[optind]) > CPG_MAX_NAME_LENGTH - 1 ||
	    r.size < sizeof(struct message) || r.size > SIZE_MAX_BYTES) {
		fputs("usage: cpg-recorder [--cpg-first] [--size BYTES] GROUP FILE\n",
		      stderr);
		return 2;
	}
	r.group.length = (uint32_t)strlen(argv[optind]);
	memcpy(r.group.value, argv[optind], r.group.length);
	r.file = open(argv[optind + 1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (r.file < 0 || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0) {
		perror("cpg-recorder");
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	put(&r, "cpgtrace 1\n");
	while (!r.quitting || r.joined) {
		turn(&r);
	}
	flush(&r);
	return 0;
}
