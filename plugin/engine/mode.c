/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of the lock model: which modes go together, what a transition does with the LVB,
 * which conversions may be queued with QUECVT. Data and look-ups, no state.
 */
#include "config.h"

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"

/* R-MODE-1; bit m of row n: n and m can be held together. */
static const uint8_t compatible[MODE_COUNT] = {
	/*      EX PW PR CW CR NL */
	[LOCKSTEP_LOCK_NL] = 0x3f, /*  y  y  y  y  y  y */
	[LOCKSTEP_LOCK_CR] = 0x1f, /*  -  y  y  y  y  y */
	[LOCKSTEP_LOCK_CW] = 0x07, /*  -  -  -  y  y  y */
	[LOCKSTEP_LOCK_PR] = 0x0b, /*  -  -  y  -  y  y */
	[LOCKSTEP_LOCK_PW] = 0x03, /*  -  -  -  -  y  y */
	[LOCKSTEP_LOCK_EX] = 0x01, /*  -  -  -  -  -  y */
};

#define N LVB_NOTHING
#define R LVB_READ
#define W LVB_WRITE

/* R-LVB-1: row granted, column requested. */
static const uint8_t lvb_action[MODE_COUNT][MODE_COUNT] = {
	/*                      NL CR CW PR PW EX */
	[LOCKSTEP_LOCK_NL] = { R, R, R, R, R, R },
	[LOCKSTEP_LOCK_CR] = { N, R, R, R, R, R },
	[LOCKSTEP_LOCK_CW] = { N, N, R, R, R, R },
	[LOCKSTEP_LOCK_PR] = { N, N, N, R, R, R },
	[LOCKSTEP_LOCK_PW] = { W, W, W, W, W, R },
	[LOCKSTEP_LOCK_EX] = { W, W, W, W, W, W },
};

#undef N
#undef R
#undef W

/* R-CONV-9; bit m of row n: n to m is a legal QUECVT pair. */
static const uint8_t quecvt[MODE_COUNT] = {
	/*      EX PW PR CW CR NL */
	[LOCKSTEP_LOCK_NL] = 0x3e, /*  y  y  y  y  y  - */
	[LOCKSTEP_LOCK_CR] = 0x3c, /*  y  y  y  y  -  - */
	[LOCKSTEP_LOCK_CW] = 0x38, /*  y  y  y  -  -  - */
	[LOCKSTEP_LOCK_PR] = 0x34, /*  y  y  -  y  -  - */
	[LOCKSTEP_LOCK_PW] = 0x20, /*  y  -  -  -  -  - */
	[LOCKSTEP_LOCK_EX] = 0x00, /*  -  -  -  -  -  - */
};

static bool mode_in_table(int mode)
{
	return mode >= 0 && mode < MODE_COUNT;
}

bool mode_compatible(int granted, int requested)
{
	if (granted == LOCKSTEP_LOCK_IV || requested == LOCKSTEP_LOCK_IV) {
		return true;
	}
	ls_assert(mode_in_table(granted));
	ls_assert(mode_in_table(requested));
	return compatible[granted] >> requested & 1;
}

bool mode_is_middle(int granted, int requested)
{
	return (granted == LOCKSTEP_LOCK_PR && requested == LOCKSTEP_LOCK_CW) ||
	       (granted == LOCKSTEP_LOCK_CW && requested == LOCKSTEP_LOCK_PR);
}

enum lvb_action mode_lvb_action(int granted, int requested)
{
	if (granted == LOCKSTEP_LOCK_IV) {
		return LVB_READ;
	}
	ls_assert(mode_in_table(granted));
	if (requested == LOCKSTEP_LOCK_IV) {
		return granted >= LOCKSTEP_LOCK_PW ? LVB_WRITE : LVB_NOTHING;
	}
	ls_assert(mode_in_table(requested));
	return (enum lvb_action)lvb_action[granted][requested];
}

bool engine_quecvt_legal(int8_t granted, uint8_t requested)
{
	if (!mode_in_table(granted) || !mode_in_table(requested)) {
		return false;
	}
	return quecvt[granted] >> requested & 1;
}
