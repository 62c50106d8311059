#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs test_timing, the statistics of liblockstep, and gives it a daemon; then what lockstep stats --timing makes of them.
# shellcheck disable=SC1091,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
program=$top_builddir/tests/lib/test_timing
[ -x "$program" ] || skip "test_timing is not built (cmocka)"
[ -w /dev/shm ] || skip "no /dev/shm"
daemon_start
ok "the library" "$program"
sed 's/^/# /' "$tmp/ok.out"
start timed env LOCKSTEP_TIMING=1 "$top_builddir/lockstep" run job/7 -- sleep 1000
timed() {
	status=0
	lockstep stats --timing >"$tmp/timing" 2>&1 || status=$?
	[ "$status" = 0 ] && grep -q "^lockstep (pid $(cat "$tmp/timed.pid")), lockspace default, class job\$" "$tmp/timing"
}
ok "a program that was asked by its environment is shown" within timed
status "stats --timing" 0 lockstep stats --timing
says "with its requests" '^  requests [1-9][0-9]*, queued now 0$'
says "and a histogram" '^  < +[0-9]+ us +[0-9]+ #+$'
status "as JSON" 0 lockstep stats --timing --json
says "too" '"class": *"job"'
odd=$tmp/$(printf 'o\377')
ln -s "$(cd "$top_builddir" && pwd)/.libs/lockstep" "$odd"
start odd env LD_LIBRARY_PATH="$top_builddir/.libs" LOCKSTEP_TIMING=1 "$odd" run odd/7 -- sleep 1000
odd() {
	lockstep stats --timing --json >"$tmp/odd.json" && grep -aq '"comm": *"o\\\\xff"' "$tmp/odd.json"
}
ok "also a program whose name is no text" within odd
ok "so that it is JSON" iconv -f UTF-8 -t UTF-8 "$tmp/odd.json"
signal KILL odd
within ended odd
signal KILL timed
within ended timed
pid=$(sed -n 's/.*pid \([0-9]*\).*/\1/p' "$tmp/timing" | head -n 1)
gone() {
	! lockstep stats --timing | grep -q "pid $pid)"
}
ok "one that was killed is not shown any more" within gone
ok "and its file is removed" test ! -e "/dev/shm/lockstep-timing-$pid-0"
done_testing
