#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lockstep run against a real daemon: exit codes, arguments, environment, waiting and not waiting,
# signals, the terminal, and above all what becomes of command and lock when one of the two, or the
# daemon, is killed.
# shellcheck disable=SC1003,SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"
daemon_start
lockstep=$top_builddir/lockstep

# --- exit codes
status "the command's success" 0 lockstep run a -- true
status "the command's status" 7 lockstep run a -- sh -c 'exit 7'
status "the command's signal" 143 lockstep run a -- sh -c 'kill -TERM $$'
status "no such command" 127 lockstep run a -- /nonexistent
status "a command that is no program" 126 lockstep run a -- /etc/passwd
status "NAME is missing" 2 lockstep run
status "COMMAND is missing" 2 lockstep run a --
status "the -- is missing" 2 lockstep run a true
status "no mode" 2 lockstep run -m XX a -- true
status "no number" 2 lockstep run -w x a -- true
status "a negative number" 2 lockstep run -w -1 a -- true
status "-n and -w" 2 lockstep run -n -w 1 a -- true
status "a name too long" 2 lockstep run "$(printf '%065d' 0)" -- true
status "a bad escape" 2 lockstep run 'a\q' -- true
status "no such option" 2 lockstep run --nonsense a -- true
status "no such lockspace" 1 lockstep run -s nowhere a -- true
complains "which says what to do" 'lockspace create nowhere'
status "no daemon" 3 lockstep --ipc-name "nobody-$$" run a -- true
status "no daemon, the other way round" 3 lockstep run --ipc-name "nobody-$$" a -- true
status "help" 0 lockstep run --help
says "is about run" '^usage: lockstep run'

# --- what the command gets
status "arguments are not touched" 0 lockstep run a -- printf '<%s>' -n -w 'x y' '' --
says "not one" '^<-n><-w><x y><><-->$'
status "environment" 0 lockstep run 'b\x20\\' -- sh -c 'printf "%s\n" "$LOCKSTEP_TOKEN|$LOCKSTEP_NAME|$LOCKSTEP_LOCKSPACE"'
says "token, name and lockspace" '^[1-9][0-9]*\|b\\x20\\\\\|default$'
first=$(lockstep run a -- sh -c 'echo $LOCKSTEP_TOKEN')
second=$(lockstep run a -- sh -c 'echo $LOCKSTEP_TOKEN')
ok "the token grows" [ "$second" -gt "$first" ]
ok "standard input goes in" [ "$(echo through | "$lockstep" run a -- cat)" = through ]
ok "the empty name is a name" lockstep run '' -- true
ok "so is one of 64 bytes" lockstep run "$(printf '%064d' 0)" -- true
ok "and one of bytes that are no text" lockstep run '\x00\xff\x0a' -- true
group=$(lockstep run a -- sh -c 'cut -d" " -f5 /proc/$$/stat')
ok "a process group of its own" [ "$group" != "$(cut -d' ' -f5 /proc/$$/stat)" ]
# Which descriptors: ours here, and one more, the session's.
# shellcheck disable=SC2012
here=$(ls /proc/self/fd | wc -l)
ok "no descriptor but the session's" [ "$(lockstep run a -- ls /proc/self/fd | wc -l)" = $((here + 1)) ]
(trap '' HUP; lockstep run a -- sh -c 'kill -HUP $$; echo survived') >"$tmp/hup"
ok "an ignored signal stays ignored" grep -q survived "$tmp/hup"
ok "the signal mask is the caller's" [ "$(lockstep run a -- grep SigBlk /proc/self/status)" = "$(grep SigBlk /proc/self/status)" ]

# --- waiting
start hold "$lockstep" run a -- sleep 1000
within not free a
status "-n on a held lock" 75 lockstep run -n a -- echo wrong
ok "runs nothing" not grep -q wrong "$tmp/out"
status "-w on a held lock" 75 lockstep run -w 0.1 a -- echo wrong
complains "says that it timed out" 'not acquired: timed out'
status "-w 0 is -n" 75 lockstep run -w 0 a -- echo wrong
status "another lock is free" 0 lockstep run -n b -- true
status "a compatible mode is, too" 0 lockstep run -n -m NL a -- true
start wait "$lockstep" run -v a -- echo granted
within grep -q 'held in mode EX by lockstep (pid' "$tmp/wait.err"
ok "-v says who holds it" grep -q 'waiting for lock a' "$tmp/wait.err"
start int "$lockstep" run -v a -- echo wrong
waiters() {
	[ "$(lockstep locks a | grep -c ' waiting ')" = "$1" ]
}
within waiters 2
ok "and how many wait before" within grep -q "1 waits before this one" "$tmp/int.err"
signal INT int
ok "a signal ends the wait" within ended int 130
ok "and its request" within waiters 1
signal TERM hold
ok "the holder gets a signal" within ended hold 143
ok "the waiter gets the lock" within ended wait 0
ok "and runs" said wait granted
start shared "$lockstep" run -m PR a -- sleep 1000
within not free a
status "shared with shared" 0 lockstep run -n -m PR a -- true
signal TERM shared
within ended shared

# --- signals
for s in TERM INT HUP QUIT USR1 USR2; do
	start sig "$lockstep" run a -- sh -c "trap 'echo got; exit 9' $s; echo ready; while :; do sleep 0.02; done"
	within said sig ready
	signal $s sig
	ok "SIG$s is passed on" within ended sig 9
	ok "and was caught" said sig got
done
stopped() { # PID
	grep -Eq '^[0-9]+ \(.*\) T ' "/proc/$1/stat"
}
# No loop: a shell whose child is stopped between vfork and exec is not stopped itself.
start stop "$lockstep" run a -- sh -c 'echo $$; exec sleep 1000'
within said stop '[0-9]'
signal TSTP stop
ok "SIGTSTP stops the command" within stopped "$(cat "$tmp/stop.out")"
signal CONT stop
ok "SIGCONT continues it" within not stopped "$(cat "$tmp/stop.out")"
signal TERM stop
within ended stop

# --- the end of the command
start left "$lockstep" run a -- sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!'
ok "a process left behind keeps nobody" within ended left 0
left=$(cat "$tmp/left.out")
ok "it runs on" alive "$left"
ok "the lock is free" free a
kill "$left"

# --- lockstep run is killed
start killed "$lockstep" run a -- sh -c 'sleep 1000 & echo $$ $!; wait'
within said killed '[0-9]+ [0-9]+'
read -r command background <"$tmp/killed.out"
signal KILL killed
ok "the command dies with lockstep run" within not alive "$command"
ok "and so does what it started" within not alive "$background"
ok "then the lock is free" within free a
start killed "$lockstep" run a -- sh -c 'setsid sleep 1000 & echo $! >"$1"; wait' sh "$tmp/escaped"
within test -s "$tmp/escaped"
escaped=$(cat "$tmp/escaped")
cp "$tmp/escaped" "$tmp/escaped.pid"
signal KILL killed
within ended killed 137
ok "a process that has left the group lives on" alive "$escaped"
status "and keeps the lock" 75 lockstep run -w 0.5 a -- true
kill "$escaped"
ok "until it is gone" within free a
rm "$tmp/escaped.pid"

# --- the terminal
if command -v script >/dev/null; then
	script -qec "'$lockstep' run a -- sh -c 'cut -d\" \" -f5,8 /proc/\$\$/stat'" /dev/null </dev/null >"$tmp/tty.out"
	# shellcheck disable=SC2046
	set -- $(tr -d '\r' <"$tmp/tty.out")
	ok "the terminal is the command's" [ "$1" = "$2" ]
	# Whoever runs this in the background has these two ignored.
	(
		within test -e "$tmp/ready"
		printf '\003'
		within test -e "$tmp/interrupted"
	) | env --default-signal=INT,QUIT script -qec "'$lockstep' run a -- sh -c 'echo >$tmp/ready; exec sleep 1000'; echo \$? >$tmp/interrupted" /dev/null >/dev/null
	ok "control-C ends it" [ "$(cat "$tmp/interrupted")" = 130 ]
else
	echo "# script(1) is not there: nothing was tried on a terminal"
fi

# --- the daemon is killed: the lock is lost
start lost "$lockstep" run a -- sh -c 'trap "" TERM INT HUP; sleep 1000 & echo $$ $!; wait'
within said lost '[0-9]+ [0-9]+'
read -r command background <"$tmp/lost.out"
start waiting "$lockstep" run a -- echo wrong
within waiters 1
daemon_kill
ok "a lost lock is exit 76" within ended lost 76
ok "the command is dead" not alive "$command"
ok "and so is what it started" within not alive "$background"
ok "why is said" grep -q 'lock a is lost' "$tmp/lost.err"
ok "who waited did not get it" within ended waiting 75
daemon_start
ok "the next daemon's lock is free" within free a
done_testing
