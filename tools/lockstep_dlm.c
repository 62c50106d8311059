/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep dlm: what an administrator knows from dlm_tool(8), in its words, so that scripts and runbooks
 * carry over (R-ABI-26). Fields that mean nothing here are left out, not made up. Lockstep's own views,
 * which tell more, are ls, locks, status and explain.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lockstep.h"

struct node_row {
	uint32_t nodeid;
	bool member; /* of some lockspace, and lost in none */
	bool lost;   /* in some lockspace, and not fenced */
	char name[LOCKSTEP_NODE_NAME_MAX + 1];
};

struct view {
	struct lockstep_admin *admin;
	const char *only; /* ls NAME */
	bool all_nodes;
	bool others; /* lockdump -M */
	bool header;
	bool quorate;
	uint32_t nodeid;
	/* status: nodes of all lockspaces; ls: of the one that is being shown */
	struct node_row *rows;
	size_t count;
};

static bool counts(const struct lockstep_member_info *m)
{
	return strcmp(m->state, "member") == 0;
}

static int row_add(const struct lockstep_member_info *m, void *arg)
{
	struct view *v = arg;
	struct node_row *row = NULL;

	for (size_t i = 0; i < v->count; i++) {
		row = v->rows[i].nodeid == m->nodeid ? &v->rows[i] : row;
	}
	if (!row) {
		struct node_row *more = realloc(v->rows, (v->count + 1) * sizeof(*more));

		if (!more) {
			return -ENOMEM;
		}
		v->rows = more;
		row = &v->rows[v->count++];
		*row = (struct node_row){ .nodeid = m->nodeid };
		memcpy(row->name, m->name, sizeof(row->name));
	}
	row->member = row->member || counts(m);
	row->lost = row->lost || strcmp(m->state, "lost") == 0;
	return 0;
}

static int row_compare(const void *a, const void *b)
{
	uint32_t left = ((const struct node_row *)a)->nodeid;
	uint32_t right = ((const struct node_row *)b)->nodeid;

	return left < right ? -1 : left > right;
}

static int rows_load(struct view *v, const char *space)
{
	int error = lockstep_admin_members(v->admin, space, row_add, v);

	if (v->count > 0) {
		qsort(v->rows, v->count, sizeof(*v->rows), row_compare);
	}
	return error == -ENOENT ? 0 : error; /* just left */
}

/* --- ls ---------------------------------------------------------------------------------- */

static const char *waits_for(const struct view *v, const struct lockstep_space_info *s)
{
	if (!v->quorate) {
		return "quorum";
	}
	return s->lost_members > 0 ? "fencing" : "messages";
}

static int space_show(const struct lockstep_space_info *s, void *arg)
{
	struct view *v = arg;
	bool running = strcmp(s->state, "running") == 0;

	if (v->only && strcmp(v->only, s->name) != 0) {
		return 0;
	}
	v->count = 0;
	int error = rows_load(v, s->name);

	if (error) {
		return error;
	}
	(void)printf("%sname          %s\n", v->header ? "" : "dlm lockspaces\n", s->name);
	v->header = true;
	(void)printf("id            0x%08" PRIx32 "\n", (uint32_t)s->history);
	(void)printf("flags         0x%08x %s\n", 0, running ? "" : s->state);
	(void)printf("change        member %" PRIu32 " failed %" PRIu32 " seq %" PRIu32 ",%" PRIu32 "\n",
		     s->members, s->lost_members, s->generation, s->generation);
	(void)printf("members       ");
	for (size_t i = 0; i < v->count; i++) {
		if (v->rows[i].member) {
			(void)printf("%" PRIu32 " ", v->rows[i].nodeid);
		}
	}
	(void)printf("\n");
	if (!running) {
		(void)printf("new status    wait %s\n", waits_for(v, s));
	}
	if (v->all_nodes) {
		(void)printf("all nodes\n");
		for (size_t i = 0; i < v->count; i++) {
			(void)printf("nodeid %" PRIu32 " member %d failed %d\n", v->rows[i].nodeid,
				     v->rows[i].member, v->rows[i].lost);
		}
	}
	(void)printf("\n");
	return 0;
}

static int dlm_ls(struct view *v)
{
	int error = lockstep_admin_spaces(v->admin, space_show, v);

	return error ? fail(error, "listing lockspaces") : output_end();
}

/* --- status ------------------------------------------------------------------------------ */

static int space_rows(const struct lockstep_space_info *s, void *arg)
{
	return rows_load(arg, s->name);
}

static int dlm_status(struct view *v, const struct lockstep_status *s)
{
	int error = lockstep_admin_spaces(v->admin, space_rows, v);

	if (error) {
		return fail(error, "listing members");
	}
	(void)printf("cluster nodeid %" PRIu32 " quorate %d ring seq %" PRIu64 " %" PRIu64 "\n",
		     s->nodeid, s->quorate, s->ring_seq, s->ring_seq);
	(void)printf("daemon now %" PRIu64 " fence_pid 0\n", s->uptime_ms / 1000);
	for (size_t i = 0; i < v->count; i++) {
		if (v->rows[i].lost) {
			(void)printf("fence %" PRIu32 " nodedown wait\n", v->rows[i].nodeid);
		}
	}
	for (size_t i = 0; i < v->count; i++) {
		(void)printf("node %" PRIu32 " %c name %s\n", v->rows[i].nodeid,
			     v->rows[i].member && !v->rows[i].lost ? 'M' : 'X', v->rows[i].name);
	}
	return output_end();
}

/* --- lockdump ---------------------------------------------------------------------------- */

static const char *mode(int number)
{
	return number == LOCKSTEP_LOCK_IV ? "IV" : lockstep_mode_name(number);
}

static int lock_show(const struct lockstep_lock_info *lock, void *arg)
{
	const struct view *v = arg;
	bool own = lock->nodeid == v->nodeid;
	char name[NAME_TEXT_MAX];

	if (own || v->others) {
		(void)bytes_escape(lock->name, lock->name_len, true, name);
		(void)printf("id %08" PRIx32 " gr %s rq %s pid %" PRIu32 " %s %" PRIu32 " \"%s\"\n",
			     lock->lkid, mode(lock->granted),
			     lock->queue == 'G' ? "IV" : mode(lock->requested), lock->pid,
			     own ? "master" : "MSTCPY", own ? 0 : lock->nodeid, name);
	}
	return 0;
}

static int dlm_lockdump(struct cli *cli, struct view *v, const char *space)
{
	int error = lockstep_admin_locks(v->admin, space, NULL, 0, lock_show, v);

	cli->space = space;
	return error ? list_failed(cli, error) : output_end();
}

/* --- the verb ---------------------------------------------------------------------------- */

int verb_dlm(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { COMMON_OPTIONS, { NULL, 0, NULL, 0 } };
	struct view v = { .only = NULL };
	struct lockstep_status status;
	int option, code;

	while ((option = getopt_long(argc, argv, "hnM", options, NULL)) >= 0) {
		v.all_nodes = v.all_nodes || option == 'n';
		v.others = v.others || option == 'M';
		code = option == 'n' || option == 'M' ? -1 : option_common(cli, verb, option);
		if (code >= 0) {
			return code;
		}
	}
	const char *what = optind < argc ? argv[optind] : "";
	const char *name = optind + 1 < argc ? argv[optind + 1] : NULL;
	bool ls = strcmp(what, "ls") == 0, lockdump = strcmp(what, "lockdump") == 0;

	if ((!ls && !lockdump && strcmp(what, "status") != 0) || argc - optind > 2 ||
	    (name && !ls && !lockdump)) {
		return usage_error(verb, "ls, lockdump NAME or status");
	}
	if (lockdump && !name) {
		return usage_error(verb, "lockspace name required");
	}
	code = admin_open(cli, &v.admin);
	if (code) {
		return code;
	}
	int error = lockstep_admin_status(v.admin, &status);

	v.only = name;
	v.quorate = status.quorate;
	v.nodeid = status.nodeid;
	code = error      ? fail(error, "status")
	       : ls       ? dlm_ls(&v)
	       : lockdump ? dlm_lockdump(cli, &v, name)
			  : dlm_status(&v, &status);
	free(v.rows);
	lockstep_admin_close(v.admin);
	return code;
}
