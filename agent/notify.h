/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telling who started the agent that the application may begin: sd_notify(3)'s datagram, and a descriptor
 * that gets a newline (s6, a script's pipe). */
#ifndef LOCKSTEP_AGENT_NOTIFY_H
#define LOCKSTEP_AGENT_NOTIFY_H

/* "READY=1", "STATUS=...", "STOPPING=1"; lines to $NOTIFY_SOCKET. Nothing happens without it. */
void notify_manager(const char *lines);
/* Writes the newline and closes it. Negative: nothing. */
void notify_fd(int fd);

#endif
