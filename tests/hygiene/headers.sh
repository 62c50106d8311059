#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that every header can be included alone and first: installed ones in strict C11 and in C++, with every warning an
# error; our own in the dialect we build with. The self-test plants a header that forgets an include and one that is no C++.
set -eu
top=${top_srcdir:-.}
build=${top_builddir:-.}
cc=${CC:-gcc}
cxx=${CXX:-g++}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0
# GLib and json-c keep their headers in folders of their own.
flags=$(pkg-config --cflags glib-2.0 json-c 2>/dev/null || :)

# alone LANGUAGE HEADER FLAG...: compiles a source that holds nothing but the include, twice (guards)
alone() {
	lang=$1
	header=$2
	shift 2
	printf '#include %s\n#include %s\nextern int not_empty;\n' "$header" "$header" >"$work/alone.$lang"
	case $lang in
	c) compiler=$cc ;;
	cc) compiler=$cxx ;;
	esac
	# shellcheck disable=SC2086 # "ccache gcc" is two words, and so are the flags of a library
	$compiler "$@" -Wall -Wextra -Werror -fsyntax-only "$work/alone.$lang" >"$work/out" 2>&1
}

fails() {
	if alone "$@"; then
		echo "self-test: $2 should not compile as $1"
		failed=1
	fi
}

report() {
	count=$((count + 1))
	alone "$@" && return
	echo "$2 does not compile alone as $1:"
	sed 's/^/    /' "$work/out"
	failed=1
}

echo 'static inline uint32_t forgot(void) { return 0; }' >"$work/forgets.h"
echo 'struct a { int class; };' >"$work/keyword.h"
fails c '<forgets.h>' -std=c11 -I"$work"

have_cxx=yes
if [ "$cxx" = no ] || ! command -v "${cxx%% *}" >/dev/null; then
	have_cxx=no
	echo "no C++ compiler: installed headers were tried in C only"
else
	fails cc '<keyword.h>' -I"$work"
fi

for path in "$top"/include/lockstep/*.h; do
	[ -e "$path" ] || { echo "no installed headers found under $top/include"; exit 1; }
	header="<lockstep/${path##*/}>"
	report c "$header" -std=c11 -pedantic -I"$top/include"
	if [ "$have_cxx" = yes ]; then
		report cc "$header" -std=c++11 -pedantic -I"$top/include"
	fi
done

cd "$top"
for path in $(find agent lib plugin tests tools -name '*.h' 2>/dev/null | sort); do
	if [ ! -e "$build/config.h" ]; then
		echo "no config.h in $build: our own headers were left out"
		break
	fi
	# shellcheck disable=SC2086
	report c "\"$path\"" -std=gnu11 -include "$build/config.h" -I. -Iinclude $flags
done
[ "$failed" = 0 ] && echo "headers: $count compilations"
exit "$failed"
