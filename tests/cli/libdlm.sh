#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lockstep libdlm run and lockstep dlm. A program of the kernel's DLM finds our libraries and, in its own view of /sys, the
# cluster's name, the lockspaces of this node and their members, as they are at any time, also after a daemon was killed and
# another started (R-LVM-1, R-LVM-2, R-LVM-4). Nobody gets a lockspace that the kernel has as well (R-LVM-5, R-OCFS-1): such a one
# is faked in a mount namespace, in which everything here runs.
# shellcheck disable=SC1091,SC2154,SC2016
if [ -z "${LOCKSTEP_TEST_INNER:-}" ]; then
	if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
		echo "skipped: needs root, and mount namespaces"
		exit 77
	fi
	LOCKSTEP_TEST_INNER=1 exec unshare -m --propagation private sh "$0"
fi
. "${top_srcdir:-.}/tests/cli/lib.sh"
[ -e "$top_builddir/.libs/libdlm_lt.so.3" ] || skip "libdlm_lt.so.3 is not built (libdlm.h, of Debian's libdlm-dev)"
mkdir "$tmp/layer"
mkdir -p "$tmp/layer/dlm/kernels"
mount -t overlay -o "ro,lowerdir=$tmp/layer:/sys/kernel" overlay /sys/kernel || skip "no overlay on /sys/kernel"
cluster=/sys/kernel/config/dlm/cluster

run() {
	lockstep libdlm run -- "$@"
}

# In the program's view.
shows() { # PATH
	run test -e "$cluster/$1"
}

hides() { # PATH
	! run test -e "$cluster/$1"
}

until_there() { # KEY PATH
	start "$1" "$top_builddir/lockstep" libdlm run -- sh -c 'echo started; until [ -e "$0" ]; do sleep 0.02; done' "$cluster/$2"
	within said "$1" started
}

status "without a daemon" 3 run true
complains "it says so" 'lockstepd'
daemon_start

status "the program runs, with its exit status" 7 run sh -c 'exit 7'
status "not found" 127 run "$tmp/nothing"
status "not executable" 126 run "$tmp/lockstep.conf"
status "no program" 2 lockstep libdlm run
status "no verb" 2 lockstep libdlm
status "no library" 2 lockstep libdlm run --libdir "$tmp" -- true
start pid "$top_builddir/lockstep" libdlm run -- sh -c 'echo $$; sleep 60'
within said pid '^[0-9]'
ok "the program is the process that was started" [ "$(cat "$tmp/pid.out")" = "$(cat "$tmp/pid.pid")" ]
signal TERM pid
status "our libraries are found first" 0 run sh -c 'echo "$LD_LIBRARY_PATH"'
says "in front of the path" "^$(cd "$top_builddir/.libs" && pwd)(:|\$)"
status "the name of the cluster" 0 run cat "$cluster/cluster_name"
says "is lockstepd's" '^standalone$'
status "the lockspaces" 0 run ls "$cluster/spaces"
says "of this node" '^default$'
ok "its member" shows spaces/default/nodes/1
status "what else there is in /sys/kernel" 0 run cat /sys/kernel/uevent_seqnum
status "the tree is not the program's to write" 1 run mkdir "$cluster/spaces/mine"
ok "nobody else sees it" not [ -e "$cluster" ]
status "without the tree" 1 lockstep libdlm run --no-tree -- test -e "$cluster"

# While the program runs.
until_there later spaces/later/nodes/1
status "a lockspace is created" 0 lockstep lockspace create later
ok "the program sees it" within ended later 0
ok "as soon as it is" shows spaces/later/nodes/1
status "a lockspace is released" 0 lockstep lockspace release later
ok "it is gone" hides spaces/later
until_there again spaces/again/nodes/1
daemon_kill
daemon_start
status "a new daemon, and a new lockspace" 0 lockstep lockspace create again
ok "seen by the program that was there before" within ended again 0
ok "what the old daemon had is gone" hides spaces/later

# Two managers.
status "the kernel has a lockspace of a name that is going to be used" 1 lockstep libdlm run -s kernels -- true
complains "says which, and where" '"kernels" exists .*/sys/kernel/dlm/kernels'
status "of another name" 0 lockstep libdlm run -s again -- true
complains "is worth a warning" 'warning: .*"kernels"'
status "lockstepd does not create it" 1 lockstep lockspace create kernels
ok "and says why" grep -q '"kernels" is not joined: the kernel.s DLM has one' "$tmp/daemon.log"
ok "it is not shown" hides spaces/kernels
ok "nor there" not lockstep dlm lockdump kernels

# As dlm_tool says it.
status "dlm ls" 0 lockstep dlm ls again
says "name" '^name          again$'
says "members" '^members       1 $'
status "dlm ls of nothing" 0 lockstep dlm ls nothing
ok "is nothing" [ ! -s "$tmp/out" ]
status "dlm ls -n" 0 lockstep dlm ls -n
says "each node" '^nodeid 1 member 1 failed 0$'
status "dlm status" 0 lockstep dlm status
says "the cluster" '^cluster nodeid 1 quorate 1 ring seq '
says "and its nodes" '^node 1 M name '
start held "$top_builddir/lockstep" run -m PR somewhere -- sleep 60
dumped() {
	lockstep dlm lockdump default | grep -Eq '^id [0-9a-f]{8} gr PR rq IV pid [0-9]+ master 0 "somewhere"$'
}
ok "dlm lockdump" within dumped
status "dlm lockdump of nothing" 1 lockstep dlm lockdump nothing
status "dlm without a word" 2 lockstep dlm
done_testing
