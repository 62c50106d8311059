#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs on three nodes subscribe to recovery callbacks; a node fails, comes back, fails again.  The others are told
# the same in the same order; nobody is told of a slot before the failed node is known to be clean, or before a program
# that hangs in its callback has been killed; slots are used again.
# Rules: R-CB-1, R-CB-2, R-CB-3, R-CB-8, R-CB-10, R-SLOT-1, R-SLOT-2, R-GEN-1, R-STAB-2.
# shellcheck disable=SC2154
. "${0%/*}/lib.sh"
need_lockstep

lockstep_conf kill "prep_ack_ms = 10000"

lines() { # KEY COUNT: so many lines, at least
	[ "$(wc -l <"$tmp/$1.out")" -ge "$2" ]
}

words() { # KEY: first words, in order
	cut -d' ' -f1 "$tmp/$1.out" | tr '\n' ' '
}

is() { # TEXT COMMAND...
	is_want=$1
	shift
	is_got=$("$@")
	[ "$is_got" = "$is_want" ] || {
		echo "$is_got, not $is_want"
		return 1
	}
}

# Both survivors were told the same, but for their own slots.
same() {
	for same_key in w1 w2; do
		sed 's/ own slot [0-9]*//' "$tmp/$same_key.out" >"$tmp/$same_key.same"
	done
	cmp "$tmp/w1.same" "$tmp/w2.same"
}

generation() { # LINE: of w1
	sed -n "$1s/^done generation \([0-9]*\) .*/\1/p" "$tmp/w1.out"
}

status_has() { # NODE PATTERN
	on "$1" lockstep status | grep -Eq -e "$2"
}

explain_has() { # NODE PATTERN
	on "$1" lockstep explain nothing | grep -Eq -e "$2"
}

sandbox_up --nodes 3 --lockstep-conf "$tmp/lockstep.conf"
for n in 1 2 3; do
	start "w$n" "n$n" lockstep recovery watch default
done
for n in 1 2 3; do
	ok "n$n: a subscriber is told of the last recovery" within lines "w$n" 1
done
ok "all are told the same" same
ok "all have slots" said w1 '^done generation [1-9][0-9]* own slot [123] slots 1:[123] 2:[123] 3:[123]$'
slot=$(sed -n 's/.* 3:\([123]\)$/\1/p' "$tmp/w1.out")
g=$(generation 1)

sb crash n3
ok "n3 fails: prep on n1" within lines w1 2
ok "and on n2" within lines w2 2
ok "no more before it is surely down" is "done prep " words w1
sb boot n3
# Its new daemon vouches for the old one: the failure may be over before n3 has joined, which is a recovery of its own.
back() { # KEY
	tail -n +4 "$tmp/$1.out" | grep -q "^done .* 3:$slot\$"
}
in_order() {
	case $(words w1) in
	"done prep slot done " | "done prep slot done prep done ") ;;
	*)
		words w1
		return 1
		;;
	esac
}
ok "it is back without its programs, and has its slot again, on n1" within back w1
ok "and on n2" within back w2
ok "in this order" in_order
ok "the slot is that of n3" said w1 "^slot 3:$slot\$"
ok "both were told the same" same
ok "the next generation" is "$((g + 1))" generation 4
told=$(words w1)
n=$(wc -l <"$tmp/w1.out")
g=$(generation "$n")
start w3b n3 lockstep recovery watch -n 1 default
ok "n3: done only, of its first recovery" within ended w3b 0
ok "the same as everywhere" said w3b "^done generation $g own slot $slot slots .* 3:$slot\$"

start stuck n2 lockstep recovery watch --hold 100000 default
ok "a program that will not answer" within lines stuck 1
start seen n2 sh -c 'until lockstep status | grep "waits for prep of session"; do sleep 0.05; done'
start told n2 sh -c 'until lockstep explain nothing | grep "waits for prep of session"; do sleep 0.05; done'
start other n1 sh -c 'until lockstep status | grep "waiting for node n2 for [0-9]* s, where a program"; do sleep 0.05; done'
sb crash n3
ok "n3 fails again: prep on n1" within lines w1 "$((n + 1))"
ok "n3 is surely down" within on n1 lockstep fence-ack n3
ok "it is told prep, too" within lines stuck 2
ok "status says who is waited for" within ended seen 0
ok "so does explain" within ended told 0
ok "and the other node says where to look" within ended other 0
t=$(now_ms)
ok "it is killed: slot and done on n1" within lines w1 "$((n + 3))"
diag "after $(($(now_ms) - t)) ms"
ok "and on n2" within lines w2 "$((n + 3))"
ok "it was killed" within ended stuck 137
ok "the log says so" logged n2 'has not answered its recovery callback'
ok "it was told of no slot" not said stuck "^slot"
ok "both were told the same" same
ok "in the same order as before" is "${told}prep slot done " words w1
ok "n3 has no slot" said w1 "^done generation $((g + 1)) own slot [123] slots 1:[123] 2:[123]\$"
sb boot n3
ok "n3 joins: prep and done on n1" within lines w1 "$((n + 5))"
ok "and on n2" within lines w2 "$((n + 5))"
ok "without a slot, as nobody failed" is "${told}prep slot done prep done " words w1
ok "both were told the same" same
ok "n3 has the free slot" said w1 "^done generation $((g + 2)) .* 3:$slot\$"
ok "digests agree" within digests_agree
done_testing
