#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that replicas agree whatever they were built with (R-DET-2, R-DIG-1): one stream of random ops in an engine built by
# gcc and by clang, without and with optimisation, with 64 and with 32 bits, with signed and with unsigned chars, gives the
# same digests, snapshot bytes and effects; and each goes on from a snapshot of another as if it were its own.
set -u
top=${top_srcdir:-.}
build=${top_builddir:-.}
seeds=4
steps=6000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0
failed=0

result() { # ok|not NAME
	number=$((number + 1))
	if [ "$1" = ok ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=1
	fi
}

skip() {
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

# The hash is compiled in, so that no second libxxhash is needed for the other word size.
compile() { # FLAVOUR COMPILER FLAG...
	flavour=$1
	shift
	"$@" -std=gnu11 -DXXH_INLINE_ALL -I"$build" -I"$top" -I"$top/include" -o "$work/$flavour" \
		"$top"/plugin/engine/*.c "$top"/lib/base/*.c \
		"$top/tests/portability/replica.c" "$top/tests/unit/engine_stream.c" \
		"$top/tests/unit/engine_model_text.c" 2>"$work/$flavour.err"
}

can_build() { # COMPILER FLAG...
	printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$work/try.c"
	"$@" -o "$work/try" "$work/try.c" 2>/dev/null && "$work/try" >/dev/null
}

flavours=
flavour() { # NAME COMPILER FLAG...
	name=$1
	shift
	if ! command -v "$1" >/dev/null; then
		skip "$name" "there is no $1"
	elif ! can_build "$@"; then
		skip "$name" "$* cannot build here"
	elif compile "$name" "$@"; then
		flavours="$flavours $name"
	else
		cat "$work/$name.err"
		result not "$name is built"
	fi
}

run() { # FLAVOUR OUTPUT [OTHER]
	for seed in $(seq "$seeds"); do
		"$work/$1" "$seed" "$steps" "$work/$2.snapshot.$seed" ${3:+"$work/$3.snapshot.$seed"} || return 1
	done >"$work/$2.says"
}

same() { # NAME NAME
	cmp "$work/$1.says" "$work/$2.says" || return 1
	for seed in $(seq "$seeds"); do
		cmp "$work/$1.snapshot.$seed" "$work/$2.snapshot.$seed" || return 1
	done
}

flavour gcc-O0 gcc -O0
flavour gcc-O3 gcc -O3
flavour clang-O0 clang -O0
flavour clang-O3 clang -O3
flavour gcc-32 gcc -m32 -O2 -funsigned-char
flavour clang-32 clang -m32 -O1

first=
for name in $flavours; do
	if ! run "$name" "$name"; then
		result not "$name runs"
		continue
	fi
	if [ -z "$first" ]; then
		first=$name
		result ok "$name: $(wc -l <"$work/$name.says") digests of $((seeds * steps)) ops"
	elif same "$name" "$first"; then
		result ok "$name is as $first"
	else
		result not "$name is as $first"
	fi
	if [ -n "${last:-}" ]; then
		if run "$name" "$name-on" "$last" && same "$name-on" "$first" &&
			run "$last" "$last-on" "$name" && same "$last-on" "$first"; then
			result ok "$name and $last go on from each other's snapshots"
		else
			result not "$name and $last go on from each other's snapshots"
		fi
	fi
	last=$name
done

# The comparison can fail: another seed is another story.
if [ -n "$first" ] && "$work/$first" 77 "$steps" "$work/other" >"$work/other.says"; then
	if cmp -s "$work/other.says" "$work/$first.says" || [ ! -s "$work/other.says" ]; then
		result not "another stream gives other digests"
	else
		result ok "another stream gives other digests"
	fi
fi
exit "$failed"
