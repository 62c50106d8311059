/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cluster_info.h. A node's name is nodelist.node.N.name, else its ring0_addr, as for Pacemaker. */
#include "config.h"

#ifdef HAVE_COROSYNC

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <corosync/cmap.h>
#include <corosync/corotypes.h>

#include "lib/base/assert.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/cluster_info.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/log.h"

#define REREAD_MS 200 /* a reload changes many keys; they are read once */

struct cluster_node {
	uint32_t nodeid;
	uint32_t position;
	char name[LOCKSTEP_NODE_NAME_MAX + 1];
};

struct cluster_info {
	struct daemon *daemon;
	cmap_handle_t handle;
	cmap_track_handle_t track;
	int fd;
	bool polled;
	bool broken;
	qb_loop_timer_handle reread_timer;
	uint32_t local;
	struct cluster_node nodes[CLUSTER_NODES_MAX];
	uint32_t ids[CLUSTER_NODES_MAX];
	size_t count;
};

static void string_get(cmap_handle_t handle, const char *key, char *ret, size_t size)
{
	char *value = NULL;

	if (cmap_get_string(handle, key, &value) == CS_OK) {
		snprintf(ret, size, "%s", value);
		free(value);
	}
}

static int by_nodeid(const void *a, const void *b)
{
	const struct cluster_node *x = a;
	const struct cluster_node *y = b;

	return x->nodeid < y->nodeid ? -1 : x->nodeid > y->nodeid;
}

static void node_read(struct cluster_info *info, uint32_t position, uint32_t nodeid)
{
	struct cluster_node *node = &info->nodes[info->count++];
	char key[CMAP_KEYNAME_MAXLEN + 1];

	*node = (struct cluster_node){ .nodeid = nodeid, .position = position };
	snprintf(key, sizeof(key), "nodelist.node.%u.ring0_addr", position);
	string_get(info->handle, key, node->name, sizeof(node->name));
	snprintf(key, sizeof(key), "nodelist.node.%u.name", position);
	string_get(info->handle, key, node->name, sizeof(node->name));
}

static int nodes_read(struct cluster_info *info)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];
	cmap_iter_handle_t iter;
	uint32_t own_position = UINT32_MAX;

	info->count = 0;
	if (cmap_iter_init(info->handle, "nodelist.node.", &iter) != CS_OK) {
		return -ENOTCONN;
	}
	while (cmap_iter_next(info->handle, iter, key, NULL, NULL) == CS_OK) {
		uint32_t position;
		uint32_t nodeid;
		int end = 0;

		if (sscanf(key, "nodelist.node.%u.nodeid%n", &position, &end) == 1 && end > 0 &&
		    key[end] == '\0' && info->count < CLUSTER_NODES_MAX &&
		    cmap_get_uint32(info->handle, key, &nodeid) == CS_OK && nodeid != 0) {
			node_read(info, position, nodeid);
		}
	}
	(void)cmap_iter_finalize(info->handle, iter);
	qsort(info->nodes, info->count, sizeof(info->nodes[0]), by_nodeid);
	(void)cmap_get_uint32(info->handle, "nodelist.local_node_pos", &own_position);
	for (size_t i = 0; i < info->count; i++) {
		info->ids[i] = info->nodes[i].nodeid;
		if (info->nodes[i].position == own_position) {
			info->local = info->nodes[i].nodeid;
			snprintf(info->daemon->node_name, sizeof(info->daemon->node_name), "%s",
				 info->nodes[i].name);
		}
	}
	string_get(info->handle, "totem.cluster_name", info->daemon->cluster_name,
		   sizeof(info->daemon->cluster_name));
	return 0;
}

void cluster_info_names_tell(const struct cluster_info *info)
{
	for (size_t i = 0; i < info->count; i++) {
		node_name_set(info->daemon->node, info->nodes[i].nodeid, info->nodes[i].name);
	}
}

static void reread(void *arg)
{
	struct cluster_info *info = arg;
	struct daemon *d = info->daemon;

	info->reread_timer = 0;
	if (info->broken || nodes_read(info) != 0) {
		return;
	}
	qb_log(LOG_NOTICE, "the node list of the cluster changed: %zu node(s)", info->count);
	if (d->node && !d->node_down) {
		node_configured(d->node, info->ids, info->count);
		cluster_info_names_tell(info);
		daemon_dirty(d);
	}
}

static void changed(cmap_handle_t handle, cmap_track_handle_t track, int32_t event,
		    const char *key, struct cmap_notify_value new_value,
		    struct cmap_notify_value old_value, void *arg)
{
	struct cluster_info *info = arg;

	(void)handle;
	(void)track;
	(void)event;
	(void)key;
	(void)new_value;
	(void)old_value;
	if (!info->reread_timer) {
		daemon_timer(info->daemon, QB_LOOP_LOW, REREAD_MS, info, reread,
			     &info->reread_timer);
	}
}

static int32_t readable(int32_t fd, int32_t revents, void *arg)
{
	struct cluster_info *info = arg;
	cs_error_t rc = cmap_dispatch(info->handle, CS_DISPATCH_ALL);

	(void)fd;
	(void)revents;
	if (rc != CS_OK && rc != CS_ERR_TRY_AGAIN) {
		info->broken = true;
		(void)qb_loop_poll_del(info->daemon->loop, info->fd);
		info->polled = false;
		cluster_lost(info->daemon, "configuration service");
	}
	return 0;
}

int cluster_info_open(struct daemon *d, struct cluster_info **ret, const char **ret_error)
{
	struct cluster_info *info = calloc(1, sizeof(*info));
	cs_error_t rc;

	ls_assert(info != NULL);
	info->daemon = d;
	rc = cmap_initialize(&info->handle);
	if (rc != CS_OK) {
		*ret_error = cs_strerror(rc);
		free(info);
		return -EAGAIN;
	}
	if (nodes_read(info) != 0 || info->local == 0) {
		*ret_error = "corosync.conf has no nodelist entry with a nodeid for this node";
		cluster_info_free(info);
		return -ENOENT;
	}
	if (cmap_track_add(info->handle, "nodelist.",
			   CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY |
				   CMAP_TRACK_PREFIX,
			   changed, info, &info->track) == CS_OK &&
	    cmap_fd_get(info->handle, &info->fd) == CS_OK) {
		info->polled = qb_loop_poll_add(d->loop, QB_LOOP_LOW, info->fd, POLLIN, info,
						readable) == 0;
	}
	*ret = info;
	return 0;
}

struct cluster_info *cluster_info_free(struct cluster_info *info)
{
	if (info) {
		daemon_timer_stop(info->daemon, &info->reread_timer);
		if (info->polled) {
			(void)qb_loop_poll_del(info->daemon->loop, info->fd);
		}
		cmap_finalize(info->handle);
		free(info);
	}
	return NULL;
}

const uint32_t *cluster_info_nodes(const struct cluster_info *info, size_t *ret_count)
{
	*ret_count = info->count;
	return info->ids;
}

const char *cluster_info_name(const struct cluster_info *info, uint32_t nodeid)
{
	for (size_t i = 0; i < info->count; i++) {
		if (info->nodes[i].nodeid == nodeid) {
			return info->nodes[i].name;
		}
	}
	return NULL;
}

uint32_t cluster_info_id(const struct cluster_info *info, const char *name)
{
	for (size_t i = 0; i < info->count; i++) {
		if (strcmp(info->nodes[i].name, name) == 0) {
			return info->nodes[i].nodeid;
		}
	}
	return 0;
}

uint32_t cluster_info_local(const struct cluster_info *info)
{
	return info->local;
}

#else
typedef int cluster_info_is_empty; /* an empty unit is not C */
#endif
