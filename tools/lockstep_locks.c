/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep locks: who holds what and who waits, as a table, as JSON, once or again and again. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256
#define WATCH_MS 1000
#define WATCH_MS_MIN 100

enum {
	OPTION_NODE = OPTION_VERB,
	OPTION_PID,
	OPTION_WAITING,
	OPTION_HOLDER,
	OPTION_CONTENDED,
	OPTION_WIDE,
	OPTION_WATCH,
	OPTION_COUNT,
};

struct locks {
	struct cli *cli;
	/* Which. */
	bool one;
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	const char *node;
	uint64_t nodeid; /* valid with node */
	uint64_t pid;    /* 0: any */
	int mode;        /* negative: any */
	bool waiting;
	bool holder;
	bool contended;
	/* How. */
	bool wide;
	int watch_ms; /* 0: once */
	uint64_t count; /* of --watch; 0: for ever */
	/* Of the listing that is being made. */
	bool header;
	struct json_object *list;
};

static bool wanted(const struct locks *l, const struct lockstep_lock_info *lock)
{
	bool holds = lock->granted != LOCKSTEP_LOCK_IV;
	bool waits = lock->queue != 'G';

	return (!l->node || lock->nodeid == l->nodeid) && (!l->pid || lock->pid == l->pid) &&
	       (l->mode < 0 || (holds && lock->granted == l->mode) ||
		(waits && lock->requested == l->mode)) &&
	       (!l->waiting || waits) && (!l->holder || holds);
}

static void notes_print(const struct lockstep_lock_info *lock)
{
	(void)printf("%s%s%s\n", lock->session == 0 ? ", orphan" : "",
		     lock->lost ? ", node lost" : "", lock->lvb_invalid ? ", LVB invalid" : "");
}

static void wide_print(const struct lockstep_lock_info *lock, bool header)
{
	char name[NAME_TEXT_MAX], modes[16], node[LOCKSTEP_NODE_NAME_MAX + 16], stamp[TEXT_MAX];
	char comm[ESCAPED_MAX(LOCKSTEP_COMM_MAX)], since[TEXT_MAX];

	if (header) {
		(void)printf("%-20s %-10s %-6s %-8s %6s %-8s %-8s %8s %8s %-16s %-16s %-23s %s\n",
			     "NAME", "STATE", "MODE", "NODE", "NODEID", "LKID", "SESSION", "PID",
			     "UID", "COMMAND", "TOKEN", "TIME", "SINCE");
	}
	(void)printf("%-20s %-10s %-6s %-8s %6" PRIu32 " %08" PRIx32 " %-8" PRIu32 " %8" PRIu32
		     " %8" PRIu32 " %-16s %-16" PRIu64 " %-23s %s",
		     bytes_escape(lock->name, lock->name_len, false, name),
		     queue_text(lock->queue), modes_text(lock, modes, sizeof(modes)),
		     node_text(lock->node_name, lock->nodeid, node, sizeof(node)), lock->nodeid,
		     lock->lkid, lock->session, lock->pid, lock->uid,
		     bytes_escape(lock->comm, strlen(lock->comm), false, comm), lock->token,
		     stamp_text(lock->time_ms, stamp, sizeof(stamp)),
		     since_text(lock->time_ms, since, sizeof(since)));
	notes_print(lock);
}

static void narrow_print(const struct lockstep_lock_info *lock, bool header)
{
	char name[NAME_TEXT_MAX], modes[16], node[LOCKSTEP_NODE_NAME_MAX + 16], since[TEXT_MAX];
	char comm[ESCAPED_MAX(LOCKSTEP_COMM_MAX)];

	if (header) {
		(void)printf("%-20s %-10s %-6s %-8s %-8s %-16s %-16s %s\n", "NAME", "STATE", "MODE",
			     "NODE", "PID", "COMMAND", "TOKEN", "SINCE");
	}
	(void)printf("%-20s %-10s %-6s %-8s %-8" PRIu32 " %-16s %-16" PRIu64 " %s",
		     bytes_escape(lock->name, lock->name_len, false, name),
		     queue_text(lock->queue), modes_text(lock, modes, sizeof(modes)),
		     node_text(lock->node_name, lock->nodeid, node, sizeof(node)), lock->pid,
		     bytes_escape(lock->comm, strlen(lock->comm), false, comm), lock->token,
		     since_text(lock->time_ms, since, sizeof(since)));
	notes_print(lock);
}

static int lock_show(const struct lockstep_lock_info *lock, void *arg)
{
	struct locks *l = arg;

	progress_row();
	if (!wanted(l, lock)) {
		return 0;
	}
	if (l->list) {
		return json_object_array_add(l->list, json_lock(lock)) < 0 ? -ENOMEM : 0;
	}
	if (l->wide) {
		wide_print(lock, !l->header);
	} else {
		narrow_print(lock, !l->header);
	}
	l->header = true;
	return 0;
}

static int list_once(struct locks *l, struct lockstep_admin *a)
{
	l->header = false;
	l->list = l->cli->json ? json_object_new_array() : NULL;
	progress_begin("listing the locks of lockspace \"%s\"", l->cli->space);
	int error = l->one || !(l->waiting || l->contended)
			    ? lockstep_admin_locks(a, l->cli->space, l->one ? l->name : NULL,
						   l->name_len, lock_show, l)
			    : lockstep_admin_contended(a, l->cli->space, lock_show, l);

	progress_end();
	if (error) {
		(void)json_object_put(l->list);
		return list_failed(l->cli, error);
	}
	if (l->list) {
		/* Of many documents each is one line. */
		return l->watch_ms ? json_print_line(l->list) : json_print(l->list);
	}
	return output_end();
}

static void watch_title(const struct locks *l)
{
	char stamp[TEXT_MAX];

	if (isatty(STDOUT_FILENO)) {
		(void)printf("\033[H\033[2J");
	}
	(void)printf("%s lockspace %s\n", stamp_text(wall_ms(), stamp, sizeof(stamp)),
		     l->cli->space);
}

static int change_seen(const struct lockstep_change *change, void *arg)
{
	bool *seen = arg;

	/* The answer to the subscription itself is no change. */
	*seen |= change->kind == LOCKSTEP_CHANGE_LOCK || change->kind == LOCKSTEP_CHANGE_GONE ||
		 (change->kind == LOCKSTEP_CHANGE_AGAIN && change->missed > 0);
	return 0;
}

/* Not sooner than wanted, and until something has changed. */
static int change_await(struct locks *l, struct lockstep_admin *a)
{
	bool seen = false;
	int error = 0;

	sleep_ms(l->watch_ms);
	while (error == 0 && !seen) {
		error = changes_wait(a);
		if (error == 0) {
			error = lockstep_admin_changes(a, change_seen, &seen);
		}
	}
	return error ? list_failed(l->cli, error) : EXIT_OK;
}

static int locks_run(struct locks *l)
{
	struct lockstep_admin *a;
	int code = admin_open(l->cli, &a);

	if (code) {
		return code;
	}
	if (l->node) {
		code = node_find(a, l->node, &l->nodeid);
	}
	if (code == EXIT_OK && l->watch_ms) {
		int error = lockstep_admin_subscribe(a, l->cli->space, l->one ? l->name : NULL,
						     l->name_len);

		code = error ? list_failed(l->cli, error) : EXIT_OK;
	}
	for (uint64_t round = 0; code == EXIT_OK;) {
		if (l->watch_ms && !l->cli->json) {
			watch_title(l);
		}
		code = list_once(l, a);
		if (code != EXIT_OK || !l->watch_ms || ++round == l->count) {
			break;
		}
		code = change_await(l, a);
	}
	lockstep_admin_close(a);
	return code;
}

static int watch_parse(const struct verb *verb, const char *text, struct locks *l)
{
	l->watch_ms = WATCH_MS;
	if (text && (seconds_parse(text, &l->watch_ms) < 0 || l->watch_ms < WATCH_MS_MIN)) {
		return usage_error(verb, "not a number of seconds from 0.1 on: %s", text);
	}
	return -1;
}

/* One option that is the verb's own; negative to go on, or the exit code. */
static int locks_option(struct locks *l, const struct verb *verb, int option)
{
	switch (option) {
	case OPTION_NODE:
		l->node = optarg;
		return -1;
	case OPTION_PID:
		return number_parse(optarg, 10, UINT32_MAX, &l->pid) < 0 || l->pid == 0
			       ? usage_error(verb, "not a process id: %s", optarg)
			       : -1;
	case 'm':
		l->mode = lockstep_mode_parse(optarg);
		return l->mode < 0 ? usage_error(verb, "not a mode: %s", optarg) : -1;
	case OPTION_WAITING:
		l->waiting = true;
		return -1;
	case OPTION_HOLDER:
		l->holder = true;
		return -1;
	case OPTION_CONTENDED:
		l->contended = true;
		return -1;
	case OPTION_WIDE:
		l->wide = true;
		return -1;
	case OPTION_WATCH:
		return watch_parse(verb, optarg, l);
	case OPTION_COUNT:
		return number_parse(optarg, 10, UINT32_MAX, &l->count) < 0 || l->count == 0
			       ? usage_error(verb, "not a number: %s", optarg)
			       : -1;
	default:
		return option_common(l->cli, verb, option);
	}
}

int verb_locks(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION,
		{ "node", required_argument, NULL, OPTION_NODE },
		{ "pid", required_argument, NULL, OPTION_PID },
		{ "mode", required_argument, NULL, 'm' },
		{ "waiting", no_argument, NULL, OPTION_WAITING },
		{ "holder", no_argument, NULL, OPTION_HOLDER },
		{ "contended", no_argument, NULL, OPTION_CONTENDED },
		{ "wide", no_argument, NULL, OPTION_WIDE },
		{ "watch", optional_argument, NULL, OPTION_WATCH },
		{ "count", required_argument, NULL, OPTION_COUNT },
		{ NULL, 0, NULL, 0 },
	};
	struct locks l = { .cli = cli, .mode = -1 };
	int option;

	while ((option = getopt_long(argc, argv, "hs:m:", options, NULL)) >= 0) {
		int code = locks_option(&l, verb, option);

		if (code >= 0) {
			return code;
		}
	}
	l.one = argc > optind;
	if (l.one) {
		int code = name_argument(verb, argc, argv, l.name, &l.name_len);

		if (code >= 0) {
			return code;
		}
	}
	if (l.wide && cli->json) {
		return usage_error(verb, "--wide and --json exclude each other");
	}
	if (l.count && !l.watch_ms) {
		return usage_error(verb, "--count goes with --watch");
	}
	return locks_run(&l);
}

/* --- for run --------------------------------------------------------------------------- */

/* Our own request, and how many stand before it in the order in which they will be granted. */
struct place {
	uint32_t nodeid;
	uint32_t lkid;
	unsigned int ahead;
	bool found;
};

static int holder_tell(const struct lockstep_lock_info *lock, void *arg)
{
	char owner[TEXT_MAX], since[TEXT_MAX];
	struct place *p = arg;

	if (lock->queue != 'G') {
		p->found |= lock->nodeid == p->nodeid && lock->lkid == p->lkid;
		p->ahead += p->found ? 0 : 1;
	}
	if (lock->queue == 'G') {
		complain("held in mode %s by %s since %s%s", lockstep_mode_name(lock->granted),
			 owner_text(lock, owner, sizeof(owner)),
			 since_text(lock->time_ms, since, sizeof(since)),
			 lock->lost ? "; its node is lost (see lockstep explain)" : "");
	}
	return 0;
}

void holders_tell(struct cli *cli, const uint8_t *name, size_t name_len, uint32_t lkid)
{
	struct lockstep_options options = { .ipc_name = cli->options.ipc_name, .timeout_ms = 1000 };
	struct place place = { .lkid = lkid };
	struct lockstep_status status;
	struct lockstep_admin *a;

	if (lockstep_admin_open(&options, &a) == 0) {
		if (lockstep_admin_status(a, &status) == 0) {
			place.nodeid = status.nodeid;
		}
		(void)lockstep_admin_locks(a, cli->space, name, name_len, holder_tell, &place);
		if (place.found && place.ahead > 0) {
			complain("%u %s before this one", place.ahead, place.ahead == 1 ? "waits" : "wait");
		}
		lockstep_admin_close(a);
	}
}
