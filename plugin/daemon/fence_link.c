/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See fence_link.h. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/fence_link.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"
#include "plugin/node/fencing.h"

#define HELPER "lockstep-fence-watch"
#define RESTART_MS 2000
#define REQUESTS_MAX 64
#define FIELDS_MAX 9

struct fence_link {
	struct daemon *daemon;
	pid_t pid; /* 0: not running */
	int fd;
	qb_loop_timer_handle timer;
	bool missing_said;
	bool up;           /* as last said by the helper */
	char text[96];
	uint64_t mark;     /* the last one; a new helper starts with it */
	uint64_t requests[REQUESTS_MAX]; /* that have no answer yet */
	size_t requests_count;
	size_t used;
	char line[FENCE_LINE_MAX];
};

static void helper_start(void *arg);

static void say(struct fence_link *l, const char *line)
{
	/* A helper that does not read is one that hangs: it is ended, and the next one hears it. */
	if (l->pid != 0 && send(l->fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) !=
				   (ssize_t)strlen(line)) {
		qb_log(LOG_WARNING, "%s does not listen: ending it", HELPER);
		(void)kill(l->pid, SIGKILL);
	}
}

static void link_tell(struct fence_link *l)
{
	struct node *node = daemon_node(l->daemon);

	if (node) {
		node_fence_link(node, l->up, l->text);
		daemon_dirty(l->daemon);
	}
}

static void link_set(struct fence_link *l, bool up, const char *text)
{
	if (l->up != up || strcmp(l->text, text) != 0) {
		qb_log(up ? LOG_NOTICE : LOG_WARNING, "Pacemaker's fencer: %s%s%s",
		       up ? "connected" : "not connected", text[0] ? ": " : "", text);
	}
	l->up = up;
	snprintf(l->text, sizeof(l->text), "%s", text);
	link_tell(l);
}

static void answer(struct fence_link *l, uint64_t token, const char *error)
{
	struct node *node = daemon_node(l->daemon);

	for (size_t i = 0; i < l->requests_count; i++) {
		if (l->requests[i] == token) {
			l->requests[i] = l->requests[--l->requests_count];
			if (node) {
				node_fence_answer(node, token, error);
				daemon_dirty(l->daemon);
			}
			return;
		}
	}
}

/* --- lines ------------------------------------------------------------------------------- */

static size_t fields_split(char *line, char *fields[FIELDS_MAX])
{
	size_t count = 0;

	while (line && count < FIELDS_MAX) {
		fields[count++] = strsep(&line, "\t");
	}
	return count;
}

static void result(struct fence_link *l, char *const fields[FIELDS_MAX], uint32_t nodeid)
{
	const struct node_fence_result r = {
		.nodeid = nodeid,
		.action = strcmp(fields[2], "off") == 0	     ? NODE_FENCE_OFF
			  : strcmp(fields[2], "reboot") == 0 ? NODE_FENCE_REBOOT
							     : NODE_FENCE_OTHER,
		.success = strcmp(fields[3], "ok") == 0,
		.mark = strtoull(fields[4], NULL, 10),
		.wall_ms = strtoull(fields[5], NULL, 10),
		.by_itself = strcmp(fields[6], "itself") == 0,
		.manual = strcmp(fields[7], "human") == 0,
		.text = fields[8],
	};

	qb_log(LOG_NOTICE, "Pacemaker: %s of node %u (%s) %s%s%s", fields[2], nodeid, fields[1],
	       r.success ? "done" : "failed", r.text[0] ? ": " : "", r.text);
	node_fence_result(l->daemon->node, &r);
}

static void line_received(struct fence_link *l, char *line)
{
	struct daemon *d = l->daemon;
	char *fields[FIELDS_MAX];
	size_t count = fields_split(line, fields);
	uint32_t nodeid;

	if (count == 3 && strcmp(fields[0], "link") == 0) {
		link_set(l, strcmp(fields[1], "up") == 0, fields[2]);
	} else if (count >= 2 && strcmp(fields[0], "answer") == 0) {
		answer(l, strtoull(fields[1], NULL, 10), count > 2 ? fields[2] : NULL);
	} else if (count < 3 || !daemon_node(d) || cluster_node_id(d, fields[1], &nodeid) != 0) {
		return; /* about a node that is not ours, or nobody is there to hear it */
	} else if (count == 3 && strcmp(fields[0], "busy") == 0) {
		node_fence_busy(d->node, nodeid, fields[2][0] == '1');
		daemon_dirty(d);
	} else if (count == 3 && strcmp(fields[0], "by") == 0) {
		node_fence_note(d->node, nodeid, fields[2], NULL);
	} else if (count == 3 && strcmp(fields[0], "devices") == 0) {
		node_fence_note(d->node, nodeid, NULL, fields[2]);
	} else if (count == FIELDS_MAX && strcmp(fields[0], "result") == 0) {
		result(l, fields, nodeid);
		daemon_dirty(d);
	}
}

static void helper_gone(struct fence_link *l, const char *why)
{
	(void)qb_loop_poll_del(l->daemon->loop, l->fd);
	close(l->fd);
	(void)kill(l->pid, SIGKILL);
	(void)waitpid(l->pid, NULL, 0);
	l->pid = 0;
	l->fd = -1;
	l->used = 0;
	link_set(l, false, why);
	while (l->requests_count > 0) {
		answer(l, l->requests[0], why);
	}
	daemon_timer(l->daemon, QB_LOOP_LOW, RESTART_MS, l, helper_start, &l->timer);
}

static int32_t readable(int32_t fd, int32_t revents, void *arg)
{
	struct fence_link *l = arg;
	ssize_t size = recv(fd, l->line + l->used, sizeof(l->line) - 1 - l->used, MSG_DONTWAIT);
	char *end;

	(void)revents;
	if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
		return 0;
	}
	if (size <= 0) {
		helper_gone(l, HELPER " has ended");
		return 0;
	}
	l->used += (size_t)size;
	l->line[l->used] = '\0';
	while ((end = strchr(l->line, '\n'))) {
		*end = '\0';
		line_received(l, l->line);
		l->used -= (size_t)(end + 1 - l->line);
		memmove(l->line, end + 1, l->used + 1);
	}
	if (l->used == sizeof(l->line) - 1) {
		helper_gone(l, HELPER " talks nonsense");
	}
	return 0;
}

/* --- the process ------------------------------------------------------------------------- */

/* The installed one; that of an installation that was moved; or the one beside this program. */
static bool helper_path(char *ret, size_t size)
{
	static const char *const folders[] = { "/../libexec/lockstep/", "/" };
	char exe[256];
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	snprintf(ret, size, "%s/%s", LOCKSTEP_LIBEXECDIR, HELPER);
	if (access(ret, X_OK) == 0 || length <= 0) {
		return access(ret, X_OK) == 0;
	}
	exe[length] = '\0';
	*strrchr(exe, '/') = '\0';
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(ret, size, "%s%s%s", exe, folders[i], HELPER);
		if (access(ret, X_OK) == 0) {
			return true;
		}
	}
	return false;
}

/* Only what is safe after fork(). */
static void helper_exec(const char *path, int fd, pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) {
		_exit(1);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(fd, 3) != 3 || close_range(4, ~0u, 0) != 0) {
		_exit(1);
	}
	execl(path, HELPER, "--fd=3", (char *)NULL);
	_exit(1);
}

/* errno says why. */
static void helper_failed(struct fence_link *l)
{
	qb_log(LOG_ERR, "cannot start %s: %s", HELPER, strerror(errno));
	daemon_timer(l->daemon, QB_LOOP_LOW, RESTART_MS, l, helper_start, &l->timer);
}

static void helper_start(void *arg)
{
	struct fence_link *l = arg;
	struct daemon *d = l->daemon;
	pid_t parent = getpid();
	char path[512];
	char line[64];
	int fds[2];

	l->timer = 0;
	if (!helper_path(path, sizeof(path))) {
		if (!l->missing_said) {
			link_set(l, false, HELPER " is not installed");
			l->missing_said = true;
		}
		return;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		helper_failed(l);
		return;
	}
	l->pid = fork();
	if (l->pid < 0) {
		l->pid = 0;
		helper_failed(l);
		close(fds[0]);
		close(fds[1]);
		return;
	}
	if (l->pid == 0) {
		helper_exec(path, fds[1], parent);
	}
	close(fds[1]);
	l->fd = fds[0];
	(void)qb_loop_poll_add(d->loop, QB_LOOP_LOW, l->fd, POLLIN, l, readable);
	snprintf(line, sizeof(line), "mark\t%llu\n", (unsigned long long)l->mark);
	say(l, line);
}

struct fence_link *fence_link_new(struct daemon *d)
{
	struct fence_link *l;

	if (d->standalone || d->settings->fencing != NODE_FENCING_PACEMAKER) {
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	ls_assert(l != NULL);
	l->daemon = d;
	l->fd = -1;
	snprintf(l->text, sizeof(l->text), "starting");
	daemon_timer(d, QB_LOOP_LOW, 0, l, helper_start, &l->timer);
	return l;
}

struct fence_link *fence_link_free(struct fence_link *l)
{
	if (l) {
		daemon_timer_stop(l->daemon, &l->timer);
		if (l->pid != 0) {
			(void)qb_loop_poll_del(l->daemon->loop, l->fd);
			close(l->fd);
			(void)kill(l->pid, SIGKILL);
			(void)waitpid(l->pid, NULL, 0);
		}
		free(l);
	}
	return NULL;
}

static void fence(struct fence_link *l, const struct node_action *a)
{
	const char *name = cluster_node_name(l->daemon, a->value);
	char line[FENCE_LINE_MAX];

	if (l->requests_count == REQUESTS_MAX) {
		node_fence_answer(l->daemon->node, a->token, "too many requests");
		return;
	}
	l->requests[l->requests_count++] = a->token;
	if (l->pid == 0 || !l->up || name[0] == '\0') {
		answer(l, a->token, "Pacemaker's fencer is not connected");
		return;
	}
	qb_log(LOG_WARNING, "asking Pacemaker to fence node %u (%s)", a->value, name);
	snprintf(line, sizeof(line), "fence\t%llu\t%s\t%s\t%u\n", (unsigned long long)a->token, name,
		 l->daemon->settings->fence_off ? "off" : "reboot",
		 l->daemon->settings->fence_timeout_s);
	say(l, line);
}

void fence_link_action(struct fence_link *l, const struct node_action *a)
{
	char line[64];

	if (!l) {
		return;
	}
	if (a->type == NODE_ACTION_FENCE) {
		fence(l, a);
		return;
	}
	l->mark = a->token;
	snprintf(line, sizeof(line), "mark\t%llu\n", (unsigned long long)a->token);
	say(l, line);
}

/* Marks of another node object mean nothing to this one, and what the helper knows is stamped with
 * those: it starts anew, and nothing it has said is read any more. */
void fence_link_node_new(struct fence_link *l)
{
	if (!l) {
		return;
	}
	l->mark = 0;
	l->requests_count = 0;
	if (l->pid != 0) {
		helper_gone(l, "starting again");
	}
	link_tell(l);
}
