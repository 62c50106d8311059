/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See log.h. The log is the one piece of state of this program that is not in struct daemon. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbdefs.h>

#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

static struct {
	int32_t file_target;
	bool blackbox;
	char blackbox_path[256];
	/* Lines are allocated when first used and then reused. */
	char *ring[LOG_RING_LINES];
	uint64_t written;
} log_state = { .file_target = -1 };

static const char *priority_name(uint8_t priority)
{
	static const char *const names[] = { "emerg",  "alert", "crit",  "error", "warning",
					     "notice", "info",  "debug", "trace" };

	return priority < sizeof(names) / sizeof(names[0]) ? names[priority] : "trace";
}

static void ring_write(int32_t target, struct qb_log_callsite *site, struct timespec *stamp,
		       const char *message)
{
	char **line = &log_state.ring[log_state.written % LOG_RING_LINES];
	struct tm tm;
	char when[32];

	(void)target;
	if (!*line) {
		*line = malloc(LOG_LINE_BYTES);
		if (!*line) {
			return;
		}
	}
	localtime_r(&stamp->tv_sec, &tm);
	strftime(when, sizeof(when), "%b %d %H:%M:%S", &tm);
	snprintf(*line, LOG_LINE_BYTES, "%s.%03ld [%s] %s", when, stamp->tv_nsec / 1000000,
		 priority_name(site->priority), message);
	log_state.written++;
}

const char *log_ring_line(size_t index)
{
	uint64_t kept = QB_MIN(log_state.written, (uint64_t)LOG_RING_LINES);

	if (index >= kept) {
		return NULL;
	}
	return log_state.ring[(log_state.written - kept + index) % LOG_RING_LINES];
}

static void target_on(int32_t target, int level, const char *format)
{
	/* Of the libraries only what is wrong: libqb tells of every connection. */
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*",
			  (uint8_t)QB_MIN(level, LOG_WARNING));
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE_REGEX, "plugin/daemon/",
			  (uint8_t)level);
	qb_log_ctl(target, QB_LOG_CONF_MAX_LINE_LEN, 1024);
	if (format) {
		qb_log_format_set(target, format);
	}
	qb_log_ctl(target, QB_LOG_CONF_ENABLED, QB_TRUE);
}

/* Does stderr end in systemd's journal, as syslog does? See JOURNAL_STREAM in systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char ours[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) != 0) {
		return false;
	}
	snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, ours) == 0;
}

int log_open(const struct settings *settings, bool foreground)
{
	int32_t ring;
	int rc = 0;

	qb_log_init("lockstepd", LOG_DAEMON, LOG_EMERG);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, QB_FALSE);
	if (settings->syslog) {
		qb_log_filter_ctl(QB_LOG_SYSLOG, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*",
				  LOG_DEBUG + 1);
		target_on(QB_LOG_SYSLOG, QB_MIN(settings->log_level, LOG_DEBUG), NULL);
	}
	/* Every line once: syslog keeps the priority. */
	if (foreground && !(settings->syslog && stderr_is_journal())) {
		target_on(QB_LOG_STDERR, settings->log_level, "%T [%p] %b");
	}
	if (settings->log_file) {
		log_state.file_target = qb_log_file_open(settings->log_file);
		if (log_state.file_target < 0) {
			rc = log_state.file_target;
		} else {
			target_on(log_state.file_target, settings->log_level, "%T [%P] [%p] %b");
		}
	}
	ring = qb_log_custom_open(ring_write, NULL, NULL, NULL);
	if (ring >= 0) {
		target_on(ring, QB_MIN(QB_MAX(settings->log_level, LOG_INFO), LOG_DEBUG), NULL);
	}
	if (settings->blackbox_bytes > 0) {
		snprintf(log_state.blackbox_path, sizeof(log_state.blackbox_path),
			 "%s/blackbox-%ld", settings->state_dir, (long)getpid());
		qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_SIZE, (int32_t)settings->blackbox_bytes);
		qb_log_filter_ctl(QB_LOG_BLACKBOX, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*",
				  LOG_DEBUG + 1);
		log_state.blackbox =
			qb_log_ctl(QB_LOG_BLACKBOX, QB_LOG_CONF_ENABLED, QB_TRUE) == 0;
	}
	return rc;
}

void log_close(void)
{
	qb_log_fini();
	for (size_t i = 0; i < LOG_RING_LINES; i++) {
		free(log_state.ring[i]);
		log_state.ring[i] = NULL;
	}
	log_state.written = 0;
}

void log_reopen(void)
{
	if (log_state.file_target >= 0) {
		int32_t rc = qb_log_file_reopen(log_state.file_target, NULL);

		if (rc != 0) {
			qb_log(LOG_ERR, "cannot reopen the log file: %s", strerror(-rc));
		}
	}
}

void log_blackbox_dump(void)
{
	if (log_state.blackbox) {
		ssize_t rc = qb_log_blackbox_write_to_file(log_state.blackbox_path);

		if (rc < 0) {
			qb_log(LOG_ERR, "cannot write the flight recorder to %s: %s",
			       log_state.blackbox_path, strerror((int)-rc));
		} else {
			qb_log(LOG_NOTICE, "flight recorder written to %s; qb-blackbox(8) reads it",
			       log_state.blackbox_path);
		}
	}
}

/* Not async-signal-safe by the letter; the process is lost anyway, and a second fault meets the
 * default action. */
static void crash(int number)
{
	signal(number, SIG_DFL);
	if (log_state.blackbox) {
		(void)qb_log_blackbox_write_to_file(log_state.blackbox_path);
	}
	raise(number);
}

void log_crash_handlers_set(void)
{
	static const int numbers[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL };
	struct sigaction action = { .sa_handler = crash, .sa_flags = SA_NODEFER };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaction(numbers[i], &action, NULL);
	}
}
