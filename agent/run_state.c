/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/plan.h"
#include "agent/report.h"
#include "agent/run_state.h"

#define PREFIX "run-"
#define RUNNING "running"

static char *path_of(const char *dir, const char *name)
{
	return g_strdup_printf("%s/" PREFIX "%s", dir, name);
}

/* False when there is no such file, or it says nothing sensible. */
static bool state_read(const char *path, unsigned int *ret_attempts, bool *ret_running)
{
	GKeyFile *file = g_key_file_new();
	bool good = g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL);

	if (good) {
		int attempts = g_key_file_get_integer(file, "run", "attempts", NULL);
		char *state = g_key_file_get_string(file, "run", "state", NULL);

		good = attempts > 0 && state;
		*ret_attempts = (unsigned int)(attempts > 0 ? attempts : 0);
		*ret_running = state && strcmp(state, RUNNING) == 0;
		g_free(state);
	}
	g_key_file_free(file);
	return good;
}

static void state_write(const char *path, unsigned int attempts, const char *state,
			uint32_t generation, char **ret_error)
{
	char *text = g_strdup_printf("[run]\nattempts=%u\nstate=%s\ngeneration=%u\n", attempts, state,
				     generation);
	GError *error = NULL;

	/* Renamed into place, so that it is whole or the one before. */
	if (!g_file_set_contents(path, text, -1, &error)) {
		*ret_error = g_strdup(error->message);
		g_error_free(error);
	}
	g_free(text);
}

unsigned int run_state_begin(const char *dir, const char *name, uint32_t generation,
			     char **ret_error)
{
	char *path = path_of(dir, name);
	unsigned int before = 0;
	bool running;

	*ret_error = NULL;
	if (!state_read(path, &before, &running)) {
		before = 0;
	}
	state_write(path, before + 1, RUNNING, generation, ret_error);
	g_free(path);
	return before;
}

void run_state_end(const char *dir, const char *name, const char *outcome, char **ret_error)
{
	char *path = path_of(dir, name);
	unsigned int attempts = 1;
	bool running;

	*ret_error = NULL;
	if (outcome) {
		(void)state_read(path, &attempts, &running);
		state_write(path, attempts, outcome, 0, ret_error);
	} else if (g_unlink(path) != 0 && errno != ENOENT) {
		*ret_error = g_strdup_printf("%s: %s", path, g_strerror(errno));
	}
	g_free(path);
}

void run_state_report(const char *dir, const char *name, const struct plan *plan, char **ret_error)
{
	char *path = g_strdup_printf("%s/report-%s.json", dir, name);
	char *fresh = g_strdup_printf("%s.new", path);
	FILE *out = fopen(fresh, "we");
	bool good = out != NULL;

	*ret_error = NULL;
	if (out) {
		report_json(plan, out);
		good = fflush(out) == 0 && !ferror(out);
		good = fclose(out) == 0 && good;
	}
	if (!good || rename(fresh, path) != 0) {
		*ret_error = g_strdup_printf("%s: %s", fresh, g_strerror(errno));
		(void)g_unlink(fresh);
	}
	g_free(fresh);
	g_free(path);
}

void run_state_visit(const char *dir,
		     void (*found)(const char *name, unsigned int attempts, void *arg), void *arg)
{
	GDir *folder = g_dir_open(dir, 0, NULL);
	const char *entry;

	while (folder && (entry = g_dir_read_name(folder))) {
		char *path = g_build_filename(dir, entry, NULL);
		unsigned int attempts;
		bool running;

		if (g_str_has_prefix(entry, PREFIX) && state_read(path, &attempts, &running) &&
		    running) {
			found(entry + strlen(PREFIX), attempts, arg);
		}
		g_free(path);
	}
	if (folder) {
		g_dir_close(folder);
	}
}
