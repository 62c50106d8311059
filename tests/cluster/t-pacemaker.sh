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
	! attribute "$1" '[^"]'
}

shown_by_crm_mon() {
	[ "$(mon n1 | grep -Ec 'lockstep[[:space:]]+: ok')" = 3 ]
}

same_daemon() { # NODE
	[ "$(on "$1" cat /run/lockstep/lockstepd.pid)" = "$(cat "$tmp/pid.$1")" ]
}

fail_count() {
	on n2 crm_mon -1 -f | grep -c 'fail-count'
}

command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
sandbox_up --pacemaker --no-daemon

ok "pcs describes the agent" on n1 pcs resource describe ocf:lockstep:lockstepd
ok "pcs creates the clone" on n1 pcs resource create lockstep ocf:lockstep:lockstepd \
	op monitor interval=2s timeout=20s clone interleave=true
ok "it is started on all nodes" within started_on_all
ok "the attribute says so" within attribute n1 ok
ok "on each node" within attribute n3 ok
ok "crm_mon shows it" within shown_by_crm_mon
ok "locks work" on n3 lockstep run -w "$patience" a -- true

sb cut n1
ok "without quorum the daemon stays" within not_quorate n1
ok "the other nodes keep it" within sh -c "'$sandbox' exec n2 crm_mon -1 | grep -q 'Started: \[ n2 n3 \]'"
ok "and can lock" on n2 lockstep run -w "$patience" a -- true
sb heal
ok "after heal it is started on all nodes again" within started_on_all
ok "and healthy" within attribute n1 ok
ok "nothing has failed" [ "$(fail_count)" = 0 ]

on n1 cat /run/lockstep/lockstepd.pid >"$tmp/pid.n1"
on n1 pcs resource update lockstep stop_grace=4s --wait=60
ok "a change of stop_grace restarts nothing" same_daemon n1

start job n2 lockstep run job -- sleep 76543
within lock_listed n1 job 'granted .* n2 '
start next n3 lockstep run job -- echo next
within lock_listed n1 job 'waiting .* n3 '
on n2 sh -c 'kill -KILL "$(cat /run/lockstep/lockstepd.pid)"'
ok "a killed daemon is a failure with a reason" within sh -c "'$sandbox' exec n1 crm_mon -1 | grep -q 'lockstepd has died'"
ok "without a fence device it is restarted" within started_on_all
ok "which frees what was held there" within said next '^next'
ok "the holder is dead" within ended job '76|137'
ok "and healthy" within attribute n2 ok

start job n3 lockstep run job -- sleep 76543
within lock_listed n1 job 'granted .* n3 '
t=$(now_ms)
ok "pcs disables it, on a busy node, too" on n1 pcs resource disable lockstep-clone --wait=60
diag "after $(($(now_ms) - t)) ms, with stop_grace=4s"
ok "which has cost the holder's life" within ended job '76|137'
ok "no daemon is left" not on n3 pgrep -x lockstepd
ok "nor an attribute" within no_attribute n3
ok "no stop has failed" not sh -c "'$sandbox' exec n1 crm_mon -1 | grep -q 'lockstep.*stop'"
done_testing
