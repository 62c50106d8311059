# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads C sources (paths relative to the top of the tree) and complains about every #include that goes against the
# dependency order. One rule per part: which parts of ours it may include, and which foreign headers.
#
#   base <- ipc, coordinator <- client <- dlm         base <- engine <- node <- daemon         ipc <- node         client <- tools, agent/serve
#
# lockstep/lockstep_types.h holds only names and numbers, so every part may speak of them; lockstep/lockstep.h is the client's.

BEGIN {
	part_set("include", "", "types api")
	part_set("lib/base", "base", "types")
	# What queries answer is declared once, in lockstep.h, and travels in these messages.
	part_set("lib/ipc", "base ipc", "types api")
	part_set("lib/coordinator", "base coordinator", "types")
	part_set("lib/client", "base ipc coordinator client", "types api")
	# It decides itself when what of a session's events is delivered.
	part_set("lib/dlm", "base ipc client dlm", "types api")
	part_set("plugin/engine", "base engine", "types")
	part_set("plugin/node", "base ipc engine node", "types")
	part_set("plugin/daemon", "base ipc engine node daemon", "types")
	part_set("agent", "base agent", "types")
	part_set("tools", "base ipc tools", "types api")
	part_set("examples", "", "types api")
	part_set("bench", "base ipc client engine node bench", "types api")
	part_set("tests", "base ipc coordinator client dlm engine node daemon agent tools tests", "types api")
	# What must be able to run without a cluster, a clock or a loop never sees the daemon.
	part_set("tests/sim", "base ipc engine node tests", "types")
	part_set("tests/fuzz", "base ipc client dlm engine node agent tools tests", "types api")
	part_set("tools/lockstep_replay", "base engine node tools", "types")
	file_part["tools/lockstep_replay.c"] = "tools/lockstep_replay"
	# Recorded times are printed; no clock is read.
	file_allow["tools/lockstep_replay_tell.c", "time.h"] = 1
	file_part["tools/lockstep_replay.h"] = "tools/lockstep_replay"
	file_part["tools/lockstep_replay_file.c"] = "tools/lockstep_replay"
	file_part["tools/lockstep_replay_compare.c"] = "tools/lockstep_replay"
	file_part["tools/lockstep_replay_tell.c"] = "tools/lockstep_replay"
	# The only ones that talk to the cluster, through the public library.
	file_part["agent/serve.c"] = "agent/serve.c"
	file_part["agent/quorum.c"] = "agent/serve.c"
	part_set("agent/serve.c", "agent", "types api")
	# The daemon's config reader is a pure text parser and may be fuzzed.
	file_allow["tests/fuzz", "plugin/daemon/config.h"] = 1

	words("pure", "lib/base lib/ipc lib/coordinator plugin/engine plugin/node")
	words("pure_header", "assert.h ctype.h endian.h errno.h inttypes.h limits.h stdalign.h stdarg.h stdbool.h stddef.h" \
		" stdint.h stdlib.h string.h xxhash.h")
	# The one message that an invariant's failure leaves behind has to be written by somebody.
	file_allow["lib/base/assert.c", "stdio.h"] = 1
	# snprintf() for sentences, wrapped once.
	file_allow["lib/base/text.c", "stdio.h"] = 1
	words("standard_header", "errno.h inttypes.h stdbool.h stddef.h stdint.h sys/types.h")
	# Who may talk to the cluster, the loop and the clock.
	words("adapter", "plugin/daemon tools examples bench tests")
	words("virtual", "tests/sim agent")
}

function words(set, text,	n, i, w) {
	n = split(text, w, " ")
	for (i = 1; i <= n; i++)
		is[set, w[i]] = 1
}

function part_set(part, ours, api) {
	known[part] = 1
	words("ours " part, ours)
	words("api " part, api)
}

function complain(text) {
	print FILENAME ":" FNR ": " text
	bad++
}

# The longest known part that the path begins with.
function part_of(path,	p) {
	if (path in file_part)
		return file_part[path]
	for (p = path; sub(/\/[^\/]*$/, "", p); )
		if (p in known)
			return p
	return ""
}

# "lib/ipc/ipc.h" -> "ipc"
function module_of(path,	w) {
	split(path, w, "/")
	return (w[1] == "lib" || w[1] == "plugin") ? w[2] : w[1]
}

FNR == 1 {
	part = part_of(FILENAME)
	seen = 0
	files++
	if (part == "")
		complain("no rule says what this folder may include")
}

/^[ \t]*#[ \t]*include/ {
	if (part == "")
		next
	if (!match($0, /["<][^">]*[">]/)) {
		complain("cannot read this include")
		next
	}
	name = substr($0, RSTART + 1, RLENGTH - 2)
	quoted = substr($0, RSTART, 1) == "\""
	seen++

	# Examples are copied by readers and must build without our config.h, programs of tests/cluster with what
	# is installed.
	if (FILENAME ~ /\.c$/ && part != "examples" && FILENAME !~ /^tests\/cluster\// && seen == 1 && name != "config.h")
		complain("config.h comes first")
	if (name == "config.h") {
		if (FILENAME ~ /\.h$/)
			complain("config.h belongs to the .c files")
		next
	}
	if ((FILENAME, name) in file_allow || (part, name) in file_allow)
		next

	if (name ~ /^lockstep\//) {
		if (quoted)
			complain("public headers are included as <" name ">")
		if (!(("api " part, name == "lockstep/lockstep_types.h" ? "types" : "api") in is))
			complain(part " may not include <" name ">")
		next
	}
	if (quoted) {
		if (name !~ /\//)
			complain("\"" name "\": paths are relative to the top of the tree")
		else if (!(("ours " part, module_of(name)) in is))
			complain(part " may not include \"" name "\"")
		next
	}

	if (part == "include") {
		if (!(("standard_header", name) in is))
			complain("an installed header includes <" name ">, which its users may not have")
	} else if (("pure", part) in is) {
		if (!(("pure_header", name) in is))
			complain(part " is pure and may not include <" name ">")
	} else if (name ~ /^(qb|corosync|crm|pacemaker)\// || name ~ /^(time|sys\/time|sys\/timerfd)\.h$/) {
		if (("virtual", part) in is)
			complain(part " runs on virtual time and may not include <" name ">")
		else if (!(("adapter", part) in is) && FILENAME !~ /^lib\/client\/transport/)
			complain(part " may not include <" name ">")
	}
}

END {
	if (!files) {
		print "no files were read"
		exit 2
	}
	exit bad ? 1 : 0
}
