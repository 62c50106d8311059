#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Puts Lockstep beside what it stands on: three real Corosync nodes on this machine, and in one and
# the same run raw CPG, raw libqb, locks through liblockstep, and the lock machine by itself.
# What is measured, how, and what came out: README.md beside this file.
#
#	run.sh [--rounds N] [--quick]
#
# Lines on standard output, see README.md; progress on standard error.  LOCKSTEP_BUILD is the
# build directory with the programs.  77: this machine does not allow it.
set -u
export LC_ALL=C

srcdir=$(cd "${0%/*}/.." && pwd)
: "${LOCKSTEP_BUILD:?is not set; use make bench}"
export LOCKSTEP_BUILD
programs=$LOCKSTEP_BUILD/bench
sandbox=${LOCKSTEP_SANDBOX_PROGRAM:-$srcdir/tools/sandbox/lockstep-sandbox}
LOCKSTEP_SANDBOX=bench-$$
export LOCKSTEP_SANDBOX

rounds=5
measure_ms=1000
cycle_ms=2000
handovers=100
long_handovers=10
kills=30
crashes=3
engine_locks=1000000
engine_batches=500
many_locks='10 10000 1000000'

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "run.sh: $*"
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--rounds)
		[ $# -gt 1 ] || die "--rounds needs a number"
		rounds=$2
		shift
		;;
	--quick)
		rounds=1
		measure_ms=50
		cycle_ms=100
		handovers=3
		long_handovers=1
		kills=2
		crashes=1
		engine_locks=1000
		engine_batches=5
		many_locks=1000
		;;
	*) die "usage: run.sh [--rounds N] [--quick]" ;;
	esac
	shift
done

reason=$("$sandbox" check) || {
	say "no sandbox on this machine: ${reason#no: }"
	exit 77
}
[ -x "$programs/cpg-echo" ] || {
	say "built without Corosync"
	exit 77
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-bench.XXXXXX")

# Invoked by the trap.
# shellcheck disable=SC2317
cleanup() {
	cleanup_rc=$?
	trap '' EXIT INT TERM HUP
	if [ "$cleanup_rc" != 0 ] && [ -n "${LOCKSTEP_TEST_LOGS:-}" ]; then
		mkdir -p "$LOCKSTEP_TEST_LOGS"
		for cleanup_n in 1 2 3; do
			"$sandbox" logs "$cleanup_n" >"$LOCKSTEP_TEST_LOGS/bench-n$cleanup_n.log" 2>/dev/null
		done
	fi
	"$sandbox" down
	rm -rf "$tmp"
	exit "$cleanup_rc"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

on() { # NODE PROGRAM ARG...
	on_node=$1
	on_program=$2
	shift 2
	"$sandbox" exec "$on_node" "$programs/$on_program" "$@"
}

# figure COMMAND...: its lines go to this round's.
figure() {
	"$@" >"$tmp/lines" || die "failed: $*"
	sed "s/^/$round	/" "$tmp/lines" >>"$tmp/figures"
}

# The daemons confirm each other's messages faster than a process starts; a second is plenty.
start_in() { # MS
	echo $(($("$programs/lock-bench" now) + $1 * 1000000))
}

file_says() { # FILE PATTERN [SECONDS]
	fs_end=$(($(date +%s) + ${3:-60}))
	until grep -q "$2" "$1" 2>/dev/null; do
		[ "$(date +%s)" -le "$fs_end" ] || die "$1 does not say $2"
		sleep 0.02
	done
}

# All of these background processes must succeed.
wait_all() { # PID...
	for wa_pid in "$@"; do
		wait "$wa_pid" || die "a worker failed"
	done
}

# ---------------------------------------------------------------------------- figures

cycles() { # CLIENTS: client i on node i mod 3
	c_start=$(start_in 1000)
	c_pids=
	c_files=
	for c_node in 1 2 3; do
		c_clients=$((($1 + 3 - c_node) / 3))
		[ "$c_clients" -gt 0 ] || continue
		on "$c_node" lock-bench cycle "n$c_node" "$c_clients" "$c_start" "$cycle_ms" >"$tmp/cycle.$c_node" &
		c_pids="$c_pids $!"
		c_files="$c_files $tmp/cycle.$c_node"
	done
	# shellcheck disable=SC2086
	wait_all $c_pids
	# shellcheck disable=SC2086
	figure "$programs/collate" merge "lockstep.cycle$1" - cycle $c_files
	if [ "$1" = 1 ]; then
		figure "$programs/collate" merge lockstep.lock1 - lock "$tmp/cycle.1"
		figure "$programs/collate" merge lockstep.unlock1 - unlock "$tmp/cycle.1"
	fi
}

# One client on node 1 with so many ops in flight.
pipelined() { # WINDOW
	p_start=$(start_in 500)
	on 1 lock-bench pipeline n1 "$1" "$p_start" "$cycle_ms" >"$tmp/pipeline" || die "the pipeline failed"
	figure "$programs/collate" merge lockstep.pipelined "inflight$1" op "$tmp/pipeline"
}

# From node 1 to node 2.
hand() { # FIGURE VARIANT VERB COUNT HOLD_MS
	rm -f "$tmp/to"
	on 2 lock-bench wait "$4" >"$tmp/to" &
	h_to=$!
	file_says "$tmp/to" holding
	on 1 lock-bench "$3" "$4" "$5" >"$tmp/from" &
	wait_all $! "$h_to"
	figure "$programs/collate" differences "$1" "$2" "$tmp/from" "$tmp/to"
}

# Through libdlm, where that was built. The lockspace outlives the workers.
dlm_figures() {
	[ -e "$programs/dlm-bench" ] || return 0
	figure on 1 dlm-bench cycle "$measure_ms"
	figure on 1 dlm-bench convert "$measure_ms"
	figure on 1 dlm-bench pipeline 64 "$measure_ms"
	rm -f "$tmp/ping"
	on 1 dlm-bench ping "$handovers" >"$tmp/ping" &
	d_ping=$!
	file_says "$tmp/ping" holding
	on 2 dlm-bench pong "$handovers" >"$tmp/pong" &
	wait_all "$d_ping" $!
	figure "$programs/collate" merge libdlm.pingpong - round "$tmp/ping" "$tmp/pong"
}

one_round() {
	figure on 1 cpg-echo self 1 "$measure_ms" 3
	figure on 1 cpg-echo confirmed 1 "$measure_ms" 3
	figure on 1 qb-echo roundtrip lockstep-bench "$measure_ms"
	figure on 1 qb-echo event lockstep-bench "$measure_ms"
	cycles 1
	hand lockstep.handover hold3ms handover "$handovers" 3
	hand lockstep.handover hold150ms handover "$long_handovers" 150
	hand lockstep.kill_client - kill "$kills" 20
	figure on 1 cpg-echo self 64 "$measure_ms" 3
	pipelined 64
	figure on 1 cpg-echo confirmed 64 "$measure_ms" 3
	figure on 1 cpg-echo self 1024 "$measure_ms" 3
	pipelined 1024
	cycles 8
	cycles 64
	dlm_figures
}

# So many locks are held, one in a hundred by node 3.
many_fill() { # LOCKS
	mf_dead=$((($1 + 99) / 100))
	for mf in "1 $((($1 - mf_dead) / 2))" "2 $((($1 - mf_dead) / 2))" "3 $mf_dead"; do
		mf_node=${mf%% *}
		rm -f "$tmp/fill.$mf_node" "$tmp/filled.$mf_node"
		mkfifo "$tmp/fill.$mf_node"
		on "$mf_node" lock-bench fill "n$mf_node" "${mf#* }" 0<>"$tmp/fill.$mf_node" >"$tmp/filled.$mf_node" 2>/dev/null &
	done
	for mf_node in 1 2 3; do
		file_says "$tmp/filled.$mf_node" filled 600
	done
}

# A listener beside those that measure; it ends with its node. That of node 2 writes down who is there.
listen() { # NODE
	if [ "$1" = 2 ]; then
		on 2 cpg-echo listen >>"$tmp/listen" 2>/dev/null &
	else
		on "$1" cpg-echo listen >/dev/null 2>&1 &
	fi
}

# The end of the gap around the loss: one that ended long before is the machine's own stall. The listener may be late
# with its word where the machine is busy: locks that go on before that count as going on at once.
gap_around() { # NS_OF_LOSS
	awk -v "loss=$1" '$1 == "gap" && $2 + 0 < loss + 0 && $3 + 0 > loss - 450000000 { to = $3 }
		END {
			if (!to) exit 1
			if (to + 0 > loss + 0) print "to " to; else printf "to %.0f\n", loss + 1
		}'
}

# Node 3 dies: from Corosync's word of it, as another member of CPG on node 2 hears it, to the next grant there.
many_loss() { # LOCKS
	rm -f "$tmp/loss.end" "$tmp/loss.gaps"
	mkfifo "$tmp/loss.end"
	on 2 lock-bench grants 500 <"$tmp/loss.end" >"$tmp/loss.gaps" &
	ml_grants=$!
	exec 9>"$tmp/loss.end"
	file_says "$tmp/loss.gaps" locking
	"$sandbox" crash 3 || die "node 3 does not crash"
	file_says "$tmp/listen" '^from'
	grep '^from' "$tmp/listen" | tail -n 1 >"$tmp/loss.from"
	ml_end=$(($(date +%s) + 60))
	until gap_around "$(cut -d ' ' -f 2 "$tmp/loss.from")" <"$tmp/loss.gaps" >"$tmp/loss.to"; do
		[ "$(date +%s)" -le "$ml_end" ] || die "no gap in the grants around the loss of node 3"
		sleep 0.02
	done
	exec 9>&-
	wait_all "$ml_grants"
	figure "$programs/collate" differences lockstep.node_loss "held$1" "$tmp/loss.from" "$tmp/loss.to"
	"$sandbox" boot 3 >/dev/null || die "node 3 does not boot"
	"$sandbox" wait >/dev/null || die "the nodes are not healthy"
	: >"$tmp/listen"
	listen 3
	file_says "$tmp/listen" "members 2"
}

# Node 3 joins the lockspace: from the request to the end of it.
many_join() { # FILE_FROM FILE_TO
	echo "from $("$programs/lock-bench" now)" >"$1"
	"$sandbox" exec 3 lockstep lockspace create -w 300 default >/dev/null || die "node 3 does not join"
	echo "to $("$programs/lock-bench" now)" >"$2"
}

many_release() {
	"$sandbox" exec 3 lockstep lockspace release default >/dev/null || die "node 3 does not leave"
}

# Four clients on nodes 1 and 2, while node 3 does not join and while it does.
many_transfer() { # VARIANT
	mt_start=$(start_in 1000)
	for mt_node in 1 2; do
		on "$mt_node" lock-bench cycle "n$mt_node" 2 "$mt_start" "$cycle_ms" >"$tmp/transfer.$mt_node" &
		eval "mt_pid$mt_node=$!"
	done
	if [ "$1" = joining ]; then
		many_release
		sleep 0.8
		many_join "$tmp/join.from" "$tmp/join.to" &
		mt_join=$!
	fi
	# shellcheck disable=SC2154
	wait_all "$mt_pid1" "$mt_pid2"
	[ "$1" != joining ] || wait_all "$mt_join"
	figure "$programs/collate" merge lockstep.cycle4 "$1" cycle "$tmp/transfer.1" "$tmp/transfer.2"
}

many() { # LOCKS
	many_fill "$1"
	many_loss "$1"
	many_release
	many_join "$tmp/join.from" "$tmp/join.to"
	figure "$programs/collate" differences lockstep.join "held$1" "$tmp/join.from" "$tmp/join.to"
	if [ "$1" = "${many_locks##* }" ]; then
		m_round=$round
		round=0
		while [ "$round" -lt "$m_round" ] && [ "$round" -lt 5 ]; do
			round=$((round + 1))
			many_transfer quiet
			many_transfer joining
		done
		round=$m_round
	fi
	for m_node in 1 2; do
		echo >"$tmp/fill.$m_node"
	done
}

# Node 1 holds, node 2 waits, node 1 dies, node 2 goes on with another lock and then vouches for node 1.
crash() {
	rm -f "$tmp/hold" "$tmp/crash" "$tmp/death"
	mkfifo "$tmp/death"
	on 1 lock-bench node-hold >"$tmp/hold" 2>/dev/null &
	k_hold=$!
	file_says "$tmp/hold" holding
	on 2 lock-bench node-wait 1 0<>"$tmp/death" >"$tmp/crash" &
	k_wait=$!
	file_says "$tmp/crash" waiting
	k_death=$("$programs/lock-bench" now)
	"$sandbox" crash 1 || die "node 1 does not crash"
	echo "$k_death" >"$tmp/death"
	wait_all "$k_wait"
	wait "$k_hold"
	cat "$tmp/crash" >>"$tmp/crashes"
}

# ------------------------------------------------------------------------------- run

: >"$tmp/figures"
round=0
say "the engine by itself"
figure "$programs/engine-bench" "$engine_locks" "$engine_batches"

say "starting three nodes"
"$sandbox" up --nodes 3 >"$tmp/up.out" 2>&1 || die "the sandbox does not start: $(cat "$tmp/up.out")"
echo "# $(nproc) CPUs, Linux $(uname -r), corosync $(corosync -v | sed -n 's/.*version .\([0-9.]*\).*/\1/p'), three nodes, $rounds rounds"
listen 2
listen 3
on 1 qb-echo serve lockstep-bench 2>/dev/null &
# They are awaited by those who need them: members by cpg-echo, and the service is there by then.
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	say "round $round of $rounds"
	one_round
done

for locks in $many_locks; do
	say "$locks locks; node 3 dies and joins"
	many "$locks"
done

say "node 1 dies"
while :; do
	crash
	crashes=$((crashes - 1))
	[ "$crashes" -gt 0 ] || break
	"$sandbox" boot 1 >/dev/null || die "node 1 does not boot"
	"$sandbox" wait >/dev/null || die "the nodes are not healthy"
done
figure "$programs/collate" merge lockstep.kill_node other-lock other "$tmp/crashes"
figure "$programs/collate" merge lockstep.kill_node fence-ack ack "$tmp/crashes"

awk -f "$srcdir/bench/figures.awk" "$tmp/figures" || die "the figures cannot be read"
