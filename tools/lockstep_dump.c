/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep stats and dump: the daemon's counters, and everything that this node can tell, as one JSON
 * document to be sent along with a question.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256
#define LINE_MAX_BYTES 1024

/* --- stats ------------------------------------------------------------------------------- */

static int counter_print(const char *name, uint64_t value, void *arg)
{
	if (arg) {
		json_put(arg, name, json_object_new_uint64(value));
	} else {
		(void)printf("%-32s %" PRIu64 "\n", name, value);
	}
	return 0;
}

int verb_stats(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION,
		{ "timing", no_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	bool timing = false;
	int code, option;

	while ((option = getopt_long(argc, argv, "hs:", options, NULL)) >= 0) {
		code = option == 't' ? -1 : option_common(cli, verb, option);
		if (code >= 0) {
			return code;
		}
		timing |= option == 't';
	}
	if (optind < argc) {
		return usage_error(verb, "unexpected argument: %s", argv[optind]);
	}
	if (timing) {
		return timing_show(cli);
	}
	struct lockstep_admin *a;

	code = admin_open(cli, &a);
	if (code) {
		return code;
	}
	struct json_object *o = cli->json ? json_object_new_object() : NULL;
	int error = lockstep_admin_stats(a, counter_print, o);

	if (error) {
		(void)json_object_put(o);
		code = fail(error, "stats");
	} else {
		code = o ? json_print(o) : output_end();
	}
	lockstep_admin_close(a);
	return code;
}

/* --- dump -------------------------------------------------------------------------------- */

static int array_add(struct json_object *list, struct json_object *value)
{
	progress_row();
	return json_object_array_add(list, value) < 0 ? -ENOMEM : 0;
}

static int lock_add(const struct lockstep_lock_info *lock, void *arg)
{
	return array_add(arg, json_lock(lock));
}

static int member_add(const struct lockstep_member_info *m, void *arg)
{
	return array_add(arg, json_member(m));
}

static int line_add(const char *line, void *arg)
{
	char text[ESCAPED_MAX(LINE_MAX_BYTES)];

	(void)bytes_escape(line, strnlen(line, LINE_MAX_BYTES), true, text);
	return array_add(arg, json_object_new_string(text));
}

struct dump {
	struct lockstep_admin *admin;
	struct json_object *spaces;
};

/* What one question said, or why it could not be answered: half a dump is better than none. */
static void part_put(struct json_object *o, const char *key, struct json_object *part, int error)
{
	char errors[TEXT_MAX];

	json_put(o, key, part);
	if (error) {
		(void)snprintf(errors, sizeof(errors), "%s_error", key);
		json_put(o, errors, json_object_new_string(lockstep_strerror(error)));
	}
}

static int space_add(const struct lockstep_space_info *info, void *arg)
{
	struct dump *d = arg;
	struct json_object *o = json_space(info);
	struct json_object *members = json_object_new_array();
	struct json_object *locks = json_object_new_array();
	int error = lockstep_admin_members(d->admin, info->name, member_add, members);

	part_put(o, "members_list", members, error);
	error = lockstep_admin_locks(d->admin, info->name, NULL, 0, lock_add, locks);
	part_put(o, "locks_list", locks, error);
	return array_add(d->spaces, o);
}

static struct json_object *tool_json(void)
{
	struct json_object *o = json_object_new_object();
	struct utsname system;
	char stamp[TEXT_MAX];

	json_put(o, "version", json_object_new_string(lockstep_version()));
	json_put(o, "time", json_object_new_string(stamp_text(wall_ms(), stamp, sizeof(stamp))));
	json_put(o, "time_ms", json_object_new_uint64(wall_ms()));
	if (uname(&system) == 0) {
		json_put(o, "kernel", json_object_new_string(system.release));
		json_put(o, "machine", json_object_new_string(system.machine));
	}
	return o;
}

static int dump_print(struct lockstep_admin *a)
{
	struct json_object *o = json_object_new_object();
	struct json_object *counters = json_object_new_object();
	struct json_object *events = json_object_new_array();
	struct dump d = { .admin = a, .spaces = json_object_new_array() };
	struct lockstep_status status;
	int error = lockstep_admin_status(a, &status);

	json_put(o, "lockstep", tool_json());
	part_put(o, "status", error ? json_object_new_object() : json_status(&status), error);
	error = lockstep_admin_stats(a, counter_print, counters);
	part_put(o, "stats", counters, error);
	error = lockstep_admin_spaces(a, space_add, &d);
	part_put(o, "lockspaces", d.spaces, error);
	error = lockstep_admin_events(a, line_add, events);
	part_put(o, "events", events, error);
	return json_print(o);
}

int verb_dump(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	int code = options_plain(cli, verb, argc, argv);

	if (code >= 0) {
		return code;
	}
	if (optind < argc) {
		return usage_error(verb, "unexpected argument: %s", argv[optind]);
	}
	struct lockstep_admin *a;

	code = admin_open(cli, &a);
	if (code == EXIT_OK) {
		progress_begin("collecting");
		code = dump_print(a);
		progress_end();
		lockstep_admin_close(a);
	}
	return code;
}
