#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Twenty thousand simulated clusters with random faults; every kind of fault, every move and every mark has to
# be reached. LOCKSTEP_SIM_SEEDS=A..B runs others, and looks at no marks.
set -eu

sim=${top_builddir:-.}/tests/sim/lockstep-sim
if [ -n "${LOCKSTEP_SIM_SEEDS:-}" ]; then
	exec "$sim" --seeds "$LOCKSTEP_SIM_SEEDS"
fi
exec "$sim" --seeds 1..20000 --cover
