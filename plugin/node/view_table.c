/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is in the group of a lockspace and who is lost, as a table and as bytes: look-up, digest,
 * keys that name a membership, and the view's part of a snapshot. What happens to the table is in
 * view.c.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/node/node_private.h"

struct member *view_member_find(const struct space *s, uint32_t nodeid, uint32_t pid)
{
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		if (m->nodeid == nodeid && m->pid == pid) {
			return m;
		}
	}
	return NULL;
}

struct member *view_member_by_id(const struct space *s, uint32_t nodeid, uint64_t incarnation)
{
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		if (m->nodeid == nodeid && m->incarnation == incarnation) {
			return m;
		}
	}
	return NULL;
}

struct member *view_self(const struct space *s)
{
	struct member *m = view_member_find(s, s->node->config.nodeid, s->node->config.pid);

	return m && m->incarnation == s->incarnation ? m : NULL;
}

struct member *view_member_add(struct space *s, uint32_t nodeid, uint32_t pid)
{
	struct member *m = calloc(1, sizeof(*m));
	struct list *at = s->members.next;

	ls_assert(m);
	m->nodeid = nodeid;
	m->pid = pid;
	while (at != &s->members) {
		const struct member *other = list_entry(at, struct member, item);

		if (other->nodeid > nodeid || (other->nodeid == nodeid && other->pid > pid)) {
			break;
		}
		at = at->next;
	}
	list_insert_before(at, &m->item);
	s->members_count++;
	return m;
}

void view_member_free(struct space *s, struct member *m)
{
	list_remove(&m->item);
	s->members_count--;
	free(m);
}

void view_members_clear(struct space *s)
{
	list_for_each_safe(item, &s->members) {
		view_member_free(s, list_entry(item, struct member, item));
	}
	list_for_each_safe(item, &s->lost_members) {
		list_remove(item);
		free(list_entry(item, struct lost, item));
	}
}

/* corosync-notes 2.8: a group member whose node is not in the ring does not exist, nor does the one
 * that a clean newcomer of its node has replaced and that says nothing. */
bool view_ghost(const struct space *s, const struct member *m)
{
	if (m->superseded && !m->hello && !m->carrier) {
		return true;
	}
	if (!s->ring_known || s->totem_pending) {
		return false;
	}
	for (size_t i = 0; i < s->ring_nodes_count; i++) {
		if (s->ring_nodes[i] == m->nodeid) {
			return false;
		}
	}
	return true;
}

struct lost *view_lost_find(const struct space *s, uint32_t nodeid, uint64_t incarnation)
{
	list_for_each(item, &s->lost_members) {
		struct lost *l = list_entry(item, struct lost, item);

		if (l->nodeid == nodeid && l->incarnation == incarnation) {
			return l;
		}
	}
	return NULL;
}

struct lost *view_lost_add(struct space *s, uint32_t nodeid, uint64_t incarnation)
{
	struct lost *l = calloc(1, sizeof(*l));
	struct list *at = s->lost_members.next;

	ls_assert(l);
	l->nodeid = nodeid;
	l->incarnation = incarnation;
	while (at != &s->lost_members) {
		const struct lost *other = list_entry(at, struct lost, item);

		if (other->nodeid > nodeid ||
		    (other->nodeid == nodeid && other->incarnation > incarnation)) {
			break;
		}
		at = at->next;
	}
	list_insert_before(at, &l->item);
	return l;
}

/* The lowest nodeid that carries state gives it to joiners (R-CPG-4). */
struct member *view_donor(const struct space *s)
{
	list_for_each(item, &s->members) {
		struct member *m = list_entry(item, struct member, item);

		if (m->carrier) {
			return m;
		}
	}
	return NULL;
}

bool view_awaits(const struct member *m)
{
	bool replaced = m->superseded && !m->hello && !m->carrier;

	return m->counted && !m->left_clean && !replaced;
}

bool view_below_level(const struct space *s, const struct member *m)
{
	return s->engine && !m->has_state && m->level < s->level;
}

bool view_all_carriers(const struct space *s)
{
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (view_awaits(m) && !m->carrier) {
			return false;
		}
	}
	return true;
}

/* --- digest ----------------------------------------------------------------------------- */

static void view_record_encode(const struct space *s, struct buf *out)
{
	buf_put_u64(out, s->epoch);
	buf_put_u64(out, s->view);
	buf_put_u64(out, s->history);
	buf_put_u64(out, s->views);
	buf_put_u32(out, s->generation);
	buf_put_u16(out, s->level);
	buf_put_u32(out, (uint32_t)s->electorate.count);
	for (size_t i = 0; i < s->electorate.count; i++) {
		buf_put_u32(out, s->electorate.ids[i]);
	}
	buf_put_u32(out, (uint32_t)s->growth.count);
	for (size_t i = 0; i < s->growth.count; i++) {
		buf_put_u32(out, s->growth.ids[i]);
	}
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (m->carrier) {
			buf_put_u32(out, m->nodeid);
			buf_put_u64(out, m->incarnation);
			buf_put_u32(out, m->slot);
		}
	}
	buf_put_u32(out, 0);
	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		buf_put_u32(out, l->nodeid);
		buf_put_u64(out, l->incarnation);
		buf_put_u32(out, l->slot);
		buf_put_u8(out, (uint8_t)((l->marked ? 1 : 0) | (l->fenced ? 2 : 0)));
	}
}

uint64_t view_digest(const struct space *s)
{
	struct buf out = { 0 };

	view_record_encode(s, &out);
	uint64_t digest = base_digest64(out.data, out.size, 0) + engine_digest(s->engine);

	buf_done(&out);
	return digest;
}

uint64_t ring_key(struct node_ring ring, uint64_t seed)
{
	struct buf out = { 0 };

	buf_put_u32(&out, ring.nodeid);
	buf_put_u64(&out, ring.seq);
	uint64_t key = base_digest64(out.data, out.size, seed);

	buf_done(&out);
	return key;
}

uint64_t view_ring_key(const struct space *s)
{
	if (!s->ring_known || s->totem_pending) {
		return 0;
	}
	uint64_t key = ring_key(s->ring, 6);

	return key ? key : 1;
}

uint64_t view_group_key(const struct space *s)
{
	struct buf out = { 0 };

	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		if (!m->hello) {
			continue;
		}
		buf_put_u32(&out, m->nodeid);
		buf_put_u32(&out, m->pid);
		buf_put_u64(&out, m->incarnation);
	}
	uint64_t key = base_digest64(out.data, out.size, 1);

	buf_done(&out);
	return key ? key : 1;
}

/* --- snapshot of the view --------------------------------------------------------------- */

/* The ring at this point of the stream: what a joiner replays is judged in the rings of then, not in that of
 * now (which ready counts, who is a ghost). */
static void ring_encode(const struct space *s, struct buf *out)
{
	buf_put_u8(out, (uint8_t)((s->ring_known ? 1 : 0) | (s->totem_pending ? 2 : 0)));
	buf_put_u32(out, s->ring.nodeid);
	buf_put_u64(out, s->ring.seq);
	buf_put_u16(out, (uint16_t)s->ring_nodes_count);
	for (size_t i = 0; i < s->ring_nodes_count; i++) {
		buf_put_u32(out, s->ring_nodes[i]);
	}
}

static void ring_decode(struct space *s, struct cursor *in)
{
	uint8_t flags = cursor_get_u8(in);

	s->ring_known = flags & 1;
	s->totem_pending = flags & 2;
	s->ring.nodeid = cursor_get_u32(in);
	s->ring.seq = cursor_get_u64(in);
	uint16_t count = cursor_get_u16(in);

	s->ring_nodes_count = 0;
	if (count > LOCKSTEP_NODES_MAX || flags > 3) {
		cursor_fail(in);
	}
	for (uint16_t i = 0; cursor_ok(in) && i < count; i++) {
		s->ring_nodes[s->ring_nodes_count++] = cursor_get_u32(in);
	}
}

void view_state_encode(const struct space *s, struct buf *out)
{
	buf_put_u64(out, s->epoch);
	buf_put_u64(out, s->view);
	buf_put_u64(out, s->history);
	buf_put_u64(out, s->views);
	buf_put_u32(out, s->generation);
	buf_put_u16(out, s->level);
	buf_put_u8(out, (uint8_t)s->state);
	buf_put_u16(out, (uint16_t)s->electorate.count);
	for (size_t i = 0; i < s->electorate.count; i++) {
		buf_put_u32(out, s->electorate.ids[i]);
	}
	buf_put_u16(out, (uint16_t)s->growth.count);
	for (size_t i = 0; i < s->growth.count; i++) {
		buf_put_u32(out, s->growth.ids[i]);
	}
	buf_put_u16(out, (uint16_t)s->members_count);
	list_for_each(item, &s->members) {
		const struct member *m = list_entry(item, struct member, item);

		buf_put_u32(out, m->nodeid);
		buf_put_u32(out, m->pid);
		buf_put_u64(out, m->incarnation);
		buf_put_u64(out, m->number);
		buf_put_u16(out, m->level);
		buf_put_u64(out, m->views);
		buf_put_u32(out, m->lowest);
		buf_put_u64(out, m->history);
		buf_put_u32(out, m->slot);
		buf_put_u64(out, m->digest_seq);
		buf_put_u64(out, m->digest);
		buf_put_u16(out, (uint16_t)((m->has_state ? 1 : 0) | (m->continuing ? 2 : 0) |
					  (m->carrier ? 4 : 0) | (m->confirmer ? 8 : 0) |
					  (m->left_clean ? 16 : 0) | (m->prepared ? 32 : 0) |
					  (m->superseded ? 64 : 0) | (m->hello ? 128 : 0) |
					  (m->expelled ? 256 : 0) | (m->counted ? 512 : 0)));
	}
	uint16_t lost_count = 0;

	list_for_each(item, &s->lost_members) {
		lost_count++;
	}
	buf_put_u16(out, lost_count);
	list_for_each(item, &s->lost_members) {
		const struct lost *l = list_entry(item, struct lost, item);

		buf_put_u32(out, l->nodeid);
		buf_put_u64(out, l->incarnation);
		buf_put_u32(out, l->slot);
		buf_put_u8(out, (uint8_t)((l->marked ? 1 : 0) | (l->fenced ? 2 : 0)));
	}
	ring_encode(s, out);
}

static void nodeset_decode(struct nodeset *set, struct cursor *in)
{
	uint16_t count = cursor_get_u16(in);

	set->count = 0;
	if (count > LOCKSTEP_NODES_MAX) {
		cursor_fail(in);
	}
	for (uint16_t i = 0; cursor_ok(in) && i < count; i++) {
		uint32_t id = cursor_get_u32(in);

		if (cursor_ok(in)) {
			nodeset_add(set, id);
		}
	}
}

/* The members are those the donor listed, processes without a word (ghosts of the donor's, too) included:
 * what they say next is kept here and must find them. */
int view_state_decode(struct space *s, struct cursor *in)
{
	s->epoch = cursor_get_u64(in);
	s->view = cursor_get_u64(in);
	s->history = cursor_get_u64(in);
	s->views = cursor_get_u64(in);
	s->generation = cursor_get_u32(in);
	s->level = cursor_get_u16(in);
	if (s->level == 0 || s->level > s->node->config.level_max) {
		cursor_fail(in);
	}
	uint8_t state = cursor_get_u8(in);

	if (state > SPACE_RUNNING) {
		cursor_fail(in);
	}
	s->state = (enum space_state)state;
	nodeset_decode(&s->electorate, in);
	nodeset_decode(&s->growth, in);
	view_members_clear(s);
	uint16_t members_count = cursor_get_u16(in);

	if (members_count > SPACE_MEMBERS_MAX) {
		cursor_fail(in);
	}
	for (uint16_t i = 0; cursor_ok(in) && i < members_count; i++) {
		uint32_t nodeid = cursor_get_u32(in);
		uint32_t pid = cursor_get_u32(in);

		if (!cursor_ok(in) || view_member_find(s, nodeid, pid)) {
			cursor_fail(in);
			break;
		}
		struct member *m = view_member_add(s, nodeid, pid);

		m->incarnation = cursor_get_u64(in);
		m->number = cursor_get_u64(in);
		m->level = cursor_get_u16(in);
		m->views = cursor_get_u64(in);
		m->lowest = cursor_get_u32(in);
		m->history = cursor_get_u64(in);
		m->slot = cursor_get_u32(in);
		m->digest_seq = cursor_get_u64(in);
		m->digest = cursor_get_u64(in);
		uint16_t flags = cursor_get_u16(in);

		m->has_state = flags & 1;
		m->continuing = flags & 2;
		m->carrier = flags & 4;
		m->confirmer = flags & 8;
		m->left_clean = flags & 16;
		m->prepared = flags & 32;
		m->superseded = flags & 64;
		m->hello = flags & 128;
		m->expelled = flags & 256;
		m->counted = flags & 512;
	}
	uint16_t lost_count = cursor_get_u16(in);

	for (uint16_t i = 0; cursor_ok(in) && i < lost_count; i++) {
		uint32_t nodeid = cursor_get_u32(in);
		uint64_t incarnation = cursor_get_u64(in);
		uint32_t slot = cursor_get_u32(in);
		uint8_t flags = cursor_get_u8(in);

		if (cursor_ok(in)) {
			struct lost *l = view_lost_add(s, nodeid, incarnation);

			l->slot = slot;
			l->marked = flags & 1;
			l->fenced = flags & 2;
		}
	}
	ring_decode(s, in);
	return cursor_ok(in) ? 0 : -EBADMSG;
}
