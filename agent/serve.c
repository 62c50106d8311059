/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joins the coordinator, the recoveries and the application in GLib's main loop.
 *
 * The application may use what it is granted when all of this is so: the member has started, its own item
 * is clean, the first recovery is over, no prep has come since the last unblock, the session lives, and
 * nobody has asked us to end. open_update() is called after each change of one of them.
 */
#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <lockstep/lockstep_coordinator.h>

#include "agent/application.h"
#include "agent/command.h"
#include "agent/notify.h"
#include "agent/quorum.h"
#include "agent/recovery.h"
#include "agent/run_state.h"
#include "agent/serve.h"
#include "agent/serve_config.h"

#define RETRY_MS 1000

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* could not start */
	EXIT_CONFIG = 2,
	EXIT_NEEDS_HUMAN = 4,
	EXIT_LOST = 5,
};

struct serve {
	struct serve_config *config;
	GMainLoop *loop;
	struct lockstep_coordinator *c;
	struct application *application;
	GPtrArray *recoveries;
	struct quorum *quorum;
	const char *ipc_name;
	guint timer, retry;
	int ready_fd;
	int rc;
	uint32_t own;
	uint64_t own_token;
	struct recovery *own_recovery; /* also the first member's plan for everything */
	int told; /* 1 open, -1 closed: as it is in the beginning */
	unsigned int panics; /* commands of that name under way */
	bool started, own_clean, first, blocked;
	bool block_owed; /* the coordinator waits for the application */
	bool lost, ending, stop_sent, ready_told;
};

G_GNUC_PRINTF(1, 2)
static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *text = g_strdup_vprintf(format, args);

	va_end(args);
	(void)fprintf(stderr, "lockstep-agent: %s\n", text);
	g_free(text);
}

static void on_log(const char *text, void *arg)
{
	(void)arg;
	say("%s", text);
}

static void pump(struct serve *s);

static gboolean on_timer(gpointer arg)
{
	struct serve *s = arg;

	s->timer = 0;
	pump(s);
	return G_SOURCE_REMOVE;
}

/* After each call of the coordinator: what it wants done is done from the loop. */
static void arm(struct serve *s)
{
	int ms = s->lost ? -1 : lockstep_coordinator_timeout(s->c);

	if (s->timer) {
		g_source_remove(s->timer);
		s->timer = 0;
	}
	if (ms >= 0) {
		s->timer = g_timeout_add((guint)ms, on_timer, s);
	}
}

/* --- the application --------------------------------------------------------------------- */

static void open_update(struct serve *s)
{
	application_set(s->application, s->started && s->own_clean && !s->first && !s->blocked &&
						!s->lost && !s->ending);
}

static void state_write(const struct serve *s, bool open)
{
	struct lockstep_coordinator_status status;
	GError *error = NULL;

	lockstep_coordinator_status(s->c, &status);
	char *path = g_strdup_printf("%s/state", s->config->state_dir);
	char *text = g_strdup_printf("%s item %u generation %u failed %u\n", open ? "open" : "closed",
				     s->own, status.generation, status.failed);

	if (!g_file_set_contents(path, text, -1, &error)) {
		say("%s", error->message);
		g_error_free(error);
	}
	char *line = g_strdup_printf("STATUS=%s", text);

	notify_manager(line);
	g_free(line);
	g_free(text);
	g_free(path);
}

static void end_try(struct serve *s);

static void on_application(bool open, void *arg)
{
	struct serve *s = arg;

	state_write(s, open);
	if (s->told != (open ? 1 : -1)) {
		s->told = open ? 1 : -1;
		say("%s", open ? "the application may go on" : "the application has stopped");
	}
	if (open && !s->ready_told) {
		s->ready_told = true;
		notify_manager("READY=1");
		notify_fd(s->ready_fd);
	}
	if (!open && s->block_owed) {
		s->block_owed = false;
		(void)lockstep_coordinator_blocked(s->c);
		arm(s);
	}
	end_try(s);
}

/* --- recoveries -------------------------------------------------------------------------- */

static void on_panic_ended(bool good, void *arg)
{
	struct serve *s = arg;

	(void)good;
	s->panics--;
	end_try(s);
}

static void escalate(struct serve *s, uint32_t item)
{
	char number[16];

	(void)g_snprintf(number, sizeof(number), "%u", item);
	say("%s%s needs a human: see %s", item == RECOVERY_EVERYTHING ? "the first recovery" : "item ",
	    item == RECOVERY_EVERYTHING ? "" : number, s->config->state_dir);
	notify_manager("STATUS=a recovery has failed in a way that needs a human");
	if (s->config->panic) {
		char *space = g_strdup_printf("LOCKSTEP_LOCKSPACE=%s", s->config->lockspace);
		char *which = g_strdup_printf("LOCKSTEP_ITEM=%s",
					      item == RECOVERY_EVERYTHING ? "" : number);
		const char *const environment[] = { space, which, NULL };
		const struct command_options options = {
			.name = "panic",
			.words = s->config->panic,
			.environment = environment,
			.timeout_ms = s->config->hook_timeout_ms,
			.log = on_log,
			.ended = on_panic_ended,
			.arg = s,
		};

		s->panics++;
		(void)command_start(&options);
		g_free(space);
		g_free(which);
	}
}

static void on_recovery(struct recovery *r, enum recovery_outcome outcome, void *arg);

/* R-PLAN-4: what runs is told to end, nothing else is begun. */
static void recoveries_stop(struct serve *s)
{
	for (guint i = s->recoveries->len; i > 0; i--) {
		recovery_stop(g_ptr_array_index(s->recoveries, i - 1));
	}
}

/* The items are tried again when somebody may: the worker needs the control lock for that, which nobody is
 * granted without quorum. */
static void on_quorum_lost(void *arg)
{
	struct serve *s = arg;

	if (s->recoveries->len > 0) {
		say("quorum is lost: the recoveries that run are stopped");
	}
	recoveries_stop(s);
}

static struct recovery *recover(struct serve *s, const char *plan, uint32_t item, uint64_t token)
{
	struct lockstep_coordinator_status status;

	lockstep_coordinator_status(s->c, &status);
	const struct recovery_options options = {
		.config = s->config,
		.plan = plan,
		.item = item,
		.token = token,
		.generation = status.generation,
		.log = on_log,
		.ended = on_recovery,
		.arg = s,
	};
	struct recovery *r = recovery_start(&options);

	g_ptr_array_add(s->recoveries, r);
	return r;
}

static gboolean on_own_retry(gpointer arg);

static void own_recover(struct serve *s)
{
	bool everything = s->first;

	if (!quorum_is_there(s->quorum)) {
		s->retry = g_timeout_add(RETRY_MS, on_own_retry, s);
		return;
	}
	s->own_recovery = recover(s, everything ? s->config->first_plan : s->config->item_plan,
				  everything ? RECOVERY_EVERYTHING : s->own, s->own_token);
}

static gboolean on_own_retry(gpointer arg)
{
	struct serve *s = arg;

	s->retry = 0;
	if (!s->ending && !s->lost) {
		own_recover(s);
	}
	return G_SOURCE_REMOVE;
}

/* The node's own item, left by the agent before, or everything, by the first member. */
static void own_ended(struct serve *s, enum recovery_outcome outcome)
{
	s->own_recovery = NULL;
	if (outcome == RECOVERY_GAVEUP) {
		s->retry = g_timeout_add(RETRY_MS, on_own_retry, s);
	} else if (outcome == RECOVERY_PANIC) {
		s->rc = EXIT_NEEDS_HUMAN;
		s->ending = true;
	} else if (s->first) {
		(void)lockstep_coordinator_first_done(s->c);
	} else {
		s->own_clean = true;
	}
	arm(s);
	open_update(s);
}

static void on_recovery(struct recovery *r, enum recovery_outcome outcome, void *arg)
{
	static const int words[] = {
		[RECOVERY_SUCCESS] = LOCKSTEP_RECOVERY_SUCCESS,
		[RECOVERY_GAVEUP] = LOCKSTEP_RECOVERY_GAVEUP,
		[RECOVERY_PANIC] = LOCKSTEP_RECOVERY_PANIC,
	};
	struct serve *s = arg;

	(void)g_ptr_array_remove(s->recoveries, r);
	if (outcome == RECOVERY_PANIC) {
		escalate(s, recovery_item(r));
	}
	if (r == s->own_recovery) {
		own_ended(s, outcome);
	} else {
		(void)lockstep_coordinator_result(s->c, recovery_item(r), words[outcome]);
		arm(s);
	}
	end_try(s);
}

/* --- the coordinator's callbacks --------------------------------------------------------- */

static void on_started(void *arg, int error, bool first, uint32_t item, uint64_t token)
{
	struct serve *s = arg;

	if (error) {
		if (!s->ending && !s->lost) {
			say("cannot start: %s", g_strerror(-error));
			s->rc = EXIT_FAILED;
			s->ending = true;
		}
		return;
	}
	s->started = true;
	s->first = first;
	s->own = item;
	s->own_token = token;
	state_write(s, false); /* before the gate opens: applications read their item there */
	say("started%s, item %u", first ? " as the first member" : "", item);
	if (!first || s->config->first_plan) {
		own_recover(s);
	}
}

static int on_block(void *arg)
{
	struct serve *s = arg;

	s->blocked = true;
	s->block_owed = true;
	open_update(s);
	/* Done already, then it was said already, too. */
	return LOCKSTEP_BLOCK_PENDING;
}

static void on_unblock(void *arg)
{
	struct serve *s = arg;

	s->blocked = false;
	open_update(s);
}

static void on_recover(void *arg, uint32_t item, uint64_t token)
{
	struct serve *s = arg;

	if (s->ending || !quorum_is_there(s->quorum)) {
		(void)lockstep_coordinator_result(s->c, item, LOCKSTEP_RECOVERY_GAVEUP);
		return;
	}
	(void)recover(s, s->config->item_plan, item, token);
}

static void on_first_ended(void *arg, int error)
{
	struct serve *s = arg;

	if (error == 0) {
		say("the first recovery is over");
		s->first = false;
		s->own_clean = true;
		open_update(s);
	}
}

static void on_stopped(void *arg)
{
	struct serve *s = arg;

	g_main_loop_quit(s->loop);
}

static const struct lockstep_coordinator_ops ops = {
	.version = LOCKSTEP_COORDINATOR_OPS_VERSION,
	.started = on_started,
	.block = on_block,
	.unblock = on_unblock,
	.recover = on_recover,
	.first_ended = on_first_ended,
	.stopped = on_stopped,
};

/* --- the loop ---------------------------------------------------------------------------- */

/* Ends when the application has stopped and nothing runs any more. */
static void end_try(struct serve *s)
{
	if ((!s->ending && !s->lost) || s->recoveries->len > 0 || s->panics > 0 ||
	    !application_is_closed(s->application)) {
		return;
	}
	if (s->lost) {
		g_main_loop_quit(s->loop);
	} else if (!s->stop_sent) {
		s->stop_sent = true;
		(void)lockstep_coordinator_stop(s->c);
		arm(s);
	}
}

/* R-PLAN-4: the right to act is gone. What runs is told to end, nothing else is begun. */
static void lose(struct serve *s)
{
	s->lost = true;
	s->rc = EXIT_LOST;
	say("the session is lost: this node's daemon is gone, or the node has left the cluster");
	application_hurry(s->application);
	open_update(s);
	recoveries_stop(s);
}

static void pump(struct serve *s)
{
	if (s->lost) {
		return;
	}
	if (lockstep_coordinator_dispatch(s->c) == -ENOTCONN) {
		lose(s);
	}
	end_try(s);
	arm(s);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer arg)
{
	struct serve *s = arg;

	(void)fd;
	(void)condition;
	pump(s);
	return s->lost ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer arg)
{
	struct serve *s = arg;

	if (s->ending) {
		return G_SOURCE_CONTINUE;
	}
	say("told to end");
	notify_manager("STOPPING=1");
	s->ending = true;
	application_hurry(s->application);
	open_update(s);
	for (guint i = s->recoveries->len; i > 0; i--) {
		recovery_cancel(g_ptr_array_index(s->recoveries, i - 1));
	}
	end_try(s);
	return G_SOURCE_CONTINUE;
}

static void on_left(const char *name, unsigned int attempts, void *arg)
{
	(void)arg;
	say("%s: attempt %u has no end: the agent before was killed in it", name, attempts - 1);
}

static int setup(struct serve *s, const struct serve_options *options)
{
	const struct application_options application = {
		.gate = s->config->gate,
		.block = s->config->block,
		.unblock = s->config->unblock,
		.timeout_ms = s->config->hook_timeout_ms,
		.changed = on_application,
		.log = on_log,
		.arg = s,
	};
	const struct lockstep_options open = { .ipc_name = options->ipc_name };
	const struct lockstep_coordinator_options coordinator = {
		.control = s->config->control,
		.mounted = s->config->mounted,
		.item_prefix = s->config->item_lock,
		.items = s->config->first_plan ? 0 : s->config->items,
		.spectator = s->config->spectator,
	};
	char *error;

	if (g_mkdir_with_parents(s->config->state_dir, 0700) != 0) {
		say("%s: %s", s->config->state_dir, g_strerror(errno));
		return EXIT_FAILED;
	}
	run_state_visit(s->config->state_dir, on_left, s);
	s->application = application_new(&application, &error);
	if (!s->application) {
		say("%s", error);
		g_free(error);
		return EXIT_FAILED;
	}
	int rc = lockstep_coordinator_open(s->config->lockspace,
					   s->config->create ? LOCKSTEP_OPEN_CREATE : 0, &open,
					   &coordinator, &ops, s, &s->c);

	if (rc) {
		say("lockspace %s: %s", s->config->lockspace, lockstep_strerror(rc));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static void run(struct serve *s)
{
	s->loop = g_main_loop_new(NULL, FALSE);
	(void)g_unix_signal_add(SIGINT, on_signal, s);
	(void)g_unix_signal_add(SIGTERM, on_signal, s);
	(void)g_unix_fd_add(lockstep_coordinator_fd(s->c), G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable,
			    s);
	s->quorum = quorum_watch(s->ipc_name, on_quorum_lost, s);
	(void)lockstep_coordinator_start(s->c);
	arm(s);
	g_main_loop_run(s->loop);
	g_main_loop_unref(s->loop);
}

int serve(const struct serve_options *options)
{
	struct serve s = { .ready_fd = options->ready_fd, .ipc_name = options->ipc_name, .told = -1 };
	char *errors;

	if (serve_config_load(options->config, &s.config, &errors)) {
		(void)fputs(errors, stderr);
		g_free(errors);
		return EXIT_CONFIG;
	}
	s.recoveries = g_ptr_array_new();
	s.rc = setup(&s, options);
	if (s.rc == EXIT_OK) {
		run(&s);
	}
	lockstep_coordinator_close(s.c);
	application_free(s.application);
	quorum_free(s.quorum);
	g_ptr_array_unref(s.recoveries);
	serve_config_free(s.config);
	return s.rc;
}
