/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/engine_model_private.h"

struct text {
	char *to;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->to + t->used, MODEL_TEXT_SIZE - t->used, format, args);

	va_end(args);
	t->used += (size_t)n;
	if (t->used >= MODEL_TEXT_SIZE) {
		t->used = MODEL_TEXT_SIZE - 1;
	}
}

void model_effects_text(const struct engine_effect *effects, size_t effects_count,
			char *to)
{
	struct text t = { .to = to };

	to[0] = '\0';
	for (size_t i = 0; i < effects_count; i++) {
		const struct engine_effect *x = &effects[i];

		add(&t,
		    "node %u.%llu session %u lkid %u type %d request %llu status %d mode %d ",
		    x->nodeid, (unsigned long long)x->incarnation, x->session, x->lkid,
		    (int)x->type, (unsigned long long)x->request, x->status, x->mode);
		add(&t, "flags %u stable %d seq %llu token %llu lvb %d\n", x->sb_flags,
		    x->needs_stable, (unsigned long long)x->seq,
		    (unsigned long long)x->token, x->lvb_len ? x->lvb[0] : IV);
	}
}

bool model_effect_equal(const struct engine_effect *a, const struct engine_effect *b)
{
	return a->type == b->type && a->nodeid == b->nodeid &&
	       a->incarnation == b->incarnation && a->session == b->session &&
	       a->lkid == b->lkid && a->request == b->request && a->status == b->status &&
	       a->mode == b->mode && a->sb_flags == b->sb_flags &&
	       a->needs_stable == b->needs_stable && a->seq == b->seq &&
	       a->token == b->token && a->lvb_len == b->lvb_len &&
	       (a->lvb_len == 0 || memcmp(a->lvb, b->lvb, a->lvb_len) == 0);
}

/* --- state: RESOURCE_WORDS for each resource, then LOCK_WORDS for each of its locks ---
 */

enum { RESOURCE_WORDS = 5, LOCK_WORDS = 14 };

static void put_word(struct model_state *s, uint64_t word)
{
	if (s->count == MODEL_STATE_WORDS) {
		abort();
	}
	s->words[s->count++] = word;
}

static void put_resource(struct model_state *s, uint8_t name, uint64_t locks, int lvb,
			 uint32_t lvb_seq, bool invalid)
{
	put_word(s, name);
	put_word(s, locks);
	put_word(s, (uint64_t)(lvb + 1));
	put_word(s, lvb_seq);
	put_word(s, invalid);
}

/* What both sides know of a lock. */
static void put_lock(struct model_state *s, const struct engine_lock_info *info)
{
	put_word(s, info->nodeid);
	put_word(s, info->incarnation);
	put_word(s, info->session);
	put_word(s, info->lkid);
	put_word(s, info->queue);
	put_word(s, (uint64_t)(info->granted + 1));
	put_word(s, (uint64_t)(info->requested + 1));
	put_word(s, info->flags);
	put_word(s, info->token);
	put_word(s, info->queued_seq);
	put_word(s, info->time_ms);
	put_word(s, info->xid);
	put_word(s, info->pid);
	put_word(s, info->lost);
}

void model_state(const struct model *m, struct model_state *s)
{
	s->count = 0;
	for (int i = 0; i < MODEL_RESOURCES; i++) {
		const struct mresource *r = &m->resources[i];
		int locks = r->count[G] + r->count[C] + r->count[W];

		if (locks == 0) {
			continue;
		}
		put_resource(s, (uint8_t)('a' + i), (uint64_t)locks, r->lvb, r->lvb_seq,
			     r->invalid);
		for (int q = G; q <= W; q++) {
			for (int k = 0; k < r->count[q]; k++) {
				const struct mlock *l = r->queue[q][k];
				struct engine_lock_info info = {
					.nodeid = l->member->node,
					.incarnation = l->member->incarnation,
					.session = l->orphan ? 0 : l->session,
					.lkid = l->lkid,
					.queue = (enum engine_queue)(q + 1),
					.granted = (int8_t)l->gr,
					.requested = (int8_t)l->rq,
					.flags = l->flags,
					.token = l->token,
					.queued_seq = q == G ? 0 : l->queued_seq,
					.time_ms = l->time_ms,
					.xid = l->xid,
					.pid = l->pid,
					.lost = l->member->lost,
				};

				put_lock(s, &info);
			}
		}
	}
}

struct engine_state {
	const struct engine *e;
	struct model_state *to;
};

static bool engine_lock_put(const struct engine_lock_info *info, void *arg)
{
	put_lock(((struct engine_state *)arg)->to, info);
	return true;
}

static bool engine_resource_put(const struct engine_resource_info *info, void *arg)
{
	struct engine_state *of = arg;

	put_resource(of->to, info->name[0],
		     info->granted_count + info->convert_count + info->wait_count,
		     info->lvb_exists ? info->lvb[0] : IV, info->lvb_seq,
		     info->lvb_invalid);
	engine_locks_visit(of->e, info->name, info->name_len, engine_lock_put, of);
	return true;
}

void model_state_of_engine(const struct engine *e, struct model_state *s)
{
	struct engine_state of = { .e = e, .to = s };

	s->count = 0;
	engine_resources_visit(e, engine_resource_put, &of);
}

bool model_state_equal(const struct model_state *a, const struct model_state *b)
{
	return a->count == b->count &&
	       memcmp(a->words, b->words, a->count * sizeof(a->words[0])) == 0;
}

/* The next @count words, as printf() wants them. */
static void take_words(const struct model_state *s, size_t *at, size_t count,
		       unsigned long long *to)
{
	for (size_t i = 0; i < count; i++) {
		to[i] = *at < s->count ? s->words[*at] : 0;
		(*at)++;
	}
}

void model_state_text(const struct model_state *s, char *to)
{
	struct text t = { .to = to };
	unsigned long long w[LOCK_WORDS];
	size_t at = 0;

	to[0] = '\0';
	while (at < s->count) {
		take_words(s, &at, RESOURCE_WORDS, w);
		unsigned long long locks = w[1];

		add(&t, "%c lvb %lld seq %llu%s:\n", (char)w[0], (long long)w[2] - 1,
		    w[3], w[4] ? " invalid" : "");
		for (; locks > 0; locks--) {
			take_words(s, &at, LOCK_WORDS, w);
			add(&t,
			    "  %llu.%llu s%llu #%llu q%llu (%lld,%lld) flags %#llx token %llu ",
			    w[0], w[1], w[2], w[3], w[4], (long long)w[5] - 1,
			    (long long)w[6] - 1, w[7], w[8]);
			add(&t, "queued %llu at %llu xid %llu pid %llu%s\n", w[9], w[10],
			    w[11], w[12], w[13] ? " lost" : "");
		}
	}
}
