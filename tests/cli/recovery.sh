#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lockstep recovery watch against a real daemon that stands alone: what it writes, how it ends. That members fail is in
# tests/cluster/t-recovery-callbacks.sh.
# shellcheck disable=SC1091,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
daemon_start
lockstep=$top_builddir/lockstep

status "help" 0 lockstep recovery --help
says "is about recovery" '^usage: lockstep recovery watch'
status "no verb of it" 2 lockstep recovery
status "no such verb of it" 2 lockstep recovery listen default
status "too much" 2 lockstep recovery watch default more
status "no number" 2 lockstep recovery watch -n 0
status "no seconds" 2 lockstep recovery watch --hold x
status "no such lockspace" 1 lockstep recovery watch nowhere
status "no daemon" 3 lockstep --ipc-name "nobody-$$" recovery watch
status "the last recovery" 0 lockstep recovery watch -n 1 default
says "this node alone" '^done generation 1 own slot 1 slots 1:1$'
status "as JSON" 0 lockstep recovery watch -n 1 --json -s default
says "the same" '"event":"done","generation":1,"own_slot":1,"slots":\[\{"nodeid":1,"slot":1\}\]'
start watch "$lockstep" recovery watch
within test -s "$tmp/watch.out"
daemon_kill
ok "the daemon is gone: it ends" within ended watch 76
daemon_start "recovery_callbacks = no"
status "where they are off" 1 lockstep recovery watch default
complains "and why" 'turned off'
done_testing
