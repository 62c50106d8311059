/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replica that says what it has become: runs a fixed stream of random ops and prints the
 * digest, a hash of the snapshot and a hash of all effects every now and then. Built in several
 * ways by flavours.sh, which compares the output: what compiler, optimisation and word size leave
 * in the state is a difference between replicas (R-DET-2).
 *
 *   replica SEED STEPS OUT [IN]
 *
 * Half way the snapshot is written to OUT. With IN the engine is given up then, and the run goes
 * on with one that is restored from IN, the snapshot of another replica.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/digest.h"
#include "tests/unit/engine_stream.h"

#define SAY_EVERY 250

static void die(const char *what, const char *name)
{
	(void)fprintf(stderr, "%s: %s\n", what, name);
	exit(2);
}

static void file_write(const char *name, const struct buf *bytes)
{
	FILE *f = fopen(name, "wb");

	if (!f || fwrite(bytes->data, 1, bytes->size, f) != bytes->size || fclose(f) != 0) {
		die("cannot write", name);
	}
}

static struct engine *file_restore(const char *name)
{
	static uint8_t bytes[1 << 20];
	FILE *f = fopen(name, "rb");
	struct engine *e;
	size_t size;

	if (!f) {
		die("cannot read", name);
	}
	size = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	struct cursor in = cursor_make(bytes, size);

	if (engine_snapshot_decode(&in, &e) != 0 || !cursor_end(&in)) {
		die("not a snapshot", name);
	}
	return e;
}

struct replica {
	struct engine *engine;
	struct engine_effects effects;
	uint64_t effects_hash;
	struct buf bytes;
	char text[MODEL_TEXT_SIZE];
};

static void say(struct replica *r, size_t step)
{
	buf_clear(&r->bytes);
	engine_snapshot_encode(r->engine, &r->bytes);
	(void)printf("%zu digest %016" PRIx64 " snapshot %zu %016" PRIx64 " effects %016" PRIx64 "\n",
		     step, engine_digest(r->engine), r->bytes.size,
		     base_digest64(r->bytes.data, r->bytes.size, 0), r->effects_hash);
}

static void one_step(struct replica *r, struct gambler *g)
{
	struct stream_op drawn;
	struct engine_lock_info info;
	uint8_t lvb[MODEL_LVB_LEN];
	uint64_t queued = 0;

	gambler_draw(g, r->engine, &drawn);
	if (drawn.raise > 0) {
		engine_seq_raise(r->engine, engine_seq(r->engine) + drawn.raise);
	}
	if (engine_lock_find(r->engine, drawn.op.nodeid, drawn.op.incarnation, drawn.op.lkid,
			     &info)) {
		queued = info.queued_seq;
	}
	struct engine_op op = stream_op_get(&drawn, queued, lvb);

	engine_effects_clear(&r->effects);
	engine_apply(r->engine, &op, &r->effects);
	model_effects_text(r->effects.items, r->effects.count, r->text);
	r->effects_hash = base_digest64(r->text, strlen(r->text), r->effects_hash);
}

int main(int argc, char **argv)
{
	static struct replica r;
	struct engine_config config;
	struct gambler *g;
	size_t steps;

	if (argc < 4) {
		die("usage", "replica SEED STEPS OUT [IN]");
	}
	g = gambler_new(strtoull(argv[1], NULL, 10));
	steps = (size_t)strtoull(argv[2], NULL, 10);
	config = gambler_config(g);
	r.engine = engine_new(&config);
	for (size_t step = 1; step <= steps; step++) {
		one_step(&r, g);
		if (step % SAY_EVERY == 0 || step == steps / 2) {
			say(&r, step);
		}
		if (step == steps / 2) {
			file_write(argv[3], &r.bytes);
			if (argc > 4) {
				(void)engine_free(r.engine);
				r.engine = file_restore(argv[4]);
			}
		}
	}
	if (engine_check(r.engine)) {
		die("an invariant is broken", engine_check(r.engine));
	}
	(void)engine_free(r.engine);
	engine_effects_done(&r.effects);
	buf_done(&r.bytes);
	gambler_free(g);
	return 0;
}
