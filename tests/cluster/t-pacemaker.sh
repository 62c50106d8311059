#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon under Pacemaker: pcs creates the clone, crm_mon shows it and the node attribute,
# lost quorum is degraded and not failed, a stop is clean, a killed daemon is noticed.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

mon() { # NODE
	on "$1" crm_mon -1A
}

started_on_all() {
	mon n1 | grep -q 'Started: \[ n1 n2 n3 \]'
}

attribute() { # NODE PATTERN
	on n2 attrd_updater -n lockstep -Q -N "$1" | grep -Eq -e "value=\"$2"
}

no_attribute() { # NODE
	! attribute "$1" .
}

fail_count() {
	on n2 crm_mon -1 -f | grep -c 'fail-count'
}

command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
sandbox_up --pacemaker --no-daemon
mkdir -p "$tmp/conf"

ok "pcs describes the agent" on n1 pcs resource describe ocf:lockstep:lockstepd
ok "pcs creates the clone" on n1 pcs resource create lockstep ocf:lockstep:lockstepd \
	op monitor interval=2s timeout=20s clone interleave=true
ok "it is started on all nodes" within started_on_all
ok "the attribute says so" within attribute n1 ok
ok "on each node" within attribute n3 ok
ok "crm_mon shows it" sh -c "'$sandbox' exec n1 crm_mon -1A | grep -Eq 'lockstep[[:space:]]+: ok'"
ok "locks work" on n3 lockstep run -w "$patience" a -- true

sb cut n1
ok "without quorum the daemon stays" within not_quorate n1
ok "the other nodes keep it" sh -c "'$sandbox' exec n2 crm_mon -1 | grep -q 'Started: \[ n2 n3 \]'"
ok "and can lock" on n2 lockstep run -w "$patience" a -- true
sb heal
ok "after heal it is started on all nodes again" within started_on_all
ok "and healthy" within attribute n1 ok
ok "nothing has failed" [ "$(fail_count)" = 0 ]

ok "a change of stop_grace restarts nothing" sh -c '
	before=$("$0" exec n1 cat /run/lockstep/lockstepd.pid) &&
	"$0" exec n1 pcs resource update lockstep stop_grace=15s &&
	sleep 3 &&
	[ "$("$0" exec n1 cat /run/lockstep/lockstepd.pid)" = "$before" ]' "$sandbox"

on n2 pkill -KILL -x lockstepd || on n2 pkill -KILL -x lt-lockstepd
ok "a killed daemon is a failure" within sh -c "'$sandbox' exec n1 crm_mon -1 | grep -q 'lockstep.*on n2'"
ok "crm_mon has the reason" sh -c "'$sandbox' exec n1 crm_mon -1 | grep -q 'lockstepd has died'"
ok "without a fence device it is restarted" within started_on_all

ok "pcs disables it" on n1 pcs resource disable lockstep-clone --wait=60
ok "no daemon is left" not on n3 pgrep -x 'lockstepd|lt-lockstepd'
ok "nor an attribute" within no_attribute n3
done_testing
