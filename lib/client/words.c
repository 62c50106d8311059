/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of numbers. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include <lockstep/lockstep.h>

static const char *const mode_names[] = { "NL", "CR", "CW", "PR", "PW", "EX" };

#define MODE_NAMES_COUNT ((int)(sizeof(mode_names) / sizeof(mode_names[0])))

const char *lockstep_mode_name(int mode)
{
	if (mode == LOCKSTEP_LOCK_IV) {
		return "--";
	}
	return mode >= 0 && mode < MODE_NAMES_COUNT ? mode_names[mode] : "??";
}

int lockstep_mode_parse(const char *name)
{
	for (int mode = 0; name && mode < MODE_NAMES_COUNT; mode++) {
		if (strcasecmp(name, mode_names[mode]) == 0) {
			return mode;
		}
	}
	return -EINVAL;
}

const char *lockstep_strerror(int error)
{
	const char *text;

	if (error < 0 && error > -4096) {
		error = -error;
	}
	switch (error) {
	case 0:
		return "granted";
	case EAGAIN:
		return "not granted at once, or the daemon's send window is full";
	case EBUSY:
		return "the lock has a request outstanding, or the object is in use";
	case ECANCELED:
	case LOCKSTEP_ECANCEL:
		return "the request was cancelled";
	case EDEADLK:
		return "waiting would be a deadlock";
	case EACCES:
		return "permission denied, or the daemon's name is taken by another user's process";
	case EBADMSG:
		return "the daemon speaks another version of the protocol";
	case ENOENT:
		return "no such lock, lockspace or node here";
	case ENOTCONN:
		return "the session is lost: the daemon is gone or this node has left the quorate "
		       "cluster";
	case EPROTO:
		return "the lockspace has another LVB length";
	case EPROTONOSUPPORT:
		return "the other nodes use a newer feature level than this node's lockstepd knows: upgrade it";
	case ESTALE:
		return "this node is outside the quorate cluster and not yet reset";
	case ETIMEDOUT:
		return "timed out";
	case EUNATCH:
		return "no lockstepd answers on this node";
	case EUSERS:
		return "the daemon takes no more connections; its log says which limit";
	case ENOSPC:
		return "no room for a connection in /dev/shm";
	case LOCKSTEP_EUNLOCK:
		return "unlocked";
	case LOCKSTEP_EINPROG:
		return "in progress";
	default:
		text = error > 0 ? strerrordesc_np(error) : NULL;
		return text ? text : "unknown error";
	}
}

const char *lockstep_version(void)
{
	return PACKAGE_VERSION;
}
