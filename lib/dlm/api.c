/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The exported calls on a handle, as libdlm.h declares them. `parent` is ignored (R-ABI-11).
 */
#include "config.h"

#include <errno.h>

#include "lib/dlm/calls.h"
#include "lib/dlm/handle.h"

int dlm_ls_lock(dlm_lshandle_t lockspace, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		const void *name, unsigned int namelen, uint32_t parent, dlm_routine astaddr,
		void *astarg, dlm_routine bastaddr, void *range)
{
	const struct lock_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = namelen,
		.ast = astaddr, .ast_arg = astarg, .bast = bastaddr, .bast_arg = astarg,
		.range = range,
	};

	(void)parent;
	return call_lock(lockspace, &request);
}

int dlm_ls_lockx(dlm_lshandle_t lockspace, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		 const void *name, unsigned int namelen, uint32_t parent, dlm_routine astaddr,
		 void *astarg, dlm_routine bastaddr, uint64_t *xid, uint64_t *timeout)
{
	const struct lock_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = namelen,
		.ast = astaddr, .ast_arg = astarg, .bast = bastaddr, .bast_arg = astarg,
		.xid = xid, .timeout = timeout,
	};

	(void)parent;
	return call_lock(lockspace, &request);
}

int dlm_ls_lock_wait(dlm_lshandle_t lockspace, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		     const void *name, unsigned int namelen, uint32_t parent, void *bastarg,
		     dlm_routine bastaddr, void *range)
{
	const struct lock_request request = {
		.mode = mode, .lksb = lksb, .flags = flags, .name = name, .name_len = namelen,
		.bast = bastaddr, .bast_arg = bastarg, .range = range, .wait = true,
	};

	(void)parent;
	return call_lock(lockspace, &request);
}

int dlm_ls_unlock(dlm_lshandle_t lockspace, uint32_t lkid, uint32_t flags, struct dlm_lksb *lksb,
		  void *astarg)
{
	const struct unlock_request request = {
		.lkid = lkid, .flags = flags, .lksb = lksb, .ast_arg = astarg,
	};

	return call_unlock(lockspace, &request);
}

int dlm_ls_unlock_wait(dlm_lshandle_t lockspace, uint32_t lkid, uint32_t flags,
		       struct dlm_lksb *lksb)
{
	const struct unlock_request request = {
		.lkid = lkid, .flags = flags, .lksb = lksb, .wait = true,
	};

	return call_unlock(lockspace, &request);
}

int dlm_ls_deadlock_cancel(dlm_lshandle_t ls, uint32_t lkid, uint32_t flags)
{
	(void)flags;
	return call_deadlock_cancel(ls, lkid);
}

int dlm_ls_purge(dlm_lshandle_t lockspace, int nodeid, int pid)
{
	return call_purge(lockspace, nodeid, pid);
}

int dlm_dispatch(int fd)
{
	struct dlm_handle *h = handle_get_by_fd(fd);

	if (!h) {
		return -1;
	}
	int rc = dlm_result(handle_dispatch(h));

	handle_put(h);
	return rc;
}

#if DLM_THREADS
int dlm_ls_pthread_init(dlm_lshandle_t lockspace)
{
	struct dlm_handle *h = handle_get(lockspace);

	if (!h) {
		return -1;
	}
	int rc = dlm_result(handle_thread_start(h));

	handle_put(h);
	return rc;
}
#endif
