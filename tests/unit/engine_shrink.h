/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts a stream that fails down to one that still fails and is short enough to be understood:
 * sessions are dropped, then ever smaller runs of ops ("Simplifying and Isolating
 * Failure-Inducing Input", Zeller and Hildebrandt, 2002), then what is left is made plainer.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_SHRINK_H
#define LOCKSTEP_TESTS_ENGINE_SHRINK_H

#include "tests/unit/engine_stream.h"

/* @fails must be true of *s, and is true of what it has become. Returns how often it was asked. */
size_t stream_shrink(struct stream *s, bool (*fails)(const struct stream *s, void *arg), void *arg);

#endif
