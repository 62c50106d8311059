#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test_calls, tests of single calls of the library, and gives it a daemon.
# shellcheck disable=SC1091,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
program=$top_builddir/tests/lib/test_calls
[ -x "$program" ] || skip "test_calls is not built (cmocka)"
daemon_start
DAEMON_PID=$daemon_pid
export DAEMON_PID
"$program"
