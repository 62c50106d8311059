/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See image.h.
 *
 *   writing --pipe at its end--> drained --child has ended well--> node_image_end(0)
 *      |                            |
 *      +--- child has ended badly --+----------------------------> node_image_end(EIO)
 *      +--- NODE_ACTION_IMAGE_STOP: SIGKILL, nothing is told
 *
 * The child has a copy of everything the daemon had at the fork and may use none of it but the node
 * object: it closes all descriptors but its pipe (a client or Corosync would else not notice when the
 * daemon hangs up), gives up the signal handlers (they write into the daemon's pipe), logs nothing,
 * and ends with _exit(). It dies with the daemon.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbdefs.h>

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/image.h"
#include "plugin/daemon/log.h"

#define CHILD_NICE 10
#define CHILD_FD 3
#define READ_BYTES 65536

struct image {
	struct list link;
	struct images *all;
	uint64_t number; /* the node's */
	pid_t pid;
	int pidfd;
	int fd;          /* of the pipe; -1 closed */
	bool polled;     /* the pipe */
	size_t wanted;   /* bytes asked for and not fed */
	bool ended;      /* the child, and well */
	bool stopped;    /* nobody wants it; the child is being killed */
	uint64_t bytes;
	uint64_t began_ms;
};

struct images {
	struct daemon *daemon;
	struct list list;
};

/* --- the child ---------------------------------------------------------------------------- */

static void child_sink(void *arg, const void *data, size_t size)
{
	const char *at = data;

	(void)arg;
	while (size > 0) {
		ssize_t n = write(CHILD_FD, at, size);

		if (n < 0 && errno != EINTR) {
			_exit(1);
		}
		if (n > 0) {
			at += n;
			size -= (size_t)n;
		}
	}
}

__attribute__((noreturn)) static void child(const struct node *n, uint64_t number, int fd,
					    pid_t parent)
{
	struct sched_param param = { .sched_priority = 0 };
	sigset_t none;

	for (int i = 1; i < NSIG; i++) {
		(void)signal(i, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "lockstepd-image");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || (fd != CHILD_FD && dup2(fd, CHILD_FD) < 0)) {
		_exit(1);
	}
	/* A kernel too old for it leaves them open: that costs a late hang-up, no more. */
	(void)close_range(CHILD_FD + 1, ~0u, 0);
	(void)sched_setscheduler(0, SCHED_OTHER, &param);
	(void)setpriority(PRIO_PROCESS, 0, CHILD_NICE);
	_exit(node_image_write(n, number, child_sink, NULL) == 0 ? 0 : 1);
}

/* --- the daemon --------------------------------------------------------------------------- */

static struct image *image_find(const struct images *all, uint64_t number)
{
	list_for_each (pos, &all->list) {
		struct image *i = list_entry(pos, struct image, link);

		if (i->number == number && !i->stopped) {
			return i;
		}
	}
	return NULL;
}

static void pipe_poll(struct image *i, bool on);

static void pipe_close(struct image *i)
{
	pipe_poll(i, false);
	if (i->fd >= 0) {
		close(i->fd);
		i->fd = -1;
	}
}

static void image_free(struct image *i)
{
	pipe_close(i);
	if (i->pidfd >= 0) {
		(void)qb_loop_poll_del(i->all->daemon->loop, i->pidfd);
		close(i->pidfd);
	}
	list_remove(&i->link);
	free(i);
}

/* Tells the node and forgets the image. */
static void image_end(struct image *i, int error)
{
	struct daemon *d = i->all->daemon;
	uint64_t number = i->number;

	if (error == 0) {
		qb_log(LOG_INFO, "image %llu: %llu bytes in %llu ms", (unsigned long long)number,
		       (unsigned long long)i->bytes,
		       (unsigned long long)(clock_now_ms() - i->began_ms));
	}
	image_free(i);
	if (d->node) {
		node_image_end(d->node, number, error);
	}
}

/* Feeds what is there, as far as it is wanted; may end the image. */
static void image_read(struct image *i)
{
	uint8_t buffer[READ_BYTES];

	while (i->wanted > 0 && i->fd >= 0) {
		size_t size = QB_MIN(i->wanted, sizeof(buffer));
		ssize_t n = read(i->fd, buffer, size);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			break;
		}
		if (n <= 0) {
			pipe_close(i);
			break;
		}
		i->wanted -= (size_t)n;
		i->bytes += (uint64_t)n;
		node_image_bytes(i->all->daemon->node, i->number, buffer, (size_t)n);
	}
	if (i->fd < 0 && i->ended) {
		image_end(i, 0);
		return;
	}
	pipe_poll(i, i->wanted > 0 && i->fd >= 0);
}

static int32_t pipe_readable(int32_t fd, int32_t revents, void *arg)
{
	struct image *i = arg;
	struct daemon *d = i->all->daemon;

	(void)fd;
	(void)revents;
	image_read(i);
	daemon_pump(d);
	return 0;
}

/* Low: whatever clients and the ring want comes first. */
static void pipe_poll(struct image *i, bool on)
{
	if (on == i->polled) {
		return;
	}
	if (on) {
		int32_t rc = qb_loop_poll_add(i->all->daemon->loop, QB_LOOP_LOW, i->fd, POLLIN, i,
					      pipe_readable);

		ls_assert(rc == 0);
	} else {
		(void)qb_loop_poll_del(i->all->daemon->loop, i->fd);
	}
	i->polled = on;
}

static int32_t child_ended(int32_t fd, int32_t revents, void *arg)
{
	struct image *i = arg;
	struct daemon *d = i->all->daemon;
	int status = 0;

	(void)fd;
	(void)revents;
	if (waitpid(i->pid, &status, WNOHANG) != i->pid) {
		return 0;
	}
	(void)qb_loop_poll_del(d->loop, i->pidfd);
	close(i->pidfd);
	i->pidfd = -1;
	if (i->stopped) {
		image_free(i);
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		qb_log(LOG_WARNING, "image %llu: its writer %ld ended with status %d",
		       (unsigned long long)i->number, (long)i->pid, status);
		image_end(i, EIO);
		daemon_pump(d);
	} else {
		i->ended = true;
		image_read(i);
		daemon_pump(d);
	}
	return 0;
}

static pid_t child_fork(const struct node *n, uint64_t number, const int fds[2])
{
	pid_t parent = getpid();
	sigset_t all;
	sigset_t before;

	/* No handler of ours may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();

	if (pid == 0) {
		child(n, number, fds[1], parent);
	}
	int error = errno;

	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return pid;
}

static uint64_t clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int image_start(struct images *all, uint64_t number)
{
	struct daemon *d = all->daemon;
	struct image *i;
	uint64_t began = clock_us();
	int fds[2];
	int pidfd;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		return errno;
	}
	pid_t pid = fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 ? child_fork(d->node, number, fds) : -1;
	int error = errno;

	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return error;
	}
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		error = errno;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		close(fds[0]);
		return error;
	}
	i = calloc(1, sizeof(*i));
	ls_assert(i != NULL);
	*i = (struct image){ .all = all, .number = number, .pid = pid, .pidfd = pidfd, .fd = fds[0],
			     .began_ms = clock_now_ms() };
	list_push_tail(&all->list, &i->link);
	(void)qb_loop_poll_add(d->loop, QB_LOOP_LOW, pidfd, POLLIN, i, child_ended);
	qb_log(LOG_INFO, "image %llu: written by process %ld, forked in %llu us",
	       (unsigned long long)number, (long)pid, (unsigned long long)(clock_us() - began));
	return 0;
}

static void image_stop(struct image *i)
{
	i->stopped = true;
	pipe_close(i);
	if (i->pidfd < 0) {
		image_free(i); /* it has ended already */
	} else {
		(void)kill(i->pid, SIGKILL); /* not reaped yet, so the number is still its own */
	}
}

void images_action(struct images *all, const struct node_action *a)
{
	struct image *i = image_find(all, a->token);

	if (a->type == NODE_ACTION_IMAGE_BEGIN) {
		int error = image_start(all, a->token);

		if (error != 0) {
			qb_log(LOG_ERR, "image %llu: cannot start its writer: %s",
			       (unsigned long long)a->token, strerror(error));
			node_image_end(all->daemon->node, a->token, error);
		}
	} else if (i && a->type == NODE_ACTION_IMAGE_READ) {
		i->wanted += a->value;
		image_read(i);
	} else if (i && a->type == NODE_ACTION_IMAGE_STOP) {
		image_stop(i);
	}
}

void images_stop_all(struct images *all)
{
	list_for_each_safe (pos, &all->list) {
		struct image *i = list_entry(pos, struct image, link);

		if (!i->stopped) {
			image_stop(i);
		}
	}
}

struct images *images_new(struct daemon *d)
{
	struct images *all = calloc(1, sizeof(*all));

	ls_assert(all != NULL);
	all->daemon = d;
	list_init(&all->list);
	return all;
}

struct images *images_free(struct images *all)
{
	if (all) {
		images_stop_all(all);
		list_for_each_safe (pos, &all->list) {
			struct image *i = list_entry(pos, struct image, link);

			(void)waitpid(i->pid, NULL, 0);
			image_free(i);
		}
		free(all);
	}
	return NULL;
}
