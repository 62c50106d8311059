/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker of the figures libdlm.*, through libdlm.h alone, so that the same program runs on the kernel's
 * DLM (with -ldlm, and `new` once on each node). Started by bench/run.sh; prints lines of figures, or raw
 * times for bench/collate.
 *
 *   dlm-bench cycle MS             locks and unlocks a name, with the calls that wait
 *   dlm-bench convert MS           holds a lock in NL and converts it to EX and back
 *   dlm-bench pipeline WINDOW MS   so many ops in flight: locks and unlocks of as many names
 *   dlm-bench ping COUNT           says "holding" when it has the lock; then gives it up whenever the other
 *   dlm-bench pong COUNT           side wants it, and wants it back at once
 *
 * The first tenth of a measurement is not counted.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libdlm.h>

#include "bench/samples.h"

#define SPACE "bench"
#define SHARED_NAME "bench/shared"
#define WINDOW_MAX 1024
#define PATIENCE_MS 60000

static dlm_lshandle_t space;

__attribute__((noreturn)) static void die(const char *what, int error)
{
	fprintf(stderr, "dlm-bench: %s: %s\n", what, strerror(error));
	exit(1);
}

static void lock(uint32_t mode, struct dlm_lksb *lksb, uint32_t flags, const char *name, void *arg,
		 void (*bast)(void *))
{
	if (dlm_ls_lock_wait(space, mode, lksb, flags, name, (unsigned int)strlen(name), 0, arg, bast,
			     NULL) != 0) {
		die("locking", errno);
	}
	if (lksb->sb_status != 0) {
		die("a lock", lksb->sb_status);
	}
}

static void unlock(struct dlm_lksb *lksb)
{
	if (dlm_ls_unlock_wait(space, lksb->sb_lkid, 0, lksb) != 0 || lksb->sb_status != EUNLOCK) {
		die("unlocking", errno);
	}
}

static void dispatch(void)
{
	struct pollfd pfd = { .fd = dlm_ls_get_fd(space), .events = POLLIN };

	if (poll(&pfd, 1, PATIENCE_MS) == 0) {
		die("waiting", ETIMEDOUT);
	}
	if (dlm_dispatch(pfd.fd) != 0) {
		die("dispatching", errno);
	}
}

/* --- one op after the other ---------------------------------------------------------------- */

static void one_cycle(struct dlm_lksb *lksb)
{
	lock(LKM_EXMODE, lksb, 0, "bench/cycle", NULL, NULL);
	unlock(lksb);
}

static void one_conversion(struct dlm_lksb *lksb)
{
	lock(LKM_EXMODE, lksb, LKF_CONVERT, "", NULL, NULL);
	lock(LKM_NLMODE, lksb, LKF_CONVERT, "", NULL, NULL);
}

static int repeated(const char *figure, void (*once)(struct dlm_lksb *), struct dlm_lksb *lksb,
		    uint64_t ms)
{
	uint64_t start = now_ns(), begin = start + ms * 100000u, end = start + ms * 1000000u, now = start;
	struct samples samples = { .count = 0 };

	/* One sample at least, should this machine have slept through its time. */
	while (now < end || samples.count == 0) {
		uint64_t before = now;

		once(lksb);
		now = now_ns();
		if (before >= begin) {
			samples_add(&samples, now - before);
		}
	}
	samples_print(&samples, figure, "-",
		      (double)samples.count * 1e9 / (double)(now - begin));
	samples_done(&samples);
	return 0;
}

/* --- many ops in flight -------------------------------------------------------------------- */

struct slot {
	struct dlm_lksb lksb;
	char name[32];
	bool unlocking; /* the op in flight */
	uint64_t asked_ns;
};

static struct {
	struct slot slots[WINDOW_MAX];
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t last_ns;
	struct samples samples;
} pipeline;

static void slot_completed(void *arg);

static void slot_ask(struct slot *slot, uint64_t now)
{
	slot->asked_ns = now;
	int rc = slot->unlocking
			 ? dlm_ls_unlock(space, slot->lksb.sb_lkid, 0, &slot->lksb, slot)
			 : dlm_ls_lock(space, LKM_EXMODE, &slot->lksb, 0, slot->name,
				       (unsigned int)strlen(slot->name), 0, slot_completed, slot, NULL,
				       NULL);

	if (rc != 0) {
		die(slot->unlocking ? "unlocking" : "locking", errno);
	}
}

static void slot_completed(void *arg)
{
	struct slot *slot = arg;
	uint64_t now = now_ns();

	if (slot->lksb.sb_status != (slot->unlocking ? EUNLOCK : 0)) {
		die("an op", slot->lksb.sb_status);
	}
	if (now >= pipeline.begin_ns) {
		samples_add(&pipeline.samples, now - slot->asked_ns);
	}
	pipeline.last_ns = now;
	if (now < pipeline.end_ns || pipeline.samples.count == 0) {
		slot->unlocking = !slot->unlocking;
		slot_ask(slot, now);
	}
}

static int pipelined(size_t window, uint64_t ms)
{
	uint64_t start = now_ns();
	char variant[32];

	pipeline.begin_ns = start + ms * 100000u;
	pipeline.end_ns = start + ms * 1000000u;
	for (size_t i = 0; i < window; i++) {
		struct slot *slot = &pipeline.slots[i];

		(void)snprintf(slot->name, sizeof(slot->name), "bench/%zu", i);
		slot_ask(slot, start);
	}
	while (now_ns() < pipeline.end_ns || pipeline.samples.count == 0) {
		dispatch();
	}
	(void)snprintf(variant, sizeof(variant), "inflight%zu", window);
	samples_print(&pipeline.samples, "libdlm.pipelined", variant,
		      (double)pipeline.samples.count * 1e9 /
			      (double)(pipeline.last_ns - pipeline.begin_ns));
	samples_done(&pipeline.samples);
	return 0;
}

/* --- one lock, two nodes ------------------------------------------------------------------- */

static void wanted(void *arg)
{
	*(bool *)arg = true;
}

/* From giving it up to having it back: two hand-overs. The last one of all has nobody to wait for. */
static int volley(uint64_t rounds, bool first)
{
	struct dlm_lksb lksb = { 0 };
	bool asked = false;
	uint64_t before = 0;

	lock(LKM_NLMODE, &lksb, 0, SHARED_NAME, NULL, NULL);
	for (uint64_t i = 0; i < rounds; i++) {
		lock(LKM_EXMODE, &lksb, LKF_CONVERT, "", &asked, wanted);
		uint64_t now = now_ns();

		if (before != 0 && i > rounds / 10) {
			printf("round %" PRIu64 "\n", now - before);
		}
		if (i == 0 && first) {
			printf("holding\n");
			(void)fflush(stdout);
		}
		while (!asked && (first || i + 1 < rounds)) {
			dispatch();
		}
		asked = false;
		before = now_ns();
		lock(LKM_NLMODE, &lksb, LKF_CONVERT, "", NULL, NULL);
	}
	unlock(&lksb);
	return 0;
}

static int run(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct dlm_lksb lksb = { 0 };

	if (strcmp(verb, "cycle") == 0 && argc == 3) {
		return repeated("libdlm.cycle1", one_cycle, &lksb, number_argument(argv[2], 3600000));
	}
	if (strcmp(verb, "convert") == 0 && argc == 3) {
		lock(LKM_NLMODE, &lksb, 0, "bench/convert", NULL, NULL);
		return repeated("libdlm.convert1", one_conversion, &lksb,
				number_argument(argv[2], 3600000));
	}
	if (strcmp(verb, "pipeline") == 0 && argc == 4) {
		return pipelined(number_argument(argv[2], WINDOW_MAX), number_argument(argv[3], 3600000));
	}
	if ((strcmp(verb, "ping") == 0 || strcmp(verb, "pong") == 0) && argc == 3) {
		return volley(number_argument(argv[2], 1000000), strcmp(verb, "ping") == 0);
	}
	fprintf(stderr, "usage: see the top of dlm-bench.c; it is started by run.sh\n");
	return 2;
}

int main(int argc, char **argv)
{
	space = dlm_new_lockspace(SPACE, 0600, 0);
	if (!space) {
		die("the lockspace", errno);
	}
	int rc = run(argc, argv);

	(void)dlm_close_lockspace(space);
	return rc;
}
