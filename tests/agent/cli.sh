#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows lockstep-agent as its user meets it: what it says about plan files that are wrong, what becomes of plans that it
# runs, with real commands. Needs no daemon.
# shellcheck disable=SC1091,SC2016,SC2154,SC2317
. "${top_srcdir:-.}/tests/cli/lib.sh"

[ -x "$top_builddir/lockstep-agent" ] || skip "lockstep-agent is not built"

agent() {
	"$top_builddir/lockstep-agent" "$@"
}

plan() { # NAME, the text on standard input
	cat >"$tmp/$1"
}

# refused WHAT PATTERN...: the plan on standard input, each complaint with its line
refused() {
	refused_what=$1
	shift
	plan bad.plan
	status "$refused_what" 2 agent check "$tmp/bad.plan"
	for refused_pattern in "$@"; do
		complains "... and says so" "^$tmp/bad.plan$refused_pattern\$"
	done
	ok "... and nothing else" test "$(wc -l <"$tmp/err")" = $#
}

# --- plan files ---

plan good.plan <<-END
	# A comment.
	[plan]
	name = good
	parameters = item node
	max_parallel = 2

	[step verify]
	do = test %{node} != ""
	undo = nil

	[step claim]
	needs = verify
	do = sh -c 'echo "claim \$1" >>"\$2"' sh %{item} $tmp/trace
	undo = sh -c 'echo "unclaim \$1" >>"\$2"' sh %{item} $tmp/trace

	[step replay]
	needs = claim:trueData
	do = sh -c 'echo "\$LOCKSTEP_PLAN \$LOCKSTEP_STEP \$LOCKSTEP_PHASE \$LOCKSTEP_DIRECTION \$LOCKSTEP_ATTEMPT \$X" >>"\$1"' sh $tmp/trace
	undo = nil
	environment = X=%{item}%%
	directory = /

	[step clean]
	needs = replay:trueData
	do = nil
	undo = nil
	commit = yes
	END
status "a good plan is accepted" 0 agent check "$tmp/good.plan"
says "... with its name and counts" "plan good, 4 steps, 1 of them commit"
status "it has a picture" 0 agent graph "$tmp/good.plan"
says "... with an edge per need" '"claim" -> "replay" .style=bold.'

refused "unknown keys and groups, repetitions, lines that are nothing" \
	":1: key 'x' stands before the first group" \
	":3: unknown key 'colour' in .plan." \
	":4: unknown group .steps.; there are .plan. and .step NAME." \
	":7: unknown key 'undone' in .step a." \
	":8: key is repeated .first in line 6.: do" \
	":9: group is repeated .first in line 5.: step a" \
	":10: 'nonsense' is neither .*" \
	":11: '.step b' does not end with '.'" \
	":12: step name 'a b' is not 1 to 64 of A-Z a-z 0-9 . _ -" \
	":13: step name 'source' is taken: every plan has one" <<-END
	x = 1
	[plan]
	colour = red
	[steps]
	[step a]
	do = nil
	undone = nil
	do = nil
	[step a]
	nonsense
	[step b
	[step a b]
	[step source]
	END

refused "values that do not fit" \
	":2: max_parallel: 'many' is not a number from 1 to 1024" \
	":3: on_panic: 'stop' is neither halt nor continue" \
	":6: do: %.other. is not among the parameters of the plan" \
	":7: undo: Text ended before matching quote was found for '.*" \
	":8: needs: there is no step 'z'" \
	":9: success: '256' is not an exit code .0 to 255." \
	":10: timeout_ms: '0' is not a number from 1 to 86400000" \
	":11: environment: '=x' is not NAME=VALUE" \
	":12: directory: 'here' is not an absolute path" \
	":16: needs: 'data' is none of control, trueData, antiData, outputData" \
	":17: undo: a commit step is never undone; say nil" <<-END
	[plan]
	max_parallel = many
	on_panic = stop

	[step a]
	do = echo %{other}
	undo = sh -c 'open
	needs = z
	success = 0 256
	timeout_ms = 0
	environment = =x
	directory = here
	[step b]
	do = true
	commit = yes
	needs = a:data
	undo = true
	END

refused "a step without do" ": step 'a' .line 1.: has no do" <<-END
	[step a]
	undo = nil
	END
refused "a step without undo" ": step 'a' .line 1.: has no undo; say nil when there is nothing to undo" <<-END
	[step a]
	do = true
	END
refused "a cycle" ": step 'b' .line 5.: is on a cycle: it needs 'a' needs 'b'" <<-END
	[step a]
	do = true
	undo = nil
	needs = b
	[step b]
	do = true
	undo = nil
	needs = a
	[step c]
	do = nil
	undo = nil
	needs = b
	END
refused "an edge twice" ": step 'b' .line 4.: needs step 'a' twice" <<-END
	[step a]
	do = true
	undo = nil
	[step b]
	do = true
	undo = nil
	needs = a a:trueData
	END
refused "another number of commit steps than declared" ":2: commits: the plan declares 2 and has 0" <<-END
	[plan]
	commits = 2
	[step a]
	do = true
	undo = nil
	END
refused "no steps" ":1: the plan has no steps" <<-END
	[plan]
	END
printf '[step a]\ndo = \000\n' >"$tmp/nul.plan"
status "a NUL byte" 2 agent check "$tmp/nul.plan"
complains "... is named" "nul.plan: holds a NUL byte"
printf '[step a]\ndo = \377\n' >"$tmp/latin.plan"
status "what is not UTF-8" 2 agent check "$tmp/latin.plan"
complains "... is named" "latin.plan: is not UTF-8"
status "a missing file" 2 agent check "$tmp/nowhere.plan"
complains "... is named" "nowhere.plan: .*No such file"
status "a directory" 2 agent check "$tmp"

# --- arguments ---

status "no verb" 2 agent
status "an unknown verb" 2 agent dance
status "no file" 2 agent run
status "--set without =" 2 agent run --set item "$tmp/good.plan"
status "--set twice" 2 agent run --set item=1 --set item=2 "$tmp/good.plan"
complains "... is named" "--set item is given twice"
status "a parameter without value" 2 agent run --set item=1 "$tmp/good.plan"
complains "... is named with its line" "good.plan:8: do: parameter 'node' has no value"
status "a parameter the plan does not have" 2 agent run --set item=1 --set node=2 --set color=3 "$tmp/good.plan"
complains "... is named" "good.plan:4: the plan has no parameter 'color'"
ok "nothing ran so far" test ! -e "$tmp/trace"
status "check takes no options" 2 agent check --json "$tmp/good.plan"
for verb in check graph run; do
	status "$verb --help" 0 agent "$verb" --help
done
status "--version" 0 agent --version

# --- running (R-END-2) ---

# Not to be expanded by anybody.
odd='a b;$(c)'
status "a plan that is done" 0 agent run --set item="$odd" --set node=n1 --attempt 3 "$tmp/good.plan"
says "... is DONE" "plan good: DONE"
ok "parameters are words, whatever is in them" grep -qxF "claim $odd" "$tmp/trace"
ok "steps see who they are" grep -qxF "good replay do ENABLE 3 $odd%" "$tmp/trace"

rm -f "$tmp/trace"
status "a dry run" 0 agent run --dry-run --set item=1 --set node=2 "$tmp/good.plan"
ok "... starts nothing" test ! -e "$tmp/trace"

sed 's/^do = .*LOCKSTEP_PLAN.*/do = false/' "$tmp/good.plan" >"$tmp/fails.plan"
status "a step that fails before the commit point" 1 agent run --set item=1 --set node=2 "$tmp/fails.plan"
says "... is BAD" "^replay +BAD .*exit code 1"
says "... and rolls back" "plan good: ROLLED_BACK"
ok "... in order" test "$(tr '\n' ' ' <"$tmp/trace")" = "claim 1 unclaim 1 "

plan late.plan <<-END
	[step commit]
	do = nil
	undo = nil
	commit = yes
	[step fails]
	do = sh -c 'echo to stderr >&2; exit 4'
	undo = nil
	success = 0 3
	needs = commit
	[step uses]
	do = true
	undo = nil
	needs = fails:trueData
	[step skips]
	do = touch $tmp/skips
	undo = nil
	needs = fails
	on_forward = skip
	[step releases]
	do = touch $tmp/released
	undo = nil
	needs = uses
	END
status "a step that fails after the commit point" 3 agent run --dot "$tmp/late.dot" "$tmp/late.plan"
says "... goes forward" "plan late.plan: DONE_WITH_ERRORS"
says "what needs its data is skipped" "^uses +SKIPPED .*nothing came from fails"
ok "what is not to run forward does not" test ! -e "$tmp/skips"
ok "what releases does" test -e "$tmp/released"
complains "output comes with plan and step" "^late.plan/fails: to stderr"
ok "the picture shows what became of it" grep -q '"fails" .fillcolor=salmon' "$tmp/late.dot"

plan panic.plan <<-END
	[step a]
	do = true
	undo = touch $tmp/a-undone
	[step b]
	needs = a
	do = true
	undo = false
	[step c]
	needs = b
	do = /nonexistent/command
	undo = nil
	[step d]
	needs = c
	do = nil
	undo = nil
	commit = yes
	END
status "an undo that fails" 4 agent run "$tmp/panic.plan"
says "... is PANIC" "^b +PANIC"
says "... what came before it stays" "^a +GOOD"
says "a command that is not there is BAD" "^c +BAD .*No such file"
ok "... halt is the default" test ! -e "$tmp/a-undone"
sed '1i[plan]\non_panic = continue' "$tmp/panic.plan" >"$tmp/panic2.plan"
status "under continue" 4 agent run "$tmp/panic2.plan"
ok "... the rest is undone" test -e "$tmp/a-undone"

plan directory.plan <<-END
	[step a]
	do = true
	undo = nil
	directory = $tmp/not-there
	END
status "a directory that is not there" 3 agent run "$tmp/directory.plan"
says "... is named" "^a +BAD .*$tmp/not-there"

# --- time limits and signals (R-EXEC-7, R-END-6) ---

plan stubborn.plan <<-END
	[plan]
	kill_delay_ms = 100
	[step a]
	do = sh -c 'trap "" TERM; echo \$\$ >$tmp/stubborn.1; sleep 1000 & echo \$! >$tmp/stubborn.2; wait; wait'
	undo = nil
	timeout_ms = 300
	[step b]
	needs = a
	do = nil
	undo = nil
	commit = yes
	END
status "a command that takes too long and ignores SIGTERM" 1 agent run "$tmp/stubborn.plan"
says "... is BAD" "^a +BAD .*took too long"
complains "... was told" "stubborn.plan/a: told to end .SIGTERM."
complains "... and killed" "stubborn.plan/a: killed .SIGKILL."
for i in 1 2; do
	ok "nothing of it is left ($i)" within not alive "$(cat "$tmp/stubborn.$i")"
done

plan waits.plan <<-END
	[step a]
	do = true
	undo = touch $tmp/waits-undone
	[step b]
	needs = a
	do = sh -c 'echo \$\$ >$tmp/waits.1; sleep 1000 & echo \$! >$tmp/waits.2; wait'
	undo = nil
	[step c]
	needs = b
	do = nil
	undo = nil
	commit = yes
	END
start cancelled "$top_builddir/lockstep-agent" run "$tmp/waits.plan"
ok "a plan runs" within test -s "$tmp/waits.2"
signal TERM cancelled
ok "SIGTERM cancels it" within ended cancelled 1
ok "... and it is rolled back" test -e "$tmp/waits-undone"
for i in 1 2; do
	ok "... with nothing left ($i)" within not alive "$(cat "$tmp/waits.$i")"
done

rm -f "$tmp"/waits.[12]
start killed "$top_builddir/lockstep-agent" run "$tmp/waits.plan"
ok "it runs again" within test -s "$tmp/waits.2"
signal KILL killed
ok "a killed agent takes its commands along" within not alive "$(cat "$tmp/waits.1")"
kill "$(cat "$tmp/waits.2")"

# --- output ---

plan flood.plan <<-END
	[step flood]
	do = sh -c 'yes | head -c 3000000; printf end'
	undo = nil
	[step beside]
	do = true
	undo = nil
	END
status "a flood of output" 0 agent run --json "$tmp/flood.plan"
ok "... comes through to the last byte" grep -qx 'flood.plan/flood: end' "$tmp/err"
ok "... and every line of it" test "$(grep -c 'flood.plan/flood: y' "$tmp/err")" = 1500000
ok "the report is JSON" python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
assert r["outcome"] == "DONE" and [s["name"] for s in r["steps"]] == ["flood", "beside"], r' "$tmp/out"

plan background.plan <<-END
	[step leaves]
	do = sh -c 'sleep 1000 & echo \$! >$tmp/left'
	undo = nil
	END
status "a step that leaves something behind with its output open" 0 agent run "$tmp/background.plan"
ok "... is over when it is over, and leaves nothing" within not alive "$(cat "$tmp/left")"

done_testing
