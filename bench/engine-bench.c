/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the lock machine costs by itself, on one core, with no message and no process in between:
 *
 *   engine.pair        lock and unlock of a name nobody else uses: two ops applied
 *   baseline.hash      insert and remove of the same names in a chained hash table, for comparison
 *   engine.snapshot, engine.digest_slow, engine.restore   with many locks in the table
 *   engine.lock_bytes  growth of the process per lock, each on a resource of its own
 *
 * A sample of the first two is the mean of a batch, since one pair is shorter than a clock call.
 *
 *   engine-bench [LOCKS [BATCHES]]
 */
#include "config.h"

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

static void name_make(uint8_t *name, uint64_t number)
{
	char text[NAME_SIZE + 1];

	(void)snprintf(text, sizeof(text), "r%015llu",
		       (unsigned long long)(number % 1000000000000000u));
	memcpy(name, text, NAME_SIZE);
}

/* --- the engine -------------------------------------------------------------------------- */

struct client {
	struct engine *engine;
	struct engine_effects effects;
	uint64_t request;
	uint32_t lkid;
};

static void apply(struct client *c, struct engine_op *op)
{
	op->nodeid = 1;
	op->incarnation = 1u << 16;
	op->session = 1;
	op->request = ++c->request;
	engine_effects_clear(&c->effects);
	engine_apply(c->engine, op, &c->effects);
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
	client_done(&c);
	(void)malloc_trim(0);

	baseline(names, locks, batches, variant);
	c = client_new();
	pairs(&c, names, batches, "held0");
	client_done(&c);
	baseline(names, 0, batches, "held0");
	return 0;
}
