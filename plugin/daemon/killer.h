/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends processes that may believe they hold locks (R-PROC-7): every process that has the client's
 * end of a connection open, those that inherited it included. Found in /proc by the inode of that
 * socket, killed through a pidfd, waited for, and looked for again until there are none.
 */
#ifndef LOCKSTEP_DAEMON_KILLER_H
#define LOCKSTEP_DAEMON_KILLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon;
struct killer;
struct killer_job;

struct killer *killer_new(struct daemon *d);
struct killer *killer_free(struct killer *k);

/* @inode 0: not known; then @pid alone is meant, if it was started at @start. */
struct killer_target {
	uint64_t inode;
	pid_t pid;
	uint64_t start;
	int fd; /* our end of the connection, open until @done; -1: there is none any more */
};

/*
 * Begins a job; @done runs later, from the loop, once no process is left: neither does /proc show one nor does
 * the kernel say that the other end of @fd is open. With @kill false the
 * processes are only waited for. @name is for the log. The job is freed before @done runs.
 */
void killer_start(struct killer *k, const struct killer_target *target, bool kill,
		  const char *name, void *arg, void (*done)(void *arg));

/* The inode of the socket at the other end of the connected Unix socket @fd; 0: that end is closed
 * everywhere. A negative errno when the kernel does not tell. */
int killer_peer_inode(int fd, uint64_t *ret);
/* Start time of a process in clock ticks since boot; 0: there is no such process. */
uint64_t killer_start_time(pid_t pid);

#endif
