/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep locks, explain: who holds what, who waits, and for whom. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256

static int verb_options(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION, { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "hs:", options, NULL)) >= 0) {
		int code = option_common(cli, verb, option);

		if (code >= 0) {
			return code;
		}
	}
	return -1;
}

static int list_failed(struct cli *cli, int error)
{
	if (error == -ENOENT) {
		complain("this node has no lockspace \"%s\"", cli->space);
		return EXIT_FAILED;
	}
	return fail(error, "lockspace \"%s\"", cli->space);
}

/* --- locks ----------------------------------------------------------------------------- */

static int lock_print(const struct lockstep_lock_info *lock, void *arg)
{
	char name[NAME_TEXT_MAX], modes[16], node[LOCKSTEP_NODE_NAME_MAX + 16], since[TEXT_MAX];
	char comm[ESCAPED_MAX(LOCKSTEP_COMM_MAX)];
	bool *header = arg;

	if (!*header) {
		(void)printf("%-20s %-10s %-6s %-8s %-8s %-16s %-12s %s\n", "NAME", "STATE", "MODE",
			     "NODE", "PID", "COMMAND", "TOKEN", "SINCE");
		*header = true;
	}
	(void)printf("%-20s %-10s %-6s %-8s %-8" PRIu32 " %-16s %-12" PRIu64 " %s%s%s%s\n",
		     bytes_escape(lock->name, lock->name_len, false, name),
		     queue_text(lock->queue), modes_text(lock, modes, sizeof(modes)),
		     node_text(lock->node_name, lock->nodeid, node, sizeof(node)), lock->pid,
		     bytes_escape(lock->comm, strlen(lock->comm), false, comm), lock->token,
		     since_text(lock->time_ms, since, sizeof(since)),
		     lock->session == 0 ? ", orphan" : "", lock->lost ? ", node lost" : "",
		     lock->lvb_invalid ? ", LVB invalid" : "");
	return 0;
}

static int lock_json(const struct lockstep_lock_info *lock, void *arg)
{
	return json_object_array_add(arg, json_lock(lock)) < 0 ? -ENOMEM : 0;
}

int verb_locks(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len = 0;
	bool header = false;
	int code = verb_options(cli, verb, argc, argv);

	if (code >= 0) {
		return code;
	}
	if (argc - optind > 1) {
		return usage_error(verb, "unexpected argument: %s", argv[optind + 1]);
	}
	bool one = argc > optind;

	if (one && name_parse(argv[optind], name, &name_len) < 0) {
		return usage_error(verb, "not a resource name: %s", argv[optind]);
	}
	struct lockstep_admin *a;

	code = admin_open(cli, &a);
	if (code) {
		return code;
	}
	struct json_object *list = cli->json ? json_object_new_array() : NULL;
	int error = lockstep_admin_locks(a, cli->space, one ? name : NULL, name_len,
					 list ? lock_json : lock_print,
					 list ? (void *)list : (void *)&header);

	if (error) {
		code = list_failed(cli, error);
		(void)json_object_put(list);
	} else {
		code = list ? json_print(list) : output_end();
	}
	lockstep_admin_close(a);
	return code;
}

/* --- explain --------------------------------------------------------------------------- */

struct lock_list {
	struct lockstep_lock_info *lock;
	size_t count;
	size_t capacity;
};

struct explain {
	struct cli *cli;
	struct lockstep_admin *admin;
	char name[NAME_TEXT_MAX];
	struct lock_list locks;
	struct lockstep_space_info space;
	bool space_found;
	bool quorate;
};

static int list_add(const struct lockstep_lock_info *lock, void *arg)
{
	struct lock_list *l = arg;

	if (l->count == l->capacity) {
		size_t capacity = l->capacity ? l->capacity * 2 : 16;
		void *more = realloc(l->lock, capacity * sizeof(*lock));

		if (!more) {
			return -ENOMEM;
		}
		l->lock = more;
		l->capacity = capacity;
	}
	l->lock[l->count++] = *lock;
	return 0;
}

static int space_find(const struct lockstep_space_info *info, void *arg)
{
	struct explain *e = arg;

	if (strcmp(info->name, e->cli->space) == 0) {
		e->space = *info;
		e->space_found = true;
	}
	return 0;
}

static int lost_tell(const struct lockstep_member_info *m, void *arg)
{
	char node[LOCKSTEP_NODE_NAME_MAX + 16];

	(void)arg;
	(void)node_text(m->name, m->nodeid, node, sizeof(node));
	if (strcmp(m->state, "lost") == 0) {
		(void)printf("Node %s is lost: it has left without saying so, and nobody knows yet "
			     "whether it still runs.\n"
			     "  Its %" PRIu32 " lock%s kept until it was fenced or has come back "
			     "clean. If you are sure that it is off: lockstep fence-ack %s\n",
			     node, m->locks, m->locks == 1 ? " is" : "s are", m->name[0] ? m->name : node + strlen("node "));
	} else if (strcmp(m->state, "lost-fenced") == 0) {
		(void)printf("Node %s was lost and has been fenced; its %" PRIu32
			     " locks go with the next recovery.\n",
			     node, m->locks);
	}
	return 0;
}

static int blocker_tell(const struct lockstep_blocker *b, void *arg)
{
	const struct lockstep_lock_info *lock = &b->lock;
	size_t *count = arg;
	char owner[TEXT_MAX];

	(void)owner_text(lock, owner, sizeof(owner));
	if (b->by_order) {
		(void)printf("  behind %s, which asked for %s earlier.\n", owner,
			     lockstep_mode_name(lock->requested));
	} else if (lock->queue == 'G' || lock->granted != LOCKSTEP_LOCK_IV) {
		(void)printf("  for %s, which holds %s%s.\n", owner,
			     lockstep_mode_name(lock->granted),
			     lock->lost ? " and whose node is lost" : "");
	} else {
		(void)printf("  for %s, which waits for %s.\n", owner,
			     lockstep_mode_name(lock->requested));
	}
	(*count)++;
	return 0;
}

static void lock_tell(struct explain *e, const struct lockstep_lock_info *lock)
{
	char owner[TEXT_MAX], since[TEXT_MAX];
	size_t count = 0;

	(void)owner_text(lock, owner, sizeof(owner));
	(void)since_text(lock->time_ms, since, sizeof(since));
	if (lock->queue == 'G') {
		(void)printf("Held in mode %s by %s since %s, token %" PRIu64 "%s.\n",
			     lockstep_mode_name(lock->granted), owner, since, lock->token,
			     lock->lost ? "; its node is lost" : "");
		return;
	}
	if (lock->queue == 'C') {
		(void)printf("%s holds %s and waits for %s since %s,\n", owner,
			     lockstep_mode_name(lock->granted), lockstep_mode_name(lock->requested),
			     since);
	} else {
		(void)printf("%s waits for %s since %s,\n", owner,
			     lockstep_mode_name(lock->requested), since);
	}
	/* It may have been granted or withdrawn since the list was made. */
	(void)lockstep_admin_blockers(e->admin, e->cli->space, lock->nodeid, lock->lkid, blocker_tell,
				      &count);
	if (count == 0) {
		(void)printf("  for nobody any more: %s.\n",
			     strcmp(e->space.state, "running") == 0
				     ? "it is being granted, or was withdrawn"
				     : "only for the lockspace to go on");
	}
}

static int explain_text(struct explain *e)
{
	if (strcmp(e->space.state, "running") != 0) {
		(void)printf("Lockspace %s is %s%s%s.\n", e->space.name, e->space.state,
			     e->space.reason[0] ? ": " : "", e->space.reason);
	}
	if (e->locks.count == 0) {
		(void)printf("Nobody holds \"%s\" in lockspace %s or waits for it.\n", e->name,
			     e->space.name);
	}
	for (size_t i = 0; i < e->locks.count; i++) {
		lock_tell(e, &e->locks.lock[i]);
	}
	/* Without quorum all others are lost, and nobody here may be told to vouch for them. */
	int error = e->space.lost_members == 0 || !e->quorate
			    ? 0
			    : lockstep_admin_members(e->admin, e->cli->space, lost_tell, NULL);

	if (error && error != -ENOENT) {
		return list_failed(e->cli, error);
	}
	for (size_t i = 0; i < e->locks.count; i++) {
		if (e->locks.lock[i].lvb_invalid) {
			(void)printf("The lock value block is invalid: its last writer died.\n");
			break;
		}
	}
	return output_end();
}

static int blocker_json(const struct lockstep_blocker *b, void *arg)
{
	struct json_object *o = json_lock(&b->lock);

	json_put(o, "by_order", json_object_new_boolean(b->by_order));
	return json_object_array_add(arg, o) < 0 ? -ENOMEM : 0;
}

static int lost_json(const struct lockstep_member_info *m, void *arg)
{
	if (strncmp(m->state, "lost", 4) == 0) {
		struct json_object *o = json_object_new_object();

		json_put(o, "node", json_object_new_string(m->name));
		json_put(o, "nodeid", json_object_new_int64(m->nodeid));
		json_put(o, "state", json_object_new_string(m->state));
		json_put(o, "locks", json_object_new_int64(m->locks));
		return json_object_array_add(arg, o) < 0 ? -ENOMEM : 0;
	}
	return 0;
}

static int explain_json(struct explain *e)
{
	struct json_object *o = json_object_new_object();
	struct json_object *holders = json_object_new_array();
	struct json_object *waiters = json_object_new_array();
	struct json_object *lost = json_object_new_array();

	json_put(o, "name", json_object_new_string(e->name));
	json_put(o, "lockspace", json_object_new_string(e->space.name));
	json_put(o, "state", json_object_new_string(e->space.state));
	json_put(o, "reason", json_object_new_string(e->space.reason));
	for (size_t i = 0; i < e->locks.count; i++) {
		const struct lockstep_lock_info *lock = &e->locks.lock[i];
		struct json_object *l = json_lock(lock);

		if (lock->queue != 'G') {
			struct json_object *blockers = json_object_new_array();

			(void)lockstep_admin_blockers(e->admin, e->cli->space, lock->nodeid,
						      lock->lkid, blocker_json, blockers);
			json_put(l, "blockers", blockers);
		}
		(void)json_object_array_add(lock->queue == 'G' ? holders : waiters, l);
	}
	json_put(o, "holders", holders);
	json_put(o, "waiters", waiters);
	(void)lockstep_admin_members(e->admin, e->cli->space, lost_json, lost);
	json_put(o, "lost_nodes", lost);
	return json_print(o);
}

int verb_explain(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct explain e = { .cli = cli };
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	int code = verb_options(cli, verb, argc, argv);

	if (code >= 0) {
		return code;
	}
	if (argc - optind != 1) {
		return usage_error(verb, argc == optind ? "which lock? NAME is missing"
							: "one NAME only");
	}
	if (name_parse(argv[optind], name, &name_len) < 0) {
		return usage_error(verb, "not a resource name: %s", argv[optind]);
	}
	(void)bytes_escape(name, name_len, false, e.name);
	code = admin_open(cli, &e.admin);
	if (code) {
		return code;
	}
	struct lockstep_status status;
	int error = lockstep_admin_status(e.admin, &status);

	if (error == 0) {
		e.quorate = status.quorate;
		error = lockstep_admin_spaces(e.admin, space_find, &e);
	}
	if (error == 0 && !e.space_found) {
		error = -ENOENT;
	}
	if (error == 0) {
		error = lockstep_admin_locks(e.admin, cli->space, name, name_len, list_add, &e.locks);
	}
	if (error) {
		code = list_failed(cli, error);
	} else {
		code = cli->json ? explain_json(&e) : explain_text(&e);
	}
	free(e.locks.lock);
	lockstep_admin_close(e.admin);
	return code;
}

/* --- for run --------------------------------------------------------------------------- */

static int holder_tell(const struct lockstep_lock_info *lock, void *arg)
{
	char owner[TEXT_MAX], since[TEXT_MAX];

	(void)arg;
	if (lock->queue == 'G') {
		complain("held in mode %s by %s since %s%s", lockstep_mode_name(lock->granted),
			 owner_text(lock, owner, sizeof(owner)),
			 since_text(lock->time_ms, since, sizeof(since)),
			 lock->lost ? "; its node is lost (see lockstep explain)" : "");
	}
	return 0;
}

void holders_tell(struct cli *cli, const uint8_t *name, size_t name_len)
{
	struct lockstep_options options = { .ipc_name = cli->options.ipc_name, .timeout_ms = 1000 };
	struct lockstep_admin *a;

	if (lockstep_admin_open(&options, &a) == 0) {
		(void)lockstep_admin_locks(a, cli->space, name, name_len, holder_tell, NULL);
		lockstep_admin_close(a);
	}
}
