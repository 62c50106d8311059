/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to Pacemaker's fencer: a process of its own, lockstep-fence-watch, at the other end of a
 * socket pair. The daemon outlives it and starts it again; without it only acknowledgements and clean
 * rejoins count. Lines of text, fields with a tab between:
 *
 *   daemon -> helper   mark M                            stamp what you hear of first from now on with M
 *                      fence TOKEN NAME ACTION SECONDS
 *   helper -> daemon   link up|down TEXT
 *                      busy NAME 0|1                     a fencing of that node is going on
 *                      by NAME TEXT                      who asked for it; to be told to people
 *                      devices NAME TEXT                 that can fence it; the same
 *                      result NAME ACTION ok|failed MARK WALL_MS itself|other human|device TEXT
 *                      answer TOKEN [TEXT]               TEXT: why it failed
 */
#ifndef LOCKSTEP_DAEMON_FENCE_LINK_H
#define LOCKSTEP_DAEMON_FENCE_LINK_H

struct daemon;
struct fence_link;
struct node_action;

#define FENCE_LINE_MAX 1024

/* NULL when fencing is not Pacemaker's, or without a cluster. */
struct fence_link *fence_link_new(struct daemon *d);
struct fence_link *fence_link_free(struct fence_link *l);
/* NODE_ACTION_FENCE_MARK and NODE_ACTION_FENCE. @l may be NULL. */
void fence_link_action(struct fence_link *l, const struct node_action *a);
/* There is a new node object, which knows nothing yet. */
void fence_link_node_new(struct fence_link *l);

#endif
