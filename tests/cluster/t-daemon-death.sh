#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon of a node is killed while programs of this node hold locks.  The programs are told and
# `lockstep run` kills its command; for the others the node is lost, and what it held stays until
# somebody vouches for it or a new daemon has come up and found none of the old programs alive.  Then stops of the daemon,
# refused and forced; and with on_lost = fence its death and that of corosync.
# Rules: R-MEM-6, R-MEM-7, R-MEM-8, R-LOST-1, R-COND-3, R-COND-6, R-REC-12.
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

# A daemon that is asked to stop while somebody uses locks stays, and says who (R-MEM-7).
signal_daemon() { # NODE SIGNAL
	on "$1" sh -c 'kill -"$1" "$(cat /run/lockstep/lockstepd.pid)"' sh "$2"
}

no_daemon() { # NODE
	! on "$1" pgrep -x lockstepd
}

times_lost() { # NODE
	sb logs "$1" lockstepd | grep -c 'is lost'
}

events_say() { # NODE PATTERN
	on "$1" lockstep events | grep -Eq -e "$2"
}

was=$(times_lost n2)
start holder n1 "$holder" -m EX -v first account
within said holder '^stored first'
signal_daemon n1 TERM
ok "a stop is refused while a program holds a lock" within events_say n1 'not stopping: lockspace "default" is in use on this node'
ok "naming who: program, pid, user, lockspace, locks" \
	events_say n1 'session of lvb-holder, pid [0-9]+, uid 0, lockspace "default", 1 lock$'
ok "the daemon goes on" on n1 lockstep run -w "$patience" other -- true
ok "the program has its lock" lock_listed n3 account 'granted .* n1 '
tell holder quit
within ended holder
signal_daemon n1 TERM
ok "without users it leaves and stops" within no_daemon n1
ok "the others have lost nobody" healthy n2
ok "it starts again" start_daemon n1
ok "all are healthy" sb wait

# By force: the programs first, then a clean leave.
start holder n1 "$holder" -m EX -v second account
within said holder '^stored second'
start next n2 lockstep run account -- echo next
within lock_listed n3 account 'waiting .* n2 '
signal_daemon n1 QUIT
ok "a stop by force kills the program" within ended holder 137
ok "and gives on its lock" within said next '^next'
ok "then it stops" within no_daemon n1
ok "the others have lost nobody in all that" [ "$(times_lost n2)" = "$was" ]
sb down

# on_lost = fence: whoever believes in a lock is told and left alone, and this node waits for its end (R-MEM-6, R-LOST-1).
status_says() { # NODE PATTERN
	on "$1" lockstep status | grep -Eq -e "$2"
}

start_corosync() { # NODE: the old one must have ended
	within not on "$1" pgrep -x corosync &&
		on "$1" sh -c 'setsid corosync -f </dev/null >>/var/log/corosync.out 2>&1 &' &&
		within quorate "$1"
}

pair() { # n1 holds it in a program that does not run just now, n2 waits for it
	start_stoppable holder n1 "$holder" -m EX -v first account
	within said holder '^stored first'
	start waiter n2 "$holder" -m EX account
	within said holder '^bast'
	on n1 pkill -STOP -x lvb-holder
	within process_is n1 lvb-holder T
}

holder_goes_on() {
	on n1 pkill -CONT -x lvb-holder
	ok "the program goes on: it is told" within said holder '^lost'
	ok "it ends, and the waiter has the lock, with the mark" \
		within said waiter '^granted EX token [0-9]+ lvb first VALNOTVALID'
	ok "all are healthy" sb wait
	tell waiter quit
	within ended waiter
}

lockstep_conf fence
sandbox_up --nodes 3 --lockstep-conf "$tmp/lockstep.conf"
pair
kill_daemon n1
ok "on_lost = fence, the daemon dies: a new one starts" start_daemon n1
ok "it says whom it waits for, and what can be done" within status_says n1 \
	'clients of a daemon that died here still run, for [0-9]+ s: lvb-holder \(pid [0-9]+\); nothing is joined before they have ended: end them, or restart this node'
ok "and is not well" status_is 1 on n1 lockstep status
ok "nobody has the lock" not said waiter '^granted'
ok "the others say what they wait for" within status_says n3 'node n1 is lost for [0-9]+ s: its locks stay until it is fenced or back clean'
holder_goes_on

# Corosync restarts under the daemon (R-MEM-8).
pair
on n1 pkill -KILL -x corosync
ok "corosync dies: the daemon says whom it waits for, and what can be done" within status_says n1 \
	'connection to Corosync lost; 1 session with locks must end first, for [0-9]+ s: lvb-holder \(pid [0-9]+\); end them, or restart this node'
ok "corosync is there again" start_corosync n1
ok "the daemon still waits for the program" status_is 1 on n1 lockstep status
ok "nobody has the lock" not said waiter '^granted'
holder_goes_on
# With a session that holds nothing.
start job n1 lockstep run -w 9999 nothing -- sleep "$long"
within on n1 pgrep -f "^sleep $long"
start idle n1 lockstep recovery watch default
within said idle '^done'
on n2 lockstep run account -- true
on n1 pkill -KILL -x corosync
ok "corosync dies again: lockstep run kills its command" within ended job 76
ok "who holds nothing is told, too" within ended idle 76
ok "corosync is there again" start_corosync n1
ok "nobody has to be waited for" sb wait
ok "digests agree after corosync's restarts" within digests_agree
done_testing
