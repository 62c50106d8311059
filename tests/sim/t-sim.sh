#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A few thousand simulated clusters with random faults. LOCKSTEP_SIM_SEEDS=A..B runs others.
set -eu

sim=${top_builddir:-.}/tests/sim/lockstep-sim
exec "$sim" --seeds "${LOCKSTEP_SIM_SEEDS:-1..2500}"
