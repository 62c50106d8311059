#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test_recovery, the library's tests of recovery callbacks, on a daemon that has them and on one that has them off.
# shellcheck disable=SC1091,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
program=$top_builddir/tests/lib/test_recovery
[ -x "$program" ] || skip "test_recovery is not built (cmocka)"
daemon_start "recovery_callbacks = no"
"$program" off
rc=$?
daemon_kill 2>/dev/null
daemon_start
"$program" on || rc=1
daemon_kill 2>/dev/null
exit "$rc"
