/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the chaos test, built and started by t-chaos.sh on every node.
 *
 *   chaos-worker NODE NUMBER DIR LOCKS
 *   chaos-worker DIR                      forged histories for the witness (chaos-witness.h)
 *
 * What it does forever is decided by NUMBER modulo 3, and each time it has a lock the witness is asked:
 *
 *   0  locks and unlocks private/NODE-NUMBER, which nobody else wants: how long it cannot be had
 *   1  locks and unlocks one of shared/0 ... shared/LOCKS-1 in EX or PR
 *   2  keeps all of those in NL, converts one to EX and back, and stores its token in the value block
 *
 * Some locks are held for seconds, so that nodes are lost while they hold something; also as long as DIR/hold.NODE
 * is there, and then DIR/held.NODE is, too.
 *
 * DIR/ops.NODE.NUMBER counts the locks had; DIR/gaps says how long a private one could not be had. When
 * DIR/stop is there it asks for nothing more, when DIR/end is there it ends (0). It also ends when the session
 * is lost (3) and on a violation (9).
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

#include "tests/cluster/chaos-witness.h"

#define GAP_MS 200
#define ASKED_MS 5000
#define LOCKS_MAX 64
#define LVB_BYTES 1024

struct worker {
	struct lockstep_session *session;
	const char *node;
	const char *dir;
	char who[64];
	int number;
	int locks;
	struct lockstep_lksb kept[LOCKS_MAX];
	uint64_t values[LOCKS_MAX][LVB_BYTES / sizeof(uint64_t)];
};

static long now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void lost(void *arg, int error)
{
	(void)arg;
	(void)error;
	_exit(3); /* nothing is done any more, whatever was being done */
}

static void must(int error)
{
	if (error != 0) {
		_exit(3);
	}
}

/* Hears at once when what it holds is lost. */
static void pass(struct worker *w, long ms)
{
	struct pollfd pfd = { .fd = lockstep_session_fd(w->session), .events = POLLIN };
	long end = now_ms(CLOCK_MONOTONIC) + ms;

	for (long left = ms; left > 0; left = end - now_ms(CLOCK_MONOTONIC)) {
		poll(&pfd, 1, (int)left);
		if (lockstep_dispatch(w->session) < 0) {
			_exit(3);
		}
	}
}

static bool is_there(const struct worker *w, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	return access(path, F_OK) == 0;
}

static void lock(struct worker *w, int mode, struct lockstep_lksb *lksb, uint32_t flags, const char *name)
{
	must(lockstep_lock_wait(w->session, mode, lksb, flags, name, strlen(name), NULL, NULL, -1));
}

static void hold(struct worker *w, struct witness *witness, int seldom)
{
	char name[64];

	witness_enter(witness);
	snprintf(name, sizeof(name), "hold.%s", w->node);
	if (is_there(w, name)) {
		snprintf(name, sizeof(name), "held.%s", w->node);
		witness_note(w->dir, name, witness->text);
		pass(w, ASKED_MS);
	} else {
		pass(w, rand() % seldom == 0 ? 1000 + rand() % 5000 : 1 + rand() % 30);
	}
	witness_leave(witness);
}

static void gap(const struct worker *w, long since_ms)
{
	long ms = now_ms(CLOCK_MONOTONIC) - since_ms;
	long wall = now_ms(CLOCK_REALTIME);
	char line[128];

	if (ms >= GAP_MS) {
		snprintf(line, sizeof(line), "%s %ld %ld\n", w->node, wall - ms, wall);
		witness_note(w->dir, "gaps", line);
	}
}

static void private_cycle(struct worker *w)
{
	struct lockstep_lksb lksb = { 0 };
	long since = now_ms(CLOCK_MONOTONIC);
	char name[128];

	snprintf(name, sizeof(name), "private/%s-%d", w->node, w->number);
	lock(w, LOCKSTEP_LOCK_EX, &lksb, 0, name);
	must(lockstep_unlock_wait(w->session, lksb.lkid, 0, NULL));
	gap(w, since);
	pass(w, 5 + rand() % 40);
}

static struct witness witness_of(const struct worker *w, int index, uint64_t token, bool shared)
{
	return (struct witness){ .dir = w->dir, .who = w->who, .index = index, .token = token, .shared = shared };
}

static void lock_cycle(struct worker *w)
{
	struct lockstep_lksb lksb = { 0 };
	int index = rand() % w->locks;
	bool shared = rand() % 3 == 0;
	char name[64];

	snprintf(name, sizeof(name), "shared/%d", index);
	lock(w, shared ? LOCKSTEP_LOCK_PR : LOCKSTEP_LOCK_EX, &lksb, 0, name);
	struct witness witness = witness_of(w, index, lksb.token, shared);

	hold(w, &witness, 24);
	must(lockstep_unlock_wait(w->session, lksb.lkid, 0, NULL));
	pass(w, 5 + rand() % 40);
}

static void keep(struct worker *w)
{
	char name[64];

	for (int i = 0; i < w->locks; i++) {
		w->kept[i].lvb = w->values[i];
		snprintf(name, sizeof(name), "shared/%d", i);
		lock(w, LOCKSTEP_LOCK_NL, &w->kept[i], 0, name);
	}
}

static void convert_cycle(struct worker *w)
{
	int index = rand() % w->locks;
	struct lockstep_lksb *lksb = &w->kept[index];
	uint64_t least = witness_stored_least(w->dir, index);

	lock(w, LOCKSTEP_LOCK_EX, lksb, LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_VALBLK, "");
	struct witness witness = witness_of(w, index, lksb->token, false);

	witness_value(&witness, w->values[index][0], lksb->flags & LOCKSTEP_SBF_VALNOTVALID, least);
	hold(w, &witness, 48);
	w->values[index][0] = witness.token;
	lock(w, LOCKSTEP_LOCK_NL, lksb, LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_VALBLK, "");
	witness_stored(w->dir, index, witness.token);
	/* Conversions go first; the others shall have their turn. */
	pass(w, 100 + rand() % 400);
}

int main(int argc, char **argv)
{
	static struct worker w;
	char ops[128];

	if (argc == 2) {
		return witness_check_itself(argv[1]);
	}
	w.number = argc == 5 ? atoi(argv[2]) : 0;
	w.locks = argc == 5 ? atoi(argv[4]) : 0;
	if (w.locks <= 0 || w.locks > LOCKS_MAX) {
		fputs("usage: chaos-worker NODE NUMBER DIR LOCKS\n", stderr);
		return 2;
	}
	w.node = argv[1];
	w.dir = argv[3];
	snprintf(w.who, sizeof(w.who), "%s %d", w.node, w.number);
	snprintf(ops, sizeof(ops), "ops.%s.%d", w.node, w.number);
	srand((unsigned int)(now_ms(CLOCK_REALTIME) ^ getpid() << 8));
	if (lockstep_open("default", 0, NULL, &w.session) != 0) {
		return 4;
	}
	lockstep_lost_set(w.session, NULL, lost);
	if (w.number % 3 == 2) {
		keep(&w);
	}
	while (!is_there(&w, "stop")) {
		if (w.number % 3 == 0) {
			private_cycle(&w);
		} else if (w.number % 3 == 1) {
			lock_cycle(&w);
		} else {
			convert_cycle(&w);
		}
		witness_note(w.dir, ops, "1\n");
	}
	while (!is_there(&w, "end")) {
		pass(&w, 50);
	}
	lockstep_close(w.session);
	return 0;
}
