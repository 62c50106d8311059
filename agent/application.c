/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <glib.h>
#include <unistd.h>

#include "agent/application.h"
#include "agent/command.h"
#include "agent/gate.h"

#define RETRY_MS 1000

enum phase {
	CLOSED,
	OPENING,
	OPEN,
	CLOSING,
};

struct application {
	struct application_options options;
	enum phase phase;
	bool want;
	bool hurry;
	bool owing; /* changed() is to be called for what is wanted */
	int gate;   /* -1: none */
	struct command *command;
	guint retry;
};

static void turn(struct application *a);

struct application *application_new(const struct application_options *options, char **ret_error)
{
	struct application *a = g_new0(struct application, 1);

	a->options = *options;
	a->gate = options->gate ? gate_make(options->gate) : -1;
	if (options->gate && a->gate < 0) {
		*ret_error = g_strdup_printf("gate %s: %s", options->gate, g_strerror(-a->gate));
		g_free(a);
		return NULL;
	}
	return a;
}

void application_free(struct application *a)
{
	if (!a) {
		return;
	}
	if (a->retry) {
		g_source_remove(a->retry);
	}
	if (a->gate >= 0) {
		(void)close(a->gate);
	}
	g_free(a);
}

static void reached(struct application *a, enum phase phase)
{
	a->phase = phase;
	if (a->owing && a->want == (phase == OPEN)) {
		a->owing = false;
		a->options.changed(a->want, a->options.arg);
	}
}

static gboolean on_retry(gpointer arg)
{
	struct application *a = arg;

	a->retry = 0;
	turn(a);
	return G_SOURCE_REMOVE;
}

static void on_ended(bool good, void *arg)
{
	struct application *a = arg;
	bool opening = a->phase == OPENING;

	a->command = NULL;
	if (good || (!opening && a->hurry)) {
		reached(a, opening ? OPEN : CLOSED);
	} else {
		/* As if it had not begun, only later; what is wanted then is looked at then. */
		a->phase = opening ? CLOSED : OPEN;
		if (a->gate >= 0) {
			gate_close(a->gate);
		}
		a->retry = g_timeout_add(RETRY_MS, on_retry, a);
		return;
	}
	turn(a);
}

static void command_run(struct application *a, char **words, const char *name, enum phase phase)
{
	const struct command_options options = {
		.name = name,
		.words = words,
		.timeout_ms = a->options.timeout_ms,
		.log = a->options.log,
		.ended = on_ended,
		.arg = a,
		.log_arg = a->options.arg,
	};

	a->phase = phase;
	if (words) {
		a->command = command_start(&options);
	} else {
		on_ended(true, a);
	}
}

static void turn(struct application *a)
{
	if (a->command || a->retry) {
		return;
	}
	if (a->want && a->phase == CLOSED) {
		int error = a->gate >= 0 ? gate_open(a->gate) : 0;

		if (error) {
			a->options.log("the gate cannot be opened", a->options.arg);
			a->retry = g_timeout_add(RETRY_MS, on_retry, a);
			return;
		}
		command_run(a, a->options.unblock, "unblock", OPENING);
	} else if (!a->want && a->phase == OPEN) {
		command_run(a, a->options.block, "block", CLOSING);
	} else {
		reached(a, a->phase);
	}
}

void application_set(struct application *a, bool open)
{
	a->owing = true;
	a->want = open;
	if (!open && a->gate >= 0) {
		gate_close(a->gate);
	}
	turn(a);
}

bool application_is_closed(const struct application *a)
{
	return a->phase == CLOSED && !a->command;
}

void application_hurry(struct application *a)
{
	a->hurry = true;
}
