/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep run: a command under a lock.
 *
 *   lockstep run ----- session ----- lockstepd
 *     |      \___ pipe ___
 *     |                    \
 *     |  process group:   guard (leader), COMMAND, what COMMAND starts
 *
 * What must be right, and how:
 *  - The lock is lost (daemon gone, node outside the quorate cluster): the whole group gets SIGKILL at
 *    once, before the cluster may give the lock to anybody else. A node that is lost keeps its locks
 *    until it was fenced or its clients are gone (recovery.md), so "at once" is soon enough.
 *  - lockstep run itself is killed: COMMAND gets SIGKILL by PR_SET_PDEATHSIG, and the guard, which
 *    sees the end of the pipe, kills the rest of the group. COMMAND and its children have inherited
 *    the session's descriptor: until the last of them is gone the session, and with it the lock, stays.
 *  - The group's number cannot be recycled while we may still signal it: its leader is the guard, which
 *    stays a zombie until we reap it at the very end.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/lockstep.h"

#define TELL_AFTER_MS 2000
/* How long -n waits for the cluster (not for other holders). */
#define NONBLOCK_MS 10000
/* An unlock is waited for, so that whoever comes next finds the lock free; a cluster that is stopped
 * just now does not keep us, as the session's end releases the lock as well. */
#define UNLOCK_MS 5000
#define RETRY_MS 20

/* Passed on to the command. */
static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP };

#define FORWARDED_COUNT (sizeof(forwarded) / sizeof(forwarded[0]))

struct run {
	struct cli *cli;
	/* What was asked for. */
	int mode;
	int wait_ms; /* -1: for ever */
	bool nonblock;
	bool verbose;
	const char *name_text;
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	char **command;
	/* The session. */
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
	bool completed; /* a completion has come that nobody has looked at */
	bool lost;
	int lost_error;
	/* The processes. */
	sigset_t old_mask;
	int signal_fd;
	int guard_pipe; /* the guard reads its other end */
	pid_t guard;    /* leader of the group */
	pid_t child;
	bool tty; /* we gave our terminal to the group */
	bool child_ended;
	int child_status;
};

static int left_ms(int64_t until)
{
	int64_t left = until - now_ms();

	return until < 0 ? -1 : left < 0 ? 0 : (int)left;
}

static void completed_cb(void *arg)
{
	((struct run *)arg)->completed = true;
}

static void lost_cb(void *arg, int error)
{
	struct run *r = arg;

	r->lost = true;
	r->lost_error = error;
}

/* --- signals ---------------------------------------------------------------------------- */

/* From here on signals come through a descriptor. One that was ignored stays ignored (nohup). */
static int signals_take(struct run *r)
{
	struct sigaction action;
	sigset_t mask, pipe;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, it would take the exit status away */
	for (size_t i = 0; i < FORWARDED_COUNT; i++) {
		if (sigaction(forwarded[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN) {
			(void)sigaddset(&mask, forwarded[i]);
		}
	}
	if (sigprocmask(SIG_BLOCK, &mask, &r->old_mask) < 0) {
		return -errno;
	}
	/* A closed standard error, or a guard that died with its group, must not end us. */
	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &pipe, NULL);
	r->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? -errno : 0;
}

/* The next pending signal, or 0. */
static int signal_next(struct run *r)
{
	struct signalfd_siginfo info;

	return read(r->signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/* As the shell's job control expects of a program that does not catch it. */
static void stop_self(void)
{
	(void)raise(SIGSTOP);
}

/* --- getting the lock -------------------------------------------------------------------- */

static int not_acquired(struct run *r, const char *why)
{
	complain("run: lock %s not acquired: %s", r->name_text, why);
	return EXIT_NOT_ACQUIRED;
}

static int session_open(struct run *r)
{
	struct lockstep_options options = r->cli->options;

	options.timeout_ms = r->nonblock ? NONBLOCK_MS : r->wait_ms;
	int error = lockstep_open(r->cli->space, 0, &options, &r->session);

	switch (error) {
	case 0:
		return lockstep_lost_set(r->session, r, lost_cb);
	case -ETIMEDOUT:
		return not_acquired(r, "the lockspace did not become usable in time");
	case -ENOENT:
		complain("run: this node has no lockspace \"%s\" (lockstep lockspace create %s)",
			 r->cli->space, r->cli->space);
		return EXIT_FAILED;
	default:
		return fail(error, "run: lockspace \"%s\"", r->cli->space);
	}
}

/* Sends the request; -EAGAIN is over when the daemon's send window has room again. */
static int lock_request(struct run *r, int64_t until)
{
	for (;;) {
		int error = lockstep_lock(r->session, r->mode, &r->lksb,
					  r->nonblock ? LOCKSTEP_LKF_NOQUEUE : 0, r->name,
					  r->name_len, r, completed_cb, NULL);

		if (error != -EAGAIN || left_ms(until) == 0) {
			return error;
		}
		(void)lockstep_dispatch(r->session);
		(void)poll(NULL, 0, RETRY_MS);
	}
}

/* Waits for the verdict. 0: we have the lock; else the exit code. */
static int lock_wait(struct run *r, int64_t until)
{
	int64_t tell_at = now_ms() + TELL_AFTER_MS;
	bool tell = r->verbose || isatty(STDERR_FILENO);

	for (;;) {
		struct pollfd fds[2] = {
			{ .fd = lockstep_session_fd(r->session), .events = POLLIN },
			{ .fd = r->signal_fd, .events = POLLIN },
		};
		int timeout = left_ms(until), until_tell = left_ms(tell_at), signal_number;

		if (tell && (timeout < 0 || until_tell < timeout)) {
			timeout = until_tell;
		}
		(void)poll(fds, 2, timeout);
		(void)lockstep_dispatch(r->session);
		if (r->lost) {
			return not_acquired(r, lockstep_strerror(r->lost_error));
		}
		while ((signal_number = signal_next(r))) {
			if (signal_number == SIGTSTP) {
				stop_self();
			} else if (signal_number != SIGCONT && signal_number != SIGCHLD) {
				/* The session's end cancels the request, and gives the lock back if
				 * it was granted meanwhile. */
				return EXIT_SIGNAL + signal_number;
			}
		}
		if (r->completed) {
			break;
		}
		if (left_ms(until) == 0) {
			return not_acquired(r, r->nonblock ? "the cluster does not answer"
							   : "timed out");
		}
		if (tell && left_ms(tell_at) == 0) {
			complain("run: waiting for lock %s", r->name_text);
			holders_tell(r->cli, r->name, r->name_len, r->lksb.lkid);
			tell = false;
		}
	}
	r->completed = false;
	if (r->lksb.status == 0) {
		return 0;
	}
	return not_acquired(r, r->lksb.status == EAGAIN ? "it is held by somebody else"
							: lockstep_strerror(r->lksb.status));
}

static int acquire(struct run *r)
{
	int limit = r->nonblock ? NONBLOCK_MS : r->wait_ms;
	int64_t until = limit < 0 ? -1 : now_ms() + limit;
	int code = session_open(r);

	if (code) {
		return code;
	}
	int error = signals_take(r);

	if (error) {
		return fail(error, "run: signals");
	}
	error = lock_request(r, until);
	if (error == -EAGAIN || error == -ENOTCONN) {
		return not_acquired(r, lockstep_strerror(error));
	}
	if (error) {
		return fail(error, "run: lock %s", r->name_text);
	}
	return lock_wait(r, until);
}

/* --- the processes ----------------------------------------------------------------------- */

/*
 * Stays behind as leader of the group, deaf to every signal that can be blocked, with no descriptor
 * but the pipe: nothing of it may keep a pipeline or the session alive.
 */
__attribute__((noreturn)) static void guard_main(int pipe_fd)
{
	sigset_t all;
	char byte;

	(void)prctl(PR_SET_NAME, "lockstep-guard");
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setpgid(0, 0);
	if (pipe_fd != 0) {
		(void)dup2(pipe_fd, 0);
	}
	(void)close_range(1, ~0u, 0);
	if (read(0, &byte, 1) == 0) {
		(void)kill(0, SIGKILL); /* us, too */
	}
	_exit(0);
}

static int guard_start(struct run *r)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return -errno;
	}
	r->guard = fork();
	if (r->guard == 0) {
		(void)close(fds[1]);
		guard_main(fds[0]);
	}
	int error = r->guard < 0 ? -errno : 0;

	(void)close(fds[0]);
	r->guard_pipe = fds[1];
	if (error == 0) {
		(void)setpgid(r->guard, r->guard); /* whoever of the two is first */
	}
	return error;
}

static void terminal_give(const struct run *r, pid_t group)
{
	if (r->tty) {
		sigset_t ttou, old;

		(void)sigemptyset(&ttou);
		(void)sigaddset(&ttou, SIGTTOU);
		(void)sigprocmask(SIG_BLOCK, &ttou, &old);
		(void)tcsetpgrp(STDIN_FILENO, group);
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
	}
}

static int environment_set(const struct run *r)
{
	char token[32], name[NAME_TEXT_MAX];

	(void)snprintf(token, sizeof(token), "%" PRIu64, r->lksb.token);
	(void)bytes_escape(r->name, r->name_len, false, name);
	return setenv("LOCKSTEP_TOKEN", token, 1) || setenv("LOCKSTEP_NAME", name, 1) ||
			       setenv("LOCKSTEP_LOCKSPACE", r->cli->space, 1)
		       ? -ENOMEM
		       : 0;
}

/* In the child; tells @report the errno that stopped it. */
__attribute__((noreturn)) static void command_exec(const struct run *r, pid_t parent, int report)
{
	int error;

	(void)setpgid(0, r->guard);
	terminal_give(r, r->guard);
	/* It dies with us. Had we died before it asked for that, its parent is another by now. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) {
		_exit(EXIT_LOST);
	}
	/* The daemon keeps the session until the last process that has this is gone. Every other
	 * descriptor of ours is close-on-exec; those we were started with are the command's. */
	if (fcntl(lockstep_session_fd(r->session), F_SETFD, 0) == 0) {
		(void)sigprocmask(SIG_SETMASK, &r->old_mask, NULL);
		(void)execvp(r->command[0], r->command);
	}
	error = errno;
	while (write(report, &error, sizeof(error)) < 0 && errno == EINTR) {
	}
	_exit(EXIT_NOT_FOUND);
}

/* 0: it runs; else the exit code. */
static int command_start(struct run *r)
{
	int report[2], exec_error = 0;
	pid_t self = getpid();

	if (environment_set(r) < 0 || guard_start(r) < 0 || pipe2(report, O_CLOEXEC) < 0) {
		complain("run: cannot start a process: %s", strerror(errno));
		return EXIT_FAILED;
	}
	r->tty = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
	r->child = fork();
	if (r->child == 0) {
		command_exec(r, self, report[1]);
	}
	int fork_error = errno;

	(void)close(report[1]);
	if (r->child < 0) {
		(void)close(report[0]);
		complain("run: cannot start a process: %s", strerror(fork_error));
		return EXIT_FAILED;
	}
	(void)setpgid(r->child, r->guard);
	terminal_give(r, r->guard);
	/* The pipe closes when the command's program is in place. */
	ssize_t size;

	do {
		size = read(report[0], &exec_error, sizeof(exec_error));
	} while (size < 0 && errno == EINTR);
	(void)close(report[0]);
	if (size != sizeof(exec_error)) {
		return 0;
	}
	complain("run: %s: %s", r->command[0], strerror(exec_error));
	return exec_error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static void group_signal(const struct run *r, int signal_number)
{
	(void)kill(-r->guard, signal_number);
}

/* A stopped job hands the terminal back and stops us as well, so that the shell sees it. */
static void job_stopped(struct run *r, int signal_number)
{
	if (!r->tty || (signal_number != SIGTSTP && signal_number != SIGTTIN && signal_number != SIGTTOU)) {
		return;
	}
	terminal_give(r, getpgrp());
	stop_self();
	/* Continued. The lock may have gone meanwhile: the group must not run before we know. */
	(void)lockstep_dispatch(r->session);
	if (r->lost) {
		return;
	}
	if (tcgetpgrp(STDIN_FILENO) == getpgrp()) {
		terminal_give(r, r->guard);
	}
	group_signal(r, SIGCONT);
}

static void child_look(struct run *r)
{
	int status;

	while (!r->child_ended && waitpid(r->child, &status, WNOHANG | WUNTRACED) == r->child) {
		if (WIFSTOPPED(status)) {
			job_stopped(r, WSTOPSIG(status));
		} else {
			r->child_ended = true;
			r->child_status = status;
		}
	}
}

/* Until the command has ended or the lock is lost. */
static void command_watch(struct run *r)
{
	while (!r->child_ended && !r->lost) {
		struct pollfd fds[2] = {
			{ .fd = lockstep_session_fd(r->session), .events = POLLIN },
			{ .fd = r->signal_fd, .events = POLLIN },
		};
		int signal_number;

		(void)poll(fds, 2, -1);
		(void)lockstep_dispatch(r->session);
		while (!r->lost && (signal_number = signal_next(r))) {
			if (signal_number == SIGCHLD) {
				child_look(r);
			} else {
				group_signal(r, signal_number);
			}
		}
	}
}

static void child_reap(struct run *r)
{
	while (!r->child_ended) {
		if (waitpid(r->child, &r->child_status, 0) == r->child || errno != EINTR) {
			r->child_ended = true;
		}
	}
}

/* What the command left running keeps running, without the lock and without the guard. */
static void guard_end(struct run *r)
{
	if (r->guard > 0) {
		(void)!write(r->guard_pipe, "", 1);
		while (waitpid(r->guard, NULL, 0) < 0 && errno == EINTR) {
		}
		(void)close(r->guard_pipe);
	}
}

static void unlock(struct run *r)
{
	int64_t until = now_ms() + UNLOCK_MS;
	bool sent = false;

	while (!r->lost && left_ms(until) > 0) {
		struct pollfd fd = { .fd = lockstep_session_fd(r->session), .events = POLLIN };

		if (!sent) {
			int error = lockstep_unlock(r->session, r->lksb.lkid, 0, NULL);

			if (error && error != -EAGAIN) {
				return;
			}
			sent = error == 0;
		}
		(void)poll(&fd, 1, sent ? left_ms(until) : RETRY_MS);
		(void)lockstep_dispatch(r->session);
		if (r->completed) {
			return;
		}
	}
}

static int run(struct run *r)
{
	int code = acquire(r);

	if (code) {
		return code;
	}
	code = command_start(r);
	if (code == 0) {
		command_watch(r);
		if (r->lost) {
			group_signal(r, SIGKILL);
			complain("run: lock %s is lost (%s): %s was killed", r->name_text,
				 lockstep_strerror(r->lost_error), r->command[0]);
			code = EXIT_LOST;
		}
	}
	if (r->child > 0) {
		child_reap(r);
	}
	terminal_give(r, getpgrp());
	if (code == 0) {
		code = WIFSIGNALED(r->child_status) ? EXIT_SIGNAL + WTERMSIG(r->child_status)
						    : WEXITSTATUS(r->child_status);
	}
	if (!r->lost) {
		unlock(r);
	}
	guard_end(r);
	return code;
}

/* --- the verb ---------------------------------------------------------------------------- */

int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, SPACE_OPTION,
		{ "mode", required_argument, NULL, 'm' },
		{ "wait", required_argument, NULL, 'w' },
		{ "nonblock", no_argument, NULL, 'n' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct run r = {
		.cli = cli, .mode = LOCKSTEP_LOCK_EX, .wait_ms = -1, .signal_fd = -1,
	};
	int option;

	while ((option = getopt_long(argc, argv, "+hs:m:w:nv", options, NULL)) >= 0) {
		int code = -1;

		switch (option) {
		case 'm':
			r.mode = lockstep_mode_parse(optarg);
			if (r.mode < 0) {
				return usage_error(verb, "not a lock mode: %s", optarg);
			}
			break;
		case 'w':
			if (seconds_parse(optarg, &r.wait_ms) < 0) {
				return usage_error(verb, "not a number of seconds: %s", optarg);
			}
			r.nonblock = r.nonblock || r.wait_ms == 0;
			break;
		case 'n':
			r.nonblock = true;
			break;
		case 'v':
			r.verbose = true;
			break;
		default:
			code = option_common(cli, verb, option);
		}
		if (code >= 0) {
			return code;
		}
	}
	if (r.nonblock && r.wait_ms > 0) {
		return usage_error(verb, "-n and -w exclude each other");
	}
	if (optind >= argc) {
		return usage_error(verb, "which lock? NAME is missing");
	}
	r.name_text = argv[optind++];
	if (name_parse(r.name_text, r.name, &r.name_len) < 0) {
		return usage_error(verb, "not a resource name: %s", r.name_text);
	}
	/* Everything behind the -- is the command's, whatever it looks like. */
	if (optind >= argc || strcmp(argv[optind], "--") != 0) {
		return usage_error(verb, "-- and a COMMAND must follow NAME");
	}
	if (++optind >= argc) {
		return usage_error(verb, "COMMAND is missing");
	}
	r.command = argv + optind;
	int code = run(&r);

	lockstep_close(r.session);
	return code;
}
