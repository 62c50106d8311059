/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep ls: the lockspaces of this node, or the resources of one of them. A listing of locks comes
 * in the order of names, so that one resource is held in memory at a time.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

struct resources {
	struct json_object *list; /* NULL: as a table */
	bool header;
	/* The one that rows are being counted of. */
	bool open;
	struct lockstep_lock_info first;
	int held; /* most severe granted mode */
	uint32_t granted;
	uint32_t converting;
	uint32_t waiting;
};

static int resource_show(struct resources *r)
{
	char name[NAME_TEXT_MAX];

	(void)bytes_escape(r->first.name, r->first.name_len, false, name);
	if (r->list) {
		struct json_object *o = json_object_new_object();

		json_put(o, "name", json_object_new_string(name));
		if (r->held != LOCKSTEP_LOCK_IV) {
			json_put(o, "held", json_object_new_string(lockstep_mode_name(r->held)));
		}
		json_put(o, "granted", json_object_new_int64(r->granted));
		json_put(o, "converting", json_object_new_int64(r->converting));
		json_put(o, "waiting", json_object_new_int64(r->waiting));
		json_put(o, "lvb_invalid", json_object_new_boolean(r->first.lvb_invalid));
		return json_object_array_add(r->list, o) < 0 ? -ENOMEM : 0;
	}
	if (!r->header) {
		(void)printf("%-32s %-4s %8s %10s %8s %s\n", "NAME", "HELD", "GRANTED", "CONVERTING",
			     "WAITING", "NOTES");
		r->header = true;
	}
	(void)printf("%-32s %-4s %8" PRIu32 " %10" PRIu32 " %8" PRIu32 " %s\n", name,
		     lockstep_mode_name(r->held), r->granted, r->converting, r->waiting,
		     r->first.lvb_invalid ? "LVB invalid" : "-");
	return 0;
}

static int resource_count(const struct lockstep_lock_info *lock, void *arg)
{
	struct resources *r = arg;

	progress_row();
	if (!r->open || lock->name_len != r->first.name_len ||
	    memcmp(lock->name, r->first.name, lock->name_len) != 0) {
		int error = r->open ? resource_show(r) : 0;

		if (error) {
			return error;
		}
		*r = (struct resources){
			.list = r->list,
			.header = r->header,
			.open = true,
			.first = *lock,
			.held = LOCKSTEP_LOCK_IV,
		};
	}
	if (lock->granted > r->held) {
		r->held = lock->granted;
	}
	r->granted += lock->queue == 'G';
	r->converting += lock->queue == 'C';
	r->waiting += lock->queue == 'W';
	return 0;
}

static int resources_list(struct cli *cli, struct lockstep_admin *a, const char *space)
{
	struct resources r = { .list = cli->json ? json_object_new_array() : NULL };

	cli->space = space;
	progress_begin("listing the locks of lockspace \"%s\"", space);
	int error = lockstep_admin_locks(a, space, NULL, 0, resource_count, &r);

	progress_end();
	if (error == 0 && r.open) {
		error = resource_show(&r);
	}
	if (error) {
		(void)json_object_put(r.list);
		return list_failed(cli, error);
	}
	return r.list ? json_print(r.list) : output_end();
}

int verb_ls(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	int code = options_plain(cli, verb, argc, argv);

	if (code >= 0) {
		return code;
	}
	if (argc - optind > 1) {
		return usage_error(verb, "unexpected argument: %s", argv[optind + 1]);
	}
	struct lockstep_admin *a;

	code = admin_open(cli, &a);
	if (code) {
		return code;
	}
	const char *space = argc > optind ? argv[optind] : cli->space_given ? cli->space : NULL;

	code = space ? resources_list(cli, a, space) : space_list(cli, a);
	lockstep_admin_close(a);
	return code;
}
