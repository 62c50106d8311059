/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep trace: what happens to one lock, a line per change. The daemon offers no subscription, so
 * this asks again and again and tells the differences: what comes and goes between two looks is not
 * seen, and the times are those of the look. Tokens and lkids show whether something was missed: a
 * grant that is not told leaves a gap between tokens of the same lock.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256
#define INTERVAL_MS 100
#define INTERVAL_MS_MIN 10

struct trace {
	struct cli *cli;
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	int interval_ms;
	uint64_t count; /* of lines; 0: for ever */
	uint64_t told;
	char state[sizeof(((struct lockstep_space_info *)0)->state)];
	bool space_found;
};

static int line_end(struct trace *t)
{
	int code = output_end();

	t->told++;
	return code != EXIT_OK ? code : t->count && t->told >= t->count ? EXIT_OK : -1;
}

static int change_tell(struct trace *t, const char *what, const struct lockstep_lock_info *lock)
{
	char stamp[TEXT_MAX], owner[TEXT_MAX], modes[16];

	if (t->cli->json) {
		struct json_object *o = json_object_new_object();

		json_put(o, "time_ms", json_object_new_uint64(wall_ms()));
		json_put(o, "event", json_object_new_string(what));
		json_put(o, "lock", json_lock(lock));
		(void)json_print_line(o);
		return line_end(t);
	}
	(void)printf("%s %-10s %-6s lkid %08" PRIx32 " %s", stamp_text(wall_ms(), stamp, sizeof(stamp)),
		     what, modes_text(lock, modes, sizeof(modes)), lock->lkid,
		     owner_text(lock, owner, sizeof(owner)));
	if (lock->granted != LOCKSTEP_LOCK_IV) {
		(void)printf(", token %" PRIu64, lock->token);
	}
	(void)printf("%s%s\n", lock->lost ? ", node lost" : "",
		     lock->lvb_invalid ? ", LVB invalid" : "");
	return line_end(t);
}

static const struct lockstep_lock_info *find(const struct lock_list *list,
					     const struct lockstep_lock_info *lock)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->lock[i].nodeid == lock->nodeid && list->lock[i].lkid == lock->lkid) {
			return &list->lock[i];
		}
	}
	return NULL;
}

/* What happened to a lock that was @was and is @is; NULL: nothing. */
static const char *change_word(const struct lockstep_lock_info *was,
			       const struct lockstep_lock_info *is)
{
	if (was->session != is->session) {
		return is->session == 0 ? "orphaned" : "adopted";
	}
	if (was->lost != is->lost) {
		return "node lost";
	}
	if (was->queue != is->queue) {
		return is->queue == 'G' ? was->granted == is->granted ? "cancelled" : "granted"
					: "converting";
	}
	if (was->granted != is->granted || was->token != is->token) {
		return is->queue == 'G' ? "granted" : "demoted";
	}
	return was->requested != is->requested ? "requested" : NULL;
}

static int differences_tell(struct trace *t, const struct lock_list *was, const struct lock_list *is)
{
	int code = -1;

	for (size_t i = 0; code < 0 && i < was->count; i++) {
		if (!find(is, &was->lock[i])) {
			code = change_tell(t, was->lock[i].queue == 'W' ? "withdrawn" : "released",
					   &was->lock[i]);
		}
	}
	for (size_t i = 0; code < 0 && i < is->count; i++) {
		const struct lockstep_lock_info *before = find(was, &is->lock[i]);
		const char *word = before ? change_word(before, &is->lock[i])
					  : queue_text(is->lock[i].queue);

		if (word) {
			code = change_tell(t, word, &is->lock[i]);
		}
	}
	return code;
}

static int space_look(const struct lockstep_space_info *info, void *arg)
{
	struct trace *t = arg;

	if (strcmp(info->name, t->cli->space) == 0) {
		t->space_found = true;
		(void)snprintf(t->state, sizeof(t->state), "%s", info->state);
	}
	return 0;
}

/* The lockspace's own changes explain silences. */
static int state_tell(struct trace *t)
{
	char stamp[TEXT_MAX];

	if (t->cli->json) {
		struct json_object *o = json_object_new_object();

		json_put(o, "time_ms", json_object_new_uint64(wall_ms()));
		json_put(o, "event", json_object_new_string("lockspace"));
		json_put(o, "state", json_object_new_string(t->state));
		(void)json_print_line(o);
		return line_end(t);
	}
	(void)printf("%s lockspace  %s\n", stamp_text(wall_ms(), stamp, sizeof(stamp)), t->state);
	return line_end(t);
}

static int trace_run(struct trace *t, struct lockstep_admin *a)
{
	struct lock_list was = { 0 };
	int code = -1;

	while (code < 0) {
		struct lock_list is = { 0 };
		char before[sizeof(t->state)];

		memcpy(before, t->state, sizeof(before));
		t->space_found = false;
		int error = lockstep_admin_spaces(a, space_look, t);

		if (error == 0 && !t->space_found) {
			error = -ENOENT;
		}
		if (error == 0) {
			error = lockstep_admin_locks(a, t->cli->space, t->name, t->name_len,
						     lock_list_add, &is);
		}
		if (error) {
			code = list_failed(t->cli, error);
		} else if (strcmp(before, t->state) != 0) {
			code = state_tell(t);
		}
		if (code < 0) {
			code = differences_tell(t, &was, &is);
		}
		lock_list_done(&was);
		was = is;
		if (code < 0) {
			sleep_ms(t->interval_ms);
		}
	}
	lock_list_done(&was);
	return code;
}

int verb_trace(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION,
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct trace t = { .cli = cli, .interval_ms = INTERVAL_MS };
	int option, code = -1;

	while (code < 0 && (option = getopt_long(argc, argv, "hs:i:n:", options, NULL)) >= 0) {
		if (option == 'i') {
			code = seconds_parse(optarg, &t.interval_ms) < 0 ||
					       t.interval_ms < INTERVAL_MS_MIN
				       ? usage_error(verb, "not a number of seconds from 0.01 on: %s",
						     optarg)
				       : -1;
		} else if (option == 'n') {
			code = number_parse(optarg, 10, UINT32_MAX, &t.count) < 0 || t.count == 0
				       ? usage_error(verb, "not a number: %s", optarg)
				       : -1;
		} else {
			code = option_common(cli, verb, option);
		}
	}
	if (code < 0) {
		code = name_argument(verb, argc, argv, t.name, &t.name_len);
	}
	if (code >= 0) {
		return code;
	}
	struct lockstep_admin *a;

	code = admin_open(cli, &a);
	if (code == EXIT_OK) {
		code = trace_run(&t, a);
		lockstep_admin_close(a);
	}
	return code;
}
