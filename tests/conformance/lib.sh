# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Traces against what is expected of them. $conformance is this folder, $scenarios that of scenarios and golden traces.
# shellcheck disable=SC2154
conformance_passed=0
conformance_expected=0
conformance_failed=0

# traces_check DIR [-3node] [LIST]: every scenario that has a golden trace (or those in LIST); what is not in DIR has failed.
# Differences are in differences/NAME, on three nodes in differences/NAME-3node if there is that.
traces_check() {
	for tc_scenario in "$scenarios"/*.scn "$scenarios"/unsafe/*.scn; do
		tc_name=$(basename "$tc_scenario" .scn)
		tc_golden=${tc_scenario%.scn}.expected
		[ -z "${2:-}" ] || [ ! -e "$tc_golden$2" ] || tc_golden=$tc_golden$2
		tc_differences=$conformance/differences/$tc_name
		[ -z "${2:-}" ] || [ ! -e "$tc_differences$2" ] || tc_differences=$tc_differences$2
		[ -e "$tc_differences" ] || tc_differences=
		[ -e "$tc_golden" ] || tc_golden=/dev/null
		tc_rc=4
		if [ -e "$1/$tc_name.out" ]; then
			awk -f "$conformance/compare.awk" -v golden="$tc_golden" \
				-v differences="$tc_differences" "$1/$tc_name.out"
			tc_rc=$?
		fi
		case $tc_rc in
		0)
			conformance_passed=$((conformance_passed + 1))
			continue
			;;
		1)
			conformance_expected=$((conformance_expected + 1))
			continue
			;;
		2) echo "# $tc_name: an unexplained difference" ;;
		3) echo "# $tc_name: the expected difference has vanished" ;;
		*) echo "# $tc_name: no trace" ;;
		esac
		conformance_failed=$((conformance_failed + 1))
		[ ! -e "$1/$tc_name.out" ] ||
			diff "${tc_differences:-$tc_golden}" "$1/$tc_name.out" | sed 's/^/#   /'
	done
	[ "$conformance_failed" = 0 ]
}

conformance_line() {
	echo "conformance: $conformance_passed passed, $conformance_expected expected differences, $conformance_failed failed"
}
