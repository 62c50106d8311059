#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test_client, the library's tests that need a daemon, and gives it one to use up.
# shellcheck disable=SC1091,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
program=$top_builddir/tests/lib/test_client
[ -x "$program" ] || skip "test_client is not built (cmocka)"
daemon_start
DAEMON_PID=$daemon_pid
export DAEMON_PID
"$program"
rc=$?
daemon_kill 2>/dev/null
exit "$rc"
