#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test_coordinator_api, the coordinator for programs on one node, and gives it a daemon to use up.
# shellcheck disable=SC1091,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
program=$top_builddir/tests/lib/test_coordinator_api
[ -x "$program" ] || skip "test_coordinator_api is not built (cmocka)"
daemon_start
DAEMON_PID=$daemon_pid
export DAEMON_PID
"$program"
rc=$?
daemon_kill 2>/dev/null
exit "$rc"
