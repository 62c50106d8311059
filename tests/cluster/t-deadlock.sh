#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Three programs on three nodes wait for each other in a circle. Their nodes search after the lockspace's ten seconds; on
# every replica the same request is the victim, its program alone hears of a deadlock, and the others go on.
# Rules: R-DLK-1, R-DLK-2, R-DLK-7.
# shellcheck disable=SC2154
. "${0%/*}/lib.sh"
need_lockstep

# The program of the tests of lockstep(1), which needs nothing of a config.h.
prefix=${LOCKSTEP_PREFIX:-/usr}
: >"$tmp/config.h"
"${CC:-cc}" "-I$tmp" "-I$prefix/include" "-L$prefix/lib" "-Wl,-rpath,$prefix/lib" \
	-o "$tmp/circle" "$srcdir/tests/cli/holder.c" -llockstep >"$tmp/cc.out" 2>&1 ||
	bail "holder.c cannot be built: $(tail -n 1 "$tmp/cc.out")"

count_of() { # PATTERN: in how many of the three programs' output
	grep -Elx -e "$1" "$tmp"/[abc].out | wc -l
}

ended_count() {
	find "$tmp" -name '[abc].rc' | wc -l
}

is() { # NUMBER COMMAND...
	is_want=$1
	shift
	[ "$("$@")" = "$is_want" ]
}

sandbox_up --nodes 3
start a n1 "$tmp/circle" a=EX "@$tmp/go" b=EX
start b n2 "$tmp/circle" b=EX "@$tmp/go" c=EX
start c n3 "$tmp/circle" c=EX "@$tmp/go" a=EX
for key in a b c; do
	ok "$key is held" within said "$key" "^$key [0-9]+"
done
began=$(now_ms)
: >"$tmp/go"
ok "one of them is given up" within is 1 ended_count
diag "after $(($(now_ms) - began)) ms"
ok "it is told that it is a deadlock" is 1 count_of 'holder: .*[Dd]eadlock.*'
victim=$(basename "$(find "$tmp" -name '[abc].rc')" .rc)
case $victim in
a) next=c second=a last=b ;;
b) next=a second=b last=c ;;
*) next=b second=c last=a ;;
esac
ok "who waited for it goes on" within said "$next" "^$second [0-9]+"
ok "the last one still waits" lock_listed n1 "$next" 'waiting'
ok "nobody else was given up" is 1 ended_count
case $next in
a) on n1 pkill -x circle ;;
b) on n2 pkill -x circle ;;
c) on n3 pkill -x circle ;;
esac
case $last in
a) ok "then it gets it" within said a '^b [0-9]+' ;;
b) ok "then it gets it" within said b '^c [0-9]+' ;;
c) ok "then it gets it" within said c '^a [0-9]+' ;;
esac
for n in n1 n2 n3; do
	on "$n" pkill -x circle
done
ok "digests agree at the end" within digests_agree
done_testing
