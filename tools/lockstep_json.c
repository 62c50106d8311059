/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lockstep(1) writes as JSON: one object for each kind of row, whichever verb shows it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

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

static int print_as(struct json_object *object, int flags)
{
	const char *text = json_object_to_json_string_ext(object, flags);

	json_check(text);
	(void)puts(text);
	(void)json_object_put(object);
	return output_end();
}

int json_print(struct json_object *object)
{
	return print_as(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
}

int json_print_line(struct json_object *object)
{
	return print_as(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
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

struct json_object *json_space(const struct lockstep_space_info *s)
{
	struct json_object *o = json_object_new_object();
	char digest[20];

	(void)snprintf(digest, sizeof(digest), "%016" PRIx64, s->digest);
	json_put(o, "name", json_object_new_string(s->name));
	json_put(o, "state", json_object_new_string(s->state));
	json_put(o, "reason", json_object_new_string(s->reason));
	json_put(o, "seq", json_object_new_uint64(s->seq));
	json_put(o, "stable", json_object_new_uint64(s->stable));
	json_put(o, "digest", json_object_new_string(digest));
	json_put(o, "epoch", json_object_new_uint64(s->epoch));
	json_put(o, "history", json_object_new_uint64(s->history));
	json_put(o, "generation", json_object_new_int64(s->generation));
	json_put(o, "lvb_length", json_object_new_int(s->lvb_len));
	json_put(o, "members", json_object_new_int64(s->members));
	json_put(o, "lost_members", json_object_new_int64(s->lost_members));
	json_put(o, "resources", json_object_new_int64(s->resources));
	json_put(o, "locks", json_object_new_int64(s->locks));
	json_put(o, "waiting", json_object_new_int64(s->waiting));
	json_put(o, "sessions", json_object_new_int64(s->sessions));
	json_put(o, "local_sessions", json_object_new_int64(s->local_sessions));
	return o;
}

struct json_object *json_member(const struct lockstep_member_info *m)
{
	struct json_object *o = json_object_new_object();

	json_put(o, "node", json_object_new_string(m->name));
	json_put(o, "nodeid", json_object_new_int64(m->nodeid));
	json_put(o, "state", json_object_new_string(m->state));
	json_put(o, "slot", json_object_new_int64(m->slot));
	json_put(o, "incarnation", json_object_new_uint64(m->incarnation));
	json_put(o, "local", json_object_new_boolean(m->local));
	json_put(o, "locks", json_object_new_int64(m->locks));
	return o;
}

struct json_object *json_status(const struct lockstep_status *status)
{
	struct json_object *o = json_object_new_object();

	json_put(o, "version", json_object_new_string(status->version));
	json_put(o, "cluster", json_object_new_string(status->cluster_name));
	json_put(o, "node", json_object_new_string(status->node_name));
	json_put(o, "nodeid", json_object_new_int64(status->nodeid));
	json_put(o, "standalone", json_object_new_boolean(status->standalone));
	json_put(o, "corosync", json_object_new_boolean(status->corosync));
	json_put(o, "quorate", json_object_new_boolean(status->quorate));
	json_put(o, "ring_nodeid", json_object_new_int64(status->ring_nodeid));
	json_put(o, "ring_seq", json_object_new_uint64(status->ring_seq));
	json_put(o, "sessions", json_object_new_int64(status->sessions));
	json_put(o, "uptime_ms", json_object_new_uint64(status->uptime_ms));
	json_put(o, "state", json_object_new_string(status->state));
	json_put(o, "reason", json_object_new_string(status->reason));
	json_put(o, "fencing", json_object_new_string(status->fencing));
	json_put(o, "unfenced", json_object_new_boolean(status->unfenced));
	return o;
}
