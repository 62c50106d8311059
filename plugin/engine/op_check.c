/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Argument errors that need no state (R-ERR-1, R-ERR-2), asked by the home node before an op is
 * ordered and once more by apply, so that no bad op of a broken node reaches the lock machine.
 */
#include "config.h"

#include <errno.h>

#include "plugin/engine/engine_private.h"

static bool any(uint32_t flags, uint32_t mask)
{
	return flags & mask;
}

/* Rows in the order of R-ERR-1. */
static int check_request(const struct engine_op *op)
{
	bool convert = op->type == ENGINE_OP_CONVERT;
	uint32_t flags = op->flags;

	if (op->mode >= MODE_COUNT) {
		return EINVAL;
	}
	if (!convert && op->name_len > LOCKSTEP_NAME_MAX) {
		return EINVAL;
	}
	if (any(flags, LOCKSTEP_LKF_CANCEL)) {
		return EINVAL;
	}
	if (any(flags, LOCKSTEP_LKF_QUECVT) && !convert) {
		return EINVAL;
	}
	/* R-CDL-5 */
	if (any(flags, LOCKSTEP_LKF_CONVDEADLK) &&
	    (!convert || any(flags, LOCKSTEP_LKF_NOQUEUE))) {
		return EINVAL;
	}
	if (any(flags, LOCKSTEP_LKF_EXPEDITE) &&
	    (convert || any(flags, LOCKSTEP_LKF_QUECVT | LOCKSTEP_LKF_NOQUEUE) ||
	     op->mode != LOCKSTEP_LOCK_NL)) {
		return EINVAL;
	}
	return 0;
}

static int check_unlock(const struct engine_op *op)
{
	uint32_t legal = LOCKSTEP_LKF_CANCEL | LOCKSTEP_LKF_VALBLK | LOCKSTEP_LKF_IVVALBLK |
			 LOCKSTEP_LKF_FORCEUNLOCK;
	uint32_t both = LOCKSTEP_LKF_CANCEL | LOCKSTEP_LKF_FORCEUNLOCK;

	if (any(op->flags, ~legal)) {
		return EINVAL;
	}
	/* R-CAN-5. A cancel may come as its own op type without the flag. */
	if ((op->flags & both) == both ||
	    (op->type != ENGINE_OP_UNLOCK && any(op->flags, LOCKSTEP_LKF_FORCEUNLOCK))) {
		return EINVAL;
	}
	/* A cancel that arrives as an unlock is a mistake of the caller of this code. */
	if (op->type == ENGINE_OP_UNLOCK && any(op->flags, LOCKSTEP_LKF_CANCEL)) {
		return EINVAL;
	}
	return 0;
}

static int check_lvb(const struct engine_config *config, const struct engine_op *op)
{
	if (op->lvb_len != 0 && op->lvb_len != config->lvb_len) {
		return EINVAL;
	}
	return op->lvb_len != 0 && !op->lvb ? EINVAL : 0;
}

static int first_error(int first, int second)
{
	return first != 0 ? first : second;
}

int op_check_apply(const struct engine_config *config, const struct engine_op *op)
{
	switch (op->type) {
	case ENGINE_OP_SESSION_BEGIN:
		return op->personality > ENGINE_PERSONALITY_LIBDLM ? EINVAL : 0;
	case ENGINE_OP_LOCK:
	case ENGINE_OP_CONVERT:
		return first_error(check_request(op), check_lvb(config, op));
	case ENGINE_OP_ADOPT:
		return check_request(op);
	case ENGINE_OP_UNLOCK:
		return first_error(check_unlock(op), check_lvb(config, op));
	case ENGINE_OP_CANCEL:
	case ENGINE_OP_DEADLOCK_CANCEL:
		return check_unlock(op);
	default:
		return 0;
	}
}

int engine_op_check(const struct engine_config *config, const struct engine_op *op)
{
	int error = op_check_apply(config, op);

	if (error != 0) {
		return error;
	}
	/* VALBLK needs a buffer (R-ERR-1, D-13), but a cancel ignores it (R-CAN-4). */
	bool takes_lvb = op->type == ENGINE_OP_LOCK || op->type == ENGINE_OP_CONVERT ||
			 op->type == ENGINE_OP_UNLOCK;

	if (takes_lvb && any(op->flags, LOCKSTEP_LKF_VALBLK) && op->lvb_len == 0) {
		return EINVAL;
	}
	return 0;
}
