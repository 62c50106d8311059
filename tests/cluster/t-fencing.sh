#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real fencing through Pacemaker, with the sandbox's power switch: what a lost node held is given on without a
# human, and only when that node is really off.  Rules: R-REC-7, R-COND-0, R-COND-4, R-COND-5, R-MEM-6, R-CB-10.
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

status_of() { # NODE PATTERN
	on "$1" lockstep status >"$tmp/status"
	grep -Eq -e "$2" "$tmp/status"
}

explain_of() { # NODE PATTERN
	on "$1" lockstep explain a | grep -Eq -e "$2"
}

# For how long n3 is lost.
lost_seconds() { # NODE
	on "$1" lockstep status | sed -n 's/.*node n3 is lost for \([0-9]*\) s.*/\1/p' | head -n 1
}

later() { # NODE SECONDS
	[ "$(lost_seconds "$1")" -gt "$2" ]
}

# The node attribute for crm_mon.
info_of() { # NODE PATTERN
	on "$1" attrd_updater -n lockstep-info -Q -N "$1" | grep -Eq -e "$2"
}

command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
[ -x "${LOCKSTEP_PREFIX:-/usr}/libexec/lockstep/lockstep-fence-watch" ] || skip_all "built without Pacemaker"
all="n1 n2 n3"
lockstep_conf kill "post_join_delay_ms = 1000" "request_delay_ms = 2000" "prep_ack_ms = 5000"
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

# A program that hangs in a callback, and in a write to a dead disk, so that nobody can kill it: its node gives up and is
# fenced, and only then the others are done (R-CB-10).
unkillable() {
	on n2 mkdir -p /run/hang
	start disk n2 python3 "$srcdir/tests/cluster/hang-fs.py" /run/hang
	within on n2 test -e /run/hang/stuck || return 1
	start stuck n2 sh -c 'exec lockstep recovery watch default >>/run/hang/stuck'
	within status_of n2 'sessions [0-9]+ \(here 1\)'
}

# What n2 says while it lives, on the way to its end.
listen() {
	# shellcheck disable=SC2016
	start heard n2 sh -c 'while sleep 0.2; do lockstep status; done'
}

if [ -w /dev/fuse ] && command -v python3 >/dev/null 2>&1; then
	ok "a program that cannot be killed subscribes on n2" unkillable
	listen
	hold job n3 a
	wait_for next n1 a
	sb crash n3
	ok "n2 says whom it waits for, and what comes next" \
		within said heard 'waits for prep of session [0-9]+ \(pid [0-9]+, lockstep\) for [0-9]+ s: it is killed in [0-9]+ s'
	ok "n1 says where to look" within status_of n1 'waiting for node n2 for [0-9]+ s, where a program has not answered'
	ok "then that it is being killed, and what if that fails" \
		within said heard 'it is being killed; if that fails this node gives up in [0-9]+ s'
	ok "its lock is not given on meanwhile" not said next '^have'
	ok "n2 gives up, and its log says why" within logged n2 'could not be killed: this node gives up and must be fenced'
	ok "n2 says who must end" \
		within said heard '1 session with locks must end first, for [0-9]+ s: lockstep \(pid [0-9]+\); they are being killed'
	ok "the lock is given on when n2 is fenced" has next
	ok "Pacemaker has done it" fenced n2 'reboot of n2 successful'
	ok "both nodes come back" well
	ok "all are connected after that" within all_connected
else
	diag "no /dev/fuse or no python3: nothing that cannot be killed"
fi

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

# "Node 3 lost power; on node 1 I type one command and read within one screen which locks are affected, since when,
# that fencing of node 3 is running (attempt, device, last error), and what I can do."
ok "the switch breaks again" device broken=off,reboot
hold job n3 a
hold other n3 b
wait_for next n2 a
sb crash n3
ok "n3 loses power: it is told that an attempt has failed, and another one goes on" \
	within status_of n1 'Pacemaker is fencing it for [0-9]+ s, attempt [2-9], .*failed [1-9] times?, the last [0-9]+ s ago'
cp "$tmp/status" "$tmp/story"

story() { # PATTERN
	grep -Eq -e "$1" "$tmp/story" || {
		cat "$tmp/story"
		return 1
	}
}

ok "with who asked for it" story 'attempt [2-9], for (pacemaker-controld|lockstep-fence-watch) on node n[12]'
ok "with the device and the last error" story 's ago \(device power\): [a-zN]'
ok "since when" story '^lost: n3 since [0-9:]{8} \([0-9]+ s\); lockspace default keeps its 2 locks'
ok "which lock is waited for" story '^    a, held in mode EX by lockstep \(pid [0-9]+, uid 0\) on n3:'
ok "by whom, since when" story '^      lockstep \(pid [0-9]+, uid 0\) on n2 waits for EX since [0-9:]{8} \([0-9]+ s\)$'
ok "not the one that nobody waits for" not story '^    b,'
ok "which command shows all" story '^  all that it holds: lockstep locks -s default --node n3$'
ok "and what can be done" story '^  if you are sure that it is off: lockstep fence-ack n3$'
ok "on one screen" sh -c '[ "$(fold -w 80 "$1" | wc -l)" -le 24 ]' sh "$tmp/story"
ok "the command shows both locks" sh -c "[ \"\$('$sandbox' exec n1 lockstep locks -s default --node n3 | grep -c granted)\" = 2 ]"
ok "explain says it, too" explain_of n2 'Node n3 is lost since [0-9:]{8} \([0-9]+ s\).*'
ok "and who waits for whom" explain_of n2 'for lockstep \(pid [0-9]+, uid 0\) on n3, which holds EX and whose node is lost'
ok "and the command" explain_of n1 'lockstep fence-ack n3'
t=$(lost_seconds n1)
ok "seconds go on" within later n1 "$t"
ok "the node attribute names node, time, attempt and command" \
	within info_of n1 'node n3 is lost since [0-9:]{8}: .*failed [0-9]+ times?, .*\(device power\).*lockstep fence-ack n3'
ok "an administrator confirms that the node is off" on n1 stonith_admin --confirm n3
ok "which counts" has next
ok "and is written down as what it is" logged n1 "node 3 .*an administrator's word"
done_testing
