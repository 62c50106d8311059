#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that every #include follows the dependency order (ARCHITECTURE.md; the rules are in include-order.awk), and that
# the reader of the rules would notice if one did not: a small tree is planted with one violation of each kind first.
set -eu
LC_ALL=C
export LC_ALL
rules=$(cd "$(dirname "$0")" && pwd)/include-order.awk

# check TREE: complaints on stdout, 0 when there are none
check() (
	cd "$1"
	find agent bench examples include lib plugin tests tools -name '*.[ch]' 2>/dev/null | sort >"$work/files"
	[ -s "$work/files" ] || { echo "no sources under $1"; return 2; }
	xargs awk -f "$rules" <"$work/files"
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# plant PATH LINE...: a tree of one file whose includes are LINEs
plant() {
	rm -rf "$work/tree"
	path=$work/tree/$1
	mkdir -p "$(dirname "$path")"
	shift
	for line in "$@"; do
		echo "$line"
	done >"$path"
}

# refuses TEXT PATH LINE...: the tree must give exactly one complaint, which holds TEXT
refuses() {
	text=$1
	shift
	plant "$@"
	if check "$work/tree" >"$work/out" || [ "$(wc -l <"$work/out")" -ne 1 ] || ! grep -qF -- "$text" "$work/out"; then
		echo "self-test: $* should be refused with \"$text\", got:"
		cat "$work/out"
		failed=1
	fi
}

takes() {
	plant "$@"
	if ! check "$work/tree" >"$work/out"; then
		echo "self-test: $* should be accepted, got:"
		cat "$work/out"
		failed=1
	fi
}

c='#include "config.h"'
takes plugin/engine/x.c "$c" '#include <string.h>' '#include "lib/base/buf.h"'
takes plugin/node/x.c "$c" '#include "lib/ipc/ipc.h"' '#include "plugin/engine/engine.h"'
takes plugin/daemon/x.c "$c" '#include <corosync/cpg.h>' '#include "plugin/node/node.h"'
takes lib/client/transport.c "$c" '#include <qb/qbipcc.h>'
refuses 'config.h comes first' lib/base/x.c '#include <string.h>' "$c"
refuses 'config.h belongs' lib/base/x.h "$c"
refuses 'may not include "lib/ipc' lib/base/x.c "$c" '#include "lib/ipc/ipc.h"'
refuses 'may not include "lib/ipc' plugin/engine/x.c "$c" '#include "lib/ipc/ipc.h"'
refuses 'may not include "plugin/node' plugin/engine/x.h '#include "plugin/node/node.h"'
refuses 'may not include "plugin/daemon' plugin/node/x.c "$c" '#  include "plugin/daemon/log.h"'
refuses 'may not include "plugin/engine' lib/client/x.c "$c" '#include "plugin/engine/op.h"'
refuses 'may not include "plugin/daemon' tests/sim/x.c "$c" '#include "plugin/daemon/log.h"'
refuses 'may not include "plugin/engine' agent/x.c "$c" '#include "plugin/engine/op.h"'
refuses 'may not include "plugin/engine' tools/x.c "$c" '#include "plugin/engine/op.h"'
refuses 'pure and may not include <stdio.h>' plugin/node/x.c "$c" '#include <stdio.h>'
refuses 'pure and may not include <time.h>' plugin/engine/x.c "$c" '#include <time.h>'
refuses 'pure and may not include <qb/qblog.h>' lib/ipc/x.c "$c" '#include <qb/qblog.h>'
refuses 'may not include <qb/qbipcc.h>' lib/client/session.c "$c" '#include <qb/qbipcc.h>'
refuses 'may not include <lockstep/lockstep.h>' plugin/engine/x.c "$c" '#include <lockstep/lockstep.h>'
refuses 'included as <lockstep/' lib/client/x.c "$c" '#include "lockstep/lockstep.h"'
refuses 'virtual time' tests/sim/x.c "$c" '#include <time.h>'
refuses 'relative to the top' lib/base/x.c "$c" '#include "buf.h"'
refuses 'users may not have' include/lockstep/x.h '#include <qb/qbipcc.h>'
refuses 'no rule says' lib/x.c "$c"

if ! check "${top_srcdir:-.}"; then
	failed=1
fi
[ "$failed" = 0 ] && echo "include order: $(wc -l <"$work/files") files"
exit "$failed"
