#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a user wants to see (story 7 of the users): "Grafana shows waiters by lockspace; the alert fires when the oldest waiter is older
# than 60 s and names the holder." Three nodes are scraped, once over TCP from a process that systemd's socket activation starts; what
# was scraped goes through promtool's checks and the alerts of examples/monitoring. Then the holder's node dies: what waits for its
# fencing is a metric, too.
#
# promtool: $LOCKSTEP_PROMTOOL, or in the PATH. Without it our own strict reader is the check, and the alerts are not run.
# shellcheck disable=SC2016,SC2154
. "${0%/*}/lib.sh"
need_lockstep
command -v python3 >/dev/null || skip_all "python3 is not installed"
promtext=$srcdir/tests/cli/promtext.py
rules=$srcdir/examples/monitoring/lockstep.rules.yml
promtool=${LOCKSTEP_PROMTOOL:-$(command -v promtool)} || promtool=

scraped() { # NODE EXPRESSION
	on "$1" lockstep metrics >"$tmp/$1.prom" && python3 "$promtext" value "$tmp/$1.prom" "$2"
}

scrape_tcp() {
	on n2 python3 -c 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:9877/metrics", timeout=20).read().decode(), end="")' >"$tmp/tcp.prom"
}

sandbox_up --nodes 3
start job n1 lockstep run job -- sleep 76543
within lock_listed n2 job 'granted .* n1 '
start next n2 lockstep run job -- true

# --- Grafana: waiters by lockspace, on every node
for n in n1 n2 n3; do
	ok "$n shows who holds and waits" within scraped $n 'v("lockstep_locks_held", lockspace="default", mode="EX") == 1 and v("lockstep_locks_waiting", lockspace="default", mode="EX") == 1'
	ok "$n: the text is right" python3 "$promtext" check "$tmp/$n.prom"
	ok "$n: three members, none lost" scraped $n 'len(labels("lockstep_member_lost")) == 3 and all(v("lockstep_member_lost", node=m) == 0 for m in ("n1", "n2", "n3"))'
done
ok "the holder's node has the lock" scraped n3 'v("lockstep_member_locks", node="n1") == 1'

# --- the alert
ok "after a while the waiter's node names the holder" within scraped n2 'labels("lockstep_oldest_wait_info")'
ok "and who waits" scraped n2 '(lambda l: (l["name"], l["waiter_node"], l["holder_node"], l["holder"], l["mode"]) == ("job", "n2", "n1", "lockstep", "EX"))(labels("lockstep_oldest_wait_info")[0])'
ok "for whom nobody on the other nodes waits" scraped n3 'v("lockstep_oldest_wait_seconds") == 0 and not labels("lockstep_oldest_wait_info")'
if [ -n "$promtool" ]; then
	ok "promtool takes the text" sh -c '"$1" check metrics <"$2"' sh "$promtool" "$tmp/n2.prom"
	ok "and the rules" "$promtool" check rules "$rules"
	python3 "$promtext" rule-test "$tmp/n2.prom" "$rules" >"$tmp/rules.test.yml"
	ok "the alert fires when it is older than 60 s, and names the holder" "$promtool" test rules "$tmp/rules.test.yml"
else
	diag "promtool is not there: the alerts are not run"
fi

# --- a scrape over TCP
if command -v systemd-socket-activate >/dev/null; then
	lockstep_path=$(on n2 sh -c 'command -v lockstep')
	start scrape n2 systemd-socket-activate --accept --inetd -E LD_LIBRARY_PATH -l 127.0.0.1:9877 "$lockstep_path" metrics --http
	ok "Prometheus scrapes it" within scrape_tcp
	ok "with the same text" python3 "$promtext" check "$tmp/tcp.prom"
	ok "again" scrape_tcp
	on n2 pkill -f 'systemd-socket-activate --accept'
else
	diag "systemd-socket-activate is not there: not scraped over TCP"
fi

# --- the holder's node dies
sb crash n1
for n in n2 n3; do
	ok "$n says for whom it waits" within scraped $n 'v("lockstep_lost_wait_seconds", lockspace="default", node="n1") > 0 and v("lockstep_member_lost", node="n1") == 1'
done
ok "it is recovering" within scraped n2 'v("lockstep_lockspace_state", state="recovering") == 1 and v("lockstep_lockspace_lost_members") == 1'
ok "that the holder is lost is said" within scraped n2 '[l["holder_lost"] for l in labels("lockstep_oldest_wait_info")] == ["1"]'
ok "fence-ack" on n3 lockstep fence-ack n1
ok "the waiter has it" within ended next 0
ok "nobody is waited for" within scraped n2 'not labels("lockstep_lost_wait_seconds") and v("lockstep_lockspace_state", state="running") == 1'
ok "how long it took is counted on its node" scraped n2 'v("lockstep_wait_seconds_count") == 1 and v("lockstep_wait_seconds_sum") > 5'
ok "as a grant on both" scraped n3 'v("lockstep_requests_granted_total", when="after_wait") == 1'
done_testing
