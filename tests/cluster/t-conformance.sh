#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The scenarios of tests/conformance on three nodes, client A on the first, B on the second, and so on: each trace is the one that
# was recorded from the kernel's DLM, or differs exactly as written down. Six runs at a time, since they mostly wait.
# LOCKSTEP_CONFORMANCE=FOLDER takes scenarios and golden traces from there.
# shellcheck disable=SC1091,SC2154
. "${0%/*}/lib.sh"
need_lockstep
conformance=$srcdir/tests/conformance
scenarios=${LOCKSTEP_CONFORMANCE:-$conformance}/scenarios
. "$conformance/lib.sh"
library=$(find "${LOCKSTEP_PREFIX:-/usr/local}/lib" -name libdlm.so.3 2>/dev/null | head -n 1)
[ -n "$library" ] || skip_all "libdlm.so.3 is not installed"
command -v gcc >/dev/null || skip_all "no gcc"
: >"$tmp/config.h"
gcc -w -D_GNU_SOURCE -I"$tmp" -o "$tmp/dlmscript" "$conformance/dlmscript.c" "$library" -Wl,-rpath,"${library%/*}" -lpthread \
	2>"$tmp/gcc.out" || skip_all "dlmscript does not compile (libdlm.h, of Debian's libdlm-dev)"
ports="7711 7712 7713 7714 7715 7716"

listening() { # NODE
	[ "$(on "$1" ss -Htln | grep -c ':771[1-6] ')" = 6 ]
}

some() { # PORT: its share of the scenarios
	number=$1
	for file in "$scenarios"/*.scn "$scenarios"/unsafe/*.scn; do
		number=$((number + 1))
		[ $((number % 6)) = 0 ] || continue
		name=$(basename "$file" .scn)
		timeout -s KILL 120 "$sandbox" exec n1 "$tmp/dlmscript" -s 150 \
			-n "10.77.0.1:$1,10.77.0.2:$1,10.77.0.3:$1" "$file" >"$tmp/out/$name.out" 2>"$tmp/out/$name.err" ||
			echo "# $name: exit $?: $(cat "$tmp/out/$name.err")"
	done
}

sandbox_up --nodes 3
mkdir "$tmp/out"
for node in n1 n2 n3; do
	for port in $ports; do
		on "$node" "$tmp/dlmscript" -S "$port" </dev/null >/dev/null 2>&1 &
	done
done
for node in n1 n2 n3; do
	ok "drivers on $node" within listening "$node"
done
runs=
for port in $ports; do
	some "$port" &
	runs="$runs $!"
done
# shellcheck disable=SC2086
wait $runs
traces_check "$tmp/out" -3node
traces=$?
diag "$(conformance_line)"
ok "all traces on three nodes are as expected" [ "$traces" = 0 ]
done_testing
