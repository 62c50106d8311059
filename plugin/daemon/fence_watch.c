/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep-fence-watch: between lockstepd and Pacemaker's fencer; see fence_link.h for what the two
 * say to each other. A process of its own, so that libstonithd, which may block for minutes and whose
 * soname changes, is no part of the daemon.
 *
 * Pacemaker's notifications only say that there is something to look at; what counts is the history,
 * which survives that one of the two was away. Each fencing is stamped when it is first seen, while it
 * goes on or when it is over, with the last mark that had been set when the history was looked at
 * before: so it was asked for after that mark. Pacemaker merges a request with one that is going on, and
 * reports both as done; what is first seen while another fencing of the same node goes on is therefore as
 * old as that one. A fencer that has just started may not have the others' history yet: no mark is set
 * before it has (or had time to).
 *
 * In maintenance mode Pacemaker fences nobody by itself, as administrators stop Corosync then who do not want
 * to have machines restarted; so it is not asked to, either. Waiting is always safe. The daemon hears that
 * the request has failed, and asks again if somebody still has to be fenced: a request that was kept here
 * would hit a node that is back meanwhile.
 */
#include "config.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <crm/common/results.h>
#include <crm/stonith-ng.h>

#include "plugin/daemon/fence_link.h"

#define CONNECT_MS 1000
#define SETTLE_MS 3000 /* for a fencer to learn the others' history */
#define LOOK_MS 1000
#define HISTORY_TIMEOUT_S 10
#define MAINTENANCE_LOOK_MS 3000
#define MAINTENANCE_LOOKS 10 /* then the daemon, told at once the first time, is told again */
#define DEVICES_TIMEOUT_S 5
#define HUMAN "a human" /* the executioner of stonith_admin --confirm */

/* One fencing, going on or over. */
struct op {
	char *target;
	char *action;
	char *origin;
	char *client;
	bool over;
	bool named; /* the daemon knows who asked */
	time_t completed;
	long completed_nsec;
	guint64 stamp;
	bool seen; /* in the history that is being looked at */
};

struct watch {
	GMainLoop *loop;
	int fd;
	stonith_t *st;
	bool connected;
	bool settled;
	guint64 mark;      /* as the daemon has said */
	guint64 mark_set;  /* looked at since */
	GPtrArray *ops;
	GHashTable *busy;  /* names of nodes, as last told */
	GPtrArray *failed; /* names of nodes whose fencing has just failed */
	guint look_source;
	bool told;         /* that nobody answers */
	GHashTable *requests; /* guint64 tokens that have no answer yet */
	GHashTable *unasked;  /* names of nodes whose last request met maintenance mode */
	GString *in;
};

/* libstonithd's callbacks carry no argument of ours. */
static struct watch watch;

G_GNUC_PRINTF(1, 2)
static void tell(const char *format, ...)
{
	va_list ap;
	char *line;
	size_t done = 0;

	va_start(ap, format);
	line = g_strdup_vprintf(format, ap);
	va_end(ap);
	while (done < strlen(line)) {
		ssize_t size = write(watch.fd, line + done, strlen(line) - done);

		if (size <= 0) {
			exit(1); /* the daemon is gone */
		}
		done += (size_t)size;
	}
	g_free(line);
}

/* One field of a line. Free it. */
static char *field(const char *text)
{
	char *copy = g_strndup(text ? text : "", 200);

	return g_strdelimit(copy, "\t\n\r", ' ');
}

/* --- the history ------------------------------------------------------------------------- */

static void op_free(void *arg)
{
	struct op *op = arg;

	g_free(op->target);
	g_free(op->action);
	g_free(op->origin);
	g_free(op->client);
	g_free(op);
}

static bool is_over(const stonith_history_t *h)
{
	return h->state == st_done || h->state == st_failed;
}

static bool same_request(const struct op *op, const stonith_history_t *h)
{
	return g_strcmp0(op->target, h->target) == 0 && g_strcmp0(op->action, h->action) == 0 &&
	       g_strcmp0(op->origin, h->origin) == 0 && g_strcmp0(op->client, h->client) == 0;
}

/* The op that this entry is, among those not found in this history yet. */
static struct op *op_find(const stonith_history_t *h, bool over)
{
	for (guint i = 0; i < watch.ops->len; i++) {
		struct op *op = g_ptr_array_index(watch.ops, i);

		if (!op->seen && op->over == over && same_request(op, h) &&
		    (!over || (op->completed == h->completed &&
			       op->completed_nsec == h->completed_nsec))) {
			return op;
		}
	}
	return NULL;
}

/* What is first seen now was asked for after this mark. */
static guint64 stamp_of(const char *target)
{
	guint64 stamp = watch.mark_set;

	for (guint i = 0; i < watch.ops->len; i++) {
		const struct op *op = g_ptr_array_index(watch.ops, i);

		if (!op->over && g_strcmp0(op->target, target) == 0) {
			stamp = MIN(stamp, op->stamp);
		}
	}
	return stamp;
}

static struct op *op_new(const stonith_history_t *h, guint64 stamp)
{
	struct op *op = g_new0(struct op, 1);

	op->target = g_strdup(h->target);
	op->action = g_strdup(h->action);
	op->origin = g_strdup(h->origin);
	op->client = g_strdup(h->client);
	op->stamp = stamp;
	g_ptr_array_add(watch.ops, op);
	return op;
}

static void op_over(struct op *op, const stonith_history_t *h)
{
	bool itself = h->delegate && g_strcmp0(h->delegate, h->target) == 0;
	bool human = g_strcmp0(h->delegate, HUMAN) == 0;
	char *target = field(h->target), *action = field(h->action), *reason = field(h->exit_reason);

	op->over = true;
	op->completed = h->completed;
	op->completed_nsec = h->completed_nsec;
	if (op->stamp != 0) {
		tell("result\t%s\t%s\t%s\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%s\t%s\t%s\n",
		     target, action, h->state == st_done ? "ok" : "failed", op->stamp,
		     (guint64)h->completed * 1000 + (guint64)h->completed_nsec / 1000000,
		     itself ? "itself" : "other", human ? "human" : "device", reason);
	}
	if (h->state == st_failed && op->stamp != 0) {
		g_ptr_array_add(watch.failed, g_strdup(h->target));
	}
	g_free(target);
	g_free(action);
	g_free(reason);
}

/* Who asked for it: "stonith_admin.4711" of a node, without the number. */
static void origin_tell(struct op *op)
{
	char *target = field(op->target), *client = field(op->client), *origin = field(op->origin);
	char *dot = strrchr(client, '.');

	if (dot && strspn(dot + 1, "0123456789") == strlen(dot + 1)) {
		*dot = '\0';
	}
	tell("by\t%s\t%s on node %s\n", target, client[0] ? client : "somebody",
	     origin[0] ? origin : "unknown");
	op->named = true;
	g_free(target);
	g_free(client);
	g_free(origin);
}

/* Which devices can fence that node, as this node's fencer knows them: only when one has failed, since
 * the answer may take a while. */
static void devices_tell(const char *name)
{
	stonith_key_value_t *devices = NULL;
	GString *names = g_string_new(NULL);
	char *target = field(name), *list;

	if (watch.connected &&
	    watch.st->cmds->query(watch.st, st_opt_sync_call, name, &devices, DEVICES_TIMEOUT_S) > 0) {
		for (const stonith_key_value_t *d = devices; d; d = d->next) {
			g_string_append_printf(names, "%s%s", names->len ? ", " : "", d->value ? d->value : "?");
		}
	}
	stonith_key_value_freeall(devices, 1, 1);
	list = field(names->len ? names->str : "none that this node knows of");
	tell("devices\t%s\t%s\n", target, list);
	g_free(list);
	g_free(target);
	g_string_free(names, TRUE);
}

static void busy_tell(void)
{
	GHashTable *now = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	GHashTableIter iter;
	void *name;

	for (guint i = 0; i < watch.ops->len; i++) {
		const struct op *op = g_ptr_array_index(watch.ops, i);

		if (!op->over && op->target) {
			g_hash_table_add(now, field(op->target));
		}
	}
	g_hash_table_iter_init(&iter, watch.busy);
	while (g_hash_table_iter_next(&iter, &name, NULL)) {
		if (!g_hash_table_contains(now, name)) {
			tell("busy\t%s\t0\n", (char *)name);
		}
	}
	g_hash_table_iter_init(&iter, now);
	while (g_hash_table_iter_next(&iter, &name, NULL)) {
		if (!g_hash_table_contains(watch.busy, name)) {
			tell("busy\t%s\t1\n", (char *)name);
		}
	}
	for (guint i = 0; i < watch.ops->len; i++) {
		struct op *op = g_ptr_array_index(watch.ops, i);

		if (!op->over && op->target && !op->named) {
			origin_tell(op);
		}
	}
	g_hash_table_destroy(watch.busy);
	watch.busy = now;
}

/* New stamps first, from what was going on before; then what has ended. */
static void history_take(const stonith_history_t *history)
{
	for (guint i = 0; i < watch.ops->len; i++) {
		((struct op *)g_ptr_array_index(watch.ops, i))->seen = false;
	}
	for (const stonith_history_t *h = history; h; h = h->next) {
		struct op *op = op_find(h, is_over(h));

		if (!op && is_over(h)) {
			op = op_find(h, false);
		}
		if (!op) {
			op = op_new(h, stamp_of(h->target));
		}
		op->seen = true;
	}
	/* The same walk finds the same ops: nothing is over yet that was not before. */
	for (guint i = 0; i < watch.ops->len; i++) {
		((struct op *)g_ptr_array_index(watch.ops, i))->seen = false;
	}
	for (const stonith_history_t *h = history; h; h = h->next) {
		struct op *op = op_find(h, is_over(h));

		if (!op && is_over(h)) {
			op = op_find(h, false);
			if (op) {
				op_over(op, h);
			}
		}
		if (op) {
			op->seen = true;
		}
	}
	/* A fencer that has just started will hear of them again. */
	for (guint i = watch.ops->len; watch.settled && i-- > 0;) {
		if (!((struct op *)g_ptr_array_index(watch.ops, i))->seen) {
			g_ptr_array_remove_index(watch.ops, i);
		}
	}
}

static void look(void)
{
	stonith_history_t *history = NULL;
	guint64 mark = watch.mark;
	int rc;

	if (!watch.connected) {
		return;
	}
	rc = watch.st->cmds->history(watch.st, st_opt_sync_call, NULL, &history, HISTORY_TIMEOUT_S);
	if (rc == pcmk_ok) {
		history_take(history);
		busy_tell();
		if (watch.settled) {
			watch.mark_set = mark;
		}
	}
	stonith_history_free(history);
	for (guint i = 0; i < watch.failed->len; i++) {
		devices_tell(g_ptr_array_index(watch.failed, i));
	}
	g_ptr_array_set_size(watch.failed, 0);
}

static gboolean look_soon_do(void *arg)
{
	(void)arg;
	watch.look_source = 0;
	look();
	return G_SOURCE_REMOVE;
}

static void look_soon(void)
{
	if (watch.look_source == 0) {
		watch.look_source = g_idle_add(look_soon_do, NULL);
	}
}

static gboolean look_regularly(void *arg)
{
	(void)arg;
	look();
	return G_SOURCE_CONTINUE;
}

/* --- the connection ---------------------------------------------------------------------- */

static gboolean settle(void *arg)
{
	(void)arg;
	if (watch.connected) {
		watch.settled = true;
		look();
	}
	return G_SOURCE_REMOVE;
}

static void notified(stonith_t *st, stonith_event_t *event)
{
	(void)st;
	(void)event;
	look_soon();
}

static void synced(stonith_t *st, stonith_event_t *event)
{
	(void)st;
	(void)event;
	watch.settled = true;
	look_soon();
}

static gboolean try_connect(void *arg);

/* Whoever asked for something gets no answer any more. What is known of the past stays known. */
static gboolean connect_again(void *arg)
{
	GHashTableIter iter;
	void *token;

	(void)arg;
	g_hash_table_iter_init(&iter, watch.requests);
	while (g_hash_table_iter_next(&iter, &token, NULL)) {
		tell("answer\t%" G_GUINT64_FORMAT "\tPacemaker's fencer has gone\n", *(guint64 *)token);
	}
	g_hash_table_remove_all(watch.requests);
	stonith_api_delete(watch.st);
	watch.st = stonith_api_new();
	if (!watch.st) {
		exit(1);
	}
	g_timeout_add(CONNECT_MS, try_connect, NULL);
	return G_SOURCE_REMOVE;
}

static void disconnected(stonith_t *st, stonith_event_t *event)
{
	(void)st;
	(void)event;
	if (watch.connected) {
		tell("link\tdown\tPacemaker's fencer has gone\n");
		watch.connected = false;
		watch.settled = false;
		g_idle_add(connect_again, NULL);
	}
}

static gboolean try_connect(void *arg)
{
	stonith_t *st = watch.st;
	int rc = st->cmds->connect(st, "lockstep-fence-watch", NULL);

	(void)arg;
	if (rc != pcmk_ok) {
		if (!watch.told) {
			tell("link\tdown\tPacemaker does not answer\n");
			watch.told = true;
		}
		return G_SOURCE_CONTINUE;
	}
	st->cmds->register_notification(st, T_STONITH_NOTIFY_DISCONNECT, disconnected);
	st->cmds->register_notification(st, T_STONITH_NOTIFY_FENCE, notified);
	st->cmds->register_notification(st, T_STONITH_NOTIFY_HISTORY, notified);
	st->cmds->register_notification(st, T_STONITH_NOTIFY_HISTORY_SYNCED, synced);
	watch.connected = true;
	watch.told = true;
	tell("link\tup\t\n");
	look();
	g_timeout_add(SETTLE_MS, settle, NULL);
	return G_SOURCE_REMOVE;
}

/* --- maintenance mode -------------------------------------------------------------------- */

/* A request that is not made; the daemon is told so when that mode ends, or after some time. */
struct unasked {
	guint64 number;
	char *name;
	unsigned int looks;
};

/* As crm_attribute prints it, of the cluster or of a node. What cannot be found out is taken for no. */
static bool attribute_is_true(const char *scope, const char *scope_value, const char *name)
{
	const char *argv[] = { "timeout", "5",	"crm_attribute", scope,	  scope_value, "--name", name,
			       "-G",	  "-q", "-d",		 "false", NULL };
	const char *const yes[] = { "true", "on", "yes", "y", "1", NULL };
	char *out = NULL;
	bool is = false;

	if (g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
			 NULL, NULL, &out, NULL, NULL, NULL) && out) {
		char *word = g_ascii_strdown(g_strstrip(out), -1);

		is = g_strv_contains(yes, word);
		g_free(word);
	}
	g_free(out);
	return is;
}

static bool in_maintenance(const char *node)
{
	return attribute_is_true("--type", "crm_config", "maintenance-mode") ||
	       attribute_is_true("--node", node, "maintenance");
}

static void unasked_answer(struct unasked *u)
{
	tell("answer\t%" G_GUINT64_FORMAT "\tPacemaker is in maintenance mode, and is not asked before that ends\n",
	     u->number);
	g_free(u->name);
	g_free(u);
}

static gboolean unasked_look(void *arg)
{
	struct unasked *u = arg;

	if (++u->looks < MAINTENANCE_LOOKS && in_maintenance(u->name)) {
		return G_SOURCE_CONTINUE;
	}
	unasked_answer(u);
	return G_SOURCE_REMOVE;
}

/* Does maintenance mode forbid it? Then it will be answered. */
static bool forbidden(guint64 number, const char *name)
{
	struct unasked *u;

	if (!in_maintenance(name)) {
		g_hash_table_remove(watch.unasked, name);
		return false;
	}
	u = g_new0(struct unasked, 1);
	u->number = number;
	u->name = g_strdup(name);
	if (g_hash_table_add(watch.unasked, g_strdup(name))) {
		unasked_answer(u);
	} else {
		g_timeout_add(MAINTENANCE_LOOK_MS, unasked_look, u);
	}
	return true;
}

/* --- requests ---------------------------------------------------------------------------- */

static void fenced(stonith_t *st, stonith_callback_data_t *data)
{
	guint64 *token = data->userdata;
	char *text = field(pcmk_strerror(data->rc));

	(void)st;
	look(); /* its result goes first */
	if (g_hash_table_contains(watch.requests, token)) {
		tell("answer\t%" G_GUINT64_FORMAT "%s%s\n", *token, data->rc == pcmk_ok ? "" : "\t",
		     data->rc == pcmk_ok ? "" : text);
		g_hash_table_remove(watch.requests, token);
	}
	g_free(text);
}

static void fence(guint64 number, const char *name, const char *action, int timeout_s)
{
	int call = -ENOTCONN;
	guint64 *token;

	if (watch.connected && forbidden(number, name)) {
		return;
	}
	if (watch.connected) {
		call = watch.st->cmds->fence(watch.st, st_opt_none, name, action, timeout_s, 0);
	}
	if (call <= 0) {
		tell("answer\t%" G_GUINT64_FORMAT "\t%s\n", number, pcmk_strerror(call));
		return;
	}
	token = g_new(guint64, 1);
	*token = number;
	g_hash_table_add(watch.requests, token);
	watch.st->cmds->register_callback(watch.st, call, timeout_s + 10, st_opt_timeout_updates, token,
					  "fenced", fenced);
}

static void line_received(char *line)
{
	char **f = g_strsplit(line, "\t", 0);
	guint count = g_strv_length(f);

	if (count == 2 && strcmp(f[0], "mark") == 0) {
		watch.mark = g_ascii_strtoull(f[1], NULL, 10);
		look_soon();
	} else if (count == 5 && strcmp(f[0], "fence") == 0) {
		fence(g_ascii_strtoull(f[1], NULL, 10), f[2], f[3],
		      (int)g_ascii_strtoull(f[4], NULL, 10));
	}
	g_strfreev(f);
}

static gboolean daemon_says(int fd, GIOCondition condition, void *arg)
{
	char bytes[1024];
	ssize_t size = read(fd, bytes, sizeof(bytes));
	char *end;

	(void)condition;
	(void)arg;
	if (size <= 0) {
		exit(0);
	}
	g_string_append_len(watch.in, bytes, size);
	while ((end = memchr(watch.in->str, '\n', watch.in->len))) {
		*end = '\0';
		line_received(watch.in->str);
		g_string_erase(watch.in, 0, end + 1 - watch.in->str);
	}
	return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
	if (argc != 2 || strncmp(argv[1], "--fd=", 5) != 0) {
		fputs("lockstep-fence-watch is started by lockstepd; see lockstepd(8)\n", stderr);
		return 2;
	}
	watch.fd = atoi(argv[1] + 5);
	watch.loop = g_main_loop_new(NULL, FALSE);
	watch.ops = g_ptr_array_new_with_free_func(op_free);
	watch.busy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	watch.requests = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	watch.unasked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	watch.in = g_string_new(NULL);
	watch.failed = g_ptr_array_new_with_free_func(g_free);
	watch.st = stonith_api_new();
	if (!watch.st) {
		return 1;
	}
	g_unix_fd_add(watch.fd, G_IO_IN | G_IO_HUP | G_IO_ERR, daemon_says, NULL);
	if (try_connect(NULL) == G_SOURCE_CONTINUE) {
		g_timeout_add(CONNECT_MS, try_connect, NULL);
	}
	g_timeout_add(LOOK_MS, look_regularly, NULL);
	g_main_loop_run(watch.loop);
	return 0;
}
