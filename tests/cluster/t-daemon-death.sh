#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon of a node is killed while programs of this node hold locks.  The programs are told and
# `lockstep run` kills its command; for the others the node is lost, and what it held stays until
# somebody vouches for it or a new daemon has come up and found none of the old programs alive.
# Rules: R-MEM-6, R-COND-3, R-COND-6, R-REC-12.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep
need_holder

kill_daemon() { # NODE
	on "$1" sh -c 'kill -KILL "$(cat /run/lockstep/lockstepd.pid)"'
}

start_daemon() { # NODE
	on "$1" lockstepd --config /etc/lockstep/lockstep.conf
}

# The state of a process, as of ps: T is stopped.
process_is() { # NODE NAME STATE
	on "$1" ps -o stat= -C "$2" | grep -q "^$3"
}

long=76543
sandbox_up --nodes 3

start job n1 lockstep run job -- "$alone" sleep "$long"
start holder n1 "$holder" -m EX -v first account
within on n1 pgrep -f "^sleep $long"
within said holder '^stored first'
start waiter n2 "$holder" -m EX account
within said holder '^bast'
start next n2 lockstep run job -- "$alone" echo next
within lock_listed n3 job 'waiting .* n2 '
t=$(now_ms)
kill_daemon n1
ok "a program on its node is told" within said holder '^lost'
ok "lockstep run says that the lock was lost" within ended job 76
ok "its command is dead" not on n1 pgrep -f "^sleep $long"
ok "other locks go on" on n3 lockstep run -w "$patience" other -- true
diag "$(($(now_ms) - t)) ms after the kill"
ok "for the others the node is lost" within summary_has n2 'n1'
ok "what it held is not given on" status_is 75 on n3 lockstep run -w 1 job -- true
ok "to nobody" not said waiter '^granted'
ok "the command line cannot reach the dead daemon" status_is 3 on n1 lockstep status
t=$(now_ms)
ok "a new daemon starts" start_daemon n1
ok "that settles it: the waiter has the lock, with the mark" \
	within said waiter '^granted EX token [0-9]+ lvb first VALNOTVALID'
diag "$(($(now_ms) - t)) ms after the start"
ok "and the next job runs" within said next '^next'
ok "all are healthy" sb wait
ok "digests agree" within digests_agree
tell waiter quit
within ended waiter

# This time the word of an administrator, while corosync lives on.
start job n1 lockstep run job -- "$alone" sleep "$long"
within on n1 pgrep -f "^sleep $long"
start next n2 lockstep run job -- "$alone" echo next
within lock_listed n3 job 'waiting .* n2 '
kill_daemon n1
ok "again: lockstep run says that the lock was lost" within ended job 76
ok "for the others the node is lost" within summary_has n3 'n1'
ok "fence-ack" on n3 lockstep fence-ack n1
ok "the next job runs" within said next '^next'
ok "a new daemon starts" start_daemon n1
ok "all are healthy" sb wait
ok "digests agree" within digests_agree

# `lockstep run` is stopped and cannot kill its command.  The new daemon has to.
# In the background of a shell, as nsenter stops itself together with its child.
start job n1 sh -c 'lockstep run job -- "$@" & wait $!' sh "$alone" sleep "$long"
within on n1 pgrep -f "^sleep $long"
start next n2 lockstep run job -- "$alone" echo next
within lock_listed n3 job 'waiting .* n2 '
on n1 pkill -STOP -x lockstep
within process_is n1 lockstep T
kill_daemon n1
ok "lockstep run is stopped: other locks go on" on n3 lockstep run -w "$patience" other -- true
ok "its command lives" on n1 pgrep -f "^sleep $long"
ok "so the lock is not given on" status_is 75 on n3 lockstep run -w 1 job -- true
ok "a new daemon starts" start_daemon n1
ok "it kills the old holder, and the next job runs" within said next '^next'
ok "alone" within ended next 0
ok "of the old one nothing is left" not on n1 pgrep -f "^sleep $long"
ok "all are healthy" sb wait
ok "digests agree at the end" within digests_agree
done_testing
