/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep metrics: what this node's daemon counts, in Prometheus' text format. A family (name, HELP, TYPE) has its samples
 * together, so everything is asked for first and then written family by family. Labels are lockspaces, modes, nodes and
 * words of ours. Names of locks, of which there may be any number, are no labels but in lockstep_oldest_wait_info, one sample
 * per lockspace and only while somebody has waited for a while.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/lockstep.h"
#include "tools/lockstep_metrics.h"

#define STATS_MAX 128
#define STAT_NAME_MAX 48
#define INFO_FROM_MS 5000 /* who waits for a shorter time is not worth a time series of his own */
#define LABEL_MAX (2 * NAME_TEXT_MAX)

struct member {
	size_t space; /* index */
	struct lockstep_member_info info;
};

struct stat {
	char name[STAT_NAME_MAX];
	uint64_t value;
};

/* Everything that is to be told. */
struct facts {
	struct lockstep_status status;
	struct lockstep_space_info *spaces;
	struct lockstep_space_metrics *metrics; /* of the lockspace with the same index */
	size_t spaces_count;
	size_t spaces_capacity;
	struct member *members;
	size_t members_count;
	size_t members_capacity;
	struct stat stats[STATS_MAX];
	size_t stats_count;
};

/* --- asking ------------------------------------------------------------------------------ */

/* @array, or where it is once there is room for one more item of @size bytes; NULL: out of memory. */
static void *grown(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) {
		return array;
	}
	*capacity = *capacity ? *capacity * 2 : 16;
	return reallocarray(array, *capacity, size);
}

static int on_space(const struct lockstep_space_info *info, void *arg)
{
	struct facts *f = arg;
	void *more = grown(f->spaces, f->spaces_count, &f->spaces_capacity, sizeof(*info));

	if (!more) {
		return -ENOMEM;
	}
	f->spaces = more;
	f->spaces[f->spaces_count++] = *info;
	return 0;
}

/* A lockspace that was joined between two requests is told of the next time. */
static int on_metrics(const struct lockstep_space_metrics *metrics, void *arg)
{
	struct facts *f = arg;

	for (size_t i = 0; i < f->spaces_count; i++) {
		if (strcmp(f->spaces[i].name, metrics->name) == 0) {
			f->metrics[i] = *metrics;
		}
	}
	return 0;
}

struct members_arg {
	struct facts *facts;
	size_t space;
};

static int on_member(const struct lockstep_member_info *info, void *arg)
{
	const struct members_arg *a = arg;
	struct facts *f = a->facts;
	/* A node has one line, also when an earlier life of it is lost: that one comes last and counts. */
	struct member *same = NULL;

	for (size_t i = 0; i < f->members_count; i++) {
		if (f->members[i].space == a->space && f->members[i].info.nodeid == info->nodeid) {
			same = &f->members[i];
		}
	}
	if (same) {
		uint32_t locks = same->info.locks + info->locks;

		if (strcmp(info->state, "lost") == 0) {
			same->info = *info;
		}
		same->info.locks = locks;
		return 0;
	}
	void *more = grown(f->members, f->members_count, &f->members_capacity, sizeof(*f->members));

	if (!more) {
		return -ENOMEM;
	}
	f->members = more;
	f->members[f->members_count++] = (struct member){ a->space, *info };
	return 0;
}

static int on_stat(const char *name, uint64_t value, void *arg)
{
	struct facts *f = arg;

	if (f->stats_count < STATS_MAX) {
		struct stat *s = &f->stats[f->stats_count++];

		(void)snprintf(s->name, sizeof(s->name), "%s", name);
		s->value = value;
	}
	return 0;
}

static int facts_get(struct lockstep_admin *a, struct facts *f)
{
	int error = lockstep_admin_status(a, &f->status);

	error = error ? error : lockstep_admin_spaces(a, on_space, f);
	error = error ? error : lockstep_admin_stats(a, on_stat, f);
	if (error) {
		return error;
	}
	f->metrics = calloc(f->spaces_count ? f->spaces_count : 1, sizeof(*f->metrics));
	error = f->metrics ? lockstep_admin_metrics(a, on_metrics, f) : -ENOMEM;
	for (size_t i = 0; i < f->spaces_count && error == 0; i++) {
		struct members_arg arg = { f, i };

		error = lockstep_admin_members(a, f->spaces[i].name, on_member, &arg);
		/* Left meanwhile. */
		error = error == -ENOENT ? 0 : error;
	}
	return error;
}

static void facts_done(struct facts *f)
{
	free(f->spaces);
	free(f->metrics);
	free(f->members);
}

/* --- writing ----------------------------------------------------------------------------- */

/* As the value of a label: the text format has its own escapes. */
static const char *label(const char *text, char ret[LABEL_MAX])
{
	size_t at = 0;

	for (; *text && at + 2 < LABEL_MAX; text++) {
		if (*text == '\\' || *text == '"' || *text == '\n') {
			ret[at++] = '\\';
		}
		ret[at++] = *text == '\n' ? 'n' : *text;
	}
	ret[at] = '\0';
	return ret;
}

static void family(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
	family(out, name, "gauge", help);
	(void)fprintf(out, "%s %.12g\n", name, value);
}

static const char *space_label(const struct facts *f, size_t space, char ret[LABEL_MAX])
{
	char name[ESCAPED_MAX(LOCKSTEP_SPACE_MAX)];

	return label(bytes_escape(f->spaces[space].name, strlen(f->spaces[space].name), true, name), ret);
}

/* A family with one sample for each lockspace. */
static void of_spaces(FILE *out, const struct facts *f, const char *name, const char *type, const char *help,
		      uint64_t (*value)(const struct facts *f, size_t space))
{
	char space[LABEL_MAX];

	family(out, name, type, help);
	for (size_t i = 0; i < f->spaces_count; i++) {
		(void)fprintf(out, "%s{lockspace=\"%s\"} %" PRIu64 "\n", name, space_label(f, i, space),
			      value(f, i));
	}
}

#define OF_SPACE(member)                                                                                                \
	static uint64_t member##_of(const struct facts *f, size_t space)                                                \
	{                                                                                                               \
		return f->spaces[space].member;                                                                         \
	}
#define OF_METRICS(member)                                                                                              \
	static uint64_t member##_of(const struct facts *f, size_t space)                                                \
	{                                                                                                               \
		return f->metrics[space].member;                                                                        \
	}

OF_SPACE(generation)
OF_SPACE(members)
OF_SPACE(lost_members)
OF_SPACE(resources)
OF_SPACE(sessions)
OF_SPACE(local_sessions)
OF_METRICS(orphans)
OF_METRICS(queued)
OF_METRICS(blocking_callbacks)
OF_METRICS(deadlock_searches)
OF_METRICS(deadlock_victims)

#undef OF_SPACE
#undef OF_METRICS

/* --- families: the daemon ---------------------------------------------------------------- */

/* One of @states is 1, the others 0; a word that is not among them is one more. */
static void one_hot(FILE *out, const char *name, const char *prefix, const char *const *states, const char *now)
{
	bool known = false;
	char word[LABEL_MAX];

	for (; *states; states++) {
		bool is = strcmp(*states, now) == 0;

		known |= is;
		(void)fprintf(out, "%s{%sstate=\"%s\"} %d\n", name, prefix, *states, is);
	}
	if (!known) {
		(void)fprintf(out, "%s{%sstate=\"%s\"} 1\n", name, prefix, label(now, word));
	}
}

static void daemon_write(FILE *out, const struct facts *f)
{
	static const char *const states[] = { "ok",	 "noquorum", "stopped", "recovering",
					      "joining", "waiting",  "lost",	NULL };
	const struct lockstep_status *s = &f->status;
	char version[LABEL_MAX], node[LABEL_MAX], cluster[LABEL_MAX];

	family(out, "lockstep_build_info", "gauge", "Version of the daemon, and where it runs.");
	(void)fprintf(out, "lockstep_build_info{version=\"%s\",node=\"%s\",cluster=\"%s\"} 1\n",
		      label(s->version, version), label(s->node_name, node), label(s->cluster_name, cluster));
	gauge(out, "lockstep_uptime_seconds", "How long the daemon has been running.",
	      (double)s->uptime_ms / 1000);
	family(out, "lockstep_node_state", "gauge", "State of this node, as in lockstep status.");
	one_hot(out, "lockstep_node_state", "", states, s->state);
	gauge(out, "lockstep_standalone", "The daemon serves this machine alone, without a cluster.", s->standalone);
	gauge(out, "lockstep_corosync_connected", "Corosync can be reached.", s->corosync);
	gauge(out, "lockstep_quorate", "This part of the cluster has quorum.", s->quorate);
	gauge(out, "lockstep_unfenced", "Without fencing: nothing guarantees that a lost node has stopped.",
	      s->unfenced);
	gauge(out, "lockstep_sessions", "Sessions of this node's programs.", s->sessions);
}

/* Counters that are worth watching, and what they count. The others are in lockstep stats. */
static const struct {
	const char *stat;
	const char *name;
	const char *help;
} counters[] = {
	{ "messages", "lockstep_messages_received_total", "Messages of all daemons that Corosync has delivered." },
	{ "batches", "lockstep_messages_sent_total", "Messages with operations that this node has sent." },
	{ "ops_sent", "lockstep_operations_sent_total", "Operations in them." },
	{ "ops_applied", "lockstep_operations_applied_total", "Operations of all nodes that were applied here." },
	{ "confirms", "lockstep_confirms_sent_total", "Messages that say no more than that delivery is confirmed." },
	{ "casts", "lockstep_completions_total", "Completions told to this node's programs." },
	{ "basts", "lockstep_blocking_total", "This node's programs were told that they block somebody." },
	{ "stable_waits", "lockstep_stable_waits_total", "Completions that had to wait until all members knew of them." },
	{ "window_full", "lockstep_window_full_total", "Times that too many messages of this node were under way." },
	{ "bad_messages", "lockstep_messages_invalid_total", "Messages that were refused as damaged or foreign." },
	{ "views", "lockstep_views_total", "Changes of membership." },
	{ "recovery_points", "lockstep_recoveries_total", "Recoveries that were finished." },
	{ "lost_members", "lockstep_members_lost_total", "Members that failed." },
	{ "evictions", "lockstep_evictions_total", "Members taken out because their daemon did not answer." },
	{ "self_lost", "lockstep_self_lost_total", "Times that this node found itself outside the cluster." },
	{ "fence_requests", "lockstep_fence_requests_total", "Fencings that this node has asked for." },
	{ "fence_failures", "lockstep_fence_failures_total", "Fencings that were asked for and failed." },
	{ "digests", "lockstep_digests_compared_total", "Comparisons of the replicas." },
	{ "digest_mismatch", "lockstep_digests_differing_total", "Replicas that differed. Should be 0; report it." },
	{ "quota_refusals", "lockstep_quota_refusals_total", "Requests and sessions refused for a limit in lockstep.conf." },
};

static void counters_write(FILE *out, const struct facts *f)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		for (size_t j = 0; j < f->stats_count; j++) {
			if (strcmp(f->stats[j].name, counters[i].stat) == 0) {
				family(out, counters[i].name, "counter", counters[i].help);
				(void)fprintf(out, "%s %" PRIu64 "\n", counters[i].name,
					      f->stats[j].value);
			}
		}
	}
	for (size_t j = 0; j < f->stats_count; j++) {
		if (strcmp(f->stats[j].name, "resident_bytes") == 0) {
			gauge(out, "lockstep_resident_memory_bytes", "Memory of the daemon.",
			      (double)f->stats[j].value);
		}
	}
}

/* --- families: lockspaces ---------------------------------------------------------------- */

static void states_write(FILE *out, const struct facts *f)
{
	static const char *const states[] = { "running", "joining", "stopped", "recovering",
					      "lost",	 "leaving", NULL };
	char prefix[LABEL_MAX + 16], space[LABEL_MAX];

	family(out, "lockstep_lockspace_state", "gauge", "State of the lockspace, as in lockstep status.");
	for (size_t i = 0; i < f->spaces_count; i++) {
		(void)snprintf(prefix, sizeof(prefix), "lockspace=\"%s\",", space_label(f, i, space));
		one_hot(out, "lockstep_lockspace_state", prefix, states, f->spaces[i].state);
	}
}

static void modes_write(FILE *out, const struct facts *f, const char *name, const char *help, bool waiting)
{
	char space[LABEL_MAX];

	family(out, name, "gauge", help);
	for (size_t i = 0; i < f->spaces_count; i++) {
		const uint32_t *of = waiting ? f->metrics[i].waiting : f->metrics[i].held;

		for (int mode = LOCKSTEP_LOCK_NL; mode <= LOCKSTEP_LOCK_EX; mode++) {
			(void)fprintf(out, "%s{lockspace=\"%s\",mode=\"%s\"} %" PRIu32 "\n", name,
				      space_label(f, i, space), lockstep_mode_name(mode), of[mode]);
		}
	}
}

static const char *member_label(const struct lockstep_member_info *info, char ret[LABEL_MAX])
{
	char node[LOCKSTEP_NODE_NAME_MAX + 16];

	return label(node_text(info->name, info->nodeid, node, sizeof(node)), ret);
}

static void members_write(FILE *out, const struct facts *f, const char *name, const char *help, bool lost)
{
	char space[LABEL_MAX], node[LABEL_MAX];

	family(out, name, "gauge", help);
	for (size_t i = 0; i < f->members_count; i++) {
		const struct lockstep_member_info *info = &f->members[i].info;

		(void)fprintf(out, "%s{lockspace=\"%s\",node=\"%s\"} %" PRIu32 "\n", name,
			      space_label(f, f->members[i].space, space), member_label(info, node),
			      lost ? strcmp(info->state, "lost") == 0 : info->locks);
	}
}

static void lost_write(FILE *out, const struct facts *f)
{
	static const char name[] = "lockstep_lost_wait_seconds";
	char space[LABEL_MAX], node[LABEL_MAX], text[LOCKSTEP_NODE_NAME_MAX + 16];

	family(out, name, "gauge",
	       "How long the lockspace has waited for that node to be fenced or to come back clean.");
	for (size_t i = 0; i < f->spaces_count; i++) {
		const struct lockstep_space_metrics *m = &f->metrics[i];

		if (m->lost_nodeid != 0) {
			(void)node_text(m->lost_name, m->lost_nodeid, text, sizeof(text));
			(void)fprintf(out, "%s{lockspace=\"%s\",node=\"%s\"} %.3f\n", name,
				      space_label(f, i, space), label(text, node), (double)m->lost_ms / 1000);
		}
	}
}

static void requests_write(FILE *out, const struct facts *f)
{
	static const char granted[] = "lockstep_requests_granted_total";
	static const char refused[] = "lockstep_requests_refused_total";
	char space[LABEL_MAX];

	family(out, granted, "counter", "Requests and conversions granted in the lockspace, counted on each node.");
	for (size_t i = 0; i < f->spaces_count; i++) {
		const struct lockstep_space_metrics *m = &f->metrics[i];

		(void)space_label(f, i, space);
		(void)fprintf(out, "%s{lockspace=\"%s\",when=\"at_once\"} %" PRIu64 "\n", granted, space,
			      m->granted_at_once);
		(void)fprintf(out, "%s{lockspace=\"%s\",when=\"after_wait\"} %" PRIu64 "\n", granted, space,
			      m->granted_later);
	}
	of_spaces(out, f, "lockstep_requests_queued_total", "counter",
		  "Requests and conversions that had to be queued, counted on each node.", queued_of);
	family(out, refused, "counter", "Requests and conversions not granted, counted on each node.");
	for (size_t i = 0; i < f->spaces_count; i++) {
		const struct lockstep_space_metrics *m = &f->metrics[i];
		const struct {
			const char *reason;
			uint64_t count;
		} of[] = { { "busy", m->refused_busy },
			   { "deadlock", m->refused_deadlock },
			   { "timeout", m->timed_out },
			   { "cancel", m->cancelled } };

		for (size_t j = 0; j < sizeof(of) / sizeof(of[0]); j++) {
			(void)fprintf(out, "%s{lockspace=\"%s\",reason=\"%s\"} %" PRIu64 "\n", refused,
				      space_label(f, i, space), of[j].reason, of[j].count);
		}
	}
}

/* --- families: who waits ----------------------------------------------------------------- */

static void waits_write(FILE *out, const struct facts *f)
{
	static const uint64_t bounds[] = LOCKSTEP_WAIT_BOUNDS_MS;
	static const char name[] = "lockstep_wait_seconds";
	char space[LABEL_MAX];

	family(out, name, "histogram",
	       "How long requests of this node's programs were queued, to a tenth of a second.");
	for (size_t i = 0; i < f->spaces_count; i++) {
		const struct lockstep_space_metrics *m = &f->metrics[i];
		uint64_t count = 0;

		(void)space_label(f, i, space);
		for (size_t j = 0; j < LOCKSTEP_WAIT_BUCKETS - 1; j++) {
			count += m->waits[j];
			(void)fprintf(out, "%s_bucket{lockspace=\"%s\",le=\"%g\"} %" PRIu64 "\n", name,
				      space, (double)bounds[j] / 1000, count);
		}
		count += m->waits[LOCKSTEP_WAIT_BUCKETS - 1];
		(void)fprintf(out, "%s_bucket{lockspace=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, space, count);
		(void)fprintf(out, "%s_sum{lockspace=\"%s\"} %.3f\n", name, space, (double)m->waits_ms / 1000);
		(void)fprintf(out, "%s_count{lockspace=\"%s\"} %" PRIu64 "\n", name, space, count);
	}
}

/* The node, program and pid of one of the two, as labels with @prefix. */
static void owner_write(FILE *out, const char *prefix, const struct lockstep_lock_info *lock)
{
	char node[LOCKSTEP_NODE_NAME_MAX + 16], comm[ESCAPED_MAX(LOCKSTEP_COMM_MAX)], text[LABEL_MAX];

	(void)node_text(lock->node_name, lock->nodeid, node, sizeof(node));
	(void)fprintf(out, ",%s_node=\"%s\"", prefix, label(node, text));
	(void)bytes_escape(lock->comm, strlen(lock->comm), true, comm);
	(void)fprintf(out, ",%s=\"%s\",%s_pid=\"%" PRIu32 "\"", prefix, label(comm, text), prefix, lock->pid);
}

static void oldest_write(FILE *out, const struct facts *f)
{
	static const char age[] = "lockstep_oldest_wait_seconds";
	static const char who[] = "lockstep_oldest_wait_info";
	char space[LABEL_MAX], name[NAME_TEXT_MAX], text[LABEL_MAX];

	family(out, age, "gauge", "How long the request of this node that was queued first has been; 0: none is.");
	for (size_t i = 0; i < f->spaces_count; i++) {
		(void)fprintf(out, "%s{lockspace=\"%s\"} %.3f\n", age, space_label(f, i, space),
			      f->metrics[i].has_oldest ? (double)f->metrics[i].oldest_ms / 1000 : 0.0);
	}
	family(out, who, "gauge",
	       "What that request is for, and who stands in its way: as a holder, or queued before it (by_order).");
	for (size_t i = 0; i < f->spaces_count; i++) {
		const struct lockstep_space_metrics *m = &f->metrics[i];

		if (!m->has_oldest || m->oldest_ms < INFO_FROM_MS) {
			continue;
		}
		(void)bytes_escape(m->oldest.name, m->oldest.name_len, true, name);
		(void)fprintf(out, "%s{lockspace=\"%s\",name=\"%s\",mode=\"%s\"", who, space_label(f, i, space),
			      label(name, text), lockstep_mode_name(m->oldest.requested));
		owner_write(out, "waiter", &m->oldest);
		if (m->has_blocker) {
			const struct lockstep_lock_info *b = &m->blocker.lock;

			owner_write(out, "holder", b);
			(void)fprintf(out, ",holder_mode=\"%s\",holder_lost=\"%d\",by_order=\"%d\"",
				      lockstep_mode_name(b->granted), b->lost, m->blocker.by_order);
		}
		(void)fprintf(out, "} 1\n");
	}
}

static void facts_write(FILE *out, const struct facts *f)
{
	daemon_write(out, f);
	counters_write(out, f);
	states_write(out, f);
	of_spaces(out, f, "lockstep_lockspace_generation", "gauge", "Recoveries of the lockspace so far.",
		  generation_of);
	of_spaces(out, f, "lockstep_lockspace_members", "gauge", "Nodes in the lockspace.", members_of);
	of_spaces(out, f, "lockstep_lockspace_lost_members", "gauge",
		  "Nodes that failed and whose locks are still there.", lost_members_of);
	of_spaces(out, f, "lockstep_lockspace_resources", "gauge", "Names that are locked.", resources_of);
	of_spaces(out, f, "lockstep_lockspace_sessions", "gauge", "Sessions of all nodes.", sessions_of);
	of_spaces(out, f, "lockstep_lockspace_local_sessions", "gauge", "Sessions of this node.",
		  local_sessions_of);
	modes_write(out, f, "lockstep_locks_held", "Locks of all nodes by the mode they hold.", false);
	modes_write(out, f, "lockstep_locks_waiting", "Locks of all nodes that wait, by the mode they wait for.", true);
	of_spaces(out, f, "lockstep_locks_orphaned", "gauge", "Locks whose program has ended and left them.",
		  orphans_of);
	members_write(out, f, "lockstep_member_locks", "Locks of that node.", false);
	members_write(out, f, "lockstep_member_lost", "That node failed, and is neither fenced nor back clean.", true);
	lost_write(out, f);
	requests_write(out, f);
	of_spaces(out, f, "lockstep_blocking_callbacks_total", "counter",
		  "Blocking callbacks sent in the lockspace, counted on each node.", blocking_callbacks_of);
	of_spaces(out, f, "lockstep_deadlock_searches_total", "counter",
		  "Searches for a deadlock, counted on each node.", deadlock_searches_of);
	of_spaces(out, f, "lockstep_deadlock_victims_total", "counter",
		  "Requests given up for one, counted on each node.", deadlock_victims_of);
	waits_write(out, f);
	oldest_write(out, f);
}

int metrics_write(struct cli *cli, FILE *out)
{
	struct facts facts = { .spaces_count = 0 };
	struct lockstep_admin *a;
	int code = admin_open(cli, &a);

	if (code == EXIT_OK) {
		int error = facts_get(a, &facts);

		lockstep_admin_close(a);
		code = error ? fail(error, "metrics") : EXIT_OK;
	}
	gauge(out, "lockstep_up", "The daemon has answered.", code == EXIT_OK);
	if (code == EXIT_OK) {
		facts_write(out, &facts);
	}
	facts_done(&facts);
	return code;
}

/* --- the verb ---------------------------------------------------------------------------- */

/* Whoever reads @path meanwhile sees the old text or the new one, whole. */
static int file_write(struct cli *cli, const char *path)
{
	char *temporary;
	int code;

	if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	FILE *out = fopen(temporary, "we");

	if (!out) {
		code = fail(-errno, "%s", temporary);
		free(temporary);
		return code;
	}
	code = metrics_write(cli, out);
	bool written = !ferror(out);

	written &= fclose(out) == 0;
	if (!written || rename(temporary, path) < 0) {
		code = fail(errno ? -errno : -EIO, "%s", path);
		(void)unlink(temporary);
	}
	free(temporary);
	return code;
}

int verb_metrics(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS,
		{ "output", required_argument, NULL, 'o' },
		{ "http", no_argument, NULL, 'H' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL;
	bool http = false;
	int option;

	while ((option = getopt_long(argc, argv, "ho:", options, NULL)) >= 0) {
		int code = option == 'o' || option == 'H' ? -1 : option_common(cli, verb, option);

		if (code >= 0) {
			return code;
		}
		path = option == 'o' ? optarg : path;
		http |= option == 'H';
	}
	if (optind < argc) {
		return usage_error(verb, "unexpected argument: %s", argv[optind]);
	}
	if (http && path) {
		return usage_error(verb, "--http and --output exclude each other");
	}
	if (http) {
		return metrics_http(cli);
	}
	if (path) {
		return file_write(cli, path);
	}
	int code = metrics_write(cli, stdout);
	int end = output_end();

	return code ? code : end;
}
