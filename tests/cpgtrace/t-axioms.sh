#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The axioms about Corosync that the simulator's model is built on (axioms.h) hold in recordings of a real
# Corosync under faults, and in what the model itself does in random runs. And the checker can fail: a small
# good trace, broken in one way for each axiom, is refused by that axiom's name.
set -u
dir=${top_srcdir:-.}/tests/cpgtrace
check=${top_builddir:-.}/tests/cpgtrace/cpg-check
sim=${top_builddir:-.}/tests/sim/lockstep-sim
tmp=$(mktemp -d "${TMPDIR:-/tmp}/axioms.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
failed=0

fail() {
	echo "FAIL: $*"
	failed=1
}

for f in "$dir"/data/*.trace; do
	"$check" "$f" >"$tmp/out" || fail "$f: $(cat "$tmp/out")"
	cat "$tmp/out"
	# What makes a recording worth its place.
	for what in CROSSED:'in another ring' 'UP:NODEDOWN and NODEUP' GONE:'lost their Corosync' \
		KILLED:'were killed' ALONE:'single node' APART:'apart in between'; do
		grep -q "^ *[1-9][0-9]*  .*${what#*:}" "$tmp/out" || fail "$f shows none: ${what#*:}"
	done
done

mkdir "$tmp/sim"
"$sim" --quiet --seeds 1..150 --cpgtrace "$tmp/sim" || fail "the simulator"
for f in "$tmp"/sim/*.trace; do
	"$check" --ghosts "$f" >"$tmp/out" || fail "the model: ${f##*/}: $(cat "$tmp/out")"
	grep '^ ' "$tmp/out" >>"$tmp/all"
done
awk '{ n = $1; $1 = ""; if (!($0 in sum)) names[++count] = $0; sum[$0] += n }
	END { print "the model:"; for (i = 1; i <= count; i++) printf "%10d %s\n", sum[names[i]], names[i] }' "$tmp/all"

# Node 1 delivers its message 2 alone, the ring breaks, both go on by themselves, and meet again.
cat >"$tmp/good" <<'END'
cpgtrace 1
client 1 11 1
C m 1.11 l j 1.11.join
T 1.4 1 2
Q 1.4 1 1 2
C m 1.11 2.22 l j 2.22.join
S 1
D 1.11 1.11.1.1 1.4
D 2.22 2.22.1.1 1.4
S 2
D 1.11 1.11.1.2 1.4
C m 1.11 l 2.22.nodedown j
T 1.8 1
Q 1.8 0 1
S 3
D 1.11 1.11.1.3 1.8
C m 1.11 2.22 l j 2.22.nodeup
T 1.12 1 2
Q 1.12 1 1 2
D 2.22 2.22.1.2 2.8
S 4
D 1.11 1.11.1.4 1.12
T 1.16 1 2
Q 1.16 1 1 2
L
C m 2.22 l 1.11.leave j
E left
client 2 22 1
C m 1.11 2.22 l j 2.22.join
T 1.4 1 2
Q 1.4 1 1 2
S 1
D 1.11 1.11.1.1 1.4
D 2.22 2.22.1.1 1.4
C m 2.22 l 1.11.nodedown j
T 2.8 2
Q 2.8 0 2
S 2
C m 1.11 2.22 l j 1.11.nodeup
T 1.12 1 2
Q 1.12 1 1 2
D 2.22 2.22.1.2 2.8
D 1.11 1.11.1.4 1.12
T 1.16 1 2
Q 1.16 1 1 2
C m 2.22 l 1.11.leave j
END
"$check" "$tmp/good" >"$tmp/out" || fail "the good trace: $(cat "$tmp/out")"
grep -q '^ *1  messages delivered to their sender only' "$tmp/out" || fail "message 2 is not seen as its sender's only"
grep -q '^ *2  messages missing after a NODEDOWN' "$tmp/out" || fail "messages 2 and 3 are not seen as missing"

broken() { # AXIOM SED_SCRIPT
	sed "$2" "$tmp/good" >"$tmp/bad"
	! cmp -s "$tmp/good" "$tmp/bad" || fail "$1: nothing was broken"
	"$check" "$tmp/bad" >"$tmp/out"
	[ $? = 1 ] || fail "$1: a broken trace passes: $2"
	grep -q "^[^ ]*:[0-9]*: .*: $1: " "$tmp/out" || fail "$1: refused for another reason: $(cat "$tmp/out")"
}

two='/^client 2/,$'
broken join-first "$two{/2.22.join/d}"
broken join-first '0,/^T 1.4/{/^T 1.4/d}'
broken one-change 's/^C m 1.11 l 2.22.nodedown j$/C m 1.11 3.3 l 2.22.nodedown j 3.3.nodeup/'
broken members 's/^C m 1.11 2.22 l j 2.22.nodeup/C m 2.22 1.11 l j 2.22.nodeup/'
broken members 's/^C m 1.11 l 2.22.nodedown j$/C m 1.11 2.22 l 2.22.nodedown j/'
broken sync-block "$two"'{s/^T 2.8 2$/D 2.22 2.22.1.2 2.8\n&/}'
broken sync-block 's/^T 1.12 1 2$/C m 1.11 2.22 3.3 l j 3.3.join\n&/'
broken ring 's/^T 1.16 1 2/T 1.10 1 2/'
broken ring 's/^T 1.8 1$/T 2.8 2/'
broken identity 's/^D 2.22 2.22.1.1/D 2.23 2.22.1.1/'
broken numbers 's/1.11.1.3 1.8/1.11.1.2 1.8/'
broken numbers 's/^D 1.11 1.11.1.1 /D 1.11 1.11.1.3 /'
broken own '/^D 1.11 1.11.1.4/d'
broken quorum-first '/^Q 1.12/d'
broken last 's/^E left/T 1.20 1 2\n&/'
broken same-nodes "$two{s/^T 1.12 1 2/T 1.12 1 2 3/}"
broken same-members "$two{s/^C m 1.11 2.22 l j 1.11.nodeup/C m 1.11 2.22 2.33 l j 1.11.nodeup 2.33.nodeup/}"
broken one-ring "$two{/^D 2.22 2.22.1.2/d;s/^Q 1.16 1 1 2/&\nD 2.22 2.22.1.2 2.8/}"
broken order "$two{/^D 1.11 1.11.1.1/d;s/^D 2.22 2.22.1.1.*/&\nD 1.11 1.11.1.1 1.4/}"
broken together '0,/^D 2.22 2.22.1.2/{/^D 2.22 2.22.1.2/d}'
broken departure "$two{/nodedown/d;/ 2.8 /d;/ 2.8$/d;/nodeup/d}"
broken reasons "$two{s/1.11.leave/1.11.procdown/}"

echo 'no trace' >"$tmp/bad"
"$check" "$tmp/bad" >/dev/null 2>&1
[ $? = 2 ] || fail "a file that is no trace is read"
[ $failed = 0 ] && echo "all axioms hold, and each can fail"
exit $failed
