/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State transfer to a joiner.
 *
 *   driver        donor                      stream                   joiner (clean)
 *                 sends SYNC_BEGIN ------>  ... ops ...
 *   forks  <----- IMAGE_BEGIN  <----------- SYNC_BEGIN delivered ---> keeps every event from here on
 *   child writes  goes on with its work
 *   feeds ------> chunks, a window of them  chunk, op, confchg  ----> keeps ops, decodes chunks
 *         <------ IMAGE_READ  <------------ own chunk is back
 *   end --------> last chunk  ------------> last chunk  ------------> checks the digest, then replays
 *                                                                     what was kept, slice by slice
 *                 everybody: carrier, joint <-- SYNCED <------------- sends SYNCED when nothing is left
 *
 * Nobody pauses: the donor never looks at its whole state, the joiner never works off more than a
 * chunk or a slice in a loop iteration, and the live ops of all others share the ring with no more
 * than a window of chunks.
 *
 * The image is exact at the delivery of SYNC_BEGIN, which is an ordered event of a lockspace that is
 * not STOPPED. (R-CPG-4 takes the join's configuration change; taking a later point of the same
 * stream is equivalent and spares images for joiners that are gone at once, images of held ops,
 * and one image per joiner of a burst that never gets through.) A donor that departs voids its
 * chunks; the next lowest carrier begins again. So does the donor itself when its writer has failed.
 *
 *   image     u64 digest of the replicated state and of the bytes of the view part, of which some are in no
 *             digest; u32 size of the view part, view_state_encode(), engine_snapshot_write()
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "lib/base/text.h"
#include "plugin/node/node_private.h"

#define IMAGE_HEAD_SIZE 12
#define VIEW_BYTES_MAX (1u << 20)

/* --- donor ------------------------------------------------------------------------------ */

static void image_act(struct space *s, enum node_action_type type, const struct transfer *t,
		      uint32_t bytes)
{
	struct node_action act = { .type = type, .group = s->group, .token = t->image, .value = bytes };

	node_act(s->node, &act);
}

static void transfer_free(struct space *s, struct transfer *t)
{
	if (!t->ended) {
		image_act(s, NODE_ACTION_IMAGE_STOP, t, 0);
	}
	list_remove(&t->item);
	buf_done(&t->bytes);
	free(t);
}

void sync_transfers_clear(struct space *s)
{
	list_for_each_safe(item, &s->transfers) {
		transfer_free(s, list_entry(item, struct transfer, item));
	}
	s->image_retry_ms = 0;
}

static struct transfer *transfer_find(const struct node *n, uint64_t image, struct space **ret_space)
{
	list_for_each(space_item, &n->spaces) {
		struct space *s = list_entry(space_item, struct space, item);

		list_for_each(item, &s->transfers) {
			struct transfer *t = list_entry(item, struct transfer, item);

			if (t->image == image) {
				*ret_space = s;
				return t;
			}
		}
	}
	return NULL;
}

static void transfer_begin(struct space *s, uint64_t number, const struct wire_body *b)
{
	struct transfer *t = calloc(1, sizeof(*t));

	ls_assert(t);
	t->nodeid = b->nodeid;
	t->incarnation = b->incarnation;
	t->begin = number;
	t->image = ++s->node->image_last;
	t->fed_ms = s->node->now_ms;
	list_push_tail(&s->transfers, &t->item);
	image_act(s, NODE_ACTION_IMAGE_BEGIN, t, 0);
	s->node->counters[COUNTER_SYNC_DONATED]++;
}

void sync_image_handed_out(struct node *n, uint64_t image)
{
	struct space *s;
	struct transfer *t = transfer_find(n, image, &s);

	if (t) {
		t->handed_out = true;
	}
}

static uint64_t image_digest(const struct space *s, const void *view, size_t view_size)
{
	return view_digest(s) + base_digest64(view, view_size, 7);
}

int node_image_write(const struct node *n, uint64_t image, node_sink *sink, void *arg)
{
	struct space *s;
	const struct transfer *t = transfer_find(n, image, &s);
	struct buf view = { 0 };
	struct buf out = { 0 };

	if (!t || !s->engine) {
		return -ENOENT;
	}
	view_state_encode(s, &view);
	buf_put_u64(&out, image_digest(s, view.data, view.size));
	buf_put_u32(&out, (uint32_t)view.size);
	buf_put_bytes(&out, view.data, view.size);
	sink(arg, out.data, out.size);
	engine_snapshot_write(s->engine, sink, arg);
	buf_done(&view);
	buf_done(&out);
	return 0;
}

static void chunk_send(struct space *s, struct transfer *t, size_t size, bool last)
{
	struct wire_body body = {
		.nodeid = t->nodeid,
		.incarnation = t->incarnation,
		.begin = t->begin,
		.index = t->sent,
		.flags = last ? WIRE_CHUNK_LAST : 0,
		.bytes = t->bytes.data,
		.bytes_size = size,
	};

	stream_send(s, WIRE_SYNC_CHUNK, &body, NULL);
	buf_drop(&t->bytes, size);
	t->sent++;
	t->sent_bytes += size;
	t->last_sent = last;
}

void node_image_bytes(struct node *n, uint64_t image, const void *data, size_t size)
{
	struct space *s;
	struct transfer *t = transfer_find(n, image, &s);

	if (!t || t->ended) {
		return;
	}
	ls_assert(size <= t->asked_bytes);
	t->asked_bytes -= (uint32_t)size;
	t->fed_ms = n->now_ms;
	buf_put_bytes(&t->bytes, data, size);
	while (t->bytes.size >= n->config.chunk_bytes) {
		chunk_send(s, t, n->config.chunk_bytes, false);
	}
}

/* The joiner hears no more of this image; another one will be begun. */
static void transfer_fail(struct space *s, struct transfer *t, const char *why)
{
	struct member *joiner = view_member_by_id(s, t->nodeid, t->incarnation);

	s->node->counters[COUNTER_IMAGES_FAILED]++;
	node_log(s->node, 3, "lockspace %s: the state for node %u cannot be written: %s; trying again",
		 s->name, t->nodeid, why);
	if (joiner) {
		joiner->sync_again = true;
	}
	transfer_free(s, t);
	s->image_retry_ms = s->node->now_ms + IMAGE_RETRY_MS;
}

void node_image_end(struct node *n, uint64_t image, int error)
{
	struct space *s;
	struct transfer *t = transfer_find(n, image, &s);

	if (!t || t->ended) {
		return;
	}
	t->ended = true;
	if (error != 0) {
		transfer_fail(s, t, strerror(error));
		return;
	}
	t->asked_bytes = 0;
	chunk_send(s, t, t->bytes.size, true);
}

/* The driver was to copy the state first (node_urgent()). What it copies now is another one. */
void sync_state_changes(struct space *s)
{
	if (s->node->images_due == 0) {
		return;
	}
	list_for_each_safe(item, &s->transfers) {
		struct transfer *t = list_entry(item, struct transfer, item);

		if (!t->handed_out) {
			transfer_fail(s, t, "its time has gone by");
		}
	}
}

/* Has the driver read as much as the window has room for. */
static void transfer_read(struct space *s, struct transfer *t)
{
	const struct node_config *config = &s->node->config;
	uint64_t room = (uint64_t)(config->chunk_window - (t->sent - t->returned)) * config->chunk_bytes;
	uint64_t taken = t->bytes.size + t->asked_bytes;

	if (t->ended || taken >= room) {
		return;
	}
	if (t->asked_bytes == 0) {
		t->fed_ms = s->node->now_ms; /* idle until now for want of a question */
	}
	t->asked_bytes += (uint32_t)(room - taken);
	image_act(s, NODE_ACTION_IMAGE_READ, t, (uint32_t)(room - taken));
}

static void transfer_progress(struct space *s, struct transfer *t)
{
	const struct node_config *config = &s->node->config;
	const struct member *joiner = view_member_by_id(s, t->nodeid, t->incarnation);

	if (!joiner || joiner->carrier || (t->last_sent && t->returned == t->sent)) {
		transfer_free(s, t);
	} else if (t->asked_bytes > 0 && s->node->now_ms - t->fed_ms >= config->image_stall_ms) {
		transfer_fail(s, t, "its writer does nothing");
	} else {
		transfer_read(s, t);
	}
}

/* Of how many lockspaces does this node give away the state now? Each costs a copy of what changes. */
static size_t images_under_way(const struct node *n)
{
	size_t count = 0;

	list_for_each(item, &n->spaces) {
		const struct space *s = list_entry(item, struct space, item);

		count += s->begin_out || !list_empty(&s->transfers) ? 1 : 0;
	}
	return count;
}

static bool wants_state(const struct space *s, const struct member *m)
{
	return !m->carrier && !m->left_clean && !m->has_state && m->incarnation != 0 &&
	       m->counted && !view_ghost(s, m);
}

void sync_donor_progress(struct space *s)
{
	const struct member *self = view_self(s);

	list_for_each_safe(item, &s->transfers) {
		transfer_progress(s, list_entry(item, struct transfer, item));
	}
	if (!self || s->state == SPACE_STOPPED || s->leaving || s->begin_out ||
	    !list_empty(&s->transfers) || s->node->now_ms < s->image_retry_ms) {
		return;
	}
	/* One after another: each has the whole window, and the ring no more than one. */
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);
		struct wire_body body = { .nodeid = m->nodeid, .incarnation = m->incarnation };

		if (wants_state(s, m) &&
		    (m->sync_again || (!m->sync_sent && view_donor(s) == self)) &&
		    images_under_way(s->node) < IMAGES_MAX) {
			m->sync_sent = true;
			m->sync_again = false;
			s->begin_out = true;
			stream_send(s, WIRE_SYNC_BEGIN, &body, NULL);
			return;
		}
	}
}

void sync_begin_dropped(struct space *s, const struct wire_body *b)
{
	struct member *m = view_member_by_id(s, b->nodeid, b->incarnation);

	if (m) {
		m->sync_again = true;
	}
}

void sync_donor_gone(struct space *s, const struct member *gone)
{
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		m->sync_sent = m->sync_sent && m->sync_donor != gone->incarnation;
	}
}

static void transfers_drop(struct space *s, const struct member *joiner)
{
	list_for_each_safe(item, &s->transfers) {
		struct transfer *t = list_entry(item, struct transfer, item);

		if (t->nodeid == joiner->nodeid && t->incarnation == joiner->incarnation) {
			transfer_free(s, t);
		}
	}
}

void sync_wanted(struct space *s, struct member *m)
{
	if (s->engine && !m->carrier) {
		transfers_drop(s, m);
		m->sync_sent = false;
		m->sync_again = false;
	}
}

/* The last sync-begin counts: with it the joiner has forgotten whatever came before. */
static void donor_set(struct space *s, const struct member *donor, uint64_t number,
		      const struct wire_body *b)
{
	struct member *joiner = view_member_by_id(s, b->nodeid, b->incarnation);

	if (!joiner || joiner->carrier) {
		return;
	}
	transfers_drop(s, joiner);
	joiner->sync_sent = true;
	joiner->sync_again = false;
	joiner->sync_donor = donor->incarnation;
	if (donor == view_self(s)) {
		transfer_begin(s, number, b);
	}
}

/* --- joiner ----------------------------------------------------------------------------- */

static void kept_free(struct space *s, struct kept *k)
{
	s->kept_bytes -= k->cost;
	list_remove(&k->item);
	free(k->members);
	free(k->left);
	free(k->joined);
	free(k->nodes);
	free(k->bytes);
	free(k);
}

static void image_clear(struct space *s)
{
	node_engine_discard(s->node, engine_reader_abandon(s->reader));
	s->reader = NULL;
	buf_done(&s->image_head);
	s->image_bytes = 0;
	s->chunks_seen = 0;
}

void sync_abandon(struct space *s)
{
	list_for_each_safe(item, &s->kept) {
		kept_free(s, list_entry(item, struct kept, item));
	}
	image_clear(s);
	if (s->keeping) {
		s->node->counters[COUNTER_SYNC_ABANDONED]++;
	}
	s->keeping = false;
	s->catching_up = false;
}

void sync_begin(struct space *s, struct member *donor, uint64_t number, const struct wire_body *b)
{
	if (s->engine) {
		donor_set(s, donor, number, b);
		return;
	}
	if (b->nodeid != s->node->config.nodeid || b->incarnation != s->incarnation) {
		return;
	}
	sync_abandon(s);
	s->keeping = true;
	s->reader = engine_reader_new();
	s->donor_nodeid = donor->nodeid;
	s->donor_incarnation = donor->incarnation;
	s->begin_number = number;
	s->image_heard_ms = s->node->now_ms;
}

void sync_joiner_progress(struct space *s)
{
	bool state = false;

	list_for_each(item, &s->members) {
		state |= list_entry(item, struct member, item)->has_state;
	}
	if (!state || s->image_heard_ms == 0) {
		s->image_heard_ms = s->node->now_ms;
	} else if (s->node->now_ms - s->image_heard_ms >= s->node->config.image_stall_ms) {
		s->image_heard_ms = s->node->now_ms;
		sync_abandon(s);
		s->wanting = true;
		s->hello_due = true;
	}
}

static struct kept *kept_new(struct space *s, size_t bytes)
{
	struct kept *k = calloc(1, sizeof(*k));

	ls_assert(k);
	k->cost = sizeof(*k) + bytes;
	k->unseen = s->catching_up;
	s->kept_bytes += k->cost;
	list_push_tail(&s->kept, &k->item);
	return k;
}

static void *copy(const void *data, size_t size)
{
	void *p = malloc(size > 0 ? size : 1);

	ls_assert(p);
	if (size > 0) {
		memcpy(p, data, size);
	}
	return p;
}

/* Of a chunk only the header matters later: its number. */
static size_t kept_size(const void *data, size_t size)
{
	struct cursor in = cursor_make(data, size);
	struct wire_header h;

	return wire_header_decode(&in, &h) == 0 && h.type == WIRE_SYNC_CHUNK ? WIRE_HEADER_SIZE : size;
}

void sync_keep_message(struct space *s, uint32_t nodeid, uint32_t pid, const void *data, size_t size)
{
	size = kept_size(data, size);
	struct kept *k = kept_new(s, size);

	k->kind = KEPT_MESSAGE;
	k->nodeid = nodeid;
	k->pid = pid;
	k->bytes = copy(data, size);
	k->size = size;
}

void sync_keep_confchg(struct space *s, const struct node_address *members, size_t members_count,
		       const struct node_address *left, size_t left_count,
		       const struct node_address *joined, size_t joined_count)
{
	struct kept *k =
		kept_new(s, (members_count + left_count + joined_count) * sizeof(*members));

	k->kind = KEPT_CONFCHG;
	k->members = copy(members, members_count * sizeof(*members));
	k->members_count = members_count;
	k->left = copy(left, left_count * sizeof(*left));
	k->left_count = left_count;
	k->joined = copy(joined, joined_count * sizeof(*joined));
	k->joined_count = joined_count;
}

void sync_keep_totem(struct space *s, struct node_ring ring, const uint32_t *nodes,
		     size_t nodes_count)
{
	struct kept *k = kept_new(s, nodes_count * sizeof(*nodes));

	k->kind = KEPT_TOTEM;
	k->ring = ring;
	k->nodes = copy(nodes, nodes_count * sizeof(*nodes));
	k->nodes_count = nodes_count;
}

bool sync_kept_too_much(const struct space *s)
{
	return s->kept_bytes > s->node->config.kept_bytes_max;
}

static void kept_replay(struct space *s, const struct kept *k)
{
	s->replaying = true;
	s->replaying_unseen = k->unseen;
	switch (k->kind) {
	case KEPT_MESSAGE:
		stream_message(s, k->nodeid, k->pid, k->bytes, k->size);
		break;
	case KEPT_CONFCHG:
		view_confchg(s, k->members, k->members_count, k->left, k->left_count, k->joined,
			     k->joined_count);
		break;
	case KEPT_TOTEM:
		view_totem(s, k->ring, k->nodes, k->nodes_count);
		break;
	}
	s->replaying = false;
	s->replaying_unseen = false;
}

bool sync_catch_up(struct space *s)
{
	size_t done = 0;

	s->node->counters[COUNTER_REPLAY_SLICES]++;
	while (!list_empty(&s->kept) && !s->lost && done < s->node->config.replay_bytes) {
		struct kept *k = list_entry(s->kept.next, struct kept, item);

		done += k->cost;
		kept_replay(s, k);
		kept_free(s, k);
	}
	if (s->lost) {
		return false; /* the rest goes with the state */
	}
	if (!list_empty(&s->kept)) {
		struct node_action act = { .type = NODE_ACTION_AGAIN };

		node_act(s->node, &act);
		return false;
	}
	s->catching_up = false;
	s->synced_wanted = true;
	return true;
}

/* Parts the bytes of an image: its head is kept, the rest becomes an engine at once. */
static bool image_feed(struct space *s, const uint8_t *bytes, size_t size)
{
	size_t want = IMAGE_HEAD_SIZE;

	s->image_bytes += size;
	for (;;) {
		if (s->image_head.size >= IMAGE_HEAD_SIZE) {
			struct cursor in = cursor_make(s->image_head.data, s->image_head.size);

			(void)cursor_get_u64(&in);
			want = IMAGE_HEAD_SIZE + cursor_get_u32(&in);
			if (want > VIEW_BYTES_MAX) {
				return false;
			}
		}
		size_t take = want - s->image_head.size;

		if (take == 0 || size == 0) {
			break;
		}
		take = take < size ? take : size;
		buf_put_bytes(&s->image_head, bytes, take);
		bytes += take;
		size -= take;
	}
	return size == 0 || engine_reader_feed(s->reader, bytes, size) == 0;
}

/* Everything is there: the digest is checked before this node takes part in anything. */
static bool image_load(struct space *s)
{
	struct cursor in = cursor_make(s->image_head.data, s->image_head.size);
	uint64_t digest = cursor_get_u64(&in);
	uint32_t view_size = cursor_get_u32(&in);
	const uint8_t *view = s->image_head.data + in.offset;
	struct engine *engine = NULL;

	if (!cursor_ok(&in) || cursor_left(&in) != view_size) {
		return false;
	}
	if (engine_reader_end(s->reader, &engine)) {
		return false;
	}
	s->engine = engine;
	if (view_state_decode(s, &in) || !cursor_end(&in) ||
	    image_digest(s, view, view_size) != digest) {
		node_engine_discard(s->node, s->engine);
		s->engine = NULL;
		return false;
	}
	s->stable = engine_seq(engine);
	return true;
}

static void image_refuse(struct space *s)
{
	s->node->counters[COUNTER_DIGEST_MISMATCH]++;
	space_lose(s, "the state received from another node was not consistent");
}

static void chunk_returned(struct space *s, const struct wire_body *b)
{
	list_for_each(item, &s->transfers) {
		struct transfer *t = list_entry(item, struct transfer, item);

		if (t->begin == b->begin && t->incarnation == b->incarnation) {
			t->returned++;
		}
	}
}

void sync_chunk(struct space *s, struct member *m, const struct wire_body *b)
{
	if (s->engine) {
		if (m == view_self(s)) {
			chunk_returned(s, b);
		}
		return;
	}
	if (!s->keeping || b->nodeid != s->node->config.nodeid ||
	    b->incarnation != s->incarnation || m->incarnation != s->donor_incarnation ||
	    b->begin != s->begin_number || b->index != s->chunks_seen) {
		return;
	}
	s->chunks_seen++;
	s->image_heard_ms = s->node->now_ms;
	if (!image_feed(s, b->bytes, b->bytes_size)) {
		image_refuse(s);
		return;
	}
	if ((b->flags & WIRE_CHUNK_LAST) == 0) {
		return;
	}
	if (!image_load(s)) {
		image_refuse(s);
		return;
	}
	s->node->counters[COUNTER_SYNC_LOADED]++;
	image_clear(s);
	s->keeping = false;
	s->catching_up = true;
}

bool sync_progress_text(const struct space *s, char *ret, size_t size)
{
	uint64_t done;
	uint64_t total;

	if (s->catching_up) {
		(void)base_format(ret, size, "all there, catching up with the last %llu KiB of messages",
				  (unsigned long long)(s->kept_bytes + 1023) / 1024);
		return true;
	}
	if (!s->keeping || !s->reader) {
		return false;
	}
	engine_reader_progress(s->reader, &done, &total);
	if (done == 0) {
		(void)base_format(ret, size, "begun");
		return true;
	}
	/* Records differ in size; what is to come is taken to be like what has come. */
	(void)base_format(ret, size, "%llu %% of %llu MiB", (unsigned long long)(done * 100 / total),
			  (unsigned long long)(s->image_bytes * total / done + (1u << 19)) >> 20);
	return true;
}
