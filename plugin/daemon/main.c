/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstepd: arguments, configuration, becoming a daemon, signals; then the loop.
 *
 * Without --foreground the parent returns when the IPC socket is up: the child says so through a
 * pipe. Errors before that go to the parent's stderr.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glib.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "plugin/daemon/capability.h"
#include "plugin/daemon/clients_file.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/dlm_tree.h"
#include "plugin/daemon/fence_link.h"
#include "plugin/daemon/ipc_access.h"
#include "plugin/daemon/ipc_admin.h"
#include "plugin/daemon/ipc_gate.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_stream.h"
#include "plugin/daemon/ipc_watch.h"
#include "plugin/daemon/killer.h"
#include "plugin/daemon/leftovers.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/order.h"
#include "plugin/daemon/rt.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/spaces.h"
#include "plugin/daemon/state_file.h"
#include "plugin/daemon/trace_file.h"

static const char *arg_config;
static const char *arg_ipc_name;
static bool arg_foreground;
static bool arg_standalone;
static bool arg_check;

static void help(void)
{
	puts("Usage: lockstepd [OPTION]...\n"
	     "The Lockstep lock manager of this node; see lockstepd(8).\n"
	     "\n"
	     "  -f, --foreground       do not become a daemon, log to stderr\n"
	     "      --standalone       without a cluster: this node alone\n"
	     "      --config=FILE      configuration, default " SETTINGS_PATH_DEFAULT "\n"
	     "      --check-config     read the configuration, say what is wrong with it, exit\n"
	     "      --ipc-name=NAME    name clients connect to, default \"lockstep\"\n"
	     "      --version          version and exit\n"
	     "      --help             this text and exit");
}

/* Exits by itself where there is nothing to run. */
static void arguments(int argc, char **argv)
{
	enum { OPT_STANDALONE = 256, OPT_CONFIG, OPT_IPC_NAME, OPT_CHECK, OPT_VERSION, OPT_HELP };
	static const struct option options[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "standalone", no_argument, NULL, OPT_STANDALONE },
		{ "config", required_argument, NULL, OPT_CONFIG },
		{ "ipc-name", required_argument, NULL, OPT_IPC_NAME },
		{ "check-config", no_argument, NULL, OPT_CHECK },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, OPT_HELP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "f", options, NULL)) >= 0) {
		switch (option) {
		case 'f':
			arg_foreground = true;
			break;
		case OPT_STANDALONE:
			arg_standalone = true;
			break;
		case OPT_CONFIG:
			arg_config = optarg;
			break;
		case OPT_IPC_NAME:
			arg_ipc_name = optarg;
			break;
		case OPT_CHECK:
			arg_check = true;
			break;
		case OPT_VERSION:
			puts("lockstepd " PACKAGE_VERSION);
			exit(0);
		case OPT_HELP:
			help();
			exit(0);
		default:
			fputs("Try 'lockstepd --help'.\n", stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "lockstepd: unexpected argument '%s'\n", argv[optind]);
		exit(2);
	}
}

/* --ipc-name, then the environment, then the file. NULL: it has been said what is wrong. */
static struct settings *settings_make(void)
{
	const char *path = arg_config ? arg_config : SETTINGS_PATH_DEFAULT;
	struct settings *settings = NULL;
	const char *name = arg_ipc_name ? arg_ipc_name : getenv("LOCKSTEP_IPC_NAME");
	char *errors = NULL;
	int rc = settings_load(path, &settings, &errors);

	if (rc == -ENOENT && !arg_config) {
		settings = settings_new(); /* the default file may be absent */
	} else if (rc != 0) {
		fprintf(stderr, "%s", errors);
		g_free(errors);
		return NULL;
	}
	g_free(errors);
	if (name && *name) {
		if (!settings_ipc_name_valid(name)) {
			fprintf(stderr, "lockstepd: '%s' is no IPC name: 1 to 64 of A-Z a-z 0-9 . _ -\n",
				name);
			return settings_free(settings);
		}
		g_free(settings->ipc_name);
		settings->ipc_name = g_strdup(name);
	}
	return settings;
}

/* 0, or 1: it has been said what is wrong. */
static int access_make(struct daemon *d)
{
	char *errors = NULL;

	if (d->settings->access_file &&
	    access_load(d->settings->access_file, &d->access, &errors) != 0) {
		fprintf(stderr, "%s", errors);
		g_free(errors);
		return 1;
	}
	return 0;
}

/* A promise that could not be kept when it counts is not given. 0, or 1: it has been said what is wrong. */
static int reboot_possible(const struct settings *settings)
{
	if (settings->on_lost == NODE_ON_LOST_REBOOT && !capability_has(CAP_SYS_BOOT)) {
		fputs("lockstepd: on_lost = reboot needs the capability CAP_SYS_BOOT; see USER AND CAPABILITIES in lockstepd(8)\n",
		      stderr);
		return 1;
	}
	return 0;
}

/* --- becoming a daemon ------------------------------------------------------------------- */

/* Returns in the child, with the descriptor to say "ready" on. The parent waits for that. */
static int daemonize(void)
{
	int fds[2];
	char byte;
	int status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		perror("lockstepd");
		exit(1);
	}
	if (pid == 0) {
		close(fds[0]);
		setsid();
		return fds[1];
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) == 1) {
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) != 0) {
		_exit(WEXITSTATUS(status));
	}
	fputs("lockstepd: ended before it was ready\n", stderr);
	_exit(1);
}

/* sd_notify(3)'s protocol: one datagram. */
static void systemd_notify(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t length = path ? strlen(path) : 0;
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path)) {
		return;
	}
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') {
		address.sun_path[0] = '\0';
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		(void)sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
		close(fd);
	}
}

static void ready(int ready_fd)
{
	systemd_notify();
	if (ready_fd >= 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
		(void)!write(ready_fd, "", 1);
		close(ready_fd);
		(void)!chdir("/");
	}
}

/* --- signals ----------------------------------------------------------------------------- */

static int32_t signal_stop(int32_t number, void *arg)
{
	(void)number;
	daemon_stop(arg, false);
	return 0;
}

static int32_t signal_stop_force(int32_t number, void *arg)
{
	(void)number;
	daemon_stop(arg, true);
	return 0;
}

static int32_t signal_reopen(int32_t number, void *arg)
{
	(void)number;
	log_reopen();
	ipc_access_reload(arg);
	return 0;
}

static int32_t signal_dump(int32_t number, void *arg)
{
	(void)number;
	(void)arg;
	log_blackbox_dump();
	return 0;
}

static void signals_set(struct daemon *d)
{
	signal(SIGPIPE, SIG_IGN);
	qb_loop_signal_add(d->loop, QB_LOOP_HIGH, SIGTERM, d, signal_stop, NULL);
	qb_loop_signal_add(d->loop, QB_LOOP_HIGH, SIGINT, d, signal_stop, NULL);
	qb_loop_signal_add(d->loop, QB_LOOP_HIGH, SIGQUIT, d, signal_stop_force, NULL);
	qb_loop_signal_add(d->loop, QB_LOOP_LOW, SIGHUP, d, signal_reopen, NULL);
	qb_loop_signal_add(d->loop, QB_LOOP_LOW, SIGUSR1, d, signal_dump, NULL);
	log_crash_handlers_set();
}

/* --- the parts --------------------------------------------------------------------------- */

static gid_t group_id(const char *name)
{
	struct group *group = name ? getgrnam(name) : NULL;

	if (name && !group) {
		qb_log(LOG_WARNING, "ipc_group: there is no group \"%s\"", name);
	}
	return group ? group->gr_gid : 0;
}

static void spaces_wanted(struct daemon *d)
{
	gid_t gid = group_id(d->settings->ipc_group);

	d->spaces = spaces_new();
	for (size_t i = 0; d->settings->lockspaces[i]; i++) {
		(void)spaces_create(d->spaces, NULL, d->settings->lockspaces[i], 0, 0, geteuid(),
				    gid);
	}
}

static int failed(const char *what, const char *name, int error)
{
	fprintf(stderr, "lockstepd: %s %s: %s\n", what, name, strerror(-error));
	qb_log(LOG_ERR, "%s %s: %s", what, name, strerror(-error));
	return 1;
}

/* In this order: nobody is served before it is certain that we are alone, and that the disk holds
 * what we promised. 0 or the exit status. */
static int parts_open(struct daemon *d)
{
	const struct settings *s = d->settings;
	int rc = daemon_init(d);

	if (rc != 0) {
		return failed("cannot make", "the loop", rc);
	}
	ipc_gate_descriptors_raise();
	d->killer = killer_new(d);
	d->watches = watches_new(d);
	spaces_wanted(d);
	rc = ipc_server_open(d, &d->ipc);
	if (rc == 0) {
		rc = ipc_admin_open(d, &d->admin);
	}
	if (rc == -EADDRINUSE) {
		fprintf(stderr, "lockstepd: already running (IPC name \"%s\")\n", s->ipc_name);
		return 1;
	}
	if (rc != 0) {
		return failed("cannot listen as", s->ipc_name, rc);
	}
	rc = ipc_streams_open(d, &d->streams);
	if (rc != 0) {
		return failed("cannot listen on", s->socket, rc);
	}
	rc = state_file_open(d, &d->state_file, &d->reserved);
	if (rc == -EBADMSG) {
		fprintf(stderr, "lockstepd: %s/reserved is damaged; see RECOVERY in lockstepd(8)\n",
			s->state_dir);
		return 1;
	}
	if (rc != 0) {
		return failed("cannot use", s->state_dir, rc);
	}
	rc = trace_files_open(d, &d->traces);
	if (rc != 0) {
		return failed("cannot use", s->trace_dir, rc);
	}
	rc = clients_file_open(d, &d->clients);
	if (rc == 0) {
		rc = dlm_tree_open(d, &d->dlm_tree);
	}
	if (rc != 0) {
		return failed("cannot use", s->run_dir, rc);
	}
	if (d->standalone) {
		d->order = order_solo_new(d);
	} else {
		rc = cluster_new(d, &d->cluster);
		d->fence = rc == 0 ? fence_link_new(d) : NULL;
	}
	return rc == 0 ? 0 : failed("cannot run without --standalone:", "built without Corosync", rc);
}

static void parts_close(struct daemon *d)
{
	d->streams = ipc_streams_free(d->streams);
	d->admin = ipc_admin_free(d->admin);
	d->watches = watches_free(d->watches);
	d->ipc = ipc_server_free(d->ipc);
	d->fence = fence_link_free(d->fence);
	d->cluster = cluster_free(d->cluster);
	d->clients = clients_file_free(d->clients);
	d->dlm_tree = dlm_tree_free(d->dlm_tree);
	d->state_file = state_file_free(d->state_file);
	d->traces = trace_files_free(d->traces);
	d->killer = killer_free(d->killer);
	daemon_done(d);
	d->spaces = spaces_free(d->spaces);
}

static int run(struct daemon *d, int ready_fd, struct leftovers *leftovers)
{
	int rc = parts_open(d);

	if (rc == 0) {
		leftovers_note(leftovers);
		rt_apply(d->settings);
		signals_set(d);
		if (d->standalone && !d->clients_remain) {
			daemon_node_start(d, d->settings->nodeid, &d->settings->nodeid, 1);
		}
		ready(ready_fd);
		qb_loop_run(d->loop);
		qb_log(LOG_NOTICE, "lockstepd stops");
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct daemon d = { .kick_fd = -1 };
	struct leftovers leftovers;
	int ready_fd = -1;
	int rc;

	arguments(argc, argv);
	d.settings = settings_make();
	if (!d.settings) {
		return 1;
	}
	rc = access_make(&d);
	if (rc != 0 || arg_check) {
		access_free(d.access);
		settings_free(d.settings);
		return rc;
	}
	if (reboot_possible(d.settings) != 0) {
		access_free(d.access);
		settings_free(d.settings);
		return 1;
	}
	d.standalone = arg_standalone;
	if (d.standalone) {
		d.nodeid = d.settings->nodeid;
		(void)gethostname(d.node_name, sizeof(d.node_name) - 1);
		snprintf(d.cluster_name, sizeof(d.cluster_name), "standalone");
	}
	umask(022);
	if (!arg_foreground) {
		ready_fd = daemonize();
	}
	rc = leftovers_open(d.settings, &leftovers);
	if (rc != 0) {
		settings_free(d.settings);
		return rc;
	}
	rc = log_open(d.settings, arg_foreground);
	if (rc != 0) {
		fprintf(stderr, "lockstepd: cannot open %s: %s\n", d.settings->log_file,
			strerror(-rc));
		rc = 1;
	} else {
		qb_log(LOG_NOTICE, "lockstepd %s starts%s, IPC name \"%s\"", PACKAGE_VERSION,
		       d.standalone ? " standalone" : "", d.settings->ipc_name);
		rc = run(&d, ready_fd, &leftovers);
		parts_close(&d);
	}
	leftovers_done(&leftovers);
	log_close();
	access_free(d.access);
	settings_free(d.settings);
	return rc;
}
