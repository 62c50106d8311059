#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The resource agent alone, on a node with corosync but without Pacemaker: every action twice,
# exit codes, and what ocf-tester says.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

agent=/usr/lib/ocf/resource.d/lockstep/lockstepd

act() { # EXPECTED ACTION [NAME=VALUE...]
	act_want=$1
	act_action=$2
	shift 2
	on n1 env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=test "$@" "$agent" "$act_action"
	act_got=$?
	[ "$act_got" = "$act_want" ] || {
		echo "exit status $act_got, not $act_want"
		return 1
	}
}

# Its one complaint is about OCF 1.1 words in the meta-data, which its DTD does not know.
ocf_tester() {
	on n1 ocf-tester -n test "$agent" >"$tmp/ocf-tester" 2>&1
	cat "$tmp/ocf-tester"
	grep -q 'passed all tests\|failed 1 tests' "$tmp/ocf-tester" &&
		! grep '^\* rc=' "$tmp/ocf-tester" | grep -v 'rc=4: .* meta-data'
}

sandbox_up --nodes 1 --no-daemon

ok "meta-data" act 0 meta-data
on n1 env OCF_ROOT=/usr/lib/ocf "$agent" meta-data >"$tmp/meta.xml"
if command -v xmllint >/dev/null 2>&1; then
	ok "the meta-data is well-formed" xmllint --noout "$tmp/meta.xml"
fi
ok "an unknown action" act 3 nonsense
ok "validate-all" act 0 validate-all
ok "validate-all refuses a bad time" act 6 validate-all OCF_RESKEY_stop_grace=soon
ok "and a relative path" act 6 validate-all OCF_RESKEY_config=lockstep.conf
ok "and an impossible attribute" act 6 validate-all 'OCF_RESKEY_attribute=a b'
ok "at level 10 also a missing file" act 2 validate-all OCF_CHECK_LEVEL=10 OCF_RESKEY_config=/nonexistent
ok "start refuses it as well" act 2 start OCF_RESKEY_config=/nonexistent
ok "monitor of what does not run" act 7 monitor
ok "a probe, too" act 7 monitor OCF_RESKEY_CRM_meta_interval=0
ok "stop of what does not run" act 0 stop
ok "start" act 0 start
ok "start again" act 0 start
ok "monitor" within act 0 monitor
ok "a probe finds it" act 0 monitor OCF_RESKEY_CRM_meta_interval=0
ok "reload-agent" act 0 reload-agent
ok "stop" act 0 stop
ok "stop again" act 0 stop
ok "monitor after stop" act 7 monitor

ok "start" act 0 start
sb pause n1 lockstepd
ok "a daemon that hangs is an error" act 1 monitor OCF_RESKEY_CRM_meta_timeout=4000
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

# A daemon whose clients hold locks is not stopped at once; in the end they are killed.
ok "start" act 0 start
start busy n1 lockstep run job -- sleep 76543
within lock_listed n1 job granted
start gentle n1 env OCF_ROOT=/usr/lib/ocf OCF_RESKEY_stop_grace=30s "$agent" stop
ok "stop waits for those who hold locks" within logged n1 'not stopping'
ok "and does not disturb them" not ended busy
on n1 pkill -TERM -f '^sleep 76543'
ok "when they have ended it succeeds" within ended gentle 0
ok "start" act 0 start
start busy n1 lockstep run job -- sleep 76543
within lock_listed n1 job granted
ok "stop of a busy daemon succeeds" act 0 stop OCF_RESKEY_stop_grace=2s
ok "when it has killed the holders" within ended busy "76|137"
ok "all of them" not on n1 pgrep -f '^sleep 76543'
ok "monitor after stop" act 7 monitor

if command -v ocf-tester >/dev/null 2>&1; then
	ok "ocf-tester finds nothing else" ocf_tester
fi
done_testing
