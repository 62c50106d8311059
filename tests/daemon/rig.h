/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real lockstepd processes for tests: each rig has an IPC name, run and state directories and a
 * configuration of its own, and ends everything it started.
 */
#ifndef LOCKSTEP_TESTS_DAEMON_RIG_H
#define LOCKSTEP_TESTS_DAEMON_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <lockstep/lockstep.h>

/* How long anything may take before the test fails; nothing is expected to take that long. */
#define RIG_PATIENCE_MS 20000

struct rig {
	char dir[64];
	char ipc_name[48];
	pid_t daemon; /* 0: none */
	pid_t watcher; /* cleans up after a test that was killed */
	int watched_fd; /* tells it the daemons; closed by the test's end */
	struct lockstep_options options;
};

/* Makes the directories and lockstep.conf; starts nothing. @more: further lines of [daemon]. */
void rig_init(struct rig *r, const char *more);
/* Writes the configuration again. */
void rig_configure(struct rig *r, const char *more);
/* Starts lockstepd --standalone and waits until its administration service answers. */
void rig_start(struct rig *r);
/* Runs lockstepd with further arguments until it ends; its stderr goes to @ret_text. */
int rig_run(struct rig *r, char *ret_text, size_t size, const char *const *arguments);
/* Signals the daemon. */
void rig_signal(struct rig *r, int number);
/* Waits for the daemon to end; returns the status of waitpid(). */
int rig_wait(struct rig *r);
/* Kills what is left and removes the directories. */
void rig_done(struct rig *r);
/* Is the daemon still there and answering? */
bool rig_alive(const struct rig *r);
/* Status, state equal to @state within RIG_PATIENCE_MS. */
bool rig_state_reached(const struct rig *r, const char *state);
/* Does the daemon's log hold @text (within RIG_PATIENCE_MS)? */
bool rig_logged(const struct rig *r, const char *text);

/* A child process that opens a session and takes an EX lock on @name, then waits for ever. Returns
 * when it has the lock. With @heir it first forks a process that shares the connection and reports
 * its pid. */
pid_t client_start(const struct rig *r, const char *name, pid_t *ret_heir);
/* Sends SIGKILL and reaps; heirs are reaped by whoever inherits them. */
void client_kill(pid_t pid);
/* Waits until @pid, a child, has been killed by somebody. */
bool client_killed(pid_t pid);
/* Can EX on @name be had at once? */
bool lock_is_free(const struct rig *r, const char *name);
/* Does EX on @name come within RIG_PATIENCE_MS? */
bool lock_comes(const struct rig *r, const char *name);

#endif
