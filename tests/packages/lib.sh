# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# For the tests of the packages: TAP, and what they do everywhere. Whoever sources this has set $tmp.
# shellcheck disable=SC2154
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive

test_count=0
test_failed=0
ok() { # WHAT COMMAND...
	ok_what=$1
	shift
	test_count=$((test_count + 1))
	if "$@" >"$tmp/ok.out" 2>&1; then
		echo "ok $test_count - $ok_what"
	else
		echo "not ok $test_count - $ok_what"
		tail -n 20 "$tmp/ok.out" | sed 's/^/# /'
		test_failed=$((test_failed + 1))
		return 1
	fi
}

skip() { # WHAT WHY
	test_count=$((test_count + 1))
	echo "ok $test_count - $1 # SKIP $2"
}

not() {
	! "$@"
}

within() { # COMMAND...
	within_end=$(($(date +%s) + 60))
	until within_said=$("$@" 2>&1); do
		[ "$(date +%s)" -le "$within_end" ] || { printf '%s\n' "still not: $*" "$within_said"; return 1; }
		sleep 0.1
	done
}
