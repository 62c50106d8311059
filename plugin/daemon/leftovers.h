/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our directories and the pid file, which is locked as long as we live; and what a predecessor that
 * was killed left in /dev/shm.
 */
#ifndef LOCKSTEP_DAEMON_LEFTOVERS_H
#define LOCKSTEP_DAEMON_LEFTOVERS_H

struct settings;

struct leftovers {
	char path[256];
	int fd; /* of the pid file */
};

/* Makes state_dir and run_dir, locks the pid file. 0, or the exit status after it has said on stderr
 * what is wrong. */
int leftovers_open(const struct settings *settings, struct leftovers *ret);
/* We are the one: cleans up after the predecessor and writes our pid. */
void leftovers_note(struct leftovers *l);
/* Removes the pid file. */
void leftovers_done(struct leftovers *l);

#endif
