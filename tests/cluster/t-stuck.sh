#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A daemon hangs while its node holds a lock.  The others do without its confirmations after
# confirm_timeout_ms; what it held stays.  When it goes on it finds itself evicted, kills who held
# locks, and rejoins clean.  Then the same with corosync.
# Rules: R-STAB-4, R-LOST-1, R-REC-7.
# shellcheck disable=SC2154
. "${0%/*}/lib.sh"
need_lockstep

long=76543

stuck() { # DAEMON
	start job n3 lockstep run job -- "$alone" sleep "$long"
	within on n3 pgrep -f "^sleep $long"
	start next n1 lockstep run job -- "$alone" echo next
	within lock_listed n2 job 'waiting .* n1 '
	sb pause n3 "$1"
	t=$(now_ms)
	ok "$1 hangs: the others go on" on n1 lockstep run -w "$patience" other -- true
	diag "after $(($(now_ms) - t)) ms"
	t=$(now_ms)
	ok "$1: and need not wait again" on n2 lockstep run -w "$patience" other -- true
	diag "the next one in $(($(now_ms) - t)) ms"
	ok "$1: they name the node" within summary_has n1 'n3'
	ok "$1: its job goes on" on n3 pgrep -f "^sleep $long"
	ok "$1: so its lock stays" status_is 75 on n2 lockstep run -w 1 job -- true
	ok "$1: and the waiter waits" not said next next
	sb resume n3 "$1"
	t=$(now_ms)
	ok "$1 goes on: the waiter has the lock" within said next '^next'
	diag "after $(($(now_ms) - t)) ms"
	ok "$1: alone" within ended next 0
	ok "$1: the old holder was killed" within ended job "76|137"
	diag "lockstep run ended with $(cat "$tmp/job.rc")"
	ok "$1: its command, too" not on n3 pgrep -f "^sleep $long"
	ok "$1: all are healthy" sb wait
	ok "$1: the node can lock" on n3 lockstep run -w "$patience" other -- true
	ok "$1: digests agree" within digests_agree
}

sandbox_up --nodes 3
stuck lockstepd
ok "the log says who was evicted" logged n1 'evict'
stuck corosync
done_testing
