/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See trace_file.h. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/trace_file.h"
#include "plugin/daemon/worker.h"
#include "plugin/node/trace.h"

#define QUEUE_BYTES_MAX (16u << 20) /* beside one snapshot */
#define RETRY_MS_MIN 1000u           /* after a loss; twice that after the next one, and so on */
#define RETRY_MS_MAX 60000u

struct chunk {
	struct list link;
	struct trace_file *file;
	bool begin;
	bool end; /* of what this node has of the lockspace */
	size_t size;
	uint8_t data[];
};

/* One lockspace; stays until the end. */
struct trace_file {
	struct list link;
	char space[LOCKSTEP_SPACE_MAX + 1];
	/* The thread's. */
	int fd;
	bool kept; /* what NAME.trace holds is worth to become the older file */
	/* Of the mutex: the thread could not write, nor has it begun anew since. */
	bool failed;
	/* The loop's. */
	uint64_t written; /* since its BEGIN */
	bool gap;         /* records were dropped: nothing but a BEGIN may follow */
	uint64_t retry_ms; /* with a gap: when to ask for a BEGIN; 0: not decided */
	uint64_t lost_ms;  /* when records were lost last */
	uint64_t delay_ms;
};

struct trace_files {
	struct daemon *daemon;
	int dir_fd;
	struct list files;
	int reported;
	pthread_t writer;
	bool started;
	pthread_mutex_t mutex; /* of everything below, and of what is said above */
	pthread_cond_t wake;
	struct list queue;
	size_t queued;
	bool quit;
	int error;
};

/* --- the thread ---------------------------------------------------------------------------- */

static int file_begin(struct trace_files *t, struct trace_file *f)
{
	char now[LOCKSTEP_SPACE_MAX + 16];
	char older[LOCKSTEP_SPACE_MAX + 16];

	snprintf(now, sizeof(now), "%s.trace", f->space);
	snprintf(older, sizeof(older), "%s.trace.1", f->space);
	if (f->fd >= 0) {
		close(f->fd);
		f->fd = -1;
	}
	/* While the disk is full, what was recorded before is not to give way to beginnings of nothing. */
	if (f->kept && renameat(t->dir_fd, now, t->dir_fd, older) != 0 && errno != ENOENT) {
		return -errno;
	}
	f->kept = false;
	f->fd = openat(t->dir_fd, now, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return f->fd < 0 ? -errno : 0;
}

static int chunk_write(struct trace_files *t, const struct chunk *c)
{
	struct trace_file *f = c->file;
	size_t done = 0;
	int rc = c->begin ? file_begin(t, f) : 0;

	while (rc == 0 && f->fd >= 0 && done < c->size) {
		ssize_t n = write(f->fd, c->data + done, c->size - done);

		if (n < 0 && errno != EINTR) {
			rc = -errno;
			/* Half a record may be there: nothing may follow it. */
			close(f->fd);
			f->fd = -1;
		} else if (n > 0) {
			done += (size_t)n;
		}
	}
	if (c->end && f->fd >= 0) {
		/* It may never come back, and there is no end to the names of lockspaces. */
		close(f->fd);
		f->fd = -1;
	}
	f->kept = f->kept || (c->begin && rc == 0);
	return rc;
}

static void *writer_main(void *arg)
{
	struct trace_files *t = arg;

	pthread_mutex_lock(&t->mutex);
	for (;;) {
		while (list_empty(&t->queue) && !t->quit) {
			pthread_cond_wait(&t->wake, &t->mutex);
		}
		if (list_empty(&t->queue)) {
			break;
		}
		struct chunk *c = list_entry(t->queue.next, struct chunk, link);

		list_remove(&c->link);
		pthread_mutex_unlock(&t->mutex);
		int rc = chunk_write(t, c);

		pthread_mutex_lock(&t->mutex);
		t->queued -= c->size;
		if (rc != 0 || c->begin) {
			c->file->failed = rc != 0;
			t->error = rc;
		}
		free(c);
	}
	pthread_mutex_unlock(&t->mutex);
	return NULL;
}

/* --- the loop ------------------------------------------------------------------------------ */

int trace_files_open(struct daemon *d, struct trace_files **ret)
{
	struct trace_files *t;
	int rc;

	*ret = NULL;
	if (!d->settings->trace_dir) {
		return 0;
	}
	t = calloc(1, sizeof(*t));
	ls_assert(t);
	t->daemon = d;
	list_init(&t->files);
	list_init(&t->queue);
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->wake, NULL);
	t->dir_fd = open(d->settings->trace_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = t->dir_fd < 0 ? -errno : worker_start(&t->writer, writer_main, t);
	t->started = rc == 0;
	if (rc != 0) {
		(void)trace_files_free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

struct trace_files *trace_files_free(struct trace_files *t)
{
	if (!t) {
		return NULL;
	}
	if (t->started) {
		pthread_mutex_lock(&t->mutex);
		t->quit = true;
		pthread_cond_signal(&t->wake);
		pthread_mutex_unlock(&t->mutex);
		pthread_join(t->writer, NULL);
	}
	list_for_each_safe (pos, &t->files) {
		struct trace_file *f = list_entry(pos, struct trace_file, link);

		if (f->fd >= 0) {
			close(f->fd);
		}
		free(f);
	}
	if (t->dir_fd >= 0) {
		close(t->dir_fd);
	}
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->mutex);
	free(t);
	return NULL;
}

static struct trace_file *trace_of(struct trace_files *t, const char *space)
{
	struct trace_file *f;

	list_for_each (pos, &t->files) {
		f = list_entry(pos, struct trace_file, link);
		if (strcmp(f->space, space) == 0) {
			return f;
		}
	}
	f = calloc(1, sizeof(*f));
	ls_assert(f);
	snprintf(f->space, sizeof(f->space), "%s", space);
	f->fd = -1;
	f->kept = true; /* by an earlier daemon */
	list_push_tail(&t->files, &f->link);
	return f;
}

void trace_files_write(struct trace_files *t, const struct node_action *a)
{
	struct trace_file *f;
	struct chunk *c;
	bool full;

	if (!t) {
		return;
	}
	f = trace_of(t, a->name);
	if (f->gap && a->value != TRACE_BEGIN) {
		return;
	}
	c = malloc(sizeof(*c) + a->size);
	ls_assert(c);
	c->file = f;
	c->begin = a->value == TRACE_BEGIN;
	c->end = a->value == TRACE_END;
	c->size = a->size;
	memcpy(c->data, a->data, a->size);
	pthread_mutex_lock(&t->mutex);
	full = t->queued > QUEUE_BYTES_MAX;
	if (!full) {
		list_push_tail(&t->queue, &c->link);
		t->queued += c->size;
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->mutex);
	if (full) {
		free(c);
		f->gap = true;
		f->retry_ms = 0;
		return;
	}
	f->gap = false;
	f->written = a->value == TRACE_BEGIN ? 0 : f->written + a->size;
	if (f->written > t->daemon->settings->trace_bytes / 2) {
		f->written = 0;
		node_trace_restart(t->daemon->node, f->space);
	}
}

/* Each beginning costs a snapshot, and on a full disk it is in vain. */
static void gap_schedule(struct trace_file *f, uint64_t now)
{
	bool calm = f->delay_ms == 0 || now - f->lost_ms > 2 * RETRY_MS_MAX;

	f->delay_ms = calm ? RETRY_MS_MIN : 2 * f->delay_ms;
	f->delay_ms = f->delay_ms < RETRY_MS_MAX ? f->delay_ms : RETRY_MS_MAX;
	f->retry_ms = now + f->delay_ms;
	f->lost_ms = now;
	qb_log(LOG_WARNING, "the trace of \"%s\" has a gap: it begins anew in %llu ms at the earliest", f->space,
	       (unsigned long long)f->delay_ms);
}

bool trace_files_idle(struct trace_files *t)
{
	pthread_mutex_lock(&t->mutex);
	bool idle = t->queued == 0;

	pthread_mutex_unlock(&t->mutex);
	return idle;
}

static bool failed_take(struct trace_files *t, struct trace_file *f)
{
	pthread_mutex_lock(&t->mutex);
	bool failed = f->failed;

	f->failed = false;
	pthread_mutex_unlock(&t->mutex);
	return failed;
}

void trace_files_tick(struct trace_files *t, uint64_t now)
{
	int error;

	if (!t) {
		return;
	}
	pthread_mutex_lock(&t->mutex);
	error = t->error;
	pthread_mutex_unlock(&t->mutex);
	if (error != t->reported) {
		t->reported = error;
		if (error != 0) {
			qb_log(LOG_ERR, "cannot write traces to %s: %s", t->daemon->settings->trace_dir,
			       strerror(-error));
		}
	}
	list_for_each (pos, &t->files) {
		struct trace_file *f = list_entry(pos, struct trace_file, link);

		if (failed_take(t, f)) {
			f->gap = true;
			f->retry_ms = 0;
		}
		if (f->gap && f->retry_ms == 0) {
			gap_schedule(f, now);
		}
		if (f->gap && now >= f->retry_ms && t->daemon->node && trace_files_idle(t)) {
			/* Its END is dropped, as nothing but a BEGIN follows a gap. No BEGIN comes now
			 * when the lockspace has no state here: its next one begins by itself. */
			f->retry_ms = now + f->delay_ms;
			node_trace_restart(t->daemon->node, f->space);
		}
	}
}
