#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The verbs that show and the administrator's verbs of lockstep(1), against a real daemon: what is
# listed, names of any bytes in and out, JSON that a JSON parser reads, exit codes, wrong usage.
# shellcheck disable=SC1003,SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"
daemon_start
lockstep=$top_builddir/lockstep

json_valid() {
	command -v python3 >/dev/null || return 0
	python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$tmp/out"
}

# json WHAT EXPRESSION: true of the last status command's output (d)
json() {
	command -v python3 >/dev/null || return 0
	ok "$1" python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); sys.exit(not ('"$2"'))' "$tmp/out"
}

# --- usage
status "no verb" 2 lockstep
status "no such verb" 2 lockstep frobnicate
status "no such option" 2 lockstep --frobnicate
status "version" 0 lockstep --version
says "is ours" '^lockstep [0-9]'
status "help" 0 lockstep --help
for verb in run locks status explain lockspace fence-ack digest events; do
	says "names $verb" "^  $verb "
done
for verb in run locks status explain lockspace fence-ack digest events; do
	"$lockstep" $verb --help >"$tmp/out" 2>"$tmp/err"
	ok "$verb --help" [ $? = 0 ]
	says "is about $verb" "^usage: lockstep $verb"
	status "$verb knows its options" 2 lockstep $verb --frobnicate
done
for verb in status digest events 'locks a' 'fence-ack 1' 'lockspace create a' 'lockspace list'; do
	# shellcheck disable=SC2086 # verb and arguments
	[ "${verb#status}" = "$verb" ] && status "$verb: one argument too many" 2 lockstep $verb more
	# shellcheck disable=SC2086
	status "$verb without daemon" 3 lockstep --ipc-name "nobody-$$" $verb
done
status "explain what?" 2 lockstep explain
status "fence-ack whom?" 2 lockstep fence-ack
status "lockspace what?" 2 lockstep lockspace
status "lockspace nonsense" 2 lockstep lockspace nonsense
status "create what?" 2 lockstep lockspace create
status "an LVB length of 7" 2 lockstep lockspace create -l 7 x
status "permissions of 9" 2 lockstep lockspace create -p 9 x
status "both forms of status" 2 lockstep status --summary --json
status "nothing can be written" 1 sh -c "'$lockstep' status >/dev/full"

# --- at rest
status "status" 0 lockstep status
says "has the version" '^lockstepd [0-9]'
says "is ok" '^state: ok'
says "has the lockspace" '^lockspace default: running'
status "status --summary" 0 lockstep status --summary
ok "is one line" [ "$(cat "$tmp/out")" = "ok 1ls 0lk" ]
status "status --json" 0 lockstep status --json
json "is healthy" 'd["healthy"] and d["lockspaces"][0]["name"] == "default"'
status "locks" 0 lockstep locks
ok "lists nothing" [ ! -s "$tmp/out" ]
status "locks --json" 0 lockstep locks --json
json "is the empty list" 'd == []'
status "explain" 0 lockstep explain a
says "nobody" '^Nobody holds "a"'
status "locks of an unknown lockspace" 1 lockstep locks -s nowhere
status "explain in an unknown lockspace" 1 lockstep explain -s nowhere a
status "digest of an unknown lockspace" 1 lockstep digest -s nowhere
status "digest" 0 lockstep digest
says "is number and digest" '^default seq [0-9]+ digest [0-9a-f]{16}$'
status "digest --json" 0 lockstep digest --json
json "has it, too" 'len(d["digest"]) == 16'
status "events --json" 0 lockstep events --json
ok "is JSON" json_valid

# --- a holder and a waiter, under a name that is no word
name='n \x00\xff\\"'
shown='n\\x20\\x00\\xff\\\\"'
start one "$lockstep" run "$name" -- sleep 1000
within not free "$name"
start two "$lockstep" run -m PR "$name" -- sleep 1000
waiting() {
	lockstep locks "$name" | grep -q ' waiting '
}
within waiting
status "locks NAME" 0 lockstep locks "$name"
says "the holder" "^$shown +granted +EX .* lockstep "
says "the waiter" "^$shown +waiting +PR .* lockstep "
ok "nobody else" [ "$(wc -l <"$tmp/out")" = 3 ]
status "locks of another name" 0 lockstep locks other
ok "are none" [ ! -s "$tmp/out" ]
status "a bad name" 2 lockstep locks '\x0'
status "locks --json" 0 lockstep locks --json
json "both" '[(l["state"], l.get("granted"), l.get("requested")) for l in d] == [("granted", "EX", None), ("waiting", None, "PR")]'
json "the name, escaped" 'all(l["name"] == r"n\x20\x00\xff" + 2 * chr(92) + chr(34) for l in d)'
json "who" "d[0][\"pid\"] == $(cat "$tmp/one.pid") and d[0][\"token\"] > 0"
status "explain" 0 lockstep explain "$name"
says "who holds it" "^Held in mode EX by lockstep \\(pid $(cat "$tmp/one.pid"), uid [0-9]+\\) on .* token [0-9]+\\.$"
says "who waits" "^lockstep \\(pid $(cat "$tmp/two.pid"), .* waits for PR since"
says "for whom" "^  for lockstep \\(pid $(cat "$tmp/one.pid"), .* which holds EX\\.$"
start three "$lockstep" run -m PR "$name" -- sleep 1000
waiting_two() {
	[ "$(lockstep locks "$name" | grep -c ' waiting ')" = 2 ]
}
within waiting_two
status "explain with a queue" 0 lockstep explain "$name"
says "the order of waiting" "^  behind lockstep \\(pid $(cat "$tmp/two.pid"), .* which asked for PR earlier\\.$"
status "explain --json" 0 lockstep explain --json "$name"
json "holders and waiters" 'len(d["holders"]) == 1 and len(d["waiters"]) == 2'
json "blockers" 'd["waiters"][0]["blockers"][0]["granted"] == "EX" and not d["waiters"][0]["blockers"][0]["by_order"]'
status "the summary counts" 0 lockstep status --summary
ok "three locks" [ "$(cat "$tmp/out")" = "ok 1ls 3lk" ]
for key in one two three; do
	signal TERM $key
	within ended $key
done

# --- lockspaces
status "a deadlock wait of nothing" 2 lockstep lockspace create --deadlock-wait 0 x
status "transactions of whom?" 2 lockstep lockspace create --xid-scope universe x
status "a lockspace of another cluster" 1 lockstep lockspace create --cluster elsewhere x
status "a lockspace with all its attributes" 0 lockstep lockspace create --deadlock-wait never \
	--xid-scope cluster --warn --new --cluster standalone attributes
status "once more as new" 1 lockstep lockspace create --new attributes
status "with another deadlock wait" 1 lockstep lockspace create --deadlock-wait 2.5 attributes
complains "says why" '"attributes" is there with other attributes'
status "with another scope" 1 lockstep lockspace create --xid-scope node attributes
status "as it is" 0 lockstep lockspace create --deadlock-wait never attributes
status "one less" 0 lockstep lockspace release attributes
status "none" 0 lockstep lockspace release attributes
status "a lockspace is made" 0 lockstep lockspace create -l 64 second
status "and listed" 0 lockstep lockspace list
says "beside the other" '^default +running'
says "with its LVB length" '^second +running +1 +0 +[0-9]+ +64 '
status "list --json" 0 lockstep lockspace list --json
json "both" 'sorted(s["name"] for s in d) == ["default", "second"]'
status "its members" 0 lockstep lockspace members second
says "this node" '\(this node\)$'
status "members --json" 0 lockstep lockspace members --json second
json "one" 'len(d) == 1 and d[0]["local"]'
status "members of an unknown one" 1 lockstep lockspace members nowhere
status "a lock in it" 0 lockstep run -s second a -- sh -c 'echo $LOCKSTEP_LOCKSPACE'
says "says where" '^second$'
LOCKSTEP_LOCKSPACE=second
export LOCKSTEP_LOCKSPACE
status "the environment's lockspace" 0 lockstep digest
says "is the default" '^second seq'
unset LOCKSTEP_LOCKSPACE
start user "$lockstep" run -s second a -- sleep 1000
within not lockstep run -n -s second a -- true 2>/dev/null
status "one that is in use is not left" 1 lockstep lockspace release second
complains "and why" 'in use'
signal TERM user
within ended user
status "else it is" 0 lockstep lockspace release second
gone() {
	! lockstep lockspace list | grep -q '^second'
}
ok "and is gone" within gone
status "one that is not there" 1 lockstep lockspace release second
status "a name with a slash" 1 lockstep lockspace create a/b

# --- fence-ack
status "no such node" 1 lockstep fence-ack nonsense
complains "and says so" 'nonsense is no node'
status "a node that lives" 1 lockstep fence-ack 1
complains "and says so" 'is up and a member'

status "events" 0 lockstep events
says "that was one" 'acknowledges by hand that node 1'
done_testing
