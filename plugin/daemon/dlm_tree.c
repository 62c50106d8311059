/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See dlm_tree.h. The tree is compared with the node each time something has changed; only the
 * differences are written, so a reader never sees a member vanish that stays. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "plugin/daemon/daemon.h"
#include "plugin/daemon/dlm_tree.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

#define KERNEL_SPACES "/sys/kernel/dlm"
#define MEMBERS_MAX 256
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct dlm_tree {
	struct daemon *daemon;
	int cluster_fd;
	int spaces_fd;
	uint64_t mark; /* of the membership that is written */
	bool current;  /* `mark` says something, and it is all there */
	bool failed;   /* and that was said */
	char cluster_name[LOCKSTEP_NODE_NAME_MAX + 1];
};

/* One lockspace while its nodes are compared. */
struct members {
	struct node_member_info info[MEMBERS_MAX];
	size_t count;
};

/* --- directories ------------------------------------------------------------------------- */

static int dir_make(int fd, const char *name)
{
	return mkdirat(fd, name, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

/* A descriptor or a negative errno. */
static int dir_open(int fd, const char *name)
{
	int rc = dir_make(fd, name);
	int opened = rc == 0 ? openat(fd, name, DIRECTORY) : -1;

	return rc ? rc : opened < 0 ? -errno : opened;
}

/* Removes the entries that are not wanted. */
static void dir_sift(int fd, bool (*wanted)(const char *name, const void *arg), const void *arg,
		     void (*remove)(int fd, const char *name))
{
	int again = openat(fd, ".", DIRECTORY);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	const struct dirent *entry;

	if (!dir) {
		if (again >= 0) {
			close(again);
		}
		return;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !(wanted && wanted(entry->d_name, arg))) {
			remove(fd, entry->d_name);
		}
	}
	(void)closedir(dir);
}

static void node_remove(int fd, const char *name)
{
	(void)unlinkat(fd, name, AT_REMOVEDIR);
}

static void space_remove(int fd, const char *name)
{
	char path[LOCKSTEP_SPACE_MAX + sizeof("/nodes")];

	if ((size_t)snprintf(path, sizeof(path), "%s/nodes", name) >= sizeof(path)) {
		return; /* not ours */
	}
	int nodes = openat(fd, path, DIRECTORY);

	if (nodes >= 0) {
		dir_sift(nodes, NULL, NULL, node_remove);
		close(nodes);
	}
	(void)unlinkat(fd, path, AT_REMOVEDIR);
	(void)unlinkat(fd, name, AT_REMOVEDIR);
}

/* --- what is to be there ----------------------------------------------------------------- */

/* Whoever is on his way in or out counts as well: one too many is safe (R-LVM-2). */
static bool member_counts(const struct node_member_info *m)
{
	return strcmp(m->state, "ghost") != 0;
}

static bool node_wanted(const char *name, const void *arg)
{
	const struct members *members = arg;
	char text[16];

	for (size_t i = 0; i < members->count; i++) {
		(void)snprintf(text, sizeof(text), "%u", members->info[i].nodeid);
		if (member_counts(&members->info[i]) && strcmp(text, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool space_counts(const struct node_space_info *info)
{
	return strcmp(info->state, "leaving") != 0;
}

static bool space_wanted(const char *name, const void *arg)
{
	const struct daemon *d = arg;
	struct node_space_info info;

	return d->node && node_space_info_find(d->node, name, &info) && space_counts(&info);
}

/* 0 or a negative errno. */
static int nodes_write(int fd, const struct members *members)
{
	char text[16];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < members->count; i++) {
		if (member_counts(&members->info[i])) {
			(void)snprintf(text, sizeof(text), "%u", members->info[i].nodeid);
			rc = dir_make(fd, text);
		}
	}
	dir_sift(fd, node_wanted, members, node_remove);
	return rc;
}

static int space_write(struct dlm_tree *t, const char *name)
{
	struct members members;
	int space = dir_open(t->spaces_fd, name);

	if (space < 0) {
		return space;
	}
	int nodes = dir_open(space, "nodes");

	close(space);
	if (nodes < 0) {
		return nodes;
	}
	members.count = node_space_members(t->daemon->node, name, members.info, MEMBERS_MAX);
	if (members.count > MEMBERS_MAX) {
		members.count = MEMBERS_MAX;
	}
	int rc = nodes_write(nodes, &members);

	close(nodes);
	return rc;
}

static int spaces_write(struct dlm_tree *t)
{
	const struct daemon *d = t->daemon;
	struct node_space_info info;
	int rc = 0;

	for (size_t i = 0; d->node && node_space_info_at(d->node, i, &info); i++) {
		int error = space_counts(&info) ? space_write(t, info.name) : 0;

		if (error != 0) {
			/* None is an error to whoever counts them, too few are a mistake. */
			space_remove(t->spaces_fd, info.name);
			rc = error;
		}
	}
	dir_sift(t->spaces_fd, space_wanted, d, space_remove);
	return rc;
}

static int cluster_name_write(struct dlm_tree *t, const char *name)
{
	char line[LOCKSTEP_NODE_NAME_MAX + 2];
	int size = snprintf(line, sizeof(line), "%s\n", name);
	int fd;

	if (!name[0]) {
		(void)unlinkat(t->cluster_fd, "cluster_name", 0);
		return 0;
	}
	fd = openat(t->cluster_fd, "cluster_name.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0644);
	if (fd < 0) {
		return -errno;
	}
	int rc = write(fd, line, (size_t)size) == size ? 0 : -EIO;

	close(fd);
	if (rc == 0 &&
	    renameat(t->cluster_fd, "cluster_name.new", t->cluster_fd, "cluster_name") != 0) {
		rc = -errno;
	}
	return rc;
}

void dlm_tree_update(struct dlm_tree *t)
{
	if (!t) {
		return;
	}
	const struct daemon *d = t->daemon;
	uint64_t mark = d->node ? node_membership_mark(d->node) : 0;
	int rc = 0;

	if (strcmp(t->cluster_name, d->cluster_name) != 0) {
		rc = cluster_name_write(t, d->cluster_name);
		(void)snprintf(t->cluster_name, sizeof(t->cluster_name), "%s",
			       rc == 0 ? d->cluster_name : "");
	}
	if (!t->current || t->mark != mark) {
		int error = spaces_write(t);

		rc = rc ? rc : error;
		t->mark = mark;
		t->current = rc == 0;
	}
	if (rc != 0 && !t->failed) {
		qb_log(LOG_ERR, "cannot show the members in %s/configfs: %s; trying again",
		       d->settings->run_dir, strerror(-rc));
	}
	t->failed = rc != 0;
}

/* --- life -------------------------------------------------------------------------------- */

/* Everything but the directories that others may have bound. */
static void tree_empty(struct dlm_tree *t)
{
	(void)cluster_name_write(t, "");
	dir_sift(t->spaces_fd, NULL, NULL, space_remove);
}

int dlm_tree_open(struct daemon *d, struct dlm_tree **ret)
{
	static const char *const names[] = { "configfs", "dlm", "cluster", "spaces" };
	struct dlm_tree *t = calloc(1, sizeof(*t));
	int fd = open(d->settings->run_dir, DIRECTORY);

	if (!t || fd < 0) {
		int rc = !t ? -ENOMEM : -errno;

		free(t);
		return rc;
	}
	t->daemon = d;
	t->cluster_fd = t->spaces_fd = -1;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int next = dir_open(fd, names[i]);

		if (strcmp(names[i], "spaces") == 0) {
			t->cluster_fd = fd;
		} else {
			close(fd);
		}
		fd = next;
		if (fd < 0) {
			(void)dlm_tree_free(t);
			return next;
		}
	}
	t->spaces_fd = fd;
	tree_empty(t);
	dlm_tree_update(t);
	*ret = t;
	return 0;
}

struct dlm_tree *dlm_tree_free(struct dlm_tree *t)
{
	if (t && t->spaces_fd >= 0) {
		tree_empty(t);
		close(t->spaces_fd);
	}
	if (t && t->cluster_fd >= 0) {
		close(t->cluster_fd);
	}
	free(t);
	return NULL;
}

void dlm_tree_path(const struct daemon *d, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/configfs", d->settings->run_dir);
}

bool dlm_tree_kernel_has(const char *name)
{
	char path[sizeof(KERNEL_SPACES) + 1 + LOCKSTEP_SPACE_MAX];

	(void)snprintf(path, sizeof(path), KERNEL_SPACES "/%s", name);
	return access(path, F_OK) == 0;
}
