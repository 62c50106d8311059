# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For the tests of lockstep(1) and liblockstep against a real lockstepd that stands alone: no cluster,
# no privileges. A test sources this file with
#	. "${top_srcdir:-.}/tests/cli/lib.sh"
# calls daemon_start, then ok or status for each thing it shows, and ends with done_testing.
# Nothing is timed: within() polls, with a limit that is only there so that a broken test ends.
set -u
LC_ALL=C
export LC_ALL
unset LOCKSTEP_LOCKSPACE LOCKSTEP_TOKEN LOCKSTEP_NAME

top_builddir=${top_builddir:-.}
patience=${LOCKSTEP_TEST_PATIENCE:-60}
test_name=$(basename "$0" .sh)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-$test_name.XXXXXX") || exit 1
LOCKSTEP_IPC_NAME=$test_name-$$
export LOCKSTEP_IPC_NAME
daemon_pid=
count=0
failed=0

started_kill() {
	for cleanup_file in "$tmp"/*.pid; do
		[ -e "$cleanup_file" ] || continue
		kill -KILL "$(cat "$cleanup_file")" 2>/dev/null
	done
}

# A test that is killed cannot clean up: its watcher does, as soon as it sees that.
watcher_run() {
	trap - EXIT INT TERM HUP
	while kill -0 $$ 2>/dev/null; do
		sleep 1
	done
	watched_pid=$(cat "$tmp/daemon.pid" 2>/dev/null)
	started_kill
	[ -z "$watched_pid" ] || rm -rf "/dev/shm/qb-$watched_pid-"* "/dev/shm/qb-lockstepd-$watched_pid-"*
	rm -rf "$tmp"
}

# Invoked by the trap.
# shellcheck disable=SC2317
cleanup() {
	cleanup_rc=$?
	trap '' EXIT INT TERM HUP
	kill -KILL "$watcher_pid" 2>/dev/null
	if [ -n "$daemon_pid" ]; then
		kill -KILL "$daemon_pid" 2>/dev/null
		rm -rf "/dev/shm/qb-$daemon_pid-"* "/dev/shm/qb-lockstepd-$daemon_pid-"*
	fi
	started_kill
	wait
	if [ "$cleanup_rc" != 0 ] && [ "$cleanup_rc" != 77 ] && [ -e "$tmp/daemon.log" ]; then
		sed 's/^/# lockstepd: /' "$tmp/daemon.log" | tail -n 40
	fi
	rm -rf "$tmp"
	exit "$cleanup_rc"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
watcher_run </dev/null >/dev/null 2>&1 &
watcher_pid=$!

skip() {
	echo "skipped: $*"
	exit 77
}

for program in lockstepd lockstep; do
	[ -x "$top_builddir/$program" ] || skip "$program is not built"
done

lockstep() {
	"$top_builddir/lockstep" "$@"
}

answers() {
	lockstep status >/dev/null 2>&1
}

# daemon_start [CONFIGURATION_LINE...]: a daemon that was killed is started by calling this again.
daemon_start() {
	cat >"$tmp/lockstep.conf" <<-END
	[daemon]
	ipc_name = $LOCKSTEP_IPC_NAME
	realtime = no
	lock_memory = no
	on_lost = kill
	syslog = no
	run_dir = $tmp
	state_dir = $tmp
	END
	[ $# = 0 ] || printf '%s\n' "$@" >>"$tmp/lockstep.conf"
	"$top_builddir/lockstepd" --standalone --foreground --config "$tmp/lockstep.conf" >>"$tmp/daemon.log" 2>&1 &
	daemon_pid=$!
	echo "$daemon_pid" >"$tmp/daemon.pid"
	within answers || exit 1
}

daemon_kill() {
	rm -f "$tmp/daemon.pid"
	kill -KILL "$daemon_pid"
	wait "$daemon_pid" 2>/dev/null
	rm -rf "/dev/shm/qb-$daemon_pid-"* "/dev/shm/qb-lockstepd-$daemon_pid-"*
	daemon_pid=
}

# within COMMAND...: true as soon as it is
within() {
	within_end=$(($(date +%s) + patience))
	until "$@"; do
		if [ "$(date +%s)" -gt "$within_end" ]; then
			echo "# still not after $patience s: $*"
			return 1
		fi
		sleep 0.02
	done
}

result() { # RC WHAT
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failed=$((failed + 1))
	fi
}

# ok WHAT COMMAND...
ok() {
	ok_what=$1
	shift
	"$@" >"$tmp/ok.out" 2>&1
	ok_rc=$?
	result "$ok_rc" "$ok_what"
	[ "$ok_rc" = 0 ] || { echo "# $* (exit $ok_rc)"; sed 's/^/# /' "$tmp/ok.out"; }
}

not() {
	! "$@"
}

# status WHAT STATUS COMMAND...: its output is in $tmp/out and $tmp/err
status() {
	status_what=$1
	status_want=$2
	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status_got=$?
	if [ "$status_got" = "$status_want" ]; then
		result 0 "$status_what"
	else
		result 1 "$status_what"
		echo "# $*: exit $status_got, not $status_want"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

# says WHAT PATTERN: the last status command said so
says() {
	if grep -Eq -e "$2" "$tmp/out"; then
		result 0 "$1"
	else
		result 1 "$1"
		echo "# no line matches $2:"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

# complains WHAT PATTERN: the same for its standard error
complains() {
	if grep -Eq -e "$2" "$tmp/err"; then
		result 0 "$1"
	else
		result 1 "$1"
		echo "# no line of standard error matches $2:"
		sed 's/^/# /' "$tmp/err"
	fi
}

# start KEY COMMAND...: in the background; output in $tmp/KEY.out and KEY.err, exit status in KEY.rc,
# its pid in KEY.pid.
start() {
	start_key=$1
	shift
	rm -f "$tmp/$start_key".*
	(
		# A shell's background jobs ignore these two.
		env --default-signal=INT,QUIT "$@" >"$tmp/$start_key.out" 2>"$tmp/$start_key.err" </dev/null &
		echo $! >"$tmp/$start_key.pid"
		wait $!
		start_rc=$?
		rm -f "$tmp/$start_key.pid"
		echo "$start_rc" >"$tmp/$start_key.rc"
	) &
	within test -e "$tmp/$start_key.pid" -o -e "$tmp/$start_key.rc"
}

said() { # KEY PATTERN
	grep -Eq -e "$2" "$tmp/$1.out"
}

ended() { # KEY [STATUS]
	[ -s "$tmp/$1.rc" ] && { [ $# = 1 ] || [ "$(cat "$tmp/$1.rc")" = "$2" ]; }
}

signal() { # SIGNAL KEY
	kill "-$1" "$(cat "$tmp/$2.pid")"
}

# A process that runs; one that is dead and not yet reaped does not.
alive() { # PID
	[ -e "/proc/$1/stat" ] && ! grep -Eq '^[0-9]+ \(.*\) [ZX] ' "/proc/$1/stat" 2>/dev/null
}

free() { # NAME
	lockstep run -n "$1" -- true 2>/dev/null
}

done_testing() {
	echo "1..$count"
	[ "$failed" = 0 ] || exit 1
	exit 0
}
