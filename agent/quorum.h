/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watching for the loss of quorum, for a plan may be running (R-PLAN-4). The session lives on without quorum, since
 * what was granted stays valid; but the others may have had this node fenced by then and be at the same item
 * themselves, so nothing more is begun. Asked for by polling: quorum changes are no events of a session.
 */
#ifndef LOCKSTEP_AGENT_QUORUM_H
#define LOCKSTEP_AGENT_QUORUM_H

#include <stdbool.h>

struct quorum;

/* @lost is called from the main loop, each time that there is no quorum any more. */
struct quorum *quorum_watch(const char *ipc_name, void (*lost)(void *arg), void *arg);
/* Asks now. */
bool quorum_is_there(struct quorum *q);
void quorum_free(struct quorum *q); /* NULL is fine */

#endif
