/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "tests/unit/engine_compare.h"

#define REPORT_SIZE 8192

struct compare {
	struct engine *engine;
	struct engine *twin;
	struct model *model;
	struct compare_marks *marks;
	struct engine_effects effects;
	struct engine_effects twin_effects;
	/* The engine's before and after an op, in turn, and the model's. */
	struct model_state states[3];
	struct model_state *state;
	struct buf bytes;
	struct buf twin_bytes;
	char text[MODEL_TEXT_SIZE];
	char other[MODEL_TEXT_SIZE];
	char report[REPORT_SIZE];
};

struct compare *compare_new(const struct engine_config *config,
			    struct compare_marks *marks)
{
	struct compare *c = calloc(1, sizeof(*c));

	if (!c) {
		abort();
	}
	c->marks = marks;
	c->engine = engine_new(config);
	c->twin = engine_new(config);
	c->model = model_new(config, marks ? &marks->model : NULL);
	c->state = &c->states[0];
	return c;
}

void compare_free(struct compare *c)
{
	(void)engine_free(c->engine);
	(void)engine_free(c->twin);
	engine_effects_done(&c->effects);
	engine_effects_done(&c->twin_effects);
	buf_done(&c->bytes);
	buf_done(&c->twin_bytes);
	model_free(c->model);
	free(c);
}

const struct engine *compare_engine(const struct compare *c)
{
	return c->engine;
}

const char *compare_report(const struct compare *c)
{
	return c->report;
}

static void report(struct compare *c)
{
	(void)snprintf(c->report, sizeof(c->report),
		       "--- is\n%.3900s\n--- wanted\n%.3900s\n", c->text, c->other);
}

static const char *same_effects(struct compare *c, const struct engine_effect *is,
				size_t is_count, const struct engine_effect *wanted,
				size_t wanted_count, const char *what)
{
	bool same = is_count == wanted_count;

	for (size_t i = 0; i < is_count && same; i++) {
		same = model_effect_equal(&is[i], &wanted[i]);
	}
	if (same) {
		return NULL;
	}
	model_effects_text(is, is_count, c->text);
	model_effects_text(wanted, wanted_count, c->other);
	report(c);
	return what;
}

static const char *same_as_twin(struct compare *c)
{
	return same_effects(c, c->twin_effects.items, c->twin_effects.count,
			    c->effects.items, c->effects.count,
			    "a twin does what the engine does not");
}

static const char *same_as_model(struct compare *c)
{
	size_t count;
	const struct engine_effect *wanted = model_effects(c->model, &count);

	return same_effects(c, c->effects.items, c->effects.count, wanted, count,
			    "the engine does what the model does not");
}

static const char *same_state(struct compare *c)
{
	struct model_state *of_model = &c->states[2];

	model_state(c->model, of_model);
	if (model_state_equal(c->state, of_model)) {
		return NULL;
	}
	model_state_text(c->state, c->text);
	model_state_text(of_model, c->other);
	report(c);
	return "the engine's state is not the model's";
}

/* R-DET-2, R-DIG-1 */
static const char *same_digest(struct compare *c)
{
	const char *broken = engine_check(c->engine);

	if (broken) {
		return broken;
	}
	return engine_digest(c->engine) == engine_digest(c->twin) ? NULL
								  : "digests differ";
}

static bool same_bytes(const struct compare *c)
{
	return c->bytes.size == c->twin_bytes.size &&
	       memcmp(c->bytes.data, c->twin_bytes.data, c->bytes.size) == 0;
}

const char *compare_snapshots(struct compare *c)
{
	buf_clear(&c->bytes);
	buf_clear(&c->twin_bytes);
	engine_snapshot_encode(c->engine, &c->bytes);
	engine_snapshot_encode(c->twin, &c->twin_bytes);
	if (!same_bytes(c)) {
		return "an engine and its twin have different snapshots";
	}
	c->twin = engine_free(c->twin);
	struct cursor in = cursor_make(c->bytes.data, c->bytes.size);

	if (engine_snapshot_decode(&in, &c->twin) != 0 || !cursor_end(&in)) {
		c->twin = NULL;
		return "a snapshot is refused";
	}
	buf_clear(&c->twin_bytes);
	engine_snapshot_encode(c->twin, &c->twin_bytes);
	return same_bytes(c) ? NULL : "a restored engine has another snapshot";
}

static void mark_op(struct compare *c, enum engine_op_type type,
		    const struct model_state *before)
{
	size_t number = type == ENGINE_OP_VIEW_POINT	 ? 12
			: type == ENGINE_OP_NODES_REMOVE ? 13
							 : (size_t)type;

	if (c->marks && number < COMPARE_OP_TYPES) {
		bool something =
			c->effects.count > 0 || !model_state_equal(before, c->state);

		c->marks->ops[number][something]++;
	}
}

const char *compare_step(struct compare *c, const struct stream_op *from, bool restore)
{
	uint8_t lvb[MODEL_LVB_LEN];
	const char *wrong;

	if (restore && (wrong = compare_snapshots(c))) {
		return wrong;
	}
	if (from->raise > 0) {
		uint64_t seq = engine_seq(c->engine) + from->raise;

		engine_seq_raise(c->engine, seq);
		engine_seq_raise(c->twin, seq);
		model_seq_raise(c->model, seq);
	}
	struct engine_op op =
		stream_op_get(from, model_queued_seq(c->model, &from->op), lvb);

	engine_effects_clear(&c->effects);
	engine_effects_clear(&c->twin_effects);
	engine_apply(c->engine, &op, &c->effects);
	engine_apply(c->twin, &op, &c->twin_effects);
	model_apply(c->model, &op);

	const struct model_state *before = c->state;

	c->state = c->state == &c->states[0] ? &c->states[1] : &c->states[0];
	model_state_of_engine(c->engine, c->state);
	mark_op(c, op.type, before);
	if ((wrong = same_as_twin(c)) || (wrong = same_as_model(c)) ||
	    (wrong = same_state(c))) {
		return wrong;
	}
	return same_digest(c);
}

const char *compare_stream(const struct stream *s)
{
	struct compare *c = compare_new(&s->config, NULL);
	const char *wrong = NULL;

	for (size_t i = 0; i < s->count && !wrong; i++) {
		wrong = compare_step(c, &s->ops[i], true);
	}
	wrong = wrong ? wrong : compare_snapshots(c);
	compare_free(c);
	return wrong;
}
