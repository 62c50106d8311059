/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See registry.c; handle_get() and handle_get_by_fd() are there, too. */
#ifndef LOCKSTEP_DLM_REGISTRY_H
#define LOCKSTEP_DLM_REGISTRY_H

#include <stdbool.h>

struct dlm_handle;

void registry_add(struct dlm_handle *h);
/* The end of a call; true: it was the last user of a closed handle, which is the caller's to free. */
bool registry_put(struct dlm_handle *h);

enum registry_close {
	REGISTRY_UNKNOWN = 0,
	REGISTRY_CLOSED,    /* calls find it no more; the caller is a user of it */
	REGISTRY_INHERITED, /* of a parent process: out of the table, the caller's to free */
};

enum registry_close registry_close(void *h);

#endif
