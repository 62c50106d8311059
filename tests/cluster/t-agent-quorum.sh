#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A node that loses quorum while it runs a recovery plan begins nothing more (R-PLAN-4): the others may be at the same item by
# then. When quorum is back the plan is run again, from its beginning.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep

cat >"$tmp/item.plan" <<'END'
[plan]
parameters = item trace
[step begin]
do = sh -c 'echo "begin $1 on $(hostname)" >>"$2"; while [ -e "$2.hold" ]; do sleep 0.05; done' sh %{item} %{trace}
undo = sh -c 'echo "undo $1" >>"$2"' sh %{item} %{trace}
[step clean]
needs = begin:trueData
do = sh -c 'echo "clean $1" >>"$2"' sh %{item} %{trace}
undo = nil
commit = yes
END
printf '%s\n' '[agent]' 'lockspace = store' 'items = 3' 'state_dir = /run/store' '[plans]' "item = $tmp/item.plan" \
	'[parameters]' "trace = $tmp/trace" >"$tmp/conf"
: >"$tmp/trace"

traced() { # PATTERN
	grep -Eq -e "$1" "$tmp/trace"
}

may_go_on() { # NODE: its application, as the state says
	on "$1" grep -q '^open' /run/store/state
}

sandbox_up --nodes 3
for n in n1 n2 n3; do
	start "$n" "$n" lockstep-agent serve "$tmp/conf"
	ok "the agent of $n is in" within may_go_on "$n" || bail "it is not"
done
item=$(on n3 sed -n 's/.* item \([0-9]*\) .*/\1/p' /run/store/state)
: >"$tmp/trace"
: >"$tmp/trace.hold"
sb crash n3
within sees_nodes n1 2
ok "fence-ack" within on n1 lockstep fence-ack n3
ok "somebody recovers the item of n3" within traced "^begin $item on"
one=$(sed -n 's/.* on //p' "$tmp/trace")
other=$([ "$one" = n1 ] && echo n2 || echo n1)
sb crash "$other"
ok "its quorum is lost" within not_quorate "$one"
ok "it says so" within said "$one" 'quorum is lost: the recoveries that run are stopped'
ok "what ran is told to end" within said "$one" 'begin: told to end'
ok "the plan stops where it is" within said "$one" "item-$item: plan item.plan: STOPPED"
ok "nothing else was begun, not even an undo" not traced '^undo|^clean|^begin.*begin'
ok "nor is it begun again" [ "$(grep -c '^begin' "$tmp/trace")" = 1 ]
rm "$tmp/trace.hold"
# It is healthy only when somebody has said what became of the one that has not come back.
sb boot n3 >"$tmp/boot.out" 2>&1 &
boot=$!
ok "there is quorum again" within quorate "$one"
ok "fence-ack for the other" within on "$one" lockstep fence-ack "$other"
ok "the plan is run again" within traced "^clean $item\$"
ok "and the application goes on" within may_go_on "$one"
ok "the node is back" wait "$boot"
done_testing
