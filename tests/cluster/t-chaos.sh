#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Chaos on five real nodes with real fencing: random faults, up to three at once, while workers on all nodes
# take locks and check with a witness outside of Lockstep (chaos-witness.h) that nobody else holds them, that
# tokens grow and that no stored value is lost.  No violation; after each round of faults everything gets well
# and every worker is served again; at the end all replicas are equal.
#
#	make chaos [SEED=N] [TIME=600]
#
# The seed decides which faults come in which order; when they hit, real time decides.
# Rules: R-REC-7, R-STAB-2, R-MEM-6, R-PROC-7, R-LOST-1, R-COND-4, R-COND-5, R-TOK-1, R-REC-12, R-DIG-1.
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
mkdir -m 777 "$w" "$w/forged"
for node in $all; do
	seq -f "$w/ops.$node.%g" 0 "$workers" | xargs touch
done
touch "$w/gaps" "$w/faults" "$w/kinds"
"${CC:-cc}" "-I$srcdir" "-I$prefix/include" "-L$prefix/lib" "-Wl,-rpath,$prefix/lib" -o "$tmp/chaos-worker" \
	"$srcdir/tests/cluster/chaos-worker.c" "$srcdir/tests/cluster/chaos-witness.c" -llockstep >"$tmp/cc.out" 2>&1 ||
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
lockstep_conf kill "post_join_delay_ms = 1000" "request_delay_ms = 4000"

loops_start() {
	for ls_node in $all; do
		if ! on "$ls_node" pgrep -f "$tmp/chaos-loop" >/dev/null 2>&1; then
			on "$ls_node" setsid sh "$tmp/chaos-loop" "$ls_node" </dev/null >/dev/null 2>&1 &
		fi
	done
}

# ------------------------------------------------------------------------------ faults

# Not what on() runs: nsenter, outside, stops with it and then takes no dead node's last process in.
frozen='^(corosync|lockstep|pacemaker|chaos-worker|flock|sleep)'

# Not all of a kind: what loses a node is worth more than what only annoys it, and most of all what its programs
# do not notice.  So each run begins with that.
fault() { # NODE
	rnd 20
	[ "$faults" != 0 ] || rnd=17
	case $rnd in
	0 | 1 | 2)
		what=crash
		sb crash "$1"
		;;
	3 | 4)
		what="cut off"
		sb cut "$1"
		;;
	5)
		f_with=n$((${1#n} % nodes + 1))
		what="cut off with the next one"
		faulted="$faulted $f_with"
		sb cut "$1" "$f_with"
		;;
	6)
		what="one-way loss"
		sb cut --oneway "$1"
		;;
	7 | 8)
		what="corosync paused"
		sb pause "$1" corosync
		;;
	9)
		what="lockstepd paused"
		sb pause "$1" lockstepd
		;;
	10)
		what="lockstepd killed"
		on "$1" pkill -KILL -x lockstepd
		;;
	11)
		what="corosync killed"
		on "$1" pkill -KILL -x corosync
		;;
	12)
		what="clients killed"
		on "$1" pkill -KILL -f "$tmp/chaos-worker"
		;;
	13)
		what="wrapper killed"
		on "$1" pkill -KILL -x lockstep
		;;
	14)
		what="clients paused"
		on "$1" pkill -STOP -f "$tmp/chaos-worker"
		;;
	15)
		what="Pacemaker killed"
		on "$1" pkill -KILL '^pacemaker'
		;;
	16)
		what="fencer and its watcher killed"
		on "$1" pkill -KILL '^pacemaker-fence'
		on "$1" pkill -KILL -f lockstep-fence-watch
		;;
	*)
		# As a virtual machine may be; until it is fenced its programs believe in what they hold.
		what="frozen with a lock"
		touch "$w/hold.$1"
		for f_try in $(seq 100); do
			[ ! -e "$w/held.$1" ] || break
			sleep 0.05
		done
		[ "$f_try" != 100 ] || what="frozen"
		on "$1" pkill -STOP "$frozen"
		rm -f "$w/hold.$1" "$w/held.$1"
		last=12
		;;
	esac >/dev/null 2>&1
	faults=$((faults + 1))
	faulted="$faulted $1"
	kinds="$kinds${kinds:+, }$what"
	echo "$what" >>"$w/kinds"
	diag "$(($(date +%s) - started)) s: $1: $what"
}

heal() {
	sb heal >/dev/null 2>&1
	for h_node in $faulted; do
		on "$h_node" pkill -CONT "$frozen" >/dev/null 2>&1
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
		# With the last node that carried them values go, and no mark stays.
		rm -f "$w"/stored.*
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

# "NODE.WORKER COUNT" for each, COUNT being how many locks it had.
served() {
	wc -l "$w"/ops.* | awk '$2 != "total" { sub(".*/ops.", "", $2); print $2, $1 }'
}

# Whoever has had no lock since FILE was written.
unserved() { # FILE
	served | awk 'FNR == NR { had[$1] = $2; next } $2 <= had[$1] { print $1 }' "$1" -
}

# Who has met a violation asks for nothing more.
each_served_since() { # FILE
	! clean || [ -z "$(unserved "$1")" ]
}

all_served() {
	served >"$tmp/served"
	within each_served_since "$tmp/served" && return
	echo "not served: $(unserved "$tmp/served" | tr '\n' ' ')"
	for as_node in $all; do
		echo "--- $as_node"
		on "$as_node" timeout 10 lockstep status
		on "$as_node" timeout 10 lockstep locks --contended
	done
	return 1
}

# Sequence number and digest of all, while sessions are still there.
all_equal() {
	for ae_node in $all; do
		on "$ae_node" timeout 10 lockstep digest || return 1
	done >"$tmp/digests"
	[ "$(sort -u "$tmp/digests" | tee "$tmp/digests.different" | wc -l)" = 1 ]
}

nothing_left() {
	on n1 lockstep status | grep -q 'locks 0 (waiting 0)'
}

# ------------------------------------------------------------------------------ the run

ok "the witness sees what is wrong in forged histories, and only that" "$tmp/chaos-worker" "$w/forged" &&
	rm -r "$w/forged"
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
	kinds=
	last=2
	from=$(now_ms)
	rnd "$nodes"
	first=$((rnd + 1))
	fault "n$first"
	rnd 6
	case $rnd in
	0 | 1) more=1 ;;
	# Three of five remain after two; after three it may need somebody to help, which takes long.
	2) more=$((seconds > 120 ? 2 : 1)) ;;
	*) more=0 ;;
	esac
	while [ "$more" -gt 0 ]; do
		rnd 30
		sleep "$((rnd / 10)).$((rnd % 10))"
		rnd $((nodes - 1))
		fault "n$(((first + rnd) % nodes + 1))"
		more=$((more - 1))
	done
	# Corosync takes some 7 s to notice.
	rnd 60
	sleep "$((last + rnd / 10)).$((rnd % 10))"
	heal
	recover || well=false
	for f in $faulted; do
		echo "$f $from $(now_ms) $kinds" >>"$w/faults"
	done
	loops_start
	[ "$well" = false ] || all_served >"$tmp/unserved" || well=false
	rounds=$((rounds + 1))
done
ok "everything gets well and every worker is served after each of $rounds rounds, $faults faults" "$well"
[ "$well" = true ] || diag "$(cat "$tmp/unserved")"
touch "$w/stop"
ok "all replicas are equal" within all_equal
diag "$(cat "$tmp/digests.different")"
touch "$w/end"
ok "nothing is left when they have stopped" within nothing_left
ok "nobody has ever met somebody else under his lock" clean
clean || diag "$(cat "$w/violations")"
diag "rounds $rounds, faults $faults, helped $helped, locks had $(cat "$w"/ops.* | wc -l)"
diag "$(sort "$w/kinds" | uniq -c | awk '{ n = $1; $1 = ""; printf "%s%s %d", (NR > 1 ? ", " : ""), substr($0, 2), n }')"
# Waits for a lock that nobody else wants, on nodes that were not hit themselves, and what they are made of.
for node in $all; do
	sb logs "$node" corosync | sed -n "s/ \[[0-9]*\].* Completed service synchronization.*//p" |
		awk -v node="$node" '{ split($3, t, ":"); printf "%s %.0f\n", node, (t[1] * 3600 + t[2] * 60 + t[3]) * 1000 }'
done >"$w/syncs"
diag "$(awk -v midnight="$(date -d "$(date +%F)" +%s)" -f "$srcdir/tests/cluster/chaos-stops.awk" \
	"$w/faults" "$w/syncs" "$w/gaps")"
done_testing
