/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ipc_admin.h. Every answer is computed while the request is processed; a listing is cut into
 * pages by row number. Only of a listing of all locks something is remembered between two requests, the names
 * that come next, since to find them means to look at all there are. Who is privileged is looked up per
 * connection.
 */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <qb/qbipcs.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/ipc/ipc.h"
#include "plugin/daemon/clients_file.h"
#include "plugin/daemon/cluster.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/dlm_tree.h"
#include "plugin/daemon/ipc_access.h"
#include "plugin/daemon/ipc_admin.h"
#include "plugin/daemon/ipc_gate.h"
#include "plugin/daemon/ipc_link.h"
#include "plugin/daemon/ipc_metrics.h"
#include "plugin/daemon/ipc_server.h"
#include "plugin/daemon/ipc_stream.h"
#include "plugin/daemon/ipc_watch.h"
#include "plugin/daemon/log.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/spaces.h"
#include "plugin/engine/engine.h"

#define CONNECTIONS_MAX 256
#define CLIENT_BUFFER_MAX (1 << 20) /* of the size a client may ask libqb for */
#define MEMBERS_MAX 256 /* members and lost members of one lockspace, for listings */

struct ipc_admin {
	struct daemon *daemon;
	qb_ipcs_service_t *service;
	size_t count;
	uint64_t in[IPC_MESSAGE_MAX / sizeof(uint64_t)];
	struct buf out;
};

#define LISTING_NAMES 4096

/* A listing of locks under way: whoever asks for @page goes on here. */
struct listing {
	char space[LOCKSTEP_SPACE_MAX + 1];
	bool contended;
	uint64_t page; /* 0: none */
	size_t skip;   /* locks of the first of `names` that have been shown */
	size_t at;
	size_t count;
	bool last; /* there are no names behind these */
	struct engine_name names[LISTING_NAMES];
};

/* One connection. */
struct admin {
	struct ipc_admin *service;
	struct ipc_link peer_link;
	uid_t uid;
	gid_t gid;
	struct watch *watch; /* NULL: has not subscribed */
	struct listing *listing; /* NULL: none yet */
};

/* One page while it is being filled. */
struct page {
	struct buf *out;
	uint64_t first; /* row number to start at */
	uint64_t row;   /* number of the next row offered */
	uint32_t rows;  /* in this page */
	bool more;
};

/* Is this row to be put into the page? */
static bool page_row(struct page *p)
{
	uint64_t number = p->row++;

	if (number < p->first) {
		return false;
	}
	if (p->rows == IPC_PAGE_ROWS_MAX) {
		p->more = true;
		return false;
	}
	p->rows++;
	return true;
}

#define text_set(field, text) snprintf((field), sizeof(field), "%s", (text))

/* --- rows -------------------------------------------------------------------------------- */

static void status_answer(struct daemon *d, struct page *p)
{
	struct lockstep_status row = { 0 };
	struct node_info info;

	text_set(row.version, PACKAGE_VERSION);
	text_set(row.cluster_name, d->cluster_name);
	text_set(row.node_name, d->node_name);
	row.nodeid = d->nodeid;
	row.standalone = d->standalone;
	row.uptime_ms = clock_now_ms() - d->started_ms;
	row.corosync = d->cluster && cluster_connected(d->cluster);
	if (d->node) {
		node_info_get(d->node, &info);
		row.quorate = info.quorate;
		row.ring_seq = info.ring.seq;
		row.ring_nodeid = info.ring.nodeid;
		row.spaces = (uint32_t)info.spaces;
		row.sessions = (uint32_t)info.sessions;
		text_set(row.state, info.state);
		text_set(row.reason, info.reason);
		if (!d->standalone) {
			row.unfenced = d->settings->fencing == NODE_FENCING_NONE;
			node_fence_text(d->node, row.fencing, sizeof(row.fencing));
		}
	} else {
		text_set(row.state, "waiting");
		if (d->clients_remain) {
			clients_file_words(d->clients, row.reason, sizeof(row.reason));
		} else if (d->cluster) {
			text_set(row.reason, cluster_reason(d->cluster));
		}
	}
	if (page_row(p)) {
		ipc_status_encode(&row, p->out);
	}
}

/* May it be shown this lockspace? Who has not been excluded may. */
static int view_permission(const struct daemon *d, const struct admin *admin, const char *space)
{
	return access_mentions(d->access, ACCESS_VIEW) ?
		       ipc_permission(d, admin->uid, admin->gid, space, ACCESS_VIEW, 0) :
		       0;
}

static void spaces_answer(struct daemon *d, const struct admin *admin, struct page *p)
{
	struct node_space_info info;

	for (size_t i = 0; d->node && node_space_info_at(d->node, i, &info); i++) {
		if (view_permission(d, admin, info.name) != 0) {
			continue;
		}
		struct lockstep_space_info row = {
			.seq = info.seq,
			.stable = info.stable,
			.digest = info.digest,
			.epoch = info.epoch,
			.history = info.history,
			.generation = info.generation,
			.lvb_len = info.lvb_len,
			.members = (uint32_t)info.members_count,
			.lost_members = (uint32_t)info.lost_count,
			.local_sessions = (uint32_t)info.local_sessions,
		};

		if (!page_row(p)) {
			continue;
		}
		text_set(row.name, info.name);
		text_set(row.state, info.state);
		text_set(row.reason, info.reason);
		if (info.engine) {
			struct engine_totals totals = engine_totals_get(info.engine);

			row.resources = (uint32_t)totals.resources;
			row.locks = (uint32_t)totals.locks;
			row.waiting = (uint32_t)(totals.waiting + totals.converting);
			row.sessions = (uint32_t)totals.sessions;
		}
		ipc_space_encode(&row, p->out);
	}
}

static void members_answer(struct daemon *d, const char *space, struct page *p)
{
	struct node_member_info infos[MEMBERS_MAX];
	size_t count = node_space_members(d->node, space, infos, MEMBERS_MAX);

	for (size_t i = 0; i < count && i < MEMBERS_MAX; i++) {
		struct lockstep_member_info row = {
			.nodeid = infos[i].nodeid,
			.incarnation = infos[i].incarnation,
			.slot = infos[i].slot,
			.local = infos[i].local,
			.locks = infos[i].locks,
			.lost_ms = infos[i].lost_wall_ms,
		};

		if (page_row(p)) {
			text_set(row.name, cluster_node_name(d, infos[i].nodeid));
			text_set(row.state, infos[i].state);
			text_set(row.reason, infos[i].reason);
			ipc_member_encode(&row, p->out);
		}
	}
}

struct locks_walk {
	struct daemon *daemon;
	struct page *page;
	const struct engine *engine;
};

void ipc_lock_row(struct daemon *d, const struct engine *engine, const struct engine_lock_info *info,
		  struct lockstep_lock_info *ret)
{
	static const char queues[] = { '?', 'G', 'C', 'W' };
	struct engine_resource_info resource;

	*ret = (struct lockstep_lock_info){
		.name_len = info->name_len,
		.nodeid = info->nodeid,
		.session = info->session,
		.lkid = info->lkid,
		.queue = queues[info->queue],
		.granted = info->granted,
		.requested = info->requested,
		.token = info->token,
		.time_ms = info->time_ms,
		.pid = info->pid,
		.uid = info->uid,
		.lost = info->lost,
		.lvb_invalid = engine_resource_find(engine, info->name, info->name_len, &resource) &&
			       resource.lvb_invalid,
	};
	memcpy(ret->name, info->name, info->name_len);
	text_set(ret->node_name, cluster_node_name(d, info->nodeid));
	text_set(ret->comm, info->comm);
}

static bool lock_visit(const struct engine_lock_info *info, void *arg)
{
	struct locks_walk *w = arg;
	struct lockstep_lock_info row;

	if (page_row(w->page)) {
		ipc_lock_row(w->daemon, w->engine, info, &row);
		ipc_lock_encode(&row, w->page->out);
	}
	return !w->page->more;
}

static void names_refill(struct listing *l, const struct engine *engine)
{
	const struct engine_name after = l->count > 0 ? l->names[l->count - 1] :
							(struct engine_name){ .size = 0 };

	l->count = engine_names_after(engine, l->count > 0 ? &after : NULL, l->contended, l->names,
				      LISTING_NAMES);
	l->last = l->count < LISTING_NAMES;
	l->at = 0;
}

/* The listing that @query begins or goes on with. */
static struct listing *listing_get(struct admin *admin, const struct ipc_query *query)
{
	bool contended = query->flags & IPC_LOCKS_CONTENDED;
	struct listing *l = admin->listing;

	if (!l) {
		l = admin->listing = calloc(1, sizeof(*l));
		ls_assert(l != NULL);
	}
	if (query->page == 0 || query->page != l->page || contended != l->contended ||
	    strcmp(query->space, l->space) != 0) {
		memcpy(l->space, query->space, sizeof(l->space));
		l->contended = contended;
		l->page = 0;
		l->skip = 0;
		l->at = 0;
		l->count = 0;
		l->last = false;
	}
	return l;
}

/* Shows names from where the listing is until the page is full. One that was begun elsewhere, or is not the
 * one that was under way, is counted from its beginning. */
static void names_visit(struct listing *l, struct locks_walk *w)
{
	struct page *p = w->page;
	bool going_on = l->page != 0;

	p->row = l->page;
	while (!p->more) {
		if (l->at == l->count && !l->last) {
			names_refill(l, w->engine);
		}
		if (l->at == l->count) {
			break;
		}
		const struct engine_name *name = &l->names[l->at];
		uint64_t begin = p->row - l->skip;
		uint64_t shown;

		/* Those that the page before had are counted again; some may have gone meanwhile. */
		p->row = begin;
		engine_locks_visit(w->engine, name->bytes, name->size, lock_visit, w);
		if (going_on && p->row < p->first) {
			p->row = p->first;
		}
		shown = p->first + p->rows;
		l->skip = p->more && shown > begin ? (size_t)(shown - begin) : 0;
		l->at += !p->more;
	}
	l->page = p->more ? p->first + p->rows : 0;
}

static void locks_answer(struct daemon *d, struct admin *admin, const struct engine *engine,
			 const struct ipc_query *query, struct page *p)
{
	struct locks_walk w = { .daemon = d, .page = p, .engine = engine };

	if (!engine) {
		return;
	}
	if (query->has_name) {
		engine_locks_visit(engine, query->name, query->name_len, lock_visit, &w);
	} else {
		names_visit(listing_get(admin, query), &w);
	}
}

static bool blocker_visit(const struct engine_lock_info *info, bool by_order, void *arg)
{
	struct locks_walk *w = arg;
	struct lockstep_blocker row = { .by_order = by_order };

	if (page_row(w->page)) {
		ipc_lock_row(w->daemon, w->engine, info, &row.lock);
		ipc_blocker_encode(&row, w->page->out);
	}
	return !w->page->more;
}

/* An lkid is unique per node and incarnation; of several incarnations one is alive. */
static bool lock_find(struct daemon *d, const struct engine *engine, const struct ipc_query *query,
		      struct engine_lock_info *ret)
{
	struct node_member_info infos[MEMBERS_MAX];
	size_t count = node_space_members(d->node, query->space, infos, MEMBERS_MAX);

	for (size_t i = 0; i < count && i < MEMBERS_MAX; i++) {
		if (infos[i].nodeid == query->nodeid &&
		    engine_lock_find(engine, infos[i].nodeid, infos[i].incarnation, query->lkid,
				     ret)) {
			return true;
		}
	}
	return false;
}

static int blockers_answer(struct daemon *d, const struct engine *engine,
			   const struct ipc_query *query, struct page *p)
{
	struct locks_walk w = { .daemon = d, .page = p, .engine = engine };
	struct engine_lock_info waiter;

	if (!engine || !lock_find(d, engine, query, &waiter)) {
		return ENOENT;
	}
	engine_blockers_visit(engine, &waiter, blocker_visit, &w);
	return 0;
}

static void events_answer(struct page *p)
{
	const char *line;

	for (size_t i = 0; (line = log_ring_line(i)); i++) {
		if (page_row(p)) {
			ipc_line_encode(line, p->out);
		}
	}
}

static void stats_answer(struct daemon *d, struct page *p)
{
	const char *name;
	uint64_t value;

	for (size_t i = 0; d->node && (name = node_counter_at(d->node, i, &value)); i++) {
		if (page_row(p)) {
			ipc_counter_encode(name, value, p->out);
		}
	}
	if (page_row(p)) {
		ipc_counter_encode("resident_bytes", ipc_metrics_resident_bytes(), p->out);
	}
}

static void metrics_answer(struct daemon *d, const struct admin *admin, struct page *p)
{
	struct node_space_info info;
	struct lockstep_space_metrics row;

	for (size_t i = 0; d->node && node_space_info_at(d->node, i, &info); i++) {
		if (view_permission(d, admin, info.name) == 0 && page_row(p)) {
			ipc_metrics_row(d, &info, &row);
			ipc_metrics_encode(&row, p->out);
		}
	}
}

static void configfs_answer(struct daemon *d, struct page *p)
{
	char path[IPC_LINE_MAX + 1];

	dlm_tree_path(d, path, sizeof(path));
	if (page_row(p)) {
		ipc_line_encode(path, p->out);
	}
}

static void rows_answer(struct ipc_admin *a, struct admin *admin, int32_t id,
			const struct ipc_query *query)
{
	struct daemon *d = a->daemon;
	struct page p = { .out = &a->out, .first = query->page };
	struct node_space_info info;
	bool of_space = id == IPC_MSG_MEMBERS || id == IPC_MSG_LOCKS || id == IPC_MSG_BLOCKERS;
	int error = 0;
	size_t at = ipc_page_begin(&a->out, query->tag, 0);

	if (of_space && (!d->node || !node_space_info_find(d->node, query->space, &info))) {
		error = ENOENT;
	} else if (of_space && view_permission(d, admin, query->space) != 0) {
		error = EACCES;
	} else if (id == IPC_MSG_STATUS) {
		status_answer(d, &p);
	} else if (id == IPC_MSG_SPACES) {
		spaces_answer(d, admin, &p);
	} else if (id == IPC_MSG_MEMBERS) {
		members_answer(d, query->space, &p);
	} else if (id == IPC_MSG_LOCKS) {
		locks_answer(d, admin, info.engine, query, &p);
	} else if (id == IPC_MSG_BLOCKERS) {
		error = blockers_answer(d, info.engine, query, &p);
	} else if (id == IPC_MSG_STATS) {
		stats_answer(d, &p);
	} else if (id == IPC_MSG_METRICS) {
		metrics_answer(d, admin, &p);
	} else if (id == IPC_MSG_CONFIGFS) {
		configfs_answer(d, &p);
	} else {
		events_answer(&p);
	}
	if (error != 0) {
		buf_clear(&a->out);
		at = ipc_page_begin(&a->out, query->tag, (uint32_t)error);
	}
	ipc_page_end(&a->out, at, p.rows, p.more ? p.first + p.rows : 0);
}

/* --- verbs ------------------------------------------------------------------------------- */

/* 0 or a positive errno. */
static int space_status(struct daemon *d, const char *space)
{
	struct node_space_info info;

	if (spaces_failure(d->spaces, space)) {
		return spaces_failure(d->spaces, space); /* although the node may still be leaving it */
	}
	if (d->node && node_space_info_find(d->node, space, &info)) {
		return info.ready ? 0 : EINPROGRESS;
	}
	return spaces_find(d->spaces, space) ? EINPROGRESS : ENOENT;
}

static int fence_ack(struct daemon *d, const struct admin *admin, uint32_t nodeid)
{
	int rc = daemon_node(d) ? node_fence_ack(d->node, nodeid) : EAGAIN;

	qb_log(LOG_WARNING, "uid %u acknowledges by hand that node %u (%s) is down: %s", admin->uid,
	       nodeid, cluster_node_name(d, nodeid), rc == 0 ? "accepted" : strerror(rc));
	return rc;
}

/* In the order of R-ERR-3. 0 or a positive errno. */
static int space_create(struct daemon *d, const struct admin *admin, const struct ipc_open *open)
{
	const struct node_attributes want = ipc_open_attributes(open);
	struct node_space_info info;
	bool exists = spaces_find(d->spaces, open->space) ||
		      (d->node && node_space_info_find(d->node, open->space, &info));
	int rc = ipc_space_check(d, open, exists);

	if (rc == 0) {
		rc = ipc_permission(d, admin->uid, admin->gid, open->space, ACCESS_CREATE, EPERM); /* R-LS-10 */
	}
	if (rc == 0) {
		rc = spaces_create(d->spaces, daemon_node(d), open->space, &want, open->mode,
				   admin->uid, admin->gid);
	}
	qb_log(LOG_INFO, "uid %u creates lockspace \"%s\": %s", admin->uid, open->space,
	       rc == 0 ? "accepted" : strerror(rc));
	return rc;
}

static int verb_permission(const struct daemon *d, const struct admin *admin, int32_t id,
			   const struct ipc_query *query)
{
	switch (id) {
	case IPC_MSG_SPACE_RELEASE:
		return ipc_permission(d, admin->uid, admin->gid, query->space,
				      query->flags > 0 ? ACCESS_ADMIN : ACCESS_CREATE, EPERM);
	case IPC_MSG_FENCE_ACK:
		return ipc_permission(d, admin->uid, admin->gid, NULL, ACCESS_ADMIN, EPERM);
	default:
		return 0;
	}
}

static int subscribe(struct daemon *d, struct admin *admin, const struct ipc_query *query)
{
	struct node_space_info info;

	if (view_permission(d, admin, query->space) != 0) {
		return EACCES;
	}
	if (!d->node || !node_space_info_find(d->node, query->space, &info)) {
		return ENOENT;
	}
	admin->watch = watch_free(admin->watch);
	admin->watch = watch_new(d->watches, &admin->peer_link, query);
	daemon_dirty(d);
	return admin->watch ? 0 : EUSERS;
}

static int verb(struct ipc_admin *a, struct admin *admin, int32_t id,
		const struct ipc_query *query, struct ipc_result *result)
{
	struct daemon *d = a->daemon;
	unsigned int count = 0;
	int rc;

	rc = verb_permission(d, admin, id, query);
	if (rc != 0) {
		return rc;
	}
	switch (id) {
	case IPC_MSG_SPACE_RELEASE:
		rc = spaces_release(d->spaces, daemon_node(d), query->space, query->flags,
				    &count);
		if (rc == EBUSY && ipc_server_closing(d->ipc, query->space)) {
			rc = EAGAIN; /* what is in the way is going */
		}
		result->value = count;
		qb_log(LOG_INFO, "uid %u releases lockspace \"%s\" (force %u): %s", admin->uid,
		       query->space, query->flags, rc == 0 ? "accepted" : strerror(rc));
		return rc;
	case IPC_MSG_FENCE_ACK:
		return fence_ack(d, admin, query->nodeid);
	case IPC_MSG_NODE_ID:
		return cluster_node_id(d, query->text, &result->value);
	case IPC_MSG_SPACE_STATUS:
		return space_status(d, query->space);
	case IPC_MSG_SUBSCRIBE:
		return subscribe(d, admin, query);
	default:
		return EOPNOTSUPP;
	}
}

static void answer(struct ipc_admin *a, struct admin *admin, int32_t id, const void *body,
		   size_t size)
{
	struct ipc_result result = { 0 };
	struct ipc_query query;
	struct ipc_open open;

	if (id == IPC_MSG_SPACE_CREATE) {
		if (ipc_open_decode(body, size, &open) == 0) {
			result.tag = open.tag;
			result.error = (uint32_t)space_create(a->daemon, admin, &open);
			daemon_dirty(a->daemon);
		} else {
			result.error = EBADMSG;
		}
		ipc_result_encode(&result, &a->out);
		return;
	}
	if (ipc_query_decode(body, size, &query) != 0) {
		result.error = EBADMSG;
		ipc_result_encode(&result, &a->out);
		return;
	}
	result.tag = query.tag;
	switch (id) {
	case IPC_MSG_STATUS:
	case IPC_MSG_SPACES:
	case IPC_MSG_MEMBERS:
	case IPC_MSG_LOCKS:
	case IPC_MSG_BLOCKERS:
	case IPC_MSG_EVENTS:
	case IPC_MSG_STATS:
	case IPC_MSG_CONFIGFS:
	case IPC_MSG_METRICS:
		rows_answer(a, admin, id, &query);
		return;
	default:
		result.error = (uint32_t)verb(a, admin, id, &query, &result);
		dlm_tree_update(a->daemon->dlm_tree);
		ipc_result_encode(&result, &a->out);
		if (a->daemon->node) {
			daemon_dirty(a->daemon);
		}
		return;
	}
}

/* --- connections ------------------------------------------------------------------------- */

static struct ipc_admin *service_of(qb_ipcs_connection_t *c)
{
	return qb_ipcs_connection_service_context_get(c);
}

static void admin_message(struct admin *admin, int32_t id, const uint8_t *body, size_t size)
{
	struct ipc_admin *a = admin->service;

	buf_clear(&a->out);
	answer(a, admin, id, body, size);
	ls_assert(a->out.size <= IPC_BODY_MAX);
	(void)ipc_link_respond(&admin->peer_link, id, a->out.data, a->out.size);
}

static int32_t message(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct ipc_admin *a = service_of(c);
	struct admin *admin = qb_ipcs_context_get(c);
	struct qb_ipc_request_header header;

	if (!admin || size < sizeof(header) || size > IPC_MESSAGE_MAX || !ipc_size_fits(c, size)) {
		return 0;
	}
	memcpy(a->in, data, size);
	memcpy(&header, a->in, sizeof(header));
	admin_message(admin, header.id, (const uint8_t *)a->in + sizeof(header),
		      size - sizeof(header));
	return 0;
}

/* 0 or a negative errno. */
static int admin_new(struct ipc_admin *a, const struct ipc_link *peer_link, uid_t uid, gid_t gid,
		     struct admin **ret)
{
	struct admin *admin;
	int rc = ipc_accept_check(a->daemon, peer_link->qb, uid, gid);

	if (rc != 0) {
		return rc;
	}
	if (a->count >= CONNECTIONS_MAX) {
		qb_log(LOG_WARNING, "refused a connection of uid %u: there are %zu for administration, the limit", uid, a->count);
		return -EUSERS;
	}
	admin = calloc(1, sizeof(*admin));
	if (!admin) {
		return -ENOMEM;
	}
	admin->service = a;
	admin->peer_link = *peer_link;
	admin->uid = uid;
	admin->gid = gid;
	a->count++;
	*ret = admin;
	return 0;
}

static void admin_free(struct admin *admin)
{
	admin->watch = watch_free(admin->watch);
	admin->service->count--;
	free(admin->listing);
	free(admin);
}

static int32_t connection_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	const struct ipc_link peer_link = { .qb = c };
	struct admin *admin;
	int rc = admin_new(service_of(c), &peer_link, uid, gid, &admin);

	if (rc == 0) {
		qb_ipcs_context_set(c, admin);
	}
	return rc;
}

static void connection_created(qb_ipcs_connection_t *c)
{
	if (ipc_gate_passed(c) < 0 || qb_ipcs_connection_get_buffer_size(c) > CLIENT_BUFFER_MAX) {
		qb_ipcs_disconnect(c);
	}
}

static int32_t connection_closed(qb_ipcs_connection_t *c)
{
	struct admin *admin = qb_ipcs_context_get(c);

	if (admin) {
		admin->watch = watch_free(admin->watch);
	}
	return 0;
}

/* Also comes for a connection that was accepted and never created. */
static void connection_destroyed(qb_ipcs_connection_t *c)
{
	struct admin *admin = qb_ipcs_context_get(c);

	if (admin) {
		qb_ipcs_context_set(c, NULL);
		admin_free(admin);
	}
}

static int stream_opened(void *service, struct ipc_stream *t, void **ret_owner)
{
	const struct ipc_link peer_link = { .stream = t };
	const struct ucred *cred = ipc_stream_cred(t);
	struct admin *admin;
	int rc = admin_new(service, &peer_link, cred->uid, cred->gid, &admin);

	if (rc == 0) {
		*ret_owner = admin;
	}
	return -rc;
}

static void stream_message(void *owner, int32_t id, const uint8_t *body, size_t size)
{
	admin_message(owner, id, body, size);
}

static void stream_closed(void *owner)
{
	admin_free(owner);
}

const struct ipc_stream_ops ipc_admin_stream_ops = {
	.opened = stream_opened,
	.message = stream_message,
	.closed = stream_closed,
	.forget = stream_closed,
};

int ipc_admin_open(struct daemon *d, struct ipc_admin **ret)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = connection_accept,
		.connection_created = connection_created,
		.msg_process = message,
		.connection_closed = connection_closed,
		.connection_destroyed = connection_destroyed,
	};
	struct ipc_admin *a = calloc(1, sizeof(*a));
	char name[96];
	int rc;

	if (!a) {
		return -ENOMEM;
	}
	a->daemon = d;
	snprintf(name, sizeof(name), "%s%s", d->settings->ipc_name, IPC_ADMIN_SUFFIX);
	a->service = qb_ipcs_create(name, 0, QB_IPC_NATIVE, &handlers);
	if (!a->service) {
		free(a);
		return -ENOMEM;
	}
	qb_ipcs_service_context_set(a->service, a);
	rc = ipc_gate_run(d, a->service);
	if (rc != 0) {
		free(a);
		return rc;
	}
	*ret = a;
	return 0;
}

struct ipc_admin *ipc_admin_free(struct ipc_admin *a)
{
	if (a) {
		qb_ipcs_destroy(a->service);
		buf_done(&a->out);
		free(a);
	}
	return NULL;
}
