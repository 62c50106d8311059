#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Daemons and Corosyncs come and go while all nodes compete for a lock; each holder proves with flock(2) that it is
# alone, and writes its token, which must grow. A daemon that is killed and back before anybody noticed, a Corosync that
# is restarted under a living daemon, two nodes that join at once, a clean leave and rejoin, an acknowledgement that is
# about an older life of a node; and three lockspaces with different members, each of which goes on by itself.
# Rules: R-MEM-3, R-MEM-6, R-MEM-8, R-COND-3, R-COND-6, R-REC-6, R-LS-2.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep

race='while [ ! -e "$1/stop" ] && [ ! -e "$1/stop.$(hostname)" ]; do
	lockstep run -w 3 race -- "$2" sh -c "echo \$LOCKSTEP_TOKEN \$(hostname) >>\"\$1\"" sh "$1/race"
	echo $? >>"$1/codes"
done
exit 0'

turns() { # NODE...: each has some more
	for tu in "$@"; do
		tu_was=$(grep -c "$tu\$" "$tmp/race")
		within sh -c '[ "$(grep -c "$2\$" "$1")" -gt "$(($3 + 2))" ]' sh "$tmp/race" "$tu" "$tu_was" || return 1
	done
}

start_daemon() { # NODE
	on "$1" lockstepd --config /etc/lockstep/lockstep.conf
}

kill_daemon() { # NODE
	on "$1" sh -c 'kill -KILL "$(cat /run/lockstep/lockstepd.pid)"'
}

start_corosync() { # NODE: the old one must have ended
	within not on "$1" pgrep -x corosync &&
		on "$1" sh -c 'setsid corosync -f </dev/null >>/var/log/corosync.out 2>&1 &' &&
		within on "$1" corosync-quorumtool -s
}

# The replicas are compared when the race is over.
settled() {
	sb wait
}

sandbox_up --nodes 3
: >"$tmp/race"
for n in n1 n2 n3; do
	start "race.$n" "$n" sh -c "$race" sh "$tmp" "$alone"
done
ok "all nodes have turns" turns n1 n2 n3

kill_daemon n1
ok "a daemon is killed and another one starts at once" start_daemon n1
ok "all are healthy" settled
ok "all have turns" turns n1 n2 n3

on n2 pkill -KILL -x corosync
ok "corosync is killed under a living daemon and starts at once" start_corosync n2
ok "all are healthy" settled
ok "all have turns" turns n1 n2 n3
on n2 pkill -TERM -x corosync
ok "the others lose the node" within sees_nodes n1 2
ok "corosync comes back after a clean end" start_corosync n2
ok "all are healthy" settled
ok "all have turns" turns n1 n2 n3

kill_daemon n2
kill_daemon n3
start_daemon n2 &
start_daemon n3
wait $!
ok "two daemons join at once: all are healthy" settled
ok "all have turns" turns n1 n2 n3

# The acknowledgement is about the life that was lost; the next one is not vouched for. What node 3 holds when it dies is
# the job and nothing else: had it the turn in the race, the others would rightly wait for the acknowledgement.
: >"$tmp/stop.n3"
ok "the race on n3 ends" within ended race.n3
start old n3 lockstep run job -- sleep 76543
ok "the job runs on node 3" within on n3 pgrep -f '^sleep 76543'
sb crash n3
ok "the others go on" turns n1 n2
ok "fence-ack" within on n1 lockstep fence-ack n3
ok "its lock is free" within free n2 job
ok "the node boots" sb boot n3
ok "all are healthy" settled
start old n3 lockstep run job -- sleep 76543
ok "the job runs there again" within on n3 pgrep -f '^sleep 76543'
sb cut 3
ok "cut off, it is lost" within sees_nodes n1 2
ok "the others go on" turns n1 n2
ok "the earlier acknowledgement is not about this life" status_is 75 on n1 lockstep run -w 1 job -- true
sb heal
ok "after heal its job is killed and the lock free" within free n1 job
ok "all are healthy" settled

# Three lockspaces, on two nodes each.
joins() { # NODE LOCKSPACE
	on "$1" lockstep lockspace create "$2" && on "$1" lockstep run -s "$2" -w "$patience" mine -- true
}
ok "node 1 creates a" joins n1 a
ok "node 2 joins it" joins n2 a
ok "node 2 creates b" joins n2 b
ok "node 3 joins it" joins n3 b
ok "node 1 creates c" joins n1 c
ok "node 3 joins it" joins n3 c
sb crash n3
ok "where no member was lost a lockspace goes on" on n1 lockstep run -s a -w "$patience" mine -- true
ok "where one was lost, too" on n2 lockstep run -s b -w "$patience" other -- true
ok "and in the third" on n1 lockstep run -s c -w "$patience" other -- true
ok "the node boots" sb boot n3
ok "it joins the second again" joins n3 b
ok "and the third" joins n3 c
ok "all are healthy" settled
ok "a clean leave" on n2 lockstep lockspace release a
ok "the other member goes on" on n1 lockstep run -s a -w "$patience" mine -- true
ok "and back" joins n2 a
ok "all are healthy" settled

: >"$tmp/stop"
for n in n1 n2; do
	ok "the race on $n ends" within ended "race.$n"
done
ok "never were there two at work" not grep -q '^99$' "$tmp/codes"
ok "tokens grow from turn to turn" sort -n -u -k 1,1 -c "$tmp/race"
diag "$(wc -l <"$tmp/race") turns; exit codes: $(sort -n "$tmp/codes" | uniq -c | awk '{ printf "%s%s times %s", sep, $1, $2; sep = ", " }')"
ok "digests agree at the end" within digests_agree
done_testing
