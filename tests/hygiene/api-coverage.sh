#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows that what liblockstep exports is what its installed headers declare, no more and no less, and that each function has a place
# in a section 3 manual page and in a test, an example or a program of ours. The comparison is tried on a planted difference.
set -eu
LC_ALL=C
export LC_ALL
top=${top_srcdir:-.}
build=${top_builddir:-.}
library=$build/.libs/liblockstep.so
[ -e "$library" ] || { echo "skipped: $library is not built"; exit 77; }
command -v nm >/dev/null || { echo "skipped: nm is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain() {
	echo "$1"
	failed=1
}

# functions HEADER: names of the functions it declares. Comments go first, since they speak of functions too; types of
# callbacks are no functions.
functions() {
	awk '{
		line = $0
		while (1) {
			if (comment) {
				if (!(at = index(line, "*/")))
					break
				line = substr(line, at + 2)
				comment = 0
			}
			if (!(at = index(line, "/*"))) {
				print line
				break
			}
			print substr(line, 1, at - 1)
			line = substr(line, at + 2)
			comment = 1
		}
	}' "$1" | grep -v '^[[:space:]]*#' | grep -oE '(^|[^A-Za-z0-9_])lockstep_[a-z0-9_]+[[:space:]]*\(' |
		grep -oE 'lockstep_[a-z0-9_]+' | sort -u
}

# differ A B TEXT: complains about every line that is in A but not in B
differ() {
	comm -23 "$1" "$2" >"$work/only"
	while IFS= read -r name; do
		complain "$name $3"
	done <"$work/only"
}

cat >"$work/h.h" <<'H'
/* lockstep_spoken_of() is
 * only lockstep_mentioned() here */
typedef void (*lockstep_ast_fn)(void *arg);
int lockstep_a(int x); /* lockstep_b() */
struct lockstep_s *lockstep_c(void);
H
if [ "$(functions "$work/h.h" | tr '\n' ' ')" != "lockstep_a lockstep_c " ]; then
	complain "self-test: read from the planted header: $(functions "$work/h.h" | tr '\n' ' ')"
fi
echo one >"$work/a"
: >"$work/b"
differ "$work/a" "$work/b" "is a planted difference" >/dev/null
[ "$failed" = 1 ] || { echo "self-test: the planted difference was not seen"; exit 1; }
failed=0

for header in "$top"/include/lockstep/lockstep*.h; do
	functions "$header"
done | sort -u >"$work/declared"
grep -qx lockstep_open "$work/declared" || complain "lockstep_open was not found in the headers"
# Version nodes are absolute symbols, and sanitizers export helpers of their own.
nm -D --defined-only "$library" | awk '$2 ~ /^[TDBRVW]$/ { sub(/@.*/, "", $3); print $3 }' |
	grep -Ev '^(__|_init$|_fini$)' | sort -u >"$work/exported" || :

differ "$work/declared" "$work/exported" "is declared in an installed header and not exported"
differ "$work/exported" "$work/declared" "is exported and not declared in an installed header"
while IFS= read -r name; do
	if ! cat "$top"/man/*.3 2>/dev/null | grep -qw "$name"; then
		complain "$name has no place in man/*.3"
	fi
	grep -rqw --include='*.c' "$name" "$top/tests" "$top/tools" "$top/examples" "$top/bench" ||
		complain "$name is used by no test, example or program"
done <"$work/declared"
[ "$failed" = 0 ] && echo "functions of liblockstep: $(wc -l <"$work/declared")"
exit "$failed"
