#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The node that holds a lock is cut off, then cut off one way.  It keeps the lock, since nobody
# can know what it does, and the others go on without this lock.  After heal its command is killed
# before anybody else has the lock.  Then all nodes compete for one lock through several cuts, and
# never are there two at work.
# The nodes share one clock and one file system, so what the commands write can be compared.
# Rules: R-MERGE-1, R-MERGE-2, R-LOST-1, R-REC-7, R-VIEW-2.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep

# Written by the command under the lock, again and again: proof of life.
beat='while :; do date +%s%N >>"$1"; sleep 0.02; done'

beats_grow() { # FILE
	bg_was=$(wc -l <"$1")
	within sh -c '[ "$(wc -l <"$1")" -gt "$2" ]' sh "$1" "$bg_was"
}

# before FILE FILE: the last line of the first is smaller than the first line of the second
before() {
	tail -n 1 "$1" && head -n 1 "$2" &&
		[ "$(tail -n 1 "$1")" -lt "$(head -n 1 "$2")" ]
}

release_says() { # WORDS
	on n2 lockstep release --force job 2>&1 | grep -q -- "$1"
}

partition() { # KEY CUT_ARGUMENTS...
	key=$1
	shift
	start "$key.1" n1 lockstep run job -- "$alone" sh -c "$beat" sh "$tmp/beats1.$key"
	ok "$key: node 1 runs the job" within test -s "$tmp/beats1.$key"
	start "$key.2" n2 lockstep run job -- "$alone" sh -c "$beat" sh "$tmp/beats2.$key"
	ok "$key: node 2 waits for it" within lock_listed n3 job 'waiting .* n2 '
	sb cut "$@"
	ok "$key: the others lose node 1" within sees_nodes n2 2
	token=$(on n2 lockstep locks job | awk '$2 == "granted" { print $7 }')
	ok "$key: what node 1 holds cannot be released by force" status_is 1 on n2 lockstep release --force job
	ok "$key: which says what can be done" release_says 'fence-ack'
	ok "$key: its token counts" within status_is 0 on n2 lockstep check-token job "$token"
	ok "$key: node 1 loses quorum" within not_quorate n1
	ok "$key: and its daemon says so" within summary_has n1 '^noquorum'
	ok "$key: other locks go on" on n3 lockstep run -w "$patience" other -- true
	ok "$key: not on node 1" status_is 75 on n1 lockstep run -w 1 other -- true
	ok "$key: the job goes on there" beats_grow "$tmp/beats1.$key"
	ok "$key: so it is not started on node 2" not test -s "$tmp/beats2.$key"
	t=$(now_ms)
	sb heal
	ok "$key: after heal the job runs on node 2" within test -s "$tmp/beats2.$key"
	diag "$(($(now_ms) - t)) ms after heal"
	ok "$key: its token counts no more" within status_is 76 on n2 lockstep check-token job "$token"
	# on_lost=kill: either it hears of the loss, or the daemon's SIGKILL is faster.
	ok "$key: lockstep run on node 1 has ended, too" within ended "$key.1" "76|137"
	ok "$key: the job had ended there before" before "$tmp/beats1.$key" "$tmp/beats2.$key"
	ok "$key: all are healthy" sb wait
	ok "$key: digests agree" within digests_agree
	on n2 pkill -TERM -x lockstep
	ok "$key: the job ends" within ended "$key.2" 143
}

# compete NODE: until the file `stop` is there; what the runs end with, one line each
compete='while [ ! -e "$1/stop" ]; do
	lockstep run -w 3 race -- $2 sh -c "echo \$LOCKSTEP_TOKEN \$(hostname) >>\"\$1\"; sleep 0.01" sh "$1/race"
	echo $? >>"$1/codes.$(hostname)"
done'

# The race goes on for all nodes named.
race_goes_on() { # NODE...
	for rg in "$@"; do
		rg_was=$(grep -c "$rg" "$tmp/race")
		within sh -c '[ "$(grep -c "$2" "$1")" -gt "$(($3 + 3))" ]' sh "$tmp/race" "$rg" "$rg_was" ||
			return 1
	done
}

# Node 1 may have held the lock when it was cut off.  Then the race stands still.
race_goes_on_or_waits() {
	race_goes_on_once n2 || lock_listed n2 race 'granted .* n1 '
}

race_goes_on_once() {
	ro_was=$(grep -c "$1" "$tmp/race")
	sleep 1
	[ "$(grep -c "$1" "$tmp/race")" -gt "$ro_was" ]
}

sandbox_up --nodes 3

partition cut 1
partition oneway --oneway 1

for n in n1 n2 n3; do
	start "race.$n" "$n" sh -c "$compete" sh "$tmp" "$alone"
done
ok "race: all nodes have turns" race_goes_on n1 n2 n3
for round in "--oneway 1" 1 "--oneway 1"; do
	# shellcheck disable=SC2086
	sb cut $round
	ok "race: node 1 is lost after cut $round" within sees_nodes n2 2
	ok "race: the others go on, unless it has the lock" within race_goes_on_or_waits
	sb heal
	ok "race: after heal all nodes have turns again" race_goes_on n1 n2 n3
done
: >"$tmp/stop"
ok "race: all end" within sh -c "[ -e '$tmp/race.n1.rc' ] && [ -e '$tmp/race.n2.rc' ] && [ -e '$tmp/race.n3.rc' ]"
diag "$(wc -l <"$tmp/race") turns; exit codes: $(cat "$tmp"/codes.n? | sort -n | uniq -c | awk '{ printf "%s%s times %s", sep, $1, $2; sep = ", " }')"
ok "race: never were there two at work" not grep -q '^99$' "$tmp"/codes.n?
ok "race: tokens grow from turn to turn" sort -n -u -k 1,1 -c "$tmp/race"
ok "digests agree at the end" within digests_agree
done_testing
