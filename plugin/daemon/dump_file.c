/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See dump_file.h. No fsync: the file is for people, and the loop waits for no disk. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <lockstep/lockstep_types.h>

#include "plugin/daemon/daemon.h"
#include "plugin/daemon/dump_file.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"
#include "plugin/node/node.h"

#define NAME_SIZE (LOCKSTEP_SPACE_MAX + 24)

static void name_of(char ret[NAME_SIZE], const char *space, int number)
{
	(void)snprintf(ret, NAME_SIZE, "%s.differs.%d", space, number);
}

static int file_write(int dir_fd, const char *name, const uint8_t *data, size_t size)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -errno : 0;

	while (rc == 0 && size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR) {
			rc = -errno;
		} else if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	if (fd >= 0 && close(fd) != 0 && rc == 0) {
		rc = -errno;
	}
	return rc;
}

/* The new one is whole before an old one goes. */
static int file_keep(int dir_fd, const struct node_action *a)
{
	char from[NAME_SIZE], to[NAME_SIZE];
	int rc;

	name_of(to, a->name, 0);
	rc = file_write(dir_fd, to, a->data, a->size);
	if (rc != 0) {
		(void)unlinkat(dir_fd, to, 0);
		return rc;
	}
	for (int i = DUMP_FILES_MAX - 1; i >= 0; i--) {
		name_of(from, a->name, i);
		name_of(to, a->name, i + 1);
		if (renameat(dir_fd, from, dir_fd, to) != 0 && errno != ENOENT) {
			return -errno;
		}
	}
	return 0;
}

void dump_file_write(const struct daemon *d, const struct node_action *a)
{
	const char *dir = d->settings->trace_dir ? d->settings->trace_dir : d->settings->state_dir;
	int dir_fd, rc;

	if (a->size == 0) {
		qb_log(LOG_ERR, "lockspace \"%s\": the replica of node %u differs; the lock table is too large for "
		       "a dump", a->name, a->value);
		return;
	}
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = dir_fd < 0 ? -errno : file_keep(dir_fd, a);
	if (dir_fd >= 0) {
		close(dir_fd);
	}
	if (rc == 0) {
		qb_log(LOG_ERR, "lockspace \"%s\": the replica of node %u differs; what this node has is in "
		       "%s/%s.differs.1: compare it with that of another node (lockstep-replay --compare) and "
		       "report it", a->name, a->value, dir, a->name);
	} else {
		qb_log(LOG_ERR, "lockspace \"%s\": the replica of node %u differs; no dump in %s: %s", a->name,
		       a->value, dir, strerror(-rc));
	}
}
