#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The agent of the daemon alone, on a node with corosync but without Pacemaker: every action twice,
# every exit code of its manual, what becomes of programs that hold locks, a daemon that is not
# root, and what ocf-tester says.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

agent=/usr/lib/ocf/resource.d/lockstep/lockstepd

act() { # EXPECTED ACTION [NAME=VALUE...]
	act_want=$1
	act_action=$2
	shift 2
	on n1 env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=test "$@" "$agent" "$act_action" >"$tmp/act.out" 2>&1
	act_got=$?
	cat "$tmp/act.out"
	[ "$act_got" = "$act_want" ] || {
		echo "exit status $act_got, not $act_want"
		return 1
	}
}

act_says() { # PATTERN
	grep -Eq -e "$1" "$tmp/act.out"
}

act_as_nobody() { # EXPECTED ACTION
	status_is "$1" on n1 setpriv --reuid nobody --regid nogroup --clear-groups -- \
		env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=test "$agent" "$2"
}

# Its one complaint is about OCF 1.1 words in the meta-data, which its DTD does not know.
ocf_tester() {
	on n1 ocf-tester -n test "$agent" >"$tmp/ocf-tester" 2>&1
	cat "$tmp/ocf-tester"
	grep -q 'passed all tests\|failed 1 tests' "$tmp/ocf-tester" &&
		! grep '^\* rc=' "$tmp/ocf-tester" | grep -v 'rc=4: .* meta-data'
}

sandbox_up --nodes 1 --no-daemon
daemon_file=$(on n1 sh -c 'command -v lockstepd')

ok "meta-data" act 0 meta-data
on n1 env OCF_ROOT=/usr/lib/ocf "$agent" meta-data >"$tmp/meta.xml"
if command -v xmllint >/dev/null 2>&1; then
	ok "the meta-data is well-formed" xmllint --noout "$tmp/meta.xml"
fi
ok "an unknown action" act 3 nonsense
ok "Pacemaker reads it" on n1 crm_resource --show-metadata ocf:lockstep:lockstepd
validate() { # EXPECTED LEVEL OPTION
	status_is "$1" on n1 crm_resource --validate="$2" --class ocf --provider lockstep \
		--agent lockstepd --option "$3"
}
ok "crm_resource validates" validate 0 0 stop_grace=30s
ok "and with what is on this node" validate 0 10 stop_grace=30s
ok "a wrong value is not configured" validate 6 0 stop_grace=soon
ok "a missing file is an argument of this node" validate 2 10 config=/nonexistent
ok "validate-all" act 0 validate-all
ok "validate-all refuses a bad time" act 6 validate-all OCF_RESKEY_stop_grace=soon
ok "and a relative path" act 6 validate-all OCF_RESKEY_config=lockstep.conf
ok "and an impossible attribute" act 6 validate-all 'OCF_RESKEY_attribute=a b'
ok "and an impossible user" act 6 validate-all 'OCF_RESKEY_user=a b'
ok "and a clone of several on a node" act 6 validate-all OCF_RESKEY_CRM_meta_globally_unique=true
ok "at level 10 also a missing user" act 2 validate-all OCF_CHECK_LEVEL=10 OCF_RESKEY_user=nobody-here
ok "at level 10 also a missing file" act 2 validate-all OCF_CHECK_LEVEL=10 OCF_RESKEY_config=/nonexistent
ok "start refuses it as well" act 2 start OCF_RESKEY_config=/nonexistent
ok "nobody but root starts it" act_as_nobody 4 start
on n1 mount --bind /dev/null "$daemon_file"
ok "a missing program is not installed" act 5 start
ok "which does not make a probe fail" act 7 monitor OCF_RESKEY_CRM_meta_interval=0
on n1 umount "$daemon_file"
ok "monitor of what does not run" act 7 monitor
ok "a probe, too" act 7 monitor OCF_RESKEY_CRM_meta_interval=0
ok "stop of what does not run" act 0 stop
ok "start" act 0 start
ok "start again" act 0 start
ok "monitor" within act 0 monitor
ok "a probe finds it" act 0 monitor OCF_RESKEY_CRM_meta_interval=0
ok "monitor with a lock of its own" act 0 monitor OCF_CHECK_LEVEL=10
ok "monitor in all lockspaces" act 0 monitor OCF_CHECK_LEVEL=20
start self n1 lockstep run lockstep-monitor.n1 -- sleep 76543
within lock_listed n1 lockstep-monitor granted
ok "a lock that cannot be had is degraded" act 190 monitor OCF_CHECK_LEVEL=10 OCF_RESKEY_CRM_meta_timeout=8000
ok "which says where" act_says 'a lock in lockspace default was not granted'
on n1 pkill -TERM -f '^sleep 76543'
within ended self
ok "reload-agent" act 0 reload-agent
ok "no other reload" act 3 reload
ok "stop" act 0 stop
ok "stop again" act 0 stop
ok "monitor after stop" act 7 monitor

ok "start" act 0 start
sb pause n1 lockstepd
ok "a daemon that hangs is an error" act 1 monitor OCF_RESKEY_CRM_meta_timeout=4000
ok "and cannot be started on top of" act 1 start OCF_RESKEY_CRM_meta_timeout=4000
on n1 env OCF_ROOT=/usr/lib/ocf OCF_RESKEY_CRM_meta_timeout=4000 "$agent" monitor >"$tmp/reason" 2>&1
ok "with a reason" grep -q 'does not answer' "$tmp/reason"
ok "it has to be killed, and the stop fails" act 1 stop OCF_RESKEY_CRM_meta_timeout=8000
ok "then it is gone" act 7 monitor OCF_RESKEY_CRM_meta_interval=0
ok "and stop succeeds" act 0 stop

ok "start after a kill" act 0 start
on n1 sh -c 'kill -KILL "$(cat /run/lockstep/lockstepd.pid)"'
ok "a dead daemon does not run" within act 7 monitor
on n1 sh -c "echo nonsense >>/etc/lockstep/lockstep.conf"
ok "a bad configuration is an error of this node" act 2 start
on n1 env OCF_ROOT=/usr/lib/ocf "$agent" start >"$tmp/reason" 2>&1
ok "the reason names file and line" grep -q 'lockstep.conf:[0-9]' "$tmp/reason"
on n1 sed -i '$d' /etc/lockstep/lockstep.conf

# Programs that hold locks are sent SIGTERM after half of stop_grace, which ends most, and killed at its end. What they are told
# before is seen in t-stop.sh.
ok "start" act 0 start
start busy n1 lockstep run job -- sleep 76543
start other n1 lockstep run -m PR other -- sh -c 'trap "echo told; exit 9" TERM; while :; do sleep 0.1; done'
within lock_listed n1 job granted
within lock_listed n1 other granted
ok "stop of a busy daemon succeeds" act 0 stop OCF_RESKEY_stop_grace=10s
ok "its log names who uses it" act_says 'in use on this node, by lockstep \(pid [0-9]+\), lockstep \(pid [0-9]+\)'
ok "a program that was told ends" ended busy 143
ok "another one ends as it likes" ended other 9
ok "when it was told" said other '^told'
ok "start" act 0 start
start busy n1 lockstep run job -- sh -c 'trap "" TERM; sleep 76543; sleep 76543'
within lock_listed n1 job granted
ok "stop succeeds against a program that does not end" act 0 stop OCF_RESKEY_stop_grace=2s
ok "when it has killed it" within ended busy "76|137"
ok "all of it" not on n1 pgrep -f '^sleep 76543'
ok "monitor after stop" act 7 monitor

# Not as root, and with the capabilities that it needs and no more.  Nodes have the machine's users,
# so this one exists in the node only.
# shellcheck disable=SC2154
on n1 sh -c '
	grep -v ^lockstep: /etc/passwd >/run/passwd
	echo "lockstep:x:64987:64987::/nonexistent:/usr/sbin/nologin" >>/run/passwd
	grep -v ^lockstep: /etc/group >/run/group
	echo "lockstep:x:64987:" >>/run/group
	mount --bind /run/passwd /etc/passwd && mount --bind /run/group /etc/group
	printf "[daemon]\nipc_group = nogroup\nrealtime = yes\non_lost = kill\nsyslog = no\n" >/etc/lockstep/user.conf
	printf "run_dir = /run/lockstep\nstate_dir = /var/lib/lockstep\n" >>/etc/lockstep/user.conf
	printf "log_file = /var/lib/lockstep/lockstepd.log\n" >>/etc/lockstep/user.conf
	corosync-cmapctl -s uidgid.uid.64987 u8 1'
as_user() { # USER COMMAND...
	au=$1
	shift
	on n1 setpriv --reuid "$au" --regid "$(id -g "$au")" --clear-groups -- "$@"
}
daemon_file_says() { # FILE PATTERN
	on n1 sh -c 'grep -Eq -e "$2" "/proc/$(cat /run/lockstep/lockstepd.pid)/$1"' sh "$1" "$2"
}
user='OCF_RESKEY_user=lockstep OCF_RESKEY_config=/etc/lockstep/user.conf'
# shellcheck disable=SC2086
{
	ok "start as a user of its own" act 0 start $user
	ok "which it is" daemon_file_says status '^Uid:.64987.64987.64987.64987$'
	ok "it has seven capabilities" daemon_file_says status '^CapEff:.000000000088402b$'
	ok "and cannot get more" daemon_file_says status '^CapBnd:.000000000088402b$'
	ok "nor by running something" daemon_file_says status '^NoNewPrivs:.1$'
	ok "monitor" act 0 monitor OCF_CHECK_LEVEL=20 $user
	ok "it is scheduled in real time" on n1 sh -c 'chrt -p "$(cat /run/lockstep/lockstepd.pid)" | grep -q SCHED_RR'
	ok "root can lock" on n1 lockstep run a -- true
	ok "a member of ipc_group can" as_user nobody lockstep run a -- true
	ok "another user cannot" not as_user bin lockstep run a -- true
	start busy n1 setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups -- \
		lockstep run job -- sh -c 'trap "" TERM; sleep 76543; sleep 76543'
	within lock_listed n1 job granted
	ok "stop succeeds" act 0 stop OCF_RESKEY_stop_grace=1s $user
	ok "it can kill another user's program" within ended busy "76|137"
	ok "all of it" not on n1 pgrep -f '^sleep 76543'
	ok "nothing is left of the connections" [ -z "$(on n1 sh -c 'ls -d /dev/shm/qb-*lockstep* 2>/dev/null')" ]
}

if command -v ocf-tester >/dev/null 2>&1; then
	ok "ocf-tester finds nothing else" ocf_tester
fi
done_testing
