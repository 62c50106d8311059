/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps what the node had when replicas of a lockspace differed (R-DIG-2): NAME.differs.1 in trace_dir, or
 * in state_dir when there are no traces; up to DUMP_FILES_MAX of them per lockspace, the first is the latest.
 * That they differ is a defect of Lockstep, and both nodes' files are what its authors need.
 */
#ifndef LOCKSTEP_DAEMON_DUMP_FILE_H
#define LOCKSTEP_DAEMON_DUMP_FILE_H

#define DUMP_FILES_MAX 4

struct daemon;
struct node_action;

/* NODE_ACTION_DUMP. What cannot be written is said in the log, and nothing else comes of it. */
void dump_file_write(const struct daemon *d, const struct node_action *a);

#endif
