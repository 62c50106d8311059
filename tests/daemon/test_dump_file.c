/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * R-DIG-2: the daemon keeps what it had when replicas differed, the latest first, no more than
 * DUMP_FILES_MAX per lockspace, in trace_dir or else in state_dir; and lives on when it cannot.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugin/daemon/daemon.h"
#include "plugin/daemon/dump_file.h"
#include "plugin/daemon/settings.h"

static struct settings settings;
static struct daemon owner;
static char dir[] = "/tmp/lockstep-dump.XXXXXX";

static void dump(const char *space, char letter)
{
	uint8_t bytes[100];
	struct node_action a = { .type = NODE_ACTION_DUMP, .name = space, .value = 3, .data = bytes,
				 .size = sizeof(bytes) };

	memset(bytes, letter, sizeof(bytes));
	dump_file_write(&owner, &a);
}

/* Its first byte; 0: there is none, or not of that size. */
static char first_of(const char *name)
{
	char path[160];
	struct stat st;
	char c = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "re");

	if (!f) {
		return 0;
	}
	assert_int_equal(fstat(fileno(f), &st), 0);
	assert_int_equal(st.st_size, 100);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fread(&c, 1, 1, f), 1);
	(void)fclose(f);
	return c;
}

static void the_latest_come_first_and_the_oldest_go(void **state)
{
	(void)state;
	settings.trace_dir = dir;
	for (char c = 'a'; c <= 'f'; c++) {
		dump("default", c);
	}
	assert_int_equal(first_of("default.differs.1"), 'f');
	assert_int_equal(first_of("default.differs.2"), 'e');
	assert_int_equal(first_of("default.differs.4"), 'c');
	assert_int_equal(first_of("default.differs.5"), 0);
	assert_int_equal(first_of("default.differs.0"), 0);
	dump("other", 'x');
	assert_int_equal(first_of("other.differs.1"), 'x');
	assert_int_equal(first_of("default.differs.1"), 'f');
}

static void without_traces_they_are_with_the_state(void **state)
{
	(void)state;
	settings.trace_dir = NULL;
	settings.state_dir = dir;
	dump("third", 'y');
	assert_int_equal(first_of("third.differs.1"), 'y');
}

static void what_cannot_be_written_takes_nothing_away(void **state)
{
	static char nowhere[] = "/nonexistent/lockstep";
	char path[160];

	(void)state;
	settings.trace_dir = dir;
	dump("fourth", 'p');
	/* The place of the new one is taken. */
	(void)snprintf(path, sizeof(path), "%s/fourth.differs.0", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	dump("fourth", 'q');
	assert_int_equal(first_of("fourth.differs.1"), 'p');
	assert_int_equal(rmdir(path), 0);
	settings.trace_dir = nowhere;
	dump("fourth", 'r');
	assert_int_equal(first_of("fourth.differs.1"), 'p');
}

static void a_table_that_is_too_large_leaves_no_file(void **state)
{
	struct node_action a = { .type = NODE_ACTION_DUMP, .name = "fifth", .value = 3 };

	(void)state;
	settings.trace_dir = dir;
	dump_file_write(&owner, &a);
	assert_int_equal(first_of("fifth.differs.1"), 0);
}

static int begin(void **state)
{
	(void)state;
	owner.settings = &settings;
	return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
	char command[160];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_come_first_and_the_oldest_go),
		cmocka_unit_test(without_traces_they_are_with_the_state),
		cmocka_unit_test(what_cannot_be_written_takes_nothing_away),
		cmocka_unit_test(a_table_that_is_too_large_leaves_no_file),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
