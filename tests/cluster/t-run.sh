#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `lockstep run`: exit codes, arguments, signals, the token, and what happens to the command and
# to the lock when `lockstep run` itself is killed.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

status_is() { # STATUS COMMAND...
	si_want=$1
	shift
	"$@"
	si_got=$?
	[ "$si_got" = "$si_want" ] || {
		echo "exit status $si_got, not $si_want"
		return 1
	}
}

free() { # NAME
	on n2 lockstep run -n "$1" -- true
}

sandbox_up --nodes 2

ok "the command's success" status_is 0 on n1 lockstep run a -- true
ok "the command's exit status" status_is 7 on n1 lockstep run a -- sh -c 'exit 7'
ok "a command that ends by a signal" status_is 143 on n1 lockstep run a -- sh -c 'kill -TERM $$'
ok "a command that does not exist" status_is 127 on n1 lockstep run a -- /nonexistent
ok "a command that cannot be run" status_is 126 on n1 lockstep run a -- /etc/passwd
ok "no command is wrong usage" status_is 2 on n1 lockstep run a
ok "a bad mode is wrong usage" status_is 2 on n1 lockstep run -m XX a -- true
ok "arguments are not touched" \
	[ "$(on n1 lockstep run a -- printf '<%s>' -n -w 'x y' '' --)" = '<-n><-w><x y><><-->' ]
ok "standard input goes in" [ "$(echo through | on n1 lockstep run a -- cat)" = through ]

t1=$(on n1 lockstep run a -- sh -c 'echo $LOCKSTEP_TOKEN')
t2=$(on n2 lockstep run a -- sh -c 'echo $LOCKSTEP_TOKEN')
ok "the token is a number" [ "$t1" -gt 0 ]
ok "and grows" [ "$t2" -gt "$t1" ]

start hold n1 lockstep run a -- cat
within not free a
ok "-n on a held lock" status_is 75 on n2 lockstep run -n a -- true
ok "-w on a held lock" status_is 75 on n2 lockstep run -w 1 a -- true
ok "also from the same node" status_is 75 on n1 lockstep run -n a -- true
ok "another lock is free" status_is 0 on n2 lockstep run -n b -- true
on n1 pkill -TERM -x cat
ok "the command's end releases it" within free a
ok "with its status" within ended hold 143

start shared n1 lockstep run -m PR a -- cat
within not free a
ok "shared with shared" status_is 0 on n2 lockstep run -n -m PR a -- true
on n1 pkill -TERM -x cat
within ended shared

start trap n1 lockstep run a -- sh -c 'trap "echo got TERM; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
within said trap ready
on n1 pkill -TERM -x lockstep || on n1 pkill -TERM -x lt-lockstep
ok "SIGTERM is passed on" within said trap 'got TERM'
ok "and the status comes back" within ended trap 9

start killed n1 lockstep run a -- sh -c 'sleep 1000 & echo ready; wait'
within said killed ready
on n1 pkill -KILL -x lockstep || on n1 pkill -KILL -x lt-lockstep
ok "SIGKILL of lockstep run ends it" within ended killed 137
ok "and the command" within not on n1 pgrep -x sleep
ok "then the lock is free" within free a
done_testing
