# SPDX-License-Identifier: GPL-2.0-or-later
#
# How long locks stopped that no lost node held, and what of it was Corosync's part: called by t-chaos.sh with
# its files faults, syncs and gaps, and the time of the last midnight.
#
# A gap ends when a lock is had again. Up to the last time in it that Corosync had a membership it was looking
# for one, which nobody can shorten here; the rest is Lockstep's. Of that, a daemon that is paused and taken
# out after confirm_timeout_ms is told apart.
FILENAME ~ /faults$/ {
	n++
	hit[n] = $1
	from[n] = $2
	to[n] = $3
	$1 = $2 = $3 = ""
	kinds[n] = substr($0, 4)
	next
}
FILENAME ~ /syncs$/ {
	sync[$1, ++syncs[$1]] = $2 + midnight * 1000
	next
}
{
	what = ""
	for (i = 1; i <= n; i++) {
		if ($2 >= to[i] || $3 <= from[i])
			continue
		if (hit[i] == $1)
			next
		what = kinds[i]
	}
	ring = $2
	for (i = 1; i <= syncs[$1]; i++)
		if (sync[$1, i] > ring && sync[$1, i] <= $3)
			ring = sync[$1, i]
	count++
	all = $3 - $2
	ours = $3 - ring
	if (all > longest) {
		longest = all
		longest_text = sprintf("%d ms on %s, of which Lockstep %d ms (%s)", all, $1, ours, what)
	}
	class = what ~ /lockstepd paused/ ? 2 : 1
	if (ours > most[class]) {
		most[class] = ours
		most_text[class] = sprintf("%d of %d ms on %s (%s)", ours, all, $1, what)
	}
}
END {
	printf "longest stop of locks that no lost node held: %s\n", count ? longest_text : "none"
	printf "most of a stop that was not Corosync's: %s; with a lockstepd paused: %s\n", most_text[1] ? most_text[1] : "-", most_text[2] ? most_text[2] : "-"
}
