/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several verbs of lockstep(1) do alike: plain options, names, numbers, lists of locks. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/lockstep.h"

int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int options_plain(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, JSON_OPTION, SPACE_OPTION, { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "hs:", options, NULL)) >= 0) {
		int code = option_common(cli, verb, option);

		if (code >= 0) {
			return code;
		}
	}
	return -1;
}

int number_parse(const char *text, int base, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || end == text || *end || strchr(text, '-') || value > max) {
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

int name_argument(const struct verb *verb, int argc, char **argv, uint8_t *ret_name,
		  size_t *ret_len)
{
	if (argc - optind != 1) {
		return usage_error(verb, argc == optind ? "which lock? NAME is missing"
							: "one NAME only");
	}
	if (name_parse(argv[optind], ret_name, ret_len) < 0) {
		return usage_error(verb, "not a resource name: %s", argv[optind]);
	}
	return -1;
}

int list_failed(struct cli *cli, int error)
{
	if (error == -ENOENT) {
		complain("this node has no lockspace \"%s\" (see lockstep ls)", cli->space);
		return EXIT_FAILED;
	}
	return fail(error, "lockspace \"%s\"", cli->space);
}

int changes_wait(const struct lockstep_admin *a)
{
	struct pollfd p = { .fd = lockstep_admin_fd(a), .events = POLLIN };

	return poll(&p, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

int node_find(struct lockstep_admin *a, const char *name, uint64_t *ret_nodeid)
{
	uint32_t nodeid;
	int error = lockstep_admin_node_id(a, name, &nodeid);

	if (error == -ENOENT || error == -EINVAL) {
		complain("%s is no node of this cluster", name);
		return EXIT_FAILED;
	}
	if (error) {
		return fail(error, "node %s", name);
	}
	*ret_nodeid = nodeid;
	return EXIT_OK;
}

/* --- locks in memory --------------------------------------------------------------------- */

int lock_list_add(const struct lockstep_lock_info *lock, void *arg)
{
	struct lock_list *l = arg;

	progress_row();
	if (l->count == l->capacity) {
		size_t capacity = l->capacity ? l->capacity * 2 : 16;
		void *more = realloc(l->lock, capacity * sizeof(*lock));

		if (!more) {
			return -ENOMEM;
		}
		l->lock = more;
		l->capacity = capacity;
	}
	l->lock[l->count++] = *lock;
	return 0;
}

void lock_list_done(struct lock_list *list)
{
	free(list->lock);
	*list = (struct lock_list){ 0 };
}

bool lock_same(const struct lockstep_lock_info *a, const struct lockstep_lock_info *b)
{
	return a->nodeid == b->nodeid && a->lkid == b->lkid && a->session == b->session &&
	       a->queue == b->queue && a->granted == b->granted &&
	       a->requested == b->requested && a->token == b->token && a->time_ms == b->time_ms &&
	       a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}
