#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The daemon under Pacemaker: pcs creates the clone, crm_mon shows it and its two node attributes,
# which are written only when something has happened; lost quorum is degraded and not failed, or
# stops the daemon; a stop is clean; a killed daemon, a hung one, a missing program and wrong
# parameters are what the manual says.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

mon() { # NODE
	on "$1" crm_mon -1A
}

mon_says() { # NODE PATTERN
	on "$1" crm_mon -1A | grep -Eq -e "$2"
}

started_on() { # NODE...
	mon_says n2 "Started: \[ $* \]"
}

attribute() { # NODE PATTERN [NAME]
	on n2 attrd_updater -n "${3:-lockstep}" -Q -N "$1" | grep -Eq -e "value=\"$2"
}

no_attribute() { # NODE
	! attribute "$1" '[^"]' && ! attribute "$1" '[^"]' lockstep-info
}

shown_by_crm_mon() {
	[ "$(mon n1 | grep -Ec 'lockstep[[:space:]]+: ok')" = 3 ]
}

# What a program reads.
shown_in_xml() {
	on n1 crm_mon --output-as xml >"$tmp/mon.xml" || return 1
	[ "$(xmllint --xpath 'count(/*/node_attributes/node/attribute[@name="lockstep" and @value="ok"])' "$tmp/mon.xml")" = 3 ]
}

# Versions of the cluster's configuration and state.
cib_version() {
	on n2 cibadmin -Q | sed -n '1s/.*epoch="\([0-9]*\)" num_updates="\([0-9]*\)".*/\1.\2/p'
}

lock_some() {
	for ls in 1 2 3 4 5 6 7 8 9 10; do
		on n1 lockstep run "some$ls" -- sleep 0.5 || return 1
	done
}

same_daemon() { # NODE
	[ "$(on "$1" cat /run/lockstep/lockstepd.pid)" = "$(cat "$tmp/pid.$1")" ]
}

fail_count() {
	on n2 crm_mon -1 -f | grep -c 'fail-count'
}

# With the history of all operations, not only of those that Pacemaker still counts as failed.
cleaned() {
	on n2 crm_resource --refresh --resource lockstep
}

# What pcs does as well, but not as quickly.
param() { # NAME VALUE, or nothing to take it back
	if [ -n "$2" ]; then
		on n1 crm_resource --resource lockstep --set-parameter "$1" --parameter-value "$2"
	else
		on n1 crm_resource --resource lockstep --delete-parameter "$1"
	fi >/dev/null
}

wanted() { # Started or Stopped
	on n1 crm_resource --resource lockstep-clone --meta --set-parameter target-role --parameter-value "$1" >/dev/null
}

settled() {
	on n1 crm_resource --wait --timeout "$patience"
}

command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
sandbox_up --pacemaker --no-daemon

ok "pcs describes the agent" on n1 pcs resource describe ocf:lockstep:lockstepd
ok "pcs creates the clone" on n1 pcs resource create lockstep ocf:lockstep:lockstepd --agent-validation \
	op monitor interval=2s timeout=20s clone interleave=true
ok "it is started on all nodes" within started_on n1 n2 n3
ok "the attribute says so in one word" within attribute n1 'ok"'
ok "on each node" within attribute n3 'ok"'
ok "another one says more" within attribute n3 'default running 3 members, generation [0-9]+; fencing: ' lockstep-info
ok "crm_mon shows it" within shown_by_crm_mon
if command -v xmllint >/dev/null 2>&1; then
	ok "also in its XML" within shown_in_xml
fi
ok "locks work" on n3 lockstep run -w "$patience" a -- true
version=$(cib_version)
ok "while locks come and go and monitors run" lock_some
ok "nothing is written" [ "$(cib_version)" = "$version" ]
mon n1 | sed 's/^/# /'

sb cut n1
ok "without quorum the daemon stays" within not_quorate n1
ok "which is degraded" within mon_says n1 "monitor on n1 returned '?(OCF_DEGRADED|degraded)"
# That of the first monitor which saw it; Pacemaker keeps no later one of the same code.
ok "with a reason" within mon_says n1 'lockstepd runs, but (noquorum|stopped|recovering): [a-z]'
ok "and in the attribute" within mon_says n1 'lockstep[[:space:]]+: noquorum'
ok "the other nodes keep it" within started_on n2 n3
ok "and can lock" on n2 lockstep run -w "$patience" a -- true
sb heal
ok "after heal it is started on all nodes again" within started_on n1 n2 n3
ok "and healthy" within attribute n1 ok
ok "nothing has failed" [ "$(fail_count)" = 0 ]

# The other policy: where there is no quorum the daemon is stopped, which needs nobody's consent.
on n1 crm_attribute --name no-quorum-policy --update stop
sb cut n1
ok "with no-quorum-policy=stop it is stopped" within not on n1 pgrep -x lockstepd
ok "without a failure" not mon_says n1 'stop on n1'
sb heal
ok "and started again" within started_on n1 n2 n3
ok "healthy" within attribute n1 ok
on n1 crm_attribute --name no-quorum-policy --update freeze

# Before anything is refreshed: of a resource that it has only probed Pacemaker takes every change for a reason to restart it.
on n1 cat /run/lockstep/lockstepd.pid >"$tmp/pid.n1"
param stop_grace 4s
settled
ok "a change of stop_grace restarts nothing" same_daemon n1
param attribute locks
settled
ok "nor does one of the attribute" same_daemon n1
ok "which has the new name" within attribute n1 ok locks
ok "and the old one is gone" within no_attribute n1
param attribute ''
settled

# A monitor that takes a lock, which somebody else has here.
on n2 cat /run/lockstep/lockstepd.pid >"$tmp/pid.n2"
start self n2 lockstep run lockstep-monitor.n2 -- sh -c 'echo held; exec sleep 76543'
within said self '^held'
ok "pcs adds a monitor of depth 20" on n1 pcs resource op add lockstep monitor interval=3s timeout=20s OCF_CHECK_LEVEL=20
ok "a lock that cannot be had is degraded, with the reason" \
	within mon_says n1 "3s-interval monitor on n2 returned '?(OCF_DEGRADED|degraded).*a lock in lockspace default was not granted"
ok "which restarts nothing" same_daemon n2
ok "nor counts as a failure" [ "$(fail_count)" = 0 ]
on n2 pkill -TERM -f '^sleep 76543'
within ended self
on n1 cibadmin --delete --xpath "//primitive[@id='lockstep']//op[@interval='3s']"
cleaned >/dev/null 2>&1
within started_on n1 n2 n3

start job n2 lockstep run job -- sleep 76543
within lock_listed n1 job 'granted .* n2 '
start next n3 lockstep run job -- echo next
within lock_listed n1 job 'waiting .* n3 '
on n2 sh -c 'kill -KILL "$(cat /run/lockstep/lockstepd.pid)"'
ok "a killed daemon is a failure with a reason" within mon_says n1 'lockstepd has died'
ok "without a fence device it is restarted" within started_on n1 n2 n3
ok "which frees what was held there" within said next '^next'
ok "the holder is dead" within ended job '76|137'
ok "and healthy" within attribute n2 ok

# A stop that has to kill says so, and is no success for a cluster that can fence.
sb pause n3 lockstepd
ok "a hung daemon is a failure with a reason" within mon_says n1 'monitor on n3 returned .error. \(lockstepd \(pid [0-9]+\) does not answer'
ok "it is killed, which is the failure of its node" within mon_says n1 "stop on n3 returned 'error' \(lockstepd .* was killed"
ok "clean up" cleaned
ok "and it starts again" within started_on n1 n2 n3
ok "and is healthy" within attribute n3 ok

start job n3 lockstep run job -- sh -c 'trap "" TERM; sleep 76543; sleep 76543'
within lock_listed n1 job 'granted .* n3 '
t=$(now_ms)
ok "pcs disables it, on a busy node, too" on n1 pcs resource disable lockstep-clone --wait=60
diag "after $(($(now_ms) - t)) ms, with stop_grace=4s"
ok "which has cost the holder's life" within ended job '76|137'
ok "no daemon is left" not on n3 pgrep -x lockstepd
ok "nor an attribute" within no_attribute n3
cleaned >/dev/null 2>&1
ok "no stop has failed" not mon_says n1 'lockstep.*stop'

# Exit codes as Pacemaker takes them.
ok "pcs refuses what the agent refuses" not on n1 pcs resource update lockstep stop_grace=soon --agent-validation
param stop_grace soon
wanted Started
ok "a wrong value is 'not configured', with its name" within mon_says n1 "start on n[123] returned 'not configured' \(stop_grace=soon"
wanted Stopped
settled
param stop_grace 4s
param config /etc/lockstep/none.conf
cleaned >/dev/null 2>&1
wanted Started
ok "a missing file is an 'invalid parameter' there" within mon_says n1 "start on n3 returned 'invalid parameter' \(configuration file /etc/lockstep/none.conf"
wanted Stopped
settled
param config ''
# All of them: the agent takes one in PATH when that of its own installation is not there.
files=
while file=$(on n3 sh -c 'command -v lockstepd'); do
	on n3 mount --bind /dev/null "$file" || break
	files="$files $file"
done
cleaned >/dev/null 2>&1
wanted Started
ok "a missing program is 'not installed'" within mon_says n1 "start on n3 returned 'not installed' \(program lockstepd"
# Nothing of this cluster ran before, and n3 might.
ok "the others start, and wait for it" within mon_says n1 'Started n2' && within mon_says n1 'Started n1'
ok "which they say" within attribute n1 '[^"]*node n3 may hold its state' lockstep-info
for file in $files; do
	on n3 umount "$file"
done
ok "clean up" cleaned
ok "and all is well" within started_on n1 n2 n3
done_testing
