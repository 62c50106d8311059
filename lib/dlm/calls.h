/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls behind the exported functions. The exported ones never call each other: in a process that has
 * both libraries the dynamic linker could lead such a call into the other one (R-ABI-4).
 */
#ifndef LOCKSTEP_DLM_CALLS_H
#define LOCKSTEP_DLM_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/dlm/handle.h"

struct lock_request {
	uint32_t mode;
	struct dlm_lksb *lksb;
	uint32_t flags;
	const void *name;
	unsigned int name_len;
	dlm_routine ast;
	void *ast_arg;
	dlm_routine bast;
	void *bast_arg;
	const uint64_t *xid;
	const uint64_t *timeout; /* hundredths of a second */
	const void *range;
	bool wait;
};

struct unlock_request {
	uint32_t lkid;
	uint32_t flags;
	struct dlm_lksb *lksb;
	void *ast_arg;
	bool wait;
};

/* All return 0 or -1 with errno, as libdlm; @h is what the program gave. */
int call_lock(void *h, const struct lock_request *request);
int call_unlock(void *h, const struct unlock_request *request);
int call_deadlock_cancel(void *h, uint32_t lkid);
int call_purge(void *h, int nodeid, int pid);

/* NULL with errno. */
struct dlm_handle *space_open(const char *name);
struct dlm_handle *space_new(const char *name, mode_t mode, uint32_t flags);

#endif
