#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long after a fencing is known the waiter has the lock, with so many locks of the dead node or of another
# one; and the longest stop of other locks while a fencing takes 30 s.  Not a test: prints figures as bench/ does.
#	tests/cluster/bench-fencing.sh [COUNT...]      default 10 10000 1000000
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep
[ $# -gt 0 ] || set -- 10 10000 1000000
patience=${LOCKSTEP_TEST_PATIENCE:-240}
prefix=${LOCKSTEP_PREFIX:-/usr}
many=$tmp/holder-many
"${CC:-cc}" -O1 "-I$prefix/include" "-L$prefix/lib" "-Wl,-rpath,$prefix/lib" \
	-o "$many" "$srcdir/tests/cluster/holder-many.c" -llockstep || bail "holder-many cannot be built"
sandbox_up --fence --nodes 3

# Milliseconds since midnight UTC.
clock() {
	date -u +%T.%N | to_ms
}

to_ms() { # of each line, "14:02:10.123"
	awk '{ split($1, t, ":"); printf "%.0f\n", (t[1] * 3600 + t[2] * 60 + t[3]) * 1000 }'
}

# When the first daemon had the word of Pacemaker's that node 3 is down. Another one may log the same after the
# locks have gone.  Lines of the log begin with "Nov 27 14:02:10.123".
fencing_known() { # SINCE
	for fk_node in n1 n2; do
		sb logs "$fk_node" lockstepd | sed -n 's/^[A-Z].. .. \([0-9:.]*\) .*Pacemaker: \(reboot\|off\) of node 3 .* done.*/\1/p'
	done | to_ms | sort -n | awk -v since="$1" '$1 >= since { print; exit }'
}

all_up() {
	[ "$(sb status | grep -c ': up, .*quorate, lockstep: ok')" = 3 ]
}

# figure, variant, n, p50, p99, max in microseconds, per second (bench/README.md)
figure() { # NAME VARIANT MILLISECONDS
	printf 'lockstep.%s\t%s\t1\t%s\t-\t%s\t-\n' "$1" "$2" "$(($3 * 1000))" "$(($3 * 1000))"
}

# What node 3 held, waited for on node 1: from the word that node 3 was fenced to the grant.
fenced_to_grant() { # VARIANT
	start next n1 lockstep run load/1 -- sh -c 'date -u +"have %T.%N"'
	within lock_listed n2 load/1 'waiting .* n1 ' load/1 || bail "nobody waits"
	crashed=$(clock)
	sb crash n3
	within said next '^have' || bail "the waiter has not got the lock"
	had=$(sed -n 's/^have //p' "$tmp/next.out" | to_ms)
	figure fenced_to_grant "$1" "$((had - $(fencing_known "$crashed")))"
	within all_up || bail "the node does not come back"
}

hold_many() { # KEY NODE NAME COUNT
	start "$1" "$2" "$many" "$3" "$4"
	within said "$1" '^filled' || bail "$1 is not ready"
}

most=0
for count in "$@"; do
	hold_many holder n3 load "$count"
	fenced_to_grant "locks$count"
	[ "$count" -le "$most" ] || most=$count
done
hold_many other n2 other "$most"
hold_many holder n3 load 10
fenced_to_grant "locks10 others$most"
on n2 pkill -KILL -f "$many other" # And with it what it holds.

on n1 pcs stonith update power slow=30 --wait="$patience" >/dev/null 2>&1
hold_many live n1 other 1
hold_many holder n3 load 10
start next n2 lockstep run load/1 -- echo have
within lock_listed n2 load/1 'waiting .* n2 '
tell live rest
within said live '^rests'
tell live on
t=$(now_ms)
sb crash n3
within said next '^have' || bail "the waiter has not got the lock"
figure kill_node fence30s "$(($(now_ms) - t))"
# Until Corosync has a membership without the dead node nobody can go on.
detected=$(sb logs n1 corosync | sed -n 's/ \[[0-9]*\].* Completed service synchronization.*//p' |
	while read -r _ _ time; do
		ms=$(date -d "$time" +%s%3N)
		[ "$ms" -lt "$t" ] || echo "$ms"
	done | head -n 1)
figure corosync_detects fence30s "$((detected - t))"
tell live rest
within sh -c "[ \"\$(grep -c '^rests' $tmp/live.out)\" = 2 ]"
figure others_longest_stop fence30s "$(tail -n 1 "$tmp/live.out" | sed 's/.*longest \([0-9]*\) ms.*/\1/')"
diag "$(tail -n 1 "$tmp/live.out")"
