/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See clients_file.h. A file is named INODE-PID-START (of the client's socket and process) and holds
 * the boot id and the command name: no other process can be taken for the client later. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/list.h"
#include "lib/base/text.h"
#include "plugin/daemon/clients_file.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"

#define BOOT_ID_BYTES 36

struct clients_file {
	struct daemon *daemon;
	int dir_fd;
	char boot_id[BOOT_ID_BYTES + 1];
	struct list leftovers; /* sessions of the predecessor that are not known to be gone */
};

/* One session of the predecessor. */
struct leftover {
	struct list link;
	struct clients_file *file;
	struct killer_target target;
	char comm[LOCKSTEP_COMM_MAX + 1];
};

static void target_name(char *name, size_t size, const struct killer_target *t)
{
	snprintf(name, size, "%" PRIu64 "-%ld-%" PRIu64, t->inode, (long)t->pid, t->start);
}

static void leftover_gone(void *arg)
{
	struct leftover *l = arg;
	struct clients_file *f = l->file;

	clients_file_remove(f, &l->target);
	list_remove(&l->link);
	free(l);
	if (list_empty(&f->leftovers)) {
		qb_log(LOG_NOTICE, "the clients of the daemon that died are gone");
		f->daemon->clients_remain = false;
	}
}

static ssize_t text_read(int dir_fd, const char *path, char *text, size_t size)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0) {
		return -errno;
	}
	got = read(fd, text, size - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got;
}

static void leftover_start(struct clients_file *f, const char *name)
{
	bool kill = f->daemon->settings->on_lost == NODE_ON_LOST_KILL;
	struct leftover *l;
	char text[BOOT_ID_BYTES + 64] = "";
	char what[128];
	uint64_t inode;
	uint64_t start;
	long pid;
	int end = 0;

	if (sscanf(name, "%" SCNu64 "-%ld-%" SCNu64 "%n", &inode, &pid, &start, &end) != 3 ||
	    name[end] != '\0') {
		qb_log(LOG_WARNING, "%s/clients/%s is not ours, ignoring",
		       f->daemon->settings->run_dir, name);
		return;
	}
	if (text_read(f->dir_fd, name, text, sizeof(text)) < BOOT_ID_BYTES ||
	    memcmp(text, f->boot_id, BOOT_ID_BYTES) != 0) {
		(void)unlinkat(f->dir_fd, name, 0); /* of an earlier boot */
		return;
	}
	l = calloc(1, sizeof(*l));
	if (!l) {
		return;
	}
	l->file = f;
	l->target = (struct killer_target){
		.inode = inode, .pid = (pid_t)pid, .start = start, .fd = -1,
	};
	(void)base_format(l->comm, sizeof(l->comm), "%s", text + BOOT_ID_BYTES + 1);
	list_push_tail(&f->leftovers, &l->link);
	snprintf(what, sizeof(what), "client of the daemon that died: %s, pid %ld",
		 text + BOOT_ID_BYTES + 1, pid);
	killer_start(f->daemon->killer, &l->target, kill, what, l, leftover_gone);
}

int clients_file_open(struct daemon *d, struct clients_file **ret)
{
	struct clients_file *f = calloc(1, sizeof(*f));
	char path[256];
	struct dirent *entry;
	DIR *dir;
	int rc;

	if (!f) {
		return -ENOMEM;
	}
	f->daemon = d;
	f->dir_fd = -1;
	list_init(&f->leftovers);
	if (text_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", f->boot_id,
		      sizeof(f->boot_id)) != BOOT_ID_BYTES) {
		memset(f->boot_id, '0', BOOT_ID_BYTES);
	}
	snprintf(path, sizeof(path), "%s/clients", d->settings->run_dir);
	if (mkdir(path, 0700) != 0 && errno != EEXIST) {
		rc = -errno;
		free(f);
		return rc;
	}
	f->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = opendir(path);
	if (f->dir_fd < 0 || !dir) {
		rc = -errno;
		clients_file_free(f);
		return rc;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.') {
			leftover_start(f, entry->d_name);
		}
	}
	closedir(dir);
	if (!list_empty(&f->leftovers)) {
		d->clients_remain = true;
		qb_log(LOG_WARNING, "a daemon of this node died and may have left clients behind; nothing is joined before they are gone");
		list_for_each (pos, &f->leftovers) {
			const struct leftover *l = list_entry(pos, struct leftover, link);

			qb_log(LOG_WARNING, "  %s, pid %ld", l->comm, (long)l->target.pid);
		}
	}
	*ret = f;
	return 0;
}

struct clients_file *clients_file_free(struct clients_file *f)
{
	if (f) {
		/* Their killer goes after us. */
		list_for_each_safe (pos, &f->leftovers) {
			free(list_entry(pos, struct leftover, link));
		}
		if (f->dir_fd >= 0) {
			close(f->dir_fd);
		}
		free(f);
	}
	return NULL;
}

void clients_file_words(const struct clients_file *f, char *ret, size_t size)
{
	unsigned long long seconds = (clock_now_ms() - f->daemon->started_ms) / 1000;
	char names[256] = "";
	size_t used = 0;

	list_for_each (pos, &f->leftovers) {
		const struct leftover *l = list_entry(pos, struct leftover, link);

		used += base_format(names + used, sizeof(names) - used, "%s%s (pid %ld)", used ? ", " : "",
				    l->comm, (long)l->target.pid);
	}
	(void)base_format(ret, size,
			  "clients of a daemon that died here still run, for %llu s: %s; nothing is joined before "
			  "they have ended: %s",
			  seconds, names, node_on_lost_words(f->daemon->settings->on_lost));
}

int clients_file_add(struct clients_file *f, const struct killer_target *client, const char *comm)
{
	char name[96];
	char text[128];
	int rc = 0;
	int size;
	int fd;

	target_name(name, sizeof(name), client);
	fd = openat(f->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size = snprintf(text, sizeof(text), "%s %s", f->boot_id, comm);
	if (fd < 0) {
		rc = errno;
	} else {
		ssize_t n = write(fd, text, (size_t)size);

		if (n != size) {
			rc = n < 0 ? errno : ENOSPC;
			(void)unlinkat(f->dir_fd, name, 0);
		}
		close(fd);
	}
	if (rc != 0) {
		qb_log(LOG_ERR, "refused a session of client %ld: it cannot be noted in %s/clients: %s",
		       (long)client->pid, f->daemon->settings->run_dir, strerror(rc));
	}
	/* ENOENT would be about the lockspace. */
	return rc == 0 || rc == ENOSPC ? rc : EIO;
}

void clients_file_remove(struct clients_file *f, const struct killer_target *client)
{
	char name[96];

	target_name(name, sizeof(name), client);
	(void)unlinkat(f->dir_fd, name, 0);
}
