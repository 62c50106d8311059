/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node does with what is delivered to it, and when it may be ready. See model.hh.
 */
#include "model.hh"

std::string bad;

static void settle(R &r)
{
	if (!r.holder && r.qn && r.st != STOP) {
		r.holder = r.q[0];
		r.gseq = r.seq;
		for (int i = 1; i < r.qn; i++)
			r.q[i - 1] = r.q[i];
		r.q[--r.qn] = 0;
	}
}

static void op(R &r, int c, int un)
{
	r.seq++;
	if (un) {
		if (r.holder == c)
			r.holder = 0;
	} else {
		bool k = r.holder == c;
		for (int i = 0; i < r.qn; i++)
			k |= r.q[i] == c;
		if (!k && r.qn < 3)
			r.q[r.qn++] = c;
	}
	settle(r);
}

void check(State &s)
{
	int b = 0;
	for (int i = 0; i < N; i++)
		if (s.n[i].cl && s.n[i].want == 2)
			b++;
	if (b > 1) {
		s.bad = 1;
		bad = "two clients hold EX";
	}
}

static u8 epoch_number(State &s, uint32_t id)
{
	for (int i = 0; i < s.nep; i++)
		if (s.epid[i] == id)
			return i + 1;
	if (s.nep < MAXE)
		s.epid[s.nep++] = id;
	return s.nep;
}
// The view changes: all members of K compute the same name for it.
static void view_changed(Node &x)
{
	R &r = x.r;
	uint32_t b[4] = { r.view, r.vmem,
			  (uint32_t)(r.vinc[0] | r.vinc[1] << 8 | r.vinc[2] << 16), x.K };
	r.prep = r.rdy = 0;
	x.sready = x.sprep = 0;
	memset(r.rseq, 0, 3);
	memset(r.rdig, 0, 12);
	memset(r.rhist, 0, 3);
	memset(r.rhas, 0, 3);
	if (!x.has)
		return;
	r.view = hsh(b, sizeof b);
	if (!r.view)
		r.view = 1;
	r.st = STOP;
	x.vseq = r.seq;
	x.vdig = digest(r);
}

static void ring_changed(Node &x)
{ // what was said in the last ring, by whomever, is void
	x.r.rdy = f_rring ? 0 : x.r.rdy;
	x.sready = 0;
	x.shello = 0;
}

static void viewpoint(State &s, int n, unsigned K)
{
	Node &x = s.n[n];
	R &r = x.r;
	for (int i = 0; i < N; i++)
		if (r.memb[i] && !(K >> i & 1)) {
			if (r.lost[i] != r.memb[i])
				r.fenced &= ~(1 << i);
			r.lost[i] = r.memb[i];
			r.memb[i] = 0;
		}
	for (int i = 0; i < N; i++)
		if (r.lost[i] && (r.vmem >> i & 1) && (r.vclean >> i & 1) &&
		    r.vinc[i] > r.lost[i])
			r.fenced |= 1 << i; // came back clean
	int k = 0;
	for (int i = 0; i < r.qn; i++) {
		int c = r.q[i];
		if (!(r.lost[cnode(c)] > cinc(c)))
			r.q[k++] = c;
	}
	while (r.qn > k)
		r.q[--r.qn] = 0;
	r.E = K & (r.E | r.P);
	r.P = 0;
	r.dep = 0;
	r.hist = hsh(&r.rdig[n], 4, r.hist * 31 + r.view) & 255;
	r.ep = r.view;
	r.epi = epoch_number(s, r.ep);
	r.st = RECOV;
	r.prep = 0;
	int s0 = r.seq;
	r.seq++;
	settle(r);
	int nh = r.nh;
	for (int i = 0; i < nh; i++) {
		int c = r.held[i] & 127;
		if (!(r.lost[cnode(c)] > cinc(c)))
			op(r, c, r.held[i] >> 7);
		r.held[i] = 0;
	}
	r.nh = 0;
	for (int i = 0; i < N; i++)
		r.conf[i] = f_stab3 ? s0 : r.seq;
	x.K = K;
	x.sconf = s0;
	x.sprep = 0;
	for (int i = 0; i < N; i++)
		if (s.n[i].cl && s.n[i].want == 2 && s.n[i].tseq < r.epi &&
		    r.holder != cid(i, s.n[i].inc)) {
			s.bad = 2;
			bad = "view point forgets a told grant";
		}
	for (int i = 0; i < N; i++)
		r.rdy &= ~(1 << i);
	memset(r.rseq, 0, 3);
	memset(r.rdig, 0, 12);
	memset(r.rhist, 0, 3);
	memset(r.rhas, 0, 3);
}

static void try_rp(R &r)
{
	if (r.st != RECOV || (r.prep & r.vmem) != r.vmem)
		return;
	for (int i = 0; i < N; i++)
		if ((r.vmem >> i & 1) && !r.memb[i])
			return;
	for (int i = 0; i < N; i++)
		if (r.lost[i] && m_fence && !(r.fenced >> i & 1))
			return;
	if (r.holder && r.lost[cnode(r.holder)] > cinc(r.holder))
		r.holder = 0;
	memset(r.lost, 0, 3);
	r.fenced = 0;
	r.st = RUN;
	r.E |= r.P;
	r.P = 0;
	r.seq++;
	settle(r);
}

void reset_local(State &s, int n)
{ // clients gone, state dropped, messages in Corosync's queue stay
	Node &x = s.n[n];
	x.cl = 0;
	x.want = 0;
	x.has = 0;
	memset(&x.r, 0, sizeof x.r);
	x.K = 0;
	x.outst = 0;
	x.sready = x.sconf = x.sprep = x.smark = x.smarkv = x.shello = 0;
	x.sconfep = 0;
	x.lostme = 0;
	x.sev = 0;
	memset(x.fr, 0, 3);
	memset(x.fd, 0, 3);
	memset(x.sf, 0, 3);
	memset(x.fv, 0, sizeof x.fv);
	memset(x.frg, 0, 3);
}

void killnode(State &s, int n)
{
	Node &x = s.n[n];
	int inc = x.inc;
	memset(&x, 0, sizeof x);
	x.inc = inc;
}

static void try_vp(State &s, int n)
{
	Node &x = s.n[n];
	R &r = x.r;
	if (r.st != STOP)
		return;
	if (f_elect) {
		unsigned K = x.K;
		if (!K || (r.rdy & K) != K)
			return;
		for (int i = 0; i < N; i++)
			if ((K >> i & 1) &&
			    (r.rseq[i] != r.rseq[n] || r.rdig[i] != r.rdig[n] ||
			     r.rhist[i] != r.rhist[n])) {
				s.bad = 3;
				bad = "continuing members differ";
				return;
			}
		viewpoint(s, n, K);
		return;
	}
	if ((r.rdy & r.vmem) != r.vmem)
		return;
	unsigned C = 0, same = 0;
	for (int i = 0; i < N; i++)
		if ((r.vmem >> i & 1) && r.rhas[i]) {
			C |= 1 << i;
			if (r.rhist[i] == r.rhist[n] && r.rseq[i] == r.rseq[n] &&
			    r.rdig[i] == r.rdig[n])
				same |= 1 << i;
		}
	if (pc(same) * 2 > pc(C)) {
		viewpoint(s, n, same);
	}
}

void push(Node &x, const Ev &e)
{
	if (x.nin < MAXIN)
		x.in[x.nin++] = e;
}

static void recvop(State &s, int n, const Ev &e)
{
	Node &x = s.n[n];
	R &r = x.r;
	int c = cid(e.snd, e.inc);
	if (n == e.snd && x.inc == e.inc)
		x.outst = 0;
	if (m_epoch && (e.ep != r.ep || !r.memb[e.snd] || r.memb[e.snd] != e.inc + 1))
		return;
	if (m_epoch && !(r.vmem >> e.snd & 1))
		return;
	if (r.st == STOP) {
		if (r.nh < MAXH)
			r.held[r.nh++] = c | (e.type == UNLOCK) << 7;
		return;
	}
	op(r, c, e.type == UNLOCK);
}

bool dispatch(State &s, int n)
{
	Node &x = s.n[n];
	if (!x.nin)
		return false;
	Ev e = x.in[0];
	R &r = x.r;
	if (e.type == MARK && e.a == n && !x.has && e.b == x.inc &&
	    !(s.snapset >> e.uid & 1)) {
		for (int i = 0; i < N; i++)
			if (i == e.snd && s.n[i].alive && s.n[i].has &&
			    s.n[i].ring == e.ring)
				for (int j = 0; j < s.n[i].nin; j++)
					if (s.n[i].in[j].type == MARK &&
					    s.n[i].in[j].uid == e.uid)
						return false;
	}
	for (int i = 1; i < x.nin; i++)
		x.in[i - 1] = x.in[i];
	memset(&x.in[--x.nin], 0, sizeof(Ev));
	if (e.type == CONF) {
		bool changed = (e.left & r.vmem) != 0;
		x.K &= ~e.left;
		r.vmem &= ~e.left;
		r.vclean &= ~e.left;
		r.dep |= e.left;
		r.lmem = e.mem;
		memcpy(r.linc, e.incs, 3);
		r.ring = e.ring;
		ring_changed(x);
		for (int i = 0; i < N; i++) {
			if (!(r.vmem >> i & 1))
				r.vinc[i] = 0;
			if (!f_hello && (e.mem >> i & 1) && !(r.vmem >> i & 1)) {
				r.vmem |= 1 << i;
				r.vinc[i] = e.incs[i];
				changed = true;
				if (s.rclean[e.ring] >> i & 1)
					r.vclean |= 1 << i;
			}
		}
		if (changed)
			view_changed(x);
		return true;
	}
	if (e.type == HELLO) {
		if (!(r.lmem >> e.snd & 1) || r.linc[e.snd] != e.inc + 1)
			return true;
		if (e.b)
			r.vclean &= ~(1 << e.snd);
		else
			r.vclean |= 1 << e.snd;
		if (!(r.vmem >> e.snd & 1) || r.vinc[e.snd] != e.inc + 1) {
			r.vmem |= 1 << e.snd;
			r.vinc[e.snd] = e.inc + 1;
			view_changed(x);
		}
		return true;
	}
	if (e.type == MARK && e.a == n && !x.has && e.b == x.inc) {
		if (s.snapset >> e.uid & 1) {
			R l = r;
			r = s.snap[e.uid];
			if (l.ring != r.ring) {
				r.ring = l.ring;
				r.lmem = l.lmem;
				memcpy(r.linc, l.linc, 3);
			}
			x.has = 1;
			x.cl = 1;
			x.K = 0;
			for (int i = 0; i < N; i++)
				if (r.memb[i] && (r.vmem >> i & 1))
					x.K |= 1 << i;
			x.sconf = r.seq;
			x.sconfep = 0;
			return true;
		}
		return true;
	}
	if (!x.has) {
		if (e.type == READY && !f_elect && e.view == r.view) {
			r.rdy |= 1 << e.snd;
		}
		return true;
	}
	switch (e.type) {
	case LOCK:
	case UNLOCK:
		recvop(s, n, e);
		break;
	case CONFIRM:
		if (m_epoch &&
		    (e.ep != r.ep || r.memb[e.snd] != e.inc + 1 || r.st == STOP))
			break;
		if (r.conf[e.snd] < e.seq)
			r.conf[e.snd] = e.seq;
		break;
	case READY:
		if (m_epoch && (e.view != r.view || e.inc + 1 != r.vinc[e.snd] ||
				(f_rring && e.wring != r.ring)))
			break;
		r.rdy |= 1 << e.snd;
		r.rseq[e.snd] = e.seq;
		r.rdig[e.snd] = e.dig;
		r.rhist[e.snd] = e.a;
		r.rhas[e.snd] = e.b;
		try_vp(s, n);
		break;
	case PREPARED:
		if (m_epoch && e.view != r.view)
			break;
		if (r.st != RECOV)
			break;
		r.prep |= 1 << e.snd;
		try_rp(r);
		break;
	case FENCED:
		if (!r.lost[e.a])
			break;
		if (f_finc && r.lost[e.a] != e.b)
			break;
		r.fenced |= 1 << e.a;
		try_rp(r);
		break;
	case MARK:
		if (e.view != r.view || r.st == STOP || r.vinc[e.a] != e.b + 1)
			break;
		r.seq++;
		r.vclean &= ~(1 << e.a);
		r.memb[e.a] = e.b + 1;
		r.conf[e.a] = r.seq;
		if (f_joint)
			r.P |= 1 << e.a;
		else
			r.E |= 1 << e.a;
		x.K |= 1 << e.a;
		if (n == e.snd && x.ring == e.ring && !(s.snapset >> e.uid & 1)) {
			s.snap[e.uid] = r;
			s.snapset |= 1 << e.uid;
		}
		break;
	case EVICT:
		if (e.ep != r.ep || (f_evview && e.view != r.view) || r.st == STOP ||
		    !r.memb[e.snd] || !(x.K >> e.snd & 1) || r.memb[e.a] != e.b ||
		    !(r.vmem >> e.a & 1))
			break;
		if (e.a == n) {
			x.lostme = 1;
			r.st = STOP;
			r.view = 0;
			break;
		}
		x.K &= ~(1 << e.a);
		r.vmem &= ~(1 << e.a);
		r.vinc[e.a] = 0;
		view_changed(x);
		break;
	}
	return true;
}

bool mayready(const State &s, int n)
{
	const Node &x = s.n[n];
	const R &r = x.r;
	if (!x.has || x.lostme || r.st != STOP || !r.view || x.sready == r.view)
		return false;
	if (m_quorum) {
		if (m_ringid ? x.qring != r.ring : 0)
			return false;
		if (!quorate_ring(s, x.qring))
			return false;
	}
	if (!f_elect)
		return true;
	unsigned K = x.K;
	bool fast = maj(K, r.E) && (!r.P || !f_joint || maj(K, r.E | r.P));
	if (!f_cont)
		fast = true;
	if (fast)
		return true;
	for (int i = 0; i < N; i++)
		if (!(K >> i & 1)) {
			bool clean = (r.vmem >> i & 1) && (r.vclean >> i & 1) &&
				     r.vinc[i] > r.memb[i];
			clean |= s.rclean[r.ring] >> i &
				 1; // by the word of its daemon in this ring
			bool now = (!f_slow || x.fv[i] == r.view) &&
				   (!f_slowring || x.frg[i] == r.ring);
			if (!clean && !(x.fd[i] && now))
				return false;
		}
	return true;
}
