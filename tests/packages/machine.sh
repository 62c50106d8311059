#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Machines of namespaces for the tests of the packages: this one's file systems, all writes going elsewhere, with their own
# processes, network, /dev and /run. Nothing on this machine changes.
#	machine.sh plain TMP COMMAND...	runs COMMAND there
#	machine.sh booted TMP		becomes a systemd that has nothing to start yet; does not return
# TMP is a directory with the subdirectories root, layer and share; the last is /mnt there. In its file "refused" is what this
# machine does not allow, if anything.
set -u

refused() {
	echo "$*" >"$tmp/refused"
	exit 77
}

must() { # COMMAND...: one that needs the kernel's consent
	must_said=$("$@" 2>&1) || refused "$*: $must_said"
}

# ------------------------------------------------------------------- both kinds

root_make() {
	must mount -n --make-rprivate /
	must mount -n -t tmpfs tmpfs "$tmp/layer"
	mkdir "$tmp/layer/up" "$tmp/layer/work"
	must mount -n -t overlay overlay -o "lowerdir=/,upperdir=$tmp/layer/up,workdir=$tmp/layer/work" "$root"
	# The tree of the machine below, seen through the overlay, is an empty directory.
	must mount -n --bind "$tmp/share" "$root/mnt"
	must mount -n -t proc -o nosuid,nodev,noexec proc "$root/proc"
	must mount -n -t tmpfs -o mode=755 tmpfs "$root/run"
	must mount -n -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	# Not systemd-sysctl(8) nor anybody else is to change what belongs to the machine below.
	for p in sys irq bus sysrq-trigger; do
		[ -e "$root/proc/$p" ] || continue
		must mount -n --bind "$root/proc/$p" "$root/proc/$p"
		must mount -n -o remount,bind,ro "$root/proc/$p"
	done
}

dev_make() {
	must mount -n -t tmpfs -o mode=755 tmpfs "$root/dev"
	for n in null zero full random urandom tty; do
		: >"$root/dev/$n"
		must mount -n --bind "/dev/$n" "$root/dev/$n"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	must mount -n -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
	must mount -n -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	ln -s pts/ptmx "$root/dev/ptmx"
	ln -s /proc/self/fd "$root/dev/fd"
	for n in 0:stdin 1:stdout 2:stderr; do
		ln -s "fd/${n%%:*}" "$root/dev/${n#*:}"
	done
}

plain() { # COMMAND...
	root_make
	dev_make
	hostname lonely
	ip link set lo up
	exec chroot "$root" "$@"
}

# ------------------------------------------------------------------- with systemd

# A control group of its own, whose inside is the root of what the machine sees.
booted() {
	must mount -n --make-rprivate /
	must mount -n -t cgroup2 cgroup2 "$root"
	must mkdir -p "$root/lockstep-test-$$"
	echo 0 2>/dev/null >"$root/lockstep-test-$$/cgroup.procs" || refused "cannot enter a control group"
	echo "lockstep-test-$$" >"$tmp/cgroup"
	umount -n "$root"
	exec unshare --cgroup --pid --fork --kill-child --net --uts --ipc sh "$0" --init "$tmp"
}

init() {
	root_make
	dev_make
	must mount -n -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
	must mount -n -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
	basename "$tmp" >"$root/etc/hostname"
	: >"$root/etc/fstab"
	: >"$root/etc/machine-id"
	# What this machine would start is not wanted there, least of all what speaks to the kernel.
	rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.requires
	for w in "$root"/lib/systemd/system/*.wants/*; do
		case ${w##*/} in
		systemd-journald.service | systemd-journald.socket | systemd-journald-dev-log.socket | \
			systemd-tmpfiles-setup.service | *.target) ;;
		*) rm -f "$w" ;;
		esac
	done
	rm -f "$root/lib/systemd/system/systemd-journald-audit.socket"
	ip link set lo up
	cd "$root" || exit 1
	mkdir -p old
	must pivot_root . old
	must umount -n -l /old
	# Nor is it to set the clock or to load anything into the kernel.
	exec env -i container=lockstep-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		setpriv --bounding-set -sys_time,-sys_module,-sys_rawio -- \
		/lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no \
		</dev/null >/mnt/boot.log 2>&1
}

what=$1
tmp=$2
root=$tmp/root
shift 2
case $what in
plain) plain "$@" ;;
booted) booted ;;
--init) init ;;
esac
