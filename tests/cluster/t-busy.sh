#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Calls of libdlm about locks with an operation under way: EBUSY and EINVAL, and what is accepted behind it. On one node, whose
# Corosync is stopped meanwhile: the daemon answers, and nothing it has sent comes back.
# Rules: R-BUSY-1, R-BUSY-3, R-ERR-1, R-ERR-2.
# shellcheck disable=SC2154
. "${0%/*}/lib.sh"
need_lockstep
library=$(find "${LOCKSTEP_PREFIX:-/usr/local}/lib" -name libdlm.so.3 2>/dev/null | head -n 1)
[ -n "$library" ] || skip_all "libdlm.so.3 is not installed"
gcc -w -D_GNU_SOURCE -o "$tmp/dlm-busy" "$srcdir/tests/cluster/dlm-busy.c" "$library" -Wl,-rpath,"${library%/*}" -lpthread \
	2>"$tmp/gcc.out" || skip_all "dlm-busy does not compile (libdlm.h, of Debian's libdlm-dev)"

sandbox_up --nodes 1
start busy n1 "$tmp/dlm-busy"
ok "it has its locks" within said busy '^ready'
sb pause n1 corosync
tell busy go
ok "Corosync stands still: it is answered all the same" within said busy '^asked'
diag "$(cat "$tmp/busy.out")"
sb resume n1 corosync
tell busy go
ok "what was accepted is completed when it goes on" within ended busy
diag "$(cat "$tmp/busy.out")"
ok "every call was answered as the tables say" said busy '^[0-9]+ checks, 0 failed'
done_testing
