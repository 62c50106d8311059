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

#include <json-c/json.h>

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
	struct timespec now;
	struct tm then, today;
	time_t then_s = (time_t)(time_ms / 1000);
	char stamp[32], age[32];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;

	if (!localtime_r(&then_s, &then) || !localtime_r(&now.tv_sec, &today)) {
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
	int error = lockstep_admin_open(&cli->options, ret);

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

/* --- JSON ------------------------------------------------------------------------------ */

static void json_check(const void *pointer)
{
	if (!pointer) {
		complain("out of memory");
		exit(EXIT_FAILED);
	}
}

void json_put(struct json_object *object, const char *key, struct json_object *value)
{
	json_check(value);
	if (json_object_object_add(object, key, value) < 0) {
		json_check(NULL);
	}
}

int json_print(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

	json_check(text);
	(void)puts(text);
	(void)json_object_put(object);
	return output_end();
}

struct json_object *json_lock(const struct lockstep_lock_info *lock)
{
	struct json_object *o = json_object_new_object();
	char name[NAME_TEXT_MAX], comm[ESCAPED_MAX(LOCKSTEP_COMM_MAX)];

	json_check(o);
	(void)bytes_escape(lock->name, lock->name_len, false, name);
	(void)bytes_escape(lock->comm, strlen(lock->comm), true, comm);
	json_put(o, "name", json_object_new_string(name));
	json_put(o, "state", json_object_new_string(queue_text(lock->queue)));
	if (lock->granted != LOCKSTEP_LOCK_IV) {
		json_put(o, "granted", json_object_new_string(lockstep_mode_name(lock->granted)));
	}
	if (lock->queue != 'G') {
		json_put(o, "requested",
			 json_object_new_string(lockstep_mode_name(lock->requested)));
	}
	json_put(o, "node", json_object_new_string(lock->node_name));
	json_put(o, "nodeid", json_object_new_int64(lock->nodeid));
	json_put(o, "lkid", json_object_new_int64(lock->lkid));
	json_put(o, "session", json_object_new_int64(lock->session));
	json_put(o, "pid", json_object_new_int64(lock->pid));
	json_put(o, "uid", json_object_new_int64(lock->uid));
	json_put(o, "command", json_object_new_string(comm));
	json_put(o, "token", json_object_new_uint64(lock->token));
	json_put(o, "time_ms", json_object_new_uint64(lock->time_ms));
	json_put(o, "orphan", json_object_new_boolean(lock->session == 0));
	json_put(o, "lost", json_object_new_boolean(lock->lost));
	json_put(o, "lvb_invalid", json_object_new_boolean(lock->lvb_invalid));
	return o;
}
