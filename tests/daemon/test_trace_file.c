/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The writer of traces when it cannot write: it asks for a new beginning by itself, not too often, keeps
 * what it had, and never lets records follow a gap. A limit of the size of files plays the full disk. Time
 * is the test's own.
 */
#include "config.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "plugin/daemon/daemon.h"
#include "plugin/daemon/settings.h"
#include "plugin/daemon/trace_file.h"
#include "plugin/node/trace.h"

static struct settings settings;
static struct daemon owner;
static struct trace_files *files;
static char dir[] = "/tmp/lockstep-trace.XXXXXX";
static uint64_t now;
static unsigned int restarts;

/* In the place of the node's. */
void node_trace_restart(struct node *n, const char *space)
{
	assert_non_null(n);
	assert_string_equal(space, "default");
	restarts++;
}

static void write_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void idle_wait(void)
{
	while (!trace_files_idle(files)) {
		(void)sched_yield();
	}
}

static void record(enum trace_type type, size_t size)
{
	static const uint8_t bytes[8192];
	struct node_action a = { .type = NODE_ACTION_TRACE,
				 .name = "default",
				 .value = (uint32_t)type,
				 .data = bytes,
				 .size = size };

	trace_files_write(files, &a);
	idle_wait();
}

static long file_size(const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

/* Ticks until a restart is asked for; how many ms that took, or @most. */
static uint64_t until_restart(uint64_t most)
{
	uint64_t start = now;
	unsigned int before = restarts;

	while (restarts == before && now - start < most) {
		now += 100;
		trace_files_tick(files, now);
	}
	return now - start;
}

static int setup(void **state)
{
	(void)state;
	now = 1000000;
	restarts = 0;
	(void)strcpy(dir + strlen(dir) - 6, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	settings.trace_dir = dir;
	settings.trace_bytes = 1u << 20;
	owner.settings = &settings;
	owner.node = (struct node *)&owner; /* only handed on */
	assert_int_equal(trace_files_open(&owner, &files), 0);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "default.trace", "default.trace.1" };
	char path[128];

	(void)state;
	write_limit(RLIM_INFINITY);
	files = trace_files_free(files);
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

static void a_trace_that_can_be_written_is_left_alone(void **state)
{
	(void)state;
	record(TRACE_BEGIN, 100);
	record(TRACE_OP, 50);
	assert_int_equal(until_restart(600000), 600000);
	assert_int_equal(file_size("default.trace"), 150);
}

static void after_a_full_disk_it_begins_anew_and_keeps_what_was_before(void **state)
{
	(void)state;
	record(TRACE_BEGIN, 100);
	record(TRACE_OP, 900);
	write_limit(1000);
	record(TRACE_OP, 50);
	write_limit(RLIM_INFINITY);
	record(TRACE_OP, 60);
	trace_files_tick(files, now);
	record(TRACE_OP, 60);
	assert_int_equal(file_size("default.trace"), 1000);
	assert_in_range(until_restart(600000), 1000, 1200);
	record(TRACE_END, 70);
	assert_int_equal(file_size("default.trace"), 1000);
	record(TRACE_BEGIN, 200);
	record(TRACE_OP, 30);
	assert_int_equal(file_size("default.trace"), 230);
	assert_int_equal(file_size("default.trace.1"), 1000);
	assert_int_equal(until_restart(600000), 600000);
}

static void while_the_disk_stays_full_it_asks_less_and_less_often(void **state)
{
	uint64_t start;

	(void)state;
	record(TRACE_BEGIN, 100);
	record(TRACE_OP, 900);
	write_limit(700);
	record(TRACE_OP, 50);
	start = now;
	while (now - start < 3600000) {
		(void)until_restart(3600000);
		record(TRACE_BEGIN, 5000);
		record(TRACE_OP, 50);
	}
	/* One a minute, and those of the first minute. */
	assert_in_range(restarts, 55, 67);
	assert_int_equal(file_size("default.trace.1"), 1000);
	write_limit(RLIM_INFINITY);
	assert_in_range(until_restart(600000), 100, 60200);
	record(TRACE_BEGIN, 5000);
	record(TRACE_OP, 50);
	assert_int_equal(file_size("default.trace"), 5050);
	assert_int_equal(file_size("default.trace.1"), 1000);
	assert_int_equal(until_restart(600000), 600000);
	/* After a long time of peace as if for the first time. */
	write_limit(5050);
	record(TRACE_OP, 50);
	assert_in_range(until_restart(600000), 1000, 1200);
}

static void what_has_ended_keeps_no_descriptor(void **state)
{
	(void)state;
	int lowest = dup(0);

	close(lowest);
	record(TRACE_BEGIN, 100);
	record(TRACE_OP, 50);
	record(TRACE_END, 70);

	int again = dup(0);

	close(again);
	assert_int_equal(again, lowest);
	assert_int_equal(file_size("default.trace"), 220);
	record(TRACE_BEGIN, 100);
	assert_int_equal(file_size("default.trace.1"), 220);
}

/* The lockspace may have no state just then, or too much of it. */
static void a_request_without_an_answer_is_repeated(void **state)
{
	(void)state;
	record(TRACE_BEGIN, 100);
	write_limit(100);
	record(TRACE_OP, 50);
	write_limit(RLIM_INFINITY);
	assert_in_range(until_restart(600000), 1000, 1200);
	assert_in_range(until_restart(600000), 900, 60000);
	record(TRACE_BEGIN, 100);
	assert_int_equal(until_restart(600000), 600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_trace_that_can_be_written_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(after_a_full_disk_it_begins_anew_and_keeps_what_was_before,
						setup, teardown),
		cmocka_unit_test_setup_teardown(while_the_disk_stays_full_it_asks_less_and_less_often, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_has_ended_keeps_no_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(a_request_without_an_answer_is_repeated, setup, teardown),
	};

	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
