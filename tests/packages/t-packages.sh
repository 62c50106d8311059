#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Debian's packages: they build from the distributed tree, lintian has nothing to say, and on a machine of their own (this one's
# file systems, all writes going elsewhere, with its own processes and network) they are installed, used, upgraded under a running
# daemon, and purged without a trace. That is done without systemd; t-units.sh follows, with it.
#	tests/packages/t-packages.sh SOURCE_DIRECTORY	(as "make distdir" makes it)
# Needs root; nothing on this machine changes.
# shellcheck disable=SC2016,SC2317
set -u
here=$(dirname "$(realpath "$0")")

skip_all() {
	echo "1..0 # SKIP $*"
	exit 77
}

# ------------------------------------------------------------------------ outside

outside() { # SOURCE_DIRECTORY
	[ "$(id -u)" = 0 ] || skip_all "not root"
	for t in dpkg-buildpackage dh lintian unshare; do
		command -v "$t" >/dev/null || skip_all "$t is not installed"
	done
	tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/lockstep-packages.XXXXXX") || exit 1
	trap 'rm -rf --one-file-system "$tmp"' EXIT
	trap 'exit 130' INT TERM HUP
	# shellcheck source=tests/packages/lib.sh
	. "$here/lib.sh"
	mkdir "$tmp/build"
	cp -r "$1" "$tmp/build/source" && chmod -R u+w "$tmp/build/source" || exit 1

	cd "$tmp/build/source" || exit 1
	# The tests of this project are the business of others, and so are debugging symbols.
	if ! ok "dpkg-buildpackage" env DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" \
		dpkg-buildpackage -us -uc; then
		echo "Bail out! there are no packages"
		exit 1
	fi
	cd "$tmp/build" || exit 1
	lintian --fail-on error,warning --display-info lockstep_*.changes >"$tmp/lintian" 2>&1
	lintian_rc=$?
	ok "lintian" [ "$lintian_rc" = 0 ] || sed 's/^/# /' "$tmp/lintian"
	for p in lockstep liblockstep1 liblockstep-dev lockstep-libdlm lockstep-resource-agents lockstep-doc; do
		ok "there is a package $p" test -e "$(echo "$p"_*.deb)"
	done

	next_version
	mkdir "$tmp/root" "$tmp/layer" "$tmp/share"
	ln "$tmp"/build/*.deb "$tmp/share/"
	cp "$here/t-packages.sh" "$here/lib.sh" "$tmp/share/"
	# It goes on counting where we stop, and so do those with systemd.
	echo "$test_count $test_failed" >"$tmp/share/tally"
	unshare --mount --pid --fork --kill-child --net --uts --ipc \
		sh "$here/machine.sh" plain "$tmp" sh /mnt/t-packages.sh --inside || test_failed=$((test_failed + 1))
	sh "$here/t-units.sh" "$tmp/share" || test_failed=$((test_failed + 1))
	read -r test_count t <"$tmp/share/tally"
	echo "1..$test_count"
	[ $((test_failed + t)) = 0 ] || exit 1
	exit 0
}

# For the upgrade: the same with another number, in the programs, too.
next_version() {
	for deb in lockstep_*.deb liblockstep1_*.deb; do
		name=${deb%%_*}
		version=$(dpkg-deb -f "$deb" Version)
		dpkg-deb -R "$deb" "$tmp/next" || exit 1
		sed -i -e 's/^Version: .*/&+next/' "$tmp/next/DEBIAN/control"
		find "$tmp/next" -type f \( -name lockstepd -o -name lockstep -o -name 'liblockstep.so.*' \) -path '*/usr/*' \
			-exec sed -i "s/\\<$(echo "$version" | sed 's/[.]/\\./g')\\>/${version%?}x/" {} +
		dpkg-deb -b "$tmp/next" "$tmp/build/next-$name.deb" >/dev/null && rm -rf "$tmp/next"
	done
}

# ------------------------------------------------------------------------- inside

# What may change: dpkg's own books, caches, logs, and the traces of what runs here beside ours.
files() {
	find /etc /usr /var /lib /bin /sbin /opt /run -xdev \
		\( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /run/resource-agents \
		-o -path /run/systemd -o -path /var/lib/corosync -o -path /var/tmp -o -path /etc/ld.so.cache -o -path /var/lib/systemd \) -prune -o \
		\( -type f -o -type l -o -type d \) -printf '%p %y %u %g %m\n' 2>/dev/null | sort
	getent passwd lockstep
	getent group lockstep
	ls -d /var/log/lockstep 2>/dev/null
}

unit() { # KEY
	sed -n "s/^$1=//p" /lib/systemd/system/lockstepd.service
}

# As systemd would: the unit's user and capabilities, the directories it names, its command.
as_unit() {
	caps=$(unit AmbientCapabilities | tr 'A-Z ' 'a-z,' | sed 's/cap_/+/g')
	install -d -o lockstep -g lockstep /run/lockstep
	# shellcheck disable=SC2046
	setsid setpriv --reuid "$(unit User)" --regid "$(unit Group)" --init-groups --inh-caps="-all,$caps" \
		--ambient-caps="-all,$caps" --bounding-set="-all,$caps" --no-new-privs -- \
		$(unit ExecStart | sed 's/ --foreground.*//')
}

daemon() {
	cat /run/lockstep/lockstepd.pid
}

healthy() {
	lockstep status >/dev/null 2>&1
}

runs_as_lockstep() {
	[ "$(stat -c %U "/proc/$(daemon)")" = lockstep ]
}

held_by_us() {
	lockstep locks | grep -q '^job .*granted'
}

compile() {
	cat >/tmp/try.c <<-'END'
	#include <lockstep/lockstep.h>
	#include <stdio.h>
	int main(void) { puts(lockstep_version()); return 0; }
	END
	# shellcheck disable=SC2046
	cc -Wall -Werror -o /tmp/try /tmp/try.c $(pkg-config --cflags --libs liblockstep) && /tmp/try
}

agents_known() {
	crm_resource --list-agents ocf:lockstep | grep -qx lockstepd &&
		crm_resource --list-agents ocf:lockstep | grep -qx lockspace &&
		[ "$(crm_resource --list-agents ocf:lockstep | wc -l)" = 3 ]
}

inside() {
	tmp=/tmp
	# shellcheck source=tests/packages/lib.sh
	. /mnt/lib.sh
	read -r test_count test_failed </mnt/tally
	cd /mnt || exit 1
	# Nothing of this machine's services is to be started or stopped, whatever a package wants.
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d

	files >/tmp/before
	ok "install" dpkg -i lockstep_*.deb liblockstep1_*.deb liblockstep-dev_*.deb lockstep-libdlm_*.deb \
		lockstep-resource-agents_*.deb lockstep-doc_*.deb
	ok "nothing was started" not pgrep -x lockstepd
	ok "there is a user" id lockstep
	ok "the command" sh -c 'lockstep --version | grep -q .'
	ok "its completion" bash -c '. /usr/share/bash-completion/completions/lockstep'
	ok "manual pages" sh -c 'for p in "1 lockstep" "3 lockstep_lock" "5 lockstep.conf" "7 lockstep" "7 ocf_lockstep_lockspace" \
		"7 lockstep-libdlm" "8 lockstepd"; do set -- $p; [ -e "/usr/share/man/man$1/$2.$1.gz" ] || exit 1; done'
	ok "a program can be made with the library" compile
	ok "the libdlm replacement has all it needs" sh -c '! ldd /usr/lib/*/lockstep/libdlm.so.3 | grep -q "not found"'
	ok "Pacemaker finds the agents, and nothing else" agents_known
	ok "and reads their meta-data" sh -c 'crm_resource --show-metadata ocf:lockstep:lockstepd && crm_resource --show-metadata ocf:lockstep:lockspace'
	ok "validate-all of the host" env OCF_ROOT=/usr/lib/ocf OCF_CHECK_LEVEL=10 OCF_RESKEY_user=lockstep \
		/usr/lib/ocf/resource.d/lockstep/lockstepd validate-all
	ok "the configuration" lockstepd --check-config
	if command -v systemd-analyze >/dev/null; then
		ok "the unit" systemd-analyze verify /lib/systemd/system/lockstepd.service
		ok "its sandboxing" sh -c 'systemd-analyze security --offline=yes lockstepd.service | tee /dev/stderr | grep -q "OK\|MEDIUM"'
	fi
	if command -v logrotate >/dev/null; then
		ok "logrotate" logrotate -d /etc/logrotate.d/lockstep
	fi

	# A cluster of one, on the loopback interface; Corosync lets the user in because of our file.
	cp -a /etc/corosync/corosync.conf /tmp/ 2>/dev/null
	printf 'totem {\n version: 2\n cluster_name: lonely\n transport: udpu\n interface {\n  ringnumber: 0\n  bindnetaddr: 127.0.0.1\n }\n}\nnodelist {\n node {\n  nodeid: 1\n  name: lonely\n  ring0_addr: 127.0.0.1\n }\n}\nquorum {\n provider: corosync_votequorum\n}\nsystem {\n sched_rr: no\n move_to_root_cgroup: no\n}\nlogging {\n to_syslog: no\n to_stderr: no\n}\n' >/etc/corosync/corosync.conf
	setsid corosync -f </dev/null >/tmp/corosync.out 2>&1 &
	ok "a Corosync" within sh -c 'corosync-quorumtool -s 2>/dev/null | grep -q "^Quorate: *Yes"'
	printf 'log_file = /var/log/lockstep/lockstepd.log\nsyslog = no\nlock_memory = no\n' >>/etc/lockstep/lockstep.conf
	ok "the daemon, with the unit's user and capabilities" as_unit
	ok "is healthy" within healthy
	ok "is no root" runs_as_lockstep
	ok "locks" lockstep run job -- true
	ok "SIGHUP, as logrotate sends it, is survived" sh -c 'kill -HUP "$(cat /run/lockstep/lockstepd.pid)"; sleep 0.2; lockstep status'
	setsid lockstep run job -- sleep 76543 </dev/null >/dev/null 2>&1 &
	within held_by_us
	pid=$(daemon)
	ok "upgrade" dpkg -i next-lockstep.deb next-liblockstep1.deb
	ok "the new version is there" sh -c 'dpkg-query -W -f "\${Version}" lockstep | grep -q next'
	ok "the daemon was not touched" [ "$(daemon)" = "$pid" ]
	ok "nor the lock" held_by_us
	ok "changes of the configuration are kept" grep -q '^lock_memory = no' /etc/lockstep/lockstep.conf
	pkill -x sleep
	ok "it stops when nobody uses it" sh -c 'kill "$(cat /run/lockstep/lockstepd.pid)"; n=0; while pgrep -x lockstepd; do n=$((n + 1)); [ $n -lt 300 ] || exit 1; sleep 0.1; done'
	pkill -x corosync
	[ ! -e /tmp/corosync.conf ] || cp -a /tmp/corosync.conf /etc/corosync/corosync.conf

	ok "purge" dpkg --purge lockstep-doc lockstep-resource-agents lockstep-libdlm liblockstep-dev lockstep liblockstep1
	files >/tmp/after
	ok "without a trace" diff /tmp/before /tmp/after
	echo "$test_count $test_failed" >/mnt/tally
	[ "$test_failed" = 0 ]
}

case ${1:-} in
--inside) inside ;;
'')
	echo "usage: $0 SOURCE_DIRECTORY" >&2
	exit 2
	;;
*) outside "$1" ;;
esac
