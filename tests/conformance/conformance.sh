#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# All scenarios on a daemon that stands alone, through libdlm.so.3: each trace is the one that was recorded from the kernel's
# DLM, or differs exactly as differences/NAME says. Then those that have blocking modes once more through the native API,
# and scenarios whose traces were written down from the rules.
# LOCKSTEP_CONFORMANCE=FOLDER takes scenarios and golden traces from there. LOCKSTEP_CONFORMANCE_OUT=FOLDER keeps the traces.
# shellcheck disable=SC1091,SC2154
conformance=${top_srcdir:-.}/tests/conformance
. "${top_srcdir:-.}/tests/cli/lib.sh"
. "$conformance/lib.sh"
driver=$top_builddir/tests/conformance/dlmscript
[ -x "$driver" ] || skip "dlmscript is not built (libdlm.h, of Debian's libdlm-dev)"
scenarios=${LOCKSTEP_CONFORMANCE:-$conformance}/scenarios
out=${LOCKSTEP_CONFORMANCE_OUT:-$tmp/out}
settle=${LOCKSTEP_CONFORMANCE_SETTLE:-150} # quiet milliseconds that end a step

# run_all DRIVER OUT [OPTION] FILE...: they mostly wait, so many at a time
run_all() {
	run_driver=$1
	run_out=$2
	shift 2
	run_option=
	case $1 in -*) run_option=$1 && shift ;; esac
	mkdir -p "$run_out"
	# shellcheck disable=SC2016
	printf '%s\n' "$@" | run_driver=$run_driver run_out=$run_out run_option=$run_option settle=$settle \
		xargs -P 12 -n 1 sh -c '
			name=$(basename "$1" .scn)
			timeout -s KILL 120 "$run_driver" -s "$settle" $run_option "$1" \
				>"$run_out/$name.out" 2>"$run_out/$name.err"
			rc=$?
			[ $rc = 0 ] && [ ! -s "$run_out/$name.err" ] ||
				{ echo "# $name: exit $rc"; cat "$run_out/$name.err"; }' sh
}

modes_check() {
	modes_failed=0
	for modes in "$scenarios"/*.bastmodes; do
		name=$(basename "$modes" .bastmodes)
		grep -E '^(==|>)|: bast ' "$out/native/$name.out" | sed 's/ lksb.status=.*//' >"$tmp/modes"
		cmp -s "$modes" "$tmp/modes" && continue
		diff "$modes" "$tmp/modes"
		modes_failed=1
	done
	return $modes_failed
}

rules_check() {
	rules_failed=0
	for rule in "$conformance"/rules/*.expected; do
		diff "$rule" "$out/rules/$(basename "$rule" .expected).out" || rules_failed=1
	done
	return $rules_failed
}

daemon_start
# libtool's wrapper may relink on its first run: not twelve times at once.
"$driver" >/dev/null 2>&1
run_all "$driver" "$out" "$scenarios"/*.scn "$scenarios"/unsafe/*.scn
if traces_check "$out"; then traces=0; else traces=1; fi
result "$traces" "$(conformance_line)"

files=
for modes in "$scenarios"/*.bastmodes; do
	files="$files ${modes%.bastmodes}.scn"
done
# shellcheck disable=SC2086
run_all "$top_builddir/tests/conformance/dlmscript-native" "$out/native" -b $files
ok "modes of blocking callbacks, through the native API" modes_check
run_all "$driver" "$out/rules" "$conformance"/rules/*.scn
ok "what the rules say of cases that were not recorded" rules_check
ok "the daemon is as healthy as before" answers
done_testing
