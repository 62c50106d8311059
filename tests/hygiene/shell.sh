#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that shellcheck has nothing to say about any shell script of the tree, whatever its name, in the dialect of its
# first line; OCF agents in plain sh. A script with a known fault is tried first.
set -eu
top=${top_srcdir:-.}
command -v shellcheck >/dev/null || { echo "skipped: shellcheck is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

# SC1090, SC1091: sourced files are elsewhere. SC2317 and the like about code reached through a trap or by name stay on,
# to be answered where they are raised.
lint() {
	shellcheck --exclude=SC1090,SC1091 --format=gcc "$@"
}

# shellcheck disable=SC2016 # the fault must reach the file unexpanded
printf '#!/bin/sh\nrm $1/*\n' >"$work/bad"
if lint "$work/bad" >/dev/null; then
	echo "self-test: shellcheck should refuse an unquoted variable"
	failed=1
fi

# Build products below the source tree are not ours to check.
find "$top" \( -name .git -o -name build -o -name 'build-*' -o -name autom4te.cache -o -name .libs -o -name 'lockstep-[0-9]*' \) \
	-prune -o -type f ! -name '*~' -size -512k -print | sort >"$work/all"
while IFS= read -r path; do
	IFS= read -r first <"$path" 2>/dev/null || continue
	case $first in
	'#!/bin/sh'* | '#! /bin/sh'* | '#!/usr/bin/env sh'*) dialect='sh' ;;
	'#!/bin/bash'* | '#!/usr/bin/env bash'*) dialect='bash' ;;
	*) continue ;;
	esac
	# What autoconf and libtool write into the top of an in-tree build.
	case ${path#"$top"/} in
	configure | config.status | libtool) continue ;;
	esac
	count=$((count + 1))
	lint --shell="$dialect" "$path" || failed=1
done <"$work/all" 2>/dev/null
if [ "$count" -eq 0 ]; then
	echo "no scripts were found under $top"
	exit 1
fi
[ "$failed" = 0 ] && echo "shell scripts: $count"
exit "$failed"
