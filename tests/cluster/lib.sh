# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For the tests on a real sandbox: TAP output, one sandbox per test file, its logs when
# something fails, nothing left behind.  A test file begins with
#	. "${0%/*}/lib.sh"
# and ends with done_testing.  Skips are exit 77 with a reason.
#
# No test asserts a duration.  within() polls with a limit that is only there so that a test
# ends; measured times are printed as comments.
set -u
export LC_ALL=C

test_name=$(basename "$0" .sh)
srcdir=$(cd "${0%/*}/../.." && pwd)
sandbox=${LOCKSTEP_SANDBOX_PROGRAM:-$srcdir/tools/sandbox/lockstep-sandbox}
LOCKSTEP_SANDBOX=$test_name-$$
export LOCKSTEP_SANDBOX
tmp=$(mktemp -d "${TMPDIR:-/tmp}/$test_name.XXXXXX")
# A slow machine needs more; nothing is waited for longer than needed.
patience=${LOCKSTEP_TEST_PATIENCE:-60}

test_count=0
test_failed=0

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# Invoked by the trap.
# shellcheck disable=SC2317
cleanup() {
	cleanup_rc=$?
	trap '' EXIT INT TERM HUP PIPE
	if [ "$test_failed" -gt 0 ] && [ -n "${LOCKSTEP_TEST_LOGS:-}" ]; then
		mkdir -p "$LOCKSTEP_TEST_LOGS/$test_name"
		# Not the pipes, which nobody writes to any more.
		find "$tmp" -type f -exec cp -t "$LOCKSTEP_TEST_LOGS/$test_name" {} +
		for cleanup_n in 1 2 3 4 5 6 7 8; do
			"$sandbox" logs "$cleanup_n" >"$LOCKSTEP_TEST_LOGS/$test_name/n$cleanup_n.log" 2>/dev/null
		done
		diag "logs: $LOCKSTEP_TEST_LOGS/$test_name"
	fi
	"$sandbox" down
	rm -rf "$tmp"
	exit "$cleanup_rc"
}
trap cleanup EXIT
trap 'test_failed=1; exit 130' INT TERM HUP PIPE

skip_all() {
	echo "1..0 # SKIP $*"
	exit 77
}

# The machine has one device-mapper, and two tests that pretend to have it.
lvm_alone() {
	exec 8>"${TMPDIR:-/tmp}/lockstep-test-lvm.lock"
	flock 8
}

bail() {
	echo "Bail out! $*"
	test_failed=1
	exit 1
}

# ok WHAT COMMAND...: one test point.
ok() {
	ok_what=$1
	shift
	test_count=$((test_count + 1))
	"$@" >"$tmp/ok.out" 2>&1
	ok_rc=$?
	if [ "$ok_rc" = 0 ]; then
		echo "ok $test_count - $ok_what"
	else
		echo "not ok $test_count - $ok_what"
		diag "$* (exit $ok_rc)"
		diag "$(tail -n 20 "$tmp/ok.out")"
		test_failed=$((test_failed + 1))
		return 1
	fi
}

not() {
	! "$@"
}

done_testing() {
	echo "1..$test_count"
	[ "$test_failed" = 0 ] || exit 1
	exit 0
}

# within COMMAND...: true as soon as it is.
within() {
	within_end=$(($(date +%s) + patience))
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s)" -gt "$within_end" ]; then
			echo "still not after $patience s: $*"
			"$@"
			return 1
		fi
		sleep 0.05
	done
}

# ------------------------------------------------------------------------------ sandbox

sb() {
	"$sandbox" "$@"
}

on() { # NODE COMMAND...
	"$sandbox" exec "$@"
}

# shellcheck disable=SC2120
sandbox_up() {
	su_reason=$("$sandbox" check) || skip_all "no sandbox on this machine: ${su_reason#no: }"
	su_start=$(now_ms)
	"$sandbox" up "$@" >"$tmp/up.out" 2>&1
	case $? in
	0) diag "up $*: $(($(now_ms) - su_start)) ms" ;;
	77) skip_all "$(tail -n 1 "$tmp/up.out")" ;;
	*)
		diag "$(cat "$tmp/up.out")"
		bail "the sandbox does not start"
		;;
	esac
}

need_lockstep() {
	(
		PATH=${LOCKSTEP_PREFIX:+$LOCKSTEP_PREFIX/sbin:$LOCKSTEP_PREFIX/bin:}${LOCKSTEP_BUILD:+$LOCKSTEP_BUILD:}$PATH
		command -v lockstepd && command -v lockstep
	) >/dev/null || skip_all "lockstepd is not there; set LOCKSTEP_PREFIX"
}

quorate() { # NODE
	on "$1" corosync-quorumtool -s | grep -q '^Quorate: *Yes'
}

not_quorate() { # NODE
	on "$1" corosync-quorumtool -s | grep -q '^Quorate: *No'
}

sees_nodes() { # NODE COUNT
	on "$1" corosync-quorumtool -s | grep -q "^Nodes: *$2\$"
}

# ------------------------------------------------------------------------------ lockstep

# lockstep_conf ON_LOST [LINE...]: the sandbox's settings with others, for
#	sandbox_up --lockstep-conf "$tmp/lockstep.conf"
lockstep_conf() {
	lc_lost=$1
	shift
	cat >"$tmp/lockstep.conf" <<-END
	[daemon]
	realtime = no
	lock_memory = no
	on_lost = $lc_lost
	log_file = /var/log/lockstepd.log
	syslog = no
	run_dir = /run/lockstep
	state_dir = /var/lib/lockstep
	END
	[ $# = 0 ] || printf '%s\n' "$@" >>"$tmp/lockstep.conf"
}

status_is() { # STATUS COMMAND...
	si_want=$1
	shift
	"$@"
	si_got=$?
	[ "$si_got" = "$si_want" ] || {
		echo "exit status $si_got, not $si_want"
		return 1
	}
}

free() { # NODE NAME
	on "$1" lockstep run -n "$2" -- true
}

summary_has() { # NODE PATTERN
	on "$1" lockstep status --summary | grep -Eq -e "$2"
}

healthy() { # NODE
	on "$1" lockstep status
}

# A line of the table of locks that has both words.
lock_listed() { # NODE NAME PATTERN [OPTION...]
	ll_node=$1
	ll_name=$2
	ll_pattern=$3
	shift 3
	on "$ll_node" lockstep locks "$@" | grep -F -e "$ll_name" | grep -Eq -e "$ll_pattern"
}

# The three replicas are equal: same sequence number, same digest.
digests_agree() {
	for da in 1 2 3; do
		on "$da" lockstep digest >"$tmp/digest.$da" || return 1
	done
	cat "$tmp"/digest.?
	cmp "$tmp/digest.1" "$tmp/digest.2" && cmp "$tmp/digest.2" "$tmp/digest.3"
}

# Words of a daemon's log.
logged() { # NODE PATTERN
	sb logs "$1" lockstepd | grep -Eq -e "$2"
}

# A job for lockstep run that proves that nobody else does it at the same time: flock(2) works
# across the nodes, as they share the machine's kernel and /tmp, and lasts exactly as long as the
# last process of the job.  It ends with 99 when there is another one.
alone=$tmp/do-alone
printf '#!/bin/sh\nexec flock -n -E 99 %s "$@"\n' "$tmp/alone" >"$alone"
chmod +x "$alone"

# ------------------------------------------------------------- programs in the background

# start KEY NODE COMMAND...: in the background, output in $tmp/KEY.out, exit status in
# $tmp/KEY.rc, and lines for its standard input through tell.  The pipe is opened for
# reading and writing, so it has no end of file.
start() {
	start_key=$1
	shift
	rm -f "$tmp/$start_key".*
	mkfifo "$tmp/$start_key.in"
	{
		"$sandbox" exec "$@" 0<>"$tmp/$start_key.in" >"$tmp/$start_key.out" 2>&1
		echo $? >"$tmp/$start_key.rc.new"
		mv "$tmp/$start_key.rc.new" "$tmp/$start_key.rc"
	} &
}

tell() { # KEY LINE
	printf '%s\n' "$2" >"$tmp/$1.in"
}

said() { # KEY PATTERN
	grep -Eq -e "$2" "$tmp/$1.out"
}

ended() { # KEY [STATUS_PATTERN]
	grep -Eqx -e "${2:-.*}" "$tmp/$1.rc"
}

# start_stoppable KEY NODE COMMAND...: as start, for a program that is stopped later: nsenter would stop itself together with
# a child of its own.
start_stoppable() {
	ss_key=$1
	ss_node=$2
	shift 2
	# shellcheck disable=SC2016
	start "$ss_key" "$ss_node" sh -c 'exec 3<&0; "$@" <&3 & wait $!' sh "$@"
}

# The example that holds a lock with a value block.  Sets holder.
need_holder() {
	nh_prefix=${LOCKSTEP_PREFIX:-/usr}
	for holder in "${LOCKSTEP_HOLDER:-}" "${LOCKSTEP_BUILD:+$LOCKSTEP_BUILD/lvb-holder}" \
		"$nh_prefix/libexec/lockstep/lvb-holder"; do
		[ ! -x "$holder" ] || return 0
	done
	holder=$tmp/lvb-holder
	"${CC:-cc}" "-I$nh_prefix/include" "-L$nh_prefix/lib" "-Wl,-rpath,$nh_prefix/lib" \
		-o "$holder" "$srcdir/examples/lvb-holder.c" -llockstep >"$tmp/cc.out" 2>&1 ||
		bail "the example lvb-holder cannot be built: $(tail -n 1 "$tmp/cc.out")"
}
