#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real fencing through Pacemaker, with the sandbox's power switch: what a lost node held is given on without a
# human, and only when that node is really off.  Rules: R-REC-7, R-COND-0, R-COND-4, R-COND-5, R-MEM-6.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

# A fencing that Pacemaker knows of.
fenced() { # NODE PATTERN
	on n1 stonith_admin -H "$1" | grep -Eq -e "$2"
}

device() { # PARAMETER=VALUE...
	on n1 pcs stonith update power "$@" --wait="$patience"
}

hold() { # KEY NODE LOCK
	start "$1" "$2" lockstep run "$3" -- sleep 76543
	within lock_listed n1 "$3" "granted .* $2 "
}

wait_for() { # KEY NODE LOCK
	start "$1" "$2" lockstep run "$3" -- echo have
	within lock_listed n1 "$3" "waiting .* $2 "
}

has() { # KEY
	within said "$1" '^have'
}

# All nodes are up and healthy, the one that was fenced included.
all_up() {
	[ "$(sb status | grep -c ': up, .*quorate, lockstep: ok')" = 3 ]
}

well() {
	within all_up && sb wait --timeout "$patience"
}

connected() { # NODE
	on "$1" lockstep status | grep -q '^fencing: Pacemaker, connected'
}

all_connected() {
	for ac in $all; do
		connected "$ac" || return 1
	done
}

command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
[ -x "${LOCKSTEP_PREFIX:-/usr}/libexec/lockstep/lockstep-fence-watch" ] || skip_all "built without Pacemaker"
all="n1 n2 n3"
cat >"$tmp/lockstep.conf" <<END
[daemon]
realtime = no
lock_memory = no
on_lost = kill
log_file = /var/log/lockstepd.log
syslog = no
run_dir = /run/lockstep
state_dir = /var/lib/lockstep
post_join_delay_ms = 1000
request_delay_ms = 2000
END
sandbox_up --fence --nodes 3 --lockstep-conf "$tmp/lockstep.conf"
ok "every daemon is connected to Pacemaker's fencer" within all_connected

# A node dies.
hold job n3 a
wait_for next n2 a
t=$(now_ms)
sb crash n3
ok "a dead node is fenced and its lock given on, without a human" has next
diag "$(($(now_ms) - t)) ms after the crash"
ok "Pacemaker has done it" fenced n3 'reboot of n3 successful'
ok "the node comes back" well

# Only the daemon dies: the node goes, too (R-MEM-6).
hold job n3 a
wait_for next n2 a
on n3 sh -c 'kill -KILL "$(cat /run/lockstep/lockstepd.pid)"'
ok "a node whose daemon died is fenced" has next
ok "the node comes back again" well
ok "all are connected again" within all_connected

# A helper is only a helper.
on n1 pkill -KILL -f lockstep-fence-watch
ok "a helper that died is started again" within connected n1

# Unfencing switches nobody off.  The node is cut off and lives; the switch is broken.
ok "the switch breaks" device broken=off,reboot
hold job n3 a
wait_for next n2 a
sb cut n3
ok "a fencing that failed is told" within sh -c "'$sandbox' exec n1 lockstep status | grep -q 'its fencing failed\|has asked for its fencing'"
ok "unfencing succeeds" on n1 stonith_admin --unfence n3 --timeout 20
ok "and counts for nothing" not said next '^have'
ok "status names the node, the time and what helps" \
	sh -c "'$sandbox' exec n2 lockstep status | grep -Eq 'node n3 is lost for [0-9]+ s: .*fence-ack'"
ok "the switch works again" device broken=
ok "then the node is fenced, and the lock given on" has next
ok "it was a reboot" fenced n3 'reboot of n3 successful'
sb heal
ok "the node comes back healed" well

# Pacemaker's fencers die while they are at it.
ok "the switch is slow" device slow=6
hold job n3 a
wait_for next n2 a
sb crash n3
ok "status says that it is being fenced" \
	within sh -c "'$sandbox' exec n1 lockstep status | grep -q 'Pacemaker is fencing it'"
on n1 pkill -KILL -f pacemaker-fenced
on n2 pkill -KILL -f pacemaker-fenced
ok "the fencers die, and the lock is given on all the same" has next
ok "the switch is quick again" device slow=0
ok "the node comes back after that" well

# A human vouches, to Pacemaker.
ok "the switch breaks again" device broken=off,reboot
hold job n3 a
wait_for next n2 a
sb crash n3
within sh -c "'$sandbox' exec n1 lockstep status | grep -q 'node n3 is lost'"
ok "an administrator confirms that the node is off" on n1 stonith_admin --confirm n3
ok "which counts" has next
ok "and is written down as what it is" logged n1 "node 3 .*an administrator's word"
done_testing
