/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the model counts while it applies ops: every line of its tables and every turn its rules
 * can take. A run of random ops that leaves one at zero has shown nothing about it.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_MODEL_MARKS_H
#define LOCKSTEP_TESTS_ENGINE_MODEL_MARKS_H

#include <stddef.h>

/* name, and the rule in words */
#define MODEL_MARKS(X)                                                                             \
	X(GR1_1, "R-GR-1 line 1: EXPEDITE")                                                        \
	X(GR1_2, "R-GR-1 line 2: conflict with G")                                                 \
	X(GR1_3, "R-GR-1 line 3: conflict with C")                                                 \
	X(GR1_4, "R-GR-1 line 4: a conversion overtakes C")                                        \
	X(GR1_4_ALONE, "R-GR-1 line 4: a conversion, C empty")                                     \
	X(GR1_5_YES, "R-GR-1 line 5: QUECVT, C empty")                                             \
	X(GR1_5_NO, "R-GR-1 line 5: QUECVT, C not empty")                                          \
	X(GR1_5_NOORDER, "R-GR-2 (d): NOORDER does not help QUECVT")                               \
	X(GR1_6, "R-GR-1 line 6: NOORDER overtakes")                                               \
	X(GR1_6_LATER, "R-GR-1 line 6: NOORDER in a settle")                                       \
	X(GR1_7_YES, "R-GR-1 line 7: head of C")                                                   \
	X(GR1_7_NO, "R-GR-1 line 7: not head of C")                                                \
	X(GR1_8_YES, "R-GR-1 line 8: nobody waits")                                                \
	X(GR1_8_NO, "R-GR-1 line 8: somebody waits")                                               \
	X(GR1_9_YES, "R-GR-1 line 9: head of W")                                                   \
	X(GR1_9_NO, "R-GR-1 line 9: not head of W")                                                \
	X(GR4_DEADLOCK, "R-GR-4: deadlock")                                                        \
	X(GR4_DEMOTED, "R-GR-4: demoted at once")                                                  \
	X(GR4_DEMOTED_LATER, "R-GR-4: demoted in a settle")                                        \
	X(CDL1_BEFORE, "R-CDL-1: with one before it")                                              \
	X(CDL1_BEHIND, "R-CDL-1: with one behind it")                                              \
	X(CDL1_BEHIND_HALF, "R-CDL-1: one behind it, in one direction only")                       \
	X(ALT_PR, "R-ALT-1: PR instead")                                                           \
	X(ALT_CW, "R-ALT-1: CW instead")                                                           \
	X(ALT_BOTH, "R-ALT-1: ALTPR wins")                                                         \
	X(ALT_NO, "R-ALT-1: the alternate cannot be granted either")                               \
	X(ALT_CONVERT, "R-ALT-1: of a conversion")                                                 \
	X(ALT_LATER, "R-ALT-1: in a settle")                                                       \
	X(ALT_NOT, "R-ALT-3: no alternate after deadlock or demotion")                             \
	X(GR5_STAYS, "R-GR-5: the same mode keeps its place")                                      \
	X(GR5_STAYS_ALT, "R-GR-5: the alternate is the mode it had")                               \
	X(GR6_AGAIN, "R-GR-6: walk again after a grant")                                           \
	X(GR6_ONCE_MORE, "R-GR-6: once more after a demotion")                                     \
	X(GR6_SELF, "R-GR-6: NODLCKWT hears of its deadlock")                                      \
	X(GR6_SELF_TOLD, "R-GR-6: NODLCKWT was told before")                                       \
	X(GR6_DEADLOCK_LEFT, "R-GR-6: deadlock without NODLCKWT is left queued")                   \
	X(GR6_WAIT_GRANT, "R-GR-6: a grant from W")                                                \
	X(GR6_WAIT_PAST, "R-GR-6: a grant from W behind a blocked one")                            \
	X(BAST2, "R-BAST-2: sent")                                                                 \
	X(BAST2_MIDDLE, "R-BAST-2: PR and CW")                                                     \
	X(BAST2_TOLD, "R-BAST-2: told before")                                                     \
	X(BAST3, "R-BAST-3: sent")                                                                 \
	X(BAST3_CW, "R-BAST-3: PR holder, CW waits")                                               \
	X(BAST3_CW_TELL, "R-BAST-3: CW is told, PR is highest")                                    \
	X(BAST3_TOLD, "R-BAST-3: told before")                                                     \
	X(BAST4_C, "R-BAST-4: one on C is told")                                                   \
	X(BAST7, "R-BAST-7: no routine")                                                           \
	X(REQ1, "R-REQ-1")                                                                         \
	X(REQ1_WAITERS, "R-REQ-1: granted past W, nobody is told")                                 \
	X(REQ2, "R-REQ-2")                                                                         \
	X(REQ2_HEAD, "R-REQ-2: HEADQUE past another")                                              \
	X(REQ3, "R-REQ-3")                                                                         \
	X(REQ3_BAST, "R-REQ-3: NOQUEUEBAST")                                                       \
	X(CONV3, "R-CONV-3")                                                                       \
	X(CONV4, "R-CONV-4")                                                                       \
	X(CONV5, "R-CONV-5: granted after demotion")                                               \
	X(CONV5_QUEUED, "R-CONV-5: queued after demotion")                                         \
	X(CONV6, "R-CONV-6")                                                                       \
	X(CONV6_HEAD, "R-CONV-6: HEADQUE past another")                                            \
	X(CONV6_DEADLOCK, "R-CONV-6: NODLCKWT")                                                    \
	X(CONV7, "R-CONV-7")                                                                       \
	X(CONV7_BAST, "R-CONV-7: NOQUEUEBAST")                                                     \
	X(CONV7_DEADLOCK, "R-CONV-7: in what would be a deadlock")                                 \
	X(CONV8, "R-CONV-8")                                                                       \
	X(CONV9, "R-CONV-9: an illegal pair")                                                      \
	X(LVB2_ZERO, "R-LVB-2: a new request, no LVB")                                             \
	X(LVB2_LEFT, "R-LVB-2: a conversion, no LVB")                                              \
	X(LVB3_FIRST, "R-LVB-3: creates the LVB")                                                  \
	X(LVB3_CLEARS, "R-LVB-3: clears the mark")                                                 \
	X(LVB3_LATE, "R-LVB-3: what the call brought is written at a late grant")                  \
	X(LVB4, "R-LVB-4: IVVALBLK")                                                               \
	X(LVB4_BOTH, "R-LVB-4: with VALBLK")                                                       \
	X(LVB5, "R-LVB-5: IVVALBLK without a write")                                               \
	X(LVB6_READ, "R-LVB-6: read, marked")                                                      \
	X(LVB6_READ_NONE, "R-LVB-6: read, no LVB, marked")                                         \
	X(LVB6_READ_NOT, "R-LVB-6: no VALBLK, marked")                                             \
	X(LVB6_WRITE, "R-LVB-6: write, marked")                                                    \
	X(LVB6_NOTHING, "R-LVB-6: neither, marked, VALBLK")                                        \
	X(LVB6_NOTHING_NOT, "R-LVB-6: neither, marked, no VALBLK")                                 \
	X(LVB8, "R-LVB-8: a session ends with PW or EX")                                           \
	X(LVB9_YES, "R-LVB-9: a node goes, VALBLK")                                                \
	X(LVB9_NO, "R-LVB-9: a node goes, no VALBLK")                                              \
	X(LVB11, "R-LVB-11: PW or EX becomes an orphan")                                           \
	X(LVB11_PURGE, "R-LVB-11: an orphan with PW or EX is purged")                              \
	X(RES2, "R-RES-2: a resource with an LVB goes")                                            \
	X(TOK1_KEPT, "R-TOK-1: the token of an unchanged mode stays")                              \
	X(UNL1, "R-UNL-1")                                                                         \
	X(UNL2_C, "R-UNL-2: on C")                                                                 \
	X(UNL2_C_WRITE, "R-UNL-2: on C, the LVB is written")                                       \
	X(UNL2_W, "R-UNL-2: on W")                                                                 \
	X(CAN1, "R-CAN-1")                                                                         \
	X(CAN2, "R-CAN-2")                                                                         \
	X(CAN2_PLACE, "R-CAN-2: back between others on G")                                         \
	X(CAN2_DEMOTED, "R-CAN-2: demoted before")                                                 \
	X(CAN3, "R-CAN-3")                                                                         \
	X(CAN8_C, "R-CAN-8: on C")                                                                 \
	X(CAN8_W, "R-CAN-8: on W")                                                                 \
	X(CAN8_G, "R-CAN-8: on G")                                                                 \
	X(TMO1_C, "R-TMO-1: on C")                                                                 \
	X(TMO1_W, "R-TMO-1: on W")                                                                 \
	X(TMO2, "R-TMO-2: of another queueing")                                                    \
	X(TMO5, "R-TMO-5: without TIMEOUT")                                                        \
	X(PROC1_DROP, "R-PROC-1: a lock goes")                                                     \
	X(PROC1_ORPHAN, "R-PROC-1: an orphan")                                                     \
	X(PROC1_ORPHAN_C, "R-PROC-1: an orphan that converted")                                    \
	X(PROC1_ORPHAN_W, "R-PROC-1: a persistent request ends")                                   \
	X(PROC1_TWO, "R-PROC-1: several resources are settled")                                    \
	X(PROC4, "R-PROC-4: an orphan is not told")                                                \
	X(PROC5_G, "R-PROC-5: a node goes")                                                        \
	X(PROC5_ORPHAN, "R-PROC-5: with an orphan")                                                \
	X(REC4_C, "R-REC-4: a lost conversion ends")                                               \
	X(REC4_W, "R-REC-4: a lost request ends")                                                  \
	X(REC4_SILENT, "R-REC-4: an op of a lost node")                                            \
	X(VIEW2_SLOW, "R-VIEW-2: all LVBs are marked")                                             \
	X(ORPH1, "R-ORPH-1: adopted")                                                              \
	X(ORPH1_OLDEST, "R-ORPH-1: the oldest of several")                                         \
	X(ORPH1_EAGAIN, "R-ORPH-1: another mode")                                                  \
	X(ORPH1_ENOENT, "R-ORPH-1: none")                                                          \
	X(ORPH2, "R-ORPH-2: the adopter is told")                                                  \
	X(PURGE1_ALL, "R-PURGE-1: all of a node")                                                  \
	X(PURGE1_PID, "R-PURGE-1: of a pid")                                                       \
	X(PURGE1_OTHER, "R-PURGE-1: of another node")                                              \
	X(PURGE1_OWN, "R-PURGE-1: of the session itself")                                          \
	X(PURGE1_LOST, "R-REC-7: not of a lost node")                                              \
	X(CPG11, "R-CPG-11: a resend")                                                             \
	X(LOCK2, "R-LOCK-2: an lkid in use, or none")                                              \
	X(LOCK5, "R-LOCK-5: somebody else's lock")                                                 \
	X(LOCK6, "R-LOCK-6: no such lock")                                                         \
	X(ERR1, "R-ERR-1: illegal flags or mode")                                                  \
	X(ERR2, "R-ERR-2: illegal flags")                                                          \
	X(CONV1, "R-CONV-1: a conversion of a waiting lock")                                       \
	MODEL_SEARCH_MARKS(X)

#define MODEL_SEARCH_MARKS(X)                                                                      \
	X(DLK2_NOT, "R-DLK-2: of another queueing, or NODLCKWT")                                   \
	X(DLK1_LIBDLM, "R-DLK-1: not for libdlm")                                                  \
	X(DLK1_OFF, "R-DLK-1: turned off")                                                         \
	X(DLK1_VICTIM, "R-DLK-1: a libdlm lock is no victim")                                      \
	X(DLK3_SESSION, "R-DLK-3: a session")                                                      \
	X(DLK3_XID, "R-DLK-3: an xid of a node")                                                   \
	X(DLK3_CLUSTER, "R-DLK-3: an xid of the cluster")                                          \
	X(DLK4_A, "R-DLK-4: (a)")                                                                  \
	X(DLK4_B, "R-DLK-4: (b)")                                                                  \
	X(DLK4_NOORDER, "R-DLK-4: NOORDER does not wait for order")                                \
	X(DLK4_NODLCKWT, "R-DLK-4: NODLCKWT does not wait")                                        \
	X(DLK4_NODLCKBLK, "R-DLK-4: NODLCKBLK does not block")                                     \
	X(DLK5_A, "R-DLK-5: blocked by itself")                                                    \
	X(DLK5_B, "R-DLK-5: behind itself only")                                                   \
	X(DLK6_NONE, "R-DLK-6: no deadlock")                                                       \
	X(DLK6_TWO, "R-DLK-6: two transactions")                                                   \
	X(DLK6_MORE, "R-DLK-6: three or more")                                                     \
	X(DLK6_ELSEWHERE, "R-DLK-6: a cycle the start is not in")                                  \
	X(DLK7_C, "R-DLK-7: a conversion is the victim")                                           \
	X(DLK7_W, "R-DLK-7: a request is the victim")                                              \
	X(DLK7_OTHER, "R-DLK-7: a victim that is not the start")                                   \
	X(DLK7_AGAIN, "R-DLK-7: a second victim")                                                  \
	X(DLK7_NONE, "R-DLK-7: a cycle without a victim")

enum model_mark {
#define MODEL_MARK(name, text) MARK_##name,
	MODEL_MARKS(MODEL_MARK)
#undef MODEL_MARK
	MARKS_COUNT,
};

enum { MODEL_LVB_PLAIN, MODEL_LVB_VALBLK, MODEL_LVB_IVVALBLK, MODEL_LVB_BOTH, MODEL_LVB_KINDS };
enum { MODEL_NOW, MODEL_QUEUED, MODEL_REFUSED, MODEL_OUTCOMES };

struct model_marks {
	size_t turns[MARKS_COUNT];
	/* R-LVB-1: granted mode + 1 (0: none), requested mode (6: unlock), VALBLK and IVVALBLK */
	size_t lvb[7][7][MODEL_LVB_KINDS];
	/* From queue to queue; 0 is none, then G, C, W. */
	size_t moves[4][4];
	/* Bit of the flag; new request or conversion; what came of it at once. */
	size_t flags[32][2][MODEL_OUTCOMES];
};

#endif
