/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which transaction a lock belongs to (R-DLK-3), and what each transaction waits with: the way
 * from one edge of the wait-for graph to the next without a look at the whole table. Derived
 * from the locks, so neither in the snapshot nor in the digest.
 *
 * Locks without an xid are the session's own transaction, which needs no look-up. The others are
 * found by their xid, and only while something of theirs waits.
 */
#include "config.h"

#include "lib/base/assert.h"
#include "lib/base/digest.h"
#include "plugin/engine/engine_private.h"

/* The transaction of an xid while it waits. */
struct xid {
	struct record record; /* in engine.xids; never in the digest */
	struct transaction transaction;
	uint64_t xid;
	/* Both 0 with xid_scope cluster. */
	uint64_t incarnation;
	uint32_t nodeid;
};

void xids_init(struct engine *e)
{
	pool_init(&e->xid_pool, sizeof(struct xid), 64);
}

void xids_done(struct engine *e)
{
	ls_assert(e->xids.count == 0);
	table_done(&e->xids);
	pool_done(&e->xid_pool);
}

static struct xid xid_key(const struct engine *e, const struct session *s, uint64_t xid)
{
	bool cluster = e->config.xid_scope == XID_SCOPE_CLUSTER;
	struct xid key = {
		.xid = xid,
		.nodeid = cluster ? 0 : s->member->nodeid,
		.incarnation = cluster ? 0 : s->member->incarnation,
	};

	key.record.hash = (uint32_t)base_mix64(base_mix64(xid ^ key.nodeid) ^ key.incarnation);
	return key;
}

static struct xid *xid_find(const struct engine *e, const struct xid *key)
{
	for (struct record *at = table_first(&e->xids, key->record.hash); at; at = at->next) {
		struct xid *x = record_entry(at, struct xid);

		if (x->xid == key->xid && x->nodeid == key->nodeid &&
		    x->incarnation == key->incarnation) {
			return x;
		}
	}
	return NULL;
}

void transaction_init(struct transaction *t)
{
	list_init(&t->waits);
}

/* R-DLK-3 */
struct transaction *transaction_find(const struct engine *e, struct session *s, uint64_t xid)
{
	if (xid == 0) {
		return list_empty(&s->transaction.waits) ? NULL : &s->transaction;
	}
	if (e->xids.count == 0) {
		return NULL;
	}
	struct xid key = xid_key(e, s, xid);
	struct xid *x = xid_find(e, &key);

	return x ? &x->transaction : NULL;
}

struct transaction *lock_transaction(const struct engine *e, const struct lock *lock)
{
	return transaction_find(e, lock->session, lock->xid);
}

void transaction_join(struct engine *e, struct lock *lock)
{
	struct lock_wait *wait = lock->wait;

	if (lock->xid == 0) {
		wait->transaction = &lock->session->transaction;
	} else {
		struct xid key = xid_key(e, lock->session, lock->xid);
		struct xid *x = xid_find(e, &key);

		if (!x) {
			x = pool_get(&e->xid_pool);
			*x = key;
			transaction_init(&x->transaction);
			table_insert(&e->xids, &x->record, key.record.hash);
		}
		wait->transaction = &x->transaction;
	}
	list_push_tail(&wait->transaction->waits, &wait->transaction_link);
}

void transaction_leave(struct engine *e, struct lock *lock)
{
	struct transaction *t = lock->wait->transaction;

	list_remove(&lock->wait->transaction_link);
	if (lock->xid != 0 && list_empty(&t->waits)) {
		struct xid *x = list_entry(t, struct xid, transaction);

		table_remove(&e->xids, &x->record);
		pool_put(&e->xid_pool, x);
	}
}

static size_t waits_count(const struct transaction *t)
{
	size_t count = 0;

	list_for_each(at, &t->waits) {
		count++;
	}
	return count;
}

size_t transactions_waits_count(const struct engine *e)
{
	size_t count = 0;

	list_for_each(m_at, &e->members) {
		struct member *m = list_entry(m_at, struct member, link);

		list_for_each(s_at, &m->sessions) {
			struct session *s = list_entry(s_at, struct session, member_link);

			count += waits_count(&s->transaction);
		}
	}
	for (size_t i = 0; i < e->xids.size; i++) {
		for (struct record *at = e->xids.buckets[i]; at; at = at->next) {
			count += waits_count(&record_entry(at, struct xid)->transaction);
		}
	}
	return count;
}
