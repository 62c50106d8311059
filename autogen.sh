#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes configure and the Makefile templates; needed once after a clone, and when the list of probes changes.
set -e
cd "$(dirname "$0")"
exec autoreconf --force --install --warnings=all
