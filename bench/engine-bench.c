/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lock machine costs by itself, on one core, with no message and no process in between:
 *
 *   engine.pair        lock and unlock of a name nobody else uses: two ops applied
 *   baseline.hash      insert and remove of the same names in a chained hash table, for comparison
 *   engine.queue       the holder of a contended name releases it and asks again: two ops, one grant
 *   engine.wake        one release that grants to very many readers
 *   engine.deadlock    one search with many waiters in one queue, where there is no deadlock and
 *                      where there is one, which ends with one victim and a second look
 *   engine.snapshot, engine.digest_slow, engine.restore   with many locks in the table
 *   engine.lost, engine.removed   what a dead node costs: its requests stop to wait, its locks go, while
 *                      another node holds many others
 *   engine.lock_bytes  growth of the process per lock, each on a resource of its own
 *
 * A sample of the first two is the mean of a batch, since one pair is shorter than a clock call.
 *
 *   engine-bench [LOCKS [BATCHES]]
 *
 * Fewer LOCKS than a part wants of waiters make that part smaller, too.
 */
#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/samples.h"
#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/digest.h"
#include "plugin/engine/engine.h"

#define NAME_SIZE 16
#define BATCH_PAIRS 1000
#define SNAPSHOT_ROUNDS 3
#define QUEUE_WAITERS 1000
#define WAKE_READERS 100000
#define WAKE_ROUNDS 5
#define LOST_WAITERS 10
#define DEADLOCK_WAITERS 10000
#define DEADLOCK_ROUNDS 20

static void name_make(uint8_t *name, uint64_t number)
{
	char text[NAME_SIZE + 1];

	(void)snprintf(text, sizeof(text), "r%015llu",
		       (unsigned long long)(number % 1000000000000000u));
	memcpy(name, text, NAME_SIZE);
}

static uint32_t at_most(uint32_t wanted, size_t locks)
{
	return wanted < locks ? wanted : (uint32_t)locks;
}

/* --- the engine -------------------------------------------------------------------------- */

struct client {
	struct engine *engine;
	struct engine_effects effects;
	uint64_t request;
	uint32_t lkid;
};

static void apply_as(struct client *c, uint32_t session, struct engine_op *op)
{
	op->nodeid = 1;
	op->incarnation = 1u << 16;
	op->session = session;
	op->request = ++c->request;
	engine_effects_clear(&c->effects);
	engine_apply(c->engine, op, &c->effects);
}

static void apply(struct client *c, struct engine_op *op)
{
	apply_as(c, 1, op);
}

/* The engine says nothing when it refuses; a benchmark of refusals would look very good. */
static void lock(struct client *c, const uint8_t *name)
{
	struct engine_op op = {
		.type = ENGINE_OP_LOCK, .mode = LOCKSTEP_LOCK_EX, .lkid = ++c->lkid,
		.name_len = NAME_SIZE,
	};

	memcpy(op.name, name, NAME_SIZE);
	apply(c, &op);
	ls_assert(c->effects.count == 1);
	ls_assert(c->effects.items[0].status == 0);
}

static void unlock(struct client *c)
{
	struct engine_op op = { .type = ENGINE_OP_UNLOCK, .lkid = c->lkid };

	apply(c, &op);
	ls_assert(c->effects.count == 1);
	ls_assert(c->effects.items[0].status == LOCKSTEP_EUNLOCK);
}

static struct client client_new(void)
{
	static const struct engine_config config = {
		.lvb_len = LOCKSTEP_LVB_DEFAULT, .deadlock_wait_ms = 5000,
	};
	struct client c = { .engine = engine_new(&config) };
	struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN, .pid = 1 };

	apply(&c, &op);
	return c;
}

static void client_done(struct client *c)
{
	engine_effects_done(&c->effects);
	c->engine = engine_free(c->engine);
}

static void pairs(struct client *c, const uint8_t (*names)[NAME_SIZE], size_t batches,
		  const char *variant)
{
	struct samples s = { .count = 0 };
	uint64_t begin = now_ns();

	for (size_t b = 0; b < batches; b++) {
		uint64_t t = now_ns();

		for (size_t i = 0; i < BATCH_PAIRS; i++) {
			lock(c, names[i]);
			unlock(c);
		}
		samples_add(&s, (now_ns() - t) / BATCH_PAIRS);
	}
	samples_print(&s, "engine.pair", variant,
		      (double)(batches * BATCH_PAIRS) * 1e9 / (double)(now_ns() - begin));
	samples_done(&s);
}

/* --- the baseline ------------------------------------------------------------------------- */

struct entry {
	struct entry *next;
	uint64_t hash;
	uint8_t name[NAME_SIZE];
};

struct table {
	struct entry **buckets;
	size_t mask;
};

static void table_insert(struct table *t, const uint8_t *name)
{
	struct entry *entry = malloc(sizeof(*entry));

	ls_assert(entry);
	entry->hash = base_digest64(name, NAME_SIZE, 0);
	memcpy(entry->name, name, NAME_SIZE);
	entry->next = t->buckets[entry->hash & t->mask];
	t->buckets[entry->hash & t->mask] = entry;
}

static void table_remove(struct table *t, const uint8_t *name)
{
	uint64_t hash = base_digest64(name, NAME_SIZE, 0);
	struct entry **at = &t->buckets[hash & t->mask];

	while ((*at)->hash != hash || memcmp((*at)->name, name, NAME_SIZE) != 0) {
		at = &(*at)->next;
	}
	struct entry *entry = *at;

	*at = entry->next;
	free(entry);
}

static void baseline(const uint8_t (*names)[NAME_SIZE], size_t held, size_t batches,
		     const char *variant)
{
	struct samples s = { .count = 0 };
	struct table t = { .mask = 1023 };
	uint8_t name[NAME_SIZE];

	while (t.mask < held) {
		t.mask = t.mask * 2 + 1;
	}
	t.buckets = calloc(t.mask + 1, sizeof(struct entry *));
	ls_assert(t.buckets);
	for (size_t i = 0; i < held; i++) {
		name_make(name, i);
		table_insert(&t, name);
	}
	uint64_t begin = now_ns();

	for (size_t b = 0; b < batches; b++) {
		uint64_t from = now_ns();

		for (size_t i = 0; i < BATCH_PAIRS; i++) {
			table_insert(&t, names[i]);
			table_remove(&t, names[i]);
		}
		samples_add(&s, (now_ns() - from) / BATCH_PAIRS);
	}
	samples_print(&s, "baseline.hash", variant,
		      (double)(batches * BATCH_PAIRS) * 1e9 / (double)(now_ns() - begin));
	samples_done(&s);
	for (size_t i = 0; i <= t.mask; i++) {
		while (t.buckets[i]) {
			struct entry *entry = t.buckets[i];

			t.buckets[i] = entry->next;
			free(entry);
		}
	}
	free(t.buckets);
}

/* --- with many locks ---------------------------------------------------------------------- */

static size_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0;
	unsigned long resident = 0;

	ls_assert(f);
	int fields = fscanf(f, "%lu %lu", &size, &resident);

	ls_assert(fields == 2);
	(void)fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void fill(struct client *c, size_t locks)
{
	uint8_t name[NAME_SIZE];
	size_t before = resident_bytes();
	uint64_t begin = now_ns();

	for (size_t i = 0; i < locks; i++) {
		name_make(name, i);
		lock(c, name);
	}
	double seconds = (double)(now_ns() - begin) / 1e9;
	size_t after = resident_bytes();

	value_print("engine.lock_bytes", locks, (double)(after - before) / (double)locks);
	value_print("engine.fill_locks_per_s", locks, (double)locks / seconds);
}

static void states(const struct client *c)
{
	struct samples encode = { .count = 0 };
	struct samples digest = { .count = 0 };
	struct samples restore = { .count = 0 };
	struct buf bytes = { .size = 0 };
	char variant[32];
	size_t locks = engine_totals_get(c->engine).locks;

	for (int i = 0; i < SNAPSHOT_ROUNDS; i++) {
		struct engine *copy = NULL;
		uint64_t t = now_ns();

		buf_clear(&bytes);
		engine_snapshot_encode(c->engine, &bytes);
		samples_add(&encode, now_ns() - t);

		t = now_ns();
		uint64_t slow = engine_digest_slow(c->engine);

		samples_add(&digest, now_ns() - t);
		ls_assert(slow == engine_digest(c->engine));

		struct cursor in = cursor_make(bytes.data, bytes.size);

		t = now_ns();
		int error = engine_snapshot_decode(&in, &copy);

		samples_add(&restore, now_ns() - t);
		ls_assert(error == 0);
		ls_assert(engine_digest(copy) == slow);
		copy = engine_free(copy);
	}
	(void)snprintf(variant, sizeof(variant), "%zu", locks);
	samples_print(&encode, "engine.snapshot", variant, 0);
	samples_print(&digest, "engine.digest_slow", variant, 0);
	samples_print(&restore, "engine.restore", variant, 0);
	value_print("engine.snapshot_bytes_per_lock", locks, (double)bytes.size / (double)locks);
	samples_done(&encode);
	samples_done(&digest);
	samples_done(&restore);
	buf_done(&bytes);
}

/* --- a node that is lost ------------------------------------------------------------------ */

/* As another node: each of @locks names in EX, and the first few of those of fill() waited for. */
static void node_fill(struct client *c, const struct engine_member_id *node, size_t locks, size_t waiters)
{
	struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN,
				.nodeid = node->nodeid,
				.incarnation = node->incarnation,
				.session = 1,
				.request = 1,
				.pid = 1 };

	engine_apply(c->engine, &op, &c->effects);
	op.type = ENGINE_OP_LOCK;
	op.mode = LOCKSTEP_LOCK_EX;
	op.name_len = NAME_SIZE;
	for (size_t i = 0; i < locks + waiters; i++) {
		op.request++;
		op.lkid = (uint32_t)i + 1;
		name_make(op.name, i < locks ? 200000000 + i : i - locks);
		engine_effects_clear(&c->effects);
		engine_apply(c->engine, &op, &c->effects);
		ls_assert(c->effects.count == (i < locks ? 1 : 0));
	}
}

/* The view point and the recovery point of a node with @locks locks, each among all those of fill(). */
static void lost(struct client *c, size_t locks, size_t waiters, int rounds)
{
	struct samples points[2] = { { .count = 0 }, { .count = 0 } };
	struct engine_member_id node = { .nodeid = 2, .incarnation = 1u << 16 };
	struct engine_totals before = engine_totals_get(c->engine);
	char variant[32];

	for (int round = 0; round < rounds; round++) {
		node_fill(c, &node, locks, waiters);
		for (int i = 0; i < 2; i++) {
			struct engine_op op = { .type = i == 0 ? ENGINE_OP_VIEW_POINT : ENGINE_OP_NODES_REMOVE,
						.members = &node,
						.members_count = 1 };
			uint64_t t = now_ns();

			engine_effects_clear(&c->effects);
			engine_apply(c->engine, &op, &c->effects);
			samples_add(&points[i], now_ns() - t);
		}
		ls_assert(engine_totals_get(c->engine).locks == before.locks);
	}
	(void)snprintf(variant, sizeof(variant), "locks%zu", locks);
	samples_print(&points[0], "engine.lost", variant, 0);
	samples_print(&points[1], "engine.removed", variant, 0);
	samples_done(&points[0]);
	samples_done(&points[1]);
}

/* --- one contended name ------------------------------------------------------------------- */

/* Session i gets or waits for @name with lkid i, without a BAST routine. */
static void request(struct client *c, uint32_t session, uint32_t lkid, uint8_t mode,
		    const uint8_t *name)
{
	struct engine_op op = {
		.type = ENGINE_OP_LOCK, .mode = mode, .lkid = lkid, .name_len = NAME_SIZE,
	};

	memcpy(op.name, name, NAME_SIZE);
	apply_as(c, session, &op);
}

static void release(struct client *c, uint32_t session, uint32_t lkid, size_t effects)
{
	struct engine_op op = { .type = ENGINE_OP_UNLOCK, .lkid = lkid };

	apply_as(c, session, &op);
	ls_assert(c->effects.count == effects);
}

static void sessions_begin(struct client *c, uint32_t count)
{
	for (uint32_t i = 2; i <= count; i++) {
		struct engine_op op = { .type = ENGINE_OP_SESSION_BEGIN, .pid = i };

		apply_as(c, i, &op);
	}
}

static void contended_queue(const uint8_t *name, uint32_t waiters, size_t batches)
{
	struct client c = client_new();
	struct samples s = { .count = 0 };
	char variant[32];

	sessions_begin(&c, waiters + 1);
	for (uint32_t i = 1; i <= waiters + 1; i++) {
		request(&c, i, i, LOCKSTEP_LOCK_EX, name);
	}
	uint32_t holder = 1;
	uint64_t begin = now_ns();

	for (size_t b = 0; b < batches; b++) {
		uint64_t t = now_ns();

		for (size_t i = 0; i < BATCH_PAIRS; i++) {
			release(&c, holder, holder, 2); /* its completion and the next one's */
			request(&c, holder, holder, LOCKSTEP_LOCK_EX, name);
			holder = holder % (waiters + 1) + 1;
		}
		samples_add(&s, (now_ns() - t) / BATCH_PAIRS);
	}
	(void)snprintf(variant, sizeof(variant), "waiters%u", waiters);
	samples_print(&s, "engine.queue", variant,
		      (double)(batches * BATCH_PAIRS) * 1e9 / (double)(now_ns() - begin));
	samples_done(&s);
	client_done(&c);
}

static void wake(const uint8_t *name, uint32_t readers)
{
	struct samples s = { .count = 0 };
	struct client c = client_new();
	char variant[32];

	sessions_begin(&c, readers + 1);
	for (int round = 0; round < WAKE_ROUNDS; round++) {
		for (uint32_t i = 1; i <= readers + 1; i++) {
			request(&c, i, i, i == 1 ? LOCKSTEP_LOCK_EX : LOCKSTEP_LOCK_PR, name);
		}
		uint64_t t = now_ns();

		release(&c, 1, 1, readers + 1);
		samples_add(&s, now_ns() - t);
		for (uint32_t i = 2; i <= readers + 1; i++) {
			release(&c, i, i, 1);
		}
	}
	(void)snprintf(variant, sizeof(variant), "readers%u", readers);
	samples_print(&s, "engine.wake", variant, 0);
	samples_done(&s);
	client_done(&c);
}

/*
 * Session 1 holds a, session 2 holds b. All others wait for a, session 2 last of all. With @cycle
 * session 1 waits for b since before that, so all wait for each other.
 */
static void deadlock(uint32_t waiters, bool cycle)
{
	struct samples s = { .count = 0 };
	struct client c = client_new();
	struct buf bytes = { .size = 0 };
	struct engine_lock_info last;
	uint8_t a[NAME_SIZE];
	uint8_t b[NAME_SIZE];
	char variant[32];

	name_make(a, 1);
	name_make(b, 2);
	sessions_begin(&c, waiters + 1);
	request(&c, 1, 1, LOCKSTEP_LOCK_EX, a);
	request(&c, 2, 2, LOCKSTEP_LOCK_EX, b);
	if (cycle) {
		request(&c, 1, waiters + 3, LOCKSTEP_LOCK_EX, b);
	}
	for (uint32_t i = 3; i <= waiters + 1; i++) {
		request(&c, i, i, LOCKSTEP_LOCK_EX, a);
	}
	request(&c, 2, waiters + 2, LOCKSTEP_LOCK_EX, a);
	engine_snapshot_encode(c.engine, &bytes);
	bool found = engine_lock_find(c.engine, 1, 1u << 16, waiters + 2, &last);

	ls_assert(found);
	for (int round = 0; round < DEADLOCK_ROUNDS; round++) {
		struct cursor in = cursor_make(bytes.data, bytes.size);
		struct engine_op op = {
			.type = ENGINE_OP_DEADLOCK_SEARCH,
			.lkid = last.lkid,
			.queued_seq = last.queued_seq,
		};

		c.engine = engine_free(c.engine);
		int error = engine_snapshot_decode(&in, &c.engine);

		ls_assert(error == 0);
		uint64_t t = now_ns();

		apply(&c, &op);
		samples_add(&s, now_ns() - t);
		ls_assert(c.effects.count == (cycle ? 1 : 0));
		ls_assert(!cycle || c.effects.items[0].status == EDEADLK);
	}
	(void)snprintf(variant, sizeof(variant), "%s%u", cycle ? "cycle" : "none", waiters);
	samples_print(&s, "engine.deadlock", variant, 0);
	samples_done(&s);
	buf_done(&bytes);
	client_done(&c);
}

int main(int argc, char **argv)
{
	size_t locks = argc > 1 ? number_argument(argv[1], 100000000) : 1000000;
	size_t batches = argc > 2 ? number_argument(argv[2], 1000000) : 500;
	static uint8_t names[BATCH_PAIRS][NAME_SIZE];
	char variant[32];

	/* Names that fill() does not use. */
	for (size_t i = 0; i < BATCH_PAIRS; i++) {
		name_make(names[i], 100000000 + i);
	}
	struct client c = client_new();

	(void)snprintf(variant, sizeof(variant), "held%zu", locks);
	/* First of all, so that no freed memory of another part is used again. */
	fill(&c, locks);
	pairs(&c, names, batches, variant);
	states(&c);
	lost(&c, at_most(10, locks), at_most(LOST_WAITERS, locks), 20);
	lost(&c, at_most(10000, locks), at_most(LOST_WAITERS, locks), 5);
	lost(&c, locks, at_most(LOST_WAITERS, locks), 3);
	client_done(&c);
	(void)malloc_trim(0);

	baseline(names, locks, batches, variant);
	c = client_new();
	pairs(&c, names, batches, "held0");
	client_done(&c);
	baseline(names, 0, batches, "held0");

	contended_queue(names[0], at_most(QUEUE_WAITERS, locks), batches);
	wake(names[0], at_most(WAKE_READERS, locks));
	deadlock(at_most(DEADLOCK_WAITERS, locks), false);
	deadlock(at_most(DEADLOCK_WAITERS, locks), true);
	return 0;
}
