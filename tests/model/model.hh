/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A checker of the rules alone, over an abstract CPG: stable grants, views, electorate
 * and the two points of a recovery (R-STAB, R-VIEW, R-REC-2..6, R-CPG-11), as they are
 * after what the simulator has taught (ARCHITECTURE.md, "Decisions"). No code of the
 * product is in here. README.md says what is modelled, and what is not.
 *
 *   main.cc    random walks, or breadth first with a set of hashes of states
 *   moves.cc   everything that can happen next
 *   rules.cc   what a node does with what is delivered to it
 */
#ifndef LOCKSTEP_TESTS_MODEL_H
#define LOCKSTEP_TESTS_MODEL_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_set>
#include <vector>

typedef uint8_t u8;

enum { LOCK = 1, UNLOCK, READY, CONFIRM, PREPARED, FENCED, MARK, CONF, EVICT, HELLO };
enum { STOP = 0, RECOV, RUN };
enum { MAXIN = 16, MAXOUT = 5, MAXR = 16, MAXH = 4, MAXE = 24 };

extern int N, two_node, start;
/* Rules that can be taken out: 1 is as it should be. Of ARCHITECTURE.md, "Decisions":
 * part of the view from the first hello on; a ready names its ring; what the slow way
 * knows falls with the ring and with the quorum; an evict names its view. */
extern int f_hello, f_rring, f_slowring, f_slowq, f_evview;
/* Of recovery.md: electorate; held ops are not stable; fenced names an incarnation;
 * joiners count from the recovery point on; the digest is that of the view change;
 * acknowledgements of this view only; confirmers are not shrunk by a departure; the
 * electorate is what counts. */
extern int f_elect, f_stab3, f_finc, f_joint, f_dig, f_slow, f_cset, f_cont;
extern int m_stab, m_epoch, m_fence, m_quorum, m_ringid;
/* Bounds of a run. */
extern int B_ring, B_restart, B_ops, B_evict, B_kill, B_fence;

/* What a node delivers: a message, or a configuration change. */
struct Ev {
	u8 type, snd, inc, a, b, seq, ring, uid;
	u8 left, mem, wring;
	u8 incs[3];
	u8 pad[2];
	uint32_t ep, view, dig;
};

/* Replicated state, and the view as its node sees it. */
struct R {
	uint32_t ep, view;
	u8 seq, st, ring,
		epi;	     // ring: of the last totem callback; epi: number of the epoch
	u8 holder, qn, q[3]; // client = 1 + node + 4 * inc
	u8 memb[3]; // carriers of the last view point, synced joiners included: inc + 1
	u8 lost[3], fenced; // inc + 1
	u8 dep;		    // carriers that departed since the last view point
	u8 E, P;	    // electorate, pending growth
	u8 hist, nh;
	u8 vmem, vinc[3];	  // current view: who has said hello, and as whom
	u8 lmem, linc[3], vclean; // listed by CPG; said that it has no state
	u8 conf[3];
	u8 rdy, prep;
	u8 rseq[3];
	uint32_t rdig[3];
	u8 rhist[3], rhas[3];
	u8 held[MAXH]; // client | unlock << 7
	u8 gseq;
	u8 pad[2];
};

struct Node {
	u8 alive, cl, inc, ring, qring, has, K, nin, nout, want, outst, told_ok;
	uint32_t sready, sconfep, sprep, smarkv, fv[3];
	u8 sconf, smark, shello, frg[3];
	u8 fr[3], fd[3], sf[3];
	u8 tseq, lostme, sev, vseq;
	u8 pad[2];
	uint32_t vdig;
	Ev in[MAXIN], out[MAXOUT];
	R r;
};

struct State {
	u8 nring, nuid, nops, nrest, nev, nkill, nfence, bad;
	u8 rm[MAXR];
	u8 rinc[MAXR][3], rclean[MAXR];
	uint32_t epid[MAXE];
	u8 nep, pad2[3];
	Node n[3];
	R snap[4];
	u8 snapset, nmark, pad[2];
};
extern std::string bad; /* what is wrong with the last state that has State.bad */
typedef std::vector<std::pair<State, std::string>> Succ;

static inline int pc(unsigned m)
{
	return __builtin_popcount(m);
}

static inline int lowest(unsigned m)
{
	return m & -m;
}

static inline bool quorate_ring(const State &s, int r)
{
	return r && (two_node ? s.rm[r] != 0 : pc(s.rm[r]) * 2 > N);
}

static inline uint32_t hsh(const void *p, size_t n, uint32_t h = 2166136261u)
{
	const u8 *c = (const u8 *)p;
	while (n--)
		h = (h ^ *c++) * 16777619u;
	return h;
}

static inline uint32_t digest(const R &r)
{
	u8 b[16] = { r.epi,	r.seq,	   r.holder,  r.qn,   r.q[0],	r.q[1], r.q[2],
		     r.lost[0], r.lost[1], r.lost[2], r.hist, r.fenced, r.E,	r.P };
	return hsh(b, 14);
}

static inline bool maj(unsigned K, unsigned E)
{
	K &= E;
	return pc(K) * 2 > pc(E) || (pc(K) * 2 == pc(E) && (K & lowest(E)));
}

static inline int cid(int n, int inc)
{
	return 1 + n + 4 * inc;
}

static inline int cnode(int c)
{
	return (c - 1) & 3;
}

static inline int cinc(int c)
{
	return (c - 1) >> 2;
}

static inline bool confirm_set(const R &r, int i)
{
	return r.memb[i] && (f_cset || (r.vmem >> i & 1));
}

static inline int stable(const R &r)
{
	int m = 255;
	for (int i = 0; i < N; i++)
		if (confirm_set(r, i) && r.conf[i] < m)
			m = r.conf[i];
	return m;
}

/* rules.cc */
void check(State &s);
void reset_local(State &s, int n);
void killnode(State &s, int n);
void push(Node &x, const Ev &e);
bool dispatch(State &s, int n);
bool mayready(const State &s, int n);

/* moves.cc */
extern const char *const tn[];
void init(State &s);
void succ(const State &s, Succ &o, bool faults);
uint64_t h64(const State &s);

#endif
