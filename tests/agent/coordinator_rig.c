/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lockstep/lockstep_types.h>

#include "plugin/engine/engine.h"
#include "tests/agent/coordinator_rig.h"

#define CONTROL_NAME "control"
#define MOUNTED_NAME "mounted"
#define ADMIN_NODE 999
#define LKID_ITEM 0x10000u /* lkids above are of items */

enum event_type {
	EVENT_OP,       /* a member's op comes out of the order */
	EVENT_EFFECT,   /* a completion reaches its member */
	EVENT_PREP,
	EVENT_SLOT,
	EVENT_DONE,
	EVENT_ACK,      /* of prep */
	EVENT_VIEW,     /* the change is installed */
	EVENT_FENCED,
	EVENT_TIMER,
	EVENT_RECOVERED,
	EVENT_BLOCKED,
	EVENT_USE,      /* the application works */
	EVENT_FIRST,    /* it has recovered everything */
};

struct rig_event {
	enum event_type type;
	uint64_t at, order;
	struct rig_member *member;
	/* OP */
	struct engine_op op;
	/* EFFECT */
	uint32_t lkid;
	int status;
	bool invalid, has_lvb;
	uint8_t lvb[1024];
	/* the others */
	uint32_t number;
	unsigned int round;
	uint32_t slot_max;
};

/* --- chance ------------------------------------------------------------------------------ */

static uint64_t chance_next(struct rig *rig)
{
	uint64_t *s = rig->chance;
	uint64_t x = s[0] ^ s[0] << 23;

	s[0] = s[1]; /* xorshift128+ */
	s[1] = x ^ s[1] ^ x >> 18 ^ s[1] >> 5;
	return s[0] + s[1];
}

uint64_t rig_draw(struct rig *rig, uint64_t lo, uint64_t hi)
{
	return lo + chance_next(rig) % (hi - lo + 1);
}

/* Mostly short, now and then long: what overtakes what is decided by these. */
static uint64_t delay(struct rig *rig)
{
	if (!rig->random) {
		return 1;
	}
	return rig_draw(rig, 0, 9) == 0 ? rig_draw(rig, 1, 900) : rig_draw(rig, 1, 12);
}

__attribute__((format(printf, 2, 3)))
static void violated(struct rig *rig, const char *format, ...)
{
	va_list args;

	if (rig->violation[0]) {
		return;
	}
	va_start(args, format);
	(void)vsnprintf(rig->violation, sizeof(rig->violation), format, args);
	va_end(args);
}

__attribute__((format(printf, 2, 3)))
static void tell(struct rig *rig, const char *format, ...)
{
	va_list args;

	if (!rig->verbose) {
		return;
	}
	(void)printf("%8llu ", (unsigned long long)rig->now);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)printf("\n");
}

/* --- events ------------------------------------------------------------------------------ */

static bool event_before(const struct rig_event *a, const struct rig_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static struct rig_event *event_add(struct rig *rig, enum event_type type, uint64_t at,
				   struct rig_member *m)
{
	if (rig->events_count == rig->events_capacity) {
		rig->events_capacity = rig->events_capacity ? rig->events_capacity * 2 : 64;
		rig->events = realloc(rig->events,
				      rig->events_capacity * sizeof(rig->events[0]));
		if (!rig->events) {
			abort();
		}
	}
	struct rig_event *e = &rig->events[rig->events_count++];

	memset(e, 0, sizeof(*e));
	e->type = type;
	e->at = at;
	e->order = rig->order++;
	e->member = m;
	return e;
}

static struct rig_event *to_member(struct rig *rig, enum event_type type, struct rig_member *m)
{
	uint64_t at = rig->now + delay(rig);

	m->hears_at = at > m->hears_at ? at : m->hears_at;
	return event_add(rig, type, m->hears_at, m);
}

static struct rig_event *from_member(struct rig *rig, enum event_type type, struct rig_member *m)
{
	uint64_t at = rig->now + delay(rig);

	m->sends_at = at > m->sends_at ? at : m->sends_at;
	return event_add(rig, type, m->sends_at, m);
}

static void submit(struct rig_member *m, const struct engine_op *op)
{
	struct rig_event *e = from_member(m->rig, EVENT_OP, m);

	e->op = *op;
	e->op.nodeid = m->nodeid;
	e->op.incarnation = m->incarnation;
	e->op.session = m->session;
	e->op.request = ++m->requests;
	if (op->lvb) {
		memcpy(e->lvb, op->lvb, op->lvb_len);
	}
}

/* --- locks ------------------------------------------------------------------------------- */

static const char *lock_name(const struct rig_member *m, enum coordinator_lock lock, char name[32])
{
	switch (lock) {
	case COORDINATOR_CONTROL:
		return CONTROL_NAME;
	case COORDINATOR_MOUNTED:
		return MOUNTED_NAME;
	default:
		(void)snprintf(name, 32, "item %u", coordinator_own_item(m->c));
		return name;
	}
}

static void name_set(struct engine_op *op, const char *name)
{
	op->name_len = (uint8_t)strlen(name);
	memcpy(op->name, name, op->name_len);
}

static void lock_do(struct rig_member *m, const struct coordinator_action *a)
{
	struct engine_op op = { .type = ENGINE_OP_LOCK, .mode = (uint8_t)a->mode, .flags = a->flags };
	char name[32];

	if (a->flags & LOCKSTEP_LKF_CONVERT) {
		op.type = ENGINE_OP_CONVERT;
	} else {
		m->lkid[a->lock] = m->lkid_next++;
		name_set(&op, lock_name(m, a->lock, name));
	}
	op.lkid = m->lkid[a->lock];
	if (a->flags & LOCKSTEP_LKF_VALBLK) {
		op.lvb = coordinator_lvb(m->c);
		op.lvb_len = m->rig->lvb_len;
	}
	submit(m, &op);
}

static void item_lock(struct rig_member *m, uint32_t item)
{
	struct engine_op op = { .type = ENGINE_OP_LOCK, .mode = LOCKSTEP_LOCK_EX,
				.flags = LOCKSTEP_LKF_NOQUEUE };
	char name[32];

	(void)snprintf(name, sizeof(name), "item %u", item);
	name_set(&op, name);
	op.lkid = LKID_ITEM + m->lkid_next++;
	m->item_lkid[item] = op.lkid;
	submit(m, &op);
}

static void unlock(struct rig_member *m, uint32_t lkid)
{
	const struct engine_op op = { .type = ENGINE_OP_UNLOCK, .lkid = lkid };

	submit(m, &op);
}

static bool resource_of_control(const struct rig *rig, struct engine_resource_info *ret)
{
	return engine_resource_find(rig->engine, CONTROL_NAME, strlen(CONTROL_NAME), ret);
}

const uint8_t *rig_lvb(const struct rig *rig, bool *ret_invalid)
{
	static const uint8_t zero[1024];
	struct engine_resource_info info;
	bool there = resource_of_control(rig, &info) && info.lvb_exists && info.lvb_len > 0;

	if (ret_invalid) {
		*ret_invalid = there && info.lvb_invalid;
	}
	return there ? info.lvb : zero;
}

unsigned int rig_bits(const struct rig *rig)
{
	unsigned int bits = 0;

	for (uint32_t i = 0; i < (uint32_t)(rig->lvb_len - 8) * 8; i++) {
		bits += coordinator_lvb_bit(rig_lvb(rig, NULL), i) ? 1 : 0;
	}
	return bits;
}

int rig_mode(const struct rig *rig, const struct rig_member *m, enum coordinator_lock lock)
{
	struct engine_lock_info info;

	return engine_lock_find(rig->engine, m->nodeid, m->incarnation, m->lkid[lock], &info) ?
		       info.granted : -1;
}

/* Nobody's failure is listed that was not told: "exactly one bit" of T4, at all times. */
static void lvb_watch(struct rig *rig)
{
	const uint8_t *lvb = rig_lvb(rig, NULL);

	if (memcmp(rig->lvb_seen, lvb, rig->lvb_len) == 0) {
		return;
	}
	rig->lvb_writes++;
	for (uint32_t i = 0; i < (uint32_t)(rig->lvb_len - 8) * 8 && i < RIG_ITEMS; i++) {
		if (!coordinator_lvb_bit(lvb, i) || coordinator_lvb_bit(rig->lvb_seen, i)) {
			continue;
		}
		rig->bits_ever++;
		if (!rig->listed[i]) {
			violated(rig, "item %u is listed, and its member has not failed", i);
		}
	}
	if (memcmp(lvb + 4, "\0\0\0\0", 4) != 0) {
		violated(rig, "bytes 4 to 7 of the control LVB are not zero");
	}
	memcpy(rig->lvb_seen, lvb, rig->lvb_len);
	tell(rig, "LVB: generation %u, %u bits", coordinator_lvb_generation(lvb), rig_bits(rig));
}

static struct rig_member *member_find(const struct rig *rig, uint32_t nodeid, uint64_t incarnation)
{
	for (size_t i = 0; i < rig->members_count; i++) {
		struct rig_member *m = rig->members[i];

		if (m->nodeid == nodeid && m->incarnation == incarnation) {
			return m;
		}
	}
	return NULL;
}

static void apply(struct rig *rig, const struct engine_op *op)
{
	struct engine_effects effects = { .count = 0 };

	engine_apply(rig->engine, op, &effects);
	for (size_t i = 0; i < effects.count; i++) {
		const struct engine_effect *f = &effects.items[i];
		struct rig_member *m = member_find(rig, f->nodeid, f->incarnation);

		if (!m || !m->alive || f->type != ENGINE_EFFECT_CAST) {
			continue;
		}
		struct rig_event *e = to_member(rig, EVENT_EFFECT, m);

		e->lkid = f->lkid;
		e->status = f->status;
		e->invalid = f->sb_flags & LOCKSTEP_SBF_VALNOTVALID;
		e->has_lvb = f->lvb_len > 0;
		if (e->has_lvb) {
			memcpy(e->lvb, f->lvb, f->lvb_len);
		}
	}
	engine_effects_done(&effects);
	lvb_watch(rig);
}

void rig_lvb_write(struct rig *rig, const uint8_t *lvb)
{
	struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN, .nodeid = ADMIN_NODE,
				.incarnation = 1, .session = 1, .request = 1 };

	apply(rig, &op);
	op.type = ENGINE_OP_LOCK;
	op.request++;
	op.lkid = 1;
	op.mode = LOCKSTEP_LOCK_EX;
	name_set(&op, CONTROL_NAME);
	apply(rig, &op);
	op.type = ENGINE_OP_CONVERT;
	op.request++;
	op.mode = LOCKSTEP_LOCK_NL;
	op.flags = LOCKSTEP_LKF_VALBLK | LOCKSTEP_LKF_CONVERT;
	op.lvb = lvb;
	op.lvb_len = rig->lvb_len;
	apply(rig, &op);
}

/* --- the application --------------------------------------------------------------------- */

/* Does that member use its item? From its start on, by its own lock. */
static bool uses_item(const struct rig_member *m, uint32_t item)
{
	return m->alive && m->use == RIG_STARTED && coordinator_own_item(m->c) == item;
}

/* G1 to G3: whoever may use locks finds no item dirty whose member's locks were given to others. */
static void use_watch(struct rig_member *m, const char *what)
{
	struct rig *rig = m->rig;

	for (uint32_t i = 0; i < RIG_ITEMS; i++) {
		const struct rig_item *item = &rig->items[i];

		if (item->dirty && rig->members[item->owner]->dead_told) {
			violated(rig, "node %u %s while item %u of a failed member is not recovered",
				 m->nodeid, what, i);
		}
	}
}

static void on_started(struct rig_member *m, const struct coordinator_action *a)
{
	struct rig *rig = m->rig;

	m->starts_told++;
	m->start_error = a->error;
	tell(rig, "node %u started: %d%s item %u", m->nodeid, a->error, a->first ? " first" : "",
	     a->item);
	if (a->error) {
		m->use = RIG_FAILED;
		return;
	}
	m->use = a->first ? RIG_FIRST : RIG_STARTED;
	for (size_t i = 0; i < rig->members_count; i++) {
		const struct rig_member *other = rig->members[i];

		if (other != m && other->alive && other->use == RIG_FIRST && !other->all_recovered) {
			violated(rig, "node %u starts while node %u is the first", m->nodeid,
				 other->nodeid);
		}
		if (other != m && other->alive && other->use == RIG_STARTED && a->first) {
			violated(rig, "node %u is the first while node %u has started", m->nodeid,
				 other->nodeid);
		}
	}
	if (a->first && !m->by_hand) {
		(void)event_add(rig, EVENT_FIRST, rig->now + (rig->random ? rig_draw(rig, 1, 900) : 100),
				m);
	} else if (!a->first && !coordinator_is_blocked(m->c)) {
		use_watch(m, "starts");
	}
}

static void recover_begin(struct rig_member *m, uint32_t item)
{
	m->recoveries[item]++;
	tell(m->rig, "node %u recovers item %u", m->nodeid, item);
	item_lock(m, item);
}

static void recover_end(struct rig_member *m, uint32_t i)
{
	struct rig *rig = m->rig;
	enum coordinator_outcome outcome = m->outcome[i];

	m->outcome[i] = 0;
	if (!outcome) {
		outcome = rig->random && rig_draw(rig, 0, 999) < rig->give_up_per_mille ?
				  COORDINATOR_GAVEUP : COORDINATOR_SUCCESS;
	}
	for (size_t k = 0; k < rig->members_count; k++) {
		if (rig->members[k] != m && uses_item(rig->members[k], i)) {
			violated(rig, "node %u recovers item %u, which node %u uses", m->nodeid, i,
				 rig->members[k]->nodeid);
		}
	}
	if (outcome == COORDINATOR_SUCCESS) {
		rig->items[i].dirty = false;
		rig->items[i].recovered++;
	}
	unlock(m, m->item_lkid[i]);
	m->item_lkid[i] = 0;
	tell(rig, "node %u recovered item %u: %d", m->nodeid, i, outcome);
	coordinator_result(m->c, i, outcome);
}

static void on_item_completed(struct rig_member *m, uint32_t lkid, int status)
{
	struct rig *rig = m->rig;

	for (uint32_t i = 0; i < RIG_ITEMS; i++) {
		if (m->item_lkid[i] != lkid) {
			continue;
		}
		if (status == 0) {
			event_add(rig, EVENT_RECOVERED,
				  rig->now + (rig->random ? rig_draw(rig, 1, 700) : 50), m)
				->number = i;
		} else {
			m->item_lkid[i] = 0;
			coordinator_result(m->c, i, COORDINATOR_GAVEUP);
		}
		return;
	}
}

static void first_end(struct rig_member *m)
{
	struct rig *rig = m->rig;

	for (uint32_t i = 0; i < RIG_ITEMS; i++) {
		rig->items[i].dirty = false;
	}
	m->all_recovered = true;
	if (coordinator_first_done(m->c)) {
		violated(rig, "node %u may not end its first recovery", m->nodeid);
	}
}

/* --- actions ----------------------------------------------------------------------------- */

static void prepared(struct rig_member *m)
{
	if (m->use == RIG_STARTED && m->may_use) {
		violated(m->rig, "node %u acknowledges prep and is not blocked", m->nodeid);
	}
	(void)from_member(m->rig, EVENT_ACK, m);
}

static void act(struct rig_member *m, const struct coordinator_action *a)
{
	struct rig *rig = m->rig;

	switch (a->type) {
	case COORDINATOR_DO_LOCK:
		lock_do(m, a);
		return;
	case COORDINATOR_DO_UNLOCK:
		unlock(m, m->lkid[a->lock]);
		return;
	case COORDINATOR_DO_TIMER: {
		struct rig_event *e = event_add(rig, EVENT_TIMER, rig->now + a->ms, m);

		e->number = a->timer;
		e->round = ++m->timer_round[a->timer];
		return;
	}
	case COORDINATOR_DO_RECOVER:
		recover_begin(m, a->item);
		return;
	case COORDINATOR_DO_BLOCK:
		m->may_use = false;
		m->blocks++;
		tell(rig, "node %u blocks", m->nodeid);
		if (!m->frozen) {
			(void)event_add(rig, EVENT_BLOCKED, rig->now + delay(rig), m);
		}
		return;
	case COORDINATOR_DO_UNBLOCK:
		m->may_use = true;
		m->unblocks++;
		tell(rig, "node %u unblocks", m->nodeid);
		if (m->use == RIG_STARTED) {
			use_watch(m, "is unblocked");
			(void)event_add(rig, EVENT_USE, rig->now + delay(rig), m);
		}
		return;
	case COORDINATOR_DO_PREPARED:
		prepared(m);
		return;
	case COORDINATOR_DO_STARTED:
		on_started(m, a);
		return;
	case COORDINATOR_DO_FIRST_ENDED:
		tell(rig, "node %u has opened the door: %d", m->nodeid, a->error);
		if (a->error == 0) {
			m->use = RIG_STARTED;
			use_watch(m, "has ended the first recovery");
			(void)event_add(rig, EVENT_USE, rig->now + delay(rig), m);
		}
		return;
	case COORDINATOR_DO_STOPPED:
		m->stops_told++;
		m->use = RIG_STOPPED;
		return;
	case COORDINATOR_DO_NOTE_INVALID:
		m->notes++;
		return;
	}
}

void rig_drain(struct rig_member *m)
{
	struct coordinator_action a;

	while (coordinator_action_next(m->c, &a)) {
		act(m, &a);
	}
	const char *broken = coordinator_check(m->c);

	if (broken) {
		violated(m->rig, "node %u: %s", m->nodeid, broken);
	}
}

/* --- membership -------------------------------------------------------------------------- */

static struct rig_member *member_on(const struct rig *rig, uint32_t nodeid)
{
	for (size_t i = 0; i < rig->members_count; i++) {
		if (rig->members[i]->nodeid == nodeid && rig->members[i]->alive) {
			return rig->members[i];
		}
	}
	return NULL;
}

/* The view point: the lost are marked, joiners get their session; prep for who was running (R-CB-2). */
static void on_view(struct rig *rig)
{
	rig->recovering = true;
	for (size_t i = 0; i < rig->members_count; i++) {
		struct rig_member *m = rig->members[i];

		if (!m->alive && m->in_view) {
			const struct engine_member_id id = { m->nodeid, m->incarnation };
			const struct engine_op op = { .type = ENGINE_OP_VIEW_POINT, .members = &id,
						      .members_count = 1 };

			m->in_view = false;
			apply(rig, &op);
		}
		if (m->alive && !m->in_view) {
			const struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN };

			m->in_view = true;
			m->use = RIG_STARTING;
			submit(m, &op);
			coordinator_start(m->c);
			rig_drain(m);
		}
		if (m->alive && m->recovered && !m->prep_told) {
			m->prep_told = true;
			m->prepared = false;
			(void)to_member(rig, EVENT_PREP, m);
		}
	}
}

static uint32_t slot_free(const struct rig *rig)
{
	for (uint32_t slot = 1;; slot++) {
		bool taken = false;

		for (size_t i = 0; i < rig->members_count; i++) {
			taken |= rig->members[i]->slot == slot &&
				 (rig->members[i]->alive || !rig->members[i]->dead_told);
		}
		if (!taken) {
			return slot;
		}
	}
}

static void lost_remove(struct rig *rig, struct rig_member *lost)
{
	const struct engine_member_id id = { lost->nodeid, lost->incarnation };
	const struct engine_op op = { .type = ENGINE_OP_NODES_REMOVE, .members = &id,
				      .members_count = 1 };

	if (lost->slot && !lost->stopped_clean) {
		if (lost->slot <= RIG_ITEMS) {
			rig->listed[lost->slot - 1] = 1;
		}
		for (size_t i = 0; i < rig->members_count; i++) {
			struct rig_member *m = rig->members[i];

			if (m->alive && m->in_view && m->recovered) {
				to_member(rig, EVENT_SLOT, m)->number = lost->slot;
			}
		}
	}
	lost->dead_told = true;
	apply(rig, &op);
}

/* The recovery point, R-REC-6. */
static void recovery_try(struct rig *rig)
{
	uint32_t slot_max = 0;

	if (!rig->recovering || rig->now < rig->fence_until) {
		return;
	}
	for (size_t i = 0; i < rig->members_count; i++) {
		const struct rig_member *m = rig->members[i];

		if ((m->alive && !m->in_view) || (!m->alive && m->in_view) ||
		    (m->alive && m->prep_told && !m->prepared)) {
			return;
		}
	}
	for (size_t i = 0; i < rig->members_count; i++) {
		if (!rig->members[i]->alive && !rig->members[i]->dead_told) {
			lost_remove(rig, rig->members[i]);
		}
	}
	rig->generation++;
	rig->recovering = false;
	tell(rig, "generation %u", rig->generation);
	for (size_t i = 0; i < rig->members_count; i++) {
		struct rig_member *m = rig->members[i];

		if (m->alive && !m->slot) {
			m->slot = slot_free(rig);
		}
		slot_max = m->alive && m->slot > slot_max ? m->slot : slot_max;
	}
	for (size_t i = 0; i < rig->members_count; i++) {
		struct rig_member *m = rig->members[i];

		if (m->alive) {
			struct rig_event *e = to_member(rig, EVENT_DONE, m);

			e->number = rig->generation;
			e->slot_max = slot_max;
			m->recovered = true;
			m->prep_told = false;
			m->prepared = false;
		}
	}
}

static void change(struct rig *rig)
{
	(void)event_add(rig, EVENT_VIEW, rig->now + delay(rig), NULL);
}

struct rig_member *rig_join(struct rig *rig, uint32_t nodeid, bool spectator)
{
	struct rig_member *m = calloc(1, sizeof(*m));

	if (!m || rig->members_count == RIG_MEMBERS || member_on(rig, nodeid)) {
		abort();
	}
	m->rig = rig;
	m->nodeid = nodeid;
	m->incarnation = rig->members_count + 1;
	m->c = coordinator_new(rig->lvb_len, spectator);
	m->alive = true;
	m->session = 1;
	m->lkid_next = 1;
	rig->members[rig->members_count++] = m;
	tell(rig, "node %u joins", nodeid);
	change(rig);
	return m;
}

/* Of what it has sent a part, in order, still counts. */
static void sent_cut(struct rig *rig, const struct rig_member *m)
{
	uint64_t last = rig->random ? rig->now + rig_draw(rig, 0, 30) : rig->now;
	size_t kept = 0;

	for (size_t i = 0; i < rig->events_count; i++) {
		const struct rig_event *e = &rig->events[i];
		bool goes = e->member == m && (e->type != EVENT_OP || e->at > last);

		if (!goes) {
			rig->events[kept++] = *e;
		}
	}
	rig->events_count = kept;
}

void rig_kill(struct rig *rig, struct rig_member *m)
{
	if (!m->alive) {
		return;
	}
	tell(rig, "node %u dies", m->nodeid);
	m->alive = false;
	m->may_use = false;
	sent_cut(rig, m);
	uint64_t fenced = rig->now + (rig->random ? rig_draw(rig, 1, 400) : rig->fence_ms);

	rig->fence_until = fenced > rig->fence_until ? fenced : rig->fence_until;
	(void)event_add(rig, EVENT_FENCED, fenced, NULL);
	change(rig);
}

/* It has stopped and cleaned up behind itself: it leaves, which is no failure (R-CB-4). */
static void leave_try(struct rig *rig, struct rig_member *m)
{
	if (!m->alive || m->use != RIG_STOPPED) {
		return;
	}
	m->alive = false;
	m->stopped_clean = true;
	for (uint32_t i = 0; i < RIG_ITEMS; i++) {
		if (rig->items[i].dirty && rig->members[rig->items[i].owner] == m) {
			rig->items[i].dirty = false;
		}
	}
	sent_cut(rig, m);
	tell(rig, "node %u leaves", m->nodeid);
	change(rig);
}

void rig_stop(struct rig *rig, struct rig_member *m)
{
	coordinator_stop(m->c);
	rig_drain(m);
	leave_try(rig, m);
}

/* --- running ----------------------------------------------------------------------------- */

static void on_effect(struct rig_member *m, const struct rig_event *e)
{
	if (e->lkid >= LKID_ITEM) {
		on_item_completed(m, e->lkid, e->status);
		return;
	}
	for (int i = 0; i < COORDINATOR_LOCKS; i++) {
		if (m->lkid[i] == e->lkid) {
			coordinator_completed(m->c, (enum coordinator_lock)i, e->status, e->invalid,
					      e->has_lvb ? e->lvb : NULL);
			return;
		}
	}
}

static void on_use(struct rig_member *m)
{
	struct rig *rig = m->rig;
	uint32_t item = coordinator_own_item(m->c);

	if (!m->may_use || m->use != RIG_STARTED) {
		return;
	}
	use_watch(m, "uses its locks");
	if (item < RIG_ITEMS) {
		rig->items[item].dirty = true;
		rig->items[item].owner = (uint32_t)(m->incarnation - 1);
	}
}

static void member_event(struct rig_member *m, const struct rig_event *e)
{
	switch (e->type) {
	case EVENT_EFFECT:
		on_effect(m, e);
		break;
	case EVENT_PREP:
		coordinator_prep(m->c);
		break;
	case EVENT_SLOT:
		coordinator_slot(m->c, e->number);
		break;
	case EVENT_DONE:
		coordinator_done(m->c, e->number, m->slot, e->slot_max);
		break;
	case EVENT_TIMER:
		if (e->round == m->timer_round[e->number]) {
			coordinator_timer_expired(m->c, (enum coordinator_timer)e->number);
		}
		break;
	case EVENT_RECOVERED:
		recover_end(m, e->number);
		break;
	case EVENT_BLOCKED:
		coordinator_blocked(m->c);
		break;
	case EVENT_USE:
		on_use(m);
		break;
	case EVENT_FIRST:
		first_end(m);
		break;
	default:
		break;
	}
	rig_drain(m);
}

bool rig_step(struct rig *rig, uint64_t until)
{
	size_t best = 0;

	for (size_t i = 1; i < rig->events_count; i++) {
		if (event_before(&rig->events[i], &rig->events[best])) {
			best = i;
		}
	}
	if (rig->events_count == 0 || rig->events[best].at > until) {
		return false;
	}
	struct rig_event e = rig->events[best];

	rig->events[best] = rig->events[--rig->events_count];
	rig->now = e.at > rig->now ? e.at : rig->now;
	switch (e.type) {
	case EVENT_VIEW:
		on_view(rig);
		break;
	case EVENT_FENCED:
		break;
	case EVENT_OP:
		/* What the lost have sent counts only until the view point. */
		if (e.member->alive || e.member->in_view) {
			e.op.lvb = e.op.lvb_len ? e.lvb : NULL;
			apply(rig, &e.op);
		}
		break;
	case EVENT_ACK:
		e.member->prepared = e.member->prep_told;
		break;
	default:
		if (e.member->alive) {
			member_event(e.member, &e);
			leave_try(rig, e.member);
		}
	}
	recovery_try(rig);
	return true;
}

bool rig_until(struct rig *rig, bool (*condition)(struct rig *rig, void *arg), void *arg, uint64_t ms)
{
	uint64_t until = rig->now + ms;

	while (!condition(rig, arg)) {
		if (!rig_step(rig, until)) {
			return false;
		}
	}
	return true;
}

void rig_for(struct rig *rig, uint64_t ms)
{
	uint64_t until = rig->now + ms;

	while (rig_step(rig, until)) {
	}
	rig->now = until;
}

bool rig_is_calm(struct rig *rig, void *unused)
{
	(void)unused;
	if (rig->recovering || rig_bits(rig) > 0) {
		return false;
	}
	for (size_t i = 0; i < rig->members_count; i++) {
		const struct rig_member *m = rig->members[i];

		if (m->alive && (m->use != RIG_STARTED || !m->may_use || !m->recovered ||
				 coordinator_generation(m->c) != rig->generation)) {
			return false;
		}
		if (!m->alive && !m->dead_told) {
			return false;
		}
	}
	for (uint32_t i = 0; i < RIG_ITEMS; i++) {
		if (rig->items[i].dirty && !rig->members[rig->items[i].owner]->alive) {
			return false;
		}
	}
	return true;
}

struct rig *rig_new(uint64_t seed, uint16_t lvb_len)
{
	const struct engine_config config = { .lvb_len = lvb_len, .deadlock_wait_ms = 10000 };
	struct rig *rig = calloc(1, sizeof(*rig));

	if (!rig) {
		abort();
	}
	rig->engine = engine_new(&config);
	rig->lvb_len = lvb_len;
	rig->random = seed != 0;
	rig->chance[0] = seed * 0x9e3779b97f4a7c15u + 1;
	rig->chance[1] = seed ^ 0xbf58476d1ce4e5b9u;
	rig->fence_ms = 20;
	rig->give_up_per_mille = 100;
	for (int i = 0; i < 20; i++) {
		(void)chance_next(rig);
	}
	return rig;
}

void rig_free(struct rig *rig)
{
	for (size_t i = 0; i < rig->members_count; i++) {
		rig->members[i]->c = coordinator_free(rig->members[i]->c);
		free(rig->members[i]);
	}
	rig->engine = engine_free(rig->engine);
	free(rig->events);
	free(rig);
}
