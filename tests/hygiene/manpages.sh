#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that groff has nothing to say about any man page, that each page has the sections a reader looks for, that
# it refers to no page of ours that does not exist, and that it is installed. A page with a known fault is tried first.
set -eu
top=${top_srcdir:-.}
command -v groff >/dev/null || { echo "skipped: groff is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
count=0

complain() {
	echo "$1"
	failed=1
}

# lint PAGE: what groff says goes to $work/out; 0 when it says nothing.
lint() {
	groff -man -ww -Tutf8 -z -rLL=80n "$1" >"$work/out" 2>&1 || return 1
	[ ! -s "$work/out" ]
}

printf '.TH X 1 2000-01-01 x x\n.SH NAME\nx \\- y\n.undefinedmacro\n' >"$work/bad.1"
if lint "$work/bad.1"; then
	complain "self-test: groff should warn about an undefined macro"
fi

for page in "$top"/man/*.[1-8]; do
	[ -e "$page" ] || { echo "skipped: there are no man pages yet"; exit 77; }
	name=${page##*/}
	section=${name##*.}
	count=$((count + 1))
	grep -rqF --include=Makemodule.am "man/$name" "$top" || complain "$name: no Makemodule.am installs it"
	# An alias page (".so man3/other.3") has no sections of its own.
	if grep -q '^\.so ' "$page"; then
		target=$(sed -n 's,^\.so man[1-8]/,,p' "$page")
		[ -e "$top/man/$target" ] || complain "$name: .so names a page that does not exist: $target"
		continue
	fi
	if ! lint "$page"; then
		complain "$name: groff warns:"
		sed 's/^/    /' "$work/out"
	fi
	grep -q "^\.TH \"\{0,1\}[^ ]*\"\{0,1\} \"\{0,1\}$section" "$page" || complain "$name: .TH does not say section $section"
	wanted="NAME DESCRIPTION SEE.ALSO"
	case $section in
	1 | 2 | 3 | 8) wanted="$wanted SYNOPSIS" ;;
	esac
	for heading in $wanted; do
		grep -q "^\.SH \"\{0,1\}$heading\"\{0,1\}\$" "$page" || complain "$name: no section $(echo "$heading" | tr . ' ')"
	done
	if LC_ALL=C grep -n '[^ -~	]' "$page" >"$work/out"; then
		complain "$name: use groff escapes for what is not ASCII:"
		sed 's/^/    /' "$work/out"
	fi
	# References such as .BR lockstepd (8)
	sed -n 's/^\.BR \([a-z_.-]*lockstep[a-z_.-]*\) (\([1-8]\)).*/\1.\2/p' "$page" | sort -u | while read -r reference; do
		[ -e "$top/man/$reference" ] || echo "$name: refers to $reference, which does not exist"
	done >"$work/out"
	if [ -s "$work/out" ]; then
		cat "$work/out"
		failed=1
	fi
done
[ "$failed" = 0 ] && echo "man pages: $count"
exit "$failed"
