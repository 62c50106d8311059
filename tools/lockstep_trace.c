/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep trace: what happens to one lock, a line per change, as this node's daemon tells it. When some of it
 * was lost, since this program or the node fell behind, the differences are told instead: what came and went
 * meanwhile is not seen, and a grant that is not told leaves a gap between tokens of the same lock.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256

struct trace {
	struct cli *cli;
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	uint64_t count; /* of lines; 0: for ever */
	uint64_t told;
	struct lock_list is;   /* as told */
	bool again;            /* all of them are being told once more ... */
	struct lock_list next; /* ... into this */
	int code;              /* negative: go on */
};

static int line_end(struct trace *t)
{
	int code = output_end();

	t->told++;
	return code != EXIT_OK ? code : t->count && t->told >= t->count ? EXIT_OK : -1;
}

static int change_tell(struct trace *t, uint64_t time_ms, const char *what,
		       const struct lockstep_lock_info *lock)
{
	char stamp[TEXT_MAX], owner[TEXT_MAX], modes[16];

	if (t->cli->json) {
		struct json_object *o = json_object_new_object();

		json_put(o, "time_ms", json_object_new_uint64(time_ms));
		json_put(o, "event", json_object_new_string(what));
		json_put(o, "lock", json_lock(lock));
		(void)json_print_line(o);
		return line_end(t);
	}
	(void)printf("%s %-10s %-6s lkid %08" PRIx32 " %s", stamp_text(time_ms, stamp, sizeof(stamp)),
		     what, modes_text(lock, modes, sizeof(modes)), lock->lkid,
		     owner_text(lock, owner, sizeof(owner)));
	if (lock->granted != LOCKSTEP_LOCK_IV) {
		(void)printf(", token %" PRIu64, lock->token);
	}
	(void)printf("%s%s\n", lock->lost ? ", node lost" : "",
		     lock->lvb_invalid ? ", LVB invalid" : "");
	return line_end(t);
}

static struct lockstep_lock_info *find(const struct lock_list *list,
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

static int gone_tell(struct trace *t, uint64_t time_ms, const struct lockstep_lock_info *was)
{
	return change_tell(t, time_ms, was->queue == 'W' ? "withdrawn" : "released", was);
}

/* @was NULL: it is new. */
static int lock_tell(struct trace *t, uint64_t time_ms, const struct lockstep_lock_info *was,
		     const struct lockstep_lock_info *is)
{
	const char *word = was ? change_word(was, is) : queue_text(is->queue);

	return word ? change_tell(t, time_ms, word, is) : -1;
}

static int differences_tell(struct trace *t, uint64_t time_ms)
{
	int code = -1;

	for (size_t i = 0; code < 0 && i < t->is.count; i++) {
		if (!find(&t->next, &t->is.lock[i])) {
			code = gone_tell(t, time_ms, &t->is.lock[i]);
		}
	}
	for (size_t i = 0; code < 0 && i < t->next.count; i++) {
		code = lock_tell(t, time_ms, find(&t->is, &t->next.lock[i]), &t->next.lock[i]);
	}
	lock_list_done(&t->is);
	t->is = t->next;
	t->next = (struct lock_list){ 0 };
	return code;
}

/* A lock is or was like this. */
static int change_take(struct trace *t, const struct lockstep_change *c)
{
	struct lockstep_lock_info *known = find(&t->is, &c->lock);
	int code = -1;

	if (c->kind == LOCKSTEP_CHANGE_GONE && known) {
		code = gone_tell(t, c->time_ms, known);
		*known = t->is.lock[--t->is.count];
	} else if (c->kind == LOCKSTEP_CHANGE_LOCK) {
		code = lock_tell(t, c->time_ms, known, &c->lock);
		if (known) {
			*known = c->lock;
		} else if (lock_list_add(&c->lock, &t->is) != 0) {
			code = fail(-ENOMEM, "cannot remember the locks");
		}
	}
	return code;
}

/* The lockspace's own changes explain silences. */
static int state_tell(struct trace *t, uint64_t time_ms, const char *state)
{
	char stamp[TEXT_MAX];

	if (t->cli->json) {
		struct json_object *o = json_object_new_object();

		json_put(o, "time_ms", json_object_new_uint64(time_ms));
		json_put(o, "event", json_object_new_string("lockspace"));
		json_put(o, "state", json_object_new_string(state));
		(void)json_print_line(o);
		return line_end(t);
	}
	(void)printf("%s lockspace  %s\n", stamp_text(time_ms, stamp, sizeof(stamp)), state);
	return line_end(t);
}

static int change_visit(const struct lockstep_change *c, void *arg)
{
	struct trace *t = arg;

	switch (c->kind) {
	case LOCKSTEP_CHANGE_SPACE:
		t->code = state_tell(t, c->time_ms, c->state);
		break;
	case LOCKSTEP_CHANGE_AGAIN:
		t->again = true;
		lock_list_done(&t->next);
		if (c->missed > 0) {
			complain("%" PRIu64 " changes were missed", c->missed);
		}
		break;
	case LOCKSTEP_CHANGE_CURRENT:
		t->again = false;
		t->code = differences_tell(t, c->time_ms);
		break;
	default:
		if (!t->again) {
			t->code = change_take(t, c);
		} else if (c->kind == LOCKSTEP_CHANGE_LOCK && lock_list_add(&c->lock, &t->next) != 0) {
			t->code = fail(-ENOMEM, "cannot remember the locks");
		}
		break;
	}
	return t->code >= 0; /* 1 ends it */
}

static int trace_run(struct trace *t, struct lockstep_admin *a)
{
	int error = lockstep_admin_subscribe(a, t->cli->space, t->name, t->name_len);

	t->code = -1;
	while (error == 0 && t->code < 0) {
		error = changes_wait(a);
		if (error == 0) {
			error = lockstep_admin_changes(a, change_visit, t);
		}
	}
	lock_list_done(&t->is);
	lock_list_done(&t->next);
	return t->code >= 0 ? t->code : list_failed(t->cli, error);
}

int verb_trace(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION,
		{ "count", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct trace t = { .cli = cli };
	int option, code = -1;

	while (code < 0 && (option = getopt_long(argc, argv, "hs:n:", options, NULL)) >= 0) {
		if (option == 'n') {
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
