/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows that the rules of the access file decide who may do what: the first that fits, for users and groups,
 * patterns and operations, over both transports; that without one everything is as before (R-LS-10); that SIGHUP
 * reads it again and a file with an error changes nothing. Users are played by children that change their ids. What
 * is wrong with a file is shown by test_config.sh.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/daemon/rig.h"

#define ALICE 50001
#define BOB 50002
#define STAFF 50009

struct fixture {
	struct rig rig;
	char path[96];
};

static void rules_write(const struct fixture *f, const char *rules)
{
	FILE *file = fopen(f->path, "w");

	assert_non_null(file);
	fputs(rules, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(f->path, 0644), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char more[256];

	rig_init(&f->rig, NULL);
	assert_int_equal(chmod(f->rig.dir, 0755), 0);
	snprintf(f->path, sizeof(f->path), "%s/access", f->rig.dir);
	snprintf(more, sizeof(more),
		 "access_file = %s\nlockspaces = default batch-1\nsocket = %s/sock\nsocket_mode = 0666\n", f->path,
		 f->rig.dir);
	rig_configure(&f->rig, more);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rig_done(&f->rig);
	free(f);
	return 0;
}

static void start(struct fixture *f, const char *rules)
{
	if (geteuid() != 0) {
		skip();
	}
	rules_write(f, rules);
	rig_start(&f->rig);
	assert_true(rig_state_reached(&f->rig, "ok"));
}

/* --- what a user may do -------------------------------------------------------------------- */

typedef int (*attempt_fn)(const struct lockstep_options *o, const char *space);

static int opens(const struct lockstep_options *o, const char *space)
{
	struct lockstep_session *s;
	int error = lockstep_open(space, 0, o, &s);

	if (error == 0) {
		lockstep_close(s);
	}
	return error;
}

static int opens_and_creates(const struct lockstep_options *o, const char *space)
{
	struct lockstep_session *s;
	int error = lockstep_open(space, LOCKSTEP_OPEN_CREATE, o, &s);

	if (error == 0) {
		lockstep_close(s);
	}
	return error;
}

static int administrates(const struct lockstep_options *o, int (*verb)(struct lockstep_admin *a, const char *space),
			 const char *space)
{
	struct lockstep_admin *a;
	int error = lockstep_admin_open(o, &a);

	if (error == 0) {
		error = verb(a, space);
		lockstep_admin_close(a);
	}
	return error;
}

static int create(struct lockstep_admin *a, const char *space)
{
	return lockstep_admin_space_create(a, space, 0, 0);
}

static int release(struct lockstep_admin *a, const char *space)
{
	return lockstep_admin_space_release(a, space, 0);
}

static int release_by_force(struct lockstep_admin *a, const char *space)
{
	return lockstep_admin_space_release(a, space, 2);
}

static int acknowledge(struct lockstep_admin *a, const char *space)
{
	(void)space;
	return lockstep_admin_fence_ack(a, 4711); /* allowed: there is no such node */
}

static int nothing(const struct lockstep_lock_info *info, void *arg)
{
	(void)info;
	(void)arg;
	return 0;
}

static int list(struct lockstep_admin *a, const char *space)
{
	return lockstep_admin_locks(a, space, NULL, 0, nothing, NULL);
}

static int space_compare(const struct lockstep_space_info *info, void *arg)
{
	return strcmp(info->name, arg) == 0;
}

static int find(struct lockstep_admin *a, const char *space)
{
	return lockstep_admin_spaces(a, space_compare, (void *)(uintptr_t)space) == 1 ? 0 : -ENOENT;
}

#define ADMIN(verb, name)                                                                                    \
	static int name(const struct lockstep_options *o, const char *space)                              \
	{                                                                                                    \
		return administrates(o, verb, space);                                                        \
	}
ADMIN(create, creates)
ADMIN(release, releases)
ADMIN(release_by_force, forces_out)
ADMIN(acknowledge, acknowledges)
ADMIN(list, lists)
ADMIN(find, finds)

/* Its error, positive. */
static int as(const struct fixture *f, uid_t uid, gid_t gid, attempt_fn attempt, const char *space, bool by_socket)
{
	struct lockstep_options o = f->rig.options;
	char path[96];
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		snprintf(path, sizeof(path), "%s/sock", f->rig.dir);
		if (by_socket) {
			o.ipc_name = path;
		}
		if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0) {
			_exit(255);
		}
		_exit(-attempt(&o, space));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The same by both ways in. */
#define may(f, uid, gid, attempt, space, result)                                                             \
	do {                                                                                                 \
		assert_int_equal(as(f, uid, gid, attempt, space, false), result);                            \
		assert_int_equal(as(f, uid, gid, attempt, space, true), result);                             \
	} while (0)

/* --- tests ----------------------------------------------------------------------------------- */

static void the_first_rule_that_fits_decides(void **state)
{
	struct fixture *f = *state;

	start(f, "# comment\n\n"
		 "allow uid:50001  batch-*  lock\n"
		 "deny  *          batch-*  lock,view\n"
		 "allow gid:50009  *        lock\n");
	may(f, ALICE, ALICE, opens, "batch-1", 0);
	may(f, BOB, STAFF, opens, "batch-1", EACCES);
	may(f, BOB, STAFF, opens, "default", 0);
	may(f, ALICE, ALICE, opens, "default", EACCES); /* by its permission bits */
	may(f, BOB, BOB, opens, "default", EACCES); /* allowed nothing: no connection at all */
	assert_true(rig_logged(&f->rig, "uid 50002: refused by a rule"));
	/* What may not be viewed is not there. */
	may(f, BOB, STAFF, lists, "batch-1", EACCES);
	may(f, BOB, STAFF, finds, "batch-1", ENOENT);
	may(f, BOB, STAFF, lists, "default", 0);
	may(f, BOB, STAFF, finds, "default", 0);
	/* Root is above it. */
	may(f, 0, 0, opens, "batch-1", 0);
	may(f, 0, 0, lists, "batch-1", 0);
}

static void each_operation_is_allowed_by_itself(void **state)
{
	struct fixture *f = *state;

	start(f, "allow uid:50001 a? create,lock\n"
		 "allow uid:50002 * admin\n"
		 "allow gid:50009 * view\n");
	may(f, ALICE, ALICE, opens_and_creates, "ab", 0);
	may(f, ALICE, ALICE, opens_and_creates, "abc", EPERM);
	may(f, ALICE, ALICE, creates, "ac", 0);
	may(f, ALICE, ALICE, creates, "b", EPERM);
	may(f, ALICE, ALICE, forces_out, "ac", EPERM);
	may(f, ALICE, ALICE, releases, "ac", 0); /* twice made, twice released */
	may(f, ALICE, ALICE, acknowledges, NULL, EPERM);
	may(f, BOB, BOB, acknowledges, NULL, ENOENT);
	may(f, BOB, BOB, creates, "ad", EPERM);
	may(f, BOB, BOB, opens, "default", EACCES);
	assert_int_equal(as(f, BOB, BOB, forces_out, "ab", true), 0);
	may(f, BOB + 1, STAFF, lists, "default", 0);
	may(f, BOB + 1, STAFF, creates, "ad", EPERM);
	may(f, BOB + 1, STAFF, acknowledges, NULL, EPERM);
}

static void a_hangup_reads_it_again_and_an_error_changes_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, "allow uid:50001 * lock\n");
	may(f, ALICE, ALICE, opens, "default", 0);
	rules_write(f, "allow uid:50001 * lock\nallow uid:50002 * lock,drink\n");
	rig_signal(&f->rig, SIGHUP);
	assert_true(rig_logged(&f->rig, "access:2: 'drink' is none of"));
	may(f, ALICE, ALICE, opens, "default", 0);
	may(f, BOB, BOB, opens, "default", EACCES);
	rules_write(f, "allow uid:50002 * lock\n");
	rig_signal(&f->rig, SIGHUP);
	assert_true(rig_logged(&f->rig, "read the access rules"));
	may(f, ALICE, ALICE, opens, "default", EACCES);
	may(f, BOB, BOB, opens, "default", 0);
	/* Rules that others can write are none. */
	assert_int_equal(chmod(f->path, 0666), 0);
	rig_signal(&f->rig, SIGHUP);
	assert_true(rig_logged(&f->rig, "can change it"));
	may(f, BOB, BOB, opens, "default", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_rule_that_fits_decides, setup, teardown),
		cmocka_unit_test_setup_teardown(each_operation_is_allowed_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hangup_reads_it_again_and_an_error_changes_nothing, setup,
						teardown),
	};

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
