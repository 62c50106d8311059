# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads the lines of all rounds, each with the number of its round in front, and prints one line per figure: n added up,
# the median of the rounds' medians, 99th percentiles and rates, the largest maximum. Then the ratios of medians (or of
# rates, where it says per_s), formed within each round, since what disturbs one figure of a round disturbs its neighbours
# too.

BEGIN {
	FS = OFS = "\t"
	ratio("lockstep.cycle1/-", "cpg.self/inflight1+cpg.confirmed/inflight1")
	ratio("lockstep.cycle1/-", "cpg.confirmed/inflight1")
	ratio("lockstep.cycle1/-", "cpg.self/inflight1")
	ratio("lockstep.cycle1/-", "qb.roundtrip/-")
	ratio("lockstep.lock1/-", "cpg.confirmed/inflight1")
	ratio("lockstep.unlock1/-", "cpg.self/inflight1")
	ratio("lockstep.handover/hold3ms", "cpg.confirmed/inflight1")
	ratio("lockstep.kill_client/-", "cpg.confirmed/inflight1")
	ratio("lockstep.cycle1/-", "cpg.self/inflight1+qb.roundtrip/-")
	ratio("lockstep.cycle4/joining p99", "lockstep.cycle4/quiet p99")
	ratio("lockstep.pipelined/inflight64 per_s", "cpg.self/inflight64 per_s")
	ratio("lockstep.pipelined/inflight1024 per_s", "cpg.self/inflight1024 per_s")
	ratio("lockstep.cycle64/- per_s", "cpg.self/inflight64 per_s")
	ratio("libdlm.cycle1/-", "lockstep.cycle1/-")
	ratio("libdlm.cycle1/-", "cpg.self/inflight1+cpg.confirmed/inflight1")
	ratio("libdlm.cycle1/-", "qb.roundtrip/-")
	ratio("libdlm.convert1/-", "cpg.self/inflight1+cpg.confirmed/inflight1")
	ratio("libdlm.pingpong/-", "cpg.confirmed/inflight1")
	ratio("libdlm.pipelined/inflight64 per_s", "cpg.self/inflight64 per_s")
	ratio("engine.pair/held0", "baseline.hash/held0")
}

function ratio(over, under)
{
	ratio_over[++ratios] = over
	ratio_under[ratios] = under
}

function median(text,	v, n, i, j, t)
{
	n = split(text, v, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
			t = v[j]
			v[j] = v[j - 1]
			v[j - 1] = t
		}
	low = v[1]
	high = v[n]
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

# "a/x+b/y", or "a/x per_s", in one round; "" when one of them was not measured there
function sum(names, round,	v, n, i, total)
{
	n = split(names, v, "+")
	for (i = 1; i <= n; i++) {
		if (!((v[i], round) in value_of))
			return ""
		total += value_of[v[i], round]
	}
	return total
}

function name(key)
{
	gsub(/\/-/, "", key)
	return key
}

NF != 8 {
	print "figures.awk: not a line of a figure: " $0 >"/dev/stderr"
	exit bad = 1
}

{
	key = $2 "/" $3
	if (!(key in n))
		order[++keys] = key
	if ($1 > rounds)
		rounds = $1
	figure[key] = $2
	variant[key] = $3
	n[key] += $4
	p50[key] = p50[key] " " $5
	p99[key] = p99[key] " " $6
	max[key] = max[key] " " $7
	rate[key] = $8 == "-" ? "" : rate[key] " " $8
	value_of[key, $1] = $5
	value_of[key " p99", $1] = $6
	value_of[key " per_s", $1] = $8
}

END {
	if (bad)
		exit 1
	for (i = 1; i <= keys; i++) {
		key = order[i]
		if (figure[key] == "value") {
			printf "value\t%s\t%d\t%.1f\t%.1f\t%.1f\t-\n", variant[key], n[key], median(p50[key]), low, high
			continue
		}
		a = median(p50[key])
		b = median(p99[key])
		median(max[key])
		printf "%s\t%s\t%d\t%.3f\t%.3f\t%.3f\t", figure[key], variant[key], n[key], a, b, high
		if (rate[key] == "")
			print "-"
		else
			printf "%.0f\n", median(rate[key])
	}
	for (i = 1; i <= ratios; i++) {
		all = ""
		count = 0
		for (r = 0; r <= rounds; r++) {
			over = sum(ratio_over[i], r)
			under = sum(ratio_under[i], r)
			if (over != "" && under + 0 > 0) {
				all = all " " over / under
				count++
			}
		}
		if (count)
			printf "ratio\t%s : %s\t%d\t%.2f\t%.2f\t%.2f\t-\n", name(ratio_over[i]), name(ratio_under[i]), count, median(all), low, high
	}
}
