#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A holder's node dies.  Other locks go on at once, the dead node's lock stays until a human
# vouches for the node (fence-ack), then the waiter has it and is told that the value block is
# not valid.  The node boots, rejoins clean, and all replicas have the same digest.  Then it dies
# again, and its boot alone is as good as a human's word.
# Rules: R-REC-4, R-REC-6, R-REC-7, R-REC-12, R-COND-3, R-COND-6.
# shellcheck disable=SC2154
. "${0%/*}/lib.sh"
need_lockstep
need_holder

sandbox_up --nodes 3
ok "digests agree at the start" within digests_agree

start one n1 "$holder" -m EX -v first account
ok "node 1 gets the lock" within said one '^granted EX token [0-9]+'
start two n2 "$holder" -m EX account
ok "node 2 waits, and node 1 hears of it" within said one '^bast EX'
ok "node 2 has not got it" not said two '^granted'
ok "locks on node 3 shows the holder" within lock_listed n3 account 'granted +EX +n1 '
ok "and the waiter" within lock_listed n3 account 'waiting +EX +n2 '
on n3 lockstep explain account >"$tmp/explain" 2>&1
ok "explain on node 3 names the holder" grep -q 'Held in mode EX by .* on n1 ' "$tmp/explain"
ok "and the waiter" grep -q ' on n2 waits for EX' "$tmp/explain"

tell one "down NL second"
ok "node 2 gets the lock with the value node 1 wrote" within said two '^granted EX token [0-9]+ lvb second$'
tell one quit
ok "the holder ends cleanly" within ended one 0
tell two quit
ok "so does the other" within ended two 0
ok "digests agree" within digests_agree

start three n1 "$holder" -m EX -v third account
within said three '^stored third'
start four n2 "$holder" -m EX account
within said three '^bast EX'
t=$(now_ms)
sb crash n1
ok "other locks are granted on a survivor" on n2 lockstep run -w "$patience" other -- true
diag "another lock $(($(now_ms) - t)) ms after the crash"
t=$(now_ms)
ok "and on the other one" on n3 lockstep run -w "$patience" other -- true
diag "the next one in $(($(now_ms) - t)) ms"
ok "the survivors name the lost node" within summary_has n2 'n1'
ok "the dead node's lock is not given on" status_is 75 on n3 lockstep run -w 1 account -- true
ok "nor to the one who waits" not said four '^granted'
on n2 lockstep explain account >"$tmp/explain" 2>&1
ok "explain says why" grep -q 'n1 is lost' "$tmp/explain"
ok "a node that does not exist cannot be vouched for" not on n3 lockstep fence-ack nonsense
ok "nor can one that lives" not on n3 lockstep fence-ack n2
ok "fence-ack" on n3 lockstep fence-ack n1
t=$(now_ms)
ok "the waiter gets the lock, and the value is not valid" \
	within said four '^granted EX token [0-9]+ lvb third VALNOTVALID'
diag "$(($(now_ms) - t)) ms after fence-ack"

ok "the node boots" sb boot n1
ok "all are healthy" sb wait
ok "digests agree" within digests_agree
ok "the booted node can lock" on n1 lockstep run -w "$patience" other -- true
start five n1 "$holder" -m EX account
ok "and waits its turn" within said four '^bast EX'
tell four "down NL fourth"
ok "and gets the lock with a value that is valid again" \
	within said five '^granted EX token [0-9]+ lvb fourth$'

tell four "up EX"
within said five '^bast EX'
sb crash n1
ok "it dies again: other locks go on" on n3 lockstep run -w "$patience" other -- true
ok "its lock is not given on" not said four 'fourth VALNOTVALID'
ok "it boots" sb boot n1
ok "which proves that it was dead: the waiter has the lock" \
	within said four '^granted EX token [0-9]+ lvb fourth VALNOTVALID'
tell four quit
ok "all end" within ended four 0
ok "digests agree at the end" within digests_agree
done_testing
