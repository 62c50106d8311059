/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lockspaces: create, open, close, release. What the kernel's control device does, the daemon's
 * administration service does here.
 */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "lib/client/private.h"
#include "lib/dlm/calls.h"
#include "lib/dlm/handle.h"

#define LSFL_KNOWN (LOCKSTEP_LSFL_TIMEWARN | LOCKSTEP_LSFL_FS | LOCKSTEP_LSFL_NEWEXCL)
#define RELEASE_FORCE 2 /* R-LS-6 */

/* Joining takes as long as it takes (R-LS-2). */
static const struct lockstep_options options = { .timeout_ms = -1 };

struct dlm_handle *space_open(const char *name)
{
	if (!name) {
		errno = EINVAL;
		return NULL;
	}
	struct dlm_handle *h = handle_open(name);

	if (!h && errno == EUNATCH) {
		errno = ENOENT; /* where no daemon runs there is no lockspace */
	}
	return h;
}

struct dlm_handle *space_new(const char *name, mode_t mode, uint32_t flags)
{
	struct lockstep_admin *admin = NULL;
	struct dlm_handle *h = NULL;
	const struct lockstep_options want = {
		.lvb_len = DLM_LVB_LEN, .mode = (uint16_t)(mode & 0777),
		.space_flags = flags & LSFL_KNOWN,
	};
	int error = lockstep_admin_open(&options, &admin);

	if (error == -EACCES) {
		error = -EPERM; /* the kernel's control device listens to everybody (R-LS-10) */
	}
	if (error == 0) {
		error = client_space_create(admin, name, &want, PERSONALITY_LIBDLM);
	}
	if (error == 0) {
		h = handle_open(name);
		error = h ? 0 : -errno;
		if (!h) {
			(void)lockstep_admin_space_release(admin, name, 0);
		}
	}
	lockstep_admin_close(admin);
	if (error) {
		errno = -error;
	}
	return h;
}

dlm_lshandle_t dlm_create_lockspace(const char *name, mode_t mode)
{
	return space_new(name, mode, 0);
}

dlm_lshandle_t dlm_new_lockspace(const char *name, mode_t mode, uint32_t flags)
{
	return space_new(name, mode, flags);
}

dlm_lshandle_t dlm_open_lockspace(const char *name)
{
	return space_open(name);
}

int dlm_close_lockspace(dlm_lshandle_t handle)
{
	if (!handle_close(handle)) {
		errno = ENOTCONN;
		return -1;
	}
	return 0;
}

/* The lockspace is the handle's; the kernel's libdlm needs @name only to find device nodes. That the
 * release was refused is not told, as there (section 3). */
int dlm_release_lockspace(const char *name, dlm_lshandle_t handle, int force)
{
	char space[LOCKSTEP_SPACE_MAX + 1];
	struct lockstep_admin *admin;
	struct dlm_handle *h = handle_get(handle);

	(void)name;
	if (!h) {
		errno = EINVAL; /* R-ERR-3 */
		return -1;
	}
	memcpy(space, h->space, sizeof(space));
	handle_put(h);
	(void)handle_close(handle);
	int error = lockstep_admin_open(&options, &admin);

	if (error) {
		errno = -error;
		return -1;
	}
	(void)lockstep_admin_space_release(admin, space, force ? RELEASE_FORCE : 0);
	lockstep_admin_close(admin);
	return 0;
}

int dlm_ls_get_fd(dlm_lshandle_t handle)
{
	struct dlm_handle *h = handle_get(handle);
	int fd = h ? h->poll_fd : -1;

	if (h) {
		handle_put(h);
	}
	return fd;
}

/* lvmlockd works around a fault of the kernel's 6.0.1. */
int dlm_kernel_version(uint32_t *major, uint32_t *minor, uint32_t *patch)
{
	*major = 6;
	*minor = 0;
	*patch = 2;
	return 0;
}

void dlm_library_version(uint32_t *major, uint32_t *minor, uint32_t *patch)
{
	(void)dlm_kernel_version(major, minor, patch);
}
