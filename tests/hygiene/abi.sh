#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that a program that was linked with an earlier liblockstep still fits: every symbol in lib/client/liblockstep.abi is
# exported with its version, and every struct that programs have in their memory has its size. What is new is no error, but
# belongs into the file with the release that brings it: "abi.sh --list" prints what it would hold. The comparison is tried
# on a planted difference. Sizes are those of 64 bits.
set -eu
LC_ALL=C
export LC_ALL
top=${top_srcdir:-.}
build=${top_builddir:-.}
library=$build/.libs/liblockstep.so
stored=$top/lib/client/liblockstep.abi
[ -e "$library" ] || { echo "skipped: $library is not built"; exit 77; }
command -v nm >/dev/null || { echo "skipped: nm is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Those that only the library makes are no part of it.
structs() {
	sed -n 's/^struct \(lockstep_[a-z_]*\) {$/\1/p' "$top"/include/lockstep/*.h | sort -u
}

list() {
	nm -D --defined-only --with-symbol-versions "$library" | awk '$2 == "T" && $3 ~ /^lockstep_/ { print "symbol", $3 }' |
		sort -u
	{
		echo '#include <stdio.h>'
		for header in "$top"/include/lockstep/*.h; do
			echo "#include <lockstep/${header##*/}>"
		done
		echo 'int main(void) {'
		structs | sed 's/.*/printf("struct & %zu\\n", sizeof(struct &));/'
		echo '}'
	} >"$work/sizes.c"
	# Without the sanitizers the library may have been built with.
	${CC:-cc} -I"$top/include" -o "$work/sizes" "$work/sizes.c" && "$work/sizes"
}

list >"$work/now"
if [ "${1:-}" = --list ]; then
	cat "$work/now"
	exit 0
fi
[ "$(getconf LONG_BIT)" = 64 ] || { echo "skipped: the sizes are those of 64 bits"; exit 77; }
grep -v '^#' "$stored" | sort -u >"$work/stored"
sort -u "$work/now" >"$work/sorted"
[ -s "$work/stored" ] || { echo "$stored is empty"; exit 1; }

echo "symbol lockstep_planted@@LOCKSTEP_0.1" | comm -23 - "$work/sorted" | grep -q planted ||
	{ echo "self-test: the planted difference was not seen"; exit 1; }
comm -23 "$work/stored" "$work/sorted" >"$work/gone"
if [ -s "$work/gone" ]; then
	sed 's/^/no longer as it was: /' "$work/gone"
	exit 1
fi
echo "as stored: $(wc -l <"$work/stored") symbols and structs; new: $(comm -13 "$work/stored" "$work/sorted" | wc -l)"
