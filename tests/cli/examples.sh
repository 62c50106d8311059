#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The examples do what their head comments say, against a real daemon: leader, work-queue, config-cache, cron-once.
# shellcheck disable=SC1003,SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"
daemon_start
source=${top_srcdir:-.}
PATH=$(cd "$top_builddir" && pwd):$PATH
export PATH

# --- leader: one leads, the next waits, and hears who led before
start first "$top_builddir/leader" lead 1000
within said first '^leading with token [0-9]'
start second "$top_builddir/leader" lead 0
ok "the leader hears of the candidate" within said first 'somebody waits'
ok "who does not lead meanwhile" not said second leading
signal KILL first
ok "and leads when the leader is dead" within said second '^leading with token'
ok "for its time" within ended second 0

# --- work-queue: each job once, and no result of an old token
mkdir "$tmp/spool"
for job in 1 2 3 4 5 6 7 8 9; do
	echo "text $job" >"$tmp/spool/$job.job"
done
start worker-1 "$top_builddir/work-queue" "$tmp/spool"
start worker-2 "$top_builddir/work-queue" "$tmp/spool"
ok "a worker ends" within ended worker-1 0
ok "so does another" within ended worker-2 0
ok "each job was done once" [ "$(cat "$tmp/worker-1.out" "$tmp/worker-2.out" | grep -c ' done under token ')" = 9 ]
ok "and its result is there" [ "$(sed -n 2p "$tmp/spool/7.result")" = "text 7" ]
token=$(sed -n 1p "$tmp/spool/7.result")
status "a result of an older token" 1 "$top_builddir/work-queue" "$tmp/spool" 7 $((token - 1))
says "is refused" '^refused'
status "one of a newer token" 0 "$top_builddir/work-queue" "$tmp/spool" 7 $((token + 1))
start held lockstep run job/late -- sleep 1000
within not free job/late
echo late >"$tmp/spool/late.job"
status "a job that somebody does" 0 "$top_builddir/work-queue" "$tmp/spool"
ok "is left to him" [ -e "$tmp/spool/late.job" ]
signal KILL held
within ended held

# --- config-cache: readers see each version, and nobody looks at the file in between
"$top_builddir/config-cache" set "$tmp/config" one
start reader "$top_builddir/config-cache" watch "$tmp/config" 3
start other "$top_builddir/config-cache" watch "$tmp/config" 3
for key in reader other; do
	ok "$key reads what is there" within said $key ': one$'
done
for text in two three; do
	status "a new version" 0 "$top_builddir/config-cache" set "$tmp/config" $text
	for key in reader other; do
		ok "$key sees $text" within said $key ": $text\$"
	done
done
ok "three versions are all" within ended reader 0
ok "for the other, too" within ended other 0

# --- cron-once: one of two runs, the other is silent; the lock is kept for a while
start job "$source/examples/cron-once" -k 1000 nightly sh -c 'echo ran'
ok "the job runs" within said job ran
status "elsewhere it does not" 0 "$source/examples/cron-once" nightly sh -c 'echo ran'
ok "and says nothing" [ "$(cat "$tmp/out" "$tmp/err")" = "" ]
kill "$(lockstep locks cron/nightly | awk '$2 == "granted" { print $5 }')"
ok "its end is told" within ended job 143
status "output and error are the command's" 0 "$source/examples/cron-once" -k 0 nightly sh -c 'echo to-out; echo to-err >&2'
says "the one" '^to-out$'
complains "and the other" '^to-err$'
status "what goes wrong is said" 3 env LOCKSTEP_IPC_NAME="nobody-$$" "$source/examples/cron-once" -k 0 nightly true
complains "by lockstep run" '^lockstep: '
status "its exit code comes through" 7 "$source/examples/cron-once" -k 0 nightly sh -c 'exit 7'
status "usage" 2 "$source/examples/cron-once" nightly

# --- libvirt: two hosts with hooks of their own, guests that are no more than a command line
uuid=4dea22b3-1d52-d8f3-2516-782e98ab3fa0
hook() { # HOST OPERATION
	echo "<domain type='kvm'><name>vm1</name> <uuid>$uuid</uuid></domain>" |
		LOCKSTEP_LIBVIRT_RUN=$tmp/libvirt-$1 LOCKSTEP_LIBVIRT_PIDS=$tmp/qemu-$1 "$source/examples/libvirt/qemu" vm1 "$2" begin -
}
# shellcheck disable=SC2119
hook_told() { # WHAT STATUS HOST OPERATION: and nothing on standard output, which would be taken for XML
	hook "$3" "$4" >"$tmp/out" 2>"$tmp/err"
	ok "$1" [ "$?/$(wc -c <"$tmp/out" | tr -d ' ')" = "$2/0" ]
}
hook_told "a guest is prepared" 0 a prepare
ok "under its lock" not free "libvirt/$uuid"
hook_told "on another host" 1 b prepare
complains "it is refused, and told where it runs" 'Held in mode EX by lockstep'
hook_told "which has nothing to release" 0 b release
ok "so the lock stays" not free "libvirt/$uuid"
hook_told "libvirtd was restarted" 0 a reconnect
hook_told "other operations do not matter" 0 a started
hook_told "live migration" 1 b migrate
complains "is refused" 'live migration is not possible'
hook_told "the guest has ended" 0 a release
ok "the lock is free" free "libvirt/$uuid"
hook_told "so it runs on the other host" 0 b prepare
mkdir -p "$tmp/qemu-b"
start guest sh -c 'setpriv --pdeathsig KILL sleep 1000; :' qemu -uuid "$uuid"
cp "$tmp/guest.pid" "$tmp/qemu-b/vm1.pid"
daemon_kill
ok "the lock is lost: the guest is killed" within ended guest 137
done_testing
