#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The node that holds a lock is cut off, then cut off one way.  Its command under `lockstep run`
# is dead before anybody else has the lock, and nobody has it until the node has rejoined clean.
# The nodes share one clock, so the time stamps that the commands write can be compared.
# Rules: R-VIEW, R-LOST, R-PROC (recovery.md).
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

# Written by the command under the lock, again and again: proof of life.
beat='while :; do date +%s%N >>"$1"; sleep 0.02; done'

beats_ended() { # FILE
	be=$(tail -n 1 "$1")
	sleep 1
	[ "$(tail -n 1 "$1")" = "$be" ]
}

digests_agree() {
	for da in 1 2 3; do
		on "$da" lockstep digest >"$tmp/digest.$da" || return 1
	done
	cmp "$tmp/digest.1" "$tmp/digest.2" && cmp "$tmp/digest.2" "$tmp/digest.3"
}

# before FILE FILE: the last line of the first is smaller than the first line of the second
before() {
	[ "$(tail -n 1 "$1")" -lt "$(head -n 1 "$2")" ]
}

sandbox_up --nodes 3

partition() { # KEY CUT_ARGUMENTS...
	key=$1
	shift
	start "$key.1" n1 lockstep run -m EX job -- sh -c "$beat" sh "$tmp/$key.beats1"
	ok "$key: node 1 runs the job" within test -s "$tmp/$key.beats1"
	start "$key.2" n2 lockstep run -m EX job -- sh -c "$beat" sh "$tmp/$key.beats2"
	sb cut "$@"
	ok "$key: the others lose node 1" within sees_nodes n2 2
	ok "$key: node 1 loses quorum" within not_quorate n1
	ok "$key: its job is killed" within beats_ended "$tmp/$key.beats1"
	ok "$key: lockstep run says that the lock was lost" within ended "$key.1" 76
	ok "$key: other locks go on" on n3 lockstep run -w "$patience" other -- true
	on n1 timeout 3 lockstep run -w 1 other -- true >/dev/null 2>&1
	ok "$key: not on node 1" not [ $? = 0 ]
	ok "$key: the job does not run on node 2 yet" not test -s "$tmp/$key.beats2"
	sb heal
	ok "$key: node 1 comes back" sb wait
	ok "$key: now the job runs on node 2" within test -s "$tmp/$key.beats2"
	ok "$key: it started after the end on node 1" before "$tmp/$key.beats1" "$tmp/$key.beats2"
	ok "$key: digests agree" within digests_agree
	on n2 pkill -TERM -x lockstep || on n2 pkill -TERM -x lt-lockstep
	ok "$key: the job ends" within ended "$key.2"
}

partition cut 1
partition oneway --oneway 1
done_testing
