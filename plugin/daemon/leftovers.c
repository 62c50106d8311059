/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See leftovers.h. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <syslog.h>
#include <unistd.h>

#include "plugin/daemon/leftovers.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

#define SHM "/dev/shm"

static int directory_make(const char *path)
{
	if (g_mkdir_with_parents(path, 0755) != 0) {
		fprintf(stderr, "lockstepd: cannot make %s: %s\n", path, strerror(errno));
		return 1;
	}
	return 0;
}

int leftovers_open(const struct settings *settings, struct leftovers *ret)
{
	int rc = directory_make(settings->state_dir);

	if (rc == 0) {
		rc = directory_make(settings->run_dir);
	}
	if (rc != 0) {
		return rc;
	}
	snprintf(ret->path, sizeof(ret->path), "%s/lockstepd.pid", settings->run_dir);
	ret->fd = open(ret->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (ret->fd < 0) {
		fprintf(stderr, "lockstepd: cannot open %s: %s\n", ret->path, strerror(errno));
		return 1;
	}
	if (flock(ret->fd, LOCK_EX | LOCK_NB) != 0) {
		fprintf(stderr, "lockstepd: already running (%s is locked)\n", ret->path);
		close(ret->fd);
		return 1;
	}
	return 0;
}

static void entries_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir) {
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.') {
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	closedir(dir);
	(void)rmdir(path);
}

/* libqb's buffers, /dev/shm/qb-SERVER-CLIENT-FD-XXXXXX/, and the flight recorder. Clients that still have them mapped are not
 * disturbed. */
static void buffers_remove(long pid)
{
	char prefix[32];
	char blackbox[64];
	char path[512];
	DIR *dir = opendir(SHM);
	struct dirent *entry;

	if (!dir) {
		return;
	}
	snprintf(prefix, sizeof(prefix), "qb-%ld-", pid);
	snprintf(blackbox, sizeof(blackbox), "qb-lockstepd-%ld-blackbox-", pid);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
			snprintf(path, sizeof(path), SHM "/%s", entry->d_name);
			entries_remove(path);
			qb_log(LOG_INFO, "removed %s of a daemon that died", path);
		} else if (strncmp(entry->d_name, blackbox, strlen(blackbox)) == 0) {
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
	closedir(dir);
}

void leftovers_note(struct leftovers *l)
{
	char text[32] = "";
	long pid = 0;
	int size;

	if (pread(l->fd, text, sizeof(text) - 1, 0) > 0) {
		pid = strtol(text, NULL, 10);
	}
	/* We hold its lock, so it is dead; that number may be somebody else's by now. */
	if (pid > 1 && pid != getpid() && kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
		buffers_remove(pid);
	}
	size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(l->fd, 0) != 0 || pwrite(l->fd, text, (size_t)size, 0) != size) {
		qb_log(LOG_ERR, "cannot write %s: %s", l->path, strerror(errno));
	}
}

void leftovers_done(struct leftovers *l)
{
	(void)unlink(l->path);
	close(l->fd);
}
