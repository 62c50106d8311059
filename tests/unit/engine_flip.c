/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <stdlib.h>

#include "lib/base/assert.h"
#include "plugin/engine/engine_private.h"
#include "tests/unit/engine_flip.h"

void engine_flip(struct engine *e)
{
	struct resource **all = resources_sorted(e);

	ls_assert(all[0] != NULL);
	lvb_invalidate(e, all[0]);
	records_flush(e);
	free(all);
}
