#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that the benchmark of the engine runs and prints lines as its README says, with tiny counts:
# no figure is judged.  Its own assertions see to it that what it measures are grants.
set -eu
work=$(mktemp)
trap 'rm -f "$work"' EXIT
"${top_builddir:?}/bench/engine-bench" 500 3 >"$work"
awk -F '\t' '
	NF != 7 || $3 < 1 || $4 + 0 <= 0 { print "not a figure: " $0; bad = 1 }
	{ seen[$1 == "value" ? $2 : $1 "/" $2]++ }
	END {
		split("engine.lock_bytes engine.pair baseline.hash engine.snapshot engine.digest_slow engine.restore engine.queue engine.wake engine.lost engine.removed engine.deadlock/none engine.deadlock/cycle", want, " ")
		for (i in want) {
			found = 0
			for (s in seen)
				found += index(s, want[i]) == 1
			if (!found) { print "no figure " want[i]; bad = 1 }
		}
		exit bad
	}' "$work"
