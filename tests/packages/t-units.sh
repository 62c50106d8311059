#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Debian's packages under a real systemd: two machines of namespaces, each with systemd as its first process, Corosync and
# lockstepd started by their units. What the unit allows is enough for all that the daemon does, what it forbids is forbidden, an
# upgrade leaves a running daemon alone, and nothing is left behind by a purge.
#	tests/packages/t-units.sh DIRECTORY	(of the packages; next-*.deb in it are those of the next version)
# Needs root and what machine.sh asks of the kernel; nothing on this machine changes.
# shellcheck disable=SC2016,SC2317
set -u
here=$(dirname "$(realpath "$0")")
packages=$(realpath "$1")
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/lockstep-units.XXXXXX") || exit 1
# shellcheck source=tests/packages/lib.sh
. "$here/lib.sh"
# Where t-packages.sh has stopped counting.
if [ -e "$packages/tally" ]; then
	read -r test_count test_failed <"$packages/tally"
fi

# One line of the count, as there are others before it.
skip_all() {
	skip "the packages under systemd" "$*"
	finish
}

finish() {
	echo "$test_count $test_failed" >"$packages/tally"
	[ "$test_failed" = 0 ]
	exit
}

# ------------------------------------------------------------------- the machines

cleanup() {
	for m in "$tmp"/n?; do
		[ ! -s "$m/unshare" ] || kill -KILL "$(cat "$m/unshare")" 2>/dev/null
	done
	wait
	# The groups are empty a moment after the last process.
	unshare --mount sh -c 'mount -n --make-rprivate / && mount -n -t cgroup2 cgroup2 "$1" || exit
		for m in "$2"/n?/cgroup; do
			n=0
			while [ -e "$m" ] && [ -d "$1/$(cat "$m")" ] && [ $n -lt 50 ]; do
				find "$1/$(cat "$m")" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
				n=$((n + 1))
			done
		done' sh /mnt "$tmp"
	rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

machine_start() { # NAME
	mkdir -p "$tmp/$1/root" "$tmp/$1/layer" "$tmp/$1/share"
	for f in "$packages"/*.deb "$here/probe.py"; do
		ln "$f" "$tmp/$1/share/" 2>/dev/null || cp "$f" "$tmp/$1/share/"
	done
	setpriv --pdeathsig KILL -- unshare --mount -- sh "$here/machine.sh" booted "$tmp/$1" >"$tmp/$1/start.log" 2>&1 &
	echo $! >"$tmp/$1/unshare"
}

# The process that is number 1 there.
machine_pid() { # NAME
	m_parent=$(cat "$tmp/$1/unshare")
	tr -d ' ' 2>/dev/null <"/proc/$m_parent/task/$m_parent/children"
}

on() { # NAME COMMAND_LINE
	on_pid=$(machine_pid "$1")
	[ -n "$on_pid" ] || return 1
	nsenter -t "$on_pid" -m -p -n -u -i -C -r -w -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -c "$2"
}

machine_up() { # NAME
	[ -e "$tmp/$1/refused" ] || on "$1" '[ -e /run/systemd/system ] && systemctl is-active basic.target' >/dev/null 2>&1
}

machines_start() {
	[ "$(id -u)" = 0 ] || skip_all "not root"
	for t in /lib/systemd/systemd unshare nsenter setpriv pivot_root ip corosync python3; do
		command -v "$t" >/dev/null || skip_all "$t is not installed"
	done
	unshare --mount --pid --net --uts --ipc --cgroup --fork true 2>/dev/null || skip_all "namespaces are not allowed"
	for m in n1 n2; do
		machine_start "$m"
	done
	for m in n1 n2; do
		within machine_up "$m" || { echo "Bail out! systemd does not come up"; cat "$tmp/$m"/*.log "$tmp/$m/share/boot.log"; exit 1; }
		[ ! -e "$tmp/$m/refused" ] || skip_all "this machine does not allow: $(cat "$tmp/$m/refused")"
	done
	nsenter -t "$(machine_pid n1)" -n ip link add eth0 type veth peer name eth0 netns "$(machine_pid n2)"
	for m in 1 2; do
		on n$m "ip address add 10.99.0.$m/24 dev eth0 && ip link set eth0 up"
		on n$m 'cat >/etc/corosync/corosync.conf' <<-'END'
		totem {
			version: 2
			cluster_name: pair
			transport: udpu
			token: 1000
		}
		nodelist {
			node {
				nodeid: 1
				name: n1
				ring0_addr: 10.99.0.1
			}
			node {
				nodeid: 2
				name: n2
				ring0_addr: 10.99.0.2
			}
		}
		quorum {
			provider: corosync_votequorum
			expected_votes: 2
			two_node: 1
		}
		system {
			sched_rr: no
			move_to_root_cgroup: no
		}
		END
	done
}

# ------------------------------------------------------------------- what is asked of them

lockstepd_pid() { # NAME
	on "$1" 'systemctl show -P MainPID lockstepd'
}

property() { # NAME KEY
	on "$1" "systemctl show -P $2 lockstepd"
}

# What /proc says of a process: its numbers are those of the machine.
proc_status() { # NAME PID KEY
	on "$1" "sed -n 's/^$3:[[:space:]]*//p' /proc/$2/status"
}

# The bits of capabilities(7) that the unit names, and no others.
capabilities_mask() { # CAP_...
	mask=0
	for c in "$@"; do
		case $c in
		CAP_CHOWN) n=0 ;; CAP_DAC_OVERRIDE) n=1 ;; CAP_FOWNER) n=3 ;; CAP_KILL) n=5 ;; CAP_IPC_LOCK) n=14 ;;
		CAP_SYS_PTRACE) n=19 ;; CAP_SYS_BOOT) n=22 ;; CAP_SYS_NICE) n=23 ;;
		*) return 1 ;;
		esac
		mask=$((mask | 1 << n))
	done
	printf '%016x\n' "$mask"
}

capabilities_are() { # NAME PID CAP_...
	c_name=$1
	c_pid=$2
	shift 2
	c_want=$(capabilities_mask "$@") || return 1
	for k in CapInh CapPrm CapEff CapBnd CapAmb; do
		c_got=$(proc_status "$c_name" "$c_pid" "$k")
		[ "$c_got" = "$c_want" ] || { echo "$k is $c_got, not $c_want"; return 1; }
	done
}

drop_in() { # NAME FILE (its text on stdin)
	on "$1" "mkdir -p /etc/systemd/system/lockstepd.service.d && cat >/etc/systemd/system/lockstepd.service.d/$2.conf && systemctl daemon-reload"
}

part_install() {
	for m in n1 n2; do
		# Manual pages are not looked up here.
		on $m 'rm -f /var/lib/man-db/auto-update; cd /mnt && dpkg -i lockstep_*.deb liblockstep1_*.deb lockstep-libdlm_*.deb \
			lockstep-resource-agents_*.deb lockstep-doc_*.deb' >"$tmp/$m/install.log" 2>&1 &
		installing="${installing:-} $!"
	done
	# shellcheck disable=SC2086
	wait $installing
	ok "the packages are installed" on n1 'dpkg -l lockstep | grep -q ^ii'
	ok "nothing was enabled or started" on n1 '! systemctl is-enabled lockstepd && ! systemctl is-active lockstepd && ! pgrep -x lockstepd'
	ok "systemd finds no fault with the unit" on n1 'systemd-analyze verify lockstepd.service'
	ok "and calls its exposure low" on n1 'systemd-analyze security --threshold=25 lockstepd.service'
	for m in n1 n2; do
		on $m 'useradd -m alice; useradd -m bob; useradd -m -g bob carol; groupadd lockers; usermod -a -G lockers bob; : >/tmp/not-yours'
	done
}

# ------------------------------------------------------------------- started, and what it may do

healthy() { # NAME
	on "$1" 'lockstep status' >/dev/null 2>&1
}

members_are() { # NUMBER
	on n1 "lockstep status | grep -q '^lockspace default: running; members $1,'"
}

is_as_the_unit_says() { # NAME PID
	[ "$(on "$1" "ps -o user= -p $2")" = lockstep ] || { echo "user"; return 1; }
	[ "$(proc_status "$1" "$2" NoNewPrivs)" = 1 ] || { echo "NoNewPrivs"; return 1; }
	[ "$(proc_status "$1" "$2" Seccomp)" = 2 ] || { echo "Seccomp"; return 1; }
	# shellcheck disable=SC2046
	capabilities_are "$1" "$2" $(on "$1" 'sed -n "s/^AmbientCapabilities=//p" /lib/systemd/system/lockstepd.service')
}

part_start() {
	ok "systemctl start waits until programs can connect" on n1 'systemctl start lockstepd && lockstep status; [ $? -le 1 ]'
	ok "and has started Corosync" on n1 'systemctl is-active corosync'
	on n2 'systemctl start lockstepd'
	ok "two nodes form the lockspace" within members_are 2
	pid=$(lockstepd_pid n1)
	ok "user, capabilities, filter of system calls, no new privileges" is_as_the_unit_says n1 "$pid"
	ok "the same for the helper that follows Pacemaker's fencer" is_as_the_unit_says n1 "$(on n1 'pgrep -f ^lockstep-fence-watch')"
	ok "real-time scheduling" on n1 "chrt -p $pid | grep -q SCHED_RR"
	ok "locked memory" on n1 "[ \"\$(sed -n 's/^VmLck:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status)\" -gt 10000 ]"
	ok "each message is in the journal once" on n1 '[ "$(journalctl -u lockstepd | grep -c "lockstepd .* starts, IPC name")" = 1 ]'
	ok "locks" on n1 'lockstep run job -- true'
	ok "and is refused to others" on n1 '! runuser -u alice -- lockstep run job -- true'
}

# A process that systemd starts as it would the daemon tries what the daemon must not be able to.
part_probe() {
	on n2 'systemctl stop lockstepd'
	drop_in n2 probe <<-'END'
	[Service]
	Type=oneshot
	ExecStart=
	ExecStart=/usr/bin/python3 /mnt/probe.py
	StandardOutput=file:/tmp/probe.out
	END
	ok "a process in the daemon's place" on n2 'systemctl start lockstepd; cat /tmp/probe.out; [ "$(wc -l </tmp/probe.out)" = 30 ]'
	on n2 'cat /tmp/probe.out' >"$tmp/probe.out"
	while IFS= read -r line; do
		case $line in
		"write /run/lockstep: "* | "write /run/lockstep-guests: "* | "write /var/lib/"* | "write /var/log/lockstep: "* | \
			"write /dev/shm: "* | "a netlink socket: "* | "real-time scheduling: "*)
			ok "possible: ${line%: *}" [ "${line##*: }" = possible ] ;;
		*) ok "refused: ${line%: *}" [ "${line##*: }" = refused ] ;;
		esac
	done <"$tmp/probe.out"
	on n2 'rm /etc/systemd/system/lockstepd.service.d/probe.conf; systemctl daemon-reload; systemctl start lockstepd'
}

# ------------------------------------------------------------------- all that it does, under the filter

holds() { # NAME RESOURCE
	on "$1" "lockstep locks 2>/dev/null | grep -q '^$2 .*granted'"
}

part_features() {
	on n1 'cat >>/etc/lockstep/lockstep.conf' <<-'END'
	log_file = /var/log/lockstep/lockstepd.log
	trace_dir = /var/log/lockstep
	socket = /run/lockstep-guests/sock
	socket_mode = 0666
	lockspaces = default web1 jobs secret
	access_file = /etc/lockstep/access
	on_lost = kill
	END
	on n1 'cat >/etc/lockstep/access' <<-'END'
	allow user:alice web*  lock,view
	allow group:lockers jobs all
	deny  *          secret view
	END
	ok "a stop that nobody minds, and a start with more in the configuration" on n1 'systemctl restart lockstepd'
	ok "joins again" within members_are 2
	ok "traces" within on n1 '[ -s /var/log/lockstep/default.trace ]'
	ok "replay them" on n1 'lockstep run a -- true; lockstep-replay /var/log/lockstep/default.trace'
	ok "a log file" on n1 'grep -q "connected to Corosync" /var/log/lockstep/lockstepd.log'
	ok "logrotate renames it, and the daemon opens a new one" on n1 'logrotate -f /etc/logrotate.d/lockstep &&
		[ -s /var/log/lockstep/lockstepd.log.1 ] && lockstep lockspace create later &&
		n=0 && until grep -q later /var/log/lockstep/lockstepd.log; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done'
	ok "the flight recorder" on n1 'systemctl kill -s USR1 --kill-who=main lockstepd;
		n=0; until ls /var/lib/lockstep/blackbox-*; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done'
	ok "the reservation of tokens" on n1 '[ -s /var/lib/lockstep/reserved ]'
	ok "the tree that libdlm programs look at" on n1 'ls /run/lockstep/configfs/dlm/cluster'
	on n2 'systemctl restart lockstepd'
	ok "gives its state to a node that joins, from a forked process" on n1 \
		'n=0; until grep -q "image" /var/log/lockstep/lockstepd.log; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done'
	ok "which is a member then" within members_are 2
}

# The helper is no root either, and gets to Pacemaker as a member of its group.
part_pacemaker() {
	on n1 'command -v pacemakerd' >/dev/null || { skip "Pacemaker" "pacemaker is not installed"; return; }
	on n1 'rm -rf /var/lib/pacemaker/cib/* /var/lib/pacemaker/pengine/*; systemctl start pacemaker'
	ok "follows Pacemaker's fencer" within on n1 'lockstep status | grep -q "^fencing: Pacemaker, connected"'
	ok "which systemd stops before the daemon" on n1 'systemctl show -P After pacemaker | grep -qw lockstepd.service'
	on n1 'systemctl stop pacemaker'
}

# ------------------------------------------------------------------- who may, and who may not

as() { # USER COMMAND_LINE: through the socket file
	on n1 "runuser -u $1 -- env LOCKSTEP_IPC_NAME=/run/lockstep-guests/sock $2"
}

# lockstep.access(5), with the file of part_features: alice by name, bob by a group that is not his first, carol by nothing.
part_access() {
	ok "a user by name: may lock" as alice 'lockstep run -s web1 x -- true'
	ok "in that lockspace only" not as alice 'lockstep run -s jobs x -- true'
	ok "and may not create one" not as alice 'lockstep lockspace create web2'
	ok "a group: may lock" as bob 'lockstep run -s jobs x -- true'
	ok "and create" as bob 'lockstep lockspace list'
	ok "what is denied to see is not in the list" as alice 'sh -c "! lockstep lockspace list | grep secret"'
	ok "who is in no rule is refused" not as carol 'lockstep run -s web1 x -- true'
	on n1 'printf "allow uid:%s jobs lock\nallow gid:%s web1 lock\n" "$(id -u carol)" "$(id -g bob)" >>/etc/lockstep/access'
	ok "the file is read again on reload" on n1 'systemctl reload lockstepd'
	ok "a user by number" within as carol 'lockstep run -s jobs x -- true'
	ok "a group by number" within as bob 'lockstep run -s web1 x -- true'
	on n1 'echo "allow nobody-at-all * all" >>/etc/lockstep/access'
	ok "a fault in it is told, with file and line" on n1 'lockstepd --check-config 2>&1 | grep -q "^/etc/lockstep/access:6: "'
	on n1 'systemctl reload lockstepd'
	ok "and changes nothing" within as carol 'lockstep run -s jobs x -- true'
	on n1 'sed -i "\$d" /etc/lockstep/access'
}

# ------------------------------------------------------------------- programs

part_programs() {
	on n1 'cat >/etc/systemd/system/worker.service' <<-'END'
	[Service]
	ExecStart=/usr/bin/lockstep run work -- sleep 76543
	END
	on n1 'mkdir -p /etc/systemd/system/worker.service.d && cp /usr/share/doc/lockstep/examples/needs-lockstep.conf \
		/etc/systemd/system/worker.service.d/ && systemctl daemon-reload && systemctl start worker'
	ok "a program's unit, with the drop-in of the examples" within holds n1 work
	ok "is stopped before the daemon is, which then stops at once" on n1 'systemctl stop lockstepd && ! systemctl is-active worker'
	ok "the daemon's stop was a clean one" [ "$(property n1 Result)" = success ]
	on n1 'systemctl start worker'
	ok "and brings the daemon along" within holds n1 work
	on n1 'systemctl kill -s KILL --kill-who=main lockstepd'
	ok "does not live longer than a daemon that is killed" within on n1 '! systemctl is-active worker && ! pgrep -x sleep'
	ok "nobody starts that daemon again behind the cluster's back" [ "$(property n1 ActiveState)/$(property n1 NRestarts)" = failed/0 ]
	on n1 'systemctl start lockstepd'
	ok "but the next one is a member" within members_are 2
}

# What lockstep-libdlm(7) says about a unit, as it stands there.
part_libdlm() {
	on n1 'systemctl cat lvmlockd' >/dev/null 2>&1 || { skip "lvmlockd" "lvmlockd is not installed"; return; }
	on n1 'mkdir -p /etc/systemd/system/lvmlockd.service.d
		zcat /usr/share/man/man7/lockstep-libdlm.7.gz | sed -n "/^\.SS A systemd service/,/^\.EE/p" |
			sed -n "/^\.EX/,/^\.EE/p" | sed -e "/^\./d" -e "s/\\\\-/-/g" -e "s,/usr/local/bin,/usr/bin," \
			>/etc/systemd/system/lvmlockd.service.d/lockstep.conf
		systemctl daemon-reload; systemctl start lvmlockd'
	ok "lvmlockd runs, with the drop-in of the manual page" within on n1 'systemctl is-active lvmlockd && systemctl show -P ExecStart lvmlockd | grep -q "libdlm run"'
	ok "with our libdlm" on n1 'grep -q /lockstep/libdlm /proc/$(systemctl show -P MainPID lvmlockd)/maps'
	ok "answers" on n1 'lvmlockctl --info'
	ok "stops" on n1 'systemctl stop lvmlockd'
}

# ------------------------------------------------------------------- when it ends badly

part_ends() {
	on n1 'systemd-run --quiet --collect --unit=alices --uid=alice -E LOCKSTEP_IPC_NAME=/run/lockstep-guests/sock \
		lockstep run -s web1 deed -- sleep 76543'
	ok "another user's program has a lock" within on n1 'lockstep locks -s web1 | grep -q "^deed .*granted"'
	drop_in n1 patience <<-'END'
	[Service]
	TimeoutStopSec=4s
	END
	ok "the daemon is stopped by force when it is in use" on n1 'systemctl stop lockstepd; ! pgrep -x lockstepd'
	ok "after it has killed that program" on n1 '! pgrep -x -u alice sleep'
	on n1 'rm /etc/systemd/system/lockstepd.service.d/patience.conf; systemctl daemon-reload; systemctl reset-failed; systemctl start lockstepd'
	within members_are 2
	on n1 'systemd-run --quiet --collect --unit=alices --uid=alice -E LOCKSTEP_IPC_NAME=/run/lockstep-guests/sock \
		lockstep run -s web1 deed -- sleep 76543'
	within on n1 'lockstep locks -s web1 | grep -q "^deed .*granted"'
	# So that it is still there when the next daemon looks.
	on n1 'systemctl kill -s STOP alices; systemctl kill -s SEGV --kill-who=main lockstepd'
	ok "a crash leaves the flight recorder" on n1 'n=0; while pgrep -x lockstepd; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done
		journalctl -u lockstepd | grep -q "code=.*SEGV"; ls /var/lib/lockstep/blackbox-*'
	on n1 'systemctl start lockstepd'
	ok "the next daemon kills, for on_lost = kill, who still has the old one's locks" within on n1 '! pgrep -x -u alice sleep'
	ok "and then joins" within members_are 2
}

# The daemon of n2 without one of its capabilities, and what is missed then. A capability that nobody misses is one too many.
without() { # CAP_... WHAT_IS_MISSED COMMAND_LINE
	have=$(on n2 'sed -n "s/^AmbientCapabilities=//p" /lib/systemd/system/lockstepd.service')
	less=$(echo "$have" | sed "s/ *\<$1\>//")
	drop_in n2 less <<-END
	[Service]
	AmbientCapabilities=
	AmbientCapabilities=$less
	CapabilityBoundingSet=
	CapabilityBoundingSet=$less
	LimitMEMLOCK=64K
	END
	on n2 'systemctl restart lockstepd'
	[ "$less" != "$have" ] || return 1
	ok "without $1: $2" on n2 "$3"
}

bob_holds() {
	on n2 'lockstep locks | grep -q "^deed .*granted"'
}

part_capabilities() {
	on n2 'printf "ipc_group = lockers\nlockspaces = default web1\n" >>/etc/lockstep/lockstep.conf'
	on n2 'systemctl restart lockstepd'
	ok "a member of ipc_group, which is not his first group" within on n2 'runuser -u bob -- lockstep run x -- true'
	without CAP_CHOWN "he cannot connect" '! runuser -u bob -- lockstep run x -- true'
	without CAP_DAC_OVERRIDE "root cannot connect" '! lockstep ls'
	without CAP_FOWNER "root cannot connect" '! lockstep ls'
	without CAP_IPC_LOCK "memory is not locked, unless the limit allows it" \
		'grep -q "^VmLck:[^0-9]*0 kB" /proc/$(systemctl show -P MainPID lockstepd)/status'
	without CAP_SYS_NICE "no real-time scheduling" 'chrt -p $(systemctl show -P MainPID lockstepd) | grep -q SCHED_OTHER'
	without CAP_KILL "it starts" 'lockstep ls'
	on n2 'systemd-run --quiet --collect --unit=bobs --uid=bob lockstep run deed -- sleep 76543'
	ok "gives a lock" within bob_holds
	on n2 'systemctl kill -s QUIT --kill-who=main lockstepd'
	ok "cannot kill who holds it, and says so" within on n2 \
		'journalctl -u lockstepd | tail -n 20 | grep -q "cannot kill process" && pgrep -x -u bob sleep'
	ok "and not many times a second" on n2 'sleep 2; [ "$(journalctl -u lockstepd | grep -c "cannot kill")" -lt 20 ]'
	on n2 'systemctl stop bobs; n=0; while pgrep -x lockstepd; do n=$((n + 1)); [ $n -lt 100 ] || exit 1; sleep 0.1; done' >/dev/null
	on n2 'rm /etc/systemd/system/lockstepd.service.d/less.conf; systemctl daemon-reload; systemctl start lockstepd'
	ok "with all of them it is a member" within members_are 2
}

# ------------------------------------------------------------------- the next version

part_upgrade() {
	on n1 'systemd-run --quiet --collect --unit=holder lockstep run job -- sleep 76543'
	within holds n1 job
	pid=$(lockstepd_pid n1)
	ok "upgrade" on n1 'cd /mnt && dpkg -i --force-confold next-lockstep.deb next-liblockstep1.deb'
	ok "the running daemon was not touched" [ "$(lockstepd_pid n1)/$(property n1 NRestarts)" = "$pid/0" ]
	ok "nor the lock" holds n1 job
	ok "status says that the versions differ" on n1 'lockstep status | grep -q "^version: lockstepd runs as 0\..*, this command is"'
	ok "changes of the configuration are kept" on n1 'grep -q "^socket_mode" /etc/lockstep/lockstep.conf'
	ok "downgrade" on n1 'cd /mnt && dpkg -i --force-confold lockstep_*.deb liblockstep1_*.deb'
	ok "reinstall" on n1 'cd /mnt && dpkg -i --force-confold lockstep_*.deb'
	ok "neither touched the daemon" [ "$(lockstepd_pid n1)" = "$pid" ]
	ok "nor the lock" holds n1 job
	ok "status has nothing to add" on n1 '! lockstep status | grep "^version:"'
	on n1 'systemctl stop holder'
}

# The machine restarts itself, which for one of namespaces is its end.
part_reboot() {
	on n1 'sed -i "s/^on_lost = .*/on_lost = reboot/" /etc/lockstep/lockstep.conf; systemctl restart lockstepd' 2>/dev/null
	ok "on_lost = reboot is refused while the unit does not allow it" on n1 \
		'! systemctl is-active lockstepd && journalctl -u lockstepd | grep -q "on_lost = reboot needs the capability CAP_SYS_BOOT"'
	on n1 'cp /usr/share/doc/lockstep/examples/lockstepd-reboot.conf /etc/systemd/system/lockstepd.service.d/ &&
		systemctl daemon-reload && systemctl reset-failed && systemctl start lockstepd'
	ok "with the drop-in of the examples it starts" within members_are 2
	on n1 'systemd-run --quiet --collect --unit=holder lockstep run job -- sleep 76543'
	within holds n1 job
	on n1 'systemctl kill -s KILL --kill-who=main corosync'
	ok "and restarts the machine when locks are lost" within machine_is_down n1
}

machine_is_down() { # NAME
	[ -z "$(machine_pid "$1")" ]
}

# ------------------------------------------------------------------- and away with it

part_remove() {
	on n2 'echo "# mine" >>/etc/lockstep/lockstep.conf'
	on n2 'systemd-run --quiet --collect --unit=holder lockstep run job -- sleep 76543'
	within on n2 "lockstep locks | grep -q \"^job .*granted\""
	ok "a removal is refused while a program has a lock" on n2 '! dpkg -r lockstep-resource-agents lockstep && lockstep locks | grep -q "^job .*granted"'
	on n2 "systemctl stop holder"
	ok "remove stops the daemon" on n2 'dpkg -r lockstep-resource-agents lockstep && ! pgrep -x lockstepd'
	ok "and keeps the configuration and the reservation of tokens" on n2 \
		'grep -q "^# mine" /etc/lockstep/lockstep.conf && [ -s /var/lib/lockstep/reserved ]'
	ok "purge leaves nothing of them" on n2 'dpkg -P lockstep-resource-agents lockstep-libdlm lockstep-doc lockstep liblockstep1 &&
		! ls -d /etc/lockstep /etc/default/lockstep /etc/corosync/uidgid.d/lockstep /var/lib/lockstep /var/log/lockstep \
			/run/lockstep /run/lockstep-guests /etc/systemd/system/multi-user.target.wants/lockstepd.service 2>/dev/null &&
		! getent passwd lockstep'
}

# ------------------------------------------------------------------- what the kernel says

# A system call that is filtered out is in its log, with the name of the program: probe.py's are, ours must not.
filtered() { # SINCE PROGRAM
	dmesg 2>/dev/null | awk -F'[][]' -v since="$1" '$2 + 0 >= since && /type=1326 /' | grep -q "comm=\"$2"
}

part_filter() {
	if filtered "$begun" python3; then
		ok "no system call of the daemon or its helpers was filtered out" not filtered "$begun" lockstep
	else
		skip "no system call was filtered out" "the kernel's log does not tell"
	fi
	ok "systemd saw none either" on n2 '! journalctl | grep "lockstep.*status=31/SYS"'
}

begun=$(cut -d " " -f 1 /proc/uptime)
machines_start
part_install
part_start
part_probe
part_features
part_pacemaker
part_access
part_programs
part_libdlm
part_ends
part_capabilities
part_upgrade
part_reboot
part_filter
part_remove
finish
