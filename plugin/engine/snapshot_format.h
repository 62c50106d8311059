/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the snapshot format. Little-endian; a record is its type byte (enum record_kind)
 * and the fields below, without padding. Modes are one byte, IV is 0xff.
 *
 *  snapshot  header, members, sessions, resources; each resource is followed by its locks
 *
 *  header    u8 1, u32 magic, u16 version, u16 lvb_len, u32 deadlock_wait_ms, u8 xid_scope,
 *            u8 personality, u64 seq_base, u64 seq, u64 number of members, sessions, resources,
 *            locks
 *  member    u8 2, u32 nodeid, u64 incarnation, u8 bits (1 lost)
 *            ascending (nodeid, incarnation); only members that have sessions
 *  session   u8 3, u32 nodeid, u64 incarnation, u32 number, u8 bits (1 ended: its locks are
 *            orphans), u8 personality, u64 last request, u32 pid, u32 uid, 16 bytes comm
 *            ascending (nodeid, incarnation, number)
 *  resource  u8 4, u8 name length, name, u8 bits (1 has LVB, 2 invalid mark), u32 LVB sequence,
 *            LVB when there is one
 *            ascending name, unsigned bytes, a prefix first
 *  lock      u8 5, u32 nodeid, u64 incarnation, u32 session, u32 lkid, u8 queue (1 G, 2 C, 3 W),
 *            u8 granted, u8 requested, u8 highbast, u8 sb_flags, u8 attr, u32 flags, u64 token,
 *            u32 grant index, u64 created seq, u64 time_ms, u64 xid, u32 LVB sequence read;
 *            on C and W also u64 queued seq, u64 request, u32 timeout_cs, u8 has LVB, LVB
 *            G, then C, then W; within a queue by lock_order_before()
 */
#ifndef LOCKSTEP_ENGINE_SNAPSHOT_FORMAT_H
#define LOCKSTEP_ENGINE_SNAPSHOT_FORMAT_H

#include <lockstep/lockstep_types.h>

#define SNAPSHOT_MAGIC 0x50534b4cu /* "LKSP" */
#define SNAPSHOT_VERSION 1u
#define SNAPSHOT_RECORD_MAX (256 + LOCKSTEP_LVB_MAX) /* no record is longer */

#define MEMBER_LOST 0x01u

#define SESSION_ENDED 0x01u

#define RESOURCE_HAS_LVB 0x01u
#define RESOURCE_LVB_INVALID 0x02u

#endif
