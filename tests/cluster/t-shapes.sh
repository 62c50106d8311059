#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Clusters of other shapes: one node; three without any fencing; three that restart themselves when they are lost or
# their daemon has died; five that lose two; two that each go on alone and race to fence (both ways).  Rules: R-MERGE-4, R-VIEW-2, R-COND-9, R-LOST-1.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep
need_holder

hold() { # KEY NODE LOCK LOOK
	start "$1" "$2" lockstep run "$3" -- sleep 76543
	within lock_listed "$4" "$3" "granted .* $2 "
}

wait_for() { # KEY NODE LOCK
	start "$1" "$2" lockstep run "$3" -- echo have
	within lock_listed "$2" "$3" "waiting .* $2 "
}

has() { # KEY
	within said "$1" '^have'
}

status_says() { # NODE PATTERN
	on "$1" lockstep status | grep -Eq -e "$2"
}

# One node is a cluster.
lockstep_conf kill "fencing = manual"
sandbox_up --nodes 1 --lockstep-conf "$tmp/lockstep.conf"
ok "one node: locks work" on n1 lockstep run -w "$patience" a -- true
ok "one node: status says what counts as fencing" status_says n1 '^fencing: by hand'
sb crash n1
sb boot n1
ok "one node: it forms again after a crash" on n1 lockstep run -w "$patience" a -- true
sb down

# Three nodes without fencing: a time decides, and everything says so.
lockstep_conf kill "fencing = none" "lost_timeout_ms = 3000"
sandbox_up --nodes 3 --lockstep-conf "$tmp/lockstep.conf"
ok "no fencing: status says so" status_says n1 '^fencing: none: .*nothing guarantees'
ok "no fencing: the summary says so" summary_has n2 '^ok .* nofencing'
hold job n3 a n1
wait_for next n1 a
sb crash n3
ok "no fencing: status says what is going to happen" \
	within status_says n1 'no fencing, its locks are given to others after 3 s'
ok "no fencing: after that time the lock is given on" has next
ok "no fencing: the log says what that means" logged n1 'whether its programs have stopped or not'
# Whoever of the others was first.
either_logged() {
	logged n1 "$1" || logged n2 "$1"
}

ok "no fencing: and when it has happened" either_logged 'counts as fenced now, although nothing is known of it'
sb boot n3
# A part without quorum never goes on, whatever the time.
hold job n1 a n2
start next n3 lockstep run a -- echo have
within lock_listed n2 a 'waiting .* n3 '
sb cut n3
ok "no fencing: a part without quorum is given nothing" within not_quorate n3
sleep 4
ok "no fencing: whatever the time" not said next '^have'
sb heal
ok "no fencing: all are healthy after heal" within digests_agree
sb down

# A node that learns that it is lost while a program holds a lock restarts itself.
lockstep_conf reboot "fencing = manual"
sandbox_up --nodes 3 --lockstep-conf "$tmp/lockstep.conf"

is_off() { # NODE
	! sb power status "$1"
}

hold job n3 a n1
wait_for next n1 a
sb cut n3
ok "reboot: the node is lost" within status_says n1 'node n3 is lost'
sb heal
ok "reboot: it restarts itself when it is back" within is_off n3
ok "reboot: what it held stays until then" not said next '^have'
sb boot n3
ok "reboot: and is given on when it has come back clean" has next
# The daemon of a living program dies (R-MEM-6).
start_stoppable held n3 "$holder" -m EX a
within lock_listed n1 a 'granted .* n3 '
wait_for next n1 a
on n3 pkill -STOP -x lvb-holder
on n3 sh -c 'kill -KILL "$(cat /run/lockstep/lockstepd.pid)"'
start again n3 lockstepd --config /etc/lockstep/lockstep.conf
ok "reboot: a new daemon finds a program of one that died, and the node restarts itself" within is_off n3
ok "reboot: its log says why" logged n3 'on_lost = reboot: programs on this node may use locks that are lost'
ok "reboot: the lock stays until then" not said next '^have'
sb boot n3
ok "reboot: and is given on then" has next
sb down

# Two of five are lost, one is fenced early, one late: only the second one's locks wait.
lockstep_conf kill "fencing = manual"
sandbox_up --nodes 5 --lockstep-conf "$tmp/lockstep.conf"
hold job4 n4 a n1
hold job5 n5 b n1
wait_for next n1 a
wait_for later n2 b
sb crash n4
ok "two of five: one is lost" within status_says n1 'node n4 is lost for [0-9]+ s'
sb crash n5
ok "two of five: then the other, and both are named" within status_says n1 'nodes n4, n5 are lost for [0-9]+ s: their locks stay'
ok "two of five: with what each holds" status_says n3 '^lost: n5 since .*keeps its 1 lock until'
ok "two of five: the others go on" on n3 lockstep run -w "$patience" c -- true
ok "two of five: neither lock is given on" status_is 75 on n3 lockstep run -w 1 a -- true
ok "two of five: the first is off" on n2 lockstep fence-ack n4
ok "two of five: the second alone is named now" within status_says n1 'node n5 is lost for [0-9]+ s: its locks stay .*lockstep fence-ack n5'
ok "two of five: its lock is not given on" not said later '^have'
ok "two of five: the others still go on" on n3 lockstep run -w "$patience" c -- true
ok "two of five: the second is off" on n3 lockstep fence-ack n5
ok "two of five: both locks are given on" has next
ok "two of five: the late one, too" has later
sb down

command -v pcs >/dev/null 2>&1 || { diag "pcs is not installed: no race of two nodes"; done_testing; }
[ -x "${LOCKSTEP_PREFIX:-/usr}/libexec/lockstep/lockstep-fence-watch" ] || {
	diag "built without Pacemaker: no race of two nodes"
	done_testing
}

# Two nodes.  After a cut each is quorate and shoots; a delay on one of them decides who is faster.
lockstep_conf kill "post_join_delay_ms = 1000" "request_delay_ms = 30000"
sandbox_up --fence --nodes 2 --two-node --lockstep-conf "$tmp/lockstep.conf"

both_up() {
	[ "$(sb status | grep -c ': up, .*quorate, lockstep: ok')" = 2 ]
}

winner() { # NODE: the other one is switched off at once, this one only after a while
	loser=n$((3 - ${1#n}))
	on "$1" pcs stonith update power pcmk_delay_base="$1:20s;$loser:0s" --wait="$patience"
}

race() { # WINNER
	winner "$1" >/dev/null 2>&1 || bail "pcs cannot set the delay"
	hold job "$loser" a "$1"
	wait_for next "$1" a
	sb cut n2
	ok "two nodes: $1 is faster and gets the lock" has next
	ok "two nodes: $loser is not quorate alone when it comes back" within not_quorate "$loser"
	sb heal
	ok "two nodes: both are there again" within both_up
	ok "two nodes: and can lock" on "$loser" lockstep run -w "$patience" a -- true
}

race n1
race n2
done_testing
