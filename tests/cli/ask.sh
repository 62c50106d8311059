#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The verbs of lockstep(1) with which one asks and repairs, against a real daemon: ls, locks with filters, explain of a
# deadlock, lvb, check-token, release, stats, dump, trace, and the completion of bash.
# shellcheck disable=SC1003,SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"
daemon_start
lockstep=$top_builddir/lockstep

json() { # WHAT EXPRESSION: true of the last status command's output (d)
	command -v python3 >/dev/null || return 0
	ok "$1" python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not ('"$2"'))' "$tmp/out"
}

lines() {
	[ "$(wc -l <"$tmp/out")" = "$1" ]
}

waiters() { # NAME COUNT
	[ "$(lockstep locks --waiting "$1" | grep -c ' waiting ')" = "$2" ]
}

# --- usage: every verb has help, and refuses what it does not know
for verb in ls trace lvb check-token release stats dump; do
	status "$verb --help" 0 lockstep $verb --help
	says "is about $verb" "^usage: lockstep $verb"
	status "$verb knows its options" 2 lockstep $verb --frobnicate
done
for command in ls 'trace a' 'lvb get a' 'check-token a 1' 'release --force a' stats dump; do
	# shellcheck disable=SC2086 # verb and arguments
	status "$command without daemon" 3 lockstep --ipc-name "nobody-$$" $command
done
status "ls: two lockspaces" 2 lockstep ls a b
status "no such mode" 2 lockstep locks --mode XX
status "no such pid" 2 lockstep locks --pid 0
status "too often" 2 lockstep locks --watch=0.01
status "--count alone" 2 lockstep locks --count 1
status "--wide and --json" 2 lockstep locks --wide --json
status "no such node" 1 lockstep locks --node nonsense
complains "and says so" 'nonsense is no node of this cluster'
status "trace what?" 2 lockstep trace
status "trace in an unknown lockspace" 1 lockstep trace -s nowhere a
status "lvb what?" 2 lockstep lvb
status "lvb nonsense" 2 lockstep lvb nonsense a
status "lvb of what?" 2 lockstep lvb get
status "lvb set to what?" 2 lockstep lvb set a
status "lvb get to something" 2 lockstep lvb get a b
status "lvb get --invalid" 2 lockstep lvb get --invalid a
status "lvb get --hex --raw" 2 lockstep lvb get --hex --raw a
status "no token" 2 lockstep check-token a
status "a token that is no number" 2 lockstep check-token a 1x
status "a negative token" 2 lockstep check-token a -- -1
status "release without --force" 2 lockstep release a
complains "which says what it does" 'takes a lock away'

# --- a deadlock of three
holder=$top_builddir/tests/cli/holder
for step in 'a b' 'b c' 'c a'; do
	# shellcheck disable=SC2086 # two words
	set -- $step
	start "hold-$1" "$holder" "$1=EX" "@$tmp/go" "$2?EX"
	within said "hold-$1" "^$1 [0-9]"
done
token=$(sed -n 's/^a //p' "$tmp/hold-a.out")
start late "$holder" 'a?PR'
within waiters a 1
status "explain without a deadlock" 0 lockstep explain a
ok "says nothing of one" not grep -q Deadlock "$tmp/out"
: >"$tmp/go"
within waiters a 2
within waiters b 1
within waiters c 1
status "explain with a deadlock" 0 lockstep explain a
says "names it" '^Deadlock: 3 sessions wait for each other'
for step in 'a b' 'b c' 'c a'; do
	# shellcheck disable=SC2086
	set -- $step
	says "who holds $1 and waits for $2" "^  holder \\(pid $(cat "$tmp/hold-$1.pid"), .* holds $1 in mode EX and waits for EX on $2 since"
done
says "and that a holder itself waits" '^  for holder .*, which holds EX and itself waits for EX on b[.,]$'
ok "each once" [ "$(grep -c 'and waits for EX on' "$tmp/out")" = 3 ]
status "explain --json" 0 lockstep explain --json b
json "has it, too" 'len(d["deadlocks"]) == 1 and sorted(s["waits"]["name"] for s in d["deadlocks"][0]) == ["a", "b", "c"] and d["deadlocks_complete"]'
json "each for the next" 'all(s["for"]["pid"] == t["waits"]["pid"] for s, t in zip(d["deadlocks"][0], d["deadlocks"][0][1:] + d["deadlocks"][0][:1]))'
start self "$holder" z=EX 'z?PR'
within waiters z 1
status "a session that waits for itself" 0 lockstep explain z
says "is a deadlock" '^Deadlock: holder .* waits for PR on z'
says "with itself" 'for its own lock in mode EX'

# --- locks: filters and forms
status "locks --waiting" 0 lockstep locks --waiting
ok "are those that wait" [ "$(grep -c ' waiting ' "$tmp/out")" = 5 ] && lines 6
status "locks --holder" 0 lockstep locks --holder
ok "are those that hold" [ "$(grep -c ' granted ' "$tmp/out")" = 4 ]
start alone "$holder" alone=CR
within said alone alone
status "locks --contended" 0 lockstep locks --contended
ok "leaves out what nobody waits for" not grep -q '^alone ' "$tmp/out"
says "and keeps the holders" '^a +granted'
status "locks --pid" 0 lockstep locks --pid "$(cat "$tmp/alone.pid")"
ok "is one process" lines 2
status "locks --mode" 0 lockstep locks --mode pr
ok "is one mode" lines 3
status "locks --node" 0 lockstep locks --node 1 --json
json "is this node" 'len(d) == 10'
status "locks of two filters" 0 lockstep locks --waiting --mode PR a
ok "fit both" lines 2
status "locks --wide" 0 lockstep locks --wide alone
says "has more columns" '^NAME .* LKID .* SESSION .* UID .* TIME '
status "locks --watch" 0 lockstep locks --watch=0.1 --count 1 alone
ok "is a listing" [ "$(grep -c '^alone ' "$tmp/out")" = 1 ]
start watch "$lockstep" locks --watch=0.1 --count 2 --json watched
within said watch '^\[ *\]$'
ok "nothing changes, nothing is shown" [ "$(wc -l <"$tmp/watch.out")" = 1 ]
status "a change" 0 "$holder" watched=EX quit
ok "is shown" within ended watch
ok "as a document a line" [ "$(wc -l <"$tmp/watch.out")" = 2 ]

# --- ls
status "ls" 0 lockstep ls
says "shows lockspaces" '^default +running'
status "ls LOCKSPACE" 0 lockstep ls default
says "shows resources" '^a +EX +1 +0 +2 -$'
says "in the order of names" '^alone +CR +1 +0 +0'
status "ls -s" 0 lockstep ls --json -s default
json "as JSON" '[r["name"] for r in d] == ["a", "alone", "b", "c", "z"] and d[0]["waiting"] == 2'
status "ls of an unknown lockspace" 1 lockstep ls nowhere

# --- check-token
status "the token of a holder" 0 lockstep check-token a "$token"
says "is current" "^current: held in mode EX by holder .pid $(cat "$tmp/hold-a.pid")"
status "one less" 76 lockstep check-token a $((token - 1))
says "is stale" "^stale: the largest token that is held is $token"
status "one that was never given" 75 lockstep check-token a 18446744073709551615
says "is unknown" '^unknown: .* not given out'
status "of a lock that nobody holds" 76 lockstep check-token nobody "$token"
says "is stale" '^stale: nobody'
status "check-token --json" 0 lockstep check-token --json a "$token"
json "says it, too" 'd["verdict"] == "current" and d["lock"]["name"] == "a"'
status "in an unknown lockspace" 1 lockstep check-token -s nowhere a 1
status "from within" 0 lockstep run mine -- sh -c '"$0" check-token "$LOCKSTEP_NAME" "$LOCKSTEP_TOKEN"' "$lockstep"
mine=$(lockstep run mine -- sh -c 'echo $LOCKSTEP_TOKEN')
status "and after" 76 lockstep check-token mine "$mine"

# --- lvb
start keep "$holder" value=NL
within said keep value
status "lvb set" 0 lockstep lvb set value 'hello \x01\\'
status "lvb get" 0 lockstep lvb get value
says "is what was set" '^hello \\x01\\\\$'
status "lvb set --hex" 0 lockstep lvb set --hex value '00 ff:10'
status "lvb get --hex" 0 lockstep lvb get --hex value
says "is that, padded" '^00ff10(00){29}$'
status "lvb get --raw" 0 lockstep lvb get --raw value
ok "is 32 bytes" [ "$(wc -c <"$tmp/out")" = 32 ]
status "lvb get --json" 0 lockstep lvb get --json value
json "has both" 'd["hex"][:6] == "00ff10" and d["length"] == 32 and not d["invalid"]'
status "a value of 33 bytes" 1 lockstep lvb set value 123456789012345678901234567890123
complains "is too long" 'longer than the 32 bytes'
status "no hexadecimal digits" 2 lockstep lvb set --hex value 0g
status "half a byte" 2 lockstep lvb set --hex value 0
status "lvb set --invalid" 0 lockstep lvb set --invalid value
status "an invalid value" 1 lockstep lvb get value
complains "is shown as such" 'is invalid'
says "and written all the same" '^\\x00\\xff\\x10$'
status "lvb set makes it valid" 0 lockstep lvb set value again
status "as can be seen" 0 lockstep lvb get value
status "the value of nothing" 1 lockstep lvb get nothing
complains "is none" 'nobody has a lock on "nothing"'
status "a value that nobody would keep" 1 lockstep lvb set nothing x
complains "is not written" 'was not written'
status "lvb set of a lock that is held" 75 lockstep lvb set -w 0.1 a x
complains "says so" '"a" is held by others'

# --- trace
start trace "$lockstep" trace traced
within said trace 'lockspace +running'
start traced "$holder" traced=EX
ok "trace sees a grant" within said trace 'granted +EX +lkid [0-9a-f]{8} holder .*, token [0-9]+$'
start second "$holder" 'traced?PR'
ok "and a request" within said trace 'waiting +PR'
signal KILL traced
ok "and a release" within said trace 'released +EX'
ok "and the grant that follows" within said trace 'granted +PR'
signal TERM trace
within ended trace
status "trace --count" 0 lockstep trace -n 2 --json traced
ok "ends after so many lines" lines 2

# --- release
status "an orphan is left" 0 "$holder" 'left!EX' 'left2!PR' quit
status "it is listed" 0 lockstep locks left
says "as one" ', orphan$'
status "release of a lock that lives" 1 lockstep release --force a
complains "is refused" '"a" is held in mode EX by holder .*, which lives: end that process'
status "release of nothing" 1 lockstep release --force nothing
complains "says so" 'nobody holds "nothing"'
status "release of an orphan" 0 lockstep release --force left
says "names it" '^released: left in mode EX, an orphan of pid [0-9]+ on .*, token [0-9]+$'
ok "and the lock is free" free left
ok "the other orphan stays" [ "$(lockstep locks left2 | grep -c orphan)" = 1 ]
status "events" 0 lockstep events
says "the daemon has noted who did it" 'adopts an orphan of "left"'
status "the other one" 0 lockstep release --force left2

# --- stats and dump
status "stats" 0 lockstep stats
says "counts ops" '^ops_applied +[1-9]'
status "stats --json" 0 lockstep stats --json
json "as JSON" 'd["ops_applied"] > 0'
status "dump" 0 lockstep dump
json "has all" 'd["status"]["state"] == "ok" and d["stats"]["ops_applied"] > 0 and d["lockspaces"][0]["members_list"][0]["local"] and any(l["name"] == "a" for l in d["lockspaces"][0]["locks_list"]) and d["events"]'

# --- what takes long is said
signal STOP daemon
start slow "$lockstep" locks
ok "a daemon that does not answer is told" within grep -q 'listing the locks\|cannot connect\|connecting to lockstepd: [0-9]* s' "$tmp/slow.err"
signal CONT daemon
ok "and waited for" within ended slow 0

# --- completion
if command -v bash >/dev/null; then
	cat >"$tmp/complete" <<-'END'
	PATH=$1:$PATH
	. "$2"
	shift 2
	COMP_WORDS=("$@")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_lockstep
	printf '%s\n' "${COMPREPLY[@]}"
	END
	completes() { # WORD...
		bash "$tmp/complete" "$top_builddir" "${top_srcdir:-.}/tools/completion/lockstep" lockstep "$@"
	}
	ok "verbs" [ "$(completes ex)" = explain ]
	ok "options" [ "$(completes locks --wi)" = --wide ]
	ok "lockspaces" [ "$(completes digest -s de)" = default ]
	ok "names" [ "$(completes explain al)" = alone ]
	ok "modes" [ "$(completes run -m P | tr '\n' ' ')" = "PR PW " ]
	ok "nothing behind --" [ -z "$(completes run a -- al)" ]
fi
for key in hold-a hold-b hold-c late self alone keep second; do
	signal KILL $key
	within ended $key
done
done_testing
