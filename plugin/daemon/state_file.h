/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The largest token reservation this node has promised to remember (R-TOK-2), in
 * state_dir/reserved. A disk can take seconds, so a thread writes; it knows nothing but this file,
 * and its results come back through the loop.
 */
#ifndef LOCKSTEP_DAEMON_STATE_FILE_H
#define LOCKSTEP_DAEMON_STATE_FILE_H

#include <stdint.h>

struct daemon;
struct state_file;

/* Reads state_dir/reserved into *ret_reserved (0 when there is none) and starts the writer.
 * 0 or a negative errno: -EBADMSG for a file that is damaged, which a human has to look at. */
int state_file_open(struct daemon *d, struct state_file **ret, uint64_t *ret_reserved);
struct state_file *state_file_free(struct state_file *f);
/* Stores the larger of @reserved and what is there, then calls node_reserved(). A newer value
 * overtakes one that has not been written yet. */
void state_file_store(struct state_file *f, uint64_t reserved);

#endif
