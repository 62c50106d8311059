/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows the lock value block (section 12) transition by transition: what is read, written,
 * marked and reported, against the tables of R-LVB-1 and R-LVB-6 as they are printed.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/engine_script.h"
#include "tests/unit/engine_script_fixture.h"

static const char *const names[] = { "NL", "CR", "CW", "PR", "PW", "EX" };
static const char *const actions[] = { "RRRRRR", ".RRRRR", "..RRRR", "...RRR", "WWWWWR", "WWWWWW" };

/* One transition of a lone lock beside a lock at NL that keeps the resource. */
static void one_transition(int gr, int rq, bool valblk, bool ivvalblk, bool has_lvb, bool invalid)
{
	struct script *s = script_new();
	char action = actions[gr][rq];
	char command[64];
	char effects[64];
	bool written = action == 'W' && valblk && !ivvalblk;
	bool marked = action == 'W' && ivvalblk;
	bool reported = invalid && ((action == 'R' && valblk && has_lvb) || action == '.');

	step(s, "Z lock EX", "Z cast(0 EX)");
	step(s, has_lvb ? "Z conv PW VALBLK lvb=x" : "Z conv PW", "Z cast(0 PW)");
	step(s, invalid ? "Z conv NL IVVALBLK" : "Z conv NL", "Z cast(0 NL)");
	(void)snprintf(command, sizeof(command), "A lock %s", names[gr]);
	(void)snprintf(effects, sizeof(effects), "A cast(0 %s)", names[gr]);
	step(s, command, effects);
	(void)snprintf(command, sizeof(command), "A conv %s lvb=y%s%s", names[rq],
		       valblk ? " VALBLK" : "", ivvalblk ? " IVVALBLK" : "");
	(void)snprintf(effects, sizeof(effects), "A cast(0 %s%s%s)", names[rq],
		       reported ? " VALNOTVALID" : "",
		       action == 'R' && valblk && has_lvb ? " lvb=x" : "");
	step(s, command, effects);
	(void)snprintf(effects, sizeof(effects), "%s%s", written ? "y" : has_lvb ? "x" : "-",
		       marked || (invalid && !written) ? "!" : "");
	lvb_is(s, "r", effects);
	script_free(s);
}

/* R-LVB-1 to R-LVB-6 */
static void every_conversion_does_what_the_table_says(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 6u * 6 * 16; i++) {
		one_transition((int)(i / 96), (int)(i / 16 % 6), i & 1, i & 2, i & 4, i & 8);
	}
}

/* R-LVB-1 last rows, R-LVB-6 */
static void every_unlock_does_what_the_table_says(void **state)
{
	(void)state;
	for (int gr = 0; gr < 6; gr++) {
		for (unsigned int i = 0; i < 4; i++) {
			struct script *s = script_new();
			char command[64];
			char effects[64];
			bool writes = gr >= 4;

			step(s, "Z lock EX", "Z cast(0 EX)");
			step(s, "Z conv NL VALBLK lvb=x", "Z cast(0 NL)");
			(void)snprintf(command, sizeof(command), "A lock %s", names[gr]);
			(void)snprintf(effects, sizeof(effects), "A cast(0 %s)", names[gr]);
			step(s, command, effects);
			(void)snprintf(command, sizeof(command), "A unlock lvb=y%s%s",
				       i & 1 ? " VALBLK" : "", i & 2 ? " IVVALBLK" : "");
			step(s, command, "A cast(EUNLOCK)");
			lvb_is(s, "r",
			       writes && i & 2 ? "x!" :
			       writes && i & 1 ? "y" :
						 "x");
			script_free(s);
		}
	}
}

/* R-LVB-2: a new request gets zero bytes where there is no LVB, in every mode. */
static void new_request_reads_or_gets_zeros(void **state)
{
	(void)state;
	for (int mode = 0; mode < 6; mode++) {
		struct script *s = script_new();
		char command[64];
		char effects[64];

		(void)snprintf(command, sizeof(command), "A lock %s VALBLK lvb=y", names[mode]);
		(void)snprintf(effects, sizeof(effects), "A cast(0 %s lvb=zero)", names[mode]);
		step(s, command, effects);
		lvb_is(s, "r", "-");
		script_free(s);
	}
}

/* R-LVB-6: no failed completion reads or reports anything. */
static void refused_and_cancelled_requests_read_nothing(void **state)
{
	struct script *s = *state;

	step(s, "Z lock EX", "Z cast(0 EX)");
	step(s, "Z conv PW VALBLK IVVALBLK lvb=x", "Z cast(0 PW)");
	lvb_is(s, "r", "-!");
	step(s, "A lock PR VALBLK NOQUEUE", "A cast(EAGAIN)");
	step(s, "A lock PR VALBLK", "Z bast(PR)");
	step(s, "A cancel", "A cast(ECANCEL)");
	step(s, "A lock NL", "A cast(0 NL)");
	step(s, "A conv EX NOQUEUE VALBLK IVVALBLK lvb=y", "A cast(EAGAIN NL)");
	lvb_is(s, "r", "-!");
	step(s, "Z unlock VALBLK lvb=z", "Z cast(EUNLOCK)");
	lvb_is(s, "r", "z");
}

/* R-LVB-3, R-ALT-1: the bytes of the call, although the grant that writes them comes later. */
static void a_late_grant_writes_the_bytes_of_its_call(void **state)
{
	struct script *s = *state;

	step(s, "A lock CR nobast", "A cast(0 CR)");
	step(s, "B lock PW nobast", "B cast(0 PW)");
	step(s, "C lock NL nobast", "C cast(0 NL)");
	step(s, "C conv PW nobast", "");
	step(s, "B conv EX ALTPR NODLCKWT VALBLK lvb=x", "");
	queues(s, "r", "G[A:CR] C[C:NL>PW B:PW>EX] W[]");
	lvb_is(s, "r", "-");
	step(s, "C cancel", "C cast(ECANCEL NL), B cast(0 PR ALTMODE)");
	lvb_is(s, "r", "x");
}

/* R-RES-2, R-RES-3 */
static void lvb_and_mark_end_with_the_last_lock(void **state)
{
	struct script *s = *state;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "A conv PW VALBLK lvb=x", "A cast(0 PW)");
	step(s, "A unlock IVVALBLK", "A cast(EUNLOCK)");
	queues(s, "r", "-");
	step(s, "B lock EX VALBLK", "B cast(0 EX lvb=zero)");
	lvb_is(s, "r", "-");
}

/* The sequence number grows with each write, not with a mark (R-LVB-3, R-LVB-4). */
static void lvb_sequence_counts_writes(void **state)
{
	struct script *s = *state;
	struct engine_resource_info info;

	step(s, "A lock EX", "A cast(0 EX)");
	step(s, "A conv EX VALBLK lvb=x", "A cast(0 EX)");
	step(s, "A conv EX VALBLK lvb=x", "A cast(0 EX)");
	step(s, "A conv EX IVVALBLK", "A cast(0 EX)");
	assert_true(engine_resource_find(script_engine(s), "r", 1, &info));
	assert_int_equal(info.lvb_seq, 2);
	assert_true(info.lvb_invalid);
}

/* R-LVB-8: a mark is set whether or not there is an LVB, and for PW and EX only. */
static void session_end_marks_by_mode_only(void **state)
{
	(void)state;
	for (int mode = 0; mode < 6; mode++) {
		struct script *s = script_new();
		char command[64];
		char effects[64];

		step(s, "Z lock NL", "Z cast(0 NL)");
		(void)snprintf(command, sizeof(command), "A lock %s", names[mode]);
		(void)snprintf(effects, sizeof(effects), "A cast(0 %s)", names[mode]);
		step(s, command, effects);
		step(s, "A end", "");
		lvb_is(s, "r", mode >= 4 ? "-!" : "-");
		script_free(s);
	}
}

/* R-LVB-5 */
static void ivvalblk_marks_nothing_unless_the_transition_writes(void **state)
{
	struct script *s = *state;

	step(s, "Z lock NL", "Z cast(0 NL)");
	step(s, "A lock EX IVVALBLK", "A cast(0 EX)"); /* reads, as any new request */
	lvb_is(s, "r", "-");
	step(s, "A conv PW VALBLK lvb=x", "A cast(0 PW)");
	step(s, "A conv EX IVVALBLK", "A cast(0 EX)"); /* PW to EX reads */
	step(s, "A conv PR", "A cast(0 PR)");
	step(s, "A conv CR IVVALBLK", "A cast(0 CR)"); /* does neither */
	step(s, "A unlock IVVALBLK", "A cast(EUNLOCK)");
	lvb_is(s, "r", "x");
}

/* R-LVB-10: no node is the master of a value, so none takes it along. */
static void value_outlives_its_writers_node_with_weak_locks_only(void **state)
{
	struct script *s = *state;

	step(s, "A on 1", "");
	step(s, "X on 2", "");
	step(s, "X lock EX", "X cast(0 EX)");
	step(s, "A lock NL", "A cast(0 NL)");
	step(s, "X conv PR VALBLK lvb=x", "X cast(0 PR)");
	step(s, "node 2 lost", "");
	step(s, "node 2 remove", "");
	lvb_is(s, "r", "x");
	step(s, "A conv PR VALBLK", "A cast(0 PR lvb=x)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_conversion_does_what_the_table_says),
		cmocka_unit_test(every_unlock_does_what_the_table_says),
		cmocka_unit_test(new_request_reads_or_gets_zeros),
		script_test(refused_and_cancelled_requests_read_nothing),
		script_test(a_late_grant_writes_the_bytes_of_its_call),
		script_test(lvb_and_mark_end_with_the_last_lock),
		script_test(lvb_sequence_counts_writes),
		cmocka_unit_test(session_end_marks_by_mode_only),
		script_test(ivvalblk_marks_nothing_unless_the_transition_writes),
		script_test(value_outlives_its_writers_node_with_weak_locks_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
