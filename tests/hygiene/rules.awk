# SPDX-License-Identifier: GPL-2.0-or-later
#
# Prints "RULE FILE CASE" for each rule of a specification that a test case cites, given test sources. A C function is a
# case when it stands in a table of the file called tests or stories; it cites what its body and the comment right above
# it name. In a shell script a citation counts behind the comment at the top, which says what the file is about.

function cited(line, rest, rule) {
	rest = line
	while (match(rest, /R-[A-Z0-9]+-[0-9]+/)) {
		rule = substr(rest, RSTART, RLENGTH)
		rest = substr(rest, RSTART + RLENGTH)
		if (shell) {
			print rule, name, FNR
		} else {
			found[++count] = rule
			where[count] = fn
		}
	}
}

function finish(i) {
	for (i = 1; i <= count; i++) {
		if (where[i] in registered) {
			print found[i], name, where[i]
		}
	}
	count = 0
	split("", registered)
}

FNR == 1 {
	finish()
	name = index(FILENAME, top "/") == 1 ? substr(FILENAME, length(top) + 2) : FILENAME
	shell = name ~ /[.]sh$/
	header = 1
	fn = ""
	table = comment = body = above = 0
}

shell {
	if (header && /^#/) {
		next
	}
	header = 0
	cited($0)
	next
}

# A comment at the left edge: its rules wait for the name of the function below it.
/^\/\*/ && !body {
	comment = 1
	above = 1
	pending = ""
}
comment {
	pending = pending " " $0
	if (/\*\//) {
		comment = 0
	}
	next
}
/^[a-z].*[a-z0-9_]+\(/ && !body && !/;$/ {
	fn = $0
	sub(/\(.*/, "", fn)
	sub(/.*[ *]/, "", fn)
	if (above) {
		cited(pending)
	}
	pending = ""
}
/^{/ {
	body = 1
}
!/^\/\*/ && !comment {
	above = 0
}
/(tests|stories)\[\] = {/ {
	table = 1
}
table {
	line = $0
	while (match(line, /[a-z_][a-z0-9_]+/)) {
		registered[substr(line, RSTART, RLENGTH)] = 1
		line = substr(line, RSTART + RLENGTH)
	}
	if (/^\t?};/) {
		table = 0
	}
	next
}
body {
	cited($0)
}
/^}/ {
	body = 0
	fn = ""
}

END {
	finish()
}
