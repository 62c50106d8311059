/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See state_file.h. Temporary file, fsync, rename, fsync of the directory: after a power cut there
 * is either the old number or the new one. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "plugin/daemon/daemon.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/state_file.h"
#include "plugin/daemon/worker.h"

#define HEADER "lockstep reservation 1\n"
#define RETRY_SECONDS 5

struct state_file {
	struct daemon *daemon;
	int done_fd; /* eventfd: the writer has something to tell */
	int dir_fd;
	pthread_t writer;
	bool started;
	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t wake;
	bool quit;
	uint64_t wanted;
	uint64_t stored;
	int error; /* of the last attempt, 0 or negative errno */
};

static int file_read(int dir_fd, uint64_t *ret)
{
	char text[128];
	char *end;
	ssize_t size;
	int fd = openat(dir_fd, "reserved", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		*ret = 0;
		return errno == ENOENT ? 0 : -errno;
	}
	size = read(fd, text, sizeof(text) - 1);
	if (size < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	close(fd);
	text[size] = '\0';
	if (strncmp(text, HEADER, strlen(HEADER)) != 0) {
		return -EBADMSG;
	}
	errno = 0;
	*ret = strtoull(text + strlen(HEADER), &end, 10);
	return errno == 0 && strcmp(end, "\n") == 0 ? 0 : -EBADMSG;
}

static int file_write(int dir_fd, uint64_t value)
{
	char text[128];
	int size = snprintf(text, sizeof(text), HEADER "%" PRIu64 "\n", value);
	int fd = openat(dir_fd, "reserved.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int rc = 0;

	if (fd < 0) {
		return -errno;
	}
	if (write(fd, text, (size_t)size) != size) {
		rc = errno ? -errno : -EIO;
	} else if (fsync(fd) != 0) {
		rc = -errno;
	}
	close(fd);
	if (rc == 0 && renameat(dir_fd, "reserved.tmp", dir_fd, "reserved") != 0) {
		rc = -errno;
	}
	if (rc == 0 && fsync(dir_fd) != 0) {
		rc = -errno;
	}
	return rc;
}

static void *writer_main(void *arg)
{
	struct state_file *f = arg;

	pthread_mutex_lock(&f->mutex);
	for (;;) {
		uint64_t value;
		int rc;

		while (!f->quit && f->wanted <= f->stored) {
			pthread_cond_wait(&f->wake, &f->mutex);
		}
		if (f->quit) {
			break;
		}
		value = f->wanted;
		pthread_mutex_unlock(&f->mutex);
		rc = file_write(f->dir_fd, value);
		pthread_mutex_lock(&f->mutex);
		f->error = rc;
		if (rc == 0) {
			f->stored = value;
		}
		eventfd_write(f->done_fd, 1);
		if (rc != 0 && !f->quit) {
			struct timespec until;

			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_sec += RETRY_SECONDS;
			(void)pthread_cond_timedwait(&f->wake, &f->mutex, &until);
		}
	}
	pthread_mutex_unlock(&f->mutex);
	return NULL;
}

static int32_t writer_done(int32_t fd, int32_t revents, void *arg)
{
	struct state_file *f = arg;
	eventfd_t count;
	uint64_t stored;
	int error;

	(void)revents;
	(void)eventfd_read(fd, &count);
	pthread_mutex_lock(&f->mutex);
	stored = f->stored;
	error = f->error;
	pthread_mutex_unlock(&f->mutex);
	if (error != 0) {
		qb_log(LOG_ERR, "cannot store the token reservation in %s: %s; trying again",
		       f->daemon->settings->state_dir, strerror(-error));
	}
	f->daemon->reserved = stored;
	if (f->daemon->node) {
		node_reserved(f->daemon->node, stored);
		daemon_dirty(f->daemon);
	}
	return 0;
}

/* Whoever sets the clock back must not make the writer wait for that long. */
static void wake_init(pthread_cond_t *wake)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(wake, &attr);
	pthread_condattr_destroy(&attr);
}

int state_file_open(struct daemon *d, struct state_file **ret, uint64_t *ret_reserved)
{
	struct state_file *f = calloc(1, sizeof(*f));
	int rc;

	if (!f) {
		return -ENOMEM;
	}
	f->daemon = d;
	pthread_mutex_init(&f->mutex, NULL);
	wake_init(&f->wake);
	f->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->dir_fd = open(d->settings->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir_fd < 0 || f->done_fd < 0) {
		rc = -errno;
		goto out_free;
	}
	rc = file_read(f->dir_fd, &f->stored);
	if (rc != 0) {
		goto out_free;
	}
	f->wanted = f->stored;
	rc = qb_loop_poll_add(d->loop, QB_LOOP_MED, f->done_fd, POLLIN, f, writer_done);
	if (rc == 0) {
		rc = worker_start(&f->writer, writer_main, f);
		f->started = rc == 0;
	}
	if (rc != 0) {
		goto out_free;
	}
	*ret_reserved = f->stored;
	*ret = f;
	return 0;
out_free:
	state_file_free(f);
	return rc;
}

struct state_file *state_file_free(struct state_file *f)
{
	if (!f) {
		return NULL;
	}
	if (f->started) {
		pthread_mutex_lock(&f->mutex);
		f->quit = true;
		pthread_cond_signal(&f->wake);
		pthread_mutex_unlock(&f->mutex);
		pthread_join(f->writer, NULL);
		qb_loop_poll_del(f->daemon->loop, f->done_fd);
	}
	if (f->dir_fd >= 0) {
		close(f->dir_fd);
	}
	if (f->done_fd >= 0) {
		close(f->done_fd);
	}
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->mutex);
	free(f);
	return NULL;
}

void state_file_store(struct state_file *f, uint64_t reserved)
{
	pthread_mutex_lock(&f->mutex);
	if (reserved > f->wanted) {
		f->wanted = reserved;
		pthread_cond_signal(&f->wake);
	} else if (reserved <= f->stored) {
		eventfd_write(f->done_fd, 1); /* it is there: say so again */
	}
	pthread_mutex_unlock(&f->mutex);
}
