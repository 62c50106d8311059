#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A holder's node dies.  Other locks go on at once, the dead node's lock stays until a human
# vouches for the node (fence-ack), then the waiter has it and is told that the value block is
# not valid.  The node boots, rejoins clean, and all replicas have the same digest.
# Rules: R-LOST, R-STAB (recovery.md), LVB rules of lock-model.md.
# shellcheck disable=SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep
need_holder

digests_agree() {
	for da in 1 2 3; do
		on "$da" lockstep digest >"$tmp/digest.$da" || return 1
	done
	cmp "$tmp/digest.1" "$tmp/digest.2" && cmp "$tmp/digest.2" "$tmp/digest.3"
}

summary_has() { # NODE PATTERN
	on "$1" lockstep status --summary | grep -Eq -e "$2"
}

locks_of() { # NODE NAME PATTERN
	on "$1" lockstep locks | grep -F -e "$2" | grep -Eq -e "$3"
}

sandbox_up --nodes 3
ok "digests agree at the start" within digests_agree

start one n1 "$holder" -m EX -v first account
ok "node 1 gets the lock" within said one '^granted EX token [0-9]+'
start two n2 "$holder" -m EX account
ok "node 2 waits, and node 1 hears of it" within said one '^bast EX'
ok "node 2 has not got it" not said two '^granted'
ok "locks on node 3 shows the holder" locks_of n3 account n1
ok "and the waiter" locks_of n3 account n2
on n3 lockstep explain account >"$tmp/explain" 2>&1
ok "explain on node 3 names holder and waiter" sh -c "grep -q n1 '$tmp/explain' && grep -q n2 '$tmp/explain'"

tell one "down NL second"
ok "node 2 gets the lock with the value node 1 wrote" within said two '^granted EX token [0-9]+ lvb second$'
tell one quit
ok "the holder ends cleanly" within ended one 0
tell two quit
ok "so does the other" within ended two 0
ok "digests agree" within digests_agree

start three n1 "$holder" -m EX -v third account
within said three '^granted EX'
start four n2 "$holder" -m EX account
within said three '^bast EX'
t=$(now_ms)
sb crash n1
ok "the survivors see a lost node" within summary_has n2 'n1|lost|waiting|recovering'
ok "other locks are granted on a survivor" on n2 lockstep run -w "$patience" other -- true
diag "another lock $(($(now_ms) - t)) ms after the crash"
ok "and on the other one" on n3 lockstep run -w "$patience" other -- true
ok "the dead node's lock is not given on" not said four '^granted'
on n2 lockstep explain account >"$tmp/explain" 2>&1
ok "explain says why" grep -Eqi 'lost|fence' "$tmp/explain"
on n3 lockstep fence-ack nonsense >/dev/null 2>&1
ok "a node that does not exist cannot be vouched for" not [ $? = 0 ]
ok "nor can one that lives" not on n3 lockstep fence-ack n2
ok "fence-ack" on n3 lockstep fence-ack n1
ok "the waiter gets the lock, and the value is not valid" within said four '^granted EX token [0-9]+ .*VALNOTVALID'
diag "$(tail -n 1 "$tmp/four.out")"

ok "the node boots" sb boot n1
ok "all are healthy" sb wait
ok "digests agree" within digests_agree
ok "the booted node can lock" on n1 lockstep run -w "$patience" other -- true
start five n1 "$holder" -m EX account
ok "and waits its turn" within said four '^bast EX'
tell four "down NL fourth"
ok "and gets the lock" within said five '^granted EX token [0-9]+ lvb fourth$'
tell four quit
tell five quit
ok "all end" within ended five 0
ok "digests agree at the end" within digests_agree
done_testing
