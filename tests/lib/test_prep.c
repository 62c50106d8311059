/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the library acknowledges prep (R-CB-10): when its routine returns, later, inside of it, never twice,
 * and not for a subscription that has ended. The connection is played here: what is asked of the daemon is
 * written down as text, what it answers is chosen by the test.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lockstep/lockstep_recovery.h>

#include "lib/base/buf.h"
#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/client/transport.h"
#include "lib/ipc/ipc.h"

struct lockstep_session {
	struct session *session;
	struct recovery *recovery;
	char log[256];
	uint32_t tag;
	unsigned int busy;    /* so many calls find the daemon's ring full */
	uint32_t error;       /* of the next answers */
	struct buf answer;
	/* What prep does. */
	bool acknowledge;
	bool unsubscribe;
	int result;
	int inner; /* of the call in prep */
};

/* --- the connection ---------------------------------------------------------------------- */

struct session *client_session(const struct lockstep_session *s)
{
	return s->session;
}

struct recovery **client_recovery(struct lockstep_session *s)
{
	return &s->recovery;
}

struct transport *client_transport(const struct lockstep_session *s)
{
	return (struct transport *)(uintptr_t)s;
}

static struct lockstep_session *played(const struct transport *t)
{
	return (struct lockstep_session *)(uintptr_t)t;
}

int64_t transport_deadline(int timeout_ms)
{
	return timeout_ms;
}

bool transport_pause(int64_t deadline, int ms)
{
	(void)ms;
	return deadline > 0;
}

uint32_t transport_tag(struct transport *t)
{
	return ++played(t)->tag;
}

static void note(struct lockstep_session *s, const char *word, uint32_t number)
{
	size_t used = strlen(s->log);

	(void)snprintf(s->log + used, sizeof(s->log) - used, "%s%s %u", used ? "," : "", word, number);
}

int transport_call(struct transport *t, int32_t id, uint32_t tag, const struct buf *body, int64_t deadline,
		   const uint8_t **ret_body, size_t *ret_size)
{
	static const char *const words[] = { "", "subscribe", "unsubscribe", "ack" };
	struct lockstep_session *s = played(t);
	struct ipc_recovery request;

	(void)deadline;
	if (s->busy > 0) {
		s->busy--;
		return -EAGAIN;
	}
	assert_int_equal(id, IPC_MSG_RECOVERY);
	assert_int_equal(ipc_recovery_decode(body->data, body->size, &request), 0);
	assert_int_equal(request.tag, tag);
	note(s, words[request.op], request.prep);
	const struct ipc_result result = { .tag = tag, .error = s->error, .value = 7 };

	buf_clear(&s->answer);
	ipc_result_encode(&result, &s->answer);
	*ret_body = s->answer.data;
	*ret_size = s->answer.size;
	return 0;
}

int lockstep_open(const char *space, unsigned int flags, const struct lockstep_options *options,
		  struct lockstep_session **ret)
{
	(void)space;
	(void)flags;
	(void)options;
	(void)ret;
	return -ENOENT;
}

void lockstep_close(struct lockstep_session *s)
{
	(void)s;
}

/* --- the program ------------------------------------------------------------------------- */

static int prep(void *arg)
{
	struct lockstep_session *s = arg;

	note(s, "prep", 0);
	if (s->acknowledge) {
		s->inner = lockstep_prep_done(s);
	}
	if (s->unsubscribe) {
		s->inner = lockstep_recovery_unsubscribe(s);
	}
	return s->result;
}

static void done(void *arg, const struct lockstep_slot *slots, size_t count, uint32_t own_slot,
		 uint32_t generation)
{
	(void)slots;
	(void)own_slot;
	assert_int_equal(count, 1);
	note(arg, "done", generation);
}

static int setup(void **state)
{
	static const struct lockstep_recovery_ops ops = { .version = LOCKSTEP_RECOVERY_OPS_VERSION,
							  .prep = prep,
							  .done = done };
	struct lockstep_session *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->session = session_new();
	*state = s;
	assert_int_equal(lockstep_recovery_subscribe(s, &ops, s), 0);
	assert_string_equal(s->log, "subscribe 0");
	s->log[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	struct lockstep_session *s = *state;

	s->session = session_free(s->session);
	free(s->recovery);
	buf_done(&s->answer);
	free(s);
	return 0;
}

static void event(struct lockstep_session *s, uint8_t kind, uint32_t value, const char *slots, size_t size)
{
	const struct ipc_event e = { .kind = kind, .value = value, .token = 7, .mode = LOCKSTEP_LOCK_IV,
				     .lkid = 1, .lvb = (const uint8_t *)slots, .lvb_len = (uint16_t)size };
	bool ran;

	session_event(s->session, &e);
	while (session_deliver(s->session, &ran)) {
	}
}

static void prep_arrives(struct lockstep_session *s, uint32_t number)
{
	event(s, IPC_EVENT_PREP, number, NULL, 0);
}

static void returning_acknowledges(void **state)
{
	struct lockstep_session *s = *state;

	s->busy = 3; /* a full ring is no excuse */
	prep_arrives(s, 11);
	assert_string_equal(s->log, "prep 0,ack 11");
	assert_int_equal(lockstep_prep_done(s), -EINVAL);
	event(s, IPC_EVENT_DONE, 5, "\2\0\0\0\1\0\0\0", 8);
	prep_arrives(s, 12);
	assert_string_equal(s->log, "prep 0,ack 11,done 5,prep 0,ack 12");
}

static void pending_is_acknowledged_once_and_later(void **state)
{
	struct lockstep_session *s = *state;

	s->result = LOCKSTEP_PREP_PENDING;
	assert_int_equal(lockstep_prep_done(s), -EINVAL);
	prep_arrives(s, 11);
	assert_string_equal(s->log, "prep 0");
	assert_int_equal(lockstep_prep_done(s), 0);
	assert_int_equal(lockstep_prep_done(s), -EINVAL);
	assert_string_equal(s->log, "prep 0,ack 11");
}

static void acknowledging_inside_prep_is_enough(void **state)
{
	struct lockstep_session *s = *state;

	s->acknowledge = true;
	prep_arrives(s, 11);
	assert_int_equal(s->inner, 0);
	assert_string_equal(s->log, "prep 0,ack 11");
	s->result = LOCKSTEP_PREP_PENDING;
	prep_arrives(s, 12);
	assert_string_equal(s->log, "prep 0,ack 11,prep 0,ack 12");
}

static void nothing_is_acknowledged_after_unsubscribing(void **state)
{
	struct lockstep_session *s = *state;

	s->unsubscribe = true;
	prep_arrives(s, 11);
	assert_int_equal(s->inner, 0);
	assert_string_equal(s->log, "prep 0,unsubscribe 0");
	assert_int_equal(lockstep_prep_done(s), -EINVAL);
	prep_arrives(s, 12); /* it was on its way */
	assert_string_equal(s->log, "prep 0,unsubscribe 0");
}

/* Whether the daemon has heard it is not known: nothing is trusted any more. */
static void an_acknowledgement_that_fails_loses_the_session(void **state)
{
	struct lockstep_session *s = *state;

	s->error = ENOTCONN;
	prep_arrives(s, 11);
	assert_true(session_is_lost(s->session));
	assert_int_equal(lockstep_prep_done(s), -ENOTCONN);
	assert_int_equal(lockstep_recovery_unsubscribe(s), -ENOTCONN);
}

static void slots_that_are_none_lose_the_session(void **state)
{
	struct lockstep_session *s = *state;

	event(s, IPC_EVENT_DONE, 5, "\2\0\0\0\0\0\0\0", 8);
	assert_true(session_is_lost(s->session));
	assert_string_equal(s->log, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(returning_acknowledges),
		TEST(pending_is_acknowledged_once_and_later),
		TEST(acknowledging_inside_prep_is_enough),
		TEST(nothing_is_acknowledged_after_unsubscribing),
		TEST(an_acknowledgement_that_fails_loses_the_session),
		TEST(slots_that_are_none_lose_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
