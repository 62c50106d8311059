/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging by libqb: syslog, stderr in the foreground, a file, the flight recorder (blackbox), and
 * the last lines in memory for the administration service. Messages are written with qb_log().
 */
#ifndef LOCKSTEP_DAEMON_LOG_H
#define LOCKSTEP_DAEMON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qb/qblog.h>

struct settings;

#define LOG_RING_LINES 1024
#define LOG_LINE_BYTES 512

/* Once, after daemonizing. Returns 0 or a negative errno of the log file. */
int log_open(const struct settings *settings, bool foreground);
void log_close(void);
/* After logrotate has renamed the file. */
void log_reopen(void);
/* Writes the flight recorder to state_dir and says where. Also called by the crash handlers, so
 * the path is made in log_open(). */
void log_blackbox_dump(void);
/* SIGSEGV and its like write the flight recorder before they do what they did before. */
void log_crash_handlers_set(void);

/* Line number @index of those kept, 0 the oldest; NULL past the end. */
const char *log_ring_line(size_t index);

#endif
