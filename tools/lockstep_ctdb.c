/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep ctdb-mutex: the helper that CTDB runs for its cluster lock,
 *
 *	[cluster]
 *	    cluster lock = !/usr/bin/lockstep ctdb-mutex NAME
 *
 * The protocol is CTDB's (cluster_mutex_helper.txt): one character on standard output says how it went, 0 that the lock is held,
 * 1 that somebody else has it, 2 that it took too long, 3 that something went wrong. After a 0 we stay, until SIGTERM, or until
 * CTDB is gone, or until the lock is lost: CTDB sees our end and is no leader any more.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/lockstep.h"

#define WAIT_MS_DEFAULT 10000 /* for the cluster's answer; CTDB has a limit of its own */
#define PARENT_MS 1000	      /* how often we look whether CTDB is there, should its signal not have come */
#define UNLOCK_MS 2000
#define RETRY_MS 20

struct mutex {
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
	pid_t parent;
	int signal_fd;
	bool completed;
	int lost; /* errno */
};

static void on_completion(void *arg)
{
	((struct mutex *)arg)->completed = true;
}

static void on_lost(void *arg, int error)
{
	((struct mutex *)arg)->lost = error ? error : -ENOTCONN;
}

/* CTDB reads one character and no newline. */
static void tell(char status)
{
	while (write(STDOUT_FILENO, &status, 1) < 0 && errno == EINTR) {
	}
}

static int refuse(char status, int code)
{
	tell(status);
	return code;
}

/* Signals come through a descriptor from here on; the end of CTDB is one, too. Negative errno. */
static int watch_begin(struct mutex *m)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGINT);
	(void)sigaddset(&mask, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0) {
		return -errno;
	}
	m->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	return m->signal_fd < 0 ? -errno : 0;
}

/* Waits for something to happen; false when we are to end. */
static bool watch(struct mutex *m, int64_t until)
{
	int64_t left = until - now_ms();
	struct pollfd fds[2] = {
		{ .fd = lockstep_session_fd(m->session), .events = POLLIN },
		{ .fd = m->signal_fd, .events = POLLIN },
	};

	(void)poll(fds, 2, left < 0 ? 0 : left < PARENT_MS ? (int)left : PARENT_MS);
	(void)lockstep_dispatch(m->session);
	return !(fds[1].revents & POLLIN) && getppid() == m->parent;
}

static int request(struct mutex *m, const uint8_t *name, size_t size, int64_t until)
{
	for (;;) {
		int error = lockstep_lock(m->session, LOCKSTEP_LOCK_EX, &m->lksb, LOCKSTEP_LKF_NOQUEUE, name, size,
					  m, on_completion, NULL);

		/* The daemon's send window is full. */
		if (error != -EAGAIN || now_ms() >= until) {
			return error;
		}
		(void)lockstep_dispatch(m->session);
		(void)poll(NULL, 0, RETRY_MS);
	}
}

/* 0: it is ours, and CTDB knows. Else the exit code; CTDB knows, too. */
static int take(struct mutex *m, const struct cli *cli, const uint8_t *name, size_t size, int wait_ms)
{
	struct lockstep_options options = cli->options;
	int64_t until = now_ms() + wait_ms;

	options.timeout_ms = wait_ms > 0 ? wait_ms : 1;
	int error = lockstep_open(cli->space, 0, &options, &m->session);

	error = error ? error : lockstep_lost_set(m->session, m, on_lost);
	error = error ? error : request(m, name, size, until);
	if (error == -ETIMEDOUT || error == -EAGAIN) {
		return refuse('2', EXIT_NOT_ACQUIRED);
	}
	if (error) {
		return refuse('3', fail(error, "ctdb-mutex: lockspace \"%s\"", cli->space));
	}
	while (!m->completed && !m->lost) {
		if (!watch(m, until)) {
			return EXIT_SIGNAL + SIGTERM; /* nobody wants to know */
		}
		if (!m->completed && now_ms() >= until) {
			return refuse('2', EXIT_NOT_ACQUIRED);
		}
	}
	if (m->lost) {
		return refuse('3', fail(m->lost, "ctdb-mutex"));
	}
	if (m->lksb.status == EAGAIN) {
		return refuse('1', EXIT_NOT_ACQUIRED);
	}
	if (m->lksb.status != 0) {
		return refuse('3', fail(-m->lksb.status, "ctdb-mutex"));
	}
	tell('0');
	return EXIT_OK;
}

/* Whoever comes next finds it free, if the cluster answers; the session's end releases it as well. */
static void give_back(struct mutex *m)
{
	int64_t until = now_ms() + UNLOCK_MS;

	m->completed = false;
	if (lockstep_unlock(m->session, m->lksb.lkid, 0, NULL) != 0) {
		return;
	}
	while (!m->completed && !m->lost && now_ms() < until) {
		struct pollfd fd = { .fd = lockstep_session_fd(m->session), .events = POLLIN };

		(void)poll(&fd, 1, RETRY_MS);
		(void)lockstep_dispatch(m->session);
	}
}

static int hold(struct mutex *m, const struct cli *cli, const uint8_t *name, size_t size, int wait_ms)
{
	int error = watch_begin(m);

	if (error) {
		return refuse('3', fail(error, "ctdb-mutex: signals"));
	}
	/* Its end before we asked to hear of it would go unnoticed. */
	if (m->parent == 1 || getppid() != m->parent) {
		complain("ctdb-mutex: whoever started this is gone");
		return refuse('3', EXIT_FAILED);
	}
	int code = take(m, cli, name, size, wait_ms);

	if (code) {
		return code;
	}
	while (!m->lost) {
		if (!watch(m, INT64_MAX)) {
			give_back(m);
			return EXIT_OK;
		}
	}
	complain("ctdb-mutex: the lock is lost: %s", lockstep_strerror(m->lost));
	return EXIT_LOST;
}

int verb_ctdb_mutex(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, SPACE_OPTION, { "wait", required_argument, NULL, 'w' }, { NULL, 0, NULL, 0 },
	};
	struct mutex m = { .parent = getppid(), .signal_fd = -1 };
	uint8_t name[LOCKSTEP_NAME_MAX];
	int wait_ms = WAIT_MS_DEFAULT;
	int option;
	size_t size;

	while ((option = getopt_long(argc, argv, "hs:w:", options, NULL)) >= 0) {
		int code = option == 'w' ? -1 : option_common(cli, verb, option);

		if (code >= 0) {
			return code;
		}
		if (option == 'w' && seconds_parse(optarg, &wait_ms) < 0) {
			return usage_error(verb, "not a number of seconds: %s", optarg);
		}
	}
	int code = name_argument(verb, argc, argv, name, &size);

	if (code >= 0) {
		return code;
	}
	code = hold(&m, cli, name, size, wait_ms);
	lockstep_close(m.session);
	return code;
}
