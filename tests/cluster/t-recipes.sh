#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The recipes of lockstep(7) for pcs and crmsh, taken from the manual page and run as they stand, in its order, on three nodes
# with a fencing device; after each of them, what it promises.  README.md's must be the same.
#
# Not as they stand: the fence agent is the sandbox's power switch, which the manual cannot know; apt-get only notes that it was
# called, since a test installs nothing (tests/packages does); modprobe does nothing where the machine has none. lvmlockd is
# Debian's and has a shared volume group on a loop device, but nothing is activated: that needs a device-mapper.
# shellcheck disable=SC2016,SC2317,SC2154
. "${0%/*}/lib.sh"
need_lockstep

man=$srcdir/man/lockstep.7

names() {
	sed -n 's/^\.\\" recipe //p' "$man" | sed 's/\\-/-/g'
}

# The commands of a recipe: the example that follows its mark, without roff's escapes.
recipe() { # NAME
	awk -v want="$1" '
		/^\.\\" recipe / { name = $0; sub(/^\.\\" recipe /, "", name); gsub(/\\-/, "-", name); next }
		/^\.EX/ { inside = 1; next }
		/^\.EE/ { inside = 0; name = "" }
		inside && name == want { gsub(/\\-/, "-"); gsub(/\\e/, "\\"); gsub(/\\\(aq/, "\047"); print }' "$man"
}

# The same of README.md: indented, behind a comment.
readme_recipe() { # NAME
	awk -v want="<!-- recipe $1 -->" '
		$0 == want { inside = 1; next }
		inside && /^    / { print substr($0, 5); seen = 1; next }
		inside && seen { exit }' "$srcdir/README.md"
}

run_recipe() { # NODE NAME
	recipe "$2" >"$tmp/recipe"
	[ -s "$tmp/recipe" ] || {
		echo "there is no recipe $2"
		return 1
	}
	# The manual cannot know the device.
	sed -i 's/fence_NAME OPTIONS/fence_sandbox/' "$tmp/recipe"
	on "$1" sh -ex "$tmp/recipe"
}

did() { # NAME: run it, and remember that it was
	echo "$1" >>"$tmp/done"
	ok "recipe: $1" run_recipe "${2:-n1}" "$1"
}

mon_says() { # PATTERN
	on n1 crm_mon -1A | grep -Eq -e "$1"
}

# Three daemons that are well; a clone whose monitor just runs is listed line by line.
started() { # CLONE NODE...
	started_clone=$1
	shift
	on n1 crm_mon --output-as xml >"$tmp/mon.xml" || return 1
	for started_node in "$@"; do
		xmllint --xpath "//clone[@id='$started_clone']/resource[@role!='Stopped' and @failed='false']/node[@name='$started_node']" \
			"$tmp/mon.xml" >/dev/null || return 1
	done
	[ "$(xmllint --xpath "count(//clone[@id='$started_clone']/resource/node)" "$tmp/mon.xml")" = $# ]
}

daemons_well() {
	for dw in n1 n2 n3; do
		healthy "$dw" || return 1
	done
}

promoted() {
	on n1 crm_mon -1 | sed -n 's/.*Promoted: \[ \(n[123]\) \]/\1/p'
}

mounted_where_promoted() {
	mw=$(promoted)
	[ -n "$mw" ] && on "$mw" mountpoint -q /srv/db && lock_is_held_by "$mw"
}

lock_is_held_by() { # NODE
	on n1 lockstep locks -s db --holder primary | grep -q "granted *EX *$1 "
}

promoted_elsewhere() { # NODE
	mounted_where_promoted && [ "$(promoted)" != "$1" ]
}

nothing_failed() {
	! on n1 crm_mon -1 | grep -A 20 'Failed Resource Actions'
}

# One node writes an attribute and tells of it, whichever it is.
alert_told() {
	for at in n1 n2 n3; do
		! on "$at" grep -q 'lockstepd on n2: stopped' /var/log/pacemaker/lockstep.log || return 0
	done
	return 1
}

incarnation() { # NODE
	on n3 lockstep lockspace members --json | tr -d ' \n' | sed "s/.*\"node\":\"$1\",[^}]*\"incarnation\":\([0-9]*\).*/\1/"
}

command -v pcs >/dev/null 2>&1 || skip_all "pcs is not installed"
command -v xmllint >/dev/null 2>&1 || skip_all "xmllint is not installed"
sandbox_up --fence --no-daemon
# A new cluster has the newest schema, no device, and is asked for nothing.
on n1 cibadmin --upgrade --force
on n1 pcs stonith delete power >/dev/null 2>&1
mkdir "$tmp/shared"
for n in n1 n2 n3; do
	on "$n" sh -c 'mount -t tmpfs tmpfs /srv && mkdir /srv/shared /srv/db
		mount -t tmpfs tmpfs /usr/local/sbin
		# The Filesystem agent asks for it, also where nothing is to be loaded.
		command -v modprobe || { printf "#!/bin/sh\nexit 0\n" >/usr/local/sbin/modprobe && chmod +x /usr/local/sbin/modprobe; }' >/dev/null
done

did fencing
ok "the device works" within mon_says 'power.*Started'
did create
ok "all daemons run" within started lockstep-clone n1 n2 n3
ok "and are well" within daemons_well
did application
ok "the application runs behind them" within started app-clone n1 n2 n3
did rule
ok "and goes on" within started app-clone n1 n2 n3
did primary
ok "one is the primary, holds the lock, and has the file system" within mounted_where_promoted
# lvmlockd, by Pacemaker. Each node has the same /etc/lvm, which its agent may write to, and is not the machine's.
lvm_here() {
	for program in lvm lvmlockd lvmlockctl losetup; do
		command -v "$program" >/dev/null || return 1
	done
	lvm_alone
	truncate -s 64M "$tmp/disk" && loop=$(losetup --show -f "$tmp/disk" 2>/dev/null)
}

lvm_global_joined() { # NODE
	on "$1" lockstep lockspace list | grep -q '^lvm_global .*running'
}

vg_version() { # NODE
	on "$1" lvmlockctl --info | awk 'index($0, "VG recipes ") == 1 { here = 1 } here && /^LK VG/ { print $5 }'
}

version_comes() {
	on n2 env LVM_SUPPRESS_FD_WARNINGS=1 lvm vgs recipes && [ "$(vg_version n1)" -gt 1 ] &&
		[ "$(vg_version n1)" = "$(vg_version n2)" ]
}

loop=
if lvm_here; then
	[ -e /dev/mapper/control ] && control= || control=/dev/mapper/control
	# lvmlockd makes the control device of what it takes for a device-mapper.
	trap 'rc=$?; losetup -d "$loop"; rm -f $control; (exit $rc); cleanup' EXIT
	mkdir "$tmp/lvm"
	printf '%s\n' 'global { use_lvmlockd = 1' 'activation = 0' 'event_activation = 0' 'system_id_source = "none" }' \
		"devices { filter = [ \"a|^$loop\$|\", \"r|.*|\" ]" 'use_devicesfile = 0' 'hints = "none" }' \
		'backup { backup = 0' 'archive = 0 }' >"$tmp/lvm/lvm.conf"
	for n in n1 n2 n3; do
		on "$n" sh -c 'mkdir -p /run/lvm && mount --bind "$1" /etc/lvm' sh "$tmp/lvm"
	done
	did lvm
	ok "lvmlockd runs on all nodes" within started lvmlockd-clone n1 n2 n3
	ok "pcs describes its agent" on n1 sh -c 'pcs resource describe ocf:lockstep:lvmlockd | grep -q "with the locks of Lockstep"'
	ok "it is one on Lockstep" on n1 sh -c "grep -q lockstep/libdlm_lt.so /proc/\$(cat /run/lvmlockd.pid)/maps"
	ok "a shared volume group is made" on n1 env LVM_SUPPRESS_FD_WARNINGS=1 lvm vgcreate --shared recipes "$loop"
	ok "another node uses it" on n2 env LVM_SUPPRESS_FD_WARNINGS=1 lvm vgchange --lockstart recipes
	ok "by Lockstep's lockspace" lvm_global_joined n2
	ok "and writes to it" on n2 env LVM_SUPPRESS_FD_WARNINGS=1 lvm lvcreate -an -Zn -Wn -l 1 -n one recipes
	ok "what n1 writes comes to n2" on n1 env LVM_SUPPRESS_FD_WARNINGS=1 lvm lvcreate -an -Zn -Wn -l 1 -n two recipes
	ok "with its version" within version_comes
else
	printf '%s\n' lvm >>"$tmp/done"
	test_count=$((test_count + 1))
	echo "ok $test_count - lvmlockd # SKIP no loop device, or no lvm2-lockd"
fi
did look
diag "$(cat "$tmp/ok.out")"
# The sample is installed where Lockstep is.
sample=${LOCKSTEP_PREFIX:-/usr}/share/pacemaker/alerts/alert_lockstep.sh.sample
for n in n1 n2 n3; do
	on "$n" sh -c '[ -e "$2" ] || { mkdir /run/alerts && mount -t overlay overlay -o "lowerdir=$1:/usr/share/pacemaker/alerts" \
		/usr/share/pacemaker/alerts; }' sh "${sample%/*}" "/usr/share/pacemaker/alerts/${sample##*/}"
done
did alert
for n in n2 n3; do
	on "$n" install -m 755 /usr/share/pacemaker/alerts/alert_lockstep.sh.sample /usr/local/sbin/alert_lockstep
done
first=$(promoted)
did move
ok "another node is the primary" within promoted_elsewhere "$first"
before=$(incarnation n2)
did standby
ok "the daemon is back" within started lockstep-clone n1 n2 n3
ok "and well" within daemons_well
ok "it was a new one" [ "$(incarnation n2)" != "$before" ]
if [ -n "$loop" ]; then
	ok "lvmlockd, too" within started lvmlockd-clone n1 n2 n3
	ok "without its lockspaces" not lvm_global_joined n2
	ok "and n2 can use the volume group again" on n2 env LVM_SUPPRESS_FD_WARNINGS=1 lvm vgchange --lockstart recipes
fi
ok "the alert agent has told of it" within alert_told
start job n1 lockstep run job -- sleep 76543
within lock_listed n1 job granted
did maintenance
did reload
ok "no lock was lost by that" lock_listed n1 job granted
on n1 pkill -TERM -f '^sleep 76543'
within ended job
# No package manager is run by a test.
printf '#!/bin/sh\necho "$@" >/run/apt-get.args\n' >"$tmp/apt-get"
chmod +x "$tmp/apt-get"
on n1 mount --bind "$tmp/apt-get" "$(command -v apt-get || echo /usr/bin/apt-get)"
did upgrade
ok "all is well" within daemons_well
ok "nobody was fenced" sh -c "'$sandbox' exec n1 stonith_admin -H '*' | grep -q '^0 events'"
ok "nothing has failed" nothing_failed
if [ -n "$loop" ]; then
	did lvm-remove
	ok "lvmlockd has stopped its lockspaces and gone" within not on n2 pgrep -x lvmlockd
else
	printf '%s\n' lvm-remove >>"$tmp/done"
fi
did remove
ok "no daemon is left" within not on n3 pgrep -x lockstepd
ok "nothing has failed" nothing_failed

if command -v crm >/dev/null 2>&1; then
	export HOME="$tmp"
	on n1 mkdir -p /var/log/crmsh
	did crmsh-create
	ok "all daemons run" within started lockstep-clone n1 n2 n3
	ok "and the application" within started app-clone n1 n2 n3
	ok "crm describes the agents" on n1 sh -c 'crm ra info ocf:lockstep:lockstepd && crm ra info ocf:lockstep:lockspace'
	did crmsh-standby
	ok "the daemon is back" within started lockstep-clone n1 n2 n3
	did crmsh-maintenance
	did crmsh-remove
	ok "no daemon is left" within not on n3 pgrep -x lockstepd
else
	test_count=$((test_count + 1))
	echo "ok $test_count - crmsh # SKIP crmsh is not installed"
	names | grep '^crmsh-' >>"$tmp/done"
fi

names >"$tmp/names"
ok "no recipe was left out" diff "$tmp/names" "$tmp/done"
# shellcheck disable=SC2013
for n in $(sed -n 's/^<!-- recipe \(.*\) -->$/\1/p' "$srcdir/README.md"); do
	recipe "$n" >"$tmp/of-man"
	readme_recipe "$n" >"$tmp/of-readme"
	ok "README.md has the same recipe: $n" diff "$tmp/of-man" "$tmp/of-readme"
done
ok "README.md has recipes" grep -q '^<!-- recipe create -->' "$srcdir/README.md"
done_testing
