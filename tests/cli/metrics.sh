#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lockstep metrics against a real daemon: text that a strict reader takes, the figures that a few programs must give, the file of
# the textfile collector, HTTP, and that the alerts and the dashboard speak of what is there.
# shellcheck disable=SC1003,SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"
command -v python3 >/dev/null || skip "python3 is not installed"
source=${top_srcdir:-.}
promtext=$source/tests/cli/promtext.py
lockstep=$top_builddir/lockstep
holder=$top_builddir/tests/cli/holder

scraped() { # EXPRESSION: true of what is scraped now
	lockstep metrics >"$tmp/m.prom" && python3 "$promtext" value "$tmp/m.prom" "$1"
}

# --- usage, and the reader
status "metrics --help" 0 lockstep metrics --help
says "is about metrics" '^usage: lockstep metrics'
status "an argument" 2 lockstep metrics more
status "two ways at once" 2 lockstep metrics --http --output "$tmp/x"
status "no daemon" 3 lockstep metrics
ok "is a metric, too" grep -qx 'lockstep_up 0' "$tmp/out"
for wrong in 'a 1' '# HELP a b' '# HELP a b\n# TYPE a gauge\na{x="1"y="2"} 1' '# HELP a b\n# TYPE a gauge\na 1\na 1' \
	'# HELP a b\n# TYPE a counter\na 1' '# HELP a b\n# TYPE a gauge\na{x="\\x"} 1' '# HELP a b\n# TYPE a gauge\na one'; do
	# shellcheck disable=SC2059
	printf "$wrong\n" >"$tmp/wrong"
	ok "the reader refuses a wrong text" not python3 "$promtext" check "$tmp/wrong"
done

daemon_start "session_locks_max = 2"
status "at rest" 0 lockstep metrics
cp "$tmp/out" "$tmp/rest.prom"
ok "the text is right" python3 "$promtext" check "$tmp/rest.prom"
ok "the alerts speak of what is there" python3 "$promtext" names "$tmp/rest.prom" "$source/examples/monitoring/lockstep.rules.yml"
ok "so does the dashboard" python3 "$promtext" names "$tmp/rest.prom" "$source/examples/monitoring/grafana-dashboard.json"
ok "which is JSON" python3 -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1]))["panels"])' "$source/examples/monitoring/grafana-dashboard.json"
ok "and the manual page of all" sh -c 'sed -n "s/^# TYPE \([a-z_]*\) .*/\1/p" "$1" | while read -r name; do
	grep -qw "$name" "$2" || { echo "$name"; exit 1; }; done' sh "$tmp/rest.prom" "$source/man/lockstep-metrics.7"
ok "one state" scraped 'v("lockstep_node_state", state="ok") == 1 and v("lockstep_node_state", state="lost") == 0'

# --- modes, a wait under a name that is no word
start a "$holder" 'q"\x0a=EX'
within said a q
start b "$holder" 'q"\x0a?PR'
start c "$holder" r=PR r=PR
ok "modes" within scraped 'v("lockstep_locks_held", mode="EX") == 1 and v("lockstep_locks_held", mode="PR") == 2 and v("lockstep_locks_waiting", mode="PR") == 1'
ok "a member's locks" scraped 'sum(1 for l in labels("lockstep_member_locks")) == 1 and v("lockstep_member_locks") == 4'
ok "the oldest wait" within scraped 'v("lockstep_oldest_wait_seconds", lockspace="default") >= 0.1'
ok "is no series of its own at first" scraped 'v("lockstep_oldest_wait_seconds") >= 5 or not labels("lockstep_oldest_wait_info")'
ok "but when it has lasted" within scraped 'labels("lockstep_oldest_wait_info")'
ok "with its name" scraped 'labels("lockstep_oldest_wait_info")[0]["name"] == "q\"\\\\x0a"'
ok "with who waits and who holds" scraped "(lambda l: (l['waiter_pid'], l['holder_pid'], l['holder'], l['holder_mode'], l['mode'], l['by_order']) == ('$(cat "$tmp/b.pid")', '$(cat "$tmp/a.pid")', 'holder', 'EX', 'PR', '0'))(labels('lockstep_oldest_wait_info')[0])"
ok "the text is right" python3 "$promtext" check "$tmp/m.prom"
signal KILL a
ok "nobody waits" within scraped 'v("lockstep_oldest_wait_seconds") == 0 and not labels("lockstep_oldest_wait_info")'
ok "and how long it took is counted" scraped 'v("lockstep_wait_seconds_count") == 1 and v("lockstep_wait_seconds_bucket", le="0.5") == 0 and v("lockstep_wait_seconds_sum") >= 4.9'
ok "as is the grant" scraped 'v("lockstep_requests_granted_total", when="after_wait") == 1 and v("lockstep_requests_queued_total") == 1'
start d "$holder" x=PR y=PR z=PR
within ended d
ok "a quota that was reached is counted" scraped 'v("lockstep_quota_refusals_total") >= 1'
status "one that is busy" 75 lockstep run -n 'r' -- true
ok "is counted" scraped 'v("lockstep_requests_refused_total", reason="busy") >= 1'

# --- the file
status "--output" 0 lockstep metrics --output "$tmp/file.prom"
ok "writes it" python3 "$promtext" check "$tmp/file.prom"
ok "and nothing else" [ "$(find "$tmp" -name 'file.prom*' | wc -l)" = 1 ]
status "a file that cannot be" 1 lockstep metrics --output "$tmp/no/where"

# --- HTTP: what a socket unit would hand over
http() { # REQUEST: as printf has it
	# shellcheck disable=SC2059
	printf "$1" | lockstep metrics --http
}
status "GET" 0 http 'GET /metrics HTTP/1.1\r\nHost: n1:9877\r\nAccept: */*\r\n\r\n'
ok "is answered" grep -q '^HTTP/1.1 200 OK' "$tmp/out"
ok "with as many bytes as it says" sh -c '[ "$(sed "1,/^.$/d" "$1" | wc -c)" = "$(sed -n "s/^Content-Length: \([0-9]*\).*/\1/p" "$1")" ]' sh "$tmp/out"
sed '1,/^.$/d' "$tmp/out" >"$tmp/http.prom"
ok "which are right" python3 "$promtext" check "$tmp/http.prom"
status "HEAD" 0 http 'HEAD /metrics HTTP/1.0\r\n\r\n'
ok "has no body" sh -c '[ -z "$(sed "1,/^.$/d" "$1")" ] && grep -q "^HTTP/1.1 200 " "$1"' sh "$tmp/out"
for case in '404:GET / HTTP/1.1\r\n\r\n' '405:POST /metrics HTTP/1.1\r\n\r\n' '400:GET /metrics\r\n\r\n' '400:GET' '400:\r\n\r\n' \
	'400:GET /metrics HTTP/1.1 x\r\n\r\n' '400:GET /met\0rics HTTP/1.1\r\n\r\n'; do
	status "refused" 0 http "${case#*:}"
	says "with ${case%%:*}" "^HTTP/1.1 ${case%%:*} "
done
status "a head that is too long" 0 sh -c '{ printf "GET /metrics HTTP/1.1\r\nX: "; head -c 9000 /dev/zero | tr "\0" x; } | "$0" metrics --http' "$lockstep"
says "is refused" '^HTTP/1.1 431 '
daemon_kill
status "without the daemon" 0 http 'GET /metrics HTTP/1.1\r\n\r\n'
ok "that is the answer" grep -qx 'lockstep_up 0' "$tmp/out"
done_testing
