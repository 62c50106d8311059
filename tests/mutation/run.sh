#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that the tests of the engine would notice: takes a rule of the lock machine away at a time (list.txt) and wants some
# test to fail. The engine is built as a shared library with one object replaced, so that a mutant costs one compilation and
# one link. First the unit tests are asked, which tell a story each, then the random runs against the model.
#
# LOCKSTEP_MUTANTS=PATTERN does those whose line "FILE FUNCTION RULE: in words" matches.
set -u
ulimit -c 0
top=$(cd "${top_srcdir:-.}" && pwd)
build=$(cd "${top_builddir:-.}" && pwd)
list=$top/tests/mutation/list.txt

# The work of one mutant, called by xargs below.
if [ "${1:-}" = --one ]; then
	number=$2
	dir=$LOCKSTEP_MUTATION_WORK/$number
	file=$(sed -n "${number}s/ .*//p" "$LOCKSTEP_MUTATION_WORK/names")
	said=$dir.said
	mkdir -p "$dir"
	if ! awk -v number="$number" -f "$top/tests/mutation/mutate.awk" "$list" "$top/plugin/engine/$file" >"$dir/$file" 2>"$said"; then
		exit 0
	fi
	# shellcheck disable=SC2086
	if ! $LOCKSTEP_MUTATION_CC -c -o "$dir/${file%.c}.o" "$dir/$file" 2>"$dir/err"; then
		{ echo "does not compile:"; cat "$dir/err"; } >"$said"
		exit 0
	fi
	objects=$(for object in "$LOCKSTEP_MUTATION_WORK"/engine/*.o; do
		[ "${object##*/}" = "${file%.c}.o" ] || echo "$object"
	done)
	# shellcheck disable=SC2086
	$LOCKSTEP_MUTATION_CC -shared -o "$dir/libengine.so" $objects "$dir/${file%.c}.o" -lxxhash 2>"$said" || exit 0
	by=
	for test in "$LOCKSTEP_MUTATION_WORK"/test_engine_*; do
		case ${test##*/} in *random) continue ;; esac
		if ! LD_LIBRARY_PATH=$dir timeout 20 "$test" >/dev/null 2>&1; then
			by=" ${test##*/}"
			break
		fi
	done
	if [ -z "$by" ] && ! LD_LIBRARY_PATH=$dir LOCKSTEP_SHRINK=0 LOCKSTEP_SEEDS=1000 timeout 100 \
		"$LOCKSTEP_MUTATION_WORK/test_engine_random" >/dev/null 2>&1; then
		by=" random"
	fi
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
export LOCKSTEP_MUTATION_CC="gcc -std=gnu11 -O1 -fPIC -I$build -I$top -I$top/include"
jobs=$(nproc 2>/dev/null || echo 2)

compile_all() { # FOLDER FILE...
	folder=$1
	shift
	mkdir -p "$work/$folder"
	# shellcheck disable=SC2016
	printf '%s\n' "$@" | xargs -P "$jobs" -I{} sh -c \
		'$LOCKSTEP_MUTATION_CC -c -o "'"$work/$folder"'/$(basename "$1" .c).o" "$1"' - {}
}

compile_all engine "$top"/plugin/engine/*.c "$top"/lib/base/*.c &&
	compile_all script "$top/tests/unit/engine_script.c" &&
	compile_all stream "$top"/tests/unit/engine_compare.c "$top"/tests/unit/engine_model*.c \
		"$top"/tests/unit/engine_shrink.c "$top"/tests/unit/engine_stream*.c || exit 1
mkdir "$work/0"
$LOCKSTEP_MUTATION_CC -shared -o "$work/0/libengine.so" "$work"/engine/*.o -lxxhash || exit 1
for source in "$top"/tests/unit/test_engine_*.c; do
	name=$(basename "$source" .c)
	more=
	case $name in *_random) more=$(echo "$work"/stream/*.o) ;; esac
	# shellcheck disable=SC2086
	$LOCKSTEP_MUTATION_CC -o "$work/$name" "$source" "$work"/script/*.o $more -L"$work/0" -lengine -lcmocka || exit 1
	if ! LD_LIBRARY_PATH=$work/0 LOCKSTEP_SEEDS=40 "$work/$name" >"$work/out" 2>&1; then
		cat "$work/out"
		echo "$name fails with the engine as it is"
		exit 1
	fi
done

awk -v names=1 -f "$top/tests/mutation/mutate.awk" "$list" >"$work/names"
grep -En "${LOCKSTEP_MUTANTS:-.}" "$work/names" | cut -d : -f 1 >"$work/numbers"
xargs -r -P "$jobs" -n 1 "$top/tests/mutation/run.sh" --one <"$work/numbers"

caught=0
random=0
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
	' random')
		echo "ok $count - $what: caught by random runs"
		caught=$((caught + 1))
		random=$((random + 1))
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
echo "# mutants: $caught of $count caught, $((caught - random)) by unit tests, $random by random runs only"
[ "$count" -gt 0 ] || failed=1
exit "$failed"
