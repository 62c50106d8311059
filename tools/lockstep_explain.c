/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep explain: in sentences, who holds a lock, who waits for it since when and for whom, what the
 * lockspace itself waits for, which sessions wait for each other in a circle, and what a human can do.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256
#define HOLDERS_SHOWN 4 /* of one waiter, by name */

struct explain {
	struct cli *cli;
	struct lockstep_admin *admin;
	char name[NAME_TEXT_MAX];
	struct lock_list locks;
	struct waits waits;
	struct lockstep_space_info space;
	bool space_found;
	bool quorate;
};

static int space_find(const struct lockstep_space_info *info, void *arg)
{
	struct explain *e = arg;

	if (strcmp(info->name, e->cli->space) == 0) {
		e->space = *info;
		e->space_found = true;
	}
	return 0;
}

/* --- sentences --------------------------------------------------------------------------- */

static int lost_tell(const struct lockstep_member_info *m, void *arg)
{
	const struct explain *e = arg;
	char node[LOCKSTEP_NODE_NAME_MAX + 16], ack[LOCKSTEP_NODE_NAME_MAX + 16];
	char since[TEXT_MAX], when[TEXT_MAX + 16] = "";

	(void)node_text(m->name, m->nodeid, node, sizeof(node));
	if (strcmp(m->state, "lost") == 0) {
		if (m->name[0]) {
			(void)snprintf(ack, sizeof(ack), "%s", m->name);
		} else {
			(void)snprintf(ack, sizeof(ack), "%" PRIu32, m->nodeid);
		}
		if (m->lost_ms) {
			(void)snprintf(when, sizeof(when), " since %s",
				       since_text(m->lost_ms, since, sizeof(since)));
		}
		(void)printf("Node %s is lost%s: it has left without saying so, and nobody knows yet "
			     "whether it still runs.\n",
			     node, when);
		if (m->reason[0] && !strstr(e->space.reason, m->reason)) {
			(void)printf("  %s.\n", m->reason);
		}
		(void)printf("  Its %" PRIu32 " lock%s kept until it was fenced or has come back clean. If "
			     "you are sure that it is off: lockstep fence-ack %s\n",
			     m->locks, m->locks == 1 ? " is" : "s are", ack);
	} else if (strcmp(m->state, "lost-fenced") == 0) {
		(void)printf("Node %s was lost and has been fenced; its %" PRIu32
			     " locks go with the next recovery.\n",
			     node, m->locks);
	}
	return 0;
}

/* What is in the way of one waiter. */
struct in_the_way {
	struct lockstep_lock_info holder[HOLDERS_SHOWN];
	size_t holders;                  /* may be more than are kept */
	struct lockstep_lock_info ahead; /* the nearest */
	size_t aheads;
};

static int blocker_count(const struct lockstep_blocker *b, void *arg)
{
	struct in_the_way *w = arg;

	if (b->by_order) {
		w->ahead = b->lock;
		w->aheads++;
	} else {
		if (w->holders < HOLDERS_SHOWN) {
			w->holder[w->holders] = b->lock;
		}
		w->holders++;
	}
	return 0;
}

/* ", and itself waits for EX on b", when it is another lock that it waits for. */
static void chain_tell(const struct explain *e, const struct lockstep_lock_info *lock)
{
	const struct lockstep_lock_info *next = waits_of_session(&e->waits, lock);
	char name[NAME_TEXT_MAX];

	if (next && next->lkid != lock->lkid) {
		(void)printf(" and itself waits for %s on %s",
			     lockstep_mode_name(next->requested),
			     bytes_escape(next->name, next->name_len, false, name));
	}
}

static void holder_tell(const struct explain *e, const struct lockstep_lock_info *lock, bool last)
{
	char owner[TEXT_MAX];

	(void)printf("  for %s, which holds %s%s", owner_text(lock, owner, sizeof(owner)),
		     lockstep_mode_name(lock->granted), lock->lost ? " and whose node is lost" : "");
	chain_tell(e, lock);
	(void)printf("%s\n", last ? "." : ",");
}

static void way_tell(const struct explain *e, const struct in_the_way *w)
{
	char owner[TEXT_MAX];

	for (size_t i = 0; i < w->holders && i < HOLDERS_SHOWN; i++) {
		holder_tell(e, &w->holder[i], i + 1 == w->holders && w->aheads == 0);
	}
	if (w->holders > HOLDERS_SHOWN) {
		(void)printf("  and %zu other holders%s\n", w->holders - HOLDERS_SHOWN,
			     w->aheads == 0 ? "." : ",");
	}
	if (w->aheads > 0) {
		(void)printf("  behind %s, which asked for %s earlier",
			     owner_text(&w->ahead, owner, sizeof(owner)),
			     lockstep_mode_name(w->ahead.requested));
		if (w->aheads > 1) {
			(void)printf(", and %zu more ahead of that", w->aheads - 1);
		}
		(void)printf(".\n");
	}
	if (w->holders == 0 && w->aheads == 0) {
		(void)printf("  for nobody any more: %s.\n",
			     strcmp(e->space.state, "running") == 0
				     ? "it is being granted, or was withdrawn"
				     : "only for the lockspace to go on");
	}
}

static void lock_tell(struct explain *e, const struct lockstep_lock_info *lock)
{
	char owner[TEXT_MAX], since[TEXT_MAX];
	struct in_the_way way = { .holders = 0 };

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
	(void)lockstep_admin_blockers(e->admin, e->cli->space, lock->nodeid, lock->lkid,
				      blocker_count, &way);
	way_tell(e, &way);
}

static void cycle_tell(const struct wait_cycle *c)
{
	char owner[TEXT_MAX], since[TEXT_MAX], name[NAME_TEXT_MAX], held[NAME_TEXT_MAX];

	if (c->count == 1) {
		const struct lockstep_lock_info *lock = &c->step[0].waits;

		(void)printf("Deadlock: %s waits for %s on %s since %s\n"
			     "  for its own lock in mode %s.\n",
			     owner_text(lock, owner, sizeof(owner)),
			     lockstep_mode_name(lock->requested),
			     bytes_escape(lock->name, lock->name_len, false, name),
			     since_text(lock->time_ms, since, sizeof(since)),
			     lockstep_mode_name(c->step[0].blocker.lock.granted));
		return;
	}
	(void)printf("Deadlock: %zu sessions wait for each other, and none of them can go on.\n",
		     c->count);
	for (size_t i = 0; i < c->count; i++) {
		const struct lockstep_lock_info *lock = &c->step[i].waits;
		/* What this session has that the one before wants. */
		const struct lockstep_blocker *has = &c->step[(i + c->count - 1) % c->count].blocker;

		(void)bytes_escape(has->lock.name, has->lock.name_len, false, held);
		(void)printf("  %s ", owner_text(lock, owner, sizeof(owner)));
		if (has->by_order) {
			(void)printf("stands ahead in the queue of %s", held);
		} else {
			(void)printf("holds %s in mode %s", held,
				     lockstep_mode_name(has->lock.granted));
		}
		(void)printf(" and waits for %s on %s since %s%s\n",
			     lockstep_mode_name(lock->requested),
			     bytes_escape(lock->name, lock->name_len, false, name),
			     since_text(lock->time_ms, since, sizeof(since)),
			     i + 1 < c->count ? "," : ".");
	}
	(void)printf("  It ends when one of them takes back its request, lets go or is ended.\n");
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
	for (size_t i = 0; i < e->waits.cycles_count; i++) {
		cycle_tell(&e->waits.cycles[i]);
	}
	if (e->waits.cut) {
		(void)printf("There are too many waiters to look for all deadlocks.\n");
	}
	/* Without quorum all others are lost, and nobody here may be told to vouch for them. */
	int error = e->space.lost_members == 0 || !e->quorate
			    ? 0
			    : lockstep_admin_members(e->admin, e->cli->space, lost_tell, e);

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

/* --- JSON -------------------------------------------------------------------------------- */

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
		json_put(o, "since_ms", json_object_new_uint64(m->lost_ms));
		json_put(o, "doing", json_object_new_string(m->reason));
		return json_object_array_add(arg, o) < 0 ? -ENOMEM : 0;
	}
	return 0;
}

static struct json_object *cycles_json(const struct waits *w)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < w->cycles_count; i++) {
		struct json_object *cycle = json_object_new_array();

		for (size_t j = 0; j < w->cycles[i].count; j++) {
			const struct wait_step *step = &w->cycles[i].step[j];
			struct json_object *o = json_object_new_object();
			struct json_object *blocker = json_lock(&step->blocker.lock);

			json_put(blocker, "by_order",
				 json_object_new_boolean(step->blocker.by_order));
			json_put(o, "waits", json_lock(&step->waits));
			json_put(o, "for", blocker);
			(void)json_object_array_add(cycle, o);
		}
		(void)json_object_array_add(list, cycle);
	}
	return list;
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
	json_put(o, "deadlocks", cycles_json(&e->waits));
	json_put(o, "deadlocks_complete", json_object_new_boolean(!e->waits.cut));
	(void)lockstep_admin_members(e->admin, e->cli->space, lost_json, lost);
	json_put(o, "lost_nodes", lost);
	return json_print(o);
}

int verb_explain(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct explain e = { .cli = cli };
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	int code = options_plain(cli, verb, argc, argv);

	if (code < 0) {
		code = name_argument(verb, argc, argv, name, &name_len);
	}
	if (code >= 0) {
		return code;
	}
	(void)bytes_escape(name, name_len, false, e.name);
	code = admin_open(cli, &e.admin);
	if (code) {
		return code;
	}
	struct lockstep_status status;

	progress_begin("looking at \"%s\" in lockspace \"%s\"", e.name, cli->space);
	int error = lockstep_admin_status(e.admin, &status);

	if (error == 0) {
		e.quorate = status.quorate;
		error = lockstep_admin_spaces(e.admin, space_find, &e);
	}
	if (error == 0 && !e.space_found) {
		error = -ENOENT;
	}
	if (error == 0) {
		error = lockstep_admin_locks(e.admin, cli->space, name, name_len, lock_list_add,
					     &e.locks);
	}
	if (error == 0) {
		error = waits_find(e.admin, cli->space, &e.locks, &e.waits);
	}
	if (error) {
		code = list_failed(cli, error);
	} else {
		code = cli->json ? explain_json(&e) : explain_text(&e);
	}
	progress_end();
	waits_done(&e.waits);
	lock_list_done(&e.locks);
	lockstep_admin_close(e.admin);
	return code;
}
