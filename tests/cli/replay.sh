#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A daemon that stands alone records (trace_dir); lockstep-replay repeats it with equal digests, shows the
# history of a resource and a lock, and names file and offset of what is damaged, cut short or changed.
# shellcheck disable=SC2016,SC2154
. "${top_srcdir:-.}/tests/cli/lib.sh"

replay() {
	"$top_builddir/lockstep-replay" "$@"
}

# The first beginning fails: what is there already cannot become the older file.
trace=$tmp/traces/default.trace
mkdir -p "$trace.1/in-the-way"
: >"$trace"
daemon_start "trace_dir = $tmp/traces" "trace_bytes = 65536"
ok "that it cannot record is in the log" within grep -q 'cannot write traces to ' "$tmp/daemon.log"
rm "$trace"
rm -r "$trace.1"
ok "when it can, it begins by itself" within replay "$trace"

lockstep run 'a b' -- true
lockstep run account -- sh -c '"$1" run -n account -- true; exit 0' sh "$top_builddir/lockstep" >/dev/null 2>&1
has() { # PATTERN FILE...: replay of these files says that
	has_pattern=$1
	shift
	replay "$@" >"$tmp/out" 2>"$tmp/err"
	grep -Eq -e "$has_pattern" "$tmp/out" "$tmp/err"
}
ok "what was done is in the trace" within has 'seq [0-9]+ unlocked: lock 1:0x[0-9a-f]+ .* on "account"' --resource account "$trace"
ok "the digests agree" replay "$trace"
ok "a grant with its token" has 'granted: lock .*lockstep pid [0-9]+.* mode EX, token [0-9]+' --resource account "$trace"
ok "who was refused" has 'refused .EAGAIN.: lock ' --resource account "$trace"
ok "a name with a space" has ' on "a.x20b"' --resource 'a\x20b' "$trace"
ok "another name has no history" not has ': lock ' --resource nobody "$trace"
lkid=$(replay --resource account "$trace" | sed -n 's/.*granted: lock \(1:0x[0-9a-f]*\) .*/\1/p' | head -n 1)
ok "one lock by its number" has "granted: lock $lkid " --lock "$lkid" "$trace"
ok "JSON" has '^\{"event":"granted","seq":[0-9]+,.*"comm":"lockstep".*"token":[0-9]+\}$' --json --resource account "$trace"

# Enough for a new file.
i=0
while [ ! -e "$trace.1" ] && [ $i -lt 400 ]; do
	lockstep run "rotate $i" -- true
	i=$((i + 1))
done
ok "a trace that is large enough goes on in a new file" test -e "$trace.1"
ok "both are complete in themselves" within replay "$trace.1" "$trace"
ok "the older one says so" has 'ends: goes on in a new file' "$trace.1"

# Without its third record the run comes out otherwise.
size_at() { # OFFSET: of the whole record there
	echo $(($(od -An -tu4 -j"$1" -N4 "$trace.1") + 8))
}
first=$(size_at 0)
second=$((first + $(size_at "$first")))
third=$((second + $(size_at "$second")))
{ head -c "$second" "$trace.1" && tail -c +$((third + 1)) "$trace.1"; } >"$tmp/less"
replay "$tmp/less" >"$tmp/out" 2>&1
ok "a record that is missing makes a difference" [ $? = 1 ]
ok "the first one is named" grep -Eq "^[^ ]*/less: offset $second: seq [0-9]+: the first difference: seq is" "$tmp/out"

size=$(stat -c %s "$trace.1")
head -c $((size - 3)) "$trace.1" >"$tmp/short"
ok "a cut file counts up to there" replay "$tmp/short"
ok "and is said to be cut" has "^[^ ]*/short: offset [0-9]+: the file ends within a record" "$tmp/short"
head -c 20 "$trace.1" >"$tmp/start"
replay "$tmp/start" >/dev/null 2>&1
ok "a snapshot that is not all there is no trace" [ $? = 3 ]
cp "$trace.1" "$tmp/bad"
printf '\377' | dd of="$tmp/bad" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
replay "$tmp/bad" >/dev/null 2>"$tmp/err"
ok "a changed byte is found" [ $? = 3 ]
ok "and named" grep -Eq '^[^ ]*/bad: offset [0-9]+: this is no trace record' "$tmp/err"
: >"$tmp/empty"
replay "$tmp/empty" >/dev/null 2>&1
ok "an empty file is no trace" [ $? = 3 ]
replay --lock nonsense "$trace" >/dev/null 2>&1
ok "a lock is NODE:LKID" [ $? = 2 ]
done_testing
