/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cpgtrace.h. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/cpgstate.h"
#include "tests/sim/cpgtrace.h"
#include "tests/sim/world.h"

/* What one handle was told, as text. */
struct cpgtrace {
	struct cpgtrace *next;
	const struct cpg_handle *handle;
	char *text;
	size_t len;
	size_t capacity;
};

__attribute__((format(printf, 3, 4))) static void put(struct cpgmodel *m, struct cpg_handle *h,
						      const char *format, ...)
{
	struct cpgtrace *t = h->trace;
	va_list args;

	if (t->capacity - t->len < 128) {
		size_t capacity = t->capacity ? 2 * t->capacity : 1024;
		char *text = arena_alloc(&m->w->arena, capacity);

		if (t->len > 0) {
			memcpy(text, t->text, t->len);
		}
		t->text = text;
		t->capacity = capacity;
	}
	va_start(args, format);
	t->len += (size_t)vsnprintf(t->text + t->len, t->capacity - t->len, format, args);
	va_end(args);
}

static void put_ring(struct cpgmodel *m, struct cpg_handle *h, struct node_ring ring)
{
	put(m, h, " %u.%" PRIu64, ring.nodeid, ring.seq);
}

static void put_addresses(struct cpgmodel *m, struct cpg_handle *h, const char *what,
			  const struct node_address *list, size_t count, bool reasons)
{
	static const char *const names[] = {
		[NODE_REASON_JOIN] = "join",	     [NODE_REASON_LEAVE] = "leave",
		[NODE_REASON_NODEDOWN] = "nodedown", [NODE_REASON_NODEUP] = "nodeup",
		[NODE_REASON_PROCDOWN] = "procdown",
	};

	put(m, h, " %s", what);
	for (size_t i = 0; i < count; i++) {
		put(m, h, " %u.%u", list[i].nodeid, list[i].pid);
		if (reasons) {
			put(m, h, ".%s", names[list[i].reason]);
		}
	}
}

static void put_verdict(struct cpgmodel *m, struct cpg_handle *h)
{
	const struct corosync *c = &m->hosts[h->host];

	put(m, h, "Q");
	put_ring(m, h, c->quorum_ring);
	/* The ring's nodes when it is still that ring; else who read it knows them already. */
	put(m, h, " %d", c->quorate);
	for (unsigned int i = 0; i < m->config.hosts; i++) {
		if (c->quorum_members & 1u << i) {
			put(m, h, " %u", i + 1);
		}
	}
	put(m, h, "\n");
}

void cpgtrace_begin(struct cpgmodel *m, struct cpg_handle *h)
{
	struct cpgtrace *t;

	if (!m->w->cpgtrace) {
		return;
	}
	t = arena_alloc(&m->w->arena, sizeof(*t));
	t->handle = h;
	t->next = m->traces;
	m->traces = t;
	h->trace = t;
	put(m, h, "client %u %u %u\n", h->host + 1, h->pid, h->life);
	if (m->hosts[h->host].quorum_ring.nodeid != 0) {
		put_verdict(m, h);
	}
}

void cpgtrace_event(struct cpgmodel *m, struct cpg_handle *h, const struct cpg_event *ev)
{
	if (!h->trace) {
		return;
	}
	switch (ev->type) {
	case CPG_MESSAGE:
		put(m, h, "D %u.%u %u.%u.%u.%" PRIu64, ev->nodeid, ev->pid, ev->nodeid, ev->pid, ev->life,
		    ev->number);
		put_ring(m, h, ev->ring);
		break;
	case CPG_CONFCHG:
		put(m, h, "C");
		put_addresses(m, h, "m", ev->members, ev->members_count, false);
		put_addresses(m, h, "l", ev->left, ev->left_count, true);
		put_addresses(m, h, "j", ev->joined, ev->joined_count, true);
		break;
	case CPG_TOTEM:
		put(m, h, "T");
		put_ring(m, h, ev->ring);
		for (size_t i = 0; i < ev->nodes_count; i++) {
			put(m, h, " %u", ev->nodes[i]);
		}
		break;
	}
	put(m, h, "\n");
}

void cpgtrace_sent(struct cpgmodel *m, struct cpg_handle *h)
{
	if (h->trace) {
		put(m, h, "S %" PRIu64 "\n", h->sent);
	}
}

void cpgtrace_quorum(struct cpgmodel *m, unsigned int host)
{
	for (struct cpg_handle *h = m->hosts[host].handles; h; h = h->next) {
		if (h->trace) {
			put_verdict(m, h);
		}
	}
}

void cpgtrace_leave(struct cpgmodel *m, struct cpg_handle *h)
{
	if (h->trace) {
		put(m, h, "L\n");
	}
}

void cpgtrace_end(struct cpgmodel *m, struct cpg_handle *h, const char *how)
{
	if (h->trace) {
		put(m, h, "E %s\n", how);
	}
}

bool cpgtrace_write(const struct cpgmodel *m, const char *prefix)
{
	for (unsigned int name = 0; name < m->names_count; name++) {
		char path[512];
		FILE *f;
		bool good;

		if (snprintf(path, sizeof(path), "%s-%u.trace", prefix, name) >= (int)sizeof(path)) {
			return false;
		}
		f = fopen(path, "we");
		if (!f) {
			return false;
		}
		good = fputs("cpgtrace 1\n", f) >= 0;
		for (const struct cpgtrace *t = m->traces; t; t = t->next) {
			if (t->handle->name == name) {
				good = fwrite(t->text, 1, t->len, f) == t->len && good;
			}
		}
		if (fclose(f) != 0 || !good) {
			return false;
		}
	}
	return true;
}
