/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State transfer to a joiner.
 *
 *   donor                         stream                       joiner (clean)
 *   sends SYNC_BEGIN ---------->  ... ops ...
 *   encodes its state  <------ SYNC_BEGIN is delivered ------> keeps every event from here on
 *   sends chunks, window 8 ---->  chunk, op, chunk, confchg    keeps ops, collects chunks
 *                                 last chunk ----------------> loads, checks the digest, replays
 *   everybody: carrier, joint <-- SYNCED  <------------------- sends SYNCED in the current epoch
 *
 * The image is exact at the delivery of SYNC_BEGIN, which is an ordered event of a lockspace that is
 * not STOPPED. (R-CPG-4 takes the join's configuration change; taking a later point of the same
 * stream is equivalent and spares images for joiners that are gone at once, images of held ops,
 * and one image per joiner of a burst that never gets through.) A donor that departs voids its
 * chunks; the next lowest carrier begins again.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/node/node_private.h"

/* --- donor ------------------------------------------------------------------------------ */

static void transfer_free(struct transfer *t)
{
	list_remove(&t->item);
	buf_done(&t->image);
	free(t);
}

void sync_transfers_clear(struct space *s)
{
	list_for_each_safe(item, &s->transfers) {
		transfer_free(list_entry(item, struct transfer, item));
	}
}

static void transfer_begin(struct space *s, uint64_t number, const struct wire_body *b)
{
	struct transfer *t = calloc(1, sizeof(*t));

	ls_assert(t);
	t->nodeid = b->nodeid;
	t->incarnation = b->incarnation;
	t->begin = number;
	buf_put_u64(&t->image, view_digest(s));
	view_state_encode(s, &t->image);
	engine_snapshot_encode(s->engine, &t->image);
	t->count = (uint32_t)((t->image.size + WIRE_CHUNK_BYTES - 1) / WIRE_CHUNK_BYTES);
	list_push_tail(&s->transfers, &t->item);
	s->node->counters[COUNTER_SYNC_DONATED]++;
}

static void chunk_send(struct space *s, struct transfer *t)
{
	size_t offset = (size_t)t->index * WIRE_CHUNK_BYTES;
	size_t size = t->image.size - offset;
	struct wire_body body = {
		.nodeid = t->nodeid,
		.incarnation = t->incarnation,
		.begin = t->begin,
		.index = t->index,
		.count = t->count,
		.bytes = t->image.data + offset,
		.bytes_size = size < WIRE_CHUNK_BYTES ? size : WIRE_CHUNK_BYTES,
	};

	stream_send(s, WIRE_SYNC_CHUNK, &body, NULL);
	t->index++;
}

void sync_donor_progress(struct space *s)
{
	struct member *self = view_self(s);

	list_for_each_safe(item, &s->transfers) {
		struct transfer *t = list_entry(item, struct transfer, item);
		const struct member *joiner = view_member_by_id(s, t->nodeid, t->incarnation);

		if (!joiner || joiner->carrier || t->returned == t->count) {
			transfer_free(t);
			continue;
		}
		while (t->index < t->count && t->index - t->returned < SYNC_WINDOW) {
			chunk_send(s, t);
		}
	}
	if (!self || view_donor(s) != self || s->state == SPACE_STOPPED || s->leaving) {
		return;
	}
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		if (m->carrier || m->left_clean || m->has_state || m->incarnation == 0 ||
		    m->sync_sent || view_ghost(s, m)) {
			continue;
		}
		struct wire_body body = { .nodeid = m->nodeid, .incarnation = m->incarnation };

		m->sync_sent = true;
		stream_send(s, WIRE_SYNC_BEGIN, &body, NULL);
	}
}

void sync_begin_dropped(struct space *s, const struct wire_body *b)
{
	struct member *m = view_member_by_id(s, b->nodeid, b->incarnation);

	if (m) {
		m->sync_sent = false;
	}
}

/* --- joiner ----------------------------------------------------------------------------- */

static void kept_free(struct kept *k)
{
	list_remove(&k->item);
	free(k->members);
	free(k->left);
	free(k->joined);
	free(k->nodes);
	free(k->bytes);
	free(k);
}

void sync_abandon(struct space *s)
{
	list_for_each_safe(item, &s->kept) {
		kept_free(list_entry(item, struct kept, item));
	}
	buf_done(&s->image);
	if (s->keeping) {
		s->node->counters[COUNTER_SYNC_ABANDONED]++;
	}
	s->keeping = false;
	s->chunks_seen = 0;
	s->chunks_count = 0;
}

void sync_begin(struct space *s, struct member *donor, uint64_t number, const struct wire_body *b)
{
	if (s->engine) {
		if (donor == view_self(s)) {
			transfer_begin(s, number, b);
		}
		return;
	}
	if (b->nodeid != s->node->config.nodeid || b->incarnation != s->incarnation) {
		return;
	}
	sync_abandon(s);
	s->keeping = true;
	s->donor_nodeid = donor->nodeid;
	s->donor_incarnation = donor->incarnation;
	s->begin_number = number;
}

static struct kept *kept_new(struct space *s)
{
	struct kept *k = calloc(1, sizeof(*k));

	ls_assert(k);
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

void sync_keep_message(struct space *s, uint32_t nodeid, uint32_t pid, const void *data, size_t size)
{
	struct kept *k = kept_new(s);

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
	struct kept *k = kept_new(s);

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
	struct kept *k = kept_new(s);

	k->kind = KEPT_TOTEM;
	k->ring = ring;
	k->nodes = copy(nodes, nodes_count * sizeof(*nodes));
	k->nodes_count = nodes_count;
}

static bool image_load(struct space *s)
{
	struct cursor in = cursor_make(s->image.data, s->image.size);
	uint64_t digest = cursor_get_u64(&in);
	struct engine *engine = NULL;

	if (view_state_decode(s, &in) || engine_snapshot_decode(&in, &engine)) {
		return false;
	}
	s->engine = engine;
	if (!cursor_end(&in) || view_digest(s) != digest) {
		s->engine = engine_free(s->engine);
		return false;
	}
	s->stable = engine_seq(engine);
	return true;
}

static void replay(struct space *s)
{
	s->keeping = false;
	s->replaying = true;
	while (!list_empty(&s->kept) && !s->lost) {
		struct kept *k = list_entry(s->kept.next, struct kept, item);

		switch (k->kind) {
		case KEPT_MESSAGE:
			stream_message(s, k->nodeid, k->pid, k->bytes, k->size);
			break;
		case KEPT_CONFCHG:
			view_confchg(s, k->members, k->members_count, k->left, k->left_count,
				     k->joined, k->joined_count);
			break;
		case KEPT_TOTEM:
			view_totem(s, k->ring, k->nodes, k->nodes_count);
			break;
		}
		kept_free(k);
	}
	s->replaying = false;
}

void sync_chunk(struct space *s, struct member *m, const struct wire_body *b)
{
	if (s->engine) {
		list_for_each(item, &s->transfers) {
			struct transfer *t = list_entry(item, struct transfer, item);

			if (m == view_self(s) && t->begin == b->begin &&
			    t->incarnation == b->incarnation) {
				t->returned++;
			}
		}
		return;
	}
	if (!s->keeping || b->nodeid != s->node->config.nodeid ||
	    b->incarnation != s->incarnation || m->incarnation != s->donor_incarnation ||
	    b->begin != s->begin_number || b->index != s->chunks_seen ||
	    (s->chunks_seen > 0 && b->count != s->chunks_count)) {
		return;
	}
	s->chunks_count = b->count;
	s->chunks_seen++;
	buf_put_bytes(&s->image, b->bytes, b->bytes_size);
	if (s->chunks_seen < s->chunks_count) {
		return;
	}
	if (!image_load(s)) {
		s->node->counters[COUNTER_DIGEST_MISMATCH]++;
		space_lose(s, "the state received from another node was not consistent");
		return;
	}
	s->node->counters[COUNTER_SYNC_LOADED]++;
	buf_done(&s->image);
	s->chunks_seen = 0;
	s->chunks_count = 0;
	replay(s);
	s->synced_wanted = true;
}
