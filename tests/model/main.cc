/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks and searches; see model.hh. Arguments are NAME=VALUE, README.md lists them. */
#include "model.hh"

int N = 3, two_node = 0, start = 0;
int f_hello = 1, f_rring = 1, f_slowring = 1, f_slowq = 1, f_evview = 1;
int f_elect = 1, f_stab3 = 1, f_finc = 1, f_joint = 1, f_dig = 1, f_slow = 1, f_cset = 1, f_cont = 1;
int m_stab = 1, m_epoch = 1, m_fence = 1, m_quorum = 1, m_ringid = 1;
int B_ring = 5, B_restart = 3, B_ops = 6, B_evict = 0, B_kill = 2, B_fence = 4;

static int walks = 100000, len = 200, depth = 0, seed = 1, cap = 40000000, stopbad = 5;
static int per_mille = 60; /* of a fault at a step, times 1 to 3 by walk */

static const struct {
	const char *name;
	int *value;
} arguments[] = {
	{ "N", &N },		   { "two_node", &two_node }, { "start", &start },   { "hello", &f_hello },
	{ "rring", &f_rring },	   { "slowring", &f_slowring }, { "slowq", &f_slowq }, { "evview", &f_evview },
	{ "elect", &f_elect },	   { "cont", &f_cont },	      { "dig", &f_dig },     { "slow", &f_slow },
	{ "cset", &f_cset },	   { "stab3", &f_stab3 },     { "finc", &f_finc },   { "joint", &f_joint },
	{ "stab", &m_stab },	   { "epoch", &m_epoch },     { "fence", &m_fence }, { "quorum", &m_quorum },
	{ "ringid", &m_ringid },   { "rings", &B_ring },      { "restarts", &B_restart }, { "ops", &B_ops },
	{ "evicts", &B_evict },	   { "kills", &B_kill },      { "fences", &B_fence }, { "walks", &walks },
	{ "len", &len },	   { "depth", &depth },	      { "seed", &seed },     { "cap", &cap },
	{ "stopbad", &stopbad },   { "faults", &per_mille },
};

static bool argument(const std::string &a)
{
	size_t e = a.find('=');

	for (const auto &q : arguments) {
		if (e != std::string::npos && a.substr(0, e) == q.name) {
			*q.value = atoi(a.c_str() + e + 1);
			return true;
		}
	}
	fprintf(stderr, "unknown argument %s\n", a.c_str());
	return false;
}

/* All states that can be reached, level by level. */
static int search()
{
	std::unordered_set<uint64_t> seen;
	std::vector<State> now(1), next;
	long moves = 0;
	int d = 0;

	init(now[0]);
	seen.insert(h64(now[0]));
	for (; d < depth && !now.empty() && seen.size() < (size_t)cap; d++) {
		next.clear();
		for (const State &s : now) {
			Succ o;

			succ(s, o, true);
			for (const auto &p : o) {
				moves++;
				if (p.first.bad) {
					printf("BAD at depth %d: %s (last: %s)\n", d + 1, bad.c_str(),
					       p.second.c_str());
					return 1;
				}
				if (seen.insert(h64(p.first)).second) {
					next.push_back(p.first);
				}
			}
		}
		now.swap(next);
	}
	printf("OK depth %d states %zu transitions %ld%s\n", d, seen.size(), moves,
	       now.empty() ? " (complete)" : "");
	return 0;
}

/* --- random walks --------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t rnd()
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 11;
}

static bool begins(const std::string &text, const char *with)
{
	return text.compare(0, strlen(with), with) == 0;
}

static size_t fault_pick(const Succ &o)
{
	std::vector<size_t> faults;

	for (size_t i = 0; i < o.size(); i++) {
		const std::string &d = o[i].second;

		if (begins(d, "ring") || begins(d, "crash") || begins(d, "reset") || begins(d, "restart") ||
		    d.find("evict") != std::string::npos) {
			faults.push_back(i);
		}
	}
	return faults.empty() ? rnd() % o.size() : faults[rnd() % faults.size()];
}

/* Fencing is slow, and clients keep what they have; and now and then one node does nothing for a while. */
struct pace {
	int left = 0, idle = -1;

	size_t pick(const Succ &o)
	{
		size_t k = rnd() % o.size();

		for (int q = 0; q < 8 && (begins(o[k].second, "fenced") ||
					  o[k].second.find(" unlocks") != std::string::npos);
		     q++) {
			k = rnd() % o.size();
		}
		if (left == 0 && rnd() % 10 == 0) {
			left = 12;
			idle = (int)(rnd() % (uint64_t)N);
		}
		if (left > 0) {
			left--;
			for (int q = 0; q < 6 && o[k].second[0] == '0' + idle; q++) {
				k = rnd() % o.size();
			}
		}
		return k;
	}
};

struct tally {
	std::unordered_set<uint64_t> seen;
	long steps = 0, ready = 0, told = 0, bad_count = 0, shortest_walk = 0;
	std::vector<std::string> shortest;
	std::string shortest_bad;
};

static void walk(tally &t, long number)
{
	State s;
	std::vector<std::string> trace;
	double chance = per_mille * (double)(1 + rnd() % 3);
	pace p;

	init(s);
	for (int i = 0; i < len && !s.bad; i++) {
		Succ o;
		bool fault = (double)(rnd() % 1000) < chance;

		succ(s, o, fault);
		if (o.empty()) {
			succ(s, o, true);
		}
		if (o.empty()) {
			break;
		}
		size_t k = fault ? fault_pick(o) : p.pick(o);

		t.told += o[k].second.find("told") != std::string::npos;
		t.ready += o[k].second.find("sends ready") != std::string::npos;
		s = o[k].first;
		trace.push_back(o[k].second);
		t.steps++;
		if (t.seen.size() < (size_t)cap) {
			t.seen.insert(h64(s));
		}
	}
	if (s.bad) {
		t.bad_count++;
		if (t.shortest.empty() || trace.size() < t.shortest.size()) {
			t.shortest = trace;
			t.shortest_walk = number;
			t.shortest_bad = bad;
		}
	}
}

static int walk_all()
{
	tally t;
	long w = 0;

	random_state = (uint64_t)seed * 0x9E3779B97F4A7C15ull + 1;
	while (w < walks && t.bad_count < stopbad) {
		walk(t, w++);
	}
	printf("%s walks %ld steps %ld distinct states %zu told %ld ready %ld bad %ld\n",
	       t.bad_count ? "BAD" : "OK", w, t.steps, t.seen.size(), t.told, t.ready, t.bad_count);
	if (t.bad_count) {
		printf("shortest: walk %ld: %s\n", t.shortest_walk, t.shortest_bad.c_str());
		for (const auto &line : t.shortest) {
			printf("  %s\n", line.c_str());
		}
	}
	return t.bad_count ? 1 : 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!argument(argv[i])) {
			return 2;
		}
	}
	return depth > 0 ? search() : walk_all();
}
