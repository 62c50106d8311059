#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that `make bench` runs to its end on a real cluster of three nodes and prints every figure
# it promises, with tiny counts: no figure is judged.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rc=0
LOCKSTEP_BUILD=${top_builddir:?} "${top_srcdir:?}/bench/run.sh" --quick >"$work/out" 2>"$work/err" || rc=$?
if [ "$rc" != 0 ]; then
	cat "$work/out" "$work/err"
	exit "$rc"
fi
awk -F '\t' '
	/^#/ { next }
	# A ratio is rounded: on a machine that stands still for a moment it may be nothing.
	NF != 7 || $3 < 1 || ($1 != "ratio" && $4 + 0 <= 0) { print "not a figure: " $0; bad = 1 }
	{ seen[$1 " " $2]++ }
	END {
		n = split("cpg.self inflight1,cpg.self inflight64,cpg.confirmed inflight1,cpg.confirmed inflight64," \
			"cpg.self inflight1024,lockstep.pipelined inflight64,lockstep.pipelined inflight1024,qb.roundtrip -,qb.event -,lockstep.cycle1 -,lockstep.lock1 -,lockstep.unlock1 -,lockstep.cycle8 -," \
			"lockstep.cycle64 -,lockstep.handover hold3ms,lockstep.handover hold150ms,lockstep.kill_client -," \
			"lockstep.node_loss held1000,lockstep.join held1000,lockstep.cycle4 quiet,lockstep.cycle4 joining," \
			"lockstep.kill_node other-lock,lockstep.kill_node fence-ack,value engine.lock_bytes,engine.pair held0,baseline.hash held0," \
			"ratio lockstep.cycle1 : cpg.confirmed/inflight1", want, ",")
		for (i = 1; i <= n; i++)
			if (seen[want[i]] != 1) { print "not exactly once: " want[i]; bad = 1 }
		exit bad
	}' "$work/out" && exit 0
cat "$work/out"
exit 1
