/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The library's book-keeping of its own locks, fed with events as the daemon would send them: which
 * routine runs with what in the lksb, which blocking callbacks are left out, when a lock has ended,
 * and that a loss is told once and nothing after it. Rules: lock-model sections 3, 13 and 14.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/client/session.h"
#include "lib/ipc/ipc.h"

#define LVB_LEN 32

/* Everything that was called, as text: "ast a 0 tok 7" and so on. */
struct fixture {
	struct session *s;
	struct lockstep_lksb lksb;
	uint8_t lvb[LVB_LEN];
	char log[512];
};

static struct fixture *fixture; /* of the running test */
static char arg_x[] = "x", arg_y[] = "y", arg_z[] = "z";

static void note(const char *text)
{
	size_t used = strlen(fixture->log);

	assert_true(used + strlen(text) + 2 < sizeof(fixture->log));
	(void)snprintf(fixture->log + used, sizeof(fixture->log) - used, "%s%s", used ? "," : "",
		       text);
}

static void ast_a(void *arg)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "ast-a %s %d", (const char *)arg, fixture->lksb.status);
	note(text);
}

static void ast_b(void *arg)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "ast-b %s %d", (const char *)arg, fixture->lksb.status);
	note(text);
}

static void bast(void *arg, int mode)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "bast %s %s", (const char *)arg,
		       lockstep_mode_name(mode));
	note(text);
}

static void lost(void *arg, int error)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "lost %s %d", (const char *)arg, error);
	note(text);
}

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	f.s = session_new();
	session_ready(f.s, LVB_LEN);
	f.lksb.lvb = f.lvb;
	fixture = &f;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->s = session_free(f->s);
	return 0;
}

static struct session_request request(struct fixture *f, int mode, uint32_t flags)
{
	struct session_request r = {
		.mode = mode, .lksb = &f->lksb, .flags = flags, .name = "res", .name_len = 3,
		.arg = arg_x, .ast = ast_a, .bast = bast,
	};

	return r;
}

/* A request that the daemon took and named @lkid (a conversion keeps its lkid). */
static void accepted(struct fixture *f, const struct session_request *r, uint32_t lkid)
{
	const struct ipc_result result = { .lkid = lkid, .completes = true };
	struct ipc_submit submit;
	struct lock *lock;

	assert_int_equal(session_lock_prepare(f->s, r, &submit, &lock), 0);
	session_lock_commit(f->s, lock, r, &result);
}

static void cast(struct fixture *f, uint32_t lkid, int32_t status, int8_t mode, uint64_t token)
{
	const struct ipc_event event = {
		.kind = IPC_EVENT_CAST, .lkid = lkid, .status = status, .mode = mode,
		.token = token,
	};

	session_event(f->s, &event);
}

static void blocking(struct fixture *f, uint32_t lkid, int8_t mode)
{
	const struct ipc_event event = { .kind = IPC_EVENT_BAST, .lkid = lkid, .mode = mode };

	session_event(f->s, &event);
}

static const char *deliver(struct fixture *f)
{
	bool ran;

	f->log[0] = '\0';
	while (session_deliver(f->s, &ran)) {
	}
	return f->log;
}

/* A granted lock with lkid 1. */
static void granted(struct fixture *f, int mode)
{
	struct session_request r = request(f, mode, 0);

	accepted(f, &r, 1);
	cast(f, 1, 0, (int8_t)mode, 7);
	assert_string_equal(deliver(f), "ast-a x 0");
}

static void lksb_changes_at_submission_and_at_delivery_only(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);

	f->lksb.flags = 99;
	accepted(f, &r, 41);
	assert_int_equal(f->lksb.lkid, 41);
	assert_int_equal(f->lksb.flags, 0);
	assert_int_equal(f->lksb.status, LOCKSTEP_EINPROG);
	const struct ipc_event event = {
		.kind = IPC_EVENT_CAST, .lkid = 41, .mode = LOCKSTEP_LOCK_EX, .token = 7,
		.sb_flags = LOCKSTEP_SBF_VALNOTVALID, .lvb_len = 3,
		.lvb = (const uint8_t *)"new",
	};

	session_event(f->s, &event);
	assert_int_equal(f->lksb.status, LOCKSTEP_EINPROG); /* R-CAST-4: not at arrival */
	assert_int_equal(f->lvb[0], 0);
	assert_string_equal(deliver(f), "ast-a x 0");
	assert_int_equal(f->lksb.token, 7);
	assert_int_equal(f->lksb.flags, LOCKSTEP_SBF_VALNOTVALID);
	assert_memory_equal(f->lvb, "new", 3);
}

static void a_refused_call_leaves_the_lksb_alone(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
	struct ipc_submit submit;
	struct lock *lock;

	f->lksb.lkid = 5;
	f->lksb.flags = 6;
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), 0);
	session_lock_abort(f->s, lock);
	assert_int_equal(f->lksb.lkid, 5); /* R-SB-1 */
	assert_int_equal(f->lksb.flags, 6);
	assert_int_equal(session_locks_count(f->s), 0);
}

static void a_lvb_longer_than_the_lockspaces_is_cut(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
	static const uint8_t much[LVB_LEN + 8] = { [LVB_LEN - 1] = 1, [LVB_LEN] = 2 };
	struct {
		uint8_t lvb[LVB_LEN];
		uint8_t behind[8];
	} room = { .behind = { 9 } };

	f->lksb.lvb = room.lvb;
	accepted(f, &r, 1);
	const struct ipc_event event = {
		.kind = IPC_EVENT_CAST, .lkid = 1, .mode = LOCKSTEP_LOCK_EX, .lvb_len = sizeof(much),
		.lvb = much,
	};

	session_event(f->s, &event);
	(void)deliver(f);
	assert_int_equal(room.lvb[LVB_LEN - 1], 1);
	assert_int_equal(room.behind[0], 9);
}

static void the_routine_is_that_of_the_latest_accepted_op(void **state)
{
	struct fixture *f = *state;

	granted(f, LOCKSTEP_LOCK_PR);
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, LOCKSTEP_LKF_CONVERT);

	r.ast = ast_b;
	r.arg = arg_y;
	/* The blocking callback of the old request is undelivered when the conversion is accepted. */
	blocking(f, 1, LOCKSTEP_LOCK_EX);
	accepted(f, &r, 0);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 8);
	assert_string_equal(deliver(f), "bast y EX,ast-b y 0"); /* R-CAST-3, R-ORD-1 */
	assert_int_equal(f->lksb.token, 8);
}

static void a_failed_conversion_does_not_end_the_lock(void **state)
{
	struct fixture *f = *state;

	granted(f, LOCKSTEP_LOCK_PR);
	struct session_request r = request(f, LOCKSTEP_LOCK_EX,
					   LOCKSTEP_LKF_CONVERT | LOCKSTEP_LKF_NOQUEUE);

	accepted(f, &r, 0);
	cast(f, 1, EAGAIN, LOCKSTEP_LOCK_PR, 0);
	assert_string_equal(deliver(f), "ast-a x 11");
	assert_int_equal(f->lksb.token, 7); /* only a grant brings a token */
	assert_int_equal(session_locks_count(f->s), 1);
	cast(f, 1, LOCKSTEP_EUNLOCK, -1, 0);
	assert_string_equal(deliver(f), "ast-a x 65538");
	assert_int_equal(session_locks_count(f->s), 0);
}

static void a_request_that_was_never_granted_ends_with_its_failure(void **state)
{
	static const int32_t failures[] = { EAGAIN, EDEADLK, ETIMEDOUT, LOCKSTEP_ECANCEL };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
		struct ipc_submit submit;

		accepted(f, &r, (uint32_t)i + 1);
		cast(f, (uint32_t)i + 1, failures[i], -1, 0);
		(void)deliver(f);
		assert_int_equal(f->lksb.status, failures[i]);
		assert_int_equal(f->lksb.lkid, i + 1); /* R-SB-2 */
		assert_int_equal(session_unlock_prepare(f->s, (uint32_t)i + 1, 0, NULL, &submit),
				 -ENOENT); /* R-LOCK-6 */
	}
	assert_int_equal(session_locks_count(f->s), 0);
}

static void queued_blocking_callbacks_are_merged(void **state)
{
	struct fixture *f = *state;

	granted(f, LOCKSTEP_LOCK_EX);
	/* R-BAST-5: same mode; lower than one above PR. Not: higher, or lower than PR and below. */
	blocking(f, 1, LOCKSTEP_LOCK_CR);
	blocking(f, 1, LOCKSTEP_LOCK_CR);
	blocking(f, 1, LOCKSTEP_LOCK_PR);
	blocking(f, 1, LOCKSTEP_LOCK_CW);
	blocking(f, 1, LOCKSTEP_LOCK_EX);
	blocking(f, 1, LOCKSTEP_LOCK_PW);
	assert_string_equal(deliver(f), "bast x CR,bast x PR,bast x CW,bast x EX");
	/* Delivered ones suppress nothing. */
	blocking(f, 1, LOCKSTEP_LOCK_EX);
	assert_string_equal(deliver(f), "bast x EX");
}

static void a_blocking_callback_for_a_mode_given_up_is_not_delivered(void **state)
{
	struct fixture *f = *state;

	granted(f, LOCKSTEP_LOCK_EX);
	struct session_request r = request(f, LOCKSTEP_LOCK_CR, LOCKSTEP_LKF_CONVERT);

	accepted(f, &r, 0);
	cast(f, 1, 0, LOCKSTEP_LOCK_CR, 8);
	blocking(f, 1, LOCKSTEP_LOCK_PR); /* compatible with CR: R-BAST-6 */
	blocking(f, 1, LOCKSTEP_LOCK_EX);
	assert_string_equal(deliver(f), "ast-a x 0,bast x EX");
}

/* Spelt out once more, from the table of the manual: pairs that go together. */
static void delivery_suppression_follows_the_mode_table(void **state)
{
	static const char *const together =
		"NLNL NLCR NLCW NLPR NLPW NLEX CRNL CRCR CRCW CRPR CRPW CWNL CWCR CWCW "
		"PRNL PRCR PRPR PWNL PWCR EXNL";
	struct fixture *f = *state;

	for (int held = LOCKSTEP_LOCK_NL; held <= LOCKSTEP_LOCK_EX; held++) {
		for (int wanted = LOCKSTEP_LOCK_NL; wanted <= LOCKSTEP_LOCK_EX; wanted++) {
			char pair[8];

			(void)snprintf(pair, sizeof(pair), "%s%s", lockstep_mode_name(held),
				       lockstep_mode_name(wanted));
			granted(f, held);
			blocking(f, 1, (int8_t)wanted);
			assert_int_equal(strlen(deliver(f)) == 0, strstr(together, pair) != NULL);
			cast(f, 1, LOCKSTEP_EUNLOCK, -1, 0);
			(void)deliver(f);
		}
	}
}

static void a_blocking_callback_never_touches_the_lksb(void **state)
{
	struct fixture *f = *state;

	granted(f, LOCKSTEP_LOCK_EX);
	struct lockstep_lksb before = f->lksb;

	blocking(f, 1, LOCKSTEP_LOCK_PR);
	assert_string_equal(deliver(f), "bast x PR");
	assert_memory_equal(&before, &f->lksb, sizeof(before)); /* R-BAST-8 */
}

static void unlock_can_bring_another_lksb(void **state)
{
	struct fixture *f = *state;
	struct lockstep_lksb other = { .status = 1 };
	struct ipc_submit submit;
	const struct ipc_result result = { .completes = true };

	granted(f, LOCKSTEP_LOCK_EX);
	assert_int_equal(session_unlock_prepare(f->s, 1, 0, &other, &submit), 0);
	assert_int_equal(submit.op, IPC_OP_UNLOCK);
	session_unlock_commit(f->s, 1, &other, &result);
	assert_int_equal(other.status, LOCKSTEP_EINPROG);
	cast(f, 1, LOCKSTEP_EUNLOCK, -1, 0);
	assert_string_equal(deliver(f), "ast-a x 0"); /* the routine looked into the old one */
	assert_int_equal(other.status, LOCKSTEP_EUNLOCK);
}

static void a_cancel_with_nothing_to_do_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct lockstep_lksb other = { .status = 1 };
	struct ipc_submit submit;
	const struct ipc_result result = { .completes = false };

	granted(f, LOCKSTEP_LOCK_EX);
	assert_int_equal(session_unlock_prepare(f->s, 1, LOCKSTEP_LKF_CANCEL, &other, &submit), 0);
	session_unlock_commit(f->s, 1, &other, &result);
	assert_int_equal(other.status, 1);
	assert_int_equal(f->lksb.status, 0);
}

static void an_adopted_orphan_is_granted_without_completion(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_PR, LOCKSTEP_LKF_ORPHAN);
	const struct ipc_result result = { .lkid = 3, .completes = false, .token = 77 };
	struct ipc_submit submit;
	struct lock *lock;

	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), 0);
	session_lock_commit(f->s, lock, &r, &result);
	assert_int_equal(f->lksb.status, 0);
	assert_int_equal(f->lksb.lkid, 3);
	assert_int_equal(f->lksb.token, 77);
	blocking(f, 3, LOCKSTEP_LOCK_CR); /* compatible with what was adopted */
	blocking(f, 3, LOCKSTEP_LOCK_EX);
	assert_string_equal(deliver(f), "bast x EX");
}

static void arguments_that_cannot_be_sent_are_refused(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
	char long_name[LOCKSTEP_NAME_MAX + 1] = { 0 };
	struct ipc_submit submit;
	struct lock *lock;

	r.lksb = NULL;
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), -EINVAL);
	r = request(f, LOCKSTEP_LOCK_EX, 0);
	r.ast = NULL;
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), -EINVAL);
	r = request(f, LOCKSTEP_LOCK_EX, 0);
	r.name = long_name;
	r.name_len = sizeof(long_name);
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), -EINVAL);
	/* ENOENT comes before a wrong mode (R-ERR-1). */
	r = request(f, 9, LOCKSTEP_LKF_CONVERT);
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), -ENOENT);
	assert_int_equal(session_unlock_prepare(f->s, 0, 0, NULL, &submit), -ENOENT);
}

/* R-ERR-1, R-ERR-2: what the node must judge in its order reaches it: a mode that is none, a buffer that
 * is missing. */
static void what_the_node_has_to_refuse_is_sent_to_it(void **state)
{
	static const int modes[] = { -1, 6, 256, 261 };
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, LOCKSTEP_LKF_VALBLK);
	struct ipc_submit submit;
	struct lock *lock;

	f->lksb.lvb = NULL;
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), 0);
	assert_int_equal(submit.lvb_len, 0);
	assert_int_equal(submit.flags, LOCKSTEP_LKF_VALBLK);
	session_lock_abort(f->s, lock);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		r = request(f, modes[i], 0);
		assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), 0);
		assert_true(submit.mode > LOCKSTEP_LOCK_EX);
		session_lock_abort(f->s, lock);
	}
}

/* R-LVB-3, R-LVB-13: an unlock sends the caller's value, that of the lock's own lksb when none is given. */
static void an_unlock_sends_the_value(void **state)
{
	struct fixture *f = *state;
	struct lockstep_lksb other = { .lvb = (void *)(uintptr_t)"other value of the resource....." };
	struct ipc_submit submit;

	granted(f, LOCKSTEP_LOCK_EX);
	assert_int_equal(session_unlock_prepare(f->s, 1, LOCKSTEP_LKF_VALBLK, NULL, &submit), 0);
	assert_ptr_equal(submit.lvb, f->lksb.lvb);
	assert_int_equal(submit.lvb_len, session_lvb_len(f->s));
	assert_int_equal(session_unlock_prepare(f->s, 1, LOCKSTEP_LKF_VALBLK, &other, &submit), 0);
	assert_ptr_equal(submit.lvb, other.lvb);
	assert_int_equal(session_unlock_prepare(f->s, 1, 0, NULL, &submit), 0);
	assert_int_equal(submit.lvb_len, 0);
}

/* R-CAST-3: an unlock may bring another argument, never another routine. */
static void an_unlock_may_bring_another_argument(void **state)
{
	struct fixture *f = *state;

	granted(f, LOCKSTEP_LOCK_EX);
	session_arg_set(f->s, 1, arg_y);
	cast(f, 1, LOCKSTEP_EUNLOCK, -1, 0);
	assert_string_equal(deliver(f), "ast-a y 65538");
}

/* R-SB-2: the number of a refused request stays where it was put. R-SB-3: the lksb of the latest accepted
 * op is the one that is written, the earlier one is left alone. */
static void the_lksb_of_the_latest_op_is_used(void **state)
{
	struct fixture *f = *state;
	struct lockstep_lksb second = { .lkid = 1, .status = 4711 };
	struct session_request r = request(f, LOCKSTEP_LOCK_NL, LOCKSTEP_LKF_CONVERT);

	granted(f, LOCKSTEP_LOCK_EX);
	r.lksb = &second;
	accepted(f, &r, 1);
	assert_int_equal(second.status, LOCKSTEP_EINPROG);
	cast(f, 1, 0, LOCKSTEP_LOCK_NL, 9);
	(void)deliver(f);
	assert_int_equal(second.status, 0);
	assert_int_equal(second.token, 9);
	assert_int_not_equal(f->lksb.token, 9);
	r = request(f, LOCKSTEP_LOCK_EX, LOCKSTEP_LKF_NOQUEUE);
	accepted(f, &r, 2);
	cast(f, 2, EAGAIN, -1, 0);
	(void)deliver(f);
	assert_int_equal(f->lksb.status, EAGAIN);
	assert_int_equal(f->lksb.lkid, 2);
}

/* R-ORD-2: of several locks in the order in which they came, R-BAST-9 with the mode that is blocked. */
static void callbacks_of_several_locks_run_in_effect_order(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);

	accepted(f, &r, 1);
	accepted(f, &r, 2);
	cast(f, 2, 0, LOCKSTEP_LOCK_EX, 7);
	blocking(f, 2, LOCKSTEP_LOCK_PR);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 8);
	blocking(f, 2, LOCKSTEP_LOCK_EX);
	blocking(f, 1, LOCKSTEP_LOCK_CW);
	assert_string_equal(deliver(f), "ast-a x 0,bast x PR,ast-a x 0,bast x EX,bast x CW");
}

/* R-PURGE-1: what was not delivered is not, what still comes neither, and new locks are as ever. */
static void a_session_that_purged_itself_goes_on(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
	struct session_wait wait = { .done = false };
	struct ipc_submit submit;

	granted(f, LOCKSTEP_LOCK_EX);
	accepted(f, &r, 2);
	session_wait_add(f->s, 2, &wait);
	blocking(f, 1, LOCKSTEP_LOCK_EX);
	session_purged(f->s);
	cast(f, 2, 0, LOCKSTEP_LOCK_EX, 7);
	assert_string_equal(deliver(f), "");
	assert_true(wait.done);
	assert_int_equal(wait.status, LOCKSTEP_EUNLOCK);
	assert_int_equal(session_unlock_prepare(f->s, 1, 0, NULL, &submit), -ENOENT);
	accepted(f, &r, 3);
	cast(f, 3, 0, LOCKSTEP_LOCK_EX, 8);
	assert_string_equal(deliver(f), "ast-a x 0");
}

static void a_name_may_be_empty_and_hold_any_byte(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, LOCKSTEP_LKF_VALBLK);
	struct ipc_submit submit;
	struct lock *lock;

	r.name = "\0\xff";
	r.name_len = 2;
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), 0);
	assert_int_equal(submit.name_len, 2);
	assert_memory_equal(submit.name, "\0\xff", 2);
	assert_ptr_equal(submit.lvb, f->lvb);
	assert_int_equal(submit.lvb_len, LVB_LEN);
	session_lock_abort(f->s, lock);
	r.name = NULL;
	r.name_len = 0;
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), 0);
	assert_int_equal(submit.name_len, 0);
	session_lock_abort(f->s, lock);
}

static void loss_overtakes_what_is_undelivered_and_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
	struct session_wait wait = { .done = false };
	const struct ipc_event event = { .kind = IPC_EVENT_LOST, .status = ENOTCONN };
	struct ipc_submit submit;
	struct lock *lock;

	session_lost_set(f->s, arg_z, lost);
	accepted(f, &r, 1);
	session_wait_add(f->s, 1, &wait);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 7);
	session_event(f->s, &event);
	assert_true(session_is_lost(f->s));
	assert_true(wait.done);
	assert_int_equal(wait.status, ENOTCONN);
	session_lose(f->s, EBADMSG); /* only the first reason counts */
	assert_string_equal(deliver(f), "lost z 107");
	assert_string_equal(deliver(f), "");
	assert_int_equal(f->lksb.status, LOCKSTEP_EINPROG); /* the grant was not told */
	assert_int_equal(session_lock_prepare(f->s, &r, &submit, &lock), -ENOTCONN);
	assert_int_equal(session_unlock_prepare(f->s, 1, 0, NULL, &submit), -ENOTCONN);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 7);
	assert_string_equal(deliver(f), "");
}

static void a_wait_ends_with_its_completion(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
	struct session_wait wait = { .done = false };

	r.ast = NULL;
	r.wait = true;
	accepted(f, &r, 1);
	session_wait_add(f->s, 1, &wait);
	assert_false(wait.done);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 7);
	assert_false(wait.done);
	assert_string_equal(deliver(f), "");
	assert_true(wait.done);
	assert_int_equal(wait.status, 0);
	/* Until unlocked: a grant that comes first is not it (R-UNL-3). */
	wait = (struct session_wait){ .until_unlocked = true };
	session_wait_add(f->s, 1, &wait);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 8);
	(void)deliver(f);
	assert_false(wait.done);
	cast(f, 1, LOCKSTEP_EUNLOCK, -1, 0);
	(void)deliver(f);
	assert_true(wait.done);
	assert_int_equal(wait.status, LOCKSTEP_EUNLOCK);
	wait = (struct session_wait){ .done = false };
	session_wait_add(f->s, 1, &wait);
	assert_int_equal(wait.status, ENOENT);
}

/* The completion of the request before may still be on its way when a conversion is accepted; and two
 * may wait for one lock (D-11). */
static void a_wait_is_for_the_latest_request_and_two_may_wait(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_NL, 0);
	struct session_wait first = { .done = false }, second = { .done = false };

	accepted(f, &r, 1);
	f->lksb.lkid = 1;
	r.flags = LOCKSTEP_LKF_CONVERT;
	r.ast = NULL;
	r.wait = true;
	accepted(f, &r, 1);
	session_wait_add(f->s, 1, &first);
	session_wait_add(f->s, 1, &second);
	cast(f, 1, 0, LOCKSTEP_LOCK_NL, 7);
	assert_string_equal(deliver(f), "");
	assert_false(first.done || second.done);
	cast(f, 1, LOCKSTEP_ECANCEL, LOCKSTEP_LOCK_NL, 0);
	assert_string_equal(deliver(f), "");
	assert_true(first.done && second.done);
	assert_int_equal(first.status, LOCKSTEP_ECANCEL);
	assert_int_equal(second.status, LOCKSTEP_ECANCEL);
}

static void completions_of_one_lock_can_be_taken_ahead(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);
	struct session_delivery d;

	accepted(f, &r, 1);
	accepted(f, &r, 2);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 7);
	blocking(f, 1, LOCKSTEP_LOCK_EX);
	cast(f, 2, 0, LOCKSTEP_LOCK_EX, 8);
	cast(f, 1, LOCKSTEP_EUNLOCK, -1, 0);
	assert_false(session_take_cast(f->s, 3, &d));
	assert_int_equal(session_lock_pending(f->s, 1), 2);
	assert_true(session_take_cast(f->s, 1, &d));
	assert_true(d.ast == ast_a && !d.ended && d.lksb->status == 0);
	assert_true(session_take_cast(f->s, 1, &d));
	assert_true(d.ast == ast_a && d.ended && d.lksb->status == LOCKSTEP_EUNLOCK);
	assert_false(session_take_cast(f->s, 1, &d));
	assert_false(session_queue_empty(f->s));
	/* What the ended lock left behind goes nowhere; the other one was not touched. */
	assert_string_equal(deliver(f), "ast-a x 0");
	assert_true(session_queue_empty(f->s));
}

static void ast_again(void *arg)
{
	struct fixture *f = fixture;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);

	(void)arg;
	note("again");
	/* Its lock has ended: the lksb is free for a new request from inside the routine. */
	if (f->lksb.status == LOCKSTEP_EUNLOCK) {
		accepted(f, &r, 2);
	}
}

static void a_routine_may_unlock_and_lock_again(void **state)
{
	struct fixture *f = *state;
	struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);

	r.ast = ast_again;
	accepted(f, &r, 1);
	cast(f, 1, 0, LOCKSTEP_LOCK_EX, 7);
	cast(f, 1, LOCKSTEP_EUNLOCK, -1, 0);
	assert_string_equal(deliver(f), "again,again");
	assert_int_equal(f->lksb.lkid, 2);
	assert_int_equal(session_locks_count(f->s), 1);
}

static void many_locks_are_found_again(void **state)
{
	struct fixture *f = *state;
	static struct lockstep_lksb lksbs[1000];
	struct ipc_submit submit;

	for (uint32_t i = 0; i < 1000; i++) {
		struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);

		r.lksb = &lksbs[i];
		accepted(f, &r, 17 + i * 3);
	}
	assert_int_equal(session_locks_count(f->s), 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(session_unlock_prepare(f->s, 17 + i * 3, 0, NULL, &submit), 0);
		assert_int_equal(session_unlock_prepare(f->s, 18 + i * 3, 0, NULL, &submit), -ENOENT);
	}
}

/* --- recovery callbacks ------------------------------------------------------------------ */

static void recovery(void *arg, const struct ipc_event *event)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "recovery %s %u %u", (const char *)arg, event->kind,
		       event->value);
	note(text);
}

static void recovery_event(struct fixture *f, uint8_t kind, uint32_t value, uint64_t number)
{
	const struct ipc_event event = { .kind = kind, .value = value, .token = number,
					 .mode = LOCKSTEP_LOCK_IV };

	session_event(f->s, &event);
}

/* R-CB-5, R-CB-7: one queue, so that done comes after the grants of the recovery. */
static void recovery_callbacks_keep_their_place_among_the_others(void **state)
{
	struct fixture *f = *state;
	const struct session_request r = request(f, LOCKSTEP_LOCK_EX, 0);

	session_recovery_set(f->s, 7, recovery, arg_z);
	accepted(f, &r, 4);
	recovery_event(f, IPC_EVENT_PREP, 1, 7);
	recovery_event(f, IPC_EVENT_SLOT, 2, 7);
	cast(f, 4, 0, LOCKSTEP_LOCK_EX, 9);
	recovery_event(f, IPC_EVENT_DONE, 3, 7);
	assert_string_equal(deliver(f), "recovery z 5 1,recovery z 6 2,ast-a x 0,recovery z 7 3");
}

/* What was on its way for a subscription that has ended is nobody's, also after a new one. */
static void an_ended_subscription_is_told_nothing(void **state)
{
	struct fixture *f = *state;

	recovery_event(f, IPC_EVENT_PREP, 1, 0);
	session_recovery_set(f->s, 7, recovery, arg_z);
	recovery_event(f, IPC_EVENT_PREP, 1, 7);
	session_recovery_set(f->s, 0, NULL, NULL);
	recovery_event(f, IPC_EVENT_SLOT, 2, 7);
	session_recovery_set(f->s, 8, recovery, arg_y);
	recovery_event(f, IPC_EVENT_DONE, 3, 7);
	recovery_event(f, IPC_EVENT_DONE, 4, 8);
	assert_string_equal(deliver(f), "recovery y 7 4");
}

/* R-PURGE-1 is about locks; R-LOST-1 is about everything. */
static void a_purge_keeps_recovery_callbacks_and_a_loss_does_not(void **state)
{
	struct fixture *f = *state;

	session_recovery_set(f->s, 7, recovery, arg_z);
	recovery_event(f, IPC_EVENT_PREP, 1, 7);
	session_purged(f->s);
	assert_string_equal(deliver(f), "recovery z 5 1");
	recovery_event(f, IPC_EVENT_DONE, 2, 7);
	session_lose(f->s, ENOTCONN);
	assert_string_equal(deliver(f), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lksb_changes_at_submission_and_at_delivery_only),
		TEST(a_refused_call_leaves_the_lksb_alone),
		TEST(a_lvb_longer_than_the_lockspaces_is_cut),
		TEST(the_routine_is_that_of_the_latest_accepted_op),
		TEST(a_failed_conversion_does_not_end_the_lock),
		TEST(a_request_that_was_never_granted_ends_with_its_failure),
		TEST(queued_blocking_callbacks_are_merged),
		TEST(a_blocking_callback_for_a_mode_given_up_is_not_delivered),
		TEST(delivery_suppression_follows_the_mode_table),
		TEST(a_blocking_callback_never_touches_the_lksb),
		TEST(unlock_can_bring_another_lksb),
		TEST(a_cancel_with_nothing_to_do_changes_nothing),
		TEST(an_adopted_orphan_is_granted_without_completion),
		TEST(arguments_that_cannot_be_sent_are_refused),
		TEST(what_the_node_has_to_refuse_is_sent_to_it),
		TEST(an_unlock_sends_the_value),
		TEST(an_unlock_may_bring_another_argument),
		TEST(the_lksb_of_the_latest_op_is_used),
		TEST(callbacks_of_several_locks_run_in_effect_order),
		TEST(a_session_that_purged_itself_goes_on),
		TEST(recovery_callbacks_keep_their_place_among_the_others),
		TEST(an_ended_subscription_is_told_nothing),
		TEST(a_purge_keeps_recovery_callbacks_and_a_loss_does_not),
		TEST(a_name_may_be_empty_and_hold_any_byte),
		TEST(loss_overtakes_what_is_undelivered_and_is_told_once),
		TEST(a_wait_ends_with_its_completion),
		TEST(a_wait_is_for_the_latest_request_and_two_may_wait),
		TEST(completions_of_one_lock_can_be_taken_ahead),
		TEST(a_routine_may_unlock_and_lock_again),
		TEST(many_locks_are_found_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
