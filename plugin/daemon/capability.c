/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See capability.h. */
#include "config.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/assert.h"
#include "plugin/daemon/capability.h"

bool capability_has(unsigned int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	ls_assert(capability <= CAP_LAST_CAP);
	if (syscall(SYS_capget, &header, data) != 0) {
		return false;
	}
	return (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}
