/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Formatting into a buffer of fixed size, for code that may not include <stdio.h>. */
#ifndef LOCKSTEP_BASE_TEXT_H
#define LOCKSTEP_BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* As snprintf(), but cuts silently: a sentence that is too long is still a sentence. Returns the
 * length of what was written, 0 on an encoding error. @size at least 1. */
size_t base_format(char *ret, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t base_vformat(char *ret, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

#endif
