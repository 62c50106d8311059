/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of a daemon without a cluster (--standalone): what is multicast comes back, in order,
 * later in the same loop iteration; a join brings a view of one.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "lib/base/list.h"
#include "plugin/daemon/daemon.h"
#include "plugin/daemon/order.h"
#include "plugin/daemon/settings.h"

struct entry {
	struct list link;
	uint32_t group;
	bool join;
	size_t size;
	uint8_t data[];
};

struct order_solo {
	struct order order;
	struct daemon *daemon;
	struct list queue;
};

static void push(struct order *o, uint32_t group, bool join, const void *data, size_t size)
{
	struct order_solo *s = (struct order_solo *)o;
	struct entry *e = malloc(sizeof(*e) + size);

	ls_assert(e != NULL);
	*e = (struct entry){ .group = group, .join = join, .size = size };
	if (size > 0) {
		memcpy(e->data, data, size);
	}
	list_push_tail(&s->queue, &e->link);
}

static void solo_join(struct order *o, uint32_t group, const char *name)
{
	(void)name;
	push(o, group, true, NULL, 0);
}

static void solo_mcast(struct order *o, uint32_t group, const void *data, size_t size)
{
	push(o, group, false, data, size);
}

static void solo_leave(struct order *o, uint32_t group)
{
	struct order_solo *s = (struct order_solo *)o;

	list_for_each_safe (pos, &s->queue) {
		struct entry *e = list_entry(pos, struct entry, link);

		if (e->group == group) {
			list_remove(&e->link);
			free(e);
		}
	}
}

static bool solo_deliver(struct order *o)
{
	struct order_solo *s = (struct order_solo *)o;
	uint32_t nodeid = s->daemon->settings->nodeid;
	struct node_address self = { nodeid, (uint32_t)getpid(), NODE_REASON_JOIN };
	struct list batch;

	if (list_empty(&s->queue)) {
		return false;
	}
	/* What the node multicasts from here on belongs to the next round. */
	list_init(&batch);
	while (!list_empty(&s->queue)) {
		struct list *first = s->queue.next;

		list_remove(first);
		list_push_tail(&batch, first);
	}
	while (!list_empty(&batch)) {
		struct entry *e = list_entry(batch.next, struct entry, link);

		list_remove(&e->link);
		if (e->join) {
			node_confchg(s->daemon->node, e->group, &self, 1, NULL, 0, &self, 1);
			node_totem(s->daemon->node, e->group, (struct node_ring){ nodeid, 1 },
				   &nodeid, 1);
		} else {
			node_message(s->daemon->node, e->group, self.nodeid, self.pid, e->data,
				     e->size);
		}
		free(e);
	}
	return true;
}

static bool solo_idle(const struct order *o)
{
	return list_empty(&((const struct order_solo *)o)->queue);
}

static struct order *solo_free(struct order *o)
{
	struct order_solo *s = (struct order_solo *)o;

	list_for_each_safe (pos, &s->queue) {
		free(list_entry(pos, struct entry, link));
	}
	free(s);
	return NULL;
}

static const struct order_ops solo_ops = {
	.join = solo_join,
	.leave = solo_leave,
	.mcast = solo_mcast,
	.deliver = solo_deliver,
	.idle = solo_idle,
	.free = solo_free,
};

struct order *order_solo_new(struct daemon *d)
{
	struct order_solo *s = calloc(1, sizeof(*s));

	ls_assert(s != NULL);
	s->order.ops = &solo_ops;
	s->daemon = d;
	list_init(&s->queue);
	return &s->order;
}
