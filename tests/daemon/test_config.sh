#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that lockstepd --check-config accepts every documented key and names file and line of everything that is wrong:
# unknown and repeated groups and keys, bad values, text that is neither.
set -eu
lockstepd=${top_builddir:-.}/lockstepd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
conf=$work/c
failed=0

complain() {
	echo "$1"
	failed=1
}

# accepted TEXT
accepted() {
	printf '%b' "$1" >"$conf"
	"$lockstepd" --check-config --config "$conf" >"$work/out" 2>&1 ||
		complain "should be accepted: $1: $(cat "$work/out")"
}

# refused TEXT LINE WORDS: exit 1 and a message that names the line and holds the words
refused() {
	printf '%b' "$1" >"$conf"
	rc=0
	"$lockstepd" --check-config --config "$conf" >"$work/out" 2>&1 || rc=$?
	[ "$rc" = 1 ] || complain "should be refused with 1, not $rc: $1"
	grep -q "^$conf:$2: .*$3" "$work/out" ||
		complain "no message about line $2 with '$3' for: $1: $(cat "$work/out")"
}

accepted ''
accepted '# only a comment\n\n'
accepted '[daemon]\n'
accepted '[daemon]\nipc_name=a.b-c_1\nipc_group=haclient\nlog_file=/tmp/x\nlog_level=trace\nsyslog=no\nblackbox_bytes=0\n'
accepted '[daemon]\nstate_dir = /a\nrun_dir = /b\nlockspaces = a b\trealname\nrealtime = yes\nlock_memory = no\non_lost = kill\n'
accepted '[daemon]\nnodeid=7\nsession_locks_max=1\nsession_events_max=1\nsessions_max=1\nspaces_max=64\n'
accepted '[daemon]\nwindow_messages=64\nbatch_bytes=8192\nlockspaces=\n'
accepted '[daemon]\nsocket = /run/lockstep/sock\nsocket_group = haclient\nsocket_mode = 0666\nsocket_only = yes\nsession_backlog_bytes = 65536\n'
accepted '[daemon]\nfencing = none\nlost_timeout_ms = 20000\non_lost = reboot\n'
accepted '[daemon]\nfencing = pacemaker\nrequest_fencing = no\nstartup_fencing = yes\nfencing_confirmed = no\nfence_action = off\n'
accepted '[daemon]\nfencing = manual\nfence_timeout_s = 60\npost_join_delay_ms = 0\nrequest_delay_ms = 0\n'

refused '[daemon]\nrealtim = no\n' 2 "unknown key 'realtim'"
refused '[daemon]\n\nrealtime = no\nsyslog = no\nrealtime = yes\n' 5 'repeated (first in line 3)'
refused '[daemon]\n[daemon]\n' 2 'repeated (first in line 1)'
refused '[deamon]\n' 1 'unknown group .deamon.'
refused '[daemon\n' 1 'does not end'
refused 'realtime = no\n' 1 'before the first group'
refused '[daemon]\nrealtime\n' 2 'neither'
refused '[daemon]\nrealtime = maybe\n' 2 'neither yes nor no'
refused '[daemon]\non_lost = sleep\n' 2 'none of fence, kill, reboot'
refused '[daemon]\nfencing = none\n' 2 'needs on_lost = kill'
refused '[daemon]\nfencing = sometimes\n' 2 'none of pacemaker, manual, none'
refused '[daemon]\nfence_action = on\n' 2 'neither off nor reboot'
refused '[daemon]\nlost_timeout_ms = 5\n' 2 'from 1000'
refused '[daemon]\nnodeid = 0\n' 2 'not a number from 1'
refused '[daemon]\nnodeid = 1x\n' 2 'not a number'
refused '[daemon]\nnodeid = -1\n' 2 'not a number'
refused '[daemon]\nspaces_max = 65\n' 2 'from 1 to 64'
refused '[daemon]\nlog_level = loud\n' 2 'none of'
refused '[daemon]\nlog_file = log\n' 2 'absolute path'
refused '[daemon]\nipc_name = a/b\n' 2 'is not 1 to 64'
refused '[daemon]\nsocket = lockstep.sock\n' 2 'absolute path'
refused '[daemon]\nsocket_mode = 0668\n' 2 'octal'
refused '[daemon]\nsocket_mode = 1777\n' 2 'up to 777'
refused '[daemon]\nlockspaces = a a\n' 2 'named twice'
refused '[daemon]\nlockspaces = a ..\n' 2 'no lockspace name'
refused '[daemon]\nlockspaces = a/b\n' 2 'no lockspace name'
refused '[daemon]\nbad = 1\nworse = 2\n' 2 "'bad'"
refused '[daemon]\nbad = 1\nworse = 2\n' 3 "'worse'"

# The access file is read as well, and what is wrong with it named in the same way.
access=$work/access

# rules TEXT [LINE WORDS]: accepted, or a message about that line
rules() {
	printf '%b' "$1" >"$access"
	printf '[daemon]\naccess_file = %s\n' "$access" >"$conf"
	rc=0
	"$lockstepd" --check-config --config "$conf" >"$work/out" 2>&1 || rc=$?
	if [ $# = 1 ]; then
		[ "$rc" = 0 ] || complain "rules should be accepted: $1: $(cat "$work/out")"
	elif [ "$rc" != 1 ] || ! grep -q "^$access:$2: .*$3" "$work/out"; then
		complain "no message about line $2 of the rules with '$3' for: $1: $(cat "$work/out")"
	fi
}

rules ''
rules '# comment\n \n\tallow\t*   *  all\nallow user:root a?[bc]* lock,view\nallow group:root * create\ndeny gid:7 * admin'
rules 'permit * * all\n' 1 'neither allow nor deny'
rules 'allow * *\n' 1 'expected'
rules 'allow * * lock extra\n' 1 'expected'
rules '\nallow root * lock\n' 2 'none of user:NAME'
rules 'allow user:no-such-user-here * lock\n' 1 'no user .no-such-user-here'
rules 'allow group:no-such-group-here * lock\n' 1 'no group'
rules 'allow uid:-1 * lock\n' 1 'not a number'
rules 'allow uid:4294967295 * lock\n' 1 'not a number'
rules 'allow * * lock,\n' 1 'none of view'
rules 'allow * * lock\nallow * * loc\nallow x * lock\n' 3 'none of user:NAME'
printf '[daemon]\naccess_file = %s/none\n' "$work" >"$conf"
if "$lockstepd" --check-config --config "$conf" >"$work/out" 2>&1 || ! grep -q "$work/none" "$work/out"; then
	complain "an access file that is not there should be named: $(cat "$work/out")"
fi

# Two faults of other kinds: a file that is not there, a NUL byte.
rc=0
"$lockstepd" --check-config --config "$work/none" >"$work/out" 2>&1 || rc=$?
if [ "$rc" != 1 ] || ! grep -q "$work/none" "$work/out"; then
	complain "a missing --config file should be named: $(cat "$work/out")"
fi
printf '[daemon]\nsyslog=no\000\n' >"$conf"
if "$lockstepd" --check-config --config "$conf" >"$work/out" 2>&1; then
	complain "a NUL byte should be refused"
fi

# An option that does not exist, an argument too many, a bad IPC name.
for arguments in --frobnicate extra '--ipc-name=a/b'; do
	if "$lockstepd" "$arguments" --check-config >"$work/out" 2>&1; then
		complain "should be refused: $arguments"
	fi
done
"$lockstepd" --version | grep -q '^lockstepd [0-9]' || complain "--version"
"$lockstepd" --help | grep -q -- '--standalone' || complain "--help"
exit "$failed"
