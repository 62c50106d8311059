#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The sandbox itself, with corosync only: what crash, boot, cut, heal and pause do to a real
# cluster, and that nothing is left of it, also after it was killed half-way.
# shellcheck disable=SC2016,SC2062,SC2317,SC2154
. "${0%/*}/lib.sh"

marked() {
	printf 'lockstep-sandbox@/run/lockstep-sandbox/%s\n' "$LOCKSTEP_SANDBOX" |
		grep -lsxFz -f - -- /proc/[0-9]*/cmdline
}

nothing_left() {
	[ -z "$(marked)" ] && [ ! -e "/run/lockstep-sandbox/$LOCKSTEP_SANDBOX" ] &&
		! grep -q "$LOCKSTEP_SANDBOX" /proc/self/mountinfo
}

# What a visitor of the machine could notice.
host_view() {
	ip -o link | cut -d: -f2 | sort
	ip netns list
	cut -d' ' -f5 /proc/self/mountinfo | sort
	ls /dev/shm
	ls -d /etc/corosync /etc/lockstep /var/lib/lockstep /usr/lib/ocf/resource.d/lockstep 2>&1
}

host_view >"$tmp/host.before"
sandbox_up --no-daemon

ok "all nodes are quorate and see each other" sees_nodes n1 3
ok "the output of a command comes out" [ "$(on n2 hostname)" = n2 ]
ok "a node may be called by its number" [ "$(on 3 hostname)" = n3 ]
ok "standard input goes in" [ "$(echo through | on n1 cat)" = through ]
on n1 sh -c 'exit 7'
ok "the exit status comes out" [ $? = 7 ]
ok "arguments are not touched" [ "$(on n1 printf '<%s>' 'a b' '' "\$x" --)" = "<a b><><\$x><-->" ]
sb exec n4 true 2>/dev/null
ok "there is no fourth node" [ $? = 2 ]
ok "nodes have their own /run, but for the cable to the power switch" \
	[ "$(on n2 ls /run/lockstep-sandbox | tr '\n' ' ')" = "power self " ]
on n1 sh -c 'echo 1 >/dev/shm/mark; echo 1 >/run/mark; echo 1 >/var/lib/corosync/mark'
ok "and their own /dev/shm" not on n2 test -e /dev/shm/mark
ok "and their own disk" not on n2 test -e /var/lib/corosync/mark

start sleeper n3 sleep 1000
within on n3 pgrep -x sleep
t=$(now_ms)
sb crash n3
ok "a crash ends what ran on the node" within ended sleeper 137
ok "the survivors lose the node" within sees_nodes n1 2
diag "crash noticed after $(($(now_ms) - t)) ms"
ok "and are quorate" quorate n2
ok "a crashed node takes no command" not sb exec n3 true
ok "it boots" sb boot n3
ok "and is back for the others" within sees_nodes n1 3
sb crash n1 && sb boot n1
ok "/run is empty after boot" not on n1 test -e /run/mark
ok "/dev/shm, too" not on n1 test -e /dev/shm/mark
ok "the disk is not" on n1 test -e /var/lib/corosync/mark

sb cut 1
ok "a cut node loses quorum" within not_quorate n1
ok "the others go on without it" within sees_nodes n2 2
ok "they are quorate" quorate n3
sb crash 1 && sb boot 1
ok "a cut outlives a boot" within not_quorate n1
sb heal
ok "heal brings it back" within sees_nodes n2 3

sb cut 1 2
ok "two cut nodes still see each other" within sees_nodes n1 2
ok "the third is alone" within sees_nodes n3 1
sb cut 2
ok "a three-way split" within sees_nodes n2 1
sb heal
ok "heal brings them together" within sees_nodes n2 3
ok "all" within sees_nodes n3 3

sb cut --oneway 2
ok "a node whose output is lost is lost for the others" within sees_nodes n1 2
ok "it loses quorum itself" within not_quorate n2
on n1 ping -q -c 3 -i 0.2 -W 1 10.77.0.2 >/dev/null 2>&1
ok "what is sent to it arrives" on n2 awk '/^Icmp: [0-9]/ { exit !($10 > 0) }' /proc/net/snmp
sb heal
ok "heal brings it back" within sees_nodes n1 3

sb pause 3 corosync
ok "status tells who is paused" sh -c "$sandbox status | grep -q '^n3: .*corosync paused'"
ok "a paused corosync is lost for the others" within sees_nodes n1 2
sb resume 3 corosync
ok "and comes back" within sees_nodes n1 3
ok "wait finds all quorate" sb wait

other=$LOCKSTEP_SANDBOX.b
ok "a second sandbox does not collide" sb --name "$other" up --nodes 2 --no-daemon
ok "both live" sees_nodes n1 3
sb --name "$other" crash 2
ok "a crash there is none here" sees_nodes n1 3
sb --name "$other" down
ok "nor is its end" sees_nodes n1 3

sb down
ok "nothing is left after down" nothing_left
for delay in 0.05 0.2 0.5 1; do
	"$sandbox" up --no-daemon >/dev/null 2>&1 &
	up=$!
	sleep $delay
	kill -KILL $up
	wait $up 2>/dev/null
	sb down
	ok "nor when up was killed after $delay s" nothing_left
done
host_view >"$tmp/host.after"
ok "the machine looks as before" cmp "$tmp/host.before" "$tmp/host.after"
done_testing
