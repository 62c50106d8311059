/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workers of the figures lockstep.*, one process per node, through liblockstep. They share the
 * machine's monotonic clock and print raw times; bench/collate makes lines of them. Started and
 * brought together by bench/run.sh.
 *
 *   lock-bench now                           the clock
 *   lock-bench cycle NODE CLIENTS START MS   so many clients, each locking and unlocking a name of its
 *                                            own in sequence, from START for so long
 *   lock-bench pipeline NODE WINDOW START MS one client with so many ops in flight, locks and unlocks of as
 *                                            many names of its own, made with lockstep_submit()
 *   lock-bench handover COUNT HOLD_MS        A: gets the lock, lets B wait for HOLD_MS, unlocks
 *   lock-bench kill COUNT HOLD_MS            A: the same, but dies by SIGKILL in place of the unlock
 *   lock-bench wait COUNT                    B: waits; when it has the lock, gives it back as soon as
 *                                            A asks again. Start it first, and A when it says "holding"
 *   lock-bench grants GAP_MS                 locks and unlocks a name of its own until standard input ends; says
 *                                            "gap NS NS" for two grants more than GAP_MS apart, and "locking" first
 *   lock-bench node-hold                     holds a lock until the node dies
 *   lock-bench node-wait NODEID              waits for it; once it has read the time of the death on
 *                                            standard input, locks another name and, when it has got
 *                                            that, vouches for the node
 *
 *   lock-bench fill NODE COUNT               so many locks, each EX on a name of its own, as fast as they come;
 *                                            says "filled MS" and keeps them until its input ends
 *
 * A and B need nobody to bring them together: each learns from its BAST that the other one waits.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

#include "bench/samples.h"

#define SPACE "default"
#define CLIENTS_MAX 1024
#define PATIENCE_MS 60000
#define SHARED_NAME "bench/shared"
#define NODE_NAME "bench/node"
#define OTHER_NAME "bench/other"

static void die(const char *what, int error)
{
	fprintf(stderr, "lock-bench: %s: %s\n", what, lockstep_strerror(error));
	exit(1);
}

static struct lockstep_session *session_open(void)
{
	struct lockstep_session *s = NULL;
	int error = lockstep_open(SPACE, 0, NULL, &s);

	if (error) {
		die("opening a session", error);
	}
	return s;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = {
		.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
	}
}

/* Runs callbacks until *@flag. */
static void wait_for(struct lockstep_session *s, const bool *flag)
{
	struct pollfd pfd = { .fd = lockstep_session_fd(s), .events = POLLIN };

	for (;;) {
		int rc = lockstep_dispatch(s);

		if (rc < 0) {
			die("dispatching", rc);
		}
		if (*flag) {
			return;
		}
		if (poll(&pfd, 1, PATIENCE_MS) == 0) {
			die("waiting", -ETIMEDOUT);
		}
	}
}

/* --- cycles ------------------------------------------------------------------------------- */

struct client {
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
	char name[32];
	uint64_t locking_ns;
	uint64_t granted_ns; /* 0 while waiting */
	bool again;          /* the daemon's window was full: the call is to be repeated */
	bool idle;
};

struct cycles {
	struct client clients[CLIENTS_MAX];
	size_t clients_count;
	size_t busy;
	uint64_t end_ns;
	uint64_t last_ns;
	struct samples lock;
	struct samples unlock;
	struct samples cycle;
};

static struct cycles cycles; /* callbacks get their client */

static void client_completed(void *arg);

static void client_call(struct client *c)
{
	int error;

	if (c->granted_ns) {
		error = lockstep_unlock(c->session, c->lksb.lkid, 0, NULL);
	} else {
		error = lockstep_lock(c->session, LOCKSTEP_LOCK_EX, &c->lksb, 0, c->name,
				      strlen(c->name), c, client_completed, NULL);
	}
	c->again = error == -EAGAIN;
	if (error && !c->again) {
		die(c->granted_ns ? "unlocking" : "locking", error);
	}
}

static void client_lock(struct client *c, uint64_t now)
{
	c->granted_ns = 0;
	c->locking_ns = now;
	client_call(c);
}

static void client_completed(void *arg)
{
	struct client *c = arg;
	uint64_t now = now_ns();

	if (!c->granted_ns) {
		if (c->lksb.status) {
			die("the lock", c->lksb.status);
		}
		c->granted_ns = now;
		client_call(c);
		return;
	}
	if (c->lksb.status != LOCKSTEP_EUNLOCK) {
		die("the unlock", c->lksb.status);
	}
	samples_add(&cycles.lock, c->granted_ns - c->locking_ns);
	samples_add(&cycles.unlock, now - c->granted_ns);
	samples_add(&cycles.cycle, now - c->locking_ns);
	cycles.last_ns = now;
	if (now < cycles.end_ns) {
		client_lock(c, now);
	} else {
		c->idle = true;
		cycles.busy--;
	}
}

static void clients_run(void)
{
	struct pollfd pfds[CLIENTS_MAX];

	for (size_t i = 0; i < cycles.clients_count; i++) {
		pfds[i] = (struct pollfd){
			.fd = lockstep_session_fd(cycles.clients[i].session), .events = POLLIN,
		};
		client_lock(&cycles.clients[i], now_ns());
	}
	while (cycles.busy > 0) {
		int timeout_ms = PATIENCE_MS;

		for (size_t i = 0; i < cycles.clients_count; i++) {
			struct client *c = &cycles.clients[i];

			if (c->again) {
				client_call(c);
			}
			if (c->again) {
				timeout_ms = 1;
			}
		}
		int ready = poll(pfds, cycles.clients_count, timeout_ms);

		if (ready == 0 && timeout_ms == PATIENCE_MS) {
			die("waiting", -ETIMEDOUT);
		}
		for (size_t i = 0; i < cycles.clients_count && ready > 0; i++) {
			if (!pfds[i].revents) {
				continue;
			}
			int rc = lockstep_dispatch(cycles.clients[i].session);

			if (rc < 0) {
				die("dispatching", rc);
			}
			ready--;
		}
	}
}

/* One client alone does what a simple program does: the calls that wait. */
static void client_run_waiting(struct client *c)
{
	uint64_t now = now_ns();

	/* At least one, should this process have slept through its time. */
	do {
		c->locking_ns = now;
		int error = lockstep_lock_wait(c->session, LOCKSTEP_LOCK_EX, &c->lksb, 0, c->name,
					       strlen(c->name), NULL, NULL, PATIENCE_MS);

		if (error) {
			die("locking", error);
		}
		c->granted_ns = now_ns();
		error = lockstep_unlock_wait(c->session, c->lksb.lkid, 0, NULL);
		if (error) {
			die("unlocking", error);
		}
		now = now_ns();
		samples_add(&cycles.lock, c->granted_ns - c->locking_ns);
		samples_add(&cycles.unlock, now - c->granted_ns);
		samples_add(&cycles.cycle, now - c->locking_ns);
	} while (now < cycles.end_ns);
	cycles.last_ns = now;
}

static void raw_print(const char *kind, struct samples *s)
{
	for (size_t i = 0; i < s->count; i++) {
		printf("%s %" PRIu64 "\n", kind, s->items[i]);
	}
	samples_done(s);
}

static int cycle(const char *node, size_t clients_count, uint64_t start_ns, uint64_t ms)
{
	cycles.clients_count = clients_count;
	cycles.busy = clients_count;
	for (size_t i = 0; i < clients_count; i++) {
		struct client *c = &cycles.clients[i];

		c->session = session_open();
		(void)snprintf(c->name, sizeof(c->name), "bench/%s/%zu", node, i);
	}
	if (now_ns() > start_ns) {
		fprintf(stderr, "lock-bench: %zu sessions are late\n", clients_count);
		start_ns = now_ns();
	}
	cycles.end_ns = start_ns + ms * 1000000u;
	sleep_until(start_ns);
	if (clients_count == 1) {
		client_run_waiting(&cycles.clients[0]);
	} else {
		clients_run();
	}
	printf("rate %.3f\n",
	       (double)cycles.cycle.count * 1e9 / (double)(cycles.last_ns - start_ns));
	raw_print("lock", &cycles.lock);
	raw_print("unlock", &cycles.unlock);
	raw_print("cycle", &cycles.cycle);
	for (size_t i = 0; i < clients_count; i++) {
		lockstep_close(cycles.clients[i].session);
	}
	return 0;
}

/* --- one client, many ops in flight --------------------------------------------------------- */

struct slot {
	struct lockstep_lksb lksb;
	char name[32];
	bool unlocking; /* the op in flight */
	uint64_t asked_ns;
};

static struct {
	struct slot slots[CLIENTS_MAX];
	struct lockstep_request requests[CLIENTS_MAX]; /* of the next lockstep_submit() */
	size_t due;
	uint64_t begin_ns; /* what is acknowledged earlier is not counted */
	uint64_t end_ns;
	uint64_t last_ns;
	struct samples op;
} pipeline;

static void slot_completed(void *arg);

static void slot_next(struct slot *slot, uint64_t now)
{
	struct lockstep_request *r = &pipeline.requests[pipeline.due++];

	slot->asked_ns = now;
	*r = (struct lockstep_request){
		.unlock = slot->unlocking,
		.lksb = &slot->lksb,
		.lkid = slot->lksb.lkid,
		.mode = LOCKSTEP_LOCK_EX,
		.name = slot->name,
		.name_len = strlen(slot->name),
		.arg = slot,
		.ast = slot_completed,
	};
}

static void slot_completed(void *arg)
{
	struct slot *slot = arg;
	uint64_t now = now_ns();

	if (slot->lksb.status != (slot->unlocking ? LOCKSTEP_EUNLOCK : 0)) {
		die(slot->unlocking ? "an unlock" : "a lock", slot->lksb.status);
	}
	if (now >= pipeline.begin_ns) {
		samples_add(&pipeline.op, now - slot->asked_ns);
	}
	pipeline.last_ns = now;
	slot->unlocking = !slot->unlocking;
	slot_next(slot, now);
}

/* Makes the calls that are due; those that the daemon pushes back are due again. */
static bool pipeline_submit(struct lockstep_session *s)
{
	size_t count = pipeline.due;
	int error = count > 0 ? lockstep_submit(s, pipeline.requests, count) : 0;

	if (error) {
		die("submitting", error);
	}
	pipeline.due = 0;
	for (size_t i = 0; i < count; i++) {
		const struct lockstep_request *r = &pipeline.requests[i];

		if (r->result == -EAGAIN) {
			pipeline.requests[pipeline.due++] = *r;
		} else if (r->result) {
			die(r->unlock ? "unlocking" : "locking", r->result);
		}
	}
	return pipeline.due == 0;
}

static int pipelined(const char *node, size_t window, uint64_t start_ns, uint64_t ms)
{
	struct lockstep_session *s = session_open();
	struct pollfd pfd = { .fd = lockstep_session_fd(s), .events = POLLIN };

	sleep_until(start_ns);
	start_ns = now_ns();
	pipeline.begin_ns = start_ns + ms * 100000u; /* a tenth */
	pipeline.end_ns = start_ns + ms * 1000000u;
	for (size_t i = 0; i < window; i++) {
		struct slot *slot = &pipeline.slots[i];

		(void)snprintf(slot->name, sizeof(slot->name), "bench/%s/%zu", node, i);
		slot_next(slot, start_ns);
	}
	/* One sample at least, should this machine have slept through its time. */
	while (now_ns() < pipeline.end_ns || pipeline.op.count == 0) {
		int timeout_ms = pipeline_submit(s) ? PATIENCE_MS : 1;

		if (poll(&pfd, 1, timeout_ms) == 0 && timeout_ms == PATIENCE_MS) {
			die("waiting", -ETIMEDOUT);
		}
		int rc = lockstep_dispatch(s);

		if (rc < 0) {
			die("dispatching", rc);
		}
	}
	printf("rate %.3f\n", (double)pipeline.op.count * 1e9 /
				      (double)(pipeline.last_ns - pipeline.begin_ns));
	raw_print("op", &pipeline.op);
	lockstep_close(s);
	return 0;
}

/* --- one lock, two nodes -------------------------------------------------------------------- */

struct side {
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
	bool wanted; /* the other one waits */
};

static void side_blocking(void *arg, int mode)
{
	(void)mode;
	((struct side *)arg)->wanted = true;
}

static void side_lock(struct side *s)
{
	s->wanted = false;
	int error = lockstep_lock_wait(s->session, LOCKSTEP_LOCK_EX, &s->lksb, 0, SHARED_NAME,
				       strlen(SHARED_NAME), s, side_blocking, PATIENCE_MS);

	if (error) {
		die("locking", error);
	}
}

static void side_unlock(struct side *s)
{
	int error = lockstep_unlock_wait(s->session, s->lksb.lkid, 0, NULL);

	if (error) {
		die("unlocking", error);
	}
}

static void side_keep_waiting(struct side *s, uint64_t hold_ms)
{
	wait_for(s->session, &s->wanted);
	sleep_until(now_ns() + hold_ms * 1000000u);
}

static int handover(uint64_t count, uint64_t hold_ms)
{
	struct side a = { .session = session_open() };

	for (uint64_t i = 0; i < count; i++) {
		side_lock(&a);
		side_keep_waiting(&a, hold_ms);
		printf("from %" PRIu64 "\n", now_ns());
		side_unlock(&a);
	}
	lockstep_close(a.session);
	return 0;
}

static int killed(uint64_t count, uint64_t hold_ms)
{
	for (uint64_t i = 0; i < count; i++) {
		int status;

		(void)fflush(stdout);
		pid_t pid = fork();

		if (pid == 0) {
			struct side a = { .session = session_open() };

			side_lock(&a);
			side_keep_waiting(&a, hold_ms);
			printf("from %" PRIu64 "\n", now_ns());
			(void)fflush(stdout);
			(void)raise(SIGKILL);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
		    WTERMSIG(status) != SIGKILL) {
			fprintf(stderr, "lock-bench: the holder did not die as it should\n");
			return 1;
		}
		/* Its successor's connecting is not to be measured. */
		sleep_until(now_ns() + hold_ms * 1000000u);
	}
	return 0;
}

static int waiting(uint64_t count)
{
	struct side b = { .session = session_open() };

	side_lock(&b);
	printf("holding\n");
	(void)fflush(stdout);
	for (uint64_t i = 0; i < count; i++) {
		wait_for(b.session, &b.wanted);
		side_unlock(&b);
		/* A was first in the queue and has it now; this waits. */
		side_lock(&b);
		printf("to %" PRIu64 "\n", now_ns());
	}
	lockstep_close(b.session);
	return 0;
}

/* --- a gap in the grants --------------------------------------------------------------------- */

/* Until standard input ends: what comes before may be the machine's own stall, so who knows of the loss chooses. */
static bool input_ended(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char byte;

	return poll(&p, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static int grants(uint64_t gap_ms)
{
	struct lockstep_session *s = session_open();
	struct lockstep_lksb lksb = { .status = 0 };
	uint64_t before = 0;

	while (!input_ended()) {
		int error = lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, OTHER_NAME,
					       strlen(OTHER_NAME), NULL, NULL, PATIENCE_MS);
		uint64_t now = now_ns();

		if (error) {
			die("locking", error);
		}
		if (before == 0) {
			printf("locking\n");
		} else if (now - before > gap_ms * 1000000) {
			printf("gap %" PRIu64 " %" PRIu64 "\n", before, now);
		}
		(void)fflush(stdout);
		before = now;
		error = lockstep_unlock_wait(s, lksb.lkid, 0, NULL);
		if (error) {
			die("unlocking", error);
		}
		sleep_until(now + 10000000);
	}
	lockstep_close(s);
	return 0;
}

/* --- many locks ------------------------------------------------------------------------------ */

#define FILL_SESSION_LOCKS 50000 /* a session's limit is twice that by default */
#define FILL_IN_FLIGHT 4000      /* of a session; the limit of events is 10000 */

struct filler {
	struct lockstep_session *session;
	struct lockstep_lksb *lksbs;
	uint64_t count;
	uint64_t asked;
	uint64_t done;
};

static void fill_completed(void *arg)
{
	((struct filler *)arg)->done++;
}

static void fill_some(struct filler *f, const char *node, uint64_t first)
{
	char name[32];

	while (f->asked < f->count && f->asked - f->done < FILL_IN_FLIGHT) {
		int size = snprintf(name, sizeof(name), "fill/%s/%09" PRIu64, node, first + f->asked);
		int error = lockstep_lock(f->session, LOCKSTEP_LOCK_EX, &f->lksbs[f->asked], 0, name,
					  (size_t)size, f, fill_completed, NULL);

		if (error == -EAGAIN) {
			return;
		}
		if (error) {
			die("filling", error);
		}
		f->asked++;
	}
}

static void fill_session(struct filler *f, const char *node, uint64_t first)
{
	struct pollfd pfd = { .events = POLLIN };

	f->session = session_open();
	f->lksbs = calloc(f->count, sizeof(*f->lksbs));
	if (!f->lksbs) {
		die("filling", -ENOMEM);
	}
	pfd.fd = lockstep_session_fd(f->session);
	while (f->done < f->count) {
		fill_some(f, node, first);
		int rc = lockstep_dispatch(f->session);

		if (rc < 0) {
			die("dispatching", rc);
		}
		if (rc == 0) {
			(void)poll(&pfd, 1, 1);
		}
	}
	for (uint64_t i = 0; i < f->count; i++) {
		if (f->lksbs[i].status) {
			die("a lock", f->lksbs[i].status);
		}
	}
}

static int fill(const char *node, uint64_t count)
{
	uint64_t began = now_ns();
	struct filler *fillers = calloc(count / FILL_SESSION_LOCKS + 1, sizeof(*fillers));
	size_t n = 0;
	char line[8];

	if (!fillers) {
		die("filling", -ENOMEM);
	}
	for (uint64_t first = 0; first < count; first += FILL_SESSION_LOCKS) {
		fillers[n].count = count - first < FILL_SESSION_LOCKS ? count - first : FILL_SESSION_LOCKS;
		fill_session(&fillers[n++], node, first);
	}
	printf("filled %" PRIu64 "\n", (now_ns() - began) / 1000000);
	(void)fflush(stdout);
	(void)!fgets(line, sizeof(line), stdin);
	return 0; /* the sessions end with the process */
}

/* --- the death of a node --------------------------------------------------------------------- */

static void set_flag(void *arg)
{
	*(bool *)arg = true;
}

__attribute__((noreturn)) static void node_hold(void)
{
	struct lockstep_session *s = session_open();
	struct lockstep_lksb lksb = { .status = 0 };
	int error = lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, NODE_NAME,
				       strlen(NODE_NAME), NULL, NULL, PATIENCE_MS);

	if (error) {
		die("locking", error);
	}
	printf("holding\n");
	(void)fflush(stdout);
	for (;;) {
		(void)pause();
	}
}

static int node_wait(uint32_t nodeid)
{
	struct lockstep_session *s = session_open();
	struct lockstep_admin *admin = NULL;
	struct lockstep_lksb lksb = { .status = 0 };
	struct lockstep_lksb other = { .status = 0 };
	bool done = false;
	bool other_done = false;
	char line[32];
	int error = lockstep_admin_open(NULL, &admin);

	if (error) {
		die("opening the administration", error);
	}
	error = lockstep_lock(s, LOCKSTEP_LOCK_EX, &lksb, 0, NODE_NAME, strlen(NODE_NAME), &done,
			      set_flag, NULL);
	if (error) {
		die("locking", error);
	}
	printf("waiting\n");
	(void)fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) {
		return 1;
	}
	line[strcspn(line, "\n")] = '\0';
	uint64_t death = number_argument(line, UINT64_MAX);

	/* Nobody can confirm this one before the survivors have agreed to go on. */
	error = lockstep_lock(s, LOCKSTEP_LOCK_EX, &other, 0, OTHER_NAME, strlen(OTHER_NAME),
			      &other_done, set_flag, NULL);
	if (error) {
		die("locking", error);
	}
	wait_for(s, &other_done);
	printf("other %" PRIu64 "\n", now_ns() - death);
	uint64_t ack = now_ns();

	error = lockstep_admin_fence_ack(admin, nodeid);
	if (error) {
		die("vouching", error);
	}
	wait_for(s, &done);
	uint64_t now = now_ns();

	if (lksb.status || other.status) {
		die("the lock", lksb.status ? lksb.status : other.status);
	}
	printf("ack %" PRIu64 "\n", now - ack);
	lockstep_admin_close(admin);
	lockstep_close(s);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "now") == 0 && argc == 2) {
		printf("%" PRIu64 "\n", now_ns());
		return 0;
	}
	if (strcmp(verb, "cycle") == 0 && argc == 6) {
		return cycle(argv[2], number_argument(argv[3], CLIENTS_MAX),
			     number_argument(argv[4], UINT64_MAX),
			     number_argument(argv[5], 3600000));
	}
	if (strcmp(verb, "pipeline") == 0 && argc == 6) {
		return pipelined(argv[2], number_argument(argv[3], CLIENTS_MAX),
				 number_argument(argv[4], UINT64_MAX),
				 number_argument(argv[5], 3600000));
	}
	if (strcmp(verb, "handover") == 0 && argc == 4) {
		return handover(number_argument(argv[2], 1000000),
				number_argument(argv[3], 60000));
	}
	if (strcmp(verb, "kill") == 0 && argc == 4) {
		return killed(number_argument(argv[2], 1000000), number_argument(argv[3], 60000));
	}
	if (strcmp(verb, "wait") == 0 && argc == 3) {
		return waiting(number_argument(argv[2], 1000000));
	}
	if (strcmp(verb, "grants") == 0 && argc == 3) {
		return grants(number_argument(argv[2], 3600000));
	}
	if (strcmp(verb, "fill") == 0 && argc == 4) {
		return fill(argv[2], number_argument(argv[3], 100000000));
	}
	if (strcmp(verb, "node-hold") == 0 && argc == 2) {
		node_hold();
	}
	if (strcmp(verb, "node-wait") == 0 && argc == 3) {
		return node_wait((uint32_t)number_argument(argv[2], UINT32_MAX));
	}
	fprintf(stderr, "usage: see the top of lock-bench.c; it is started by run.sh\n");
	return 2;
}
