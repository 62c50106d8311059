#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long after a fencing is known the waiter has the lock, with so many locks of the dead node; and the longest
# stop of other locks while a fencing takes 30 s.  Not a test: prints figures.
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

# When the daemon hears of it; what the node says is logged after it was done.
# Milliseconds since midnight of the last such line of a node's log, which begins with "Nov 27 14:02:10.123".
log_ms() { # NODE PATTERN
	sb logs "$1" lockstepd | grep -E -e "$2" | tail -n 1 |
		awk '{ split($3, t, ":"); printf "%.0f\n", (t[1] * 3600 + t[2] * 60 + t[3]) * 1000 }'
}

all_up() {
	[ "$(sb status | grep -c ': up, .*quorate, lockstep: ok')" = 3 ]
}

# figure, variant, n, p50, p99, max in microseconds, per second (bench/README.md)
figure() { # NAME VARIANT MILLISECONDS
	printf 'lockstep.%s\t%s\t1\t%s\t-\t%s\t-\n' "$1" "$2" "$(($3 * 1000))" "$(($3 * 1000))"
}

for count in "$@"; do
	start holder n3 "$many" load "$count"
	within said holder '^filled' || bail "the holder is not ready"
	start next n1 lockstep run load/1 -- sh -c 'date -u +"have %H:%M:%S.%N"'
	within lock_listed n2 load/1 'waiting .* n1 '
	sb crash n3
	within said next '^have' || bail "the waiter has not got the lock"
	known=$(log_ms n1 'Pacemaker: (reboot|off) of node 3 .* done')
	had=$(awk '/^have/ { split($2, t, ":"); printf "%.0f\n", (t[1] * 3600 + t[2] * 60 + t[3]) * 1000 }' "$tmp/next.out")
	figure fenced_to_grant "locks$count" "$((had - known))"
	within all_up || bail "the node does not come back"
done

on n1 pcs stonith update power slow=30 --wait="$patience" >/dev/null 2>&1
start live n1 "$many" other 1
within said live '^filled'
start holder n3 "$many" load 10
within said holder '^filled'
start next n2 lockstep run load/1 -- echo have
within lock_listed n2 load/1 'waiting .* n2 '
tell live rest
within said live '^rests'
tell live on
t=$(now_ms)
sb crash n3
within said next '^have' || bail "the waiter has not got the lock"
figure kill_node fence30s "$(($(now_ms) - t))"
tell live rest
within sh -c "[ \"\$(grep -c '^rests' $tmp/live.out)\" = 2 ]"
figure others_longest_stop fence30s "$(tail -n 1 "$tmp/live.out" | sed 's/.*longest \([0-9]*\) ms.*/\1/')"
diag "$(tail -n 1 "$tmp/live.out")"
