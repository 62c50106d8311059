/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep status, digest, events: what the daemon of this node says about itself. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define WORDS_MAX 512

struct spaces {
	struct lockstep_space_info *info;
	size_t count;
	size_t capacity;
};

/* Names of nodes, with blanks between. */
struct words {
	char text[WORDS_MAX];
	size_t size;
};

static int spaces_add(const struct lockstep_space_info *info, void *arg)
{
	struct spaces *s = arg;

	if (s->count == s->capacity) {
		size_t capacity = s->capacity ? s->capacity * 2 : 16;
		void *more = realloc(s->info, capacity * sizeof(*info));

		if (!more) {
			return -ENOMEM;
		}
		s->info = more;
		s->capacity = capacity;
	}
	s->info[s->count++] = *info;
	return 0;
}

static void words_add(struct words *w, const char *word)
{
	char padded[WORDS_MAX];

	/* Several lockspaces have lost the same node; it is named once. */
	(void)snprintf(padded, sizeof(padded), " %s ", word);
	char all[WORDS_MAX + 2];

	(void)snprintf(all, sizeof(all), " %s ", w->text);
	if (strstr(all, padded) || w->size + strlen(word) + 2 > sizeof(w->text)) {
		return;
	}
	w->size += (size_t)snprintf(w->text + w->size, sizeof(w->text) - w->size, "%s%s",
				    w->size ? " " : "", word);
}

static int lost_name_add(const struct lockstep_member_info *info, void *arg)
{
	char node[LOCKSTEP_NODE_NAME_MAX + 16];

	if (strcmp(info->state, "lost") == 0) {
		if (info->name[0]) {
			words_add(arg, info->name);
		} else {
			(void)snprintf(node, sizeof(node), "%" PRIu32, info->nodeid);
			words_add(arg, node);
		}
	}
	return 0;
}

/* Nodes that are lost and not fenced, of all lockspaces. A lockspace that was left between two
 * queries has none. */
static int lost_collect(struct lockstep_admin *a, const struct spaces *spaces, struct words *ret)
{
	for (size_t i = 0; i < spaces->count; i++) {
		int error = spaces->info[i].lost_members == 0
				    ? 0
				    : lockstep_admin_members(a, spaces->info[i].name, lost_name_add, ret);

		if (error && error != -ENOENT) {
			return error;
		}
	}
	return 0;
}

static bool healthy(const struct lockstep_status *status, const struct words *lost)
{
	return strcmp(status->state, "ok") == 0 && lost->size == 0;
}

/* One short line that does not change while nothing happens: it becomes a node attribute. */
static void summary_print(const struct lockstep_status *status, const struct spaces *spaces,
			  const struct words *lost)
{
	uint64_t locks = 0;
	const char *space = NULL;

	for (size_t i = 0; i < spaces->count; i++) {
		locks += spaces->info[i].locks;
		if (!space && strcmp(spaces->info[i].state, status->state) == 0) {
			space = spaces->info[i].name;
		}
	}
	if (strcmp(status->state, "ok") == 0 && lost->size > 0) {
		(void)printf("waiting %s\n", lost->text);
	} else if (strcmp(status->state, "ok") == 0) {
		(void)printf("ok %zuls %" PRIu64 "lk%s\n", spaces->count, locks,
			     status->unfenced ? " nofencing" : "");
	} else {
		(void)printf("%s%s%s%s%s\n", status->state, space ? " " : "", space ? space : "",
			     lost->size ? " lost " : "", lost->text);
	}
}

/* Whom this node has lost is news only where the cluster goes on: in a part without quorum it is
 * everybody else, and nobody there may be told to vouch for them. */
static bool lost_matter(const struct lockstep_status *status)
{
	return status->quorate || status->standalone;
}

static void status_print(const struct lockstep_status *status, const struct spaces *spaces)
{
	char node[LOCKSTEP_NODE_NAME_MAX + 16];

	(void)printf("lockstepd %s on %s (node %" PRIu32 ")", status->version,
		     node_text(status->node_name, status->nodeid, node, sizeof(node)),
		     status->nodeid);
	if (status->cluster_name[0]) {
		(void)printf(", cluster %s", status->cluster_name);
	}
	(void)printf(", up %" PRIu64 " s\n", status->uptime_ms / 1000);
	/* A package leaves the daemon that runs alone. */
	if (strcmp(status->version, lockstep_version()) != 0) {
		(void)printf("version: lockstepd runs as %s, this command is %s; a daemon that was upgraded, too, is "
			     "new from its next start on (UPGRADE in lockstepd(8))\n",
			     status->version, lockstep_version());
	}
	if (status->standalone) {
		(void)printf("cluster: none (standalone)\n");
	} else {
		(void)printf("cluster: %s", status->corosync ? "connected to corosync"
							     : "corosync cannot be reached");
		if (status->corosync) {
			(void)printf(", %s, ring %" PRIu32 ".%" PRIx64,
				     status->quorate ? "quorate" : "no quorum",
				     status->ring_nodeid, status->ring_seq);
		}
		(void)printf("\n");
	}
	if (status->fencing[0]) {
		(void)printf("fencing: %s\n", status->fencing);
	}
	(void)printf("state: %s%s%s\n", status->state, status->reason[0] ? ": " : "",
		     status->reason);
	for (size_t i = 0; i < spaces->count; i++) {
		const struct lockstep_space_info *s = &spaces->info[i];

		(void)printf("lockspace %s: %s; members %" PRIu32 ", lost %" PRIu32
			     ", resources %" PRIu32 ", locks %" PRIu32 " (waiting %" PRIu32
			     "), sessions %" PRIu32 " (here %" PRIu32 ")\n",
			     s->name, s->state, s->members, s->lost_members, s->resources, s->locks,
			     s->waiting, s->sessions, s->local_sessions);
		if (s->reason[0] && !strstr(status->reason, s->reason)) {
			(void)printf("  %s\n", s->reason);
		}
	}
}

/* Everything that is known of the lost nodes, lockspace by lockspace. */
static int lost_print(struct lockstep_admin *a, const struct lockstep_status *status,
		      const struct spaces *spaces)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < spaces->count; i++) {
		const struct lockstep_space_info *s = &spaces->info[i];

		if (s->lost_members > 0) {
			const char *said = strstr(status->reason, s->reason) ? status->reason : s->reason;

			error = lost_nodes_tell(a, s->name, said);
		}
	}
	return error;
}

static void lost_json(const struct lockstep_space_info *s, const struct lost_list *lost,
		      struct json_object *ret)
{
	for (size_t i = 0; i < lost->count; i++) {
		const struct lockstep_member_info *m = &lost->member[i];
		struct json_object *o = json_object_new_object();
		time_t seconds = (time_t)(m->lost_ms / 1000);
		struct tm then;
		char since[40] = "";

		if (m->lost_ms != 0 && localtime_r(&seconds, &then)) {
			(void)strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%S%z", &then);
		}
		json_put(o, "lockspace", json_object_new_string(s->name));
		json_put(o, "lost_node", json_object_new_string(m->name));
		json_put(o, "nodeid", json_object_new_int64(m->nodeid));
		json_put(o, "since", json_object_new_string(since));
		json_put(o, "since_ms", json_object_new_uint64(m->lost_ms));
		json_put(o, "locks", json_object_new_int64(m->locks));
		json_put(o, "doing", json_object_new_string(m->reason));
		(void)json_object_array_add(ret, o);
	}
}

/* A lockspace that was left meanwhile has none. */
static struct json_object *lost_list_json(struct lockstep_admin *a, const struct spaces *spaces)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < spaces->count; i++) {
		struct lost_list lost = { .count = 0 };

		if (spaces->info[i].lost_members > 0 &&
		    lockstep_admin_members(a, spaces->info[i].name, lost_add, &lost) == 0) {
			lost_json(&spaces->info[i], &lost, list);
		}
	}
	return list;
}

static void status_json(struct lockstep_admin *a, const struct lockstep_status *status,
			const struct spaces *spaces, const struct words *lost)
{
	struct json_object *o = json_status(status);
	struct json_object *list = json_object_new_array();
	struct json_object *nodes = json_object_new_array();
	char names[WORDS_MAX], *rest = names, *name;

	json_put(o, "healthy", json_object_new_boolean(healthy(status, lost)));
	memcpy(names, lost->text, sizeof(names));
	while ((name = strsep(&rest, " "))) {
		if (*name) {
			(void)json_object_array_add(nodes, json_object_new_string(name));
		}
	}
	json_put(o, "lost_nodes", nodes);
	if (lost->size > 0) {
		json_put(o, "lost", lost_list_json(a, spaces));
	}
	for (size_t i = 0; i < spaces->count; i++) {
		(void)json_object_array_add(list, json_space(&spaces->info[i]));
	}
	json_put(o, "lockspaces", list);
	(void)json_print(o);
}

int verb_status(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION,
		{ "summary", no_argument, NULL, OPTION_SUMMARY },
		{ NULL, 0, NULL, 0 },
	};
	bool summary = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option == OPTION_SUMMARY) {
			summary = true;
			continue;
		}
		int code = option_common(cli, verb, option);

		if (code >= 0) {
			return code;
		}
	}
	if (optind < argc) {
		return usage_error(verb, "unexpected argument: %s", argv[optind]);
	}
	if (summary && cli->json) {
		return usage_error(verb, "--summary and --json exclude each other");
	}
	struct lockstep_admin *a;
	struct lockstep_status status;
	struct spaces spaces = { 0 };
	struct words lost = { .size = 0 };
	int code = admin_open(cli, &a);

	if (code) {
		return code;
	}
	int error = lockstep_admin_status(a, &status);

	if (error == 0) {
		error = lockstep_admin_spaces(a, spaces_add, &spaces);
	}
	if (error == 0 && lost_matter(&status)) {
		error = lost_collect(a, &spaces, &lost);
	}
	if (error) {
		code = fail(error, "status");
	} else {
		if (summary) {
			summary_print(&status, &spaces, &lost);
		} else if (cli->json) {
			status_json(a, &status, &spaces, &lost);
		} else {
			status_print(&status, &spaces);
			error = lost.size > 0 ? lost_print(a, &status, &spaces) : 0;
		}
		code = error ? fail(error, "status") : output_end();
		if (code == EXIT_OK && !healthy(&status, &lost)) {
			code = EXIT_FAILED;
		}
	}
	free(spaces.info);
	lockstep_admin_close(a);
	return code;
}

/* --- digest ---------------------------------------------------------------------------- */

int verb_digest(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	int code = options_plain(cli, verb, argc, argv);

	if (code >= 0) {
		return code;
	}
	if (optind < argc) {
		return usage_error(verb, "unexpected argument: %s", argv[optind]);
	}
	struct lockstep_admin *a;
	struct spaces spaces = { 0 };

	code = admin_open(cli, &a);
	if (code) {
		return code;
	}
	int error = lockstep_admin_spaces(a, spaces_add, &spaces);
	const struct lockstep_space_info *info = NULL;

	for (size_t i = 0; i < spaces.count; i++) {
		if (strcmp(spaces.info[i].name, cli->space) == 0) {
			info = &spaces.info[i];
		}
	}
	if (error) {
		code = fail(error, "digest");
	} else if (!info) {
		complain("this node has no lockspace \"%s\"", cli->space);
		code = EXIT_FAILED;
	} else if (cli->json) {
		code = json_print(json_space(info));
	} else {
		(void)printf("%s seq %" PRIu64 " digest %016" PRIx64 "\n", info->name, info->seq,
			     info->digest);
		code = output_end();
	}
	free(spaces.info);
	lockstep_admin_close(a);
	return code;
}

/* --- events ---------------------------------------------------------------------------- */

static int event_print(const char *line, void *arg)
{
	struct json_object *list = arg;
	char text[ESCAPED_MAX(1024)];

	(void)bytes_escape(line, strnlen(line, 1024), true, text);
	if (list) {
		return json_object_array_add(list, json_object_new_string(text)) < 0 ? -ENOMEM : 0;
	}
	(void)puts(text);
	return 0;
}

int verb_events(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		int code = option_common(cli, verb, option);

		if (code >= 0) {
			return code;
		}
	}
	if (optind < argc) {
		return usage_error(verb, "unexpected argument: %s", argv[optind]);
	}
	struct lockstep_admin *a;
	int code = admin_open(cli, &a);

	if (code) {
		return code;
	}
	struct json_object *list = cli->json ? json_object_new_array() : NULL;
	int error = lockstep_admin_events(a, event_print, list);

	if (error) {
		code = fail(error, "events");
		(void)json_object_put(list);
	} else {
		code = list ? json_print(list) : output_end();
	}
	lockstep_admin_close(a);
	return code;
}
