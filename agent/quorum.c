/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <glib.h>
#include <stdbool.h>

#include <lockstep/lockstep.h>

#include "agent/quorum.h"

#define PERIOD_MS 500
#define ANSWER_MS 2000 /* the daemon answers at once or is as good as gone */

struct quorum {
	struct lockstep_admin *admin; /* NULL: not connected */
	struct lockstep_options options;
	bool was_quorate;
	guint timer;
	void (*lost)(void *arg);
	void *arg;
};

/* A daemon that does not answer says nothing about quorum: its loss ends the session. */
static bool is_quorate(struct quorum *q)
{
	struct lockstep_status status;

	if (!q->admin && lockstep_admin_open(&q->options, &q->admin)) {
		q->admin = NULL;
		return q->was_quorate;
	}
	if (lockstep_admin_status(q->admin, &status)) {
		lockstep_admin_close(q->admin);
		q->admin = NULL;
		return q->was_quorate;
	}
	return status.standalone || status.quorate;
}

bool quorum_is_there(struct quorum *q)
{
	return is_quorate(q);
}

static gboolean on_timer(gpointer arg)
{
	struct quorum *q = arg;
	bool quorate = is_quorate(q);
	bool was = q->was_quorate;

	q->was_quorate = quorate;
	if (was && !quorate) {
		q->lost(q->arg);
	}
	return G_SOURCE_CONTINUE;
}

struct quorum *quorum_watch(const char *ipc_name, void (*lost)(void *arg), void *arg)
{
	struct quorum *q = g_new0(struct quorum, 1);

	q->options.ipc_name = ipc_name;
	q->options.timeout_ms = ANSWER_MS;
	q->was_quorate = true;
	q->lost = lost;
	q->arg = arg;
	q->timer = g_timeout_add(PERIOD_MS, on_timer, q);
	return q;
}

void quorum_free(struct quorum *q)
{
	if (q) {
		(void)g_source_remove(q->timer);
		lockstep_admin_close(q->admin);
		g_free(q);
	}
}
