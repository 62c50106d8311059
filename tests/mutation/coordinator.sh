#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that the tests of the recovery coordinator would notice: takes a rule away at a time (coordinator.txt) and wants a
# story (tests/agent/test_coordinator) or one of some thousand random lives (test_coordinator_random) to fail.
#
# LOCKSTEP_MUTANTS=PATTERN does those whose line "FILE FUNCTION RULE: in words" matches.
set -u
ulimit -c 0
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
list=$top/tests/mutation/coordinator.txt
folder=$top/lib/coordinator

if [ "${1:-}" = --one ]; then
	number=$2
	dir=$LOCKSTEP_MUTATION_WORK/$number
	file=$(sed -n "${number}s/ .*//p" "$LOCKSTEP_MUTATION_WORK/names")
	said=$dir.said
	mkdir -p "$dir"
	awk -v number="$number" -f "$top/tests/mutation/mutate.awk" "$list" "$folder/$file" >"$dir/$file" 2>"$said" || exit 0
	objects=$(for object in "$LOCKSTEP_MUTATION_WORK"/coordinator/*.o; do
		[ "${object##*/}" = "${file%.c}.o" ] || echo "$object"
	done)
	by=
	for test in test_coordinator test_coordinator_random; do
		# shellcheck disable=SC2086
		$LOCKSTEP_MUTATION_CC -o "$dir/$test" "$LOCKSTEP_MUTATION_WORK/tests/$test.o" "$dir/$file" $objects \
			"$LOCKSTEP_MUTATION_WORK"/rig/*.o -lxxhash -lcmocka 2>"$said" || exit 0
		if ! LOCKSTEP_SEEDS=6000 timeout 60 "$dir/$test" >/dev/null 2>&1; then
			by=" $test"
			break
		fi
	done
	echo "${by:- survived}" >"$said"
	rm -rf "$dir"
	exit 0
fi

if ! command -v gcc >/dev/null; then
	echo "there is no gcc"
	exit 77
fi
if ! echo '#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>' | gcc -fsyntax-only -x c - 2>/dev/null; then
	echo "there is no cmocka"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LOCKSTEP_MUTATION_WORK="$work"
export LOCKSTEP_MUTATION_CC="gcc -std=gnu11 -O1 -I$build -I$top -I$top/include"
jobs=$(nproc 2>/dev/null || echo 2)

compile_all() { # FOLDER FILE...
	to=$1
	shift
	mkdir -p "$work/$to"
	# shellcheck disable=SC2016
	printf '%s\n' "$@" | xargs -P "$jobs" -I{} sh -c \
		'$LOCKSTEP_MUTATION_CC -c -o "'"$work/$to"'/$(basename "$1" .c).o" "$1"' - {}
}

compile_all coordinator "$folder"/*.c &&
	compile_all rig "$top"/plugin/engine/*.c "$top"/lib/base/*.c "$top/tests/agent/coordinator_rig.c" &&
	compile_all tests "$top"/tests/agent/test_coordinator.c "$top"/tests/agent/test_coordinator_random.c || exit 1
for test in test_coordinator test_coordinator_random; do
	$LOCKSTEP_MUTATION_CC -o "$work/$test" "$work/tests/$test.o" "$work"/coordinator/*.o "$work"/rig/*.o -lxxhash -lcmocka || exit 1
	if ! LOCKSTEP_SEEDS=500 "$work/$test" >"$work/out" 2>&1; then
		cat "$work/out"
		echo "$test fails with the coordinator as it is"
		exit 1
	fi
done

awk -v names=1 -f "$top/tests/mutation/mutate.awk" "$list" >"$work/names"
grep -En "${LOCKSTEP_MUTANTS:-.}" "$work/names" | cut -d : -f 1 >"$work/numbers"
xargs -r -P "$jobs" -n 1 "$top/tests/mutation/coordinator.sh" --one <"$work/numbers"

caught=0
failed=0
count=0
while read -r number; do
	count=$((count + 1))
	what=$(sed -n "${number}p" "$work/names")
	said=$(cat "$work/$number.said" 2>/dev/null)
	case $said in
	' survived' | '')
		echo "not ok $count - $what: survived"
		failed=1
		;;
	' '*)
		echo "ok $count - $what: caught by$said"
		caught=$((caught + 1))
		;;
	*)
		echo "not ok $count - $what: cannot be tried: $said"
		failed=1
		;;
	esac
done <"$work/numbers"
echo "# mutants: $caught of $count of the coordinator caught"
exit "$failed"
