/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See spaces.h. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "lib/base/name.h"
#include "lib/base/text.h"
#include "plugin/daemon/dlm_tree.h"
#include "plugin/daemon/ipc_access.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/spaces.h"
#include "plugin/node/node.h"

#define FAILURES_MAX 64
#define MODE_DEFAULT 0660 /* as Debian's udev rule gives for the kernel's lockspaces */

struct space {
	struct list link;
	char name[LOCKSTEP_SPACE_MAX + 1];
	unsigned int count;
	struct node_attributes want;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/* A lockspace that could not be joined: kept for whoever waits for it. */
struct failure {
	char name[LOCKSTEP_SPACE_MAX + 1];
	int error;
};

struct spaces {
	struct list list;
	struct failure failures[FAILURES_MAX];
	size_t failures_next; /* the oldest one */
};

struct spaces *spaces_new(void)
{
	struct spaces *s = calloc(1, sizeof(*s));

	ls_assert(s != NULL);
	list_init(&s->list);
	return s;
}

struct spaces *spaces_free(struct spaces *s)
{
	if (s) {
		list_for_each_safe (pos, &s->list) {
			free(list_entry(pos, struct space, link));
		}
		free(s);
	}
	return NULL;
}

static struct space *find(const struct spaces *s, const char *name)
{
	list_for_each (pos, &s->list) {
		struct space *space = list_entry(pos, struct space, link);

		if (strcmp(space->name, name) == 0) {
			return space;
		}
	}
	return NULL;
}

static struct failure *failure_find(const struct spaces *s, const char *name)
{
	for (size_t i = 0; i < FAILURES_MAX; i++) {
		if (s->failures[i].error != 0 && strcmp(s->failures[i].name, name) == 0) {
			return (struct failure *)&s->failures[i];
		}
	}
	return NULL;
}

static void space_remove(struct space *space)
{
	list_remove(&space->link);
	free(space);
}

void spaces_failed(struct spaces *s, const char *name, int error)
{
	struct space *space = find(s, name);
	struct failure *f = failure_find(s, name);

	if (!f) {
		f = &s->failures[s->failures_next++ % FAILURES_MAX];
	}
	(void)base_format(f->name, sizeof(f->name), "%s", name);
	f->error = error;
	if (space) {
		space_remove(space);
	}
}

int spaces_failure(const struct spaces *s, const char *name)
{
	const struct failure *f = failure_find(s, name);

	return f ? f->error : 0;
}

int spaces_create(struct spaces *s, struct node *n, const char *name,
		  const struct node_attributes *want, mode_t mode, uid_t uid, gid_t gid)
{
	static const struct node_attributes nothing = { .lvb_len = 0 };
	struct space *space = find(s, name);
	int rc;

	want = want ? want : &nothing;
	if (!base_name_valid(name, LOCKSTEP_SPACE_MAX) || want->lvb_len > LOCKSTEP_LVB_MAX ||
	    want->lvb_len % 8 != 0) {
		return EINVAL;
	}
	if (!space && dlm_tree_kernel_has(name)) {
		qb_log(LOG_ERR, "lockspace \"%s\" is not joined: the kernel's DLM has one of that name on this node (/sys/kernel/dlm), and the two would not exclude each other",
		       name);
		return EBUSY;
	}
	if (!n && space && want->flags & LOCKSTEP_LSFL_NEWEXCL) {
		return EEXIST;
	}
	rc = n ? node_space_create(n, name, want) : 0;
	if (rc != 0) {
		return rc;
	}
	struct failure *f = failure_find(s, name);

	if (f) {
		f->error = 0;
	}
	if (!space) {
		space = calloc(1, sizeof(*space));
		ls_assert(space != NULL);
		memcpy(space->name, name, strlen(name) + 1);
		space->want = *want;
		space->want.flags &= ~LOCKSTEP_LSFL_NEWEXCL; /* for spaces_join() */
		space->mode = mode != 0 ? mode & 0777 : MODE_DEFAULT;
		space->uid = uid;
		space->gid = gid;
		list_push_tail(&s->list, &space->link);
	}
	space->count++;
	return 0;
}

int spaces_release(struct spaces *s, struct node *n, const char *name, unsigned int force,
		   unsigned int *ret_count)
{
	struct space *space = find(s, name);
	unsigned int count;
	int rc;

	if (n) {
		rc = node_space_release(n, name, force, &count);
		if (rc != 0) {
			return rc;
		}
	} else if (!space) {
		return ENOENT;
	} else {
		count = space->count - 1;
	}
	if (space) {
		space->count = count;
		if (count == 0) {
			space_remove(space);
		}
	}
	*ret_count = count;
	return 0;
}

void spaces_join(struct spaces *s, struct node *n)
{
	list_for_each (pos, &s->list) {
		struct space *space = list_entry(pos, struct space, link);

		for (unsigned int i = 0; i < space->count; i++) {
			int rc = node_space_create(n, space->name, &space->want);

			if (rc != 0) {
				qb_log(LOG_ERR, "cannot join lockspace \"%s\": %s", space->name,
				       strerror(rc));
				break;
			}
		}
	}
}

bool spaces_find(const struct spaces *s, const char *name)
{
	return find(s, name) != NULL;
}

bool spaces_may_open(const struct spaces *s, const char *name, uid_t uid, gid_t gid)
{
	const struct space *space = find(s, name);
	mode_t mode = space ? space->mode : MODE_DEFAULT;

	if (uid == 0 || (space && space->uid == uid && (mode & 0600) == 0600)) {
		return true;
	}
	/* Most members of a group have another primary one. */
	if (space && (mode & 0060) == 0060 && access_user_in_group(uid, gid, space->gid)) {
		return true;
	}
	return (mode & 0006) == 0006;
}
