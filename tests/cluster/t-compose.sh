#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# examples/compose without a container engine, whose images cannot be had everywhere: the entry point runs in three nodes of namespaces,
# which is what containers are, with a real Corosync over its UDP transport; a guest runs in a network namespace of its own. The files
# that only an engine reads are checked against each other.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep
example=$srcdir/examples/compose

# --- what an engine would read
if python3 -c 'import yaml' 2>/dev/null; then
	ok "compose.yaml names each node with its address" python3 -c '
import sys, yaml
d = yaml.safe_load(open(sys.argv[1]))
nodes = {n: s for n, s in d["services"].items() if "NODE" in s["environment"]}
for name, s in nodes.items():
    assert s["environment"]["NODE"] == name == s["hostname"], name
    said = dict(n.split("=") for n in s["environment"]["NODES"].split())
    assert said == {n: x["networks"]["cluster"]["ipv4_address"] for n, x in nodes.items()}, said
    assert {v.split(":")[0] for v in s["volumes"]} <= set(d["volumes"]), s["volumes"]
guest = d["services"]["guest"]
assert guest["pid"] == "service:n1" and guest["environment"]["LOCKSTEP_IPC_NAME"] == "/guests/sock"
assert len(nodes) == 3' "$example/compose.yaml"
else
	diag "python3-yaml is not there: compose.yaml is not read"
fi
sed -n 's/^COPY \([a-z]*\) .*/\1/p' "$example/Containerfile" >"$tmp/copied"
ok "something is copied" [ -s "$tmp/copied" ]
while read -r file; do
	ok "what is copied is there: $file" [ -f "$example/$file" ]
done <"$tmp/copied"
ok "the entry point is what was copied" grep -q '^ENTRYPOINT .*/usr/local/sbin/start' "$example/Containerfile"

# --- the entry point
sandbox_up --nodes 3 --no-daemon
nodes=
for n in 1 2 3; do
	address=$(on n$n corosync-cmapctl -g nodelist.node.$((n - 1)).ring0_addr | sed 's/.* = //')
	nodes="$nodes n$n=$address"
done
corosync_gone() {
	! on "$1" pgrep -x corosync
}
for n in n1 n2 n3; do
	on $n pkill -KILL -x corosync
	within corosync_gone $n
done
guests=$tmp/guests
mkdir "$guests"
up() { # NODE
	# Only n1 has guests.
	start "$1" "$1" env NODES="${nodes# }" NODE="$1" GUESTS="$([ "$1" != n1 ] || echo "$guests")" sh "$example/start"
}
for n in n1 n2 n3; do
	up $n
done
for n in n1 n2 n3; do
	ok "$n is up" within healthy $n
done
ok "over UDP" on n1 grep -q 'transport: udpu' /etc/corosync/corosync.conf
ok "a node that is none of them is refused" status_is 2 on n1 env NODES="n1=127.0.0.1" NODE=n9 sh "$example/start"

# --- a guest, and its node
start guest n1 unshare --net env LOCKSTEP_IPC_NAME="$guests/sock" lockstep run job -- sh -c 'echo "I hold job, token $LOCKSTEP_TOKEN"; exec sleep 76543'
ok "a guest holds a lock" within said guest '^I hold job, token [0-9]+$'
ok "which nobody else gets" status_is 75 on n2 lockstep run -n job -- true
ok "and n2 knows where it is" lock_listed n2 job 'granted .* n1 '
on n1 pkill -TERM -f "sh $example/start"
ok "the container is stopped: its guest is, too" within ended guest
ok "and it ends well" within ended n1 0
ok "the lock is free at once" within free n2 job
up n1
ok "it starts again" within healthy n1
on n1 pkill -KILL -x lockstepd
ok "a daemon that dies takes its container along" within ended n1 1
up n1
ok "which comes back" within healthy n1
for n in n2 n3; do
	ok "$n does not wait for it" within healthy $n
done
done_testing
