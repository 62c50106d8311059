#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `lockstep run`: exit codes, arguments, signals, the token, and what happens to the command and
# to the lock when `lockstep run` itself is killed.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep

# Of these there are none but ours.
long=76543

tokens_grow() { # FILE COUNT
	[ "$(wc -l <"$1")" = "$2" ] && sort -n -u -c "$1"
}

sandbox_up --nodes 2

ok "the command's success" status_is 0 on n1 lockstep run a -- true
ok "the command's exit status" status_is 7 on n1 lockstep run a -- sh -c 'exit 7'
ok "a command that ends by a signal" status_is 143 on n1 lockstep run a -- sh -c 'kill -TERM $$'
ok "a command that does not exist" status_is 127 on n1 lockstep run a -- /nonexistent
ok "a command that cannot be run" status_is 126 on n1 lockstep run a -- /etc/passwd
ok "after all that the lock is free" free n2 a
ok "no command is wrong usage" status_is 2 on n1 lockstep run a
ok "a bad mode is wrong usage" status_is 2 on n1 lockstep run -m XX a -- true
ok "arguments are not touched" \
	[ "$(on n1 lockstep run a -- printf '<%s>' -n -w 'x y' '' --)" = '<-n><-w><x y><><-->' ]
ok "standard input goes in" [ "$(echo through | on n1 lockstep run a -- cat)" = through ]
ok "the environment names the lock" \
	[ "$(on n1 lockstep run a -- sh -c 'echo $LOCKSTEP_LOCKSPACE/$LOCKSTEP_NAME')" = default/a ]

for n in n1 n2 n2 n1 n2; do
	on "$n" lockstep run a -- sh -c 'echo $LOCKSTEP_TOKEN' >>"$tmp/tokens"
done
ok "the token grows from holder to holder" tokens_grow "$tmp/tokens" 5

start hold n1 lockstep run a -- sh -c "echo ready; exec sleep $long"
within said hold ready
ok "-n on a held lock" status_is 75 on n2 lockstep run -n a -- true
ok "-w on a held lock" status_is 75 on n2 lockstep run -w 0.5 a -- true
ok "also from the same node" status_is 75 on n1 lockstep run -n a -- true
ok "another lock is free" free n2 b
start wait n2 lockstep run -w "$patience" a -- echo got it
within lock_listed n1 a waiting
on n1 pkill -TERM -f "^sleep $long"
ok "the command's end releases it" within said wait 'got it'
ok "with its status" within ended hold 143

start shared n1 lockstep run -m PR a -- sh -c "echo ready; exec sleep $long"
within said shared ready
ok "shared with shared" status_is 0 on n2 lockstep run -n -m PR a -- true
ok "not with exclusive" status_is 75 on n2 lockstep run -n a -- true
on n1 pkill -TERM -f "^sleep $long"
within ended shared

start trap n1 lockstep run a -- \
	sh -c 'trap "echo got TERM; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
within said trap ready
on n1 pkill -TERM -x lockstep
ok "SIGTERM is passed on" within said trap 'got TERM'
ok "and the status comes back" within ended trap 9

start hold n1 lockstep run a -- sh -c "echo ready; exec sleep $long"
within said hold ready
start waiter n2 lockstep run a -- echo never
within lock_listed n1 a waiting
on n2 pkill -TERM -x lockstep
ok "SIGTERM ends one that waits" within ended waiter 143
ok "and it waits no longer" within not lock_listed n1 a waiting

on n1 pkill -KILL -x lockstep
ok "SIGKILL of lockstep run ends it" within ended hold 137
ok "and the command" within not on n1 pgrep -f "^sleep $long"
ok "then the lock is free" within free n2 a
ok "the command did not run where the wait was ended" not said waiter never

# A process that has left the process group inherits the lock.
start killed n1 lockstep run a -- sh -c "setsid sleep $long & echo ready; cat"
within said killed ready
within on n1 pgrep -f "^sleep $long"
on n1 pkill -KILL -x lockstep
ok "SIGKILL of lockstep run ends the command" within not on n1 pgrep -x cat
ok "not what has left the process group" on n1 pgrep -f "^sleep $long"
ok "which has the lock as long as it lives" status_is 75 on n2 lockstep run -w 1 a -- true
on n1 pkill -KILL -f "^sleep $long"
ok "and no longer" within free n2 a
done_testing
