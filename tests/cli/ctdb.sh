#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lockstep ctdb-mutex as CTDB's helper, against a real daemon: one character on standard output, and that the lock goes with SIGTERM, with
# CTDB, with the helper and with the daemon. With the programs of CTDB unpacked below $LOCKSTEP_CTDB_ROOT also two real ctdbd, whose
# leader is whoever has the lock.
# shellcheck disable=SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"
daemon_start
lockstep=$(cd "$top_builddir" && pwd)/lockstep

told() { # KEY CHARACTER: exactly that, no newline
	[ "$(od -An -c "$tmp/$1.out" | tr -d ' \n')" = "$2" ]
}

# start_ctdb KEY: a parent that runs the helper as CTDB does, and writes down its pid
start_ctdb() {
	start "$1" sh -c '"$0" ctdb-mutex reclock & echo $! >"$1.new"; mv "$1.new" "$1"; wait $!' "$lockstep" "$tmp/$1.helper"
	within test -e "$tmp/$1.helper"
}

helper_of() {
	cat "$tmp/$1.helper"
}

held_by() { # KEY
	lockstep locks reclock | grep -q " $(helper_of "$1") "
}

gone() { # KEY
	! alive "$(helper_of "$1")"
}

status "help" 0 lockstep ctdb-mutex --help
status "no name" 2 lockstep ctdb-mutex
status "no seconds" 2 lockstep ctdb-mutex -w x reclock
start_ctdb first
ok "the first one is told 0" within told first 0
ok "and has the lock" held_by first
start_ctdb second
ok "the second one is told 1" within told second 1
ok "and ends" within ended second 75
ok "the first one stays" alive "$(helper_of first)"
kill -TERM "$(helper_of first)"
ok "SIGTERM ends it" within ended first 0
ok "the lock is free then" free reclock
start_ctdb third
ok "it can be had again" within told third 0
signal KILL third
ok "CTDB dies: the helper ends" within gone third
ok "and the lock is free" within free reclock
start_ctdb fourth
within told fourth 0
kill -KILL "$(helper_of fourth)"
ok "the helper dies: the lock is free" within free reclock
within ended fourth
start_ctdb fifth
within told fifth 0
signal STOP daemon
status "a daemon that hangs" 75 lockstep ctdb-mutex -w 0.3 reclock
ok "is told as 2" [ "$(cat "$tmp/out")" = 2 ]
signal CONT daemon
status "no such lockspace" 1 lockstep ctdb-mutex -s nowhere reclock
ok "is told as 3" [ "$(cat "$tmp/out")" = 3 ]

if [ -n "${LOCKSTEP_CTDB_ROOT:-}" ]; then
	libraries=$LOCKSTEP_CTDB_ROOT/usr/lib/$(uname -m)-linux-gnu
	libexec=$LOCKSTEP_CTDB_ROOT/usr/libexec/ctdb
	printf '#!/bin/sh\nunset LD_LIBRARY_PATH\nexec %s ctdb-mutex real\n' "$lockstep" >"$tmp/helper"
	chmod +x "$tmp/helper"
	ctdb_env() { # NODE COMMAND...
		ce=$tmp/node$1
		shift
		env LD_LIBRARY_PATH="$libraries/samba:$libraries" CTDB_TEST_MODE=yes CTDB_BASE="$ce" CTDB_SOCKET="$ce/socket" \
			CTDB_EVENTD="$libexec/ctdb-eventd" CTDB_RECOVERY_HELPER="$libexec/ctdb_recovery_helper" \
			CTDB_TAKEOVER_HELPER="$libexec/ctdb_takeover_helper" CTDB_LOCK_HELPER="$libexec/ctdb_lock_helper" "$@"
	}
	ctdb_leads() { # NODE PNN
		[ "$(ctdb_env "$1" "$LOCKSTEP_CTDB_ROOT/usr/bin/ctdb" leader 2>/dev/null)" = "$2" ]
	}
	for n in 1 2; do
		base=$tmp/node$n
		mkdir -p "$base/events/legacy" "$base/events/notification" "$base/run" "$base/v" "$base/p" "$base/s"
		printf '127.0.0.1\n127.0.0.2\n' >"$base/nodes"
		printf '%s\n' '[logging]' "location = file:$base/log" '[cluster]' "node address = 127.0.0.$n" \
			"cluster lock = !$tmp/helper" '[database]' "volatile database directory = $base/v" \
			"persistent database directory = $base/p" "state database directory = $base/s" >"$base/ctdb.conf"
		ok "ctdbd $n" ctdb_env $n "$LOCKSTEP_CTDB_ROOT/usr/sbin/ctdbd"
		ctdb_env $n "$LOCKSTEP_CTDB_ROOT/usr/bin/ctdb" getpid | grep -o '[0-9]*$' >"$tmp/ctdbd$n.pid"
		[ $n = 2 ] || ok "leads with the lock" within ctdb_leads 1 0
	done
	ok "the other one knows" within ctdb_leads 2 0
	ok "one helper holds" [ "$(lockstep locks real | grep -c ' granted ')" = 1 ]
	signal KILL ctdbd1
	ok "the leader dies: the other one leads" within ctdb_leads 2 1
	ok "with the lock" [ "$(lockstep locks real | grep -c ' granted ')" = 1 ]
	ctdb_env 2 "$LOCKSTEP_CTDB_ROOT/usr/bin/ctdb" shutdown
	ok "and gives it back" within free real
	rm -f "$tmp/ctdbd1.pid" "$tmp/ctdbd2.pid"
fi

daemon_kill
ok "the daemon dies: the helper ends" within ended fifth 76
status "no daemon" 3 lockstep ctdb-mutex reclock
ok "is told as 3" [ "$(cat "$tmp/out")" = 3 ]
done_testing
