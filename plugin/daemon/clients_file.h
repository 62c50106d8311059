/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has sessions on this daemon, in run_dir/clients/, one file per session: so that a daemon that
 * follows one that died can find the clients that may still use what their locks protected
 * (R-MEM-6). Cleared by a reboot, as they are.
 */
#ifndef LOCKSTEP_DAEMON_CLIENTS_FILE_H
#define LOCKSTEP_DAEMON_CLIENTS_FILE_H

#include "plugin/daemon/killer.h"

struct clients_file;
struct daemon;

/* Makes the directory. Clients of a predecessor that are still there: daemon.clients_remain is set
 * until they are gone; they are killed under on_lost = kill, else waited for. 0 or negative errno. */
int clients_file_open(struct daemon *d, struct clients_file **ret);
struct clients_file *clients_file_free(struct clients_file *f);

/* Who is left of the predecessor, for how long, and what helps. */
void clients_file_words(const struct clients_file *f, char *ret, size_t size);
/* 0 or a positive errno: a successor would not find this client. */
int clients_file_add(struct clients_file *f, const struct killer_target *client, const char *comm);
void clients_file_remove(struct clients_file *f, const struct killer_target *client);

#endif
