#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A node's daemon goes while programs use it. First as Pacemaker stops it: who lets go when told is neither killed nor
# sent a signal, who ignores everything is killed, who holds nothing lives, and the stop succeeds. Then in maintenance mode,
# where Corosync is stopped under it: on one node, and on all; no node is rebooted, not even where a program that believes in
# its lock lives on, for whose end the cluster waits. When maintenance ends, nodes that are still lost are fenced.
# on_lost is left at its default. Rules: R-MEM-7, R-MEM-8, R-PROC-7, R-LOST-1, R-COND-3, R-COND-4, R-COND-7.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep
need_holder
command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
[ -x "${LOCKSTEP_PREFIX:-/usr}/libexec/lockstep/lockstep-fence-watch" ] || skip_all "built without Pacemaker"

cat >"$tmp/lockstep.conf" <<END
[daemon]
realtime = no
lock_memory = no
log_file = /var/log/lockstepd.log
syslog = no
run_dir = /run/lockstep
state_dir = /var/lib/lockstep
post_join_delay_ms = 500
request_delay_ms = 500
END

# What only a boot takes away.
marked() { # NODE...
	for marked_node in "$@"; do
		on "$marked_node" test -e /run/not-rebooted || return 1
	done
}

nobody_fenced() {
	on n1 stonith_admin -H '*' | grep -q '^0 events' && marked n1 n2 n3
}

started_on() { # NODE...
	on n1 crm_mon -1 | grep -q "Started: \[ $* \]"
}

daemons_well() {
	healthy n1 && healthy n2 && healthy n3
}

says() { # NODE PATTERN
	on "$1" lockstep status | grep -Eq -e "$2"
}

grace() { # SECONDS
	on n1 pcs resource update lockstep stop_grace="$1s"
}

ended_all() { # NODE NAME...: no process of these names is left there
	ea_node=$1
	shift
	for ea_name in "$@"; do
		! on "$ea_node" pgrep -x "$ea_name" >/dev/null || return 1
	done
}

# What `pcs cluster stop --all` and `start --all` do by way of systemctl: on all nodes Pacemaker first, then Corosync.
cluster_stop() { # NODE...
	for cs in "$@"; do
		on "$cs" pkill -TERM -x pacemakerd
	done
	for cs in "$@"; do
		within ended_all "$cs" pacemakerd || return 1
		on "$cs" pkill -TERM -x corosync
	done
	for cs in "$@"; do
		within ended_all "$cs" corosync || return 1
	done
}

cluster_start() { # NODE...
	for cs in "$@"; do
		on "$cs" sh -c 'setsid corosync -f </dev/null >>/var/log/corosync.out 2>&1 &'
	done
	for cs in "$@"; do
		within quorate "$cs" || return 1
		on "$cs" sh -c 'PCMK_logfacility=none PCMK_logfile=/var/log/pacemaker/pacemaker.log \
			setsid pacemakerd </dev/null >>/var/log/pacemaker/pacemakerd.out 2>&1 &'
	done
}

# A holder that is then stopped does not notice anything, so it is as good as one that goes on using its lock.
# In the background of a shell, as nsenter stops itself together with its child.
start_stuck() {
	start stuck n3 sh -c 'exec 3<&0; "$@" <&3 & wait $!' sh "$holder" -m EX stuck
}

seen_by_pacemaker() { # NODE...
	on n1 crm_mon -1 | grep -q "Online: \[ $* \]"
}

sandbox_up --fence --lockstep-conf "$tmp/lockstep.conf"
for n in n1 n2 n3; do
	on "$n" touch /run/not-rebooted
done

# Who lets go in time. SIGTERM would come after half of this.
grace 90
start job n3 lockstep run job -- sh -c 'trap "echo SIGTERM" TERM; until [ -e /run/go ]; do sleep 0.1; done; echo done'
start holder n3 "$holder" -m EX account
within said holder '^granted'
within lock_listed n1 job granted
on n1 pcs node standby n3
ok "Pacemaker stops the daemon: a holder is told" within said holder '^bast EX'
ok "the daemon waits, and names who it is" within logged n3 'session of lvb-holder, pid [0-9]+'
tell holder quit
on n3 touch /run/go
ok "the program finishes" within ended job 0
ok "and was sent no signal" not said job SIGTERM
ok "the other one, too" within ended holder 0
ok "then the daemon is gone" within not on n3 pgrep -x lockstepd
ok "nobody was killed" not logged n3 'killed process'
on n1 pcs node unstandby n3
ok "it starts again" within healthy n3

# Who does not.
grace 6
start deaf n3 lockstep run deaf -- sh -c 'trap "echo SIGTERM" TERM; echo up; while :; do sleep 0.1; done'
start idle n3 "$holder" -m EX idle
within said idle '^granted'
tell idle unlock
within said idle '^unlocked'
start other n2 lockstep run other -- sleep 76543
within lock_listed n1 other granted
start waiter n3 "$holder" -m EX other
within lock_listed n1 other 'waiting .* n3 '
within said deaf '^up'
on n1 pcs node standby n3
ok "a program that ignores all is sent SIGTERM" within said deaf SIGTERM
ok "and killed in the end" within ended deaf '76|137'
ok "one with a session and no lock is told" within said idle '^lost'
ok "and ends by itself" within ended idle 1
ok "so the daemon is gone" within not on n3 pgrep -x lockstepd
ok "one that waited has had SIGTERM only" within ended waiter 143
ok "the stop was a success" nobody_fenced
on n1 pcs node unstandby n3
ok "it starts again" within healthy n3
on n2 pkill -TERM -f '^sleep 76543'

# Maintenance: one node.
ok "maintenance mode" on n1 pcs property set maintenance-mode=true
start_stuck
within said stuck '^granted'
start next n2 lockstep run stuck -- echo have
within lock_listed n1 stuck 'waiting .* n2 '
on n3 pkill -STOP -x lvb-holder
ok "Pacemaker and Corosync stop on n3" cluster_stop n3
ok "its daemon stays, and says what it waits for" within says n3 'with locks must end'
ok "the others go on" on n1 lockstep run -w "$patience" a -- true
ok "they say why n3 is not fenced" within says n1 'n3 is lost .*Pacemaker is in maintenance mode'
ok "the lock is kept" not said next '^have'
ok "they start again" cluster_start n3
ok "the program lives, so the lock is kept" sh -c "! grep -q '^have' '$tmp/next.out'"
ok "and n3 is known to be there" within seen_by_pacemaker n1 n2 n3
on n3 pkill -KILL -x lvb-holder
ok "when it has ended the lock is given on" within said next '^have'
ok "all are well" within daemons_well
ok "nobody was fenced or rebooted" nobody_fenced

# All nodes.
start job n1 lockstep run job -- sleep 76543
within lock_listed n2 job granted
start_stuck
within said stuck '^granted'
on n3 pkill -STOP -x lvb-holder
ok "the whole cluster stops" cluster_stop n1 n2 n3
ok "lockstep run has killed its command" within ended job 76
ok "and starts" cluster_start n1 n2 n3
ok "the others wait for n3" within says n1 'node n3 may hold its state'
ok "which waits for its program" within says n3 'with locks must end'
on n3 pkill -KILL -x lvb-holder
ok "when it has ended all are well" within daemons_well
ok "Pacemaker has found the daemons" within seen_by_pacemaker n1 n2 n3
ok "story 5: no node was rebooted" nobody_fenced
start job n3 lockstep run job -- sleep 76543
ok "locks work" within lock_listed n1 job granted

# A node that has really died in maintenance mode.
start next n2 lockstep run job -- echo have
within lock_listed n1 job 'waiting .* n2 '
sb crash n3
ok "a dead node is waited for" within says n2 'n3 is lost .*Pacemaker is in maintenance mode'
ok "as long as maintenance lasts" not said next '^have'
ok "maintenance ends" on n1 pcs property set maintenance-mode=false
ok "then it is fenced, and its lock given on" within said next '^have'
ok "by Pacemaker" sh -c "'$sandbox' exec n1 stonith_admin -H n3 | grep -q 'reboot of n3 successful'"
done_testing
