/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config-cache: every node keeps a file in memory and reads it again only when it has changed. Shows the
 * lock value block and the blocking callback together:
 *
 *   reader  holds PR while its copy is good. When a writer wants EX, the blocking callback comes: the
 *           reader goes down to NL, which lets the writer in, and asks for PR again. With that grant
 *           comes the version in the lock value block; another one than its own: read the file again.
 *   writer  takes EX, replaces the file, and writes the next version when it lets go.
 *
 * No reader asks the storage whether something is new, and none uses an old copy while a writer works.
 *
 *   config-cache watch FILE COUNT   show COUNT versions as they come
 *   config-cache set FILE TEXT      make a new one
 *
 *   cc -o config-cache config-cache.c $(pkg-config --cflags --libs liblockstep)
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lockstep/lockstep.h>

#define RESOURCE "config"

struct cache {
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
	char lvb[LOCKSTEP_LVB_MAX];
	bool wanted; /* by a writer */
	uint64_t version;
	char text[256];
};

static void somebody_waits(void *arg, int mode)
{
	(void)mode;
	((struct cache *)arg)->wanted = true;
}

static int lock(struct cache *c, int mode, uint32_t flags)
{
	return lockstep_lock_wait(c->session, mode, &c->lksb, flags | LOCKSTEP_LKF_VALBLK, RESOURCE,
				  strlen(RESOURCE), c, somebody_waits, -1);
}

static int text_read(struct cache *c, const char *file)
{
	FILE *f = fopen(file, "r");

	c->text[0] = '\0';
	if (!f) {
		return errno == ENOENT ? 0 : -errno;
	}
	(void)!fgets(c->text, sizeof(c->text), f);
	(void)fclose(f);
	c->text[strcspn(c->text, "\n")] = '\0';
	return 0;
}

/* The lock is ours in PR: is the copy still good? Nobody knows when the last writer died: then it is not. */
static int refresh(struct cache *c, const char *file, long *left)
{
	uint64_t version = strtoull(c->lvb, NULL, 10);
	bool invalid = c->lksb.flags & LOCKSTEP_SBF_VALNOTVALID;

	if (version == c->version && !invalid) {
		return 0;
	}
	c->version = version;
	int error = text_read(c, file);

	if (error == 0) {
		(void)printf("version %" PRIu64 "%s: %s\n", version, invalid ? " (not sure)" : "",
			     c->text);
		(*left)--;
	}
	return error;
}

static int watch(struct cache *c, const char *file, long left)
{
	c->version = UINT64_MAX; /* none yet */
	int error = lock(c, LOCKSTEP_LOCK_PR, 0);

	if (error == 0) {
		error = refresh(c, file, &left);
	}
	while (error == 0 && left > 0) {
		struct pollfd p = { .fd = lockstep_session_fd(c->session), .events = POLLIN };

		if (!c->wanted) {
			(void)poll(&p, 1, -1);
			if (lockstep_dispatch(c->session) < 0) {
				return -ENOTCONN; /* the copy is worth nothing without the lock */
			}
			continue;
		}
		c->wanted = false;
		error = lock(c, LOCKSTEP_LOCK_NL, LOCKSTEP_LKF_CONVERT);
		if (error == 0) {
			error = lock(c, LOCKSTEP_LOCK_PR, LOCKSTEP_LKF_CONVERT);
		}
		if (error == 0) {
			error = refresh(c, file, &left);
		}
	}
	return error;
}

static int set(struct cache *c, const char *file, const char *text)
{
	char temporary[1024];
	int error = lock(c, LOCKSTEP_LOCK_EX, 0);

	if (error) {
		return error;
	}
	uint64_t version = strtoull(c->lvb, NULL, 10) + 1;

	(void)snprintf(temporary, sizeof(temporary), "%s.new", file);
	FILE *f = fopen(temporary, "w");

	if (!f) {
		return -errno;
	}
	bool written = fprintf(f, "%s\n", text) > 0;

	if (fclose(f) != 0 || !written || rename(temporary, file) != 0) {
		return -EIO;
	}
	memset(c->lvb, 0, sizeof(c->lvb));
	(void)snprintf(c->lvb, (size_t)lockstep_lvb_length(c->session), "%" PRIu64, version);
	return lockstep_unlock_wait(c->session, c->lksb.lkid, LOCKSTEP_LKF_VALBLK, NULL);
}

int main(int argc, char **argv)
{
	static struct cache c;
	bool watches = argc == 4 && strcmp(argv[1], "watch") == 0;

	if (!watches && !(argc == 4 && strcmp(argv[1], "set") == 0)) {
		(void)fprintf(stderr, "usage: config-cache watch FILE COUNT | set FILE TEXT\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	c.lksb.lvb = c.lvb;
	int error = lockstep_open("default", 0, NULL, &c.session);

	if (error == 0) {
		error = watches ? watch(&c, argv[2], strtol(argv[3], NULL, 10))
				: set(&c, argv[2], argv[3]);
	}
	lockstep_close(c.session);
	if (error) {
		(void)fprintf(stderr, "config-cache: %s\n", lockstep_strerror(error));
	}
	return error ? 1 : 0;
}
