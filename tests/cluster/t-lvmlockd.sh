#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lvmlockd as Debian ships it, on three nodes under `lockstep libdlm run`, and a shared VG on a loop device: global, VG and LV
# locks are taken on one node and refused on another, versions travel in value blocks, a killed lvmlockd adopts what it left
# behind, lockspaces stop and start, vgremove finds out whether others use the VG, and what a dead node held comes free when it
# is fenced. Commands of LVM are used as far as they need no device-mapper; LV locks, which are taken by activation, are asked
# for as those commands do (lvmlockd-ask.py), and a preloaded library tells lvmlockd which volumes are active (fake-dm.c).
# Rules: R-LVM-1, R-LVM-2, R-LVM-4, R-CONV-2, R-LVB-2, R-LVB-9, R-LS-3, R-LS-5, R-ORPH-1, R-PROC-5, R-REC-7.
# shellcheck disable=SC2154
. "${0%/*}/lib.sh"
need_lockstep
for program in lvm lvmlockd lvmlockctl losetup gcc python3; do
	command -v "$program" >/dev/null || skip_all "no $program (Debian's lvm2 and lvm2-lockd, mount, gcc, python3)"
done
gcc -shared -fPIC -o "$tmp/fake-dm.so" "$srcdir/tests/cluster/fake-dm.c" 2>"$tmp/gcc.out" ||
	bail "fake-dm.c does not compile: $(head -n 3 "$tmp/gcc.out")"
truncate -s 64M "$tmp/disk"
lvm_alone
loop=$(losetup --show -f "$tmp/disk" 2>"$tmp/losetup.out") || skip_all "no loop device: $(cat "$tmp/losetup.out")"
control=/dev/mapper/control
[ ! -e "$control" ] || control=
# lvmlockd makes the control device of what it takes for a device-mapper.
trap 'rc=$?; losetup -d "$loop"; rm -f $control; (exit $rc); cleanup' EXIT

vg=lockstepvg
mkdir "$tmp/lvm"
cat >"$tmp/lvm/lvm.conf" <<END
global {
	use_lvmlockd = 1
	activation = 0
	event_activation = 0
	system_id_source = "none"
}
devices {
	filter = [ "a|^$loop\$|", "r|.*|" ]
	use_devicesfile = 0
	hints = "none"
}
backup {
	backup = 0
	archive = 0
}
END
: >"$tmp/active"

lvm() { # NODE COMMAND...: one of LVM's, without its remarks on our descriptors
	lvm_node=$1
	shift
	on "$lvm_node" env LVM_SYSTEM_DIR="$tmp/lvm" LVM_SUPPRESS_FD_WARNINGS=1 "$@"
}

lvmlockd_start() { # NODE
	on "$1" env LD_PRELOAD="$tmp/fake-dm.so" FAKE_DM="$tmp/active" \
		lockstep libdlm run -s lvm_global -- lvmlockd -g dlm -A 1 && within on "$1" lvmlockctl --info
}

lvmlockd_kill() { # NODE
	# shellcheck disable=SC2016
	on "$1" sh -c 'kill -KILL "$(cat /run/lvmlockd.pid)"'
	within not on "$1" pgrep -x lvmlockd
}

ask() { # NODE REQUEST FIELD...: the answer
	ask_node=$1
	shift
	on "$ask_node" python3 "$srcdir/tests/cluster/lvmlockd-ask.py" "$@" opts=persistent vg_lock_type=dlm max_retries=0
}

gl() { # NODE MODE RESULT
	[ "$(ask "$1" lock_gl mode="$2")" = "$3" ]
}

vg() { # NODE MODE RESULT
	[ "$(ask "$1" lock_vg mode="$2" vg_name="$vg")" = "$3" ]
}

lv() { # NODE MODE RESULT
	[ "$(ask "$1" lock_lv mode="$2" vg_name="$vg" lv_name=one lv_uuid="$uuid" lv_lock_args=dlm)" = "$3" ]
}

# What lvmlockd says of its locks: "LK VG un ver 3", "LK LV ex UUID".
info_has() { # NODE PATTERN
	on "$1" lvmlockctl --info | grep -Eq -e "$2"
}

version() { # NODE
	on "$1" lvmlockctl --info | awk -v vg="VG $vg " 'index($0, vg) == 1 { here = 1 } here && /^LK VG/ { print $5 }'
}

versions_agree() { # the version that n1 wrote has come to n2
	lvm n2 lvm vgs "$vg" && [ "$(version n1)" -gt 1 ] && [ "$(version n1)" = "$(version n2)" ]
}

# Who is in the directory that lvmlockd counts.
members() { # NODE MEMBERS
	[ "$(on "$1" ls /run/lockstep/configfs/dlm/cluster/spaces/"lvm_$vg"/nodes | tr '\n' ' ')" = "$2 " ]
}

orphan_listed() { # NODE
	on "$1" lockstep locks -s "lvm_$vg" "$uuid" | grep -q 'granted  *EX .*orphan'
}

refused() { # PATTERN COMMAND...
	refused_pattern=$1
	shift
	! "$@" >"$tmp/refused" 2>&1 && cat "$tmp/refused" && grep -Eq -e "$refused_pattern" "$tmp/refused"
}

sandbox_up --nodes 3
for node in n1 n2 n3; do
	on "$node" mkdir /run/lvm # as LVM's tmpfiles.d does
	ok "lvmlockd starts on $node" lvmlockd_start "$node" || bail "without lvmlockd there is nothing to see"
done
ok "it runs on our library" on n1 sh -c "grep -q lockstep/libdlm_lt.so /proc/\$(cat /run/lvmlockd.pid)/maps"
ok "pvcreate" lvm n1 lvm pvcreate "$loop"
ok "vgcreate --shared" lvm n1 lvm vgcreate --shared "$vg" "$loop"
for node in n2 n3; do
	ok "the lockspace starts on $node" lvm "$node" lvm vgchange --lockstart "$vg"
	# Not within: it is true on every node before the start returns.
	ok "and n1 knows of it" members n1 "$(seq -s ' ' "${node#n}")"
done
ok "the members on n3" members n3 "1 2 3"

ok "vgremove: others use it" refused 'not stopped on other hosts|other host' lvm n1 lvm vgremove -f "$vg"

ok "GL: exclusive on n1" gl n1 ex 0
ok "refused on n2" gl n2 sh -11
ok "given back" gl n1 un 0
ok "shared on n2" gl n2 sh 0
ok "and on n1" gl n1 sh 0
ok "exclusive is refused" gl n1 ex -11
ok "given back by n1" gl n1 un 0
ok "and by n2" gl n2 un 0

ok "VG: exclusive on n1" vg n1 ex 0
ok "refused on n2" vg n2 sh -11
ok "so is a command there" refused 'lock' lvm n2 lvm lvcreate -an -Zn -Wn -l 1 -n two "$vg"
ok "given back" vg n1 un 0

ok "lvcreate on n1" lvm n1 lvm lvcreate -an -Zn -Wn -l 4 -n one "$vg"
ok "its version comes to n2" versions_agree
ok "lvcreate on n2" lvm n2 lvm lvcreate -an -Zn -Wn -l 1 -n two "$vg"
ok "lvcreate on n1 again" lvm n1 lvm lvcreate -an -Zn -Wn -l 1 -n three "$vg"
ok "its version comes to n2" versions_agree
uuid=$(lvm n1 lvm lvs --noheadings -o uuid "$vg/one" 2>/dev/null | tr -d ' ')
vg_uuid=$(lvm n1 lvm vgs --noheadings -o uuid "$vg" 2>/dev/null | tr -d ' ')

ok "LV: shared on n1" lv n1 sh 0
ok "and on n2" lv n2 sh 0
ok "given back" lv n2 un 0
ok "exclusive on n1" lv n1 ex 0
ok "shared is refused on n2" lv n2 sh -11
ok "exclusive, too" lv n2 ex -11
ok "lvremove on n2, too" refused 'lock' lvm n2 lvm lvremove -f "$vg/one"

# The volume is active, as far as lvmlockd can see.
echo "$vg-one LVM-$(printf '%s%s' "$vg_uuid" "$uuid" | tr -d -)" >"$tmp/active"
lvmlockd_kill n1
ok "lvmlockd is killed: its lock stays" lv n2 ex -11
ok "as an orphan" orphan_listed n1
ok "lvmlockd starts again" lvmlockd_start n1
ok "and adopts it" within info_has n1 "^LK LV ex $uuid"
ok "still refused" lv n2 ex -11
ok "given back" lv n1 un 0
ok "n2 has it" lv n2 ex 0
ok "given back" lv n2 un 0
: >"$tmp/active"

ok "the lockspace stops on n3" lvm n3 lvm vgchange --lockstop "$vg"
ok "the others know" within members n1 "1 2"
ok "and starts again" lvm n3 lvm vgchange --lockstart "$vg"
ok "the others know that" members n1 "1 2 3"

ok "n3 takes the LV" lv n3 ex 0
ok "and the VG" vg n3 ex 0
sb crash n3
ok "n3 is dead: known to n1" within summary_has n1 n3
ok "it still counts" members n1 "1 2 3"
ok "its LV is refused" lv n1 ex -11
ok "its VG, too" vg n2 sh -11
ok "fence-ack" on n1 lockstep fence-ack n3
ok "its LV is free" within lv n1 ex 0
ok "its VG, too" within vg n2 sh 0
ok "it counts no longer" within members n1 "1 2"
ok "given back" lv n1 un 0
ok "given back" vg n2 un 0
ok "nothing that n1 writes is lost" lvm n1 lvm lvcreate -an -Zn -Wn -l 1 -n four "$vg"
ok "its version comes to n2" versions_agree

ok "vgremove: n2 uses it" refused 'not stopped on other hosts|other host' lvm n1 lvm vgremove -f "$vg"
ok "the lockspace stops on n2" lvm n2 lvm vgchange --lockstop "$vg"
ok "the other knows" within members n1 1
ok "vgremove" lvm n1 lvm vgremove -f "$vg"
ok "no lockspace is left of it" within not on n1 lockstep dlm lockdump "lvm_$vg"
ok "n1 and n2 are healthy" within healthy n1

# By the resource agent.
agent() { # ACTION
	lvm n2 env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=lvmlockd OCF_RESOURCE_TYPE=lvmlockd __OCF_ACTION="$1" \
		/usr/lib/ocf/resource.d/lockstep/lvmlockd "$1"
}

lvmlockd_kill n2
ok "agent: not running" status_is 7 agent monitor
ok "agent: start" agent start
ok "agent: start again" agent start
ok "agent: running" agent monitor
ok "vgcreate" lvm n2 lvm vgcreate --shared "$vg" "$loop"
ok "agent: stop" agent stop
ok "agent: stopped" status_is 7 agent monitor
ok "no lockspace is left" not on n2 sh -c 'lockstep dlm ls | grep lvm_'
on n2 mount --bind /dev/null "$(command -v lvmlockctl)"
ok "agent: a missing program is not installed" status_is 5 agent start
on n2 umount "$(command -v lvmlockctl)"
ok "agent: unknown action" status_is 3 agent nonsense
done_testing
