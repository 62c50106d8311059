/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replica that differs from the others from now on, behind everybody's back. */
#ifndef LOCKSTEP_TESTS_ENGINE_FLIP_H
#define LOCKSTEP_TESTS_ENGINE_FLIP_H

struct engine;

/* The first resource has a value marked invalid. There must be a resource. */
void engine_flip(struct engine *e);

#endif
