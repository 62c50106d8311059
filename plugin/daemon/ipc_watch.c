/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See ipc_watch.h. One `watched` for each lockspace that somebody watches; it is what the engine tells, and
 * passes changes on to the watches they are for:
 *
 *   engine_apply() --> changed() --> rows of each watch --> message --> (does not fit) messages that wait
 *
 * A watch that is new, has lost rows or sees another state of the lockspace is `anew`: AGAIN is its next row, and a
 * watch of one lock then gets all there is.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/ipc/ipc.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/ipc_admin.h"
#include "plugin/daemon/ipc_link.h"
#include "plugin/daemon/ipc_watch.h"
#include "plugin/engine/engine.h"
#include "plugin/node/node.h"

#define WATCHES_MAX 64
#define WAITING_BYTES_MAX (256u << 10) /* of one watch */
#define SNAPSHOT_ROWS_MAX 4096
#define RETRY_MS 50

struct message {
	struct list link;
	size_t size;
	uint64_t rows;
	uint8_t data[];
};

struct watch {
	struct list link; /* in watched.watches */
	struct watched *watched;
	struct ipc_link peer_link;
	bool has_name;
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	bool anew;
	bool dropped; /* anew because it was too slow */
	bool state_told;
	uint64_t missed;
	struct buf out; /* the message that is being filled; empty: none */
	uint64_t out_rows;
	struct list waiting; /* messages the program has had no room for */
	size_t waiting_bytes;
};

/* One lockspace. */
struct watched {
	struct list link;
	struct watches *watches_of;
	char space[LOCKSTEP_SPACE_MAX + 1];
	char state[sizeof(((struct lockstep_change *)0)->state)];
	struct list watches;
};

struct watches {
	struct daemon *daemon;
	struct list list;
	size_t count;
	qb_loop_timer_handle retry;
};

/* --- rows -------------------------------------------------------------------------------- */

static void rows_drop(struct watch *w)
{
	w->missed += w->out_rows;
	w->out_rows = 0;
	buf_clear(&w->out);
	list_for_each_safe (pos, &w->waiting) {
		struct message *m = list_entry(pos, struct message, link);

		w->missed += m->rows;
		list_remove(&m->link);
		free(m);
	}
	w->waiting_bytes = 0;
	w->anew = true;
	w->dropped = true;
	w->state_told = false; /* it may have been among them */
}

/* Ends the message that is being filled: sent, or waiting behind others. */
static void message_end(struct watch *w)
{
	struct message *m;

	if (w->out_rows == 0) {
		return;
	}
	if (!list_empty(&w->waiting) || ipc_link_event(&w->peer_link, w->out.data, w->out.size) != 0) {
		m = malloc(sizeof(*m) + w->out.size);
		ls_assert(m != NULL);
		m->size = w->out.size;
		m->rows = w->out_rows;
		memcpy(m->data, w->out.data, w->out.size);
		list_push_tail(&w->waiting, &m->link);
		w->waiting_bytes += m->size;
	}
	w->out_rows = 0;
	buf_clear(&w->out);
}

static void row_add(struct watch *w, const struct lockstep_change *row)
{
	if (w->out.size + IPC_CHANGE_ROW_MAX > IPC_BODY_MAX || w->out_rows == IPC_PACK_MAX) {
		message_end(w);
	}
	if (w->out_rows == 0) {
		buf_clear(&w->out);
		buf_put_zero(&w->out, sizeof(struct qb_ipc_response_header));
		ipc_tag_encode(&w->out, 0);
	}
	ipc_change_encode(row, &w->out);
	w->out_rows++;
}

static struct lockstep_change row_make(int kind)
{
	struct lockstep_change row = { .kind = kind, .time_ms = clock_wall_ms() };

	row.lock.queue = 'G';
	row.lock.granted = LOCKSTEP_LOCK_IV;
	row.lock.requested = LOCKSTEP_LOCK_IV;
	return row;
}

/* --- the engine tells -------------------------------------------------------------------- */

struct snapshot {
	struct watch *watch;
	const struct engine *engine;
	uint64_t rows;
};

static bool snapshot_lock(const struct engine_lock_info *info, void *arg)
{
	struct snapshot *s = arg;
	struct lockstep_change row = row_make(LOCKSTEP_CHANGE_LOCK);

	if (++s->rows <= SNAPSHOT_ROWS_MAX) {
		ipc_lock_row(s->watch->watched->watches_of->daemon, s->engine, info, &row.lock);
		row_add(s->watch, &row);
	}
	return true;
}

/* AGAIN and, for one lock, all that there is. As long as the program has no room for AGAIN nothing is lost
 * but what is counted. */
static void begin_anew(struct watch *w, const struct engine *engine)
{
	struct snapshot s = { .watch = w, .engine = engine };
	struct lockstep_change row = row_make(LOCKSTEP_CHANGE_SPACE);

	memcpy(row.state, w->watched->state, sizeof(row.state));
	if (!w->state_told) {
		row_add(w, &row);
	}
	row = row_make(LOCKSTEP_CHANGE_AGAIN);
	row.missed = w->missed;
	row_add(w, &row);
	if (ipc_link_event(&w->peer_link, w->out.data, w->out.size) != 0) {
		w->out_rows = 0;
		return;
	}
	w->out_rows = 0;
	w->missed = 0;
	w->anew = false;
	w->dropped = false;
	w->state_told = true;
	if (w->has_name && engine) {
		engine_locks_visit(engine, w->name, w->name_len, snapshot_lock, &s);
	}
	row = row_make(LOCKSTEP_CHANGE_CURRENT);
	row.missed = s.rows > SNAPSHOT_ROWS_MAX ? s.rows - SNAPSHOT_ROWS_MAX : 0;
	row_add(w, &row);
}

static bool is_for(const struct watch *w, const struct engine_lock_info *info)
{
	return !w->has_name ||
	       (w->name_len == info->name_len && memcmp(w->name, info->name, w->name_len) == 0);
}

static void changed(const struct engine_lock_info *info, bool gone, void *arg)
{
	struct watched *watched = arg;
	struct daemon *d = watched->watches_of->daemon;
	struct lockstep_change row = row_make(gone ? LOCKSTEP_CHANGE_GONE : LOCKSTEP_CHANGE_LOCK);
	struct node_space_info space;
	bool filled = false;

	list_for_each (pos, &watched->watches) {
		struct watch *w = list_entry(pos, struct watch, link);

		if (!info) {
			w->anew = true;
		} else if (!is_for(w, info)) {
			continue;
		} else if (w->anew) {
			w->missed += w->dropped; /* it will be shown everything */
		} else if (filled || node_space_info_find(d->node, watched->space, &space)) {
			if (!filled) {
				ipc_lock_row(d, space.engine, info, &row.lock);
				if (info->queue == ENGINE_QUEUE_NONE) { /* it has left its queue */
					row.lock.queue = info->granted != LOCKSTEP_LOCK_IV ? 'G' : 'W';
				}
				filled = true;
			}
			row_add(w, &row);
			if (w->waiting_bytes > WAITING_BYTES_MAX) {
				rows_drop(w);
			}
		}
	}
}

/* --- sending ------------------------------------------------------------------------------ */

static void watch_flush(struct watch *w, const struct engine *engine)
{
	while (!list_empty(&w->waiting)) {
		struct message *m = list_entry(w->waiting.next, struct message, link);

		if (ipc_link_event(&w->peer_link, m->data, m->size) != 0) {
			break;
		}
		w->waiting_bytes -= m->size;
		list_remove(&m->link);
		free(m);
	}
	message_end(w);
	if (w->anew && list_empty(&w->waiting)) {
		begin_anew(w, engine);
		message_end(w);
	}
}

static void retry(void *arg)
{
	struct watches *w = arg;

	w->retry = 0;
	watches_flush(w);
}

/* Its state, and whether it is another engine now. */
static const struct engine *watched_look(struct watched *watched)
{
	struct daemon *d = watched->watches_of->daemon;
	struct lockstep_change row = row_make(LOCKSTEP_CHANGE_SPACE);
	struct node_space_info info;
	bool there = d->node && node_space_info_find(d->node, watched->space, &info);
	bool other = there && node_space_watch(d->node, watched->space, changed, watched);
	const char *state = there ? info.state : "gone";
	bool told = strncmp(watched->state, state, sizeof(watched->state) - 1) == 0;

	strncpy(watched->state, state, sizeof(watched->state) - 1);
	memcpy(row.state, watched->state, sizeof(row.state));
	list_for_each (pos, &watched->watches) {
		struct watch *w = list_entry(pos, struct watch, link);

		w->anew |= other;
		if (told) {
			continue;
		}
		if (w->anew) {
			w->state_told = false;
		} else {
			row_add(w, &row);
		}
	}
	return there ? info.engine : NULL;
}

void watches_flush(struct watches *w)
{
	bool waiting = false;

	list_for_each (pos, &w->list) {
		struct watched *watched = list_entry(pos, struct watched, link);
		const struct engine *engine = watched_look(watched);

		list_for_each (at, &watched->watches) {
			struct watch *watch = list_entry(at, struct watch, link);

			watch_flush(watch, engine);
			waiting |= !list_empty(&watch->waiting) || watch->anew;
		}
	}
	if (waiting && !w->retry) {
		daemon_timer(w->daemon, QB_LOOP_LOW, RETRY_MS, w, retry, &w->retry);
	}
}

/* --- life --------------------------------------------------------------------------------- */

static struct watched *watched_get(struct watches *w, const char *space)
{
	struct watched *watched;

	list_for_each (pos, &w->list) {
		watched = list_entry(pos, struct watched, link);
		if (strcmp(watched->space, space) == 0) {
			return watched;
		}
	}
	watched = calloc(1, sizeof(*watched));
	ls_assert(watched != NULL);
	watched->watches_of = w;
	memcpy(watched->space, space, strlen(space) + 1);
	list_init(&watched->watches);
	list_push_tail(&w->list, &watched->link);
	return watched;
}

struct watch *watch_new(struct watches *w, const struct ipc_link *l, const struct ipc_query *query)
{
	struct watch *watch;

	if (w->count >= WATCHES_MAX) {
		return NULL;
	}
	watch = calloc(1, sizeof(*watch));
	ls_assert(watch != NULL);
	watch->watched = watched_get(w, query->space);
	watch->peer_link = *l;
	watch->has_name = query->has_name;
	watch->name_len = query->name_len;
	memcpy(watch->name, query->name, query->name_len);
	watch->anew = true;
	list_init(&watch->waiting);
	list_push_tail(&watch->watched->watches, &watch->link);
	w->count++;
	return watch;
}

struct watch *watch_free(struct watch *watch)
{
	struct watched *watched = watch ? watch->watched : NULL;

	if (!watch) {
		return NULL;
	}
	rows_drop(watch);
	buf_done(&watch->out);
	list_remove(&watch->link);
	free(watch);
	watched->watches_of->count--;
	if (list_empty(&watched->watches)) {
		if (watched->watches_of->daemon->node) {
			(void)node_space_watch(watched->watches_of->daemon->node, watched->space, NULL, NULL);
		}
		list_remove(&watched->link);
		free(watched);
	}
	return NULL;
}

struct watches *watches_new(struct daemon *d)
{
	struct watches *w = calloc(1, sizeof(*w));

	ls_assert(w != NULL);
	w->daemon = d;
	list_init(&w->list);
	return w;
}

struct watches *watches_free(struct watches *w)
{
	if (w) {
		while (!list_empty(&w->list)) {
			struct watched *watched = list_entry(w->list.next, struct watched, link);

			(void)watch_free(list_entry(watched->watches.next, struct watch, link));
		}
		daemon_timer_stop(w->daemon, &w->retry);
		free(w);
	}
	return NULL;
}
