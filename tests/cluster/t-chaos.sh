#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Chaos on five real nodes with real fencing: random faults while workers on all nodes take locks and check,
# with a witness outside of Lockstep, that nobody else holds them.  No violation, and after each round of faults
# everything gets well and every worker is served again.
#
#	make chaos [SEED=N] [TIME=600]
#
# The seed decides which faults come in which order; when they hit, real time decides.
# Rules: R-REC-7, R-STAB-2, R-MEM-6, R-PROC-7, R-LOST-1, R-COND-4, R-COND-5, R-TOK-1.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

seconds=${CHAOS_SECONDS:-75}
seed=${CHAOS_SEED:-$(($(date +%s) % 1000000))}
nodes=5
locks=4
workers=2
w=$tmp/w
all=$(seq -f 'n%g' "$nodes")

# rnd N: a number from 0 to N-1 in $rnd (the constants are those of the C standard's example).
state=$((seed % 2147483648))
rnd() {
	state=$(((state * 1103515245 + 12345) % 2147483648))
	rnd=$((state / 65536 % $1))
}

prefix=${LOCKSTEP_PREFIX:-/usr}
[ -x "$prefix/libexec/lockstep/lockstep-fence-watch" ] || skip_all "built without Pacemaker"
mkdir -m 777 "$w"
"${CC:-cc}" "-I$prefix/include" "-L$prefix/lib" "-Wl,-rpath,$prefix/lib" -o "$tmp/chaos-worker" \
	"$srcdir/tests/cluster/chaos-worker.c" -llockstep >"$tmp/cc.out" 2>&1 ||
	bail "chaos-worker cannot be built: $(tail -n 1 "$tmp/cc.out")"

# On each node: workers that are started again whenever they end, and jobs under lockstep run, whose witness is
# the same file.
cat >"$tmp/chaos-loop" <<END
#!/bin/sh
for i in \$(seq 0 $workers); do
	while [ ! -e $w/stop ]; do
		$tmp/chaos-worker \$1 \$i $w $locks
		[ \$? != 9 ] || break
		sleep 0.2
	done &
done
while [ ! -e $w/stop ]; do
	i=\$((\$(date +%N | sed 's/^0*//;s/\$/ /') % $locks))
	lockstep run -w 30 shared/\$i -- flock -n -E 99 $w/witness.\$i sleep 0.\$((i * 2 + 1)) >/dev/null 2>&1
	[ \$? != 99 ] || echo "node \$1, lockstep run shared/\$i: somebody else is there" >>$w/violations
	sleep 0.1
done &
wait
END
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
request_delay_ms = 4000
END

loops_start() {
	for ls_node in $all; do
		if ! on "$ls_node" pgrep -f "$tmp/chaos-loop" >/dev/null 2>&1; then
			on "$ls_node" setsid sh "$tmp/chaos-loop" "$ls_node" </dev/null >/dev/null 2>&1 &
		fi
	done
}

# ------------------------------------------------------------------------------ faults

fault() { # NODE
	rnd 9
	case $rnd in
	0 | 1)
		what=crash
		sb crash "$1"
		;;
	2)
		what="cut off"
		sb cut "$1"
		;;
	3)
		what="one-way loss"
		sb cut --oneway "$1"
		;;
	4)
		what="corosync paused"
		sb pause "$1" corosync
		;;
	5)
		what="lockstepd paused"
		sb pause "$1" lockstepd
		;;
	6)
		what="lockstepd killed"
		on "$1" pkill -KILL -x lockstepd
		;;
	7)
		what="corosync killed"
		on "$1" pkill -KILL -x corosync
		;;
	8)
		what="a worker and a wrapper killed"
		on "$1" pkill -KILL -n -f "$tmp/chaos-worker"
		on "$1" pkill -KILL -x lockstep
		;;
	esac >/dev/null 2>&1
	faults=$((faults + 1))
	faulted="$faulted $1"
	diag "$(($(date +%s) - started)) s: $1: $what"
}

heal() {
	sb heal >/dev/null 2>&1
	for h_node in $faulted; do
		sb resume "$h_node" corosync >/dev/null 2>&1
		sb resume "$h_node" lockstepd >/dev/null 2>&1
	done
}

all_well() {
	[ "$(sb status 2>/dev/null | grep -c ': up, .*pacemakerd.*, quorate, lockstep: ok')" = "$nodes" ]
}

# What an administrator would do for a node that does not come back: switch it on, tell Pacemaker to try again,
# and at last switch it off and on.  Whoever still waits then, waits for ever.
help_node() { # NODE SECONDS
	hn_was=$(sb status 2>/dev/null | grep "^$1:"; tail -n 2 "/run/lockstep-sandbox/$LOCKSTEP_SANDBOX/$1/boot.log" 2>/dev/null)
	if ! sb power status "$1" >/dev/null 2>&1; then
		sb power on "$1" >/dev/null 2>&1
	elif [ "$2" -ge 80 ] || echo "$hn_was" | grep -q 'no answer from corosync'; then
		sb power reboot "$1" >/dev/null 2>&1
		sb heal >/dev/null 2>&1
	else
		on "$1" timeout 20 crm_resource --cleanup >/dev/null 2>&1
	fi
	helped=$((helped + 1))
	diag "$(($(date +%s) - started)) s: helped $1 ($hn_was)"
}

# A round is over when everything is well again.
recover() {
	r_start=$(date +%s)
	r_next=30
	while ! all_well; do
		r_waited=$(($(date +%s) - r_start))
		[ "$r_waited" -lt $((patience * 5)) ] || return 1
		if [ "$r_waited" -ge "$r_next" ]; then
			for r_node in $(sb status 2>/dev/null | grep -v ', quorate, lockstep: ok' | cut -d: -f1); do
				help_node "$r_node" "$r_waited"
			done
			r_next=$((r_next + 25))
		fi
		sleep 0.3
	done
	diag "$(($(date +%s) - started)) s: all well, $(($(date +%s) - r_start)) s after healing"
}

clean() {
	[ ! -s "$w/violations" ]
}

# Lines in the files that count the locks had.
served() {
	wc -l "$w/ops.$1.$2" 2>/dev/null | cut -d' ' -f1
}

serves_more() { # NODE WORKER BEFORE
	[ "$(served "$1" "$2")" -gt "$3" ]
}

all_served() {
	for as_node in $all; do
		for as_worker in $(seq 0 "$workers"); do
			within serves_more "$as_node" "$as_worker" "$(served "$as_node" "$as_worker" || echo 0)" || return 1
		done
	done
}

nothing_left() {
	on n1 lockstep status | grep -q 'locks 0 (waiting 0)'
}

# ------------------------------------------------------------------------------ the run

sandbox_up --fence --nodes "$nodes" --lockstep-conf "$tmp/lockstep.conf"
diag "seed $seed, $seconds s of faults; again: make chaos SEED=$seed TIME=$seconds"
started=$(date +%s)
faults=0
helped=0
rounds=0
well=true
loops_start
ok "every worker is served" all_served
while [ "$well" = true ] && clean && [ $(($(date +%s) - started)) -lt "$seconds" ]; do
	faulted=
	from=$(now_ms)
	rnd "$nodes"
	first=$((rnd + 1))
	fault "n$first"
	rnd 3
	if [ "$rnd" = 0 ]; then
		# Three of five remain.
		rnd 30
		sleep "$((rnd / 10)).$((rnd % 10))"
		rnd $((nodes - 1))
		fault "n$(((first + rnd) % nodes + 1))"
	fi
	rnd 60
	sleep "$((2 + rnd / 10)).$((rnd % 10))"
	heal
	recover || well=false
	for f in $faulted; do
		echo "$f $from $(now_ms)" >>"$w/faults"
	done
	loops_start
	rounds=$((rounds + 1))
done
ok "everything gets well after each of $rounds rounds, $faults faults" "$well"
ok "every worker is served after the last one" all_served
touch "$w/stop"
ok "nothing is left when they have stopped" within nothing_left
ok "nobody has ever met somebody else under his lock" clean
clean || diag "$(cat "$w/violations")"
diag "rounds $rounds, faults $faults, helped $helped, locks had $(cat "$w"/ops.* | wc -l)"
# Waits for a lock that nobody else wants, on nodes that were not hit themselves.
touch "$w/gaps" "$w/faults"
diag "$(awk '
	FNR == NR { node[NR] = $1; from[NR] = $2; to[NR] = $3; n = NR; next }
	{
		for (i = 1; i <= n; i++)
			if (node[i] == $1 && $2 < to[i] && $3 > from[i])
				next
		if ($4 > longest) longest = $4
	}
	END { printf "longest stop of locks that no lost node held: %d ms\n", longest }' "$w/faults" "$w/gaps")"
done_testing
