/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pump: events -> node -> node_flush() -> actions; and the life of the node object.
 *
 * A flush that is "at the end of the iteration" must not be a qb_loop job: with only a job to do
 * the loop first waits up to 50 ms for descriptors. It is an eventfd of high priority instead,
 * which is ready at the next poll together with everything that has come in meanwhile.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <qb/qbdefs.h>

#include "lib/base/assert.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/dlm_tree.h"
#include "plugin/daemon/dump_file.h"
#include "plugin/daemon/fence_link.h"
#include "plugin/daemon/image.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_watch.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/order.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/spaces.h"
#include "plugin/daemon/state_file.h"
#include "plugin/daemon/trace_file.h"

#define TICK_MS 100
#define PUMP_ROUNDS_MAX 64 /* of an order within the process; then clients get their turn */
#define LEAVING_REPORT_MS 10000
#define STOP_GRACE_MS 2000
#define LEFTOVERS_GRACE_MS 1000

static void leave(struct daemon *d, bool force);

uint64_t clock_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void daemon_timer(struct daemon *d, enum qb_loop_priority priority, uint64_t ms, void *arg,
		  qb_loop_timer_dispatch_fn fn, qb_loop_timer_handle *ret)
{
	int32_t rc = qb_loop_timer_add(d->loop, priority, ms * 1000000, arg, fn, ret);

	ls_assert(rc == 0);
}

void daemon_timer_stop(struct daemon *d, qb_loop_timer_handle *timer)
{
	if (*timer) {
		(void)qb_loop_timer_del(d->loop, *timer);
		*timer = 0;
	}
}

static void action_log(const struct node_action *a)
{
	uint8_t priority = (uint8_t)(a->value <= LOG_DEBUG ? a->value : LOG_DEBUG);
	size_t size = QB_MIN(a->size, LOG_LINE_BYTES - 1);
	char text[LOG_LINE_BYTES];

	/* Not "%.*s": libqb's flight recorder looks for the NUL whatever the precision. */
	memcpy(text, a->data, size);
	text[size] = '\0';
	qb_log_from_external_source(__func__, __FILE__, "%s", priority, __LINE__, 0, text);
}

/* R-LOST-1, on_lost = reboot. Without a sync: what is not on the disk yet may be what another node writes
 * now. In a container this ends the container. */
static void machine_reboot(void)
{
	qb_log(LOG_CRIT, "on_lost = reboot: programs on this node may use locks that are lost; restarting the machine now");
	if (reboot(RB_AUTOBOOT) != 0) {
		qb_log(LOG_CRIT, "the machine cannot be restarted: %s", strerror(errno));
	}
}

static void perform(struct daemon *d, const struct node_action *a)
{
	switch (a->type) {
	case NODE_ACTION_JOIN:
		if (!d->order) {
			break;
		}
		qb_log(LOG_DEBUG, "group %u is \"%s\": joining", a->group, a->name);
		d->order->ops->join(d->order, a->group, a->name);
		break;
	case NODE_ACTION_LEAVE:
		if (!d->order) {
			break;
		}
		qb_log(LOG_DEBUG, "group %u: leaving", a->group);
		d->order->ops->leave(d->order, a->group);
		break;
	case NODE_ACTION_MCAST:
		if (d->order) {
			d->order->ops->mcast(d->order, a->group, a->data, a->size);
		}
		break;
	case NODE_ACTION_READY:
	case NODE_ACTION_CAST:
	case NODE_ACTION_BAST:
	case NODE_ACTION_LOST:
	case NODE_ACTION_KILL:
	case NODE_ACTION_REPLY:
	case NODE_ACTION_PREP:
	case NODE_ACTION_SLOT:
	case NODE_ACTION_DONE:
		ipc_server_action(d->ipc, a);
		break;
	case NODE_ACTION_RESERVE:
		state_file_store(d->state_file, a->token);
		break;
	case NODE_ACTION_SPACE_FAILED:
		spaces_failed(d->spaces, a->name, a->status);
		break;
	case NODE_ACTION_TRACE:
		trace_files_write(d->traces, a);
		break;
	case NODE_ACTION_DUMP:
		dump_file_write(d, a);
		break;
	case NODE_ACTION_LOG:
		action_log(a);
		break;
	case NODE_ACTION_IMAGE_BEGIN:
	case NODE_ACTION_IMAGE_READ:
	case NODE_ACTION_IMAGE_STOP:
		images_action(d->images, a);
		break;
	case NODE_ACTION_FENCE_MARK:
	case NODE_ACTION_FENCE:
		fence_link_action(d->fence, a);
		break;
	case NODE_ACTION_REBOOT:
		machine_reboot();
		break;
	case NODE_ACTION_AGAIN:
		daemon_dirty(d);
		break;
	}
}

void daemon_pump(struct daemon *d)
{
	struct node_action a;
	bool more = true;

	if (d->pumping) {
		return;
	}
	d->pumping = true;
	d->dirty = false;
	for (unsigned int round = 0; d->node && more; round++) {
		if (round == PUMP_ROUNDS_MAX) {
			d->dirty = true;
			eventfd_write(d->kick_fd, 1);
			break;
		}
		node_flush(d->node);
		/* Before anybody is told that he, or we, agree to a member. */
		dlm_tree_update(d->dlm_tree);
		while (node_action_next(d->node, &a)) {
			perform(d, &a);
		}
		ipc_server_flush(d->ipc);
		watches_flush(d->watches);
		more = d->order && d->order->ops->deliver && d->order->ops->deliver(d->order);
	}
	d->pumping = false;
}

void daemon_dirty(struct daemon *d)
{
	if (!d->dirty) {
		d->dirty = true;
		eventfd_write(d->kick_fd, 1);
	}
}

static int32_t kicked(int32_t fd, int32_t revents, void *arg)
{
	struct daemon *d = arg;
	eventfd_t count;

	(void)revents;
	(void)eventfd_read(fd, &count);
	if (d->dirty) {
		daemon_pump(d);
	}
	return 0;
}

/* The node that lost its order is given up when its sessions are gone. */
static void node_bury(struct daemon *d)
{
	if (!node_idle(d->node)) {
		return;
	}
	qb_log(LOG_NOTICE, "nothing is left of the old incarnation");
	images_stop_all(d->images);
	d->node = node_free(d->node);
	d->node_down = false;
	ipc_server_node_gone(d->ipc);
	watches_flush(d->watches);
}

static void stop_poll(struct daemon *d, uint64_t now)
{
	if (d->stopping == DAEMON_STOP_ASKED) {
		leave(d, false);
	}
	if (d->stopping != DAEMON_STOP_LEAVING) {
		return;
	}
	if (d->node && node_idle(d->node) && d->order && !d->daemons_left) {
		d->daemons_left = true;
		d->order->ops->leave(d->order, NODE_DAEMONS_GROUP);
	}
	if ((!d->node || node_idle(d->node)) && (!d->order || d->order->ops->idle(d->order))) {
		qb_log(LOG_NOTICE, "left everything cleanly, stopping");
		qb_loop_stop(d->loop);
	} else if (now - d->leaving_since_ms >= LEAVING_REPORT_MS) {
		d->leaving_since_ms = now;
		qb_log(LOG_WARNING, "still leaving the groups");
	}
}

/* R-MEM-6, R-LOST-1: programs of a daemon that died. `lockstep run` and the like end by themselves at once. */
static void leftovers_check(struct daemon *d, uint64_t now)
{
	if (d->settings->on_lost == NODE_ON_LOST_REBOOT && !d->rebooted &&
	    now - d->started_ms >= LEFTOVERS_GRACE_MS) {
		d->rebooted = true;
		machine_reboot();
	}
}

static void tick(void *arg)
{
	struct daemon *d = arg;
	uint64_t now = clock_now_ms();

	daemon_timer(d, QB_LOOP_MED, TICK_MS, d, tick, &d->tick_timer);
	if (d->node && !d->daemons_left) {
		node_tick(d->node, now, clock_wall_ms());
		daemon_pump(d);
	}
	if (d->node && d->node_down) {
		node_bury(d);
	}
	if (d->standalone && !d->node && !d->clients_remain && d->stopping == DAEMON_RUNNING) {
		daemon_node_start(d, d->settings->nodeid, &d->settings->nodeid, 1);
	}
	if (d->clients_remain) {
		leftovers_check(d, now);
	}
	trace_files_tick(d->traces, now);
	dlm_tree_update(d->dlm_tree);
	stop_poll(d, now);
}

int daemon_init(struct daemon *d)
{
	d->started_ms = clock_now_ms();
	d->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->kick_fd < 0) {
		return -errno;
	}
	d->loop = qb_loop_create();
	if (!d->loop) {
		return -ENOMEM;
	}
	d->images = images_new(d);
	daemon_timer(d, QB_LOOP_MED, TICK_MS, d, tick, &d->tick_timer);
	return qb_loop_poll_add(d->loop, QB_LOOP_HIGH, d->kick_fd, POLLIN, d, kicked);
}

void daemon_done(struct daemon *d)
{
	d->images = images_free(d->images);
	d->node = node_free(d->node);
	if (d->order) {
		d->order = d->order->ops->free(d->order);
	}
	if (d->loop) {
		qb_loop_destroy(d->loop);
		d->loop = NULL;
	}
	if (d->kick_fd >= 0) {
		close(d->kick_fd);
		d->kick_fd = -1;
	}
}

void daemon_node_start(struct daemon *d, uint32_t nodeid, const uint32_t *configured,
		       size_t configured_count)
{
	struct node_config config = {
		.nodeid = nodeid,
		.pid = (uint32_t)getpid(),
		.on_lost = d->settings->on_lost,
		.configured = configured,
		.configured_count = configured_count,
		.reserved = d->reserved,
		.window_messages = d->settings->window_messages,
		.batch_bytes = d->settings->batch_bytes,
		.trace = d->traces != NULL,
		.session_locks_max = d->settings->session_locks_max,
		.session_events_max = d->settings->session_events_max,
		.spaces_max = d->settings->spaces_max,
		.sessions_max = d->settings->sessions_max,
		.confirm_timeout_ms = d->settings->confirm_timeout_ms,
		.digest_interval = d->settings->digest_interval,
		.level_max = (uint16_t)d->settings->feature_level_max,
		.no_recovery_callbacks = !d->settings->recovery_callbacks,
		.prep_ack_ms = d->settings->prep_ack_ms,
		.fencing = d->standalone ? NODE_FENCING_MANUAL : d->settings->fencing,
		.fence_request = d->settings->request_fencing,
		.fence_startup = d->settings->startup_fencing,
		.fence_confirmed = d->settings->fencing_confirmed,
		.post_join_delay_ms = d->settings->post_join_delay_ms,
		.fence_request_delay_ms = d->settings->request_delay_ms,
		.lost_timeout_ms = d->settings->lost_timeout_ms,
	};

	ls_assert(!d->node);
	if (getrandom(&config.incarnation, sizeof(config.incarnation), 0) !=
	    (ssize_t)sizeof(config.incarnation)) {
		/* Early boot without entropy: still different for every start. */
		config.incarnation = (clock_wall_ms() << 24) ^ ((uint64_t)getpid() << 16);
	}
	config.incarnation &= ~(uint64_t)0xffff;
	d->nodeid = nodeid;
	d->node = node_new(&config);
	ls_assert(d->node != NULL);
	qb_log(LOG_NOTICE, "node %u, incarnation %016llx", nodeid,
	       (unsigned long long)config.incarnation);
	node_tick(d->node, clock_now_ms(), clock_wall_ms());
	fence_link_node_new(d->fence);
	spaces_join(d->spaces, d->node);
	node_order_up(d->node);
	if (d->standalone) {
		node_quorum(d->node, (struct node_ring){ nodeid, 1 }, true);
	}
	ipc_server_node_new(d->ipc);
	daemon_pump(d);
}

void daemon_node_lost(struct daemon *d)
{
	if (d->node && !d->node_down) {
		d->node_down = true;
		node_order_down(d->node);
		daemon_pump(d);
	}
}

/* What is in the way and has no session: locks that programs of this node have left behind. */
static void orphans_log(const struct daemon *d)
{
	struct node_space_info space;

	for (size_t i = 0; node_space_info_at(d->node, i, &space); i++) {
		uint32_t orphans = space.engine ? node_space_orphans(d->node, space.name) : 0;

		if (orphans > 0) {
			qb_log(LOG_ERR, "  %u orphan lock%s of this node, lockspace \"%s\": lockstep release removes them",
			       orphans, orphans == 1 ? "" : "s", space.name);
		}
	}
}

static void leave(struct daemon *d, bool force)
{
	char space[LOCKSTEP_SPACE_MAX + 1] = "";
	int rc = d->node ? node_stop(d->node, force, space) : 0;

	if (rc != 0 && clock_now_ms() - d->asked_ms < STOP_GRACE_MS) {
		return;
	}
	if (rc != 0) {
		qb_log(LOG_ERR, "not stopping: lockspace \"%s\" is in use on this node", space);
		ipc_server_users_log(d->ipc);
		orphans_log(d);
		node_stop_tell(d->node);
		d->stopping = DAEMON_RUNNING;
		daemon_pump(d);
		return;
	}
	d->stopping = DAEMON_STOP_LEAVING;
	d->leaving_since_ms = clock_now_ms();
	daemon_pump(d);
}

void daemon_stop_continue(struct daemon *d)
{
	if (d->stopping == DAEMON_STOP_KILLING && ipc_server_bound_count(d->ipc) == 0) {
		leave(d, true);
	}
}

void daemon_stop(struct daemon *d, bool force)
{
	if (d->stopping == DAEMON_STOP_LEAVING || d->stopping == DAEMON_STOP_KILLING ||
	    (d->stopping == DAEMON_STOP_ASKED && !force)) {
		qb_log(LOG_NOTICE, "asked to stop: already stopping");
		return;
	}
	if (!d->node) {
		qb_log(LOG_NOTICE, "asked to stop: no lockspace is joined, stopping");
		qb_loop_stop(d->loop);
		return;
	}
	if (!force) {
		qb_log(LOG_NOTICE, "asked to stop");
		d->stopping = DAEMON_STOP_ASKED;
		d->asked_ms = clock_now_ms();
		leave(d, false);
		return;
	}
	qb_log(LOG_WARNING, "asked to stop by force: killing the processes of sessions that hold locks first");
	d->stopping = DAEMON_STOP_KILLING;
	ipc_server_stop(d->ipc);
	daemon_stop_continue(d);
}
