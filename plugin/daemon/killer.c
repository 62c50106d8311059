/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See killer.h. One pass over /proc serves all jobs. A round ends when every process it killed is
 * gone (its pidfd is readable); the next round follows at once, since a child may have been born
 * meanwhile, and later when there is nobody to be seen who could be waited for.
 *
 * That /proc shows nobody proves little: who lacks a privilege or memory sees less, and a descriptor may be on
 * its way between two processes. So where we have our end of the connection, the kernel is asked whether the
 * other one is closed; and what cannot be looked into counts as if it were there.
 *
 * The pid is not reused under our hands: the directory of descriptors is opened first, then the
 * pidfd, then the descriptor is looked at once more through that directory, which belongs to the
 * process it was opened for and to no other.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/killer.h"
#include "plugin/daemon/log.h"

#define RETRY_MS 100
/* A client that was told LOST may end by itself, and say why; its locks are kept until it is gone. */
#define GRACE_MS 200
#define GRACE_LOOK_MS 20
#define WAIT_MS 1000      /* between looks where processes are only waited for */
#define REPORT_MS 10000

struct killer_job {
	struct list link;
	struct killer_target target;
	bool kill;
	uint64_t kill_ms; /* not before */
	bool seen;   /* in this round */
	bool unseen; /* in this round its connection is open and no process has it */
	char name[128];
	void *arg;
	void (*done)(void *arg);
};

/* A process that was sent SIGKILL. */
struct victim {
	struct list link;
	struct killer *killer;
	int pidfd;
	pid_t pid;
};

struct killer {
	struct daemon *daemon;
	struct list jobs;
	struct list victims;
	qb_loop_timer_handle timer;
	uint64_t reported_ms;
	uint64_t refused_ms; /* when it was last said that somebody cannot be killed */
	bool refused_quiet;  /* not again in this round */
};

static void round_run(void *arg);

static bool due(const struct killer_job *job)
{
	return job->kill && clock_now_ms() >= job->kill_ms;
}

struct killer *killer_new(struct daemon *d)
{
	struct killer *k = calloc(1, sizeof(*k));

	ls_assert(k != NULL);
	k->daemon = d;
	list_init(&k->jobs);
	list_init(&k->victims);
	return k;
}

static void victim_free(struct victim *v)
{
	qb_loop_poll_del(v->killer->daemon->loop, v->pidfd);
	close(v->pidfd);
	list_remove(&v->link);
	free(v);
}

struct killer *killer_free(struct killer *k)
{
	if (k) {
		daemon_timer_stop(k->daemon, &k->timer);
		list_for_each_safe (pos, &k->victims) {
			victim_free(list_entry(pos, struct victim, link));
		}
		list_for_each_safe (pos, &k->jobs) {
			free(list_entry(pos, struct killer_job, link));
		}
		free(k);
	}
	return NULL;
}

static int diag_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	return fd < 0 ? -errno : fd;
}

/* The same in the network namespace of the socket @fd. For a connection through the socket file that is
 * the program's namespace, at our end as well. */
static int diag_socket_there(int fd)
{
	int theirs = ioctl(fd, SIOCGSKNS);
	int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int netlink = -ENOENT;

	if (theirs >= 0 && ours >= 0 && setns(theirs, CLONE_NEWNET) == 0) {
		netlink = diag_socket();
		int rc = setns(ours, CLONE_NEWNET);

		ls_assert(rc == 0); /* nothing else may happen in somebody else's namespace */
	}
	if (theirs >= 0) {
		close(theirs);
	}
	if (ours >= 0) {
		close(ours);
	}
	return netlink;
}

/* Asks @netlink, and closes it, for the peer of the socket @inode; -ENOENT: it does not know that one. */
static int diag_peer(int netlink, uint64_t inode, uint64_t *ret)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req diag;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST },
		.diag = { .sdiag_family = AF_UNIX,
			  .udiag_states = UINT32_MAX,
			  .udiag_ino = (uint32_t)inode,
			  .udiag_show = UDIAG_SHOW_PEER,
			  .udiag_cookie = { UINT32_MAX, UINT32_MAX } },
	};
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	uint32_t peer = 0;
	ssize_t size;

	if (netlink < 0) {
		return netlink;
	}
	/* The kernel answers within send(), so this does not wait. */
	size = send(netlink, &request, sizeof(request), 0);
	if (size == (ssize_t)sizeof(request)) {
		size = recv(netlink, &answer, sizeof(answer), MSG_DONTWAIT);
	}
	close(netlink);
	if (size <= 0 || !NLMSG_OK(&answer.header, size) ||
	    answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY) {
		return -ENOENT;
	}
	struct unix_diag_msg *diag = NLMSG_DATA(&answer.header);
	struct rtattr *attr = (struct rtattr *)(void *)(diag + 1);
	size_t left = answer.header.nlmsg_len - NLMSG_LENGTH(sizeof(*diag));

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(attr) == sizeof(peer)) {
			memcpy(&peer, RTA_DATA(attr), sizeof(peer));
		}
	}
	*ret = peer;
	return 0;
}

int killer_peer_inode(int fd, uint64_t *ret)
{
	struct stat st;
	int rc;

	*ret = 0;
	if (fstat(fd, &st) != 0) {
		return -errno;
	}
	rc = diag_peer(diag_socket(), st.st_ino, ret);
	return rc == -ENOENT ? diag_peer(diag_socket_there(fd), st.st_ino, ret) : rc;
}

uint64_t killer_start_time(pid_t pid)
{
	char path[64];
	char text[1024];
	char *p;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return 0;
	}
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0) {
		return 0;
	}
	text[size] = '\0';
	/* The command name may hold anything; field 3 follows its last ')', the start is field 22. */
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p + 1, ' ');
	}
	return p ? strtoull(p, NULL, 10) : 0;
}

/* 0: no socket, or with errno what keeps us from looking. */
static uint64_t link_inode(int dir_fd, const char *name)
{
	char target[64];
	ssize_t size = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (size <= 0) {
		return 0;
	}
	errno = 0;
	target[size] = '\0';
	return strncmp(target, "socket:[", 8) == 0 ? strtoull(target + 8, NULL, 10) : 0;
}

static int32_t victim_gone(int32_t fd, int32_t revents, void *arg)
{
	struct victim *v = arg;
	struct killer *k = v->killer;

	(void)fd;
	(void)revents;
	victim_free(v);
	if (list_empty(&k->victims)) {
		daemon_timer_stop(k->daemon, &k->timer);
		round_run(k);
	}
	return 0; /* victim_free() took it from the loop */
}

static bool victim_known(const struct killer *k, pid_t pid)
{
	list_for_each (pos, &k->victims) {
		if (list_entry(pos, struct victim, link)->pid == pid) {
			return true;
		}
	}
	return false;
}

/* @still: is the process the pidfd was opened for the one we looked at? */
static void victim_kill(struct killer *k, const struct killer_job *job, pid_t pid, int dir_fd,
			const char *descriptor)
{
	struct victim *v;
	int fd;

	if (victim_known(k, pid)) {
		return;
	}
	fd = pidfd_open(pid, 0);
	if (fd < 0) {
		return; /* gone, or the next round sees it */
	}
	if (descriptor ? link_inode(dir_fd, descriptor) != job->target.inode :
			 killer_start_time(pid) != job->target.start) {
		close(fd);
		return;
	}
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0) != 0 && errno != ESRCH) {
		if (!k->refused_quiet) {
			qb_log(LOG_ERR, "cannot kill process %ld (%s): %s", (long)pid, job->name,
			       strerror(errno));
			k->refused_ms = clock_now_ms();
		}
		close(fd);
		return;
	}
	qb_log(LOG_WARNING, "killed process %ld (%s)", (long)pid, job->name);
	v = calloc(1, sizeof(*v));
	ls_assert(v != NULL);
	*v = (struct victim){ .killer = k, .pidfd = fd, .pid = pid };
	list_push_tail(&k->victims, &v->link);
	(void)qb_loop_poll_add(k->daemon->loop, QB_LOOP_HIGH, fd, POLLIN, v, victim_gone);
}

/* The descriptors of @pid cannot be listed, or not be looked at. */
static void process_hidden(struct killer *k, pid_t pid, int error)
{
	bool of_ours = error == EMFILE || error == ENFILE || error == ENOMEM;

	if (error == 0 || error == ENOENT || error == ESRCH) {
		return; /* it has gone, or the descriptor has */
	}
	list_for_each (pos, &k->jobs) {
		struct killer_job *job = list_entry(pos, struct killer_job, link);
		const struct killer_target *t = &job->target;

		if (of_ours) {
			job->seen = true;
		} else if (t->pid == pid && t->start != 0 && killer_start_time(pid) == t->start) {
			job->seen = true;
			if (due(job)) {
				victim_kill(k, job, pid, -1, NULL);
			}
		}
	}
}

static void process_look(struct killer *k, pid_t pid)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	dir = opendir(path);
	if (!dir) {
		process_hidden(k, pid, errno);
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		uint64_t inode = link_inode(dirfd(dir), entry->d_name);

		if (inode == 0) {
			process_hidden(k, pid, errno);
			continue;
		}
		list_for_each (pos, &k->jobs) {
			struct killer_job *job = list_entry(pos, struct killer_job, link);

			if (job->target.inode == inode) {
				job->seen = true;
				if (due(job)) {
					victim_kill(k, job, pid, dirfd(dir), entry->d_name);
				}
			}
		}
	}
	closedir(dir);
}

static void processes_look(struct killer *k)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc) {
		/* Nothing is known of anybody: all jobs go on waiting. */
		list_for_each (pos, &k->jobs) {
			list_entry(pos, struct killer_job, link)->seen = true;
		}
		return;
	}
	while ((entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid()) {
			process_look(k, pid);
		}
	}
	closedir(proc);
}

static void report(struct killer *k, const struct killer_job *job)
{
	uint64_t now = clock_now_ms();

	if (now - k->reported_ms >= REPORT_MS) {
		k->reported_ms = now;
		qb_log(LOG_WARNING, "%s: its processes are still there%s%s", job->name,
		       job->kill ? "" : "; waiting for them to end",
		       job->unseen ? "; /proc does not show them (see USER AND CAPABILITIES in lockstepd(8))" : "");
	}
}

/* Somebody has the other end open, whom /proc does not show. */
static bool connection_open(const struct killer_job *job)
{
	uint64_t inode;

	return job->target.inode != 0 && job->target.fd >= 0 &&
	       (killer_peer_inode(job->target.fd, &inode) != 0 || inode != 0);
}

static void round_run(void *arg)
{
	struct killer *k = arg;
	bool more = false;
	bool killing = false;
	bool grace = false;
	struct list finished;

	k->timer = 0;
	k->refused_quiet = k->refused_ms != 0 && clock_now_ms() - k->refused_ms < REPORT_MS;
	list_init(&finished);
	list_for_each (pos, &k->jobs) {
		struct killer_job *job = list_entry(pos, struct killer_job, link);
		const struct killer_target *t = &job->target;

		job->seen = t->inode == 0 && killer_start_time(t->pid) == t->start && t->start != 0;
		if (job->seen && due(job)) {
			victim_kill(k, job, t->pid, -1, NULL);
		}
	}
	processes_look(k);
	list_for_each_safe (pos, &k->jobs) {
		struct killer_job *job = list_entry(pos, struct killer_job, link);

		job->unseen = !job->seen && list_empty(&k->victims) && connection_open(job);
		if (job->seen || job->unseen) {
			more = true;
			killing |= job->kill && job->seen; /* else there is only waiting */
			grace |= job->kill && !due(job);
			report(k, job);
		} else if (list_empty(&k->victims)) {
			list_remove(&job->link);
			list_push_tail(&finished, &job->link);
		} else {
			more = true; /* a process on its way out has closed its descriptors */
			killing = true;
		}
	}
	if (more) {
		daemon_timer(k->daemon, QB_LOOP_MED,
			     grace ? GRACE_LOOK_MS : (killing ? RETRY_MS : WAIT_MS), k, round_run,
			     &k->timer);
	}
	while (!list_empty(&finished)) {
		struct killer_job *job = list_entry(finished.next, struct killer_job, link);
		void (*done)(void *) = job->done;
		void *done_arg = job->arg;

		list_remove(&job->link);
		free(job);
		done(done_arg);
	}
}

void killer_start(struct killer *k, const struct killer_target *target, bool kill,
		  const char *name, void *arg, void (*done)(void *arg))
{
	struct killer_job *job = calloc(1, sizeof(*job));

	ls_assert(job != NULL);
	if (list_empty(&k->jobs)) {
		k->reported_ms = clock_now_ms(); /* what takes long is reported, not each job */
	}
	job->target = *target;
	job->kill = kill;
	job->kill_ms = clock_now_ms() + GRACE_MS;
	job->arg = arg;
	job->done = done;
	snprintf(job->name, sizeof(job->name), "%s", name);
	list_push_tail(&k->jobs, &job->link);
	/* Several sessions are often ended together: one pass for all. */
	daemon_timer_stop(k->daemon, &k->timer);
	daemon_timer(k->daemon, QB_LOOP_HIGH, 0, k, round_run, &k->timer);
}
