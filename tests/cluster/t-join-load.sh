#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Joining a lockspace with many locks whose clients go on: nobody is refused, stalled or forgotten,
# whether the transfer of the state goes through, the joiner dies in the middle, or the donor does.
# The donor's writer is stopped to have a middle that lasts.
# Rules: R-CPG-4, R-CPG-5, R-COND-2, R-DIG-1.
#
# LOCKSTEP_TEST_LOCKS=1000000 makes it a large one (with LOCKSTEP_TEST_PATIENCE=300).
# shellcheck disable=SC2154
. "${0%/*}/lib.sh"
need_lockstep

locks=${LOCKSTEP_TEST_LOCKS:-50000}
# What a client that works all the time may have to wait at most, in ms. Corosync alone takes about 5 s to
# notice that one of four nodes is gone; the rest is for slow machines.
stall_max=30000

need_many() {
	nm_prefix=${LOCKSTEP_PREFIX:-/usr}
	many=$tmp/holder-many
	"${CC:-cc}" -O1 "-I$nm_prefix/include" "-L$nm_prefix/lib" "-Wl,-rpath,$nm_prefix/lib" \
		-o "$many" "$srcdir/tests/cluster/holder-many.c" -llockstep >"$tmp/cc.out" 2>&1 ||
		bail "holder-many cannot be built: $(tail -n 1 "$tmp/cc.out")"
}

replicas_equal() { # NODE...
	re_first=
	for re in "$@"; do
		on "$re" lockstep digest >"$tmp/digest.$re" || return 1
		: "${re_first:=$tmp/digest.$re}"
		cmp "$re_first" "$tmp/digest.$re" || return 1
	done
	cat "$re_first"
}

rest_says() { # KEY COUNT
	[ "$(grep -c '^rests' "$tmp/$1.out")" -ge "$2" ]
}

# Both clients rest; none waited too long since they went on.
rests=0
clients_rest() { # WHAT
	rests=$((rests + 1))
	for cr in one two; do
		tell "$cr" rest
	done
	for cr in one two; do
		ok "$1: client $cr goes on" within rest_says "$cr" "$rests"
		cr_longest=$(sed -n 's/^rests: .* longest \([0-9]*\) ms$/\1/p' "$tmp/$cr.out" | tail -n 1)
		diag "client $cr: $(grep '^rests' "$tmp/$cr.out" | tail -n 1)"
		ok "$1: client $cr never waited long" test "${cr_longest:-999999}" -lt "$stall_max"
	done
}

clients_go_on() {
	for cg in one two; do
		tell "$cg" on
	done
}

# The clients' live names come on top while they work.
has_locks() { # NODE
	on "$1" lockstep status | grep -Eq "lockspace default: .* locks ($locks|$((locks + 1))|$((locks + 2))) "
}

has_state() { # NODE STATE
	on "$1" lockstep status | grep -q "lockspace default: $2"
}

status_says() { # NODE PATTERN
	on "$1" lockstep status | grep -Eq -e "$2"
}

# Stops the writer of a state image on NODE as soon as there is one.
catch_writer() { # NODE
	# shellcheck disable=SC2016
	on "$1" sh -c 'end=$(($(date +%s) + '"$patience"'))
		until pkill -STOP -x lockstepd-image; do
			[ "$(date +%s)" -le "$end" ] || exit 1
		done'
}

# n4 joins, and the writer of its state is stopped in the middle. True when it was caught.
join_in_the_middle() {
	for jm in 1 2 3 4 5; do
		on n4 lockstep lockspace release default >/dev/null
		within not has_state n4 ""
		catch_writer n1 &
		jm_catcher=$!
		start join n4 lockstep lockspace create -w "$patience" default
		wait "$jm_catcher"
		sleep 0.2
		! ended join 2>/dev/null || continue
		diag "caught at attempt $jm"
		return 0
	done
	return 1
}

need_many
sandbox_up --nodes 4
start one n2 "$many" one $((locks / 2))
start two n3 "$many" two $((locks - locks / 2))
t=$(now_ms)
ok "clients take $locks locks" within said one '^filled'
ok "all of them" within said two '^filled'
diag "$(($(now_ms) - t)) ms"

# Nobody is in the way.
within on n4 lockstep lockspace release default
t=$(now_ms)
ok "a node joins under load" on n4 lockstep lockspace create -w "$patience" default
diag "joined in $(($(now_ms) - t)) ms"
clients_rest "join"
ok "the joiner has every lock" within has_locks n4
ok "replicas are equal" within replicas_equal n1 n2 n3 n4
clients_go_on

# The joiner dies.
if join_in_the_middle; then
	ok "the joiner says how far it is" within status_says n4 'receiving the state from node n1'
	sb crash n4
	ok "the joiner dies: its writer ends" within not on n1 pgrep -x lockstepd-image
	ok "nobody has to vouch for it" within has_state n1 running
	clients_rest "joiner's death"
	ok "replicas are equal after the joiner's death" within replicas_equal n1 n2 n3
	clients_go_on
	sb boot n4 >/dev/null
	ok "it joins again" within has_state n4 running
else
	diag "the writer was never caught in the middle: the joiner's death is not shown"
fi

# The donor dies; nodes 2 and 3 are more than half of those that have the state.
if join_in_the_middle; then
	sb crash n1
	ok "the donor dies: the joiner gets the state from the next one" within ended join 0
	ok "which is node 2" logged n2 'image [0-9]+: written by'
	clients_rest "donor's death"
	ok "the joiner has every lock, again" within has_locks n4
	ok "replicas are equal after the donor's death" within replicas_equal n2 n3 n4
	clients_go_on
	sb boot n1 >/dev/null
	ok "the donor comes back" sb wait
	clients_rest "donor's return"
	ok "all replicas are equal" within replicas_equal n1 n2 n3 n4
else
	diag "the writer was never caught in the middle: the donor's death is not shown"
fi
ok "no client has ended" not ended one
ok "nor the other" not ended two
done_testing
