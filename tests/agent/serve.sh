#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows lockstep-agent serve on one node, with a real daemon: the first member's recoveries, gate and commands of the
# application, agents that are killed in the middle, plans that fail in every way, a daemon that is lost (R-PLAN-4), a disk
# that is full. More nodes are tests/cluster/t-coordinator.sh.
# shellcheck disable=SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"

[ -x "$top_builddir/lockstep-agent" ] || skip "lockstep-agent is not built"
agent=$top_builddir/lockstep-agent
trace=$tmp/trace
: >"$trace"

config() { # LINE...: of [agent], beside what is always there
	cat >"$tmp/serve.conf" <<-END
	[plans]
	item = item.plan
	[hooks]
	block = sh -c 'echo block >>"\$1"' sh $trace
	unblock = sh -c 'echo unblock >>"\$1"' sh $trace
	panic = sh -c 'echo "panic \$LOCKSTEP_ITEM" >>"\$1"' sh $trace
	[parameters]
	trace = $trace
	[agent]
	lockspace = serve
	state_dir = $tmp/agent
	gate = $tmp/gate
	END
	printf '%s\n' "$@" >>"$tmp/serve.conf"
}

plan() { # the text on standard input, behind what is always there
	{
		printf '[plan]\nparameters = item trace\n'
		cat
	} >"$tmp/item.plan"
}

# A step that says what it sees, and one commit step.
plain_plan() {
	plan <<-'END'
	[step replay]
	do = sh -c 'echo "item $1 $LOCKSTEP_ITEM $LOCKSTEP_LOCKSPACE attempt $LOCKSTEP_ATTEMPT token $LOCKSTEP_TOKEN" >>"$2"' sh %{item} %{trace}
	undo = nil
	[step clean]
	needs = replay:trueData
	do = nil
	undo = nil
	commit = yes
	END
}

traced() { # PATTERN [COUNT]
	if [ $# = 1 ]; then grep -Eq "$1" "$trace"; else [ "$(grep -Ec "$1" "$trace")" = "$2" ]; fi
}

gate_open() {
	"$agent" gate "$tmp/gate"
}

told() { # PATTERN: by the agent
	grep -Eq -e "$1" "$tmp/agent.err"
}

agent_start() {
	: >"$trace"
	start agent "$agent" serve "$tmp/serve.conf"
}

agent_stop() {
	[ ! -e "$tmp/agent.pid" ] || signal "${1:-TERM}" agent
	ok "the agent ends" within ended agent "${2:-0}"
}

# --- what is wrong with a configuration

plain_plan
cat >"$tmp/bad.conf" <<-END
	[agent]
	lockspace =
	items = many
	create = perhaps
	colour = red
	gate = here
	[plans]
	[steps]
	[hooks]
	block = sh -c 'open
	timeout_ms = 0
	[parameters]
	item = 3
	END
status "a wrong configuration is refused" 2 "$agent" serve "$tmp/bad.conf"
for complaint in "lockspace: is empty" "lockspace: is missing" "items: 'many' is not a number from 1 to 8128" \
	"create: 'perhaps' is neither yes nor no" "unknown key 'colour' in .agent." "gate: 'here' is not an absolute path" \
	"state_dir: is missing" ".plans. item: is missing" "unknown group .steps." "block: Text ended before matching quote" \
	"timeout_ms: '0' is not a number" ".parameters.: 'item' is the agent's"; do
	complains "... for: $complaint" "^$tmp/bad.conf: $complaint"
done
status "one that is not there" 2 "$agent" serve "$tmp/nowhere.conf"
printf '[agent]\nlockspace=x\nitems=1\nstate_dir=/x\n[plans]\nitem=missing.plan\n' >"$tmp/bad.conf"
status "one whose plan is not there" 2 "$agent" serve "$tmp/bad.conf"
complains "... is told so" "missing.plan: "
config "items = 3"
status "no daemon" 1 "$agent" serve "$tmp/serve.conf"
complains "... is told so" "lockspace serve: "
status "a gate that nobody keeps is closed" 1 gate_open

# --- the first member recovers all, and then the application may begin

daemon_start
(
	exec 3>"$tmp/ready"
	: >"$trace"
	start agent "$agent" serve --ready-fd 3 "$tmp/serve.conf"
)
ok "the gate opens" within gate_open
for item in 0 1 2; do
	ok "item $item was recovered once before, with its token" traced "^item $item $item serve attempt 0 token [0-9]+\$" 1
done
ok "the application was told behind all that" within traced '^unblock$'
ok "... last" [ "$(tail -n 1 "$trace")" = unblock ]
ok "who started the agent was told" within test -s "$tmp/ready"
ok "the state says so" within grep -q '^open item 0 generation [1-9]' "$tmp/agent/state"
ok "there is a report of each item" grep -q '"outcome": *"DONE"' "$tmp/agent/report-item-2.json"
ok "nothing is remembered of what has succeeded" [ ! -e "$tmp/agent/run-item-2" ]
status "the gate can be kept once" 1 "$agent" serve "$tmp/serve.conf"
complains "... which is told" "gate .*: "
agent_stop
ok "the application was told at the end" traced '^block$' 1
status "the gate is closed" 1 gate_open

# --- an agent that is killed in the middle

plan <<-'END'
	[step begin]
	do = sh -c 'echo "begin $1 $LOCKSTEP_ATTEMPT" >>"$2"' sh %{item} %{trace}
	undo = sh -c 'echo "undo $1" >>"$2"' sh %{item} %{trace}
	[step wait]
	needs = begin
	do = sh -c 'echo $$ >"$2.pid"; while [ ! -e "$2.go" ]; do sleep 0.05; done; echo "waited $1" >>"$2"' sh %{item} %{trace}
	undo = nil
	[step clean]
	needs = wait:trueData
	do = sh -c 'echo "clean $1" >>"$2"' sh %{item} %{trace}
	undo = nil
	commit = yes
	END
config "items = 1"
agent_start
within test -s "$trace.pid"
pid=$(cat "$trace.pid")
agent_stop KILL 137
ok "what it ran is killed with it" within not alive "$pid"
status "the gate is closed" 1 gate_open
ok "the attempt is remembered" grep -q running "$tmp/agent/run-item-0"
agent_start
ok "the next agent says what it found" within told 'item-0: attempt 0 has no end'
ok "and begins anew, as the second attempt" within traced '^begin 0 1$'
: >"$trace.go"
ok "which ends well" within gate_open
ok "nothing was undone, nothing was done twice in one attempt" [ "$(grep -v block "$trace")" = "begin 0 1
waited 0
clean 0" ]
agent_stop
rm -f "$trace.go" "$trace.pid"

# --- a plan that rolls back is tried again, and told to end ends

plan <<-'END'
	kill_delay_ms = 100
	[step claim]
	do = sh -c 'echo "claim $LOCKSTEP_ATTEMPT" >>"$1"' sh %{trace}
	undo = sh -c 'echo unclaim >>"$1"' sh %{trace}
	[step replay]
	needs = claim:trueData
	do = sh -c 'trap "" TERM; echo replaying >>"$1"; test -e "$1.good" || sleep 1000' sh %{trace}
	undo = nil
	timeout_ms = 200
	[step clean]
	needs = replay:trueData
	do = nil
	undo = nil
	commit = yes
	END
agent_start
ok "a plan whose command takes too long and ignores SIGTERM is rolled back" within traced '^unclaim$'
ok "... and run again" within traced '^claim 1$'
: >"$trace.good"
ok "until it works" within gate_open
ok "each claim but the last was taken back" \
	[ "$(grep -c '^unclaim' "$trace")" = "$(($(grep -c '^claim' "$trace") - 1))" ]
ok "which the log tells" told 'item-0/replay: killed .SIGKILL.'
agent_stop
rm "$trace.good"
agent_start
within traced '^replaying'
agent_stop
ok "an agent that is told to end takes back what it has begun" traced '^unclaim$'

# --- panic, and a plan that cannot be read any more

plan <<-'END'
	[step claim]
	do = sh -c 'echo claim >>"$1"' sh %{trace}
	undo = false
	[step replay]
	needs = claim
	do = false
	undo = nil
	[step clean]
	needs = replay:trueData
	do = nil
	undo = nil
	commit = yes
	END
agent_start
ok "an undo that fails calls for a human" within traced '^panic 0$'
ok "... and says so" told 'item 0 needs a human'
within grep -q panic "$tmp/agent/run-item-0"
status "nobody may begin" 1 gate_open
ok "there is no other attempt" traced '^claim$' 1
agent_stop
plain_plan
printf '%s\n' '[plans]' "first = $tmp/first.plan" '[agent]' >"$tmp/first"
config "$(cat "$tmp/first")"
printf '[plan]\nparameters = trace\n[step all]\ndo = sh -c '\''echo "all $LOCKSTEP_TOKEN" >>"$1"'\'' sh %%{trace}\nundo = nil\n' >"$tmp/first.plan"
agent_start
ok "a plan of its own for the first member" within gate_open
ok "... is run once" traced '^all [0-9]+$' 1
ok "... in place of those of the items" not traced '^item'
agent_stop
printf '[step bad]\ndo = false\nundo = nil\n' >>"$tmp/first.plan"
agent_start
ok "a plan without a commit step that fails is no success" within ended agent 4
ok "... and calls for a human" traced '^panic $'

# --- a flood of output, a full disk

plan <<-'END'
	[step flood]
	do = sh -c 'yes "item $1" | head -n 200000' sh %{item}
	undo = nil
	[step clean]
	needs = flood:trueData
	do = sh -c 'echo clean >>"$1"' sh %{trace}
	undo = nil
	commit = yes
	END
config "items = 1"
ln -s /dev/full "$tmp/agent/report-item-0.json.new"
agent_start
ok "a flood does not hold up anything" within gate_open
ok "its end is left out" told 'item-0: 199000 more lines were left out'
ok "... not its beginning" told 'item-0/flood: item 0'
ok "a report that cannot be written is told" told 'cannot be remembered: .*No space left on device'
agent_stop

# --- the daemon is lost while a plan runs (R-PLAN-4)

plan <<-'END'
	[step begin]
	do = sh -c 'echo begin >>"$1"; exec sleep 1000' sh %{trace}
	undo = sh -c 'echo undo >>"$1"' sh %{trace}
	[step clean]
	needs = begin
	do = sh -c 'echo clean >>"$1"' sh %{trace}
	undo = nil
	commit = yes
	END
agent_start
within traced '^begin$'
daemon_kill
ok "an agent whose daemon is lost ends" within ended agent 5
ok "... having told what ran to end" told 'item-0/begin: told to end'
ok "... and begun nothing else, not even an undo" not traced 'clean|undo'
daemon_start

# --- the application's commands

config "items = 1" "[hooks]" "unblock = sh -c 'echo unblock >>\"\$1\"; test -e \"\$1.good\"' sh $trace"
plain_plan
agent_start
twice() {
	[ "$(grep -c '^unblock$' "$trace")" -ge 2 ]
}
ok "a command that fails is run again" within twice
: >"$trace.good"
ok "until it works" within grep -q '^open' "$tmp/agent/state"
agent_stop
done_testing
