#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The checker can fail: with one safety rule taken out of the node, the simulator must find a violation within
# a bounded number of seeds, and of the kind that the rule is there for. Some need faults of certain kinds
# (--only). Rules that need a whole story are taken out in sim-scripted (scripted*.c); rules that others cover
# are named at the end.
set -eu

sim=${top_builddir:-.}/tests/sim/lockstep-sim
failed=0

# What a violation of that kind says.
kind_text() {
	case $1 in
	safety) # what a client was told is not so
		echo 'two clients hold|and so does orphan|granted with token|was stored and its writer told|tells a grant without quorum'
		;;
	replica) # a replica was found to differ where no bit was flipped
		echo 'counts digest_mismatch|replicas differ|both went on'
		;;
	upgrade) # somebody was sent what he does not know
		echo 'counts bad_messages|knows feature level'
		;;
	unfenced) # fencing = none gives away what it may not, or too early
		echo 'gives away what node'
		;;
	callbacks) # a client was told of a recovery what is not so, or at the wrong time
		echo 'recovery callbacks:|R-CB-|R-GEN-1|R-MEM-5'
		;;
	liveness) # nothing wrong is said, but something is never said
		echo 'does not get well|forgotten'
		;;
	esac
}

caught() { # kind mutation last-seed [fault...]
	what=$1
	kind=$(kind_text "$what")
	rule=$2
	last=$3
	shift 3
	only=
	case $rule in
	fence-any) ;;
	fence-*) only="--fencing" ;;
	none-*) only="--unfenced" ;;
	esac
	for fault in "$@"; do
		only="$only --only $fault"
	done
	# shellcheck disable=SC2086 # a list of options
	if out=$("$sim" --quiet --mutate "$rule" $only --seeds "1..$last" 2>&1); then
		echo "NOT CAUGHT: $rule in seeds 1..$last$only"
		failed=1
		return
	fi
	first=$(printf '%s\n' "$out" | head -n 1)
	if ! printf '%s\n' "$first" | grep -Eq -e "$kind"; then
		echo "NOT AS $what: $rule: $first"
		failed=1
		return
	fi
	echo "$rule: $what: $first"
}

caught safety no-fence 100
caught safety no-lost-keep 200
caught safety no-electorate 400
caught safety no-quorum 200 QUORUM_FLIP
caught safety no-stable 1500
caught safety stab-current 2500
caught safety no-reserve 300
caught safety lost-lives 200
caught safety form-alone 1000
caught safety early-growth 3000 CUT_AT FLAP FAST_RESTART
caught replica ready-old 200
caught upgrade level-any 100
caught callbacks prep-unheard 50
caught callbacks prep-again 100
caught callbacks prep-joiner 400
caught callbacks slot-again 50
caught callbacks slot-leaver 1000
caught callbacks slot-order 400
caught callbacks slot-kept 100
caught callbacks done-early 50
caught callbacks generation-own 50
caught liveness stuck-lives 500
caught liveness no-digest 400 CORRUPT FAST_RESTART RELEASE
caught liveness held-drop 100
caught liveness foreign-stays 200
caught liveness no-numbers 100 SWALLOW
caught liveness donor-gone 4000 DONOR FLAP CUT_AT

# What fencing devices do, and do not.
caught safety fence-old 3000
caught safety fence-action 3000
caught safety fence-failed 3000
caught safety fence-node 3000
caught safety fence-itself 3000
caught safety fence-slow 3000

# fencing = none.
caught unfenced none-early 50
caught safety none-alone 100

# As stories (sim-scripted, at the end of each of scripted*.c), as safety: no-stable, no-renew, no-raise, no-lvb-mark,
# stable-held, not-prepared, form-alone, no-electorate and no-quorum with a quorum device, fence-failed, fence-action,
# fence-itself, fence-old, fence-node, fence-answer; as unfenced: none-early, none-alone; as callbacks: slot-unstable;
# fence-merge by its own expectation.
# Others keep what these keep, for the reasons in ARCHITECTURE.md ("Second lines"): no-epoch, no-incarnation, no-hold,
# resend-late, confirm-any, no-ringid, fence-any, fence-word, fence-rejoin, evict-any, leave-shrinks, slow-any.
exit "$failed"
