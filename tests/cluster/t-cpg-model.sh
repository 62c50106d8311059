#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What Corosync tells one process on each node is written down under every fault that the sandbox can make,
# and must obey the axioms that the simulator's model of Corosync is built on (tests/cpgtrace/axioms.h).
# CPG_TRACE_KEEP=FILE keeps the recording; CPG_TRACE_RATE and CPG_TRACE_FLOOD make it smaller.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"

rate=${CPG_TRACE_RATE:-50}
flood=${CPG_TRACE_FLOOD:-3000}

# They know nothing of Lockstep, so they are built here, with or without a build folder.
: >"$tmp/config.h"
build() { # PROGRAM SOURCES_AND_LIBRARIES...
	program=$1
	shift
	(cd "$srcdir/tests/cpgtrace" && "${CC:-cc}" -D_GNU_SOURCE -O1 -I"$tmp" -I"$srcdir" -o "$tmp/$program" "$@") \
		>"$tmp/cc.out" 2>&1
}
build cpg-recorder cpg-recorder.c -lcpg -lquorum -lcorosync_common ||
	skip_all "no compiler with Corosync's headers: $(tail -n 1 "$tmp/cc.out")"
build cpg-check cpg-check.c check_life.c check_pairs.c trace.c || bail "$(cat "$tmp/cc.out")"

record() { # KEY NODE [OPTION...]: a recorder of node NODE into KEY.trace
	rec_key=$1
	rec_node=$2
	shift 2
	# In the background of a shell, as nsenter stops itself together with its child.
	start "$rec_key" "$rec_node" sh -c 'exec 3<&0; "$@" <&3 3<&- & wait $!' sh \
		"$tmp/cpg-recorder" "$@" model "$tmp/$rec_key.trace"
	traces="${traces:-} $tmp/$rec_key.trace"
	within grep -q '^T' "$tmp/$rec_key.trace"
	tell "$rec_key" "rate $rate"
}

# The nodes of the last ring that a recorder was told of, e.g. "1 3".
shows() { # KEY NODES
	[ "$(grep '^T' "$tmp/$1.trace" | tail -n 1 | cut -d' ' -f3-)" = "$2" ]
}

all_show() { # NODES KEY...
	all_nodes=$1
	shift
	for all_key in "$@"; do
		within shows "$all_key" "$all_nodes" || return 1
	done
}

# Its messages go round: more of them are delivered than were.
flows() { # KEY
	fl_was=$(grep -c '^D' "$tmp/$1.trace")
	within sh -c '[ "$(grep -c "^D" "$1")" -gt "$(($2 + 5))" ]' sh "$tmp/$1.trace" "$fl_was"
}

# The old one must have ended, or the new one ends.
corosync_start() { # NODE
	within not on "$1" pgrep -x corosync &&
		on "$1" sh -c 'setsid corosync -f </dev/null >>/var/log/corosync.out 2>&1 &' &&
		within on "$1" corosync-quorumtool -s
}

sandbox_up --no-daemon --nodes 3
record r1 n1
record r2 n2
record r3 n3 --cpg-first
for k in r1 r2 r3; do
	ok "$k records" flows $k
done

sb cut --oneway 3
ok "one-way cut: the others lose node 3" all_show "1 2" r1 r2
ok "and it loses them" within shows r3 3
sb heal
ok "healed" all_show "1 2 3" r1 r2 r3

for k in r1 r2 r3; do
	tell $k "flood $flood"
done
sb cut 1 2
ok "two cut off together, under a flood" all_show "1 2" r1 r2
ok "the third is alone" within shows r3 3
sb heal
ok "healed" all_show "1 2 3" r1 r2 r3
ok "the flood is over" flows r1

sb cut 1
sb cut 2
ok "three-way split" all_show 1 r1
ok "all alone" all_show 2 r2
ok "each" all_show 3 r3
sb heal
ok "healed" all_show "1 2 3" r1 r2 r3

sb pause 2 corosync
ok "corosync stopped" all_show "1 3" r1 r3
sb resume 2 corosync
ok "it goes on, and has slept through a ring" all_show "1 2 3" r1 r2 r3

on n3 pkill -STOP -x cpg-recorder
tell r1 "flood $flood"
ok "a process that does not read does not hold up the others" flows r2
on n3 pkill -CONT -x cpg-recorder
ok "it goes on" flows r3

tell r2 "flood $flood"
on n2 pkill -KILL -x cpg-recorder
ok "a process was killed" within ended r2
ok "the others see that" within grep -q '2\.[0-9]*\.procdown' "$tmp/r1.trace"
record r2b n2
ok "another one has joined" flows r2b

for round in 1 2 3 4; do
	tell r1 "flood 20"
	tell r1 leave
	tell r1 join
	ok "leave and join, round $round" within sh -c '[ "$(grep -c "^client" "$1")" -gt "$2" ]' sh "$tmp/r1.trace" "$round"
done

on n3 pkill -TERM -x corosync
ok "corosync ended cleanly" all_show "1 2" r1 r2b
ok "it starts again" corosync_start n3
ok "and is back" all_show "1 2 3" r1 r2b r3
ok "the recorder with it" flows r3
# Long before the loss is noticed.
on n3 pkill -KILL -x corosync
ok "it is killed and starts at once" corosync_start n3
ok "killed and back at once" within sh -c '[ "$(grep -c "^client" "$1")" -gt 2 ]' sh "$tmp/r3.trace"
ok "all are together" all_show "1 2 3" r1 r2b r3

sb crash 2
ok "a machine crashed" all_show "1 3" r1 r3
ok "it boots" sb boot 2
record r2c n2
ok "all are together" all_show "1 2 3" r1 r3 r2c
ok "messages flow" flows r2c

for k in r1 r3 r2c; do
	tell $k "rate 0"
	tell $k quit
done
ok "all end" within sh -c "[ -e '$tmp/r1.rc' ] && [ -e '$tmp/r3.rc' ] && [ -e '$tmp/r2c.rc' ]"

# shellcheck disable=SC2086
ok "the recording obeys the axioms" "$tmp/cpg-check" $traces
# shellcheck disable=SC2086
diag "$("$tmp/cpg-check" $traces)"
if [ -n "${CPG_TRACE_KEEP:-}" ]; then
	# shellcheck disable=SC2086
	cat $traces >"$CPG_TRACE_KEEP"
fi
done_testing
