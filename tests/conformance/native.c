/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of libdlm's calls that dlmscript uses, over the native API: so the same scenarios show the modes
 * of blocking callbacks, which libdlm does not pass on. One handle per process.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libdlm.h>
#include <lockstep/lockstep.h>

int bastmode = -1; /* of the callback that is running; read by dlmscript.c */

/* One per lksb of the script. */
struct slot {
	struct slot *next;
	struct dlm_lksb *user;
	struct lockstep_lksb lksb;
	void (*ast)(void *arg);
	void (*bast)(void *arg);
	void *arg;
};

static struct slot *slots;
static struct lockstep_session *session;

static int result(int error)
{
	errno = error < 0 ? -error : 0;
	return error < 0 ? -1 : 0;
}

static struct slot *slot_of(struct dlm_lksb *user)
{
	struct slot *s = slots;

	while (s && s->user != user) {
		s = s->next;
	}
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s) {
			abort();
		}
		s->user = user;
		s->next = slots;
		slots = s;
	}
	s->lksb.lkid = user->sb_lkid;
	s->lksb.lvb = user->sb_lvbptr;
	return s;
}

static void ast(void *arg)
{
	struct slot *s = arg;

	s->user->sb_status = s->lksb.status;
	s->user->sb_flags = (char)s->lksb.flags;
	if (s->ast) {
		s->ast(s->arg);
	}
}

static void bast(void *arg, int mode)
{
	struct slot *s = arg;

	bastmode = mode;
	s->bast(s->arg);
}

int dlm_ls_lockx(dlm_lshandle_t ls, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		 const void *name, unsigned int namelen, uint32_t parent, void (*astaddr)(void *),
		 void *astarg, void (*bastaddr)(void *), uint64_t *xid, uint64_t *timeout)
{
	struct slot *s = slot_of(lksb);

	(void)ls;
	(void)parent;
	int error = lockstep_lockx(session, (int)mode, &s->lksb, flags, name, namelen, s,
				   astaddr ? ast : NULL, bastaddr ? bast : NULL, xid ? *xid : 0,
				   timeout ? (uint32_t)*timeout : 0);

	if (error == 0) {
		s->ast = astaddr;
		s->bast = bastaddr;
		s->arg = astarg;
		lksb->sb_lkid = s->lksb.lkid;
	}
	return result(error);
}

int dlm_ls_lock(dlm_lshandle_t ls, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		const void *name, unsigned int namelen, uint32_t parent, void (*astaddr)(void *),
		void *astarg, void (*bastaddr)(void *), void *range)
{
	(void)range;
	return dlm_ls_lockx(ls, mode, lksb, flags, name, namelen, parent, astaddr, astarg, bastaddr,
			    NULL, NULL);
}

int dlm_ls_unlock(dlm_lshandle_t ls, uint32_t lkid, uint32_t flags, struct dlm_lksb *lksb, void *arg)
{
	struct slot *s = slot_of(lksb);

	(void)ls;
	s->arg = arg;
	return result(lockstep_unlock(session, lkid, flags, &s->lksb));
}

int dlm_ls_deadlock_cancel(dlm_lshandle_t ls, uint32_t lkid, uint32_t flags)
{
	(void)ls;
	(void)flags;
	return result(lockstep_deadlock_cancel(session, lkid));
}

int dlm_ls_purge(dlm_lshandle_t ls, int nodeid, int pid)
{
	(void)ls;
	return result(lockstep_purge(session, (uint32_t)nodeid, (uint32_t)pid));
}

dlm_lshandle_t dlm_open_lockspace(const char *name)
{
	return result(lockstep_open(name, 0, NULL, &session)) == 0 ? session : NULL;
}

dlm_lshandle_t dlm_new_lockspace(const char *name, mode_t mode, uint32_t flags)
{
	struct lockstep_admin *admin;
	int error = lockstep_admin_open(NULL, &admin);

	(void)flags;
	if (error == 0) {
		error = lockstep_admin_space_create(admin, name, DLM_LVB_LEN, (uint16_t)mode);
		lockstep_admin_close(admin);
	}
	return result(error) == 0 ? dlm_open_lockspace(name) : NULL;
}

int dlm_close_lockspace(dlm_lshandle_t ls)
{
	lockstep_close(ls);
	return 0;
}

int dlm_release_lockspace(const char *name, dlm_lshandle_t ls, int force)
{
	struct lockstep_admin *admin;

	lockstep_close(ls);
	int error = lockstep_admin_open(NULL, &admin);

	if (error == 0) {
		(void)lockstep_admin_space_release(admin, name, force ? 2 : 0);
		lockstep_admin_close(admin);
	}
	return result(error);
}

int dlm_ls_get_fd(dlm_lshandle_t ls)
{
	return lockstep_session_fd(ls);
}

int dlm_dispatch(int fd)
{
	(void)fd;
	return result(lockstep_dispatch(session));
}

/* No scenario with modes needs threads or waits. */
int dlm_ls_pthread_init(dlm_lshandle_t ls)
{
	(void)ls;
	return result(-ENOSYS);
}

int dlm_ls_lock_wait(dlm_lshandle_t ls, uint32_t mode, struct dlm_lksb *lksb, uint32_t flags,
		     const void *name, unsigned int namelen, uint32_t parent, void *bastarg,
		     void (*bastaddr)(void *), void *range)
{
	(void)ls;
	(void)mode;
	(void)lksb;
	(void)flags;
	(void)name;
	(void)namelen;
	(void)parent;
	(void)bastarg;
	(void)bastaddr;
	(void)range;
	return result(-ENOSYS);
}

int dlm_ls_unlock_wait(dlm_lshandle_t ls, uint32_t lkid, uint32_t flags, struct dlm_lksb *lksb)
{
	(void)ls;
	(void)lkid;
	(void)flags;
	(void)lksb;
	return result(-ENOSYS);
}
