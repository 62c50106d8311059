/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep recovery watch: a session that is told of failed members, slots and generations, a line for
 * each callback (lockstep_recovery.h). For scripts, and to see what a program would be told.
 *
 * It is a subscriber like any other: failed members' locks wait for its acknowledgement, which it gives at
 * once, or with --hold later.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include <json-c/json.h>

#include <lockstep/lockstep_recovery.h>

#include "tools/lockstep.h"

struct watch {
	struct cli *cli;
	struct lockstep_session *session;
	uint64_t count; /* of lines; 0: for ever */
	uint64_t told;
	int hold_ms;
	uint64_t release_ms; /* when the prep that is held is acknowledged; 0: none is */
	int code; /* of the end; negative: go on */
};

static void line_end(struct watch *w)
{
	int code = output_end();

	w->told++;
	if (code != EXIT_OK) {
		w->code = code;
	} else if (w->count && w->told >= w->count) {
		w->code = EXIT_OK;
	}
}

static struct json_object *event_json(const char *what)
{
	struct json_object *o = json_object_new_object();

	json_put(o, "time_ms", json_object_new_uint64(wall_ms()));
	json_put(o, "event", json_object_new_string(what));
	return o;
}

static struct json_object *slot_json(struct json_object *o, const struct lockstep_slot *slot)
{
	json_put(o, "nodeid", json_object_new_uint64(slot->nodeid));
	json_put(o, "slot", json_object_new_uint64(slot->slot));
	return o;
}

static int prep(void *arg)
{
	struct watch *w = arg;

	if (w->cli->json) {
		(void)json_print_line(event_json("prep"));
	} else {
		(void)printf("prep\n");
	}
	line_end(w);
	if (w->hold_ms == 0) {
		return LOCKSTEP_PREP_DONE;
	}
	w->release_ms = wall_ms() + (uint64_t)w->hold_ms;
	return LOCKSTEP_PREP_PENDING;
}

static void slot(void *arg, const struct lockstep_slot *slot)
{
	struct watch *w = arg;

	if (w->cli->json) {
		(void)json_print_line(slot_json(event_json("slot"), slot));
	} else {
		(void)printf("slot %" PRIu32 ":%" PRIu32 "\n", slot->nodeid, slot->slot);
	}
	line_end(w);
}

static void done(void *arg, const struct lockstep_slot *slots, size_t count, uint32_t own_slot,
		 uint32_t generation)
{
	struct watch *w = arg;

	if (w->cli->json) {
		struct json_object *o = event_json("done"), *list = json_object_new_array();

		json_put(o, "generation", json_object_new_uint64(generation));
		json_put(o, "own_slot", json_object_new_uint64(own_slot));
		for (size_t i = 0; i < count; i++) {
			(void)json_object_array_add(list, slot_json(json_object_new_object(), &slots[i]));
		}
		json_put(o, "slots", list);
		(void)json_print_line(o);
	} else {
		(void)printf("done generation %" PRIu32 " own slot %" PRIu32 " slots", generation, own_slot);
		for (size_t i = 0; i < count; i++) {
			(void)printf(" %" PRIu32 ":%" PRIu32, slots[i].nodeid, slots[i].slot);
		}
		(void)printf("\n");
	}
	line_end(w);
}

/* Milliseconds until the held prep is due; negative for ever. */
static int hold_left(const struct watch *w)
{
	uint64_t now = wall_ms();

	if (w->release_ms == 0) {
		return -1;
	}
	return now >= w->release_ms ? 0 : (int)(w->release_ms - now);
}

static int watch_run(struct watch *w)
{
	while (w->code < 0) {
		struct pollfd p = { .fd = lockstep_session_fd(w->session), .events = POLLIN };

		if (poll(&p, 1, hold_left(w)) < 0 && errno != EINTR) {
			return fail(-errno, "cannot wait");
		}
		int error = lockstep_dispatch(w->session);

		if (error >= 0 && hold_left(w) == 0) {
			w->release_ms = 0;
			error = lockstep_prep_done(w->session);
		}
		if (error < 0) {
			complain("the session is lost");
			return EXIT_LOST;
		}
	}
	return w->code;
}

static int watch_open(struct watch *w)
{
	static const struct lockstep_recovery_ops ops = {
		.version = LOCKSTEP_RECOVERY_OPS_VERSION, .prep = prep, .slot = slot, .done = done,
	};
	int error = lockstep_recovery_open(w->cli->space, 0, &w->cli->options, &ops, w, NULL, &w->session);

	if (error == -EOPNOTSUPP) {
		complain("lockstepd has recovery callbacks turned off (recovery_callbacks in lockstep.conf)");
		return EXIT_FAILED;
	}
	return error ? fail(error, "lockspace %s", w->cli->space) : EXIT_OK;
}

int verb_recovery(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION,
		{ "count", required_argument, NULL, 'n' },
		{ "hold", required_argument, NULL, 'H' },
		{ NULL, 0, NULL, 0 },
	};
	struct watch w = { .cli = cli, .code = -1 };
	int option, code = -1;

	while (code < 0 && (option = getopt_long(argc, argv, "hs:n:", options, NULL)) >= 0) {
		if (option == 'n') {
			code = number_parse(optarg, 10, UINT32_MAX, &w.count) < 0 || w.count == 0
				       ? usage_error(verb, "not a number: %s", optarg)
				       : -1;
		} else if (option == 'H') {
			code = seconds_parse(optarg, &w.hold_ms) < 0
				       ? usage_error(verb, "not a number of seconds: %s", optarg)
				       : -1;
		} else {
			code = option_common(cli, verb, option);
		}
	}
	if (code < 0 && (optind >= argc || strcmp(argv[optind], "watch") != 0 || argc - optind > 2)) {
		code = usage_error(verb, "what is to be done?");
	}
	if (code >= 0) {
		return code;
	}
	if (argc - optind == 2) {
		cli->space = argv[optind + 1];
	}
	code = watch_open(&w);
	if (code == EXIT_OK) {
		code = watch_run(&w);
		lockstep_close(w.session);
	}
	return code;
}
