/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State images for joiners (plugin/node/node.h, R-CPG-4): a forked child writes the state as it was at
 * the fork into a pipe, at low priority; the daemon goes on and reads from the pipe what the node asks
 * for. The pipe holds the child back, so what is on its way is bounded.
 */
#ifndef LOCKSTEP_DAEMON_IMAGE_H
#define LOCKSTEP_DAEMON_IMAGE_H

struct daemon;
struct images;
struct node_action;

struct images *images_new(struct daemon *d);
/* Ends all children. */
struct images *images_free(struct images *all);

/* NODE_ACTION_IMAGE_*. */
void images_action(struct images *all, const struct node_action *a);
/* The node object that asked for them is no more. */
void images_stop_all(struct images *all);

#endif
