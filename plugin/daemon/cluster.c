/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See cluster.h.
 *
 *   waiting --connect--> connected --cluster_lost()--> closing --node gone--> waiting
 *      ^ |                                                |
 *      +-+ retry every second                             +- clients are told before any handle is
 *                                                            closed: that may take seconds
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "lib/base/assert.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/cluster_info.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/order.h"
#include "plugin/daemon/quorum_cs.h"
#include "plugin/daemon/settings.h"

static uint32_t number_parse(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= UINT32_MAX ?
		       (uint32_t)number :
		       0;
}

#ifdef HAVE_COROSYNC

#define RETRY_MS 1000
#define CLOSE_MS 50
#define REPORT_MS 60000

struct cluster {
	struct daemon *daemon;
	struct cluster_info *info; /* kept after a loss, for names, until the next connection */
	struct quorum_cs *quorum;
	qb_loop_timer_handle timer;
	bool connected;
	uint64_t reported_ms;
	char reported[256];
	char reason[256];
};

static void try(void *arg);

static void retry_later(struct cluster *c)
{
	daemon_timer(c->daemon, QB_LOOP_MED, RETRY_MS, c, try, &c->timer);
}

/* Once, then every minute, and whenever it is another reason. */
static void waiting_report(struct cluster *c, const char *part, const char *error)
{
	uint64_t now = clock_now_ms();

	snprintf(c->reason, sizeof(c->reason), "waiting for Corosync (%s): %s", part, error);
	if (strcmp(c->reason, c->reported) != 0 || now - c->reported_ms >= REPORT_MS) {
		qb_log(LOG_WARNING, "%s", c->reason);
		snprintf(c->reported, sizeof(c->reported), "%s", c->reason);
		c->reported_ms = now;
	}
}

static void parts_close(struct cluster *c)
{
	struct daemon *d = c->daemon;

	c->quorum = quorum_cs_free(c->quorum);
	if (d->order) {
		d->order = d->order->ops->free(d->order);
	}
	c->info = cluster_info_free(c->info);
}

static bool connect_parts(struct cluster *c)
{
	struct daemon *d = c->daemon;
	const char *error = "";
	const uint32_t *nodes;
	size_t count;

	if (cluster_info_open(d, &c->info, &error) != 0) {
		waiting_report(c, "cmap", error);
		return false;
	}
	if (quorum_cs_open(d, &c->quorum, &error) != 0) {
		waiting_report(c, "quorum", error);
		parts_close(c);
		return false;
	}
	nodes = cluster_info_nodes(c->info, &count);
	d->order = order_cpg_new(d);
	c->connected = true;
	qb_log(LOG_NOTICE, "connected to Corosync: cluster \"%s\", node %u (%s) of %zu",
	       d->cluster_name, cluster_info_local(c->info), d->node_name, count);
	daemon_node_start(d, cluster_info_local(c->info), nodes, count);
	cluster_info_names_tell(c->info);
	if (c->connected && quorum_cs_start(c->quorum) != 0) {
		cluster_lost(d, "quorum service");
	}
	return true;
}

static void close_late(void *arg)
{
	struct cluster *c = arg;

	c->timer = 0;
	parts_close(c);
	snprintf(c->reason, sizeof(c->reason), "waiting for Corosync, which has gone");
	if (c->daemon->stopping == DAEMON_STOP_LEAVING) {
		qb_log(LOG_WARNING, "Corosync has gone while leaving");
	}
	retry_later(c);
}

/* Clients hear of it and kills are begun; handles of a dead Corosync may take seconds to close. */
static void lost_late(void *arg)
{
	struct cluster *c = arg;

	c->timer = 0;
	daemon_node_lost(c->daemon);
	daemon_timer(c->daemon, QB_LOOP_LOW, CLOSE_MS, c, close_late, &c->timer);
}

static void try(void *arg)
{
	struct cluster *c = arg;
	struct daemon *d = c->daemon;

	c->timer = 0;
	/* The old node first has to see its clients off. */
	if (d->stopping != DAEMON_RUNNING || d->node || d->clients_remain || !connect_parts(c)) {
		retry_later(c);
	}
}

int cluster_new(struct daemon *d, struct cluster **ret)
{
	struct cluster *c = calloc(1, sizeof(*c));

	ls_assert(c != NULL);
	c->daemon = d;
	snprintf(c->reason, sizeof(c->reason), "waiting for Corosync");
	daemon_timer(d, QB_LOOP_MED, 0, c, try, &c->timer);
	*ret = c;
	return 0;
}

struct cluster *cluster_free(struct cluster *c)
{
	if (c) {
		daemon_timer_stop(c->daemon, &c->timer);
		parts_close(c);
		free(c);
	}
	return NULL;
}

void cluster_lost(struct daemon *d, const char *what)
{
	struct cluster *c = d->cluster;

	if (!c || !c->connected) {
		return;
	}
	qb_log(LOG_ERR, "lost Corosync (%s): all locks of this node's sessions are lost", what);
	c->connected = false;
	daemon_timer_stop(d, &c->timer);
	daemon_timer(d, QB_LOOP_HIGH, 0, c, lost_late, &c->timer);
}

void cluster_quorum_dispatch(struct daemon *d)
{
	if (d->cluster && d->cluster->quorum) {
		quorum_cs_dispatch(d->cluster->quorum);
	}
}

bool cluster_connected(const struct cluster *c)
{
	return c->connected;
}

const char *cluster_reason(const struct cluster *c)
{
	return c->reason;
}

const char *cluster_node_name(const struct daemon *d, uint32_t nodeid)
{
	const char *name = NULL;

	if (d->cluster && d->cluster->info) {
		name = cluster_info_name(d->cluster->info, nodeid);
	} else if (nodeid == d->nodeid) {
		name = d->node_name;
	}
	return name ? name : "";
}

int cluster_node_id(const struct daemon *d, const char *name, uint32_t *ret_nodeid)
{
	uint32_t nodeid = 0;

	if (d->cluster && d->cluster->info) {
		nodeid = cluster_info_id(d->cluster->info, name);
		if (nodeid == 0 && cluster_info_name(d->cluster->info, number_parse(name))) {
			nodeid = number_parse(name);
		}
	} else if (d->nodeid != 0 &&
		   (strcmp(name, d->node_name) == 0 || number_parse(name) == d->nodeid)) {
		nodeid = d->nodeid;
	}
	if (nodeid == 0) {
		return ENOENT;
	}
	*ret_nodeid = nodeid;
	return 0;
}

#else /* without Corosync there is only --standalone */

int cluster_new(struct daemon *d, struct cluster **ret)
{
	(void)d;
	(void)ret;
	return -EOPNOTSUPP;
}

struct cluster *cluster_free(struct cluster *c)
{
	(void)c;
	return NULL;
}

bool cluster_connected(const struct cluster *c)
{
	(void)c;
	return false;
}

const char *cluster_reason(const struct cluster *c)
{
	(void)c;
	return "";
}

const char *cluster_node_name(const struct daemon *d, uint32_t nodeid)
{
	return nodeid == d->nodeid ? d->node_name : "";
}

int cluster_node_id(const struct daemon *d, const char *name, uint32_t *ret_nodeid)
{
	if (strcmp(name, d->node_name) != 0 && number_parse(name) != d->nodeid) {
		return ENOENT;
	}
	*ret_nodeid = d->nodeid;
	return 0;
}

#endif
