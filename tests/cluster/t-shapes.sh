#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Clusters of other shapes: one node; three without any fencing; three that restart themselves when they are lost;
# two that each go on alone and race to fence (both ways).  Rules: R-MERGE-4, R-VIEW-2, R-COND-9, R-LOST-1.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

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
