/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of effects of one or more applies, and the LVB bytes they carry. The bytes live in
 * chunks that never move, so an effect's pointer stays good while the list grows. Clearing keeps
 * memory for the next round.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

#define CHUNK_SIZE 4096u

static_assert(CHUNK_SIZE >= LOCKSTEP_LVB_MAX, "an LVB fits into one chunk");

struct engine_effects_chunk {
	struct engine_effects_chunk *next; /* an older, full one */
	size_t used;
	uint8_t bytes[CHUNK_SIZE];
};

void engine_effects_clear(struct engine_effects *list)
{
	list->count = 0;
	while (list->chunks && list->chunks->next) {
		struct engine_effects_chunk *old = list->chunks;

		list->chunks = old->next;
		free(old);
	}
	if (list->chunks) {
		list->chunks->used = 0;
	}
}

void engine_effects_done(struct engine_effects *list)
{
	engine_effects_clear(list);
	free(list->chunks);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

const uint8_t *effects_bytes(struct engine_effects *list, const void *data, size_t size)
{
	ls_assert(size <= CHUNK_SIZE);
	if (!list->chunks || CHUNK_SIZE - list->chunks->used < size) {
		struct engine_effects_chunk *chunk = malloc(sizeof(*chunk));

		ls_assert(chunk);
		chunk->next = list->chunks;
		chunk->used = 0;
		list->chunks = chunk;
	}
	uint8_t *at = list->chunks->bytes + list->chunks->used;

	if (data) {
		memcpy(at, data, size);
	} else {
		memset(at, 0, size);
	}
	list->chunks->used += size;
	return at;
}

struct engine_effect *effect_new(struct apply *a, enum engine_effect_type type,
				 const struct lock *lock)
{
	const struct session *s = lock->session;
	struct engine_effects *list = a->effects;

	if (s->ended || s->member->lost) {
		return NULL;
	}
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 16;
		struct engine_effect *items = realloc(list->items, capacity * sizeof(*items));

		ls_assert(items);
		list->items = items;
		list->capacity = capacity;
	}
	struct engine_effect *effect = &list->items[list->count++];

	memset(effect, 0, sizeof(*effect));
	effect->type = type;
	effect->nodeid = s->member->nodeid;
	effect->incarnation = s->member->incarnation;
	effect->session = s->number;
	effect->lkid = lock->lkid;
	effect->has_bast = lock->attr & ENGINE_ATTR_HAS_BAST;
	effect->seq = a->engine->seq;
	return effect;
}

void effect_cast_refused(struct apply *a, const struct lock *lock, uint64_t request, int status,
			 int mode)
{
	struct engine_effect *effect = effect_new(a, ENGINE_EFFECT_CAST, lock);

	stats_refused(a->engine, lock, status);
	if (!effect) {
		return;
	}
	effect->request = request;
	effect->status = status;
	effect->mode = (int8_t)mode;
	effect->sb_flags = lock->sb_flags & LOCKSTEP_SBF_DEMOTED;
	/* R-STAB-2: ECANCEL tells that something does not wait any more; plain refusals tell
	 * nothing that could be lost. */
	effect->needs_stable = status == LOCKSTEP_ECANCEL;
}
