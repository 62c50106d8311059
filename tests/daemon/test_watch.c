/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows what a subscription promises: every change of the lock, or of the lockspace, in order; what there
 * is at the start; that a reader who is too slow is told how many changes he missed and is then shown everything anew;
 * that a state which is another one is shown anew, too; and that it ends with the lockspace and with the daemon.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/daemon/rig.h"

#define MANY 10000 /* changes; far more than the ring and the daemon keep for one watcher */
#define SUBSCRIPTIONS 65 /* one too many */
#define TEXT 512

struct seen {
	char text[TEXT]; /* a word for each change */
	uint64_t missed;
	uint64_t told;
	uint64_t token;
	bool last_is_ex;
};

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_init(r, NULL);
	rig_start(r);
	assert_true(rig_state_reached(r, "ok"));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_done(*state);
	free(*state);
	return 0;
}

static int change_see(const struct lockstep_change *c, void *arg)
{
	struct seen *s = arg;
	char word[96] = "";

	s->told++;
	switch (c->kind) {
	case LOCKSTEP_CHANGE_LOCK:
		snprintf(word, sizeof(word), "%.*s:%c%s ", c->lock.name_len, (const char *)c->lock.name, c->lock.queue,
			 lockstep_mode_name(c->lock.queue == 'G' ? c->lock.granted : c->lock.requested));
		s->last_is_ex = c->lock.granted == LOCKSTEP_LOCK_EX;
		assert_true(c->lock.token >= s->token || c->lock.queue != 'G'); /* in order */
		s->token = c->lock.token > s->token ? c->lock.token : s->token;
		break;
	case LOCKSTEP_CHANGE_GONE:
		snprintf(word, sizeof(word), "%.*s:gone ", c->lock.name_len, (const char *)c->lock.name);
		break;
	case LOCKSTEP_CHANGE_SPACE:
		snprintf(word, sizeof(word), "[%s] ", c->state);
		break;
	case LOCKSTEP_CHANGE_AGAIN:
		s->missed += c->missed;
		snprintf(word, sizeof(word), "again ");
		break;
	default:
		snprintf(word, sizeof(word), "current ");
		break;
	}
	if (strlen(s->text) + strlen(word) < sizeof(s->text)) {
		strcat(s->text, word);
	}
	return 0;
}

/* Until all of @text has come, and nothing else. */
static void expect(struct lockstep_admin *a, const char *text)
{
	struct seen s = { .told = 0 };

	while (strlen(s.text) < strlen(text)) {
		struct pollfd p = { .fd = lockstep_admin_fd(a), .events = POLLIN };

		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		assert_int_equal(lockstep_admin_changes(a, change_see, &s), 0);
	}
	assert_string_equal(s.text, text);
}

static struct lockstep_session *session_open(const struct rig *r)
{
	struct lockstep_session *s;

	assert_int_equal(lockstep_open("default", 0, &r->options, &s), 0);
	return s;
}

static void lock(struct lockstep_session *s, int mode, struct lockstep_lksb *lksb, uint32_t flags, const char *name)
{
	assert_int_equal(lockstep_lock_wait(s, mode, lksb, flags, name, strlen(name), NULL, NULL, -1), 0);
}

static void ignore(void *arg)
{
	(void)arg;
}

static struct lockstep_admin *subscribe(const struct lockstep_options *o, const char *space, const char *name)
{
	struct lockstep_admin *a;

	assert_int_equal(lockstep_admin_open(o, &a), 0);
	assert_int_equal(lockstep_admin_subscribe(a, space, name, name ? strlen(name) : 0), 0);
	return a;
}

static void each_change_of_a_lock_is_told_in_order(void **state)
{
	struct rig *r = *state;
	struct lockstep_session *one = session_open(r), *two = session_open(r);
	struct lockstep_lksb a = { .lvb = NULL }, b = { .lvb = NULL }, other = { .lvb = NULL };
	struct lockstep_admin *watch;

	lock(one, LOCKSTEP_LOCK_PR, &a, 0, "w");
	watch = subscribe(&r->options, "default", "w");
	expect(watch, "[running] again w:GPR current ");
	lock(one, LOCKSTEP_LOCK_EX, &other, 0, "not w");
	lock(one, LOCKSTEP_LOCK_EX, &a, LOCKSTEP_LKF_CONVERT, "w");
	expect(watch, "w:GEX ");
	assert_int_equal(lockstep_lock(two, LOCKSTEP_LOCK_EX, &b, 0, "w", 1, NULL, ignore, NULL), 0);
	expect(watch, "w:WEX w:GEX "); /* of the holder it is noted that he was told he blocks */
	assert_int_equal(lockstep_unlock_wait(one, a.lkid, 0, NULL), 0);
	expect(watch, "w:gone w:GEX ");
	/* A second subscription takes the place of the first. */
	assert_int_equal(lockstep_admin_subscribe(watch, "default", "not w", 5), 0);
	expect(watch, "[running] again not w:GEX current ");
	lockstep_close(two);
	lockstep_close(one);
	expect(watch, "not w:gone ");
	lockstep_admin_close(watch);
}

static void a_lockspace_is_watched_as_a_whole(void **state)
{
	struct rig *r = *state;
	struct lockstep_session *s = session_open(r);
	struct lockstep_lksb a = { .lvb = NULL }, b = { .lvb = NULL };
	struct lockstep_admin *watch, *admin;

	lock(s, LOCKSTEP_LOCK_CR, &a, 0, "before");
	watch = subscribe(&r->options, "default", NULL);
	expect(watch, "[running] again current "); /* list it, if you want to know */
	lock(s, LOCKSTEP_LOCK_EX, &b, LOCKSTEP_LKF_PERSISTENT, "left");
	expect(watch, "left:GEX ");
	/* A refusal leaves nothing behind and was nothing. */
	assert_int_equal(lockstep_unlock_wait(s, a.lkid, 0, NULL), 0);
	expect(watch, "before:gone ");
	lockstep_close(s);
	expect(watch, "left:GEX "); /* an orphan now */
	lockstep_admin_close(watch);

	assert_int_equal(lockstep_admin_open(&r->options, &admin), 0);
	assert_int_equal(lockstep_admin_space_create(admin, "short", 0, 0), 0);
	watch = subscribe(&r->options, "short", NULL);
	expect(watch, "[running] again current ");
	assert_int_equal(lockstep_admin_space_release(admin, "short", 0), 0);
	while (true) {
		struct seen seen = { .told = 0 };
		struct pollfd p = { .fd = lockstep_admin_fd(watch), .events = POLLIN };

		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		assert_int_equal(lockstep_admin_changes(watch, change_see, &seen), 0);
		if (strstr(seen.text, "[gone]")) {
			break;
		}
	}
	assert_int_equal(lockstep_admin_subscribe(watch, "short", NULL, 0), -ENOENT);
	assert_int_equal(lockstep_admin_subscribe(watch, "a/b", NULL, 0), -EINVAL);
	lockstep_admin_close(watch);
	lockstep_admin_close(admin);
}

/* What cannot be kept for a reader is counted; nothing is missing without a word, and it ends in the truth. */
static void who_reads_too_slowly_is_told_what_he_missed(const struct lockstep_options *o, struct rig *r)
{
	struct lockstep_session *s = session_open(r);
	struct lockstep_lksb held = { .lvb = NULL }, last = { .lvb = NULL };
	struct lockstep_admin *watch = subscribe(o, "default", "busy");
	struct seen seen = { .told = 0 };

	lock(s, LOCKSTEP_LOCK_NL, &held, 0, "busy");
	for (int i = 0; i < MANY; i++) {
		lock(s, i % 2 ? LOCKSTEP_LOCK_PR : LOCKSTEP_LOCK_CR, &held, LOCKSTEP_LKF_CONVERT, "busy");
	}
	lock(s, LOCKSTEP_LOCK_EX, &held, LOCKSTEP_LKF_CONVERT, "busy");
	do {
		struct pollfd p = { .fd = lockstep_admin_fd(watch), .events = POLLIN };

		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		seen.text[0] = '\0';
		assert_int_equal(lockstep_admin_changes(watch, change_see, &seen), 0);
	} while (!seen.last_is_ex);
	assert_true(seen.missed > 0);
	assert_true(seen.missed + seen.told >= MANY);
	/* And goes on. */
	lock(s, LOCKSTEP_LOCK_NL, &last, 0, "busy");
	expect(watch, "busy:GNL ");
	lockstep_admin_close(watch);
	lockstep_close(s);
}

static void a_slow_reader_begins_anew(void **state)
{
	struct rig *r = *state;

	who_reads_too_slowly_is_told_what_he_missed(&r->options, r);
}

static void a_slow_reader_of_the_socket_begins_anew(void **state)
{
	struct rig *r = *state;
	char path[96], more[128];
	struct lockstep_options o = { .ipc_name = path, .timeout_ms = RIG_PATIENCE_MS };

	rig_signal(r, SIGTERM);
	assert_int_equal(rig_wait(r), 0);
	snprintf(path, sizeof(path), "%s/sock", r->dir);
	snprintf(more, sizeof(more), "socket = %s\n", path);
	rig_configure(r, more);
	rig_start(r);
	assert_true(rig_state_reached(r, "ok"));
	who_reads_too_slowly_is_told_what_he_missed(&o, r);
}

static void subscriptions_are_limited_and_end_with_the_daemon(void **state)
{
	struct rig *r = *state;
	struct lockstep_admin *watch[SUBSCRIPTIONS];
	struct seen seen = { .told = 0 };
	int rc = 0;

	for (size_t i = 0; i < SUBSCRIPTIONS; i++) {
		assert_int_equal(lockstep_admin_open(&r->options, &watch[i]), 0);
		rc = lockstep_admin_subscribe(watch[i], "default", NULL, 0);
		assert_int_equal(rc, i + 1 < SUBSCRIPTIONS ? 0 : -EUSERS);
	}
	/* One that ends makes room. */
	lockstep_admin_close(watch[0]);
	do {
		rc = lockstep_admin_subscribe(watch[SUBSCRIPTIONS - 1], "default", NULL, 0);
	} while (rc == -EUSERS);
	assert_int_equal(rc, 0);
	client_kill(r->daemon);
	do {
		struct pollfd p = { .fd = lockstep_admin_fd(watch[1]), .events = POLLIN };

		assert_int_equal(poll(&p, 1, RIG_PATIENCE_MS), 1);
		rc = lockstep_admin_changes(watch[1], change_see, &seen);
	} while (rc == 0);
	assert_int_equal(rc, -ENOTCONN);
	for (size_t i = 1; i < SUBSCRIPTIONS; i++) {
		lockstep_admin_close(watch[i]);
	}
	r->daemon = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(each_change_of_a_lock_is_told_in_order),
		CASE(a_lockspace_is_watched_as_a_whole),
		CASE(a_slow_reader_begins_anew),
		CASE(a_slow_reader_of_the_socket_begins_anew),
		CASE(subscriptions_are_limited_and_end_with_the_daemon),
#undef CASE
	};

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
