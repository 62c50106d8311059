#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that every numbered rule of the lock model has a test that cites it (tests/rules/rules.txt), as does every test
# vector of its section 23. A citation stands at a test case (rules.awk). What needs no test is in exempt.txt with the
# reason; what has none yet is in open.txt. Both must be exact: a rule that has a test may not be in them. Planted
# sources come first.
set -eu
top=${top_srcdir:-.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
	echo "$1"
	failed=1
}

# rules_of FILE: the rules at the beginnings of its lines
rules_of() {
	sed -n 's/^\(R-[A-Z0-9]*-[0-9]*\).*/\1/p' "$1" | sort
}

citations() {
	awk -v top="$top" -f "$top/tests/hygiene/rules.awk" "$@"
}

cat >"$work/a.c" <<'C'
/* Shows R-A-1. */
/* R-B-1, and
 * R-B-2 */
static void first(void **state)
{
	(void)state; /* R-C-1 */
}

/* R-D-1 */
static void helper(void)
{
	nothing(); /* R-D-2 */
}

/* R-E-1 */

static int more(int x)
{
	return x;
}

static void second(void **state)
{
	check(state); /* R-F-1 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		unit(first), setup(second),
	};
	return run(tests); /* R-G-1 */
}
C
printf '#!/bin/sh\n# R-A-1\n\nok "a (R-H-1)" true\n' >"$work/b.sh"
[ "$(citations "$work/a.c" "$work/b.sh" | cut -d ' ' -f 1 | tr '\n' ' ')" = 'R-B-1 R-B-2 R-C-1 R-F-1 R-H-1 ' ] ||
	complain "self-test: what is cited"

rules_of "$top/tests/rules/rules.txt" >"$work/rules"
rules_of "$top/tests/rules/exempt.txt" >"$work/exempt"
rules_of "$top/tests/rules/open.txt" >"$work/open"
find "$top/tests" \( -name '*.c' -o -name '*.sh' \) ! -path '*/hygiene/*' -exec \
	awk -v top="$top" -f "$top/tests/hygiene/rules.awk" {} + >"$work/citations"
cut -d ' ' -f 1 "$work/citations" | sort -u | comm -12 - "$work/rules" >"$work/covered"

for list in exempt open; do
	for rule in $(comm -23 "$work/$list" "$work/rules"); do
		complain "$list.txt: there is no rule $rule"
	done
	for rule in $(comm -12 "$work/$list" "$work/covered"); do
		complain "$list.txt: $rule has a test now ($(sed -n "s/^$rule //p" "$work/citations" | head -n 1)): take it out"
	done
done
if grep -E '^R-[A-Z0-9]+-[0-9]+[[:space:]]*$' "$top/tests/rules/exempt.txt"; then
	complain "exempt.txt: those have no reason"
fi
sort -u "$work/covered" "$work/exempt" "$work/open" >"$work/known"
for rule in $(comm -23 "$work/rules" "$work/known"); do
	complain "no test cites $(grep "^$rule " "$top/tests/rules/rules.txt")"
done

# Vectors 19 and 20 are of the other personality (section 20).
vectors=0
for number in $(seq 1 18); do
	if grep -Eq "^/\* ${number}[:,]" "$top/tests/unit/test_engine_vectors.c"; then
		vectors=$((vectors + 1))
	else
		complain "no test of vector $number"
	fi
done

echo "rules: $(wc -l <"$work/rules") in sections 1 to 19, $(wc -l <"$work/covered") with a test" \
	"($(wc -l <"$work/citations") citations), $(wc -l <"$work/exempt") exempt, $(wc -l <"$work/open") open;" \
	"vectors: $vectors of 18, 2 of section 20"
exit "$failed"
