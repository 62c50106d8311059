/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <stdio.h>

#include "lib/base/assert.h"
#include "lib/base/text.h"

size_t base_vformat(char *ret, size_t size, const char *format, va_list args)
{
	ls_assert(size > 0);
	int length = vsnprintf(ret, size, format, args);

	if (length < 0) {
		ret[0] = 0;
		return 0;
	}
	return (size_t)length < size ? (size_t)length : size - 1;
}

size_t base_format(char *ret, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	size_t length = base_vformat(ret, size, format, args);

	va_end(args);
	return length;
}
