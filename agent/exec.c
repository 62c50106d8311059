/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/exec.h"
#include "agent/plan.h"
#include "agent/runner.h"

#define LINE_BYTES_MAX 1024 /* a longer line comes in pieces */
#define READ_BYTES 4096

/* A command under way. It has ended when it was reaped and its output is read to the end, or given up:
 * something that it left behind may hold the pipe open. */
struct child {
	struct exec *exec;
	uint32_t step;
	GPid pid;
	guint watch;
	int out;
	guint out_watch;
	GString *line;
};

struct exec {
	struct plan *plan;
	struct exec_options options;
	struct child **children; /* by step; NULL when nothing is under way */
	guint timer; /* the next deadline; first of all, the beginning */
	bool in_turn; /* actions are being taken: what ends now is seen in the same loop */
};

static uint64_t now_ms(void)
{
	return (uint64_t)g_get_monotonic_time() / 1000;
}

static void turn(struct exec *e);

static void say(struct exec *e, uint32_t step, const char *line)
{
	if (e->options.line) {
		e->options.line(e->plan, step, line, e->options.arg);
	}
}

/* --- output ------------------------------------------------------------------------------ */

static void line_flush(struct child *c)
{
	if (c->line->len > 0) {
		say(c->exec, c->step, c->line->str);
		g_string_truncate(c->line, 0);
	}
}

static void output_take(struct child *c, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n') {
			say(c->exec, c->step, c->line->str);
			g_string_truncate(c->line, 0);
		} else {
			/* What would garble a terminal or a log. */
			bool control = (unsigned char)data[i] < 0x20 && data[i] != '\t';

			g_string_append_c(c->line, control ? '?' : data[i]);
			if (c->line->len >= LINE_BYTES_MAX) {
				line_flush(c);
			}
		}
	}
}

/* Reads once; false when there is nothing more to come, ever. */
static bool output_read(struct child *c, bool *ret_any)
{
	char data[READ_BYTES];
	ssize_t size = read(c->out, data, sizeof(data));

	*ret_any = size > 0;
	if (size > 0) {
		output_take(c, data, (size_t)size);
		return true;
	}
	return size < 0 && (errno == EAGAIN || errno == EINTR);
}

/* One piece at a time, so that a flood does not keep anything else from being done. */
static gboolean on_output(gint fd, GIOCondition condition, gpointer arg)
{
	struct child *c = arg;
	bool any;

	(void)fd;
	(void)condition;
	if (output_read(c, &any)) {
		return G_SOURCE_CONTINUE;
	}
	c->out_watch = 0;
	return G_SOURCE_REMOVE;
}

/* --- children ---------------------------------------------------------------------------- */

static void child_free(struct child *c)
{
	if (c->watch) {
		g_source_remove(c->watch);
	}
	if (c->out_watch) {
		g_source_remove(c->out_watch);
	}
	if (c->out >= 0) {
		(void)close(c->out);
	}
	g_string_free(c->line, TRUE);
	g_free(c);
}

static void on_exit_of_child(GPid pid, gint status, gpointer arg)
{
	struct child *c = arg;
	struct exec *e = c->exec;
	uint32_t step = c->step;
	const struct plan_step *s = &e->plan->steps[step];
	const struct plan_command *command =
		s->state == PLAN_RECOVER ? &s->undo_command : &s->run_command;
	char error[PLAN_ERROR_MAX] = "";
	bool good = false;
	bool any = true;
	int code = status;

	/* What it wrote before its end is there by now; a bounded look, it may have left a writer. */
	for (size_t i = 0; i < 64 && any; i++) {
		(void)output_read(c, &any);
	}
	line_flush(c);
	if (WIFEXITED(status)) {
		code = WEXITSTATUS(status);
		good = plan_success(command, (unsigned int)code);
		if (!good) {
			(void)g_snprintf(error, sizeof(error), "exit code %d", code);
		}
	} else if (WIFSIGNALED(status)) {
		code = 128 + WTERMSIG(status);
		(void)g_snprintf(error, sizeof(error), "killed by signal %d", WTERMSIG(status));
	}
	/* Its group is of one step: nothing of it outlives the step. */
	(void)kill(-pid, SIGKILL);
	g_spawn_close_pid(pid);
	c->watch = 0;
	e->children[step] = NULL;
	child_free(c);
	runner_finish(e->plan, step, good, code, s->timed_out ? NULL : error, now_ms());
	turn(e);
}

static void in_child(gpointer arg)
{
	(void)arg;
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static char **pairs_add(char **env, const char *const *pairs)
{
	for (size_t i = 0; pairs && pairs[i]; i++) {
		char **pair = g_strsplit(pairs[i], "=", 2);

		env = g_environ_setenv(env, pair[0], pair[1], TRUE);
		g_strfreev(pair);
	}
	return env;
}

static char **environment_of(const struct exec *e, const struct plan_step *step,
			     const struct plan_command *command)
{
	char **env = g_get_environ();
	char attempt[16];

	(void)g_snprintf(attempt, sizeof(attempt), "%u", e->options.attempt);
	env = pairs_add(env, e->options.environment);
	env = pairs_add(env, (const char *const *)command->env);
	env = g_environ_setenv(env, "LOCKSTEP_PLAN", e->plan->name, TRUE);
	env = g_environ_setenv(env, "LOCKSTEP_STEP", step->name, TRUE);
	env = g_environ_setenv(env, "LOCKSTEP_PHASE", step->state == PLAN_RECOVER ? "undo" : "do",
			       TRUE);
	env = g_environ_setenv(env, "LOCKSTEP_DIRECTION", plan_header_name(e->plan->header), TRUE);
	return g_environ_setenv(env, "LOCKSTEP_ATTEMPT", attempt, TRUE);
}

/* False, with a sentence, when it cannot be started. */
static bool command_start(struct exec *e, uint32_t i, const struct plan_command *command,
			  char *ret_error, size_t error_size)
{
	const struct plan_step *step = &e->plan->steps[i];
	char **env = environment_of(e, step, command);
	struct child *c = g_new0(struct child, 1);
	GError *error = NULL;
	int pipe_fds[2];

	c->exec = e;
	c->step = i;
	c->line = g_string_new(NULL);
	c->out = -1;
	if (!g_unix_open_pipe(pipe_fds, FD_CLOEXEC, &error)) {
		goto out_failed;
	}
	c->out = pipe_fds[0];
	(void)g_unix_set_fd_nonblocking(c->out, TRUE, NULL);
	bool started = g_spawn_async_with_fds(command->directory, command->argv, env,
					      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH,
					      in_child, NULL, &c->pid, -1, pipe_fds[1],
					      pipe_fds[1], &error);

	(void)close(pipe_fds[1]);
	if (!started) {
		goto out_failed;
	}
	g_strfreev(env);
	c->watch = g_child_watch_add(c->pid, on_exit_of_child, c);
	c->out_watch = g_unix_fd_add(c->out, G_IO_IN | G_IO_HUP | G_IO_ERR, on_output, c);
	e->children[i] = c;
	return true;

out_failed:
	(void)g_strlcpy(ret_error, error->message, error_size);
	g_error_free(error);
	g_strfreev(env);
	child_free(c);
	return false;
}

/* --- actions ----------------------------------------------------------------------------- */

static void deed_start(struct exec *e, uint32_t i, bool undo)
{
	struct plan_step *step = &e->plan->steps[i];
	enum plan_deed deed = undo ? step->undo : step->run;
	char error[PLAN_ERROR_MAX];

	if (e->options.dry_run) {
		say(e, i, undo ? "would be undone" : "would be done");
		runner_finish(e->plan, i, true, 0, NULL, now_ms());
	} else if (deed == PLAN_DEED_FUNCTION) {
		(undo ? step->undo_fn : step->run_fn)(e->plan, i, step->arg);
	} else if (!command_start(e, i, undo ? &step->undo_command : &step->run_command, error,
				  sizeof(error))) {
		runner_finish(e->plan, i, false, 127, error, now_ms());
	}
}

static void signal_send(struct exec *e, uint32_t i, int sig)
{
	const struct child *c = e->children[i];

	if (c) {
		say(e, i, sig == SIGTERM ? "told to end (SIGTERM)" : "killed (SIGKILL)");
		/* The group, if it is one yet: between fork and setpgid() it is not. */
		if (kill(-c->pid, sig) != 0) {
			(void)kill(c->pid, sig);
		}
	}
}

static gboolean on_deadline(gpointer arg)
{
	struct exec *e = arg;

	e->timer = 0;
	runner_tick(e->plan, now_ms());
	turn(e);
	return G_SOURCE_REMOVE;
}

static void timer_set(struct exec *e)
{
	uint64_t deadline = runner_deadline(e->plan);
	uint64_t now = now_ms();

	if (e->timer) {
		g_source_remove(e->timer);
		e->timer = 0;
	}
	if (deadline != 0) {
		e->timer = g_timeout_add((guint)(deadline > now ? deadline - now : 0), on_deadline, e);
	}
}

static void end(struct exec *e)
{
	struct exec_options options = e->options;
	struct plan *plan = e->plan;

	if (e->timer) {
		g_source_remove(e->timer);
	}
	g_free(e->children);
	g_free(e);
	if (options.ended) {
		options.ended(plan, options.arg);
	}
}

static void turn(struct exec *e)
{
	struct runner_action action;

	if (e->in_turn) {
		return;
	}
	e->in_turn = true;
	while (runner_action_next(e->plan, &action)) {
		switch (action.type) {
		case RUNNER_DO:
		case RUNNER_UNDO:
			deed_start(e, action.step, action.type == RUNNER_UNDO);
			break;
		case RUNNER_TERM:
			signal_send(e, action.step, SIGTERM);
			break;
		case RUNNER_KILL:
			signal_send(e, action.step, SIGKILL);
			break;
		case RUNNER_END:
			end(e);
			return;
		}
	}
	e->in_turn = false;
	timer_set(e);
}

static gboolean on_begin(gpointer arg)
{
	struct exec *e = arg;

	e->timer = 0;
	turn(e);
	return G_SOURCE_REMOVE;
}

struct exec *exec_start(struct plan *plan, const struct exec_options *options, char *ret_error,
			size_t error_size)
{
	struct exec *e;

	if (runner_start(plan, now_ms(), ret_error, error_size)) {
		return NULL;
	}
	e = g_new0(struct exec, 1);
	e->plan = plan;
	e->options = *options;
	e->children = g_new0(struct child *, plan->steps_count);
	e->timer = g_idle_add(on_begin, e);
	return e;
}

void exec_cancel(struct exec *e)
{
	runner_cancel(e->plan, now_ms());
	turn(e);
}

void exec_stop(struct exec *e)
{
	runner_stop(e->plan, now_ms());
	turn(e);
}
