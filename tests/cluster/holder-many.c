/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client that holds many locks and goes on locking: built and started by t-join-load.sh.
 *
 *   holder-many NAME COUNT
 *
 * Takes COUNT exclusive locks NAME/0, NAME/1, ... and says "filled". From then on it locks and unlocks
 * NAME/live without pause and notes how long the longest cycle took. A line on its standard input makes
 * it rest and say "rests: CYCLES cycles, longest MS ms"; another line makes it go on, forgetting the
 * longest. Any error ends it with status 1.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lockstep/lockstep.h>

#define SESSION_LOCKS 50000
#define IN_FLIGHT 4000
#define PATIENCE_MS 120000

struct many {
	struct lockstep_session *session;
	struct lockstep_lksb *lksbs;
	long count;
	long asked;
	long done;
};

static void die(const char *what, int error)
{
	fprintf(stderr, "holder-many: %s: %s\n", what, lockstep_strerror(error));
	exit(1);
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void completed(void *arg)
{
	((struct many *)arg)->done++;
}

static void ask(struct many *m, const char *name, long first)
{
	char text[64];

	while (m->asked < m->count && m->asked - m->done < IN_FLIGHT) {
		int size = snprintf(text, sizeof(text), "%s/%ld", name, first + m->asked);
		int rc = lockstep_lock(m->session, LOCKSTEP_LOCK_EX, &m->lksbs[m->asked], 0, text,
				       (size_t)size, m, completed, NULL);

		if (rc == -EAGAIN) {
			return;
		}
		if (rc != 0) {
			die("locking", rc);
		}
		m->asked++;
	}
}

static void take(struct many *m, const char *name, long first, long count)
{
	struct pollfd pfd = { .events = POLLIN };
	int rc = lockstep_open("default", 0, NULL, &m->session);

	m->count = count;
	m->lksbs = calloc((size_t)count, sizeof(*m->lksbs));
	if (rc != 0 || !m->lksbs) {
		die("opening a session", rc);
	}
	pfd.fd = lockstep_session_fd(m->session);
	while (m->done < count) {
		ask(m, name, first);
		rc = lockstep_dispatch(m->session);
		if (rc < 0) {
			die("dispatching", rc);
		}
		if (rc == 0) {
			poll(&pfd, 1, 1);
		}
	}
	for (long i = 0; i < count; i++) {
		if (m->lksbs[i].status != 0) {
			die("a lock", m->lksbs[i].status);
		}
	}
}

static void cycle(struct lockstep_session *s, const char *name)
{
	struct lockstep_lksb lksb;
	int rc = lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, name, strlen(name), NULL, NULL,
				    PATIENCE_MS);

	if (rc != 0) {
		die("locking meanwhile", rc);
	}
	rc = lockstep_unlock_wait(s, lksb.lkid, 0, NULL);
	if (rc != 0) {
		die("unlocking meanwhile", rc);
	}
}

int main(int argc, char **argv)
{
	long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	struct many *sessions = calloc((size_t)(count / SESSION_LOCKS + 1), sizeof(*sessions));
	struct lockstep_session *live = NULL;
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char name[64];
	char line[16];
	long cycles = 0;
	long longest = 0;

	if (count <= 0 || !sessions) {
		fprintf(stderr, "usage: holder-many NAME COUNT\n");
		return 2;
	}
	for (long first = 0, i = 0; first < count; first += SESSION_LOCKS, i++) {
		take(&sessions[i], argv[1], first,
		     count - first < SESSION_LOCKS ? count - first : SESSION_LOCKS);
	}
	int rc = lockstep_open("default", 0, NULL, &live);

	if (rc != 0) {
		die("opening a session", rc);
	}
	snprintf(name, sizeof(name), "%s/live", argv[1]);
	printf("filled\n");
	fflush(stdout);
	for (;;) {
		long before = now_ms();

		cycle(live, name);
		cycles++;
		longest = now_ms() - before > longest ? now_ms() - before : longest;
		if (poll(&in, 1, 0) == 0) {
			continue;
		}
		if (!fgets(line, sizeof(line), stdin)) {
			return 0;
		}
		printf("rests: %ld cycles, longest %ld ms\n", cycles, longest);
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin)) {
			return 0;
		}
		printf("goes on\n");
		fflush(stdout);
		cycles = 0;
		longest = 0;
	}
}
