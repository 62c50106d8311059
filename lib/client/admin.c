/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The administration half of liblockstep: queries, answered in pages, and a few verbs. The pages of
 * one listing are taken one after the other, so a listing of a busy lockspace is no snapshot.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <lockstep/lockstep.h>

#include "lib/base/buf.h"
#include "lib/base/name.h"
#include "lib/client/private.h"
#include "lib/client/transport.h"
#include "lib/ipc/ipc.h"

#define RETRY_MS 10
#define READY_POLL_MS 50

struct lockstep_admin {
	struct transport *transport;
	struct buf out;
	int timeout_ms;
};

int lockstep_admin_open(const struct lockstep_options *options, struct lockstep_admin **ret)
{
	if (!ret) {
		return -EINVAL;
	}
	struct lockstep_admin *a = calloc(1, sizeof(*a));

	if (!a) {
		return -ENOMEM;
	}
	a->timeout_ms = options_timeout_ms(options);
	int error = transport_open(options ? options->ipc_name : NULL, IPC_SERVICE_ADMIN,
				   transport_deadline(a->timeout_ms), &a->transport);

	if (error) {
		free(a);
		return error;
	}
	*ret = a;
	return 0;
}

void lockstep_admin_close(struct lockstep_admin *a)
{
	if (a) {
		(void)transport_free(a->transport);
		buf_done(&a->out);
		free(a);
	}
}

/* One query; *ret_body as in transport_call(). */
static int query_call(struct lockstep_admin *a, int32_t id, struct ipc_query *query,
		      int64_t deadline, const uint8_t **ret_body, size_t *ret_size)
{
	for (;;) {
		query->tag = transport_tag(a->transport);
		buf_clear(&a->out);
		ipc_query_encode(query, &a->out);
		int error = transport_call(a->transport, id, query->tag, &a->out, deadline,
					   ret_body, ret_size);

		if (error != -EAGAIN) {
			return error;
		}
		if (deadline >= 0 && transport_now_ms() >= deadline) {
			return -ETIMEDOUT;
		}
		(void)poll(NULL, 0, RETRY_MS);
	}
}

/* A verb that is answered by a result. */
static int verb_call(struct lockstep_admin *a, int32_t id, struct ipc_query *query,
		     int64_t deadline, struct ipc_result *ret_result)
{
	struct ipc_result result;
	const uint8_t *body;
	size_t size;
	int error = query_call(a, id, query, deadline, &body, &size);

	if (error == 0) {
		error = ipc_result_decode(body, size, &result);
	}
	if (error) {
		return error;
	}
	if (result.error) {
		return -(int)result.error;
	}
	*ret_result = result;
	return 0;
}

/* --- listings ---------------------------------------------------------------------------- */

/* Decodes one row and shows it; negative errno, or what the visitor returned. */
typedef int (*row_fn)(struct cursor *in, void *arg);

static int page_visit(const uint8_t *body, size_t size, row_fn row, void *arg,
		      uint64_t *ret_next_page)
{
	struct cursor in = cursor_make(body, size);
	struct ipc_page page;
	int error = ipc_page_decode(&in, &page);

	if (error) {
		return error;
	}
	if (page.error) {
		return -(int)page.error;
	}
	for (uint32_t i = 0; i < page.rows; i++) {
		int result = row(&in, arg);

		if (result) {
			return result;
		}
	}
	*ret_next_page = page.next_page;
	return cursor_end(&in) ? 0 : -EBADMSG;
}

static int list_call(struct lockstep_admin *a, int32_t id, struct ipc_query *query, row_fn row,
		     void *arg)
{
	int64_t deadline = transport_deadline(a->timeout_ms);

	do {
		const uint8_t *body;
		size_t size;
		uint64_t next_page = 0;
		int result = query_call(a, id, query, deadline, &body, &size);

		if (result) {
			return result;
		}
		/* The visitor may use the connection, and with it the buffer this lies in. */
		uint8_t *copy = malloc(size > 0 ? size : 1);

		if (!copy) {
			return -ENOMEM;
		}
		memcpy(copy, body, size);
		result = page_visit(copy, size, row, arg, &next_page);
		free(copy);
		if (result) {
			return result;
		}
		if (next_page != 0 && next_page <= query->page) {
			return -EBADMSG; /* it would never end */
		}
		query->page = next_page;
	} while (query->page != 0);
	return 0;
}

static int space_set(struct ipc_query *query, const char *space)
{
	if (!base_name_valid(space, LOCKSTEP_SPACE_MAX)) {
		return -EINVAL;
	}
	memcpy(query->space, space, strlen(space));
	return 0;
}

static int status_row(struct cursor *in, void *arg)
{
	return ipc_status_decode(in, arg);
}

int lockstep_admin_status(struct lockstep_admin *a, struct lockstep_status *ret)
{
	struct ipc_query query = { 0 };
	struct lockstep_status status = { 0 };
	int error = list_call(a, IPC_MSG_STATUS, &query, status_row, &status);

	if (error) {
		return error;
	}
	if (!status.version[0]) {
		return -EBADMSG; /* a page without its row */
	}
	*ret = status;
	return 0;
}

struct spaces_visit {
	int (*visit)(const struct lockstep_space_info *info, void *arg);
	void *arg;
};

static int spaces_row(struct cursor *in, void *arg)
{
	struct spaces_visit *v = arg;
	struct lockstep_space_info info;
	int error = ipc_space_decode(in, &info);

	return error ? error : v->visit(&info, v->arg);
}

int lockstep_admin_spaces(struct lockstep_admin *a,
			  int (*visit)(const struct lockstep_space_info *info, void *arg), void *arg)
{
	struct ipc_query query = { 0 };
	struct spaces_visit v = { visit, arg };

	return list_call(a, IPC_MSG_SPACES, &query, spaces_row, &v);
}

struct members_visit {
	int (*visit)(const struct lockstep_member_info *info, void *arg);
	void *arg;
};

static int members_row(struct cursor *in, void *arg)
{
	struct members_visit *v = arg;
	struct lockstep_member_info info;
	int error = ipc_member_decode(in, &info);

	return error ? error : v->visit(&info, v->arg);
}

int lockstep_admin_members(struct lockstep_admin *a, const char *space,
			   int (*visit)(const struct lockstep_member_info *info, void *arg),
			   void *arg)
{
	struct ipc_query query = { 0 };
	struct members_visit v = { visit, arg };
	int error = space_set(&query, space);

	return error ? error : list_call(a, IPC_MSG_MEMBERS, &query, members_row, &v);
}

struct locks_visit {
	int (*visit)(const struct lockstep_lock_info *info, void *arg);
	void *arg;
};

static int locks_row(struct cursor *in, void *arg)
{
	struct locks_visit *v = arg;
	struct lockstep_lock_info info;
	int error = ipc_lock_decode(in, &info);

	return error ? error : v->visit(&info, v->arg);
}

int lockstep_admin_locks(struct lockstep_admin *a, const char *space, const void *name,
			 size_t name_len,
			 int (*visit)(const struct lockstep_lock_info *info, void *arg), void *arg)
{
	struct ipc_query query = { 0 };
	struct locks_visit v = { visit, arg };
	int error = space_set(&query, space);

	if (error || name_len > LOCKSTEP_NAME_MAX) {
		return -EINVAL;
	}
	if (name) {
		query.has_name = true;
		query.name_len = (uint8_t)name_len;
		memcpy(query.name, name, name_len);
	}
	return list_call(a, IPC_MSG_LOCKS, &query, locks_row, &v);
}

int lockstep_admin_contended(struct lockstep_admin *a, const char *space,
			     int (*visit)(const struct lockstep_lock_info *info, void *arg), void *arg)
{
	struct ipc_query query = { .flags = IPC_LOCKS_CONTENDED };
	struct locks_visit v = { visit, arg };
	int error = space_set(&query, space);

	return error ? error : list_call(a, IPC_MSG_LOCKS, &query, locks_row, &v);
}

struct blockers_visit {
	int (*visit)(const struct lockstep_blocker *b, void *arg);
	void *arg;
};

static int blockers_row(struct cursor *in, void *arg)
{
	struct blockers_visit *v = arg;
	struct lockstep_blocker blocker;
	int error = ipc_blocker_decode(in, &blocker);

	return error ? error : v->visit(&blocker, v->arg);
}

int lockstep_admin_blockers(struct lockstep_admin *a, const char *space, uint32_t nodeid,
			    uint32_t lkid,
			    int (*visit)(const struct lockstep_blocker *b, void *arg), void *arg)
{
	struct ipc_query query = { .nodeid = nodeid, .lkid = lkid };
	struct blockers_visit v = { visit, arg };
	int error = space_set(&query, space);

	return error ? error : list_call(a, IPC_MSG_BLOCKERS, &query, blockers_row, &v);
}

/* --- subscription ------------------------------------------------------------------------ */

int lockstep_admin_subscribe(struct lockstep_admin *a, const char *space, const void *name, size_t name_len)
{
	struct ipc_query query = { 0 };
	struct ipc_result result;
	int error = space_set(&query, space);

	if (error || name_len > LOCKSTEP_NAME_MAX) {
		return -EINVAL;
	}
	if (name) {
		query.has_name = true;
		query.name_len = (uint8_t)name_len;
		memcpy(query.name, name, name_len);
	}
	return verb_call(a, IPC_MSG_SUBSCRIBE, &query, transport_deadline(a->timeout_ms), &result);
}

int lockstep_admin_fd(const struct lockstep_admin *a)
{
	return transport_fd(a->transport);
}

int lockstep_admin_changes(struct lockstep_admin *a,
			   int (*visit)(const struct lockstep_change *change, void *arg), void *arg)
{
	for (;;) {
		const uint8_t *body;
		uint32_t tag;
		size_t size;
		int result = transport_event(a->transport, &body, &size);

		if (result == -EAGAIN) {
			return transport_wait(a->transport, 0) == -ENOTCONN ? -ENOTCONN : 0;
		}
		struct cursor in = cursor_make(body, size);

		if (result == 0) {
			result = ipc_tag_decode(&in, &tag);
		}
		while (result == 0 && !cursor_end(&in)) {
			struct lockstep_change change;

			result = ipc_change_decode(&in, &change);
			if (result == 0) {
				result = visit(&change, arg);
			}
		}
		if (result) {
			return result;
		}
	}
}

struct events_visit {
	int (*visit)(const char *line, void *arg);
	void *arg;
};

static int events_row(struct cursor *in, void *arg)
{
	struct events_visit *v = arg;
	char line[IPC_LINE_MAX + 1];
	int error = ipc_line_decode(in, line, sizeof(line));

	return error ? error : v->visit(line, v->arg);
}

int lockstep_admin_events(struct lockstep_admin *a, int (*visit)(const char *line, void *arg),
			  void *arg)
{
	struct ipc_query query = { 0 };
	struct events_visit v = { visit, arg };

	return list_call(a, IPC_MSG_EVENTS, &query, events_row, &v);
}

struct text_visit {
	char *ret;
	size_t size;
	bool found;
};

static int text_row(struct cursor *in, void *arg)
{
	struct text_visit *v = arg;

	v->found = true;
	return ipc_line_decode(in, v->ret, v->size);
}

int lockstep_admin_configfs(struct lockstep_admin *a, char *ret_path, size_t size)
{
	struct ipc_query query = { 0 };
	char path[IPC_LINE_MAX + 1];
	struct text_visit v = { path, sizeof(path), false };
	int error = list_call(a, IPC_MSG_CONFIGFS, &query, text_row, &v);

	if (error == 0 && (!v.found || strlen(path) >= size)) {
		error = v.found ? -ENOBUFS : -ENOENT;
	}
	if (error == 0) {
		memcpy(ret_path, path, strlen(path) + 1);
	}
	return error;
}

struct stats_visit {
	int (*visit)(const char *name, uint64_t value, void *arg);
	void *arg;
};

static int stats_row(struct cursor *in, void *arg)
{
	struct stats_visit *v = arg;
	char name[IPC_LINE_MAX + 1];
	uint64_t value;
	int error = ipc_counter_decode(in, name, sizeof(name), &value);

	return error ? error : v->visit(name, value, v->arg);
}

int lockstep_admin_stats(struct lockstep_admin *a,
			 int (*visit)(const char *name, uint64_t value, void *arg), void *arg)
{
	struct ipc_query query = { 0 };
	struct stats_visit v = { visit, arg };

	return list_call(a, IPC_MSG_STATS, &query, stats_row, &v);
}

struct metrics_visit {
	int (*visit)(const struct lockstep_space_metrics *metrics, void *arg);
	void *arg;
};

static int metrics_row(struct cursor *in, void *arg)
{
	struct metrics_visit *v = arg;
	struct lockstep_space_metrics metrics;
	int error = ipc_metrics_decode(in, &metrics);

	return error ? error : v->visit(&metrics, v->arg);
}

int lockstep_admin_metrics(struct lockstep_admin *a,
			   int (*visit)(const struct lockstep_space_metrics *metrics, void *arg), void *arg)
{
	struct ipc_query query = { 0 };
	struct metrics_visit v = { visit, arg };

	return list_call(a, IPC_MSG_METRICS, &query, metrics_row, &v);
}

/* --- verbs ------------------------------------------------------------------------------- */

static int create_once(struct lockstep_admin *a, struct ipc_open *open, int64_t deadline)
{
	struct ipc_result result;
	const uint8_t *body;
	size_t size;

	open->tag = transport_tag(a->transport);
	buf_clear(&a->out);
	ipc_open_encode(open, &a->out);
	int error = transport_call(a->transport, IPC_MSG_SPACE_CREATE, open->tag, &a->out, deadline,
				   &body, &size);

	error = error ? error : ipc_result_decode(body, size, &result);
	return error ? error : -(int)result.error;
}

int client_space_create(struct lockstep_admin *a, const char *space,
			const struct lockstep_options *options, uint8_t personality)
{
	int64_t deadline = transport_deadline(a->timeout_ms);
	struct ipc_open open = { .personality = personality };
	struct ipc_query ready = { 0 };
	struct ipc_result result;

	if (!options_valid(options) || space_set(&ready, space)) {
		return -EINVAL;
	}
	options_open(options, &open);
	memcpy(open.space, space, strlen(space));
	int error = create_once(a, &open, deadline);

	/* It is being left, or not known yet whether the attributes can be had. */
	while (error == -EAGAIN && transport_pause(deadline, READY_POLL_MS)) {
		error = create_once(a, &open, deadline);
	}
	if (error) {
		return error == -EAGAIN ? -ETIMEDOUT : error;
	}
	do {
		error = verb_call(a, IPC_MSG_SPACE_STATUS, &ready, deadline, &result);
	} while (error == -EINPROGRESS && transport_pause(deadline, READY_POLL_MS));
	return error == -EINPROGRESS ? -ETIMEDOUT : error;
}

int lockstep_admin_space_create_with(struct lockstep_admin *a, const char *space,
				     const struct lockstep_options *options)
{
	return client_space_create(a, space, options, 0);
}

int lockstep_admin_space_create(struct lockstep_admin *a, const char *space, uint16_t lvb_len,
				uint16_t mode)
{
	const struct lockstep_options options = { .lvb_len = lvb_len, .mode = mode };

	return lockstep_admin_space_create_with(a, space, &options);
}

int lockstep_admin_space_release(struct lockstep_admin *a, const char *space, unsigned int force)
{
	int64_t deadline = transport_deadline(a->timeout_ms);
	struct ipc_query query = { .flags = force };
	struct ipc_result result;
	int error = space_set(&query, space);

	if (error || force > 2) {
		return -EINVAL;
	}
	do {
		error = verb_call(a, IPC_MSG_SPACE_RELEASE, &query, deadline, &result);
	} while (error == -EAGAIN && transport_pause(deadline, RETRY_MS));
	return error == -EAGAIN ? -EBUSY : error;
}

int lockstep_admin_fence_ack(struct lockstep_admin *a, uint32_t nodeid)
{
	struct ipc_query query = { .nodeid = nodeid };
	struct ipc_result result;

	return verb_call(a, IPC_MSG_FENCE_ACK, &query, transport_deadline(a->timeout_ms), &result);
}

int lockstep_admin_node_id(struct lockstep_admin *a, const char *name, uint32_t *ret_nodeid)
{
	struct ipc_query query = { 0 };
	struct ipc_result result;

	if (!name || !*name || strlen(name) > LOCKSTEP_NODE_NAME_MAX) {
		return -EINVAL;
	}
	memcpy(query.text, name, strlen(name));
	int error = verb_call(a, IPC_MSG_NODE_ID, &query, transport_deadline(a->timeout_ms), &result);

	if (error) {
		return error;
	}
	*ret_nodeid = result.value;
	return 0;
}
