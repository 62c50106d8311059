/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How lockstep(1) reads and writes names, times, owners and errors. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/lockstep.h"

char *bytes_escape(const void *bytes, size_t size, bool keep_blanks, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	char *out = ret;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = ((const unsigned char *)bytes)[i];

		if (c == '\\') {
			*out++ = '\\';
			*out++ = '\\';
		} else if ((c > 0x20 && c < 0x7f) || (c == ' ' && keep_blanks)) {
			*out++ = (char)c;
		} else {
			*out++ = '\\';
			*out++ = 'x';
			*out++ = digits[c >> 4];
			*out++ = digits[c & 0xf];
		}
	}
	*out = '\0';
	return ret;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int name_parse(const char *text, uint8_t *ret_name, size_t *ret_len)
{
	size_t length = 0;

	while (*text) {
		uint8_t byte;

		if (*text != '\\') {
			byte = (uint8_t)*text++;
		} else if (text[1] == '\\') {
			byte = '\\';
			text += 2;
		} else if (text[1] == 'x' && hex_value(text[2]) >= 0 && hex_value(text[3]) >= 0) {
			byte = (uint8_t)(hex_value(text[2]) << 4 | hex_value(text[3]));
			text += 4;
		} else {
			return -EINVAL;
		}
		if (length == LOCKSTEP_NAME_MAX) {
			return -EINVAL;
		}
		ret_name[length++] = byte;
	}
	*ret_len = length;
	return 0;
}

int seconds_parse(const char *text, int *ret_ms)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (errno || end == text || *end || !(seconds >= 0) || seconds > INT_MAX / 1000 - 1) {
		return -EINVAL;
	}
	*ret_ms = (int)(seconds * 1000 + 0.5);
	return 0;
}

const char *node_text(const char *name, uint32_t nodeid, char *ret, size_t ret_size)
{
	if (name[0]) {
		(void)snprintf(ret, ret_size, "%s", name);
	} else {
		(void)snprintf(ret, ret_size, "node %" PRIu32, nodeid);
	}
	return ret;
}

const char *owner_text(const struct lockstep_lock_info *lock, char *ret, size_t ret_size)
{
	char node[LOCKSTEP_NODE_NAME_MAX + 16], comm[ESCAPED_MAX(LOCKSTEP_COMM_MAX)];

	(void)node_text(lock->node_name, lock->nodeid, node, sizeof(node));
	(void)bytes_escape(lock->comm, strlen(lock->comm), true, comm);
	if (lock->session == 0) {
		(void)snprintf(ret, ret_size, "an orphan of pid %" PRIu32 " on %s", lock->pid, node);
	} else {
		(void)snprintf(ret, ret_size, "%s (pid %" PRIu32 ", uid %" PRIu32 ") on %s",
			       comm[0] ? comm : "a program", lock->pid, lock->uid, node);
	}
	return ret;
}

static void age_text(uint64_t age_ms, char *ret, size_t ret_size)
{
	uint64_t s = age_ms / 1000;

	if (s < 120) {
		(void)snprintf(ret, ret_size, "%" PRIu64 " s", s);
	} else if (s < 7200) {
		(void)snprintf(ret, ret_size, "%" PRIu64 " min", s / 60);
	} else if (s < 172800) {
		(void)snprintf(ret, ret_size, "%" PRIu64 " h", s / 3600);
	} else {
		(void)snprintf(ret, ret_size, "%" PRIu64 " days", s / 86400);
	}
}

const char *since_text(uint64_t time_ms, char *ret, size_t ret_size)
{
	uint64_t now_ms = wall_ms();
	time_t now_s = (time_t)(now_ms / 1000);
	struct tm then, today;
	time_t then_s = (time_t)(time_ms / 1000);
	char stamp[32], age[32];

	if (!localtime_r(&then_s, &then) || !localtime_r(&now_s, &today)) {
		(void)snprintf(ret, ret_size, "?");
		return ret;
	}
	bool same_day = then.tm_year == today.tm_year && then.tm_yday == today.tm_yday;

	(void)strftime(stamp, sizeof(stamp), same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then);
	/* The clock that set it is its node's, which may be ahead of ours. */
	age_text(now_ms > time_ms ? now_ms - time_ms : 0, age, sizeof(age));
	(void)snprintf(ret, ret_size, "%s (%s)", stamp, age);
	return ret;
}

uint64_t wall_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(int ms)
{
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) < 0 && errno == EINTR) {
	}
}

const char *stamp_text(uint64_t time_ms, char *ret, size_t ret_size)
{
	time_t seconds = (time_t)(time_ms / 1000);
	struct tm then;
	char stamp[32];

	if (!localtime_r(&seconds, &then)) {
		(void)snprintf(ret, ret_size, "?");
		return ret;
	}
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &then);
	(void)snprintf(ret, ret_size, "%s.%03u", stamp, (unsigned int)(time_ms % 1000));
	return ret;
}

const char *queue_text(char queue)
{
	return queue == 'G' ? "granted" : queue == 'C' ? "converting" : "waiting";
}

const char *modes_text(const struct lockstep_lock_info *lock, char *ret, size_t ret_size)
{
	if (lock->queue == 'C') {
		(void)snprintf(ret, ret_size, "%s->%s", lockstep_mode_name(lock->granted),
			       lockstep_mode_name(lock->requested));
	} else {
		(void)snprintf(ret, ret_size, "%s",
			       lockstep_mode_name(lock->queue == 'G' ? lock->granted
								     : lock->requested));
	}
	return ret;
}

void complain(const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "lockstep: ");
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, "\n");
}

int fail(int error, const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "lockstep: ");
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, ": %s\n", lockstep_strerror(error));
	return error == -EUNATCH || error == -ENOTCONN ? EXIT_UNREACHABLE : EXIT_FAILED;
}

int admin_open(struct cli *cli, struct lockstep_admin **ret)
{
	progress_begin("connecting to lockstepd");
	int error = lockstep_admin_open(&cli->options, ret);

	progress_end();
	if (error == 0) {
		return 0;
	}
	(void)fail(error, "cannot connect to lockstepd");
	return error == -EUNATCH || error == -ENOTCONN || error == -ETIMEDOUT ? EXIT_UNREACHABLE
									      : EXIT_FAILED;
}

int output_end(void)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("standard output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}
