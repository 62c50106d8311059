#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The rules alone hold: random walks with three nodes, all states of two nodes and one ring change; and with
# a rule taken out there is a counterexample, so that the checker is known to look. About half a minute.
set -eu

here=${srcdir:-.}/tests/model
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-model.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cxx=
for c in ${CXX:-} g++ clang++ c++; do
	if command -v "$c" >/dev/null 2>&1; then
		cxx=$c
		break
	fi
done
if [ -z "$cxx" ]; then
	echo "skipped: no C++ compiler"
	exit 77
fi
"$cxx" -O2 -std=c++17 -o "$tmp/model" "$here/main.cc" "$here/rules.cc" "$here/moves.cc"
failed=0

holds() { # ARGUMENT...
	if out=$("$tmp/model" "$@"); then
		echo "$*: $out"
	else
		echo "A RULE DOES NOT SUFFICE: $*"
		printf '%s\n' "$out"
		failed=1
	fi
}

needed() { # RULE TEXT
	if out=$("$tmp/model" walks=40000 stopbad=1 seed=1 "$1=0"); then
		echo "NO COUNTEREXAMPLE without $1: $out"
		failed=1
	elif ! printf '%s\n' "$out" | grep -q -e "$2"; then
		echo "ANOTHER COUNTEREXAMPLE without $1:"
		printf '%s\n' "$out"
		failed=1
	else
		echo "without $1: $(printf '%s\n' "$out" | sed -n 2p)"
	fi
}

holds walks=20000 seed=5
holds walks=8000 seed=6 rings=6 restarts=4 kills=3 fences=6 evicts=2
holds walks=5000 seed=7 start=1
holds walks=5000 seed=8 start=2
holds depth=100 N=2 two_node=1 rings=1 kills=0 restarts=0 ops=2 fences=1
needed stab 'two clients hold EX'
needed elect 'view point forgets a told grant\|two clients hold EX'
needed epoch 'two clients hold EX'
needed cset 'view point forgets a told grant'
needed cont 'view point forgets a told grant\|two clients hold EX'
needed dig 'continuing members differ'
needed fence 'two clients hold EX'
exit "$failed"
