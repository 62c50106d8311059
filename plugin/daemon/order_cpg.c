/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of a cluster: one CPG handle per group, used once (corosync-notes 2.9).
 *
 *   joining --cpg_join ok--> joined --leave, queue empty--> leaving --own LEAVE--> finalised
 *      ^ |                                                     ^ |
 *      +-+ TRY_AGAIN: timer                                    +-+ TRY_AGAIN: timer
 *
 * Messages wait in a queue per group while CPG says TRY_AGAIN; nothing sleeps. A handle is finalised
 * only after our own LEAVE was delivered, else the others may see a death instead.
 */
#include "config.h"

#ifdef HAVE_COROSYNC

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>

#include <qb/qbdefs.h>

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/order.h"

#define JOIN_RETRY_MS 50
#define SEND_RETRY_MS_MIN 1
#define SEND_RETRY_MS_MAX 20
#define DISPATCH_BUDGET 64 /* events of one group before others get their turn */

enum group_state {
	GROUP_JOINING = 0,
	GROUP_JOINED,
	GROUP_LEAVING, /* cpg_leave() still to be called, or called */
	GROUP_LEFT,    /* to be finalised */
};

struct message {
	struct list link;
	size_t size;
	uint8_t data[];
};

struct group {
	struct list link;
	struct order_cpg *cpg;
	uint32_t number;
	enum group_state state;
	bool initialized;
	bool polled;
	bool leave_sent;
	struct cpg_name name;
	char text[CPG_MAX_NAME_LENGTH + 1]; /* the name, for the log */
	cpg_handle_t handle;
	int fd;
	struct list queue;
	uint64_t retry_ms;
	qb_loop_timer_handle timer; /* join, leave or send, whatever is due */
};

struct order_cpg {
	struct order order;
	struct daemon *daemon;
	struct list groups;
};

static void group_work(struct group *g);

static struct group *group_find(struct order *o, uint32_t number)
{
	struct order_cpg *cpg = (struct order_cpg *)o;

	list_for_each (pos, &cpg->groups) {
		struct group *g = list_entry(pos, struct group, link);

		if (g->number == number) {
			return g;
		}
	}
	return NULL;
}

static void lost(struct group *g, const char *call, cs_error_t rc)
{
	char what[96];

	snprintf(what, sizeof(what), "%s: %s", call, cs_strerror(rc));
	cluster_lost(g->cpg->daemon, what);
}

/* --- callbacks --------------------------------------------------------------------------- */

static struct group *of(cpg_handle_t handle)
{
	void *context = NULL;

	(void)cpg_context_get(handle, &context);
	return context;
}

/* The node this group's events go to; NULL when nobody wants them any more. */
static struct node *listener(const struct group *g)
{
	const struct daemon *d = g->cpg->daemon;

	return g->state == GROUP_JOINED && !d->node_down ? d->node : NULL;
}

static void addresses(const struct cpg_address *in, size_t count, struct node_address *out)
{
	for (size_t i = 0; i < count; i++) {
		out[i] = (struct node_address){ in[i].nodeid, in[i].pid,
						(enum node_reason)in[i].reason };
	}
}

static void confchg(cpg_handle_t handle, const struct cpg_name *name,
		    const struct cpg_address *members, size_t members_count,
		    const struct cpg_address *left, size_t left_count,
		    const struct cpg_address *joined, size_t joined_count)
{
	struct group *g = of(handle);
	struct daemon *d = g->cpg->daemon;
	struct node_address m[CPG_MEMBERS_MAX];
	struct node_address l[CPG_MEMBERS_MAX];
	struct node_address j[CPG_MEMBERS_MAX];

	(void)name;
	members_count = QB_MIN(members_count, (size_t)CPG_MEMBERS_MAX);
	left_count = QB_MIN(left_count, (size_t)CPG_MEMBERS_MAX);
	joined_count = QB_MIN(joined_count, (size_t)CPG_MEMBERS_MAX);
	for (size_t i = 0; i < left_count; i++) {
		qb_log(LOG_INFO, "group %u (%s): node %u pid %u left, reason %u, %zu member(s)",
		       g->number, g->text, left[i].nodeid, left[i].pid, left[i].reason,
		       members_count);
		if (left[i].nodeid == d->nodeid && left[i].pid == (uint32_t)getpid() &&
		    g->state == GROUP_LEAVING) {
			g->state = GROUP_LEFT;
		}
	}
	for (size_t i = 0; i < joined_count; i++) {
		qb_log(LOG_INFO, "group %u (%s): node %u pid %u joined, reason %u, %zu member(s)",
		       g->number, g->text, joined[i].nodeid, joined[i].pid, joined[i].reason,
		       members_count);
	}
	if (listener(g)) {
		addresses(members, members_count, m);
		addresses(left, left_count, l);
		addresses(joined, joined_count, j);
		node_confchg(d->node, g->number, m, members_count, l, left_count, j, joined_count);
	}
}

static void totem(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count,
		  const uint32_t *nodes)
{
	struct group *g = of(handle);

	qb_log(LOG_DEBUG, "group %u: ring %u.%llu, %u node(s)", g->number, ring.nodeid,
	       (unsigned long long)ring.seq, count);
	if (listener(g)) {
		node_totem(g->cpg->daemon->node, g->number,
			   (struct node_ring){ ring.nodeid, ring.seq }, nodes, count);
	}
}

static void deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t nodeid, uint32_t pid,
		    void *data, size_t size)
{
	struct group *g = of(handle);

	(void)name;
	qb_log(LOG_TRACE, "group %u: %zu bytes from node %u", g->number, size, nodeid);
	if (listener(g)) {
		node_message(g->cpg->daemon->node, g->number, nodeid, pid, data, size);
	}
}

/* The state must be copied as it is now, before the next event changes it. */
static bool urgent(const struct daemon *d)
{
	return d->node && node_urgent(d->node);
}

static int32_t readable(int32_t fd, int32_t revents, void *arg)
{
	struct group *g = arg;
	struct daemon *d = g->cpg->daemon;
	cs_error_t rc = CS_OK;

	(void)fd;
	(void)revents;
	/* corosync-notes 6.2: whatever quorum has said about this ring is known first. */
	cluster_quorum_dispatch(d);
	for (unsigned int i = 0; i < DISPATCH_BUDGET && rc == CS_OK && !urgent(d); i++) {
		rc = cpg_dispatch(g->handle, CS_DISPATCH_ONE_NONBLOCKING);
	}
	if (rc != CS_OK && rc != CS_ERR_TRY_AGAIN) {
		(void)qb_loop_poll_del(d->loop, g->fd);
		g->polled = false;
		lost(g, "cpg_dispatch", rc);
		return 0;
	}
	group_work(g); /* may free it */
	daemon_pump(d);
	return 0;
}

/* --- joining, sending, leaving ----------------------------------------------------------- */

static void group_free(struct group *g)
{
	struct daemon *d = g->cpg->daemon;

	daemon_timer_stop(d, &g->timer);
	if (g->polled) {
		(void)qb_loop_poll_del(d->loop, g->fd);
	}
	if (g->initialized) {
		(void)cpg_finalize(g->handle);
	}
	list_for_each_safe (pos, &g->queue) {
		free(list_entry(pos, struct message, link));
	}
	list_remove(&g->link);
	free(g);
}

static void timer_due(void *arg)
{
	struct group *g = arg;

	g->timer = 0;
	group_work(g);
}

static void work_later(struct group *g, uint64_t ms)
{
	if (!g->timer) {
		daemon_timer(g->cpg->daemon, QB_LOOP_HIGH, ms, g, timer_due, &g->timer);
	}
}

/* CS_OK, CS_ERR_TRY_AGAIN, or what is wrong. */
static cs_error_t handle_open(struct group *g)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = deliver,
		.cpg_confchg_fn = confchg,
		.cpg_totem_confchg_fn = totem,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	cs_error_t rc = cpg_model_initialize(&g->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model,
					     g);

	if (rc != CS_OK) {
		return rc;
	}
	g->initialized = true;
	rc = cpg_fd_get(g->handle, &g->fd);
	if (rc == CS_OK) {
		g->polled = qb_loop_poll_add(g->cpg->daemon->loop, QB_LOOP_HIGH, g->fd, POLLIN, g,
					     readable) == 0;
	}
	return rc;
}

/* Joining again while our own leave is on its way is answered with EXIST, on a new handle too. */
static bool still_leaving(const struct group *g)
{
	list_for_each (pos, &g->cpg->groups) {
		const struct group *other = list_entry(pos, struct group, link);

		if (other != g && other->name.length == g->name.length &&
		    memcmp(other->name.value, g->name.value, g->name.length) == 0) {
			return true;
		}
	}
	return false;
}

static void group_join(struct group *g)
{
	cs_error_t rc = g->initialized ? CS_OK : handle_open(g);

	if (rc == CS_OK) {
		rc = cpg_join(g->handle, &g->name);
	}
	if (rc == CS_OK) {
		g->state = GROUP_JOINED;
	} else if (rc == CS_ERR_TRY_AGAIN || rc == CS_ERR_INTERRUPT ||
		   (rc == CS_ERR_EXIST && still_leaving(g))) {
		work_later(g, JOIN_RETRY_MS);
	} else {
		lost(g, "cpg_join", rc);
	}
}

/* False when CPG takes no more now. */
static bool group_send(struct group *g, const void *data, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	cs_error_t rc = cpg_mcast_joined(g->handle, CPG_TYPE_AGREED, &iov, 1);

	if (rc == CS_OK) {
		return true;
	}
	if (rc != CS_ERR_TRY_AGAIN && rc != CS_ERR_INTERRUPT) {
		lost(g, "cpg_mcast_joined", rc);
	}
	return false;
}

static void queue_send(struct group *g)
{
	while (!list_empty(&g->queue)) {
		struct message *m = list_entry(g->queue.next, struct message, link);

		if (!group_send(g, m->data, m->size)) {
			work_later(g, g->retry_ms);
			g->retry_ms = QB_MIN(g->retry_ms * 2, SEND_RETRY_MS_MAX);
			return;
		}
		g->retry_ms = SEND_RETRY_MS_MIN;
		list_remove(&m->link);
		free(m);
	}
}

static void group_leave(struct group *g)
{
	cs_error_t rc;

	if (g->leave_sent) {
		return; /* its confchg comes */
	}
	rc = cpg_leave(g->handle, &g->name);
	if (rc == CS_OK) {
		g->leave_sent = true;
	} else if (rc == CS_ERR_TRY_AGAIN || rc == CS_ERR_INTERRUPT) {
		work_later(g, JOIN_RETRY_MS);
	} else if (rc == CS_ERR_NOT_EXIST) {
		g->state = GROUP_LEFT;
		group_free(g);
	} else {
		lost(g, "cpg_leave", rc);
	}
}

/* Does what is due for the group; may free it. Called from the loop, never from CPG callbacks. */
static void group_work(struct group *g)
{
	if (!cluster_connected(g->cpg->daemon->cluster)) {
		return; /* the whole order is about to be freed */
	}
	if (g->state == GROUP_JOINING) {
		group_join(g);
	}
	if (g->state == GROUP_JOINED || (g->state == GROUP_LEAVING && !g->leave_sent)) {
		queue_send(g);
	}
	if (g->state == GROUP_LEAVING && list_empty(&g->queue)) {
		group_leave(g);
	} else if (g->state == GROUP_LEFT) {
		qb_log(LOG_DEBUG, "group %u: left", g->number);
		group_free(g);
	}
}

static void order_cpg_join(struct order *o, uint32_t number, const char *name)
{
	struct order_cpg *cpg = (struct order_cpg *)o;
	struct group *g = calloc(1, sizeof(*g));

	ls_assert(g != NULL);
	g->cpg = cpg;
	g->number = number;
	g->name.length = (uint32_t)strnlen(name, CPG_MAX_NAME_LENGTH);
	memcpy(g->name.value, name, g->name.length);
	memcpy(g->text, name, g->name.length);
	g->retry_ms = SEND_RETRY_MS_MIN;
	list_init(&g->queue);
	list_push_tail(&cpg->groups, &g->link);
	group_work(g);
}

static void order_cpg_mcast(struct order *o, uint32_t number, const void *data, size_t size)
{
	struct group *g = group_find(o, number);
	struct message *m;

	if (!g || !cluster_connected(g->cpg->daemon->cluster)) {
		return;
	}
	if (g->state == GROUP_JOINED && list_empty(&g->queue) &&
	    (group_send(g, data, size) || !cluster_connected(g->cpg->daemon->cluster))) {
		return;
	}
	m = malloc(sizeof(*m) + size);
	ls_assert(m != NULL);
	m->size = size;
	memcpy(m->data, data, size);
	list_push_tail(&g->queue, &m->link);
	work_later(g, g->retry_ms);
}

static void order_cpg_leave(struct order *o, uint32_t number)
{
	struct group *g = group_find(o, number);

	if (!g) {
		return;
	}
	if (g->state == GROUP_JOINING) {
		group_free(g); /* nobody has seen it */
		return;
	}
	g->state = GROUP_LEAVING;
	work_later(g, 0);
}

static bool order_cpg_idle(const struct order *o)
{
	return list_empty(&((const struct order_cpg *)o)->groups);
}

static struct order *order_cpg_free(struct order *o)
{
	struct order_cpg *cpg = (struct order_cpg *)o;

	list_for_each_safe (pos, &cpg->groups) {
		group_free(list_entry(pos, struct group, link));
	}
	free(cpg);
	return NULL;
}

static const struct order_ops cpg_ops = {
	.join = order_cpg_join,
	.leave = order_cpg_leave,
	.mcast = order_cpg_mcast,
	.idle = order_cpg_idle,
	.free = order_cpg_free,
};

struct order *order_cpg_new(struct daemon *d)
{
	struct order_cpg *cpg = calloc(1, sizeof(*cpg));

	ls_assert(cpg != NULL);
	cpg->order.ops = &cpg_ops;
	cpg->daemon = d;
	list_init(&cpg->groups);
	return &cpg->order;
}

#else
typedef int order_cpg_is_empty; /* an empty unit is not C */
#endif
