#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The recovery coordinator on real nodes, by the example that needs it: three nodes write to examples/journal-store, each with
# an agent, and agents, writers and daemons are killed at random, also in the middle of being the recoverer. In the end each
# record that was promised must be in the store, and none twice. Before that, one story step by step.
# Rules: R-RC-1, R-RC-9, R-RC-10, R-RC-19, R-RC-21, R-RC-22, R-RC-23, R-CB-10, R-PLAN-2.
#
# LOCKSTEP_KILL_SECONDS=N kills for so long (45); LOCKSTEP_SEED=N draws the same victims again.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep

seconds=${LOCKSTEP_KILL_SECONDS:-45}
seed=${LOCKSTEP_SEED:-$$}
prefix=${LOCKSTEP_PREFIX:-/usr}
store=$tmp/bin/journal-store
mkdir "$tmp/bin" "$tmp/store"
"${CC:-cc}" "-I$prefix/include" "-L$prefix/lib" "-Wl,-rpath,$prefix/lib" -o "$store" "$srcdir/examples/journal-store.c" \
	-llockstep >"$tmp/cc.out" 2>&1 || bail "the example does not build: $(tail -n 1 "$tmp/cc.out")"
cp "$srcdir/examples/journal-store.plan" "$tmp/"
for n in n1 n2 n3; do
	mkdir "$tmp/$n"
	cat >"$tmp/$n/conf" <<-END
	[agent]
	lockspace = store
	items = 4
	state_dir = $tmp/$n/agent
	gate = $tmp/$n/gate
	[plans]
	item = $tmp/journal-store.plan
	[parameters]
	folder = $tmp/store
	END
done

# Runs a command again and again until $1/stop is there, and says its pid.
again='dir=$1 what=$2
PATH=$dir/../bin:$PATH
shift 2
while [ ! -e "$dir/../stop" ]; do
	[ ! -e "$dir/hold.$what" ] || { sleep 0.1; continue; }
	"$@" >>"$dir/$what.out" 2>>"$dir/$what.err" &
	echo $! >"$dir/$what.pid"
	wait $!
	echo "ended with $?" >>"$dir/$what.err"
	sleep 0.1
done
kill -TERM $(cat "$dir/$what.pid") 2>/dev/null
exit 0'

agent_on() { # NODE: commands of the plan take up to 150 ms, so that they are met in the middle
	start "agent.$1" "$1" env JOURNAL_STORE_DELAY_MS=400 \
		sh -c "$again" sh "$tmp/$1" agent lockstep-agent serve "$tmp/$1/conf"
}

# Its records have a name of their own in each life of the node, in which the same pids come again.
writers=0
writer_on() { # NODE
	writers=$((writers + 1))
	start "writer.$1" "$1" env LOCKSTEP_LOCKSPACE=store JOURNAL_STORE_DELAY_MS=40 \
		sh -c "$again" sh "$tmp/$1" writer "$store" write "$tmp/store" "$tmp/$1/gate" "$tmp/$1/agent/state" "$1-$writers"
}

gate_open() { # NODE
	on "$1" lockstep-agent gate "$tmp/$1/gate"
}

said_by() { # NODE PATTERN: its agent
	grep -Eq -e "$2" "$tmp/$1/agent.err"
}

writes() { # NODE...: each promises something new
	for w in "$@"; do
		w_was=$(stat -c %s "$tmp/$w/writer.out" 2>/dev/null || echo 0)
		within sh -c '[ "$(stat -c %s "$1")" -gt "$2" ]' sh "$tmp/$w/writer.out" "$w_was" || return 1
	done
}

item_of() { # NODE
	sed -n 's/.* item \([0-9]*\) .*/\1/p' "$tmp/$1/agent/state"
}

# Nothing promised is missing, nothing is there twice. What is there and was not promised was about to be when its writer died.
sound() {
	"$store" check "$tmp/store" >"$tmp/records" 2>"$tmp/check.err" || { cat "$tmp/check.err"; return 1; }
	sort "$tmp/records" >"$tmp/records.sorted"
	cat "$tmp"/n?/writer.out | sort >"$tmp/promised"
	comm -13 "$tmp/records.sorted" "$tmp/promised" >"$tmp/lost"
	uniq -d "$tmp/records.sorted" >"$tmp/doubled"
	head "$tmp/lost" "$tmp/doubled"
	[ -s "$tmp/promised" ] && [ ! -s "$tmp/lost" ] && [ ! -s "$tmp/doubled" ]
}

kill_of() { # NODE WHAT
	on "$1" kill -KILL "$(cat "$tmp/$1/$2.pid")" 2>/dev/null
}

# The daemon comes back as a new life of the node, which counts as fenced (R-COND-3). What its writer was doing ends in the
# middle, as if the node had died.
kill_daemon() { # NODE
	on "$1" sh -c 'kill -KILL $(cat "$1/writer.pid") $(cat /run/lockstep/lockstepd.pid)' sh "$tmp/$1" 2>/dev/null
	daemon_deaths=$((daemon_deaths + 1))
	within on "$1" lockstepd --config /etc/lockstep/lockstep.conf
}

sandbox_up --nodes 3
sb wait >/dev/null
agent_on n1
ok "the first agent recovers every item and opens its gate" within gate_open n1 || bail "it does not"
ok "as the first one" said_by n1 'started as the first member, item 0'
for item in 0 1 2 3; do
	ok "item $item was looked at" said_by n1 "item-$item: plan journal-store: DONE"
done
writer_on n1
ok "node 1 writes" within writes n1
for n in n2 n3; do
	agent_on "$n"
	ok "the next one joins" within gate_open "$n"
	ok "and recovers its own item only" [ "$(grep -c ': DONE$' "$tmp/$n/agent.err")" = 1 ]
	writer_on "$n"
	ok "node $n writes" within writes "$n"
done
ok "all write" writes n1 n2 n3 || bail "there is nothing to kill"

# One failure, step by step: blocked until the node is surely down and its journal replayed.
item=$(item_of n3)
sb crash n3
ok "the others close their gates" within not gate_open n1
ok "both" within not gate_open n2
ok "nobody replays before the node is surely down" \
	[ "$(cat "$tmp/n1/agent.err" "$tmp/n2/agent.err" | grep -c "item-$item: plan journal-store, attempt")" = 1 ]
ok "fence-ack" within on n1 lockstep fence-ack n3
ok "the gates open" within gate_open n1
ok "both" within gate_open n2
ok "somebody has replayed its journal" sh -c \
	'grep -q "item-$1: plan journal-store: DONE" "$2/n2/agent.err" || [ "$(grep -c "item-$1: plan journal-store: DONE" "$2/n1/agent.err")" -gt 1 ]' \
	sh "$item" "$tmp"
ok "both write on" writes n1 n2
ok "the node boots" sb boot n3
ok "all are healthy" sb wait
agent_on n3
writer_on n3
ok "all write" writes n1 n2 n3

# Deaths at random.
daemon_deaths=0
agent_deaths=0
writer_deaths=0
recoverer_deaths=0
end=$(($(date +%s) + seconds))
diag "seed $seed"
draw() { # N: 0..N-1
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	drawn=$((seed / 65536 % $1))
}
# The agent of somebody who has just begun to recover the item of another: told by a line that was not there before.
kill_recoverer() { # OTHER NODE
	for kr in n1 n2 n3; do
		[ "$kr" != "$1" ] || continue
		kr_was=$(grep -c ': plan journal-store, attempt' "$tmp/$kr/agent.err")
		eval "was_$kr=$kr_was"
	done
	kill_daemon "$1"
	kr_end=$(($(date +%s) + 5))
	while [ "$(date +%s)" -le "$kr_end" ]; do
		for kr in n1 n2 n3; do
			[ "$kr" != "$1" ] || continue
			eval "kr_was=\$was_$kr"
			if [ "$(grep -c ': plan journal-store, attempt' "$tmp/$kr/agent.err")" -gt "$kr_was" ]; then
				kill_of "$kr" agent && recoverer_deaths=$((recoverer_deaths + 1))
				return
			fi
		done
		sleep 0.02
	done
}
# Anybody, or who has just promised something and has probably not kept it yet.
victim_draw() {
	draw 3
	victim=n$((drawn + 1))
	draw 2
	[ "$drawn" = 0 ] || return
	vd_before=$(stat -c %y "$tmp"/n?/writer.out)
	vd=0
	while [ "$vd" -lt 10 ]; do
		vd=$((vd + 1))
		[ "$vd_before" = "$(stat -c %y "$tmp"/n?/writer.out)" ] || break
		sleep 0.02
	done
	victim=$(find "$tmp"/n? -name writer.out -printf '%T@ %h\n' | sort -n | sed -n '$s|.*/||p')
}

while [ "$(date +%s)" -lt "$end" ]; do
	victim_draw
	draw 8
	case $drawn in
	0 | 1)
		kill_of "$victim" agent && agent_deaths=$((agent_deaths + 1))
		;;
	2 | 3)
		kill_of "$victim" writer && writer_deaths=$((writer_deaths + 1))
		;;
	4)
		kill_of "$victim" writer && writer_deaths=$((writer_deaths + 1))
		kill_of "$victim" agent && agent_deaths=$((agent_deaths + 1))
		;;
	5 | 6)
		kill_daemon "$victim"
		;;
	*)
		kill_recoverer "$victim"
		;;
	esac
	draw 20
	sleep "$((drawn / 10)).$((drawn % 10))"
done
diag "deaths: $daemon_deaths daemons, $agent_deaths agents, $writer_deaths writers, $recoverer_deaths recoverers in the middle of it"
for n in n1 n2 n3; do
	ok "the gate of $n opens again" within gate_open "$n"
	ok "$n writes again" writes "$n"
done

# The end: writers first, in the middle of nothing; then agents.
: >"$tmp/stop"
for n in n1 n2 n3; do
	on "$n" kill -TERM "$(cat "$tmp/$n/writer.pid")" 2>/dev/null
	ok "the writer of $n ends" within ended "writer.$n"
done
ok "nothing that was promised is lost, nothing is there twice" sound
diag "$(wc -l <"$tmp/records") records; $(cat "$tmp"/n?/agent.err "$tmp"/n?/writer.err | grep -c 'replayed') were put in by a recovery;" \
	"$(cat "$tmp"/n?/agent.err | grep -c ': plan journal-store: DONE') recoveries"
ok "no recovery found anything lost or called for a human" not grep -E 'LOST|needs a human|damaged' "$tmp"/n1/agent.err "$tmp"/n2/agent.err "$tmp"/n3/agent.err
for n in n1 n2 n3; do
	on "$n" kill -TERM "$(cat "$tmp/$n/agent.pid")" 2>/dev/null
	ok "the agent of $n ends" within ended "agent.$n"
done
done_testing
