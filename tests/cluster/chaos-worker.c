/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the chaos test, built and started by t-chaos.sh on every node.
 *
 *   chaos-worker NODE NUMBER DIR LOCKS
 *
 * Takes exclusive locks shared/0 ... shared/LOCKS-1, one after another; worker 0 of a node takes private/NODE-0
 * only, which nobody else wants. Whoever holds a shared one has the file DIR/witness.I to himself: flock(2) works across the nodes, which share a
 * kernel, and goes with the last process that has it. In the file is the token of whoever wrote last: it must
 * be smaller than one's own, and must still be one's own at the end. What is not so is written to
 * DIR/violations. Some locks are held for seconds, so that nodes are lost while they hold something.
 *
 * DIR/ops.NODE.NUMBER counts the locks had; DIR/gaps says how long a private one could not be had. Ends when DIR/stop is there (0), when the session is lost (3), on a violation (9).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

#define GAP_MS 200
#define LINE_BYTES 64

static const char *arg_node, *arg_number, *arg_dir;

static long now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void append(const char *name, const char *line)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", arg_dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, line, strlen(line)) < 0) {
		perror(path);
	}
	close(fd);
}

static void violation(const char *what, const char *lock, const char *seen, uint64_t token)
{
	char line[512];

	snprintf(line, sizeof(line), "node %s worker %s, %s, token %llu: %s: '%s'\n", arg_node,
		 arg_number, lock, (unsigned long long)token, what, seen);
	append("violations", line);
	_exit(9);
}

static void lost(void *arg, int error)
{
	(void)arg;
	(void)error;
	_exit(3); /* nothing is done any more, whatever was being done */
}

/* Holds what it holds, and hears of it at once when that is lost. */
static void pass(struct lockstep_session *s, long ms)
{
	struct pollfd pfd = { .fd = lockstep_session_fd(s), .events = POLLIN };
	long end = now_ms(CLOCK_MONOTONIC) + ms;

	for (long left = ms; left > 0; left = end - now_ms(CLOCK_MONOTONIC)) {
		poll(&pfd, 1, (int)left);
		if (lockstep_dispatch(s) < 0) {
			_exit(3);
		}
	}
}

static void witness(struct lockstep_session *s, const char *lock, int index, uint64_t token)
{
	char path[512];
	char seen[LINE_BYTES] = "";
	char mine[LINE_BYTES] = "";
	char after[LINE_BYTES] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/witness.%d", arg_dir, index);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0) {
		perror(path);
		_exit(1);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		violation("somebody else is there", lock, strerror(errno), token);
	}
	(void)!pread(fd, seen, sizeof(seen) - 1, 0);
	if (strtoull(seen, NULL, 10) >= token) {
		violation("an older token", lock, seen, token);
	}
	snprintf(mine, sizeof(mine) - 1, "%llu %s %s", (unsigned long long)token, arg_node, arg_number);
	(void)!pwrite(fd, mine, sizeof(mine), 0);
	pass(s, rand() % 12 == 0 ? 1000 + rand() % 5000 : 1 + rand() % 30);
	(void)!pread(fd, after, sizeof(after) - 1, 0);
	if (strcmp(after, mine) != 0) {
		violation("somebody else has written", lock, after, token);
	}
	close(fd);
}

static void gap(long since_ms)
{
	long ms = now_ms(CLOCK_MONOTONIC) - since_ms;
	long wall = now_ms(CLOCK_REALTIME);
	char line[128];

	if (ms >= GAP_MS) {
		snprintf(line, sizeof(line), "%s %ld %ld %ld\n", arg_node, wall - ms, wall, ms);
		append("gaps", line);
	}
}

static void count(unsigned long ops)
{
	char path[512];
	char text[32];
	int fd;

	snprintf(path, sizeof(path), "%s/ops.%s.%s", arg_dir, arg_node, arg_number);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	snprintf(text, sizeof(text), "%lu\n", ops);
	(void)!write(fd, text, strlen(text));
	close(fd);
}

int main(int argc, char **argv)
{
	struct lockstep_session *s = NULL;
	struct lockstep_lksb lksb;
	char stop[512], name[64];
	int number = argc == 5 ? atoi(argv[2]) : 0;
	int locks = argc == 5 ? atoi(argv[4]) : 0;

	if (locks == 0) {
		fputs("usage: chaos-worker NODE NUMBER DIR LOCKS\n", stderr);
		return 2;
	}
	arg_node = argv[1];
	arg_number = argv[2];
	arg_dir = argv[3];
	srand((unsigned int)(now_ms(CLOCK_REALTIME) ^ getpid() << 8));
	snprintf(stop, sizeof(stop), "%s/stop", arg_dir);
	if (lockstep_open("default", 0, NULL, &s) != 0) {
		return 4;
	}
	lockstep_lost_set(s, NULL, lost);
	for (unsigned long ops = 1; access(stop, F_OK) != 0; ops++) {
		int index = number == 0 ? -1 : rand() % locks;
		long since = now_ms(CLOCK_MONOTONIC);

		if (index < 0) {
			snprintf(name, sizeof(name), "private/%s-%s", arg_node, arg_number);
		} else {
			snprintf(name, sizeof(name), "shared/%d", index);
		}
		if (lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, 0, name, strlen(name), NULL, NULL, -1) != 0) {
			return 3;
		}
		if (index < 0) {
			gap(since);
		} else {
			witness(s, name, index, lksb.token);
		}
		if (lockstep_unlock_wait(s, lksb.lkid, 0, NULL) != 0) {
			return 3;
		}
		count(ops);
		pass(s, 5 + rand() % 40);
	}
	lockstep_close(s);
	return 0;
}
