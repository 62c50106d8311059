/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/client/timing.h"

#define BUCKETS 256 /* of the table of locks, whose numbers ascend */

struct timed {
	struct timed *next;
	uint32_t lkid;
	uint32_t class_index;
	bool stamped;
	bool waits; /* of the op under way */
	int64_t submitted_ns;
	struct lockstep_timing timing;
};

struct timing {
	struct timing_page *page;
	struct timed *locks[BUCKETS];
};

void timing_sample(int64_t *mean, int64_t *variance, int64_t sample)
{
	int64_t d = sample - *mean;
	int64_t size = d < 0 ? -d : d;

	/* Shifts of negative numbers are arithmetic with the compilers we have (a test says so). */
	*mean += d >> 3;
	*variance += (size - *variance) >> 2;
}

bool timing_waits(int granted, int mode, uint32_t flags)
{
	return granted != LOCKSTEP_LOCK_EX && mode != LOCKSTEP_LOCK_NL &&
	       (flags & (LOCKSTEP_LKF_NOQUEUE | LOCKSTEP_LKF_NOQUEUEBAST)) == 0;
}

struct timing *timing_new(struct timing_page *page)
{
	struct timing *t = calloc(1, sizeof(*t));

	if (t) {
		t->page = page;
	}
	return t;
}

struct timing *timing_free(struct timing *t)
{
	for (size_t i = 0; t && i < BUCKETS; i++) {
		while (t->locks[i]) {
			struct timed *next = t->locks[i]->next;

			free(t->locks[i]);
			t->locks[i] = next;
		}
	}
	free(t);
	return NULL;
}

static struct timed **slot_of(const struct timing *t, uint32_t lkid)
{
	struct timed **slot = (struct timed **)&t->locks[lkid % BUCKETS];

	while (*slot && (*slot)->lkid != lkid) {
		slot = &(*slot)->next;
	}
	return slot;
}

static uint32_t class_of(struct timing_page *page, const char *name, size_t name_len)
{
	char word[LOCKSTEP_TIMING_CLASS_MAX + 1] = "";
	const char *end = name_len ? memchr(name, '/', name_len) : NULL;
	size_t length = end ? (size_t)(end - name) : 0;
	uint32_t i = 0;

	for (size_t k = 0; k < length && k < LOCKSTEP_TIMING_CLASS_MAX; k++) {
		word[k] = name[k] > 0x20 && name[k] < 0x7f ? name[k] : '?';
	}
	while (i < page->classes_count && strcmp(page->classes[i].name, word) != 0) {
		i++;
	}
	if (i == LOCKSTEP_TIMING_CLASSES) {
		return LOCKSTEP_TIMING_CLASSES - 1;
	}
	if (i == page->classes_count) {
		memcpy(page->classes[i].name, word, sizeof(word));
		page->classes_count++;
	}
	return i;
}

void timing_lock_add(struct timing *t, uint32_t lkid, const void *name, size_t name_len)
{
	struct timed *timed = calloc(1, sizeof(*timed));

	timing_lock_remove(t, lkid);
	if (timed) {
		struct timed **slot = slot_of(t, lkid);

		timed->lkid = lkid;
		timed->class_index = class_of(t->page, name, name_len);
		*slot = timed;
	}
}

void timing_lock_remove(struct timing *t, uint32_t lkid)
{
	struct timed **slot = slot_of(t, lkid);
	struct timed *timed = *slot;

	if (timed) {
		t->page->classes[timed->class_index].timing.qcount -= timed->timing.qcount;
		*slot = timed->next;
		free(timed);
	}
}

void timing_submitted(struct timing *t, uint32_t lkid, bool waits, int64_t now_ns)
{
	struct timed *timed = *slot_of(t, lkid);

	if (!timed) {
		return;
	}
	struct lockstep_timing *sum = &t->page->classes[timed->class_index].timing;

	if (timed->stamped) {
		int64_t gap = now_ns - timed->submitted_ns; /* R-STAT-2 */

		timing_sample(&timed->timing.sirt, &timed->timing.sirtvar, gap);
		timing_sample(&sum->sirt, &sum->sirtvar, gap);
	}
	timed->stamped = true;
	timed->submitted_ns = now_ns;
	timed->waits = waits;
	timed->timing.dcount++;
	sum->dcount++;
	timed->timing.qcount++;
	sum->qcount++;
}

static void histogram_add(struct lockstep_timing_class *c, int64_t ns)
{
	uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0;
	unsigned int i = 0;

	while (i < LOCKSTEP_TIMING_BUCKETS - 1 && us >> i) {
		i++;
	}
	c->histogram[i]++;
}

void timing_completed(struct timing *t, uint32_t lkid, int64_t now_ns)
{
	struct timed *timed = *slot_of(t, lkid);

	if (!timed || timed->timing.qcount == 0) {
		return;
	}
	struct lockstep_timing_class *c = &t->page->classes[timed->class_index];
	int64_t trip = now_ns - timed->submitted_ns;

	if (timed->waits) {
		timing_sample(&timed->timing.srttb, &timed->timing.srttvarb, trip);
		timing_sample(&c->timing.srttb, &c->timing.srttvarb, trip);
	} else {
		timing_sample(&timed->timing.srtt, &timed->timing.srttvar, trip);
		timing_sample(&c->timing.srtt, &c->timing.srttvar, trip);
	}
	histogram_add(c, trip);
	timed->timing.qcount--;
	c->timing.qcount--;
}

bool timing_lock_get(const struct timing *t, uint32_t lkid, struct lockstep_timing *ret)
{
	const struct timed *timed = *slot_of(t, lkid);

	if (timed) {
		*ret = timed->timing;
	}
	return timed != NULL;
}
