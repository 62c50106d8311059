#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What fencing tokens are for: a storage that takes a write only with a token that is not below the highest it has
# seen. A whole node is stopped, its Corosync, its daemon and the program that holds a lock and writes under it, and goes
# on later. First the others wait for it, as they must: until it is back nobody else writes. Then an administrator vouches
# for it although it is only asleep: another node writes, and whatever the sleeper writes when it wakes up is refused.
# Rules: R-TOK-1, R-REC-7, R-LOST-1, R-STAB-4, R-COND-6.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep

# put NODE: one write under the lock. The nodes share the machine's kernel and /tmp, hence flock(2).
put=$tmp/put
cat >"$put" <<'PUT'
#!/bin/sh
exec 9>>"$0.lock"
flock 9
max=$(cat "$0.max" 2>/dev/null || echo 0)
if [ "$LOCKSTEP_TOKEN" -lt "$max" ]; then
	echo "$LOCKSTEP_TOKEN $1" >>"$0.refused"
	exit 1
fi
echo "$LOCKSTEP_TOKEN" >"$0.max"
echo "$LOCKSTEP_TOKEN $1" >>"$0.taken"
PUT
chmod +x "$put"
: >"$put.taken"
: >"$put.refused"

# Writes as long as it lives, whatever the storage says.
writer='echo $$ >"$3"; while :; do "$1" "$2"; sleep 0.02; done'

writes_of() { # NODE
	grep -c " $1\$" "$put.taken"
}

writes_grow() { # NODE
	wg_was=$(writes_of "$1")
	within sh -c '[ "$(grep -c " $2\$" "$1")" -gt "$(($3 + 3))" ]' sh "$put.taken" "$1" "$wg_was"
}

# Never back to a smaller token, never two nodes with one.
in_order() {
	awk '$1 + 0 < last || ($1 == last && $2 != node) { print "line " NR ": " $0; bad = 1 }
		{ last = $1 + 0; node = $2 } END { exit bad }' "$put.taken"
}

after_the_last_of() { # NODE NODE: all writes of the second come after those of the first
	awk -v first="$1" -v second="$2" '$2 == second { seen = 1 } $2 == first && seen { bad = 1 }
		END { exit bad }' "$put.taken"
}

# Everything of node 3 that could act: who writes (his shell and `lockstep run`), the daemon, Corosync.
node_signal() { # SIGNAL
	on n3 sh -c 'kill -"$1" "$(cat "$2")" $(pgrep -x lockstep) 2>/dev/null; true' sh "$1" "$tmp/pid.n3"
}

node_sleeps() {
	node_signal STOP
	sb pause n3 lockstepd
	sb pause n3 corosync
}

node_wakes() {
	sb resume n3 corosync
	sb resume n3 lockstepd
	node_signal CONT
}

begin_writer() { # KEY NODE
	# In the background of a shell, as nsenter stops itself together with its child.
	start "$1" "$2" sh -c '"$@" & wait $!' sh lockstep run job -- sh -c "$writer" sh "$put" "$2" "$tmp/pid.$2"
}

end_writer() { # KEY NODE
	on "$2" sh -c 'kill "$(cat "$1")"' sh "$tmp/pid.$2"
	within ended "$1" '143|[0-9]+'
}

sandbox_up --nodes 3

begin_writer one n3
ok "node 3 writes" writes_grow n3
begin_writer two n1
ok "node 1 waits for the lock" within lock_listed n2 job 'waiting .* n1 '
node_sleeps
ok "node 3 sleeps: it is lost" within summary_has n1 'n3'
ok "the others go on" on n1 lockstep run -w "$patience" other -- true
ok "but nobody writes" test "$(writes_of n1)" = 0
node_wakes
ok "it wakes up: node 1 writes" writes_grow n1
ok "the old writer was killed" within ended one '76|137'
ok "and wrote nothing after node 1 did" after_the_last_of n3 n1
ok "tokens only grow" in_order
ok "all are healthy" sb wait
end_writer two n1

: >"$put.taken"
begin_writer three n3
ok "node 3 writes again" writes_grow n3
begin_writer four n1
ok "node 1 waits again" within lock_listed n2 job 'waiting .* n1 '
node_sleeps
ok "node 3 is lost again" within summary_has n1 'n3'
ok "somebody vouches for it, wrongly" on n1 lockstep fence-ack n3
ok "node 1 writes" writes_grow n1
# Only the program wakes up: it believes in its lock, and nobody has told it anything.
refused=$(wc -l <"$put.refused")
node_signal CONT
ok "the sleeper writes, and is refused" within sh -c '[ "$(wc -l <"$1")" -gt "$2" ]' sh "$put.refused" "$refused"
node_wakes
ok "then it is killed" within ended three '76|137'
ok "it has written nothing after node 1 did" after_the_last_of n3 n1
ok "tokens only grow" in_order
ok "all are healthy again" sb wait
ok "digests agree" within digests_agree
end_writer four n1
done_testing
