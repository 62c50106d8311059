# SPDX-License-Identifier: GPL-2.0-or-later
#
# mutate.awk -v number=N list.txt SOURCE: the source with the N-th mutation of the list. Fails when its text is not there
# exactly once, within its function.
#
# mutate.awk -v names=1 list.txt: "FILE FUNCTION RULE: in words" of each.

function first_of(line, word, parts) {
	split(line, parts, " ")
	return parts[word]
}

FNR == NR {
	if (/^= /) {
		count++
		what[count] = substr($0, 3)
	} else if (/^@ /) {
		file[count] = first_of($0, 2)
		place[count] = first_of($0, 3)
	} else if (/^- /) {
		old[count] = substr($0, 3)
	} else if (/^[+] /) {
		new[count] = substr($0, 3)
	}
	next
}

# A definition starts at the left edge and is no declaration.
/^[a-z]/ && index($0, place[number] "(") && !/;$/ {
	inside = 1
}
{
	line = $0
	at = (place[number] == "*" || inside) ? index(line, old[number]) : 0
	if (at) {
		found++
		rest = substr(line, at + length(old[number]))
		if (index(rest, old[number])) {
			found++
		}
		line = substr(line, 1, at - 1) new[number] rest
	}
	print line
}
/^}/ {
	inside = 0
}

END {
	if (names) {
		for (i = 1; i <= count; i++) {
			print file[i], place[i], what[i]
		}
	} else if (found != 1) {
		print "\"" old[number] "\" is " found + 0 " times in " place[number] " of " file[number] >"/dev/stderr"
		exit 1
	}
}
