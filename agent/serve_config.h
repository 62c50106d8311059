/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration of `lockstep-agent serve`, see lockstep-agent.conf(5). */
#ifndef LOCKSTEP_AGENT_SERVE_CONFIG_H
#define LOCKSTEP_AGENT_SERVE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan_parameter;

struct serve_config {
	/* [agent] */
	char *lockspace;
	char *control, *mounted, *item_lock; /* NULL: the library's */
	uint32_t items;
	bool create;
	bool spectator;
	char *state_dir;
	char *gate; /* NULL: none */
	/* [plans] */
	char *item_plan;
	char *first_plan; /* NULL: item_plan for each item */
	/* [hooks]: words, or NULL */
	char **block;
	char **unblock;
	char **panic;
	uint64_t hook_timeout_ms;
	/* [parameters] */
	struct plan_parameter *parameters;
	size_t parameters_count;
};

/* 0, or -EINVAL (-ENOENT, -EIO) and all that is wrong, a line each, for g_free(). The plans it names are
 * looked at, too. */
int serve_config_load(const char *path, struct serve_config **ret, char **ret_errors);
void serve_config_free(struct serve_config *config);

#endif
