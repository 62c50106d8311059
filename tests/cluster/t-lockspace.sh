#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The resource agent of a lockspace: every action and exit code on one node, without quorum, with a daemon that hangs and with a
# recovery agent; then as a promotable clone under Pacemaker, where the lock decides who is promoted, and as a clone with recovery
# agents, of which one dies with its node.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

agent=/usr/lib/ocf/resource.d/lockstep/lockspace

act() { # EXPECTED ACTION [NAME=VALUE...]
	act_want=$1
	act_action=$2
	shift 2
	on n1 env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=test OCF_RESKEY_lockspace=jobs \
		OCF_RESKEY_CRM_meta_interval=10000 "$@" "$agent" "$act_action" >"$tmp/act.out" 2>&1
	act_got=$?
	cat "$tmp/act.out"
	echo "$act_got" | grep -Eqx "$act_want" || {
		echo "exit status $act_got, not $act_want"
		return 1
	}
}

act_says() { # PATTERN
	grep -Eq -e "$1" "$tmp/act.out"
}

has_space() { # NODE LOCKSPACE
	on "$1" lockstep lockspace list | grep -q "^$2 .*running"
}

mon_says() { # NODE PATTERN
	on "$1" crm_mon -1 | grep -Eq -e "$2"
}

promoted() { # prints the node
	on n1 crm_mon -1 | sed -n 's/.*Promoted: \[ \(.*\) \]/\1/p'
}

one_promoted() {
	case $(promoted) in
	n[123]) ;;
	*) return 1 ;;
	esac
}

promoted_elsewhere() { # NODE
	one_promoted && [ "$(promoted)" != "$1" ]
}

holds_lock() { # NODE
	on n1 lockstep locks -s db --holder primary | grep -q "granted *EX *$1 "
}

command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
sandbox_up --pacemaker

# Pacemaker is to look on while the daemon is paused.
on n1 crm_attribute -t crm_config -n maintenance-mode -v true
ok "meta-data" act 0 meta-data OCF_RESKEY_lockspace=
on n1 env OCF_ROOT=/usr/lib/ocf "$agent" meta-data >"$tmp/meta.xml"
if command -v xmllint >/dev/null 2>&1; then
	ok "the meta-data is well-formed" xmllint --noout "$tmp/meta.xml"
fi
ok "pcs describes it" on n1 pcs resource describe ocf:lockstep:lockspace
ok "an unknown action" act 3 nonsense
ok "validate-all" act 0 validate-all OCF_CHECK_LEVEL=10
ok "no lockspace" act 6 validate-all OCF_RESKEY_lockspace=
ok "no name for one" act 6 validate-all OCF_RESKEY_lockspace=../x
ok "no length" act 6 validate-all OCF_RESKEY_lvb_length=12
ok "no permissions" act 6 validate-all OCF_RESKEY_permissions=rw
ok "no path" act 6 validate-all OCF_RESKEY_agent_config=x
ok "no time" act 6 validate-all OCF_RESKEY_stop_grace=x
ok "two holders of one lock" act 6 validate-all OCF_RESKEY_CRM_meta_promoted_max=2
ok "a recovery agent without its configuration" act '2|5' validate-all OCF_CHECK_LEVEL=10 OCF_RESKEY_agent_config=/nonexistent
ok "crm_resource validates" on n1 crm_resource --validate=10 --class ocf --provider lockstep \
	--agent lockspace --option lockspace=jobs

ok "monitor before" act 7 monitor
ok "stop before" act 0 stop
ok "start" act 0 start OCF_RESKEY_lvb_length=64 OCF_RESKEY_permissions=0600
ok "the node has joined it" has_space n1 jobs
ok "start again" act 0 start
ok "monitor" act 0 monitor
ok "promote" act 0 promote
ok "which is a lock" lock_listed n1 promoted.jobs 'granted *EX' -s jobs
ok "monitor of the promoted" act 8 monitor
ok "promote again" act 0 promote
on n1 pkill -TERM -f '^sleep infinity'
ok "the promoted without its lock has failed" within act 9 monitor
ok "demote" act 0 demote
ok "demote again" act 0 demote
ok "monitor after that" act 0 monitor
start rival n1 lockstep run -s jobs promoted.jobs -- sleep 76543
within lock_listed n1 promoted.jobs granted -s jobs
ok "promote needs the lock" act 1 promote OCF_RESKEY_CRM_meta_timeout=4000
ok "and says who has it" act_says 'was not granted within 3 s: Held in mode EX by lockstep'
ok "stop with a user in it" act 0 stop OCF_RESKEY_stop_grace=10s
ok "who was told to go" ended rival 143
ok "the lockspace is left" not has_space n1 jobs
ok "monitor after stop" act 7 monitor
ok "stop again" act 0 stop
ok "start" act 0 start
start rival n1 lockstep run -s jobs a -- sh -c 'trap "" TERM; sleep 76543; sleep 76543'
within lock_listed n1 a granted -s jobs
ok "stop with a user who does not go" act 0 stop OCF_RESKEY_stop_grace=1s
ok "who was killed" within ended rival '76|137'
ok "the lockspace is left" not has_space n1 jobs
on n1 lockstep lockspace create jobs
ok "a lockspace that somebody else has joined is not ours" act 7 monitor
ok "nor ours to leave" act 0 stop
ok "so it stays" has_space n1 jobs
on n1 lockstep lockspace release jobs

# The promoted instance as things go wrong around it.
ok "start" act 0 start
ok "promote" act 0 promote
# Without n1 they are a majority of the lockspace.
on n2 lockstep lockspace create jobs
on n3 lockstep lockspace create jobs
on n1 pkill -STOP -f "lockstep run -s jobs"
ok "demote ends a holder that hangs" act 0 demote OCF_RESKEY_CRM_meta_timeout=4000
ok "the lock is free" on n2 lockstep run -s jobs -w "$patience" promoted.jobs -- true
ok "promote again" act 0 promote
sb cut n1
ok "without quorum the promoted one is degraded" within act 191 monitor
ok "with the reason" act_says 'lockspace jobs is [a-z]+: [a-z]'
ok "demote needs no quorum" act 0 demote
ok "then it is degraded" act 190 monitor
ok "promote fails" act 1 promote OCF_RESKEY_CRM_meta_timeout=4000
sb heal
ok "after heal all is well" within act 0 monitor
ok "also with the lock" within act 0 promote
sb cut n1
ok "who is cut off as the promoted" within act 191 monitor
ok "keeps its lock from others" within summary_has n2 'n1'
start rival n2 lockstep run -s jobs promoted.jobs -- echo have
within lock_listed n3 promoted.jobs 'waiting .* n2 ' -s jobs
sb heal
ok "has lost the lock and failed" within act 9 monitor
ok "the other one has it" within said rival '^have'
ok "demote" act 0 demote
ok "monitor" within act 0 monitor
sb pause n1 lockstepd
ok "a daemon that hangs is an error" act 1 monitor OCF_RESKEY_CRM_meta_timeout=4000
ok "nobody can tell who uses the lockspace, so a stop fails" act 1 stop OCF_RESKEY_CRM_meta_timeout=9000
ok "with the reason" act_says 'lockstepd does not answer'
sb resume n1 lockstepd
within healthy n1
ok "then stop succeeds" act 0 stop
on n2 lockstep lockspace release jobs
on n3 lockstep lockspace release jobs

# With a recovery agent.
cat >"$tmp/item.plan" <<'END'
[plan]
parameters = item trace
[step replay]
do = sh -c 'echo "item $1 on $(uname -n)" >>"$2"' sh %{item} %{trace}
undo = nil
commit = yes
END
cat >"$tmp/store.conf" <<END
[agent]
lockspace = jobs
items = 3
state_dir = /run/store
gate = /run/store.gate
[plans]
item = item.plan
[parameters]
trace = $tmp/trace
END
: >"$tmp/trace"
gate_open() { # NODE
	on "$1" lockstep-agent gate /run/store.gate
}
serve=OCF_RESKEY_agent_config=$tmp/store.conf
echo nonsense >"$tmp/bad.conf"
ok "an agent that refuses its configuration" act 2 start "OCF_RESKEY_agent_config=$tmp/bad.conf"
ok "says why" act_says 'the recovery agent of lockspace jobs ended \(exit code 2\): .*bad.conf'
ok "stop" act 0 stop
ok "start with an agent" act 0 start "$serve"
ok "has waited until the application may begin" gate_open n1
ok "all items were recovered by then" [ "$(sort -u "$tmp/trace" | wc -l)" = 3 ]
ok "monitor" act 0 monitor "$serve"
on n1 pkill -KILL -x lockstep-agent
ok "an agent that died is an error" within act 1 monitor "$serve"
ok "stop" act 0 stop "$serve"

# Under Pacemaker, with the schema of a new cluster.
on n1 crm_attribute -t crm_config -n maintenance-mode -v false
on n1 cibadmin --upgrade --force
ok "pcs creates it" on n1 pcs resource create db ocf:lockstep:lockspace lockspace=db lock=primary \
	promotable interleave=true
ok "pcs orders it" on n1 pcs constraint order start lockstep-clone "then" db-clone
ok "pcs keeps it with the daemon" on n1 pcs constraint colocation add db-clone with lockstep-clone
ok "one is promoted" within one_promoted
first=$(promoted)
ok "which holds the lock" within holds_lock "$first"
ok "all have joined" has_space n3 db
on n1 crm_mon -1A | sed 's/^/# /'
case $first in
n1) witness=n2 ;;
*) witness=n1 ;;
esac
ok "move it" on "$witness" pcs resource move db-clone --promoted
ok "another one is promoted" within promoted_elsewhere "$first"
ok "which holds the lock" within holds_lock "$(promoted)"
second=$(promoted)
on "$second" pkill -TERM -f '^sleep infinity'
ok "when the lock is lost Pacemaker is told" within mon_says n1 "monitor on $second returned 'promoted \(failed\)' \(lock primary of lockspace db is lost"
ok "and one is promoted again" within one_promoted
ok "which holds the lock" within holds_lock "$(promoted)"

# A recovery agent under Pacemaker: what a dead node has left behind is recovered by another one.
sed -i 's/^lockspace = .*/lockspace = store/' "$tmp/store.conf"
on n1 cibadmin -C -o resources -X '<clone id="store-clone"><meta_attributes id="store-meta"><nvpair id="store-interleave"
	name="interleave" value="true"/></meta_attributes><primitive id="store" class="ocf" provider="lockstep" type="lockspace">
	<instance_attributes id="store-values"><nvpair id="store-lockspace" name="lockspace" value="store"/>
	<nvpair id="store-agent" name="agent_config" value="'"$tmp/store.conf"'"/></instance_attributes><operations>
	<op id="store-monitor" name="monitor" interval="5s" timeout="20s"/></operations></primitive></clone>'
on n1 cibadmin -C -o constraints -X '<rsc_order id="store-order" first="lockstep-clone" then="store-clone"/>'
on n1 cibadmin -C -o constraints -X '<rsc_colocation id="store-with" rsc="store-clone" with-rsc="lockstep-clone" score="INFINITY"/>'
for n in n1 n2 n3; do
	ok "the application may begin on $n" within gate_open "$n"
done
item=$(on n3 sed -n 's/^open item \([0-9]*\).*/\1/p' /run/store/state)
agents="$(on n1 pgrep -x lockstep-agent) $(on n2 pgrep -x lockstep-agent)"
: >"$tmp/trace"
sb crash n3
ok "when a node has died the others wait for its fencing" within not gate_open n1
ok "and recover nothing" [ ! -s "$tmp/trace" ]
ok "somebody says that it is off" within on n1 lockstep fence-ack n3
ok "its item is recovered" within grep -q "^item $item on n[12]" "$tmp/trace"
ok "the application may go on" within gate_open n1
ok "on both" within gate_open n2
# Maybe by both, one after the other: the second may have begun before it heard of the first one's success.
ok "nothing else was" not grep -qv "^item $item on" "$tmp/trace"
ok "by the same agents" [ "$agents" = "$(on n1 pgrep -x lockstep-agent) $(on n2 pgrep -x lockstep-agent)" ]
ok "of which none has failed" not mon_says n1 'store.*returned'
sb boot n3
ok "the node comes back, with an agent" within gate_open n3

ok "pcs removes it" on n1 pcs resource remove db --force
ok "then nobody has the lockspace" within not has_space n3 db
on n1 crm_attribute -t crm_config -n stop-all-resources -v true
ok "its agents end" within not on n3 pgrep -x lockstep-agent
ok "nothing of it failed to stop" not mon_says n1 'stop on n'
done_testing
