/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See rig.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/daemon/rig.h"

#define STEP_MS 5
#define STEPS (RIG_PATIENCE_MS / STEP_MS)

static void die(const char *what)
{
	fprintf(stderr, "rig: %s: %s\n", what, strerror(errno));
	abort();
}

static void step(void)
{
	(void)poll(NULL, 0, STEP_MS);
}

/* What a test leaves behind that is killed: the folder, and the shared memory of its daemons, which end with it. */
static void watcher_run(const char *dir, int fd)
{
	char command[256];
	pid_t daemon;

	setsid(); /* a signal for the test's group is not for it */
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		close(i); /* nobody who reads the test's output is to wait for it */
	}
	while (read(fd, &daemon, sizeof(daemon)) == (ssize_t)sizeof(daemon)) {
		/* Only the last one can be there still. */
		snprintf(command, sizeof(command), "%ld", (long)daemon);
		(void)setenv("daemon", command, 1);
	}
	snprintf(command, sizeof(command),
		 "rm -rf /dev/shm/qb-$daemon-* /dev/shm/qb-lockstepd-$daemon-* %s", dir);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static void watcher_start(struct rig *r)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0) {
		die("pipe");
	}
	r->watcher = fork();
	if (r->watcher < 0) {
		die("fork");
	}
	if (r->watcher == 0) {
		close(fds[1]);
		watcher_run(r->dir, fds[0]);
	}
	close(fds[0]);
	r->watched_fd = fds[1];
}

static void path_in(const struct rig *r, char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", r->dir, name);
}

static const char *program(void)
{
	static char path[512];
	const char *top = getenv("top_builddir");

	snprintf(path, sizeof(path), "%s/lockstepd", top ? top : ".");
	return path;
}

void rig_configure(struct rig *r, const char *more)
{
	char path[128];
	FILE *f;

	path_in(r, path, sizeof(path), "lockstep.conf");
	f = fopen(path, "w");
	if (!f) {
		die(path);
	}
	fprintf(f,
		"[daemon]\nrealtime = no\nlock_memory = no\nsyslog = no\nlog_level = debug\n"
		"log_file = %s/log\nrun_dir = %s/run\nstate_dir = %s/state\n%s",
		r->dir, r->dir, r->dir, more ? more : "");
	fclose(f);
}

void rig_init(struct rig *r, const char *more)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/lockstepd-test-XXXXXX");
	if (!mkdtemp(r->dir)) {
		die("mkdtemp");
	}
	/* The random part of the directory's name makes the IPC name unique too. */
	snprintf(r->ipc_name, sizeof(r->ipc_name), "test-%s", r->dir + strlen(r->dir) - 6);
	r->options.ipc_name = r->ipc_name;
	r->options.timeout_ms = RIG_PATIENCE_MS;
	rig_configure(r, more);
	watcher_start(r);
}

static pid_t spawn(const struct rig *r, int stderr_fd, const char *const *arguments)
{
	char conf[128];
	const char *argv[16] = { "lockstepd", "--config", conf, "--ipc-name", r->ipc_name };
	size_t count = 5;
	pid_t pid;

	path_in(r, conf, sizeof(conf), "lockstep.conf");
	for (size_t i = 0; arguments[i] && count < 15; i++) {
		argv[count++] = arguments[i];
	}
	argv[count] = NULL;
	pid = fork();
	if (pid < 0) {
		die("fork");
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves nobody behind */
		if (stderr_fd >= 0) {
			dup2(stderr_fd, STDERR_FILENO);
		}
		execv(program(), (char *const *)(uintptr_t)argv);
		perror(program());
		_exit(127);
	}
	return pid;
}

static bool answers(const struct rig *r, struct lockstep_status *ret)
{
	struct lockstep_admin *admin;
	int rc = lockstep_admin_open(&r->options, &admin);

	if (rc == 0) {
		rc = lockstep_admin_status(admin, ret);
		lockstep_admin_close(admin);
	}
	return rc == 0;
}

void rig_start(struct rig *r)
{
	static const char *const arguments[] = { "--standalone", "--foreground", NULL };
	struct lockstep_status status;
	char path[128];
	int fd;

	path_in(r, path, sizeof(path), "stderr");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	r->daemon = spawn(r, fd, arguments);
	close(fd);
	(void)!write(r->watched_fd, &r->daemon, sizeof(r->daemon));
	for (int i = 0; i < STEPS; i++) {
		if (answers(r, &status)) {
			return;
		}
		if (waitpid(r->daemon, NULL, WNOHANG) != 0) {
			break;
		}
		step();
	}
	die("the daemon does not answer");
}

int rig_run(struct rig *r, char *ret_text, size_t size, const char *const *arguments)
{
	int fds[2];
	int status;
	size_t got = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		die("pipe");
	}
	pid = spawn(r, fds[1], arguments);
	close(fds[1]);
	while (got < size - 1 && (n = read(fds[0], ret_text + got, size - 1 - got)) > 0) {
		got += (size_t)n;
	}
	ret_text[got] = '\0';
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid) {
		die("waitpid");
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void rig_signal(struct rig *r, int number)
{
	kill(r->daemon, number);
}

int rig_wait(struct rig *r)
{
	int status = -1;

	for (int i = 0; i < STEPS; i++) {
		if (waitpid(r->daemon, &status, WNOHANG) == r->daemon) {
			r->daemon = 0;
			return status;
		}
		step();
	}
	return -1;
}

void rig_done(struct rig *r)
{
	static const char *const files[] = { "lockstep.conf", "log", "stderr", "state/reserved",
					     "state/reserved.tmp", "run/lockstepd.pid" };
	static const char *const dirs[] = { "run/clients", "run", "state", "" };
	char path[128];

	if (r->daemon) {
		kill(r->daemon, SIGKILL);
		waitpid(r->daemon, NULL, 0);
		/* Nobody follows it who would clean up. */
		snprintf(path, sizeof(path), "rm -rf /dev/shm/qb-%d-* /dev/shm/qb-lockstepd-%d-*",
			 (int)r->daemon, (int)r->daemon);
		(void)!system(path);
		r->daemon = 0;
	}
	kill(r->watcher, SIGKILL);
	(void)waitpid(r->watcher, NULL, 0);
	close(r->watched_fd);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_in(r, path, sizeof(path), files[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "rm -rf %s", r->dir);
	if (system(path) != 0) {
		for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
			path_in(r, path, sizeof(path), dirs[i]);
			rmdir(path);
		}
	}
}

bool rig_alive(const struct rig *r)
{
	struct lockstep_status status;

	return waitpid(r->daemon, NULL, WNOHANG) == 0 && answers(r, &status);
}

bool rig_state_reached(const struct rig *r, const char *state)
{
	struct lockstep_status status;

	for (int i = 0; i < STEPS; i++) {
		if (answers(r, &status) && strcmp(status.state, state) == 0) {
			return true;
		}
		step();
	}
	return false;
}

static bool log_holds(const struct rig *r, const char *text)
{
	char path[128];
	char line[2048];
	bool found = false;
	FILE *f;

	path_in(r, path, sizeof(path), "log");
	f = fopen(path, "r");
	while (f && !found && fgets(line, sizeof(line), f)) {
		found = strstr(line, text) != NULL;
	}
	if (f) {
		fclose(f);
	}
	return found;
}

bool rig_logged(const struct rig *r, const char *text)
{
	for (int i = 0; i < STEPS; i++) {
		if (log_holds(r, text)) {
			return true;
		}
		step();
	}
	return false;
}

static int lock_take(struct lockstep_session *s, struct lockstep_lksb *lksb, const char *name,
		     uint32_t flags)
{
	return lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, lksb, flags, name, strlen(name), NULL, NULL,
				  RIG_PATIENCE_MS);
}

pid_t client_start(const struct rig *r, const char *name, pid_t *ret_heir)
{
	struct lockstep_session *s;
	struct lockstep_lksb lksb = { 0 };
	pid_t test = getpid();
	pid_t heir = 0;
	int fds[2];
	pid_t pid;

	if (pipe(fds) != 0) {
		die("pipe");
	}
	pid = fork();
	if (pid < 0) {
		die("fork");
	}
	if (pid == 0) {
		close(fds[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
		if (lockstep_open("default", 0, &r->options, &s) != 0 ||
		    lock_take(s, &lksb, name, 0) != 0) {
			_exit(1);
		}
		if (ret_heir && (heir = fork()) == 0) {
			/* It outlives its parent, and not the test. */
			while (kill(test, 0) == 0) {
				(void)poll(NULL, 0, 1000);
			}
			_exit(0);
		}
		(void)!write(fds[1], &heir, sizeof(heir));
		for (;;) {
			pause();
		}
	}
	close(fds[1]);
	if (read(fds[0], &heir, sizeof(heir)) != (ssize_t)sizeof(heir)) {
		die("the client has no lock");
	}
	close(fds[0]);
	if (ret_heir) {
		*ret_heir = heir;
	}
	return pid;
}

void client_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

bool client_killed(pid_t pid)
{
	int status;

	for (int i = 0; i < STEPS; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid) {
			return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		}
		step();
	}
	return false;
}

static bool lock_try(const struct rig *r, const char *name, uint32_t flags)
{
	struct lockstep_session *s;
	struct lockstep_lksb lksb = { 0 };
	int rc = lockstep_open("default", 0, &r->options, &s);

	if (rc == 0) {
		rc = lock_take(s, &lksb, name, flags);
		lockstep_close(s);
	}
	return rc == 0;
}

bool lock_is_free(const struct rig *r, const char *name)
{
	return lock_try(r, name, LOCKSTEP_LKF_NOQUEUE);
}

bool lock_comes(const struct rig *r, const char *name)
{
	return lock_try(r, name, 0);
}
