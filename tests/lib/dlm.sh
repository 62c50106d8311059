#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The two libdlm: what they export (R-ABI-1 to R-ABI-3), then dlm_errors, and dlm_calls and dlm_rules for each, with a
# daemon to use up.
# shellcheck disable=SC1091,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"
[ -x "$top_builddir/tests/lib/dlm_calls" ] || skip "libdlm.so.3 is not built (libdlm.h, of Debian's libdlm-dev)"

symbols="dlm_close_lockspace dlm_create_lockspace dlm_dispatch dlm_get_fd dlm_kernel_version dlm_library_version dlm_lock
	dlm_lock_wait dlm_ls_deadlock_cancel dlm_ls_get_fd dlm_ls_lock dlm_ls_lock_wait dlm_ls_lockx dlm_ls_purge dlm_ls_unlock
	dlm_ls_unlock_wait dlm_new_lockspace dlm_open_lockspace dlm_release_lockspace dlm_unlock dlm_unlock_wait"
threaded="dlm_ls_pthread_init dlm_pthread_cleanup dlm_pthread_init lock_resource unlock_resource"

exports() { # FILE SYMBOL...
	exports_file=$1
	shift
	printf '%s\n' "$@" | sort >"$tmp/want"
	nm -D --defined-only "$exports_file" | awk '{ print $3 }' | sort >"$tmp/have"
	diff "$tmp/want" "$tmp/have"
}

needs_only() { # FILE
	readelf -d "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -Ev '^(libc\.so\.6|libqb\.so\.100|libasan\..*|libubsan\..*)$'
	[ "$(readelf -d "$1" | grep -c NEEDED)" -ge 2 ]
}

only_needs() {
	[ -z "$(needs_only "$1")" ]
}

named() { # FILE SONAME
	readelf -d "$1" | grep -q "SONAME.*\[$2\]"
}

unversioned() {
	! readelf -V "$1" | grep -q 'version definition'
}

for library in libdlm libdlm_lt; do
	file=$top_builddir/.libs/$library.so.3
	extra=
	[ "$library" = libdlm_lt ] || extra=$threaded
	# shellcheck disable=SC2086
	ok "$library exports what libdlm.h declares and nothing else" exports "$file" $symbols $extra
	ok "$library.so.3 is its name" named "$file" "$library.so.3"
	ok "$library needs libc and libqb only" only_needs "$file"
	ok "no symbol of $library has a version" unversioned "$file"
done

# A program that was linked with Debian's library, on ours.
daemon_start "session_locks_max = 8" # LOCKS_MAX
ok "dlm_errors" "$top_builddir/lockstep" libdlm run --no-tree -- "$top_builddir/tests/lib/dlm_errors" "$daemon_pid"
daemon_kill 2>/dev/null

export top_builddir
for program in dlm_calls dlm_calls_lt; do
	daemon_start
	DAEMON_PID=$daemon_pid
	export DAEMON_PID
	ok "$program" "$top_builddir/tests/lib/$program"
	daemon_kill 2>/dev/null
done
for program in dlm_rules dlm_rules_lt; do
	daemon_start "lockspaces =" "ipc_group = nogroup"
	ok "$program" "$top_builddir/tests/lib/$program"
	daemon_kill 2>/dev/null
done
done_testing
