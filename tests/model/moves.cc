/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything that can happen next: deliveries, sending, clients, fencing, ring changes,
 * crashes. See model.hh. */
#include "model.hh"

const char *const tn[] = { "",	     "lock", "unlock", "ready", "confirm", "prepared",
			   "fenced", "mark", "conf",   "evict", "hello" };

static Ev msg(const State &s, int n, int type)
{
	Ev e;
	memset(&e, 0, sizeof e);
	e.type = type;
	e.snd = n;
	e.inc = s.n[n].inc;
	e.ep = s.n[n].r.ep;
	e.view = s.n[n].r.view;
	e.wring = s.n[n].r.ring;
	e.seq = s.n[n].r.seq;
	return e;
}

static void emit(Succ &o, State &t, const std::string &d)
{
	check(t);
	o.emplace_back(t, d);
}

static std::string S(int i)
{
	return std::to_string(i);
}

static void reconf(const State &s, unsigned set, Succ &o)
{
	// groups that move together; for each the number of foreign messages kept
	int rid = s.nring + 1;
	if (rid >= MAXR)
		return;
	for (int keep = 0; keep < 4; keep++) {
		State t = s;
		bool differs = keep == 0;
		t.nring = rid;
		t.rm[rid] = set;
		for (int i = 0; i < N; i++) {
			t.rinc[rid][i] = (set >> i & 1) ? s.n[i].inc + 1 : 0;
			if ((set >> i & 1) && !s.n[i].has && !s.n[i].cl)
				t.rclean[rid] |= 1 << i;
		}
		for (int i = 0; i < N; i++)
			if (set >> i & 1) {
				unsigned G = 0;
				for (int j = 0; j < N; j++)
					if ((set >> j & 1) &&
					    s.n[j].ring == s.n[i].ring && s.n[i].ring)
						G |= 1 << j;
				if (!s.n[i].ring)
					G = 1 << i;
				if (lowest(G) != 1 << i)
					continue;
				// uids of this ring's messages from outside G, dispatched
				// by nobody in G
				u8 cand[MAXIN];
				int nc = 0;
				for (int k = 0; k < s.n[i].nin; k++) {
					const Ev &e = s.n[i].in[k];
					if (e.type == CONF || e.ring != s.n[i].ring ||
					    (G >> e.snd & 1))
						continue;
					bool all = true;
					for (int j = 0; j < N; j++)
						if (G >> j & 1) {
							bool f = false;
							for (int q = 0; q < s.n[j].nin;
							     q++)
								f |= s.n[j].in[q].uid ==
									     e.uid &&
								     s.n[j].in[q].type ==
									     e.type &&
								     s.n[j].in[q].ring ==
									     e.ring;
							all &= f;
						}
					if (all)
						cand[nc++] = e.uid;
				}
				int kp = keep == 3 ? nc : keep;
				if (kp < nc || keep == 0)
					differs = true;
				if (keep == 3 && nc >= 3)
					differs = true;
				for (int c = kp; c < nc; c++)
					for (int j = 0; j < N; j++)
						if (G >> j & 1) {
							Node &x = t.n[j];
							for (int q = 0; q < x.nin; q++)
								if (x.in[q].type !=
									    CONF &&
								    x.in[q].ring ==
									    s.n[i].ring &&
								    x.in[q].uid ==
									    cand[c]) {
									for (int z = q +
										     1;
									     z < x.nin;
									     z++)
										x.in[z -
										     1] =
											x.in[z];
									memset(&x.in[--x.nin],
									       0,
									       sizeof(Ev));
									break;
								}
						}
				for (int j = 0; j < N; j++)
					if (G >> j & 1) {
						Ev e;
						memset(&e, 0, sizeof e);
						e.type = CONF;
						e.ring = rid;
						e.left = s.n[i].ring
								 ? s.rm[s.n[i].ring] & ~G
								 : 0;
						e.mem = set;
						memcpy(e.incs, t.rinc[rid], 3);
						push(t.n[j], e);
						t.n[j].ring = rid;
					}
			}
		if (keep == 0 || differs)
			emit(o, t,
			     "ring " + S(rid) + " set " + S(set) + " keep " + S(keep));
		if (!differs)
			break;
	}
}

static bool inroom(const State &s, int n)
{
	for (int i = 0; i < N; i++)
		if (s.n[i].alive && s.n[i].ring == s.n[n].ring && s.n[i].nin >= MAXIN - 3)
			return false;
	return true;
}

void succ(const State &s, Succ &o, bool faults)
{
	for (int n = 0; n < N; n++) {
		const Node &x = s.n[n];
		const R &r = x.r;
		if (!x.alive) {
			if (faults && s.nrest < B_restart && !x.cl) {
				State t = s;
				t.nrest++;
				Node &y = t.n[n];
				y.alive = 1;
				y.inc++;
				emit(o, t, "restart " + S(n));
			}
			continue;
		}
		if (x.nin) {
			State t = s;
			Ev e = x.in[0];
			if (dispatch(t, n))
				emit(o, t,
				     S(n) + " delivers " + tn[e.type] + " from " +
					     S(e.snd) + " view " + S(e.view) + " a " +
					     S(e.a) + " b " + S(e.b) + " seq " +
					     S(e.seq) + " left " + S(e.left) + " mem " +
					     S(e.mem));
		}
		if (x.qring != x.ring) {
			State t = s;
			t.n[n].qring = x.ring;
			if (f_slowq && !quorate_ring(s, x.ring)) {
				memset(t.n[n].frg, 0, 3);
				memset(t.n[n].fv, 0, sizeof t.n[n].fv);
			}
			emit(o, t, S(n) + " quorum ring " + S(x.ring));
		}
		if (x.nout && x.ring && inroom(s, n)) {
			State t = s;
			Ev e = x.out[0];
			Node &y = t.n[n];
			for (int i = 1; i < y.nout; i++)
				y.out[i - 1] = y.out[i];
			memset(&y.out[--y.nout], 0, sizeof(Ev));
			e.ring = x.ring;
			if (e.type != MARK)
				e.uid = ++t.nuid;
			for (int i = 0; i < N; i++)
				if (t.n[i].alive && t.n[i].ring == x.ring)
					push(t.n[i], e);
			emit(o, t, S(n) + " transmits " + tn[e.type]);
		}
		if (!x.has && !f_elect && r.view && x.sready != r.view &&
		    x.nout < MAXOUT && x.ring) {
			State t = s;
			Ev e = msg(s, n, READY);
			e.b = 0;
			t.n[n].out[t.n[n].nout++] = e;
			t.n[n].sready = r.view;
			emit(o, t, S(n) + " sends ready(no state)");
		}
		if (r.ring && x.shello != r.ring && x.nout < MAXOUT && !x.lostme &&
		    f_hello) {
			State t = s;
			Ev e = msg(s, n, HELLO);
			e.b = x.has;
			t.n[n].out[t.n[n].nout++] = e;
			t.n[n].shello = r.ring;
			emit(o, t, S(n) + " sends hello" + (x.has ? "" : " (clean)"));
		}
		if (!x.has)
			continue;
		bool room = x.nout < MAXOUT;
		if (room && mayready(s, n)) {
			State t = s;
			Ev e = msg(s, n, READY);
			e.a = r.hist;
			e.b = 1;
			e.seq = f_dig ? x.vseq : r.seq;
			e.dig = f_dig ? x.vdig : digest(r);
			t.n[n].out[t.n[n].nout++] = e;
			t.n[n].sready = r.view;
			emit(o, t,
			     S(n) + " sends ready view " + S(r.view) + " K " + S(x.K) +
				     " E " + S(r.E) + " P " + S(r.P));
		}
		if (room && r.st != STOP && !x.lostme &&
		    r.seq > (x.sconfep == r.ep ? x.sconf : 0) && m_stab) {
			State t = s;
			t.n[n].out[t.n[n].nout++] = msg(s, n, CONFIRM);
			t.n[n].sconf = r.seq;
			t.n[n].sconfep = r.ep;
			emit(o, t, S(n) + " sends confirm " + S(r.seq));
		}
		if (room && r.st == RECOV && x.sprep != r.view && !x.lostme) {
			bool all = true;
			for (int i = 0; i < N; i++)
				if ((r.vmem >> i & 1) && !r.memb[i])
					all = false;
			if (all) {
				State t = s;
				t.n[n].out[t.n[n].nout++] = msg(s, n, PREPARED);
				t.n[n].sprep = r.view;
				emit(o, t, S(n) + " sends prepared");
			}
		}
		if (room && r.st != STOP && !x.lostme && s.nmark < 4) {
			unsigned car = 0;
			for (int i = 0; i < N; i++)
				if (r.memb[i] && (r.vmem >> i & 1))
					car |= 1 << i;
			if (lowest(car) == 1 << n)
				for (int i = 0; i < N; i++)
					if ((r.vmem >> i & 1) && !r.memb[i] &&
					    !(x.smarkv == r.view && (x.smark >> i & 1)) &&
					    !s.n[i].has && s.n[i].inc + 1 == r.vinc[i] &&
					    s.n[i].ring == x.ring &&
					    r.vinc[i] > r.lost[i]) {
						State t = s;
						Ev e = msg(s, n, MARK);
						e.a = i;
						e.b = s.n[i].inc;
						e.uid = t.nmark++;
						t.n[n].out[t.n[n].nout++] = e;
						t.n[n].smark =
							(x.smarkv == r.view ? x.smark
									    : 0) |
							1 << i;
						t.n[n].smarkv = r.view;
						emit(o, t,
						     S(n) + " sends mark for " + S(i));
					}
		}
		// client
		int me = cid(n, x.inc);
		if (x.cl) {
			if (x.want == 0 && !x.outst && s.nops < B_ops && !x.lostme) {
				State t = s;
				t.nops++;
				t.n[n].want = 1;
				emit(o, t, "client " + S(n) + " wants");
			}
			bool q = r.holder == me;
			for (int i = 0; i < r.qn; i++)
				q |= r.q[i] == me;
			if (x.want == 1 && !q && !x.outst && room && !x.lostme) {
				State t = s;
				t.n[n].out[t.n[n].nout++] = msg(s, n, LOCK);
				t.n[n].outst = 1;
				emit(o, t, S(n) + " sends lock");
			}
			if (x.want == 1 && r.holder == me && !x.lostme &&
			    (!m_stab || stable(r) >= r.gseq)) {
				State t = s;
				t.n[n].want = 2;
				t.n[n].tseq = r.epi;
				emit(o, t,
				     "client " + S(n) + " told granted, epoch " +
					     S(r.epi) + " gseq " + S(r.gseq));
			}
			if (x.want == 2) {
				State t = s;
				t.n[n].want = 3;
				emit(o, t, "client " + S(n) + " unlocks");
			}
			if (x.want == 3 && r.holder == me && !x.outst && room &&
			    !x.lostme) {
				State t = s;
				t.n[n].out[t.n[n].nout++] = msg(s, n, UNLOCK);
				t.n[n].outst = 1;
				emit(o, t, S(n) + " sends unlock");
			}
			if (x.want == 3 && r.holder != me) {
				State t = s;
				t.n[n].want = 0;
				emit(o, t, "client " + S(n) + " unlocked");
			}
		}
		// fencing: asked for by whoever has a lost member (after the view point)
		// or takes the slow way
		bool quor = x.qring == x.ring && quorate_ring(s, x.qring);
		for (int i = 0; i < N; i++)
			if (i != n) {
				if ((!x.fr[i] ||
				     (r.st == STOP &&
				      ((f_slow && x.fv[i] != r.view) ||
				       (f_slowring && x.frg[i] != r.ring)))) &&
				    s.nfence < B_fence && quor) {
					int need = 0;
					if (r.st == RECOV && r.lost[i] &&
					    !(r.fenced >> i & 1))
						need = r.lost[i];
					if (r.st == STOP && f_elect && f_cont && r.view &&
					    !(x.K >> i & 1) &&
					    !(maj(x.K, r.E) &&
					      (!r.P || maj(x.K, r.E | r.P))))
						need = r.memb[i] ? r.memb[i] : 1;
					if (need) {
						State t = s;
						t.nfence++;
						t.n[n].fr[i] = need;
						t.n[n].fv[i] = r.view;
						t.n[n].frg[i] = r.ring;
						t.n[n].fd[i] = t.n[n].sf[i] = 0;
						emit(o, t,
						     S(n) + " asks to fence " + S(i));
					}
				}
				if (x.fr[i] && !x.fd[i]) {
					State t = s;
					killnode(t, i);
					t.n[n].fd[i] = x.fr[i];
					emit(o, t, "fenced " + S(i) + " for " + S(n));
				}
				if (x.fd[i] && x.sf[i] != x.fd[i] && room &&
				    r.st != STOP) {
					State t = s;
					Ev e = msg(s, n, FENCED);
					e.a = i;
					e.b = x.fd[i];
					t.n[n].out[t.n[n].nout++] = e;
					t.n[n].sf[i] = x.fd[i];
					emit(o, t, S(n) + " sends fenced " + S(i));
				}
				if (x.fd[i] && x.sf[i] == x.fd[i] && r.lost[i] &&
				    r.lost[i] != x.fd[i]) {
					State t = s;
					t.n[n].fr[i] = t.n[n].fd[i] = t.n[n].sf[i] = 0;
					emit(o, t,
					     S(n) + " forgets old fencing of " + S(i));
				}
			}
		if (faults && s.nev < B_evict && room && r.st != STOP)
			for (int i = 0; i < N; i++)
				if (i != n && r.memb[i] && (r.vmem >> i & 1)) {
					State t = s;
					t.nev++;
					Ev e = msg(s, n, EVICT);
					e.a = i;
					e.b = r.memb[i];
					t.n[n].out[t.n[n].nout++] = e;
					emit(o, t, S(n) + " sends evict " + S(i));
				}
	}
	if (!faults)
		return;
	if (s.nring < B_ring) {
		unsigned al = 0;
		for (int i = 0; i < N; i++)
			if (s.n[i].alive)
				al |= 1 << i;
		for (unsigned set = 1; set < 1u << N; set++)
			if ((set & al) == set) {
				int rr = -1;
				bool same = true;
				for (int i = 0; i < N; i++)
					if (set >> i & 1) {
						if (rr < 0)
							rr = s.n[i].ring;
						same &= s.n[i].ring == rr;
					}
				if (same && rr && s.rm[rr] == set) {
					bool ok = true;
					for (int i = 0; i < N; i++)
						if ((set >> i & 1) &&
						    s.rinc[rr][i] != s.n[i].inc + 1)
							ok = false;
					if (ok)
						continue;
				}
				bool room = true;
				for (int i = 0; i < N; i++)
					if ((set >> i & 1) && s.n[i].nin >= MAXIN - 1)
						room = false;
				if (room)
					reconf(s, set, o);
			}
	}
	if (s.nkill < B_kill)
		for (int n = 0; n < N; n++)
			if (s.n[n].alive) {
				{
					State t = s;
					t.nkill++;
					killnode(t, n);
					emit(o, t, "crash " + S(n));
				}
				if (s.n[n].has) {
					State t = s;
					t.nkill++;
					reset_local(t, n);
					t.n[n].inc++;
					t.n[n].ring = 0;
					memset(t.n[n].in, 0, sizeof t.n[n].in);
					t.n[n].nin = 0;
					emit(o, t, "reset " + S(n));
				}
			}
}

void init(State &s)
{
	memset(&s, 0, sizeof s);
	unsigned all = (1 << N) - 1;
	s.nring = 1;
	s.rm[1] = all;
	for (int i = 0; i < N; i++) {
		s.rinc[1][i] = 1;
		Node &x = s.n[i];
		x.alive = x.cl = x.has = 1;
		x.ring = x.qring = 1;
		x.K = all;
		x.shello = 1;
		R &r = x.r;
		r.ep = r.view = 1;
		r.epi = 1;
		r.ring = 1;
		r.st = RUN;
		r.E = all;
		r.vmem = r.lmem = all;
		for (int j = 0; j < N; j++)
			r.memb[j] = r.vinc[j] = r.linc[j] = 1;
	}
	s.epid[0] = 1;
	s.nep = 1;
	if (!start)
		return; // last node is a clean joiner of a running view; start=2: and an
			// old fenced op for it is still on its way
	int j = N - 1;
	for (int i = 0; i < N; i++) {
		Node &x = s.n[i];
		R &r = x.r;
		r.memb[j] = 0;
		r.E = all & ~(1 << j);
		x.K = r.E;
		r.st = RECOV;
		r.vclean = 1 << j;
		if (start == 2) {
			r.vinc[j] = r.linc[j] = 2;
			r.lost[j] = 1;
			r.fenced = 1 << j;
		}
	}
	if (start == 2) {
		s.n[j].inc = 1;
		s.rinc[1][j] = 2;
		Ev e;
		memset(&e, 0, sizeof e);
		e.type = FENCED;
		e.a = j;
		e.b = 1;
		e.ep = e.view = 1;
		s.n[0].out[0] = e;
		s.n[0].nout = 1;
	}
	Node &x = s.n[j];
	x.cl = x.has = 0;
	x.K = 0;
	memset(&x.r, 0, sizeof x.r);
	x.r.ring = 1;
	x.r.vmem = x.r.lmem = all;
	memcpy(x.r.vinc, s.n[0].r.vinc, 3);
	memcpy(x.r.linc, s.n[0].r.linc, 3);
}

uint64_t h64(const State &s)
{
	State t = s;
	t.nuid = 0;
	uint64_t h = 14695981039346656037ull;
	// uids renumbered by first occurrence
	int map[256];
	memset(map, 0, sizeof map);
	int k = 0;
	for (int i = 0; i < N; i++)
		for (int j = 0; j < t.n[i].nin; j++) {
			Ev &e = t.n[i].in[j];
			if (e.type != CONF && e.type != MARK) {
				if (!map[e.uid])
					map[e.uid] = ++k;
				e.uid = map[e.uid];
			}
		}
	const uint64_t *p = (const uint64_t *)&t;
	size_t n = sizeof t / 8;
	for (size_t i = 0; i < n; i++) {
		h ^= p[i];
		h *= 1099511628211ull;
		h ^= h >> 29;
	}
	const u8 *q = (const u8 *)&t + n * 8;
	for (size_t i = 0; i < sizeof t % 8; i++) {
		h ^= q[i];
		h *= 1099511628211ull;
	}
	return h;
}
