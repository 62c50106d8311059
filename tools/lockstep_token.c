/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep check-token: does this fencing token belong to a lock that is held now? For scripts that
 * guard a resource and get a token along with each request.
 *
 * A program is told that it holds a lock only when every member knows it (R-STAB-2). So a node that has
 * passed its view point knows every token that was ever told, and one that it does not find among the
 * granted locks is stale. A node that is not running cannot know. A number above the lockspace's seq has
 * not been given out.
 *
 * A slow view point raises the tokens of what is granted (R-VIEW-2), because storage may have seen
 * larger ones of the part that is gone. A token told before then compares as stale, although its lock
 * is still held: to the storage it may be, and refusing is the safe side. Its owner gets a token
 * that counts by taking the lock anew.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256

struct check {
	const char *space;
	uint64_t token;
	struct lockstep_space_info info;
	bool found;
	struct lock_list locks;
};

static int space_find(const struct lockstep_space_info *info, void *arg)
{
	struct check *c = arg;

	if (strcmp(info->name, c->space) == 0) {
		c->info = *info;
		c->found = true;
	}
	return 0;
}

static int state_get(struct lockstep_admin *a, struct check *c)
{
	c->found = false;
	int error = lockstep_admin_spaces(a, space_find, c);

	return error ? error : c->found ? 0 : -ENOENT;
}

/* Has it passed its view point? With lost nodes around it is "recovering" from then on until they are known to be
 * down, which may take long; it knows all that was told nevertheless. */
static bool settled(const struct check *c)
{
	return strcmp(c->info.state, "running") == 0 || strcmp(c->info.state, "recovering") == 0;
}

/* The granted lock with the token, or NULL; *ret_largest: of all that are granted. */
static const struct lockstep_lock_info *token_find(const struct check *c, uint64_t *ret_largest)
{
	const struct lockstep_lock_info *found = NULL;

	*ret_largest = 0;
	for (size_t i = 0; i < c->locks.count; i++) {
		const struct lockstep_lock_info *lock = &c->locks.lock[i];

		if (lock->granted == LOCKSTEP_LOCK_IV) {
			continue;
		}
		if (lock->token > *ret_largest) {
			*ret_largest = lock->token;
		}
		/* Locks granted by one op share a number (R-TOK-1): the most severe one is told. */
		if (lock->token == c->token && (!found || lock->granted > found->granted)) {
			found = lock;
		}
	}
	return found;
}

static int verdict(const struct cli *cli, const struct check *c, bool known)
{
	char owner[TEXT_MAX], text[2 * TEXT_MAX];
	uint64_t largest;
	const struct lockstep_lock_info *lock = token_find(c, &largest);
	const char *word = "current";
	int code = EXIT_OK;

	if (!known) {
		word = "unknown";
		code = EXIT_NOT_ACQUIRED;
		(void)snprintf(text, sizeof(text), "lockspace %s is %s", c->info.name,
			       c->info.state);
	} else if (lock) {
		(void)snprintf(text, sizeof(text), "held in mode %s by %s%s",
			       lockstep_mode_name(lock->granted),
			       owner_text(lock, owner, sizeof(owner)),
			       lock->lost ? "; its node is lost" : "");
	} else if (c->token > c->info.seq) {
		word = "unknown";
		code = EXIT_NOT_ACQUIRED;
		(void)snprintf(text, sizeof(text), "lockspace %s has not given out that number yet",
			       c->info.name);
	} else {
		word = "stale";
		code = EXIT_LOST;
		if (largest > 0) {
			(void)snprintf(text, sizeof(text),
				       "the largest token that is held is %" PRIu64, largest);
		} else {
			(void)snprintf(text, sizeof(text), "nobody holds that lock");
		}
	}
	if (cli->json) {
		struct json_object *o = json_object_new_object();

		json_put(o, "verdict", json_object_new_string(word));
		json_put(o, "reason", json_object_new_string(text));
		json_put(o, "token", json_object_new_uint64(c->token));
		json_put(o, "largest", json_object_new_uint64(largest));
		if (lock && known) {
			json_put(o, "lock", json_lock(lock));
		}
		(void)json_print(o);
	} else {
		(void)printf("%s: %s\n", word, text);
	}
	/* A verdict that nobody could read is none. */
	return output_end() == EXIT_OK ? code : EXIT_FAILED;
}

int verb_check_token(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	struct check c = { .token = 0 };
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	int code = options_plain(cli, verb, argc, argv);

	if (code >= 0) {
		return code;
	}
	if (argc - optind != 2) {
		return usage_error(verb, argc - optind < 2 ? "NAME and TOKEN, please"
							   : "one NAME and one TOKEN only");
	}
	if (name_parse(argv[optind], name, &name_len) < 0) {
		return usage_error(verb, "not a resource name: %s", argv[optind]);
	}
	if (number_parse(argv[optind + 1], 10, UINT64_MAX, &c.token) < 0) {
		return usage_error(verb, "not a token: %s", argv[optind + 1]);
	}
	struct lockstep_admin *a;

	code = admin_open(cli, &a);
	if (code) {
		return code;
	}
	c.space = cli->space;
	progress_begin("asking for the holders");
	int error = state_get(a, &c);
	bool known = error == 0 && settled(&c);
	uint64_t epoch = c.info.epoch;

	if (error == 0) {
		error = lockstep_admin_locks(a, cli->space, name, name_len, lock_list_add, &c.locks);
	}
	/* The list counts only if the view stood while it was made; then seq covers it, too. */
	if (error == 0) {
		error = state_get(a, &c);
		known = known && error == 0 && settled(&c) && c.info.epoch == epoch;
	}
	progress_end();
	code = error ? list_failed(cli, error) : verdict(cli, &c, known);
	lock_list_done(&c.locks);
	lockstep_admin_close(a);
	return code;
}
