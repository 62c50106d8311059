/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See quorum_cs.h. Model V1, since only that one gives both parts of the ring id; the sequence alone
 * is not unique across partitions (corosync-notes 2.6).
 */
#include "config.h"

#ifdef HAVE_COROSYNC

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <syslog.h>

#include <corosync/corotypes.h>
#include <corosync/quorum.h>

#include "lib/base/assert.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/quorum_cs.h"

struct quorum_cs {
	struct daemon *daemon;
	quorum_handle_t handle;
	int fd;
	bool polled;
	bool broken;
};

static struct quorum_cs *of(quorum_handle_t handle)
{
	const void *context = NULL;

	(void)quorum_context_get(handle, &context);
	return (struct quorum_cs *)(uintptr_t)context;
}

static void quorum_notify(quorum_handle_t handle, uint32_t quorate, struct quorum_ring_id ring,
			  uint32_t members_count, const uint32_t *members)
{
	struct daemon *d = of(handle)->daemon;

	(void)members;
	qb_log(LOG_INFO, "quorum: ring %u.%llu, %u node(s), %squorate", ring.nodeid,
	       (unsigned long long)ring.seq, members_count, quorate ? "" : "not ");
	if (d->node && !d->node_down) {
		node_quorum(d->node, (struct node_ring){ ring.nodeid, ring.seq }, quorate != 0);
	}
}

/* Says nothing that the quorum notification for the same ring does not say; libquorum wants it. */
static void nodelist_notify(quorum_handle_t handle, struct quorum_ring_id ring,
			    uint32_t members_count, const uint32_t *members, uint32_t joined_count,
			    const uint32_t *joined, uint32_t left_count, const uint32_t *left)
{
	(void)handle;
	(void)members;
	(void)joined;
	(void)left;
	qb_log(LOG_DEBUG, "node list: ring %u.%llu, %u node(s), %u joined, %u left", ring.nodeid,
	       (unsigned long long)ring.seq, members_count, joined_count, left_count);
}

void quorum_cs_dispatch(struct quorum_cs *q)
{
	cs_error_t rc;

	if (q->broken) {
		return;
	}
	rc = quorum_dispatch(q->handle, CS_DISPATCH_ALL);
	if (rc != CS_OK && rc != CS_ERR_TRY_AGAIN) {
		q->broken = true;
		/* It hung up and would stay readable; returning -1 to libqb leaves it in epoll. */
		(void)qb_loop_poll_del(q->daemon->loop, q->fd);
		q->polled = false;
		cluster_lost(q->daemon, "quorum service");
	}
}

static int32_t readable(int32_t fd, int32_t revents, void *arg)
{
	struct quorum_cs *q = arg;

	(void)fd;
	(void)revents;
	quorum_cs_dispatch(q);
	daemon_pump(q->daemon);
	return 0;
}

int quorum_cs_open(struct daemon *d, struct quorum_cs **ret, const char **ret_error)
{
	quorum_model_v1_data_t model = {
		.model = QUORUM_MODEL_V1,
		.quorum_notify_fn = quorum_notify,
		.nodelist_notify_fn = nodelist_notify,
	};
	struct quorum_cs *q = calloc(1, sizeof(*q));
	uint32_t type = QUORUM_FREE;
	cs_error_t rc;

	ls_assert(q != NULL);
	q->daemon = d;
	rc = quorum_model_initialize(&q->handle, QUORUM_MODEL_V1, (quorum_model_data_t *)&model,
				     &type, q);
	if (rc != CS_OK) {
		*ret_error = cs_strerror(rc);
		free(q);
		return -EAGAIN;
	}
	if (type != QUORUM_SET) {
		*ret_error = "corosync.conf names no quorum provider; without one nobody may decide who goes on";
		quorum_finalize(q->handle);
		free(q);
		return -EOPNOTSUPP;
	}
	*ret = q;
	return 0;
}

int quorum_cs_start(struct quorum_cs *q)
{
	int32_t rc;

	if (quorum_trackstart(q->handle, CS_TRACK_CHANGES | CS_TRACK_CURRENT) != CS_OK ||
	    quorum_fd_get(q->handle, &q->fd) != CS_OK) {
		return -ENOTCONN;
	}
	rc = qb_loop_poll_add(q->daemon->loop, QB_LOOP_HIGH, q->fd, POLLIN, q, readable);
	q->polled = rc == 0;
	return rc;
}

struct quorum_cs *quorum_cs_free(struct quorum_cs *q)
{
	if (q) {
		if (q->polled) {
			(void)qb_loop_poll_del(q->daemon->loop, q->fd);
		}
		quorum_finalize(q->handle);
		free(q);
	}
	return NULL;
}

#else
typedef int quorum_cs_is_empty; /* an empty unit is not C */
#endif
