#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that every source file names its licence, the one of its part (libraries LGPL, the rest GPL); that nothing is left
# unfinished by a merge; and that pure code has no mutable variables at file scope (symbols in the writable sections of its
# objects), so that several engines fit in one process. Planted faults come first.
set -eu
top=${top_srcdir:-.}
build=${top_builddir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
	echo "$1"
	failed=1
}

licence_of() {
	case $1 in
	include/* | lib/*) echo LGPL-2.1-or-later ;;
	*) echo GPL-2.0-or-later ;;
	esac
}

# named PATH FILE: does FILE, known as PATH, name its licence in its first three lines?
named() {
	head -n 3 "$2" | grep -Eq "SPDX-License-Identifier: $(licence_of "$1")( \*/|)\$"
}

# whole FILE: no conflict marks of a merge
whole() {
	! grep -Eq '^(<<<<<<< |>>>>>>> |=======$)' "$1"
}

echo '/* SPDX-License-Identifier: GPL-2.0-or-later */' >"$work/a"
printf 'a\n=======\nb\n' >"$work/b"
if named lib/base/a.c "$work/a" || ! named plugin/a.c "$work/a" || named plugin/a.c "$work/b"; then
	complain "self-test: licence lines"
fi
if whole "$work/b" || ! whole "$work/a"; then
	complain "self-test: merge marks"
fi

cd "$top"
find bench examples include lib plugin tests tools resource-agents m4 .ci configure.ac Makefile.am autogen.sh quickstart \
	-type f 2>/dev/null | sort >"$work/all"
count=0
while IFS= read -r path; do
	case $path in
	# m4/ also gets libtool's own files; the others are generated in an in-tree build
	m4/l*tool.m4 | m4/lt*.m4 | *.o | *.lo | *.la | *.log | *.trs | *.pc | */.deps/* | */.libs/*) continue ;;
	*/Makemodule.am) continue ;; # a licence line is welcome, but some hold two words
	*.c | *.h | *.m4 | *.ac | Makefile.am) ;;
	*)
		IFS= read -r first <"$path" 2>/dev/null || continue
		case $first in
		'#!'*) ;;
		*) continue ;;
		esac
		;;
	esac
	count=$((count + 1))
	named "$path" "$path" || complain "$path: its first lines do not name $(licence_of "$path")"
	whole "$path" || complain "$path: marks of a merge"
done <"$work/all" 2>/dev/null
[ "$count" -gt 0 ] || complain "no sources were found under $top"

# Sanitizers add writable symbols of their own, so those builds say nothing here.
if command -v nm >/dev/null && ! grep -q 'fsanitize' "$build/Makefile" 2>/dev/null; then
	cat >"$work/global.c" <<-'C'
	static int calls;
	static const char *const words[] = { "one", "two" };
	const char *touch(int i);
	const char *touch(int i) { calls++; return words[(calls + i) & 1]; }
	C
	${CC:-cc} -fPIC -c -o "$work/global.o" "$work/global.c"
	# Tables of constant pointers are written by the loader only (.data.rel.ro).
	writable() {
		nm -f sysv "$1" | awk -F'|' '
			{ gsub(/ /, "", $3); gsub(/ /, "", $1) }
			$3 ~ /^[bBdDC]$/ && $7 !~ /^ *\.data\.rel\.ro/ && $1 !~ /^(\.|__gcov|__odr)/ { print $1 }'
	}
	[ "$(writable "$work/global.o")" = calls ] || complain "self-test: nm should show the counter, and nothing else"
	objects=$(find "$build/lib/base" "$build/lib/ipc" "$build/lib/coordinator" "$build/plugin/engine" "$build/plugin/node" -name '*.o' \
		-path '*.libs*' 2>/dev/null) || :
	for object in $objects; do
		found=$(writable "$object")
		[ -z "$found" ] || complain "${object#"$build"/}: mutable variables at file scope:
$found"
	done
fi
[ "$failed" = 0 ] && echo "sources: $count files"
exit "$failed"
