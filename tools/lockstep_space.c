/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep lockspace, fence-ack: the administrator's verbs. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

struct listing {
	struct json_object *json; /* NULL: as a table */
	bool header;
};

static struct listing listing_make(const struct cli *cli)
{
	struct listing l = { .json = cli->json ? json_object_new_array() : NULL };

	return l;
}

static int listing_end(struct listing *l, int error, const char *what)
{
	if (error) {
		(void)json_object_put(l->json);
		return fail(error, "%s", what);
	}
	return l->json ? json_print(l->json) : output_end();
}

/* --- list ------------------------------------------------------------------------------ */

static int space_print(const struct lockstep_space_info *s, void *arg)
{
	struct listing *l = arg;

	if (l->json) {
		return json_object_array_add(l->json, json_space(s)) < 0 ? -ENOMEM : 0;
	}
	if (!l->header) {
		(void)printf("%-16s %-10s %7s %4s %10s %4s %9s %8s %8s %8s\n", "NAME", "STATE",
			     "MEMBERS", "LOST", "GENERATION", "LVB", "RESOURCES", "LOCKS", "WAITING",
			     "SESSIONS");
		l->header = true;
	}
	(void)printf("%-16s %-10s %7" PRIu32 " %4" PRIu32 " %10" PRIu32 " %4u %9" PRIu32 " %8" PRIu32
		     " %8" PRIu32 " %8" PRIu32 "\n",
		     s->name, s->state, s->members, s->lost_members, s->generation, s->lvb_len,
		     s->resources, s->locks, s->waiting, s->local_sessions);
	if (s->reason[0]) {
		(void)printf("  %s\n", s->reason);
	}
	return 0;
}

int space_list(struct cli *cli, struct lockstep_admin *a)
{
	struct listing l = listing_make(cli);

	return listing_end(&l, lockstep_admin_spaces(a, space_print, &l), "list");
}

/* --- members --------------------------------------------------------------------------- */

static int member_print(const struct lockstep_member_info *m, void *arg)
{
	struct listing *l = arg;
	char node[LOCKSTEP_NODE_NAME_MAX + 16];

	if (l->json) {
		return json_object_array_add(l->json, json_member(m)) < 0 ? -ENOMEM : 0;
	}
	if (!l->header) {
		(void)printf("%-16s %-6s %-12s %4s %8s %s\n", "NODE", "ID", "STATE", "SLOT", "LOCKS",
			     "INCARNATION");
		l->header = true;
	}
	(void)printf("%-16s %-6" PRIu32 " %-12s %4" PRIu32 " %8" PRIu32 " %016" PRIx64 "%s\n",
		     node_text(m->name, m->nodeid, node, sizeof(node)), m->nodeid, m->state, m->slot,
		     m->locks, m->incarnation, m->local ? " (this node)" : "");
	return 0;
}

static int space_members(struct cli *cli, struct lockstep_admin *a, const char *space)
{
	struct listing l = listing_make(cli);

	return listing_end(&l, lockstep_admin_members(a, space, member_print, &l), space);
}

/* --- create and release ---------------------------------------------------------------- */

static int space_create(struct lockstep_admin *a, const char *space,
			const struct lockstep_options *options)
{
	progress_begin("joining lockspace \"%s\" (see lockstep status)", space);
	int error = lockstep_admin_space_create_with(a, space, options);

	progress_end();

	if (error == -ETIMEDOUT) {
		complain("lockspace \"%s\" is not ready yet; the daemon goes on trying (see lockstep "
			 "status)",
			 space);
		return EXIT_FAILED;
	}
	if (error == -EPROTO) {
		complain("lockspace \"%s\" is there with other attributes", space);
		return EXIT_FAILED;
	}
	return error ? fail(error, "create \"%s\"", space) : EXIT_OK;
}

static int space_release(struct lockstep_admin *a, const char *space, unsigned int force)
{
	int error = lockstep_admin_space_release(a, space, force);

	switch (error) {
	case 0:
		return EXIT_OK;
	case -EBUSY:
		complain("lockspace \"%s\" is in use on this node (see lockstep locks -s %s, or use "
			 "--force)",
			 space, space);
		return EXIT_FAILED;
	case -ENOENT:
		complain("this node has no lockspace \"%s\"", space);
		return EXIT_FAILED;
	default:
		return fail(error, "release \"%s\"", space);
	}
}

enum {
	OPTION_DEADLOCK_WAIT = OPTION_VERB,
	OPTION_XID_SCOPE,
	OPTION_WARN,
	OPTION_NEW,
	OPTION_CLUSTER,
};

/* What a lockspace is to be like; negative to go on, or the exit code. */
static int attribute_option(const struct verb *verb, int option, struct lockstep_options *o)
{
	switch (option) {
	case OPTION_DEADLOCK_WAIT:
		if (strcmp(optarg, "never") == 0) {
			o->deadlock_wait_ms = -1;
		} else if (seconds_parse(optarg, &o->deadlock_wait_ms) < 0 || o->deadlock_wait_ms == 0) {
			return usage_error(verb, "neither a number of seconds nor never: %s", optarg);
		}
		break;
	case OPTION_XID_SCOPE:
		o->xid_scope = strcmp(optarg, "cluster") == 0 ? LOCKSTEP_XID_SCOPE_CLUSTER :
								LOCKSTEP_XID_SCOPE_NODE;
		if (o->xid_scope == LOCKSTEP_XID_SCOPE_NODE && strcmp(optarg, "node") != 0) {
			return usage_error(verb, "neither node nor cluster: %s", optarg);
		}
		break;
	case OPTION_WARN:
		o->space_flags |= LOCKSTEP_LSFL_TIMEWARN;
		break;
	case OPTION_NEW:
		o->space_flags |= LOCKSTEP_LSFL_NEWEXCL;
		break;
	default:
		o->cluster_name = optarg;
		break;
	}
	return -1;
}

int verb_lockspace(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION,
		{ "lvb-length", required_argument, NULL, 'l' },
		{ "permissions", required_argument, NULL, 'p' },
		{ "wait", required_argument, NULL, 'w' },
		{ "force", no_argument, NULL, 'f' },
		{ "deadlock-wait", required_argument, NULL, OPTION_DEADLOCK_WAIT },
		{ "xid-scope", required_argument, NULL, OPTION_XID_SCOPE },
		{ "warn", no_argument, NULL, OPTION_WARN },
		{ "new", no_argument, NULL, OPTION_NEW },
		{ "cluster", required_argument, NULL, OPTION_CLUSTER },
		{ NULL, 0, NULL, 0 },
	};
	struct lockstep_options attributes = { .timeout_ms = 0 };
	uint64_t lvb_len = 0, mode = 0;
	unsigned int force = 0;
	int option;

	while ((option = getopt_long(argc, argv, "hl:p:w:f", options, NULL)) >= 0) {
		int code = -1;

		switch (option) {
		case 'l':
			if (number_parse(optarg, 10, LOCKSTEP_LVB_MAX, &lvb_len) < 0 || lvb_len < 8 ||
			    lvb_len % 8 != 0) {
				return usage_error(verb, "not a length of lock value blocks: %s",
						   optarg);
			}
			break;
		case 'p':
			if (number_parse(optarg, 8, 0777, &mode) < 0 || mode == 0) {
				return usage_error(verb, "not permission bits: %s", optarg);
			}
			break;
		case 'w':
			if (seconds_parse(optarg, &cli->options.timeout_ms) < 0 ||
			    cli->options.timeout_ms == 0) {
				return usage_error(verb, "not a number of seconds: %s", optarg);
			}
			break;
		case 'f':
			force = force < 2 ? force + 1 : 2;
			break;
		case OPTION_DEADLOCK_WAIT:
		case OPTION_XID_SCOPE:
		case OPTION_WARN:
		case OPTION_NEW:
		case OPTION_CLUSTER:
			code = attribute_option(verb, option, &attributes);
			break;
		default:
			code = option_common(cli, verb, option);
		}
		if (code >= 0) {
			return code;
		}
	}
	if (optind >= argc) {
		return usage_error(verb, "create, release, members or list?");
	}
	const char *what = argv[optind++];
	const char *space = optind < argc ? argv[optind++] : NULL;
	bool create = strcmp(what, "create") == 0, release = strcmp(what, "release") == 0;
	bool members = strcmp(what, "members") == 0, list = strcmp(what, "list") == 0;

	if (!create && !release && !members && !list) {
		return usage_error(verb, "create, release, members or list, not %s", what);
	}
	if ((create || release) && !space) {
		return usage_error(verb, "which lockspace? NAME is missing");
	}
	if (optind < argc || (list && space)) {
		return usage_error(verb, "unexpected argument: %s", argv[argc - 1]);
	}
	struct lockstep_admin *a;
	int code = admin_open(cli, &a);

	if (code) {
		return code;
	}
	if (create) {
		attributes.lvb_len = (uint16_t)lvb_len;
		attributes.mode = (uint16_t)mode;
		code = space_create(a, space, &attributes);
	} else if (release) {
		code = space_release(a, space, force);
	} else if (members) {
		code = space_members(cli, a, space ? space : cli->space);
	} else {
		code = space_list(cli, a);
	}
	lockstep_admin_close(a);
	return code;
}

/* --- fence-ack ------------------------------------------------------------------------- */

int verb_fence_ack(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		int code = option_common(cli, verb, option);

		if (code >= 0) {
			return code;
		}
	}
	if (argc - optind != 1) {
		return usage_error(verb, argc == optind ? "which node? NODE is missing"
							: "one NODE at a time");
	}
	const char *node = argv[optind];
	struct lockstep_admin *a;
	uint32_t nodeid;
	int code = admin_open(cli, &a);

	if (code) {
		return code;
	}
	int error = lockstep_admin_node_id(a, node, &nodeid);

	if (error == 0) {
		error = lockstep_admin_fence_ack(a, nodeid);
	}
	switch (error) {
	case 0:
		(void)printf("node %s is taken for down; what it held is released\n", node);
		code = output_end();
		break;
	case -ENOENT:
		complain("%s is no node of this cluster", node);
		code = EXIT_FAILED;
		break;
	case -EBUSY:
		complain("%s is up and a member; there is nothing to vouch for", node);
		code = EXIT_FAILED;
		break;
	case -EAGAIN:
		complain("this node is not in the quorate part of the cluster; try on another one");
		code = EXIT_FAILED;
		break;
	default:
		code = fail(error, "fence-ack %s", node);
	}
	lockstep_admin_close(a);
	return code;
}
