/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads traces; see trace.h. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cpgtrace/trace.h"

struct reader {
	const char *path;
	unsigned int line;
	struct life *life; /* the one being read; NULL between two */
	char *rest;	   /* strtok_r() */
};

static void *grow(void *list, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) {
		return list;
	}
	*capacity = *capacity ? 2 * *capacity : 16;
	list = realloc(list, *capacity * size);
	if (!list) {
		perror("cpg-check");
		exit(2);
	}
	return list;
}

bool address_in(const struct address *list, size_t count, struct address a)
{
	for (size_t i = 0; i < count; i++) {
		if (address_equal(list[i], a)) {
			return true;
		}
	}
	return false;
}

bool addresses_equal(const struct address *a, size_t a_count, const struct address *b,
		     size_t b_count)
{
	for (size_t i = 0; i < a_count; i++) {
		if (!address_in(b, b_count, a[i])) {
			return false;
		}
	}
	return a_count == b_count;
}

/* --- words
 * --------------------------------------------------------------------------------- */

static char *word(struct reader *r)
{
	return strtok_r(NULL, " ", &r->rest);
}

/* Numbers with dots between them; returns where the text goes on, NULL when it is not so.
 */
static const char *numbers(const char *text, uint64_t *ret, size_t count)
{
	for (size_t i = 0; text && i < count; i++) {
		char *end;

		if (*text < '0' || *text > '9') {
			return NULL;
		}
		errno = 0;
		ret[i] = strtoull(text, &end, 10);
		if (errno != 0 || (i + 1 < count && *end != '.')) {
			return NULL;
		}
		text = i + 1 < count ? end + 1 : end;
	}
	return text;
}

static bool number(const char *text, uint64_t *ret)
{
	const char *end = numbers(text, ret, 1);

	return end && *end == 0;
}

static bool number32(const char *text, uint32_t *ret)
{
	uint64_t n;

	if (!number(text, &n) || n > UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

static bool ring_read(const char *text, struct ringid *ret)
{
	uint64_t n[2];
	const char *end = numbers(text, n, 2);

	if (!end || *end != 0 || n[0] > UINT32_MAX) {
		return false;
	}
	*ret = (struct ringid){ (uint32_t)n[0], n[1] };
	return true;
}

static bool reason_read(const char *text, enum reason *ret)
{
	static const char *const names[] = {
		[REASON_JOIN] = "join",		[REASON_LEAVE] = "leave",
		[REASON_NODEDOWN] = "nodedown", [REASON_NODEUP] = "nodeup",
		[REASON_PROCDOWN] = "procdown",
	};

	for (size_t i = REASON_JOIN; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0) {
			*ret = (enum reason)i;
			return true;
		}
	}
	return false;
}

static bool address_read(const char *text, bool reason, struct address *ret)
{
	uint64_t n[2];
	const char *end = numbers(text, n, 2);

	if (!end || n[0] > UINT32_MAX || n[1] > UINT32_MAX) {
		return false;
	}
	*ret = (struct address){ .nodeid = (uint32_t)n[0], .pid = (uint32_t)n[1] };
	return reason ? *end == '.' && reason_read(end + 1, &ret->reason) : *end == 0;
}

/* Addresses up to the word @stop or the end of the line. */
static bool addresses_read(struct reader *r, const char *stop, bool reason,
			   struct address **ret, size_t *ret_count)
{
	size_t capacity = 0;
	char *w;

	while ((w = word(r)) && (!stop || strcmp(w, stop) != 0)) {
		*ret = grow(*ret, *ret_count, &capacity, sizeof(**ret));
		if (!address_read(w, reason, &(*ret)[*ret_count])) {
			return false;
		}
		(*ret_count)++;
	}
	return stop ? w != NULL : true;
}

static bool nodes_read(struct reader *r, struct event *ev)
{
	size_t capacity = 0;
	char *w;

	while ((w = word(r))) {
		ev->members = grow(ev->members, ev->members_count, &capacity,
				   sizeof(*ev->members));
		ev->members[ev->members_count] = (struct address){ 0 };
		if (!number32(w, &ev->members[ev->members_count].nodeid)) {
			return false;
		}
		ev->members_count++;
	}
	return true;
}

/* --- lines
 * --------------------------------------------------------------------------------- */

static bool client_read(struct trace *t, struct reader *r)
{
	const char *node = word(r), *pid = word(r), *life = word(r), *flag = word(r);
	struct life l = { .file = r->path, .line = r->line, .cpg_first = flag != NULL };

	if (!number32(node, &l.nodeid) || !number32(pid, &l.pid) ||
	    !number32(life, &l.life) || (flag && strcmp(flag, "cpg-first") != 0) ||
	    word(r)) {
		return false;
	}
	t->lives = grow(t->lives, t->count, &t->capacity, sizeof(*t->lives));
	t->lives[t->count] = l;
	r->life = &t->lives[t->count++];
	return true;
}

static bool message_read(struct reader *r, struct event *ev)
{
	const char *from = word(r), *key = word(r), *ring = word(r);
	uint64_t n[4];
	const char *end = numbers(key, n, 4);

	if (!from || !address_read(from, false, &ev->from) || !end || *end != 0 ||
	    !ring_read(ring, &ev->ring)) {
		return false;
	}
	ev->key = (struct key){ (uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2], n[3] };
	return true;
}

static bool confchg_read(struct reader *r, struct event *ev)
{
	const char *m = word(r);

	return m && strcmp(m, "m") == 0 &&
	       addresses_read(r, "l", false, &ev->members, &ev->members_count) &&
	       addresses_read(r, "j", true, &ev->left, &ev->left_count) &&
	       addresses_read(r, NULL, true, &ev->joined, &ev->joined_count);
}

static bool event_read(struct reader *r, char type, struct event *ev)
{
	uint32_t quorate = 0;

	switch (type) {
	case 'S':
		ev->type = EVENT_SENT;
		return number(word(r), &ev->key.number);
	case 'A':
		ev->type = EVENT_AGAIN;
		return true;
	case 'D':
		ev->type = EVENT_MESSAGE;
		return message_read(r, ev);
	case 'C':
		ev->type = EVENT_CONFCHG;
		return confchg_read(r, ev);
	case 'T':
		ev->type = EVENT_TOTEM;
		return ring_read(word(r), &ev->ring) && nodes_read(r, ev);
	case 'Q':
		ev->type = EVENT_QUORUM;
		if (!ring_read(word(r), &ev->ring) || !number32(word(r), &quorate) ||
		    quorate > 1) {
			return false;
		}
		ev->quorate = quorate;
		return nodes_read(r, ev);
	case 'L':
		ev->type = EVENT_LEAVE;
		r->life->leave_called = true;
		return true;
	default:
		return false;
	}
}

static bool line_read(struct trace *t, struct reader *r, char *line)
{
	const char *first = strtok_r(line, " ", &r->rest);

	if (!first) {
		return false;
	}
	if (strcmp(first, "cpgtrace") == 0) {
		const char *version = word(r);

		r->life = NULL;
		return version && strcmp(version, "1") == 0;
	}
	if (strcmp(first, "client") == 0) {
		return client_read(t, r);
	}
	if (first[1] != 0) {
		return false;
	}
	if (!r->life) {
		return true; /* quorum goes on between two lives */
	}
	if (first[0] == 'E') {
		const char *how = word(r);

		if (!how || (strcmp(how, "left") != 0 && strcmp(how, "gone") != 0)) {
			return false;
		}
		r->life->end = *how == 'l' ? END_LEFT : END_GONE;
		r->life = NULL;
		return true;
	}
	struct life *l = r->life;

	l->events = grow(l->events, l->count, &l->capacity, sizeof(*l->events));
	l->events[l->count] = (struct event){ .line = r->line };
	return event_read(r, first[0], &l->events[l->count++]) && !word(r);
}

bool trace_read(struct trace *t, const char *path)
{
	struct reader r = { .path = path };
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	bool good = true;

	if (!f) {
		perror(path);
		return false;
	}
	while (good && (len = getline(&line, &size, f)) > 0 && line[len - 1] == '\n') {
		line[len - 1] = 0;
		r.line++;
		good = (r.line > 1 || strncmp(line, "cpgtrace ", 9) == 0) &&
		       line_read(t, &r, line);
	}
	if (!good) {
		fprintf(stderr, "%s:%u: cannot read this line\n", path, r.line);
	}
	free(line);
	(void)fclose(f);
	return good;
}

void trace_done(struct trace *t)
{
	for (size_t i = 0; i < t->count; i++) {
		for (size_t k = 0; k < t->lives[i].count; k++) {
			free(t->lives[i].events[k].members);
			free(t->lives[i].events[k].left);
			free(t->lives[i].events[k].joined);
		}
		free(t->lives[i].events);
	}
	free(t->lives);
	*t = (struct trace){ 0 };
}
