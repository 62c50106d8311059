#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The same tests as client.sh, through the socket file: the other transport carries the same messages.
# shellcheck disable=SC1091,SC2034,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
program=$top_builddir/tests/lib/test_client
[ -x "$program" ] || skip "test_client is not built (cmocka)"
daemon_start "socket = $tmp/sock"
DAEMON_PID=$daemon_pid
export DAEMON_PID
LOCKSTEP_IPC_NAME=$tmp/sock
"$program"
rc=$?
daemon_kill 2>/dev/null
exit "$rc"
