/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words and numbers of Lockstep, shared by programs, library and daemon: modes, flags, status
 * codes, limits. Names and values are those of the Linux DLM (dlmconstants.h) wherever it has one.
 */
#ifndef LOCKSTEP_TYPES_H
#define LOCKSTEP_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lock modes. A higher number is more severe, except that CW and PR are incomparable. */
#define LOCKSTEP_LOCK_IV (-1) /* no mode */
#define LOCKSTEP_LOCK_NL 0    /* null: holds a place and an interest, excludes nobody */
#define LOCKSTEP_LOCK_CR 1    /* concurrent read */
#define LOCKSTEP_LOCK_CW 2    /* concurrent write */
#define LOCKSTEP_LOCK_PR 3    /* protected read: the usual shared lock */
#define LOCKSTEP_LOCK_PW 4    /* protected write */
#define LOCKSTEP_LOCK_EX 5    /* exclusive */

/* Request flags, as DLM_LKF_* (spec: lock model section 11). */
#define LOCKSTEP_LKF_NOQUEUE     0x00000001u
#define LOCKSTEP_LKF_CANCEL      0x00000002u
#define LOCKSTEP_LKF_CONVERT     0x00000004u
#define LOCKSTEP_LKF_VALBLK      0x00000008u
#define LOCKSTEP_LKF_QUECVT      0x00000010u
#define LOCKSTEP_LKF_IVVALBLK    0x00000020u
#define LOCKSTEP_LKF_CONVDEADLK  0x00000040u
#define LOCKSTEP_LKF_PERSISTENT  0x00000080u
#define LOCKSTEP_LKF_NODLCKWT    0x00000100u
#define LOCKSTEP_LKF_NODLCKBLK   0x00000200u
#define LOCKSTEP_LKF_EXPEDITE    0x00000400u
#define LOCKSTEP_LKF_NOQUEUEBAST 0x00000800u
#define LOCKSTEP_LKF_HEADQUE     0x00001000u
#define LOCKSTEP_LKF_NOORDER     0x00002000u
#define LOCKSTEP_LKF_ORPHAN      0x00004000u
#define LOCKSTEP_LKF_ALTPR       0x00008000u
#define LOCKSTEP_LKF_ALTCW       0x00010000u
#define LOCKSTEP_LKF_FORCEUNLOCK 0x00020000u
#define LOCKSTEP_LKF_TIMEOUT     0x00040000u

/* sb_flags of a successful completion, as DLM_SBF_*. */
#define LOCKSTEP_SBF_DEMOTED     0x01u /* demoted to NL for conversion deadlock on the way */
#define LOCKSTEP_SBF_VALNOTVALID 0x02u /* the lock value block is stale */
#define LOCKSTEP_SBF_ALTMODE     0x04u /* granted in the alternate mode */

/* Flags of a lockspace at its creation, as DLM_LSFL_*. They matter on the node that gives them only. */
#define LOCKSTEP_LSFL_NODIR    0x1u /* accepted, no effect */
#define LOCKSTEP_LSFL_TIMEWARN 0x2u /* log locks that have been queued for 5 s */
#define LOCKSTEP_LSFL_FS       0x4u /* accepted, no effect */
#define LOCKSTEP_LSFL_NEWEXCL  0x8u /* EEXIST when this node is in the lockspace already */

/* Do transaction ids (xid) of different nodes name the same transaction? 0 leaves it open. */
#define LOCKSTEP_XID_SCOPE_NODE    1
#define LOCKSTEP_XID_SCOPE_CLUSTER 2

/* Final statuses that are no errno, as DLM_ECANCEL and DLM_EUNLOCK. Positive in the lksb. */
#define LOCKSTEP_ECANCEL 0x10001
#define LOCKSTEP_EUNLOCK 0x10002
#define LOCKSTEP_EINPROG 0x10003

/* Limits, bytes unless said otherwise. */
#define LOCKSTEP_NAME_MAX      64   /* resource name, 0..64 bytes, any values */
#define LOCKSTEP_SPACE_MAX     64   /* lockspace name, 1..64 */
#define LOCKSTEP_LVB_MAX       1024 /* a lockspace's LVB length: multiple of 8, 8..1024 */
#define LOCKSTEP_LVB_DEFAULT   32
#define LOCKSTEP_DEADLOCK_WAIT_DEFAULT 10000 /* ms queued before a deadlock is searched for */
#define LOCKSTEP_COMM_MAX      16   /* command name of a session's process */
#define LOCKSTEP_NODE_NAME_MAX 64
#define LOCKSTEP_REASON_MAX 511 /* what is waited for, in words */
#define LOCKSTEP_NODES_MAX     64   /* members of one lockspace */

#ifdef __cplusplus
}
#endif

#endif
