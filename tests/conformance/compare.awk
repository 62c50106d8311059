# SPDX-License-Identifier: GPL-2.0-or-later
#
# awk -f compare.awk -v golden=FILE -v differences=FILE TRACE
#
# Exit 0: the trace is the golden one (lvb=GARBAGE there stands for any bytes). 1: it differs exactly as written in the file of
# differences. 2: it differs otherwise. 3: it does not differ although it should. The file of differences begins with
# "# RULE: why", and holds one whole trace, or several; with a line "# timing" the golden one is as good as those.

{ trace[++trace_count] = $0 }

function is_golden(	line, n, ok, mine) {
	ok = 1
	while ((getline line <golden) > 0) {
		mine = trace[++n]
		if (line ~ /lvb=GARBAGE/)
			sub(/lvb=[^ ]+/, "lvb=GARBAGE", mine)
		if (n > trace_count || line != mine)
			ok = 0
	}
	return ok && n == trace_count && n > 0
}

function read_differences(	line) {
	while ((getline line <differences) > 0) {
		if (line ~ /^# timing/)
			timing = 1
		if (line ~ /^#/)
			continue
		if (line ~ /^== /)
			traces++
		want[traces, ++size[traces]] = line
	}
}

function is_expected(	t, i) {
	for (t = 1; t <= traces; t++) {
		for (i = 1; i <= size[t] && want[t, i] == trace[i]; i++)
			;
		if (i > size[t] && size[t] == trace_count)
			return 1
	}
	return 0
}

END {
	same = is_golden()
	if (differences != "")
		read_differences()
	if (same)
		exit traces && !timing ? 3 : 0
	exit is_expected() ? 1 : 2
}
