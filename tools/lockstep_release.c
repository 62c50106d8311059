/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep release --force: a lock whose owner cannot let go any more, and only such a one.
 *
 *  - An orphan was left on purpose by a program that has ended (PERSISTENT). It is taken over and
 *    released, which only its own node can do (R-ORPH-1).
 *  - What a lost node holds may still be used by a program that runs there. Only the word that the
 *    node is down releases it, and that word is fence-ack's: this verb refuses and says so.
 *  - A program that lives holds its lock rightly. Who wants it gone ends the program.
 */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "tools/lockstep.h"

#define TEXT_MAX 256

struct release {
	struct cli *cli;
	uint8_t name[LOCKSTEP_NAME_MAX];
	size_t name_len;
	char name_text[NAME_TEXT_MAX];
	struct lock_list locks;
	uint32_t nodeid; /* this node */
};

static void refuse(const struct release *r, const struct lockstep_lock_info *lock)
{
	char owner[TEXT_MAX], node[LOCKSTEP_NODE_NAME_MAX + 16];

	(void)owner_text(lock, owner, sizeof(owner));
	(void)node_text(lock->node_name, lock->nodeid, node, sizeof(node));
	if (lock->lost) {
		complain("\"%s\" is held in mode %s by %s, and that node is lost: it may still run "
			 "there. It is released when the node is known to be down: lockstep "
			 "fence-ack NODE, after looking at the machine",
			 r->name_text, lockstep_mode_name(lock->granted), owner);
	} else if (lock->session == 0) {
		complain("\"%s\" is held in mode %s by %s: orphans are released on their own node",
			 r->name_text, lockstep_mode_name(lock->granted), owner);
	} else {
		complain("\"%s\" is held in mode %s by %s, which lives: end that process, and the "
			 "lock goes with it",
			 r->name_text, lockstep_mode_name(lock->granted), owner);
	}
}

/* The orphan that is taken over is the oldest one of its mode; there is nothing to tell them apart by. */
static int orphan_release(struct release *r, struct lockstep_session *session, int mode)
{
	struct lockstep_lksb lksb = { .lvb = NULL };
	int error = lockstep_lock_wait(session, mode, &lksb, LOCKSTEP_LKF_ORPHAN, r->name,
				       r->name_len, NULL, NULL, -1);

	if (error == -ENOENT || error == -EAGAIN) {
		complain("an orphan of \"%s\" in mode %s was there and is gone", r->name_text,
			 lockstep_mode_name(mode));
		return EXIT_OK;
	}
	if (error == 0) {
		error = lockstep_unlock_wait(session, lksb.lkid, 0, NULL);
	}
	return error ? fail(error, "release \"%s\"", r->name_text) : EXIT_OK;
}

static bool is_mine(const struct release *r, const struct lockstep_lock_info *lock)
{
	return lock->session == 0 && !lock->lost && lock->nodeid == r->nodeid;
}

static int orphans_release(struct release *r)
{
	struct lockstep_session *session;
	char owner[TEXT_MAX], since[TEXT_MAX];
	int error = lockstep_open(r->cli->space, 0, &r->cli->options, &session);
	int code = EXIT_OK;

	if (error) {
		return list_failed(r->cli, error);
	}
	for (size_t i = 0; code == EXIT_OK && i < r->locks.count; i++) {
		const struct lockstep_lock_info *lock = &r->locks.lock[i];

		if (is_mine(r, lock)) {
			code = orphan_release(r, session, lock->granted);
			if (code == EXIT_OK) {
				(void)printf("released: %s in mode %s, %s since %s, token %" PRIu64
					     "\n",
					     r->name_text, lockstep_mode_name(lock->granted),
					     owner_text(lock, owner, sizeof(owner)),
					     since_text(lock->time_ms, since, sizeof(since)),
					     lock->token);
			}
		}
	}
	lockstep_close(session);
	return code == EXIT_OK ? output_end() : code;
}

static int release_run(struct release *r, struct lockstep_admin *a)
{
	struct lockstep_status status;
	size_t mine = 0, others = 0;
	int error = lockstep_admin_status(a, &status);

	if (error == 0) {
		r->nodeid = status.nodeid;
		error = lockstep_admin_locks(a, r->cli->space, r->name, r->name_len, lock_list_add,
					     &r->locks);
	}
	if (error) {
		return list_failed(r->cli, error);
	}
	for (size_t i = 0; i < r->locks.count; i++) {
		const struct lockstep_lock_info *lock = &r->locks.lock[i];

		if (is_mine(r, lock)) {
			mine++;
		} else if (lock->granted != LOCKSTEP_LOCK_IV) {
			refuse(r, lock);
			others++;
		}
	}
	if (mine == 0) {
		if (others == 0) {
			complain("nobody holds \"%s\"", r->name_text);
		}
		return EXIT_FAILED;
	}
	int code = orphans_release(r);

	return code == EXIT_OK && others > 0 ? EXIT_FAILED : code;
}

int verb_release(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS, SPACE_OPTION, { "force", no_argument, NULL, 'f' }, { NULL, 0, NULL, 0 },
	};
	struct release r = { .cli = cli };
	bool force = false;
	int option;

	while ((option = getopt_long(argc, argv, "hs:f", options, NULL)) >= 0) {
		int code = option == 'f' ? -1 : option_common(cli, verb, option);

		force |= option == 'f';
		if (code >= 0) {
			return code;
		}
	}
	int code = name_argument(verb, argc, argv, r.name, &r.name_len);

	if (code >= 0) {
		return code;
	}
	if (!force) {
		return usage_error(verb, "this takes a lock away; look at it with lockstep explain, "
					 "then say --force");
	}
	struct lockstep_admin *a;

	(void)bytes_escape(r.name, r.name_len, false, r.name_text);
	code = admin_open(cli, &a);
	if (code == EXIT_OK) {
		progress_begin("releasing \"%s\"", r.name_text);
		code = release_run(&r, a);
		progress_end();
		lock_list_done(&r.locks);
		lockstep_admin_close(a);
	}
	return code;
}
