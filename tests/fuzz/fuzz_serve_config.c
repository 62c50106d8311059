/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign text as lockstep-agent.conf(5): refused with sentences that name the file, or a configuration with which
 * `lockstep-agent serve` can begin. The plan p.plan lies beside it.
 */
#include "config.h"

#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/plan.h"
#include "agent/plan_file.h"
#include "agent/serve_config.h"
#include "tests/fuzz/fuzz.h"

/* In memory: a file that is truncated and written again is flushed to a disk each time. */
static char folder[] = "/dev/shm/fuzz_serve_config.XXXXXX";
static char path[64], plan_path[64];

static void folder_remove(void)
{
	(void)unlink(path);
	(void)unlink(plan_path);
	(void)rmdir(folder);
}

static void folder_make(void)
{
	static const char plan[] = "[plan]\nparameters = item\n[step a]\nundo = nil\ndo = true %{item}\n";

	if (path[0]) {
		return;
	}
	fuzz_expect(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/agent.conf", folder);
	(void)snprintf(plan_path, sizeof(plan_path), "%s/p.plan", folder);
	(void)atexit(folder_remove);
	fuzz_expect(g_file_set_contents(plan_path, plan, -1, NULL));
}

static void file_write(const uint8_t *data, size_t size)
{
	FILE *f = fopen(path, "we");

	fuzz_expect(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

/* A plan is read whatever file it is; some have no end. */
static bool names_no_file_without_end(const uint8_t *data, size_t size)
{
	static const char *const places[] = { "/dev", "/proc", "/sys", "..", "//" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (memmem(data, size, places[i], strlen(places[i]))) {
			return false;
		}
	}
	return true;
}

static void sound(const struct serve_config *c)
{
	fuzz_expect(c->lockspace && c->lockspace[0]);
	fuzz_expect(c->state_dir && c->state_dir[0] == '/');
	fuzz_expect(!c->gate || c->gate[0] == '/');
	fuzz_expect(c->item_plan && c->item_plan[0] == '/');
	fuzz_expect(c->items > 0 || c->first_plan);
	fuzz_expect(c->items <= 8128);
	fuzz_expect(c->hook_timeout_ms >= 1 && c->hook_timeout_ms <= 3600000);
	fuzz_expect(!c->block || c->block[0]);
	fuzz_expect(!c->unblock || c->unblock[0]);
	fuzz_expect(!c->panic || c->panic[0]);
	for (size_t i = 0; i < c->parameters_count; i++) {
		fuzz_expect(c->parameters[i].name && c->parameters[i].value);
		fuzz_expect(strcmp(c->parameters[i].name, "item") != 0);
		fuzz_expect(strcmp(c->parameters[i].name, "items") != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct serve_config *config = NULL;
	char *errors = NULL;

	folder_make();
	if (!names_no_file_without_end(data, size)) {
		return 0;
	}
	file_write(data, size);
	if (serve_config_load(path, &config, &errors)) {
		fuzz_expect(!config);
		fuzz_expect(errors && errors[0] == '/');
		fuzz_expect(errors[strlen(errors) - 1] == '\n');
		g_free(errors);
		return 0;
	}
	sound(config);
	serve_config_free(config);
	return 0;
}
