/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file, lockstep.conf(5): read once at start. (Not called config.h, which is
 * the build's.)
 *
 * Unknown and repeated groups and keys and bad values are errors that name file and line: a
 * setting that was silently ignored is found out at the worst moment.
 */
#ifndef LOCKSTEP_DAEMON_SETTINGS_H
#define LOCKSTEP_DAEMON_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugin/node/node.h"

#define SETTINGS_PATH_DEFAULT LOCKSTEP_SYSCONFDIR "/lockstep/lockstep.conf"
#define SETTINGS_FILE_BYTES_MAX 65536
#define SETTINGS_LOCKSPACES_MAX 64

struct settings {
	char *ipc_name;
	char *ipc_group; /* NULL: only root and the daemon's own user */
	char *access_file; /* NULL: none */
	char *socket;    /* NULL: none */
	char *socket_group; /* NULL: the daemon's own */
	uint32_t socket_mode;
	bool socket_only; /* other users have no way in but this one */
	char *log_file;  /* NULL: none */
	char *state_dir;
	char *trace_dir; /* NULL: no traces */
	char *run_dir;
	char **lockspaces; /* NULL terminated */
	int log_level;     /* syslog priority; LOG_DEBUG + 1 is trace */
	bool syslog;
	bool realtime;
	bool lock_memory;
	bool recovery_callbacks;
	enum node_on_lost on_lost;
	enum node_fencing fencing;
	bool request_fencing;
	bool startup_fencing;
	bool fencing_confirmed;
	bool fence_off; /* fence_action: off, not reboot */
	uint32_t fence_timeout_s;
	uint32_t post_join_delay_ms;
	uint32_t request_delay_ms;
	uint32_t lost_timeout_ms;
	uint32_t blackbox_bytes; /* 0: no flight recorder */
	uint32_t nodeid;         /* standalone only */
	/* 0: the node's default */
	uint32_t session_locks_max;
	uint32_t session_events_max;
	uint32_t confirm_timeout_ms;
	uint32_t digest_interval;
	uint32_t feature_level_max;
	uint32_t prep_ack_ms;
	uint32_t sessions_max;
	uint32_t spaces_max;
	uint32_t window_messages;
	uint32_t batch_bytes;
	uint32_t session_backlog_bytes;
	uint32_t trace_bytes; /* per lockspace, beside snapshots */
};

/* The defaults. */
struct settings *settings_new(void);
struct settings *settings_free(struct settings *s);

/*
 * Reads @path into a new object. 0; -ENOENT and the like when the file cannot be read; -EINVAL
 * when it can but is wrong. In each case of failure *ret_errors is a text of lines, each
 * "file:line: sentence", to be freed with g_free(). The whole file is looked at.
 */
int settings_load(const char *path, struct settings **ret, char **ret_errors);

/* 1..64 of A-Z a-z 0-9 . _ - ; also for --ipc-name and the environment. */
bool settings_ipc_name_valid(const char *name);

#endif
