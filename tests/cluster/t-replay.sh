#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All nodes record while one is cut off, one crashes and boots, and a holder dies. What they recorded is run again
# by lockstep-replay: the digests are those that were written down, and the same on all nodes. The history of
# the contended lock names the holder, who waited for it, and who got it then.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep

lockstep_conf kill "trace_dir = /var/log"
sandbox_up --nodes 3 --lockstep-conf "$tmp/lockstep.conf"

busy='while [ ! -e "$1/stop" ]; do lockstep run -w 3 "race $2" -- true; done; exit 0'
for n in n1 n2 n3; do
	start "busy.$n" "$n" sh -c "$busy" sh "$tmp" x
done
start holder n3 lockstep run account -- sleep 76543
within on n3 pgrep -f '^sleep 76543'
start waiter n1 lockstep run account -- echo mine
ok "node 1 waits for what node 3 holds" within lock_listed n2 account 'waiting .* n1 '
sb cut 3
ok "node 3 is cut off" within sees_nodes n1 2
ok "the others go on" on n2 lockstep run -w "$patience" other -- true
sb heal
ok "after heal the waiter has it" within said waiter '^mine'
ok "all are healthy" sb wait
sb crash 2
ok "node 2 crashes: the others go on" on n1 lockstep run -w "$patience" other -- true
ok "it boots" sb boot 2
ok "all are healthy" sb wait
: >"$tmp/stop"
ok "the race is over" within sh -c "[ -e '$tmp/busy.n1.rc' ] && [ -e '$tmp/busy.n3.rc' ]"
ok "the replicas agree" within digests_agree

# What the thread still has is written soon; a record that is not all there yet is no error.
collect() {
	for c in 1 2 3; do
		on "$c" sh -c 'cat /var/log/default.trace' >"$tmp/n$c.trace" || return 1
		on "$c" sh -c 'cat /var/log/default.trace.1' >"$tmp/n$c.trace.1" 2>/dev/null || rm -f "$tmp/n$c.trace.1"
	done
}
at_seq() { # the replayed end of all is the replicas' present one
	collect && on n1 lockstep-replay "$tmp"/n?.trace >"$tmp/replayed" || return 1
	seq=$(on n1 lockstep digest | sed -n 's/.*seq[ =:]*\([0-9][0-9]*\).*/\1/p' | head -n 1)
	[ "$(grep -c ": seq ${seq:-none}, digest " "$tmp/replayed")" = 3 ]
}
ok "what the three recorded leads to the present state" within at_seq
ok "by the same digest" [ "$(sed -n 's/.*, digest \([0-9a-f]*\);.*/\1/p' "$tmp/replayed" | sort -u | wc -l)" = 1 ]
ok "all files agree, those before the faults, too" on n1 lockstep-replay "$tmp"/n?.trace*
ok "and have been compared with each other" grep -Eq '\([1-9][0-9]* also with another file\)' "$tmp/replayed"
on n1 lockstep-replay --resource account "$tmp"/n1.trace >"$tmp/history"
ok "the history shows the holder" grep -Eq 'granted: lock 3:.* on "account"' "$tmp/history"
ok "who waited for it" grep -Eq 'waits: lock 1:.* for 3:.*holds EX' "$tmp/history"
ok "that its node was lost" grep -Eq 'removed-with-its-node: lock 3:' "$tmp/history"
ok "and who had it next" grep -Eq 'granted: lock 1:.* token [0-9]+' "$tmp/history"
ok "and the points of the recovery" grep -Eq 'recovery-point: generation ' "$tmp/history"
diag "$(cat "$tmp/replayed")"
done_testing
