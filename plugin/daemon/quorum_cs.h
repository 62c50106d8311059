/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Corosync's quorum service: ring id and quorate flag, to node_quorum(). */
#ifndef LOCKSTEP_DAEMON_QUORUM_CS_H
#define LOCKSTEP_DAEMON_QUORUM_CS_H

struct daemon;
struct quorum_cs;

/* 0, or a negative errno with a sentence in *ret_error (static). Nothing is fed before
 * quorum_cs_start(), for which there must be a node. */
int quorum_cs_open(struct daemon *d, struct quorum_cs **ret, const char **ret_error);
int quorum_cs_start(struct quorum_cs *q);
/* Feeds what is queued. */
void quorum_cs_dispatch(struct quorum_cs *q);
struct quorum_cs *quorum_cs_free(struct quorum_cs *q);

#endif
