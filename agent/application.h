/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The application's leave to use what it is granted: the gate and the commands block and unblock, one
 * command at a time. A command that fails is tried again every second; the gate closes at once.
 *
 *   closed --unblock--> opening --ended--> open --block--> closing --ended--> closed
 */
#ifndef LOCKSTEP_AGENT_APPLICATION_H
#define LOCKSTEP_AGENT_APPLICATION_H

#include <stdbool.h>
#include <stdint.h>

struct application;

struct application_options {
	const char *gate; /* NULL: none */
	char **block;     /* words, NULL: no command */
	char **unblock;
	uint64_t timeout_ms;
	/* It is open, or closed, as was wanted. */
	void (*changed)(bool open, void *arg);
	void (*log)(const char *text, void *arg);
	void *arg;
};

/* NULL with a sentence for g_free(). */
struct application *application_new(const struct application_options *options, char **ret_error);
void application_free(struct application *a);
/* What is wanted from now on. changed() tells when it is so; at once when it is so already. */
void application_set(struct application *a, bool open);
bool application_is_closed(const struct application *a);
/* A command that does not work is not tried again: there is no time left. */
void application_hurry(struct application *a);

#endif
