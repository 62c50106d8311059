/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/plan_file.h"
#include "agent/serve_config.h"

#define ITEMS_MAX 8128 /* what the largest value block has bits for */
#define HOOK_TIMEOUT_MS 20000 /* less than prep_ack_ms */
#define HOOK_TIMEOUT_MS_MAX 3600000

struct reader {
	GKeyFile *file;
	const char *path;
	GString *errors;
	char *folder; /* of the file: paths of plans count from there */
};

G_GNUC_PRINTF(2, 3)
static void wrong(struct reader *r, const char *format, ...)
{
	va_list args;

	g_string_append_printf(r->errors, "%s: ", r->path);
	va_start(args, format);
	g_string_append_vprintf(r->errors, format, args);
	va_end(args);
	g_string_append_c(r->errors, '\n');
}

static const struct {
	const char *group;
	const char *keys; /* " a b ", NULL: any */
} groups[] = {
	{ "agent", " lockspace control mounted item_lock items create spectator state_dir gate " },
	{ "plans", " item first " },
	{ "hooks", " block unblock panic timeout_ms " },
	{ "parameters", NULL },
};

static void group_check(struct reader *r, const char *group)
{
	size_t i = 0;

	while (i < G_N_ELEMENTS(groups) && strcmp(groups[i].group, group) != 0) {
		i++;
	}
	if (i == G_N_ELEMENTS(groups)) {
		wrong(r, "unknown group [%s]", group);
		return;
	}
	char **keys = g_key_file_get_keys(r->file, group, NULL, NULL);

	for (size_t k = 0; groups[i].keys && keys && keys[k]; k++) {
		char *word = g_strdup_printf(" %s ", keys[k]);

		if (!strstr(groups[i].keys, word)) {
			wrong(r, "unknown key '%s' in [%s]", keys[k], group);
		}
		g_free(word);
	}
	g_strfreev(keys);
}

/* NULL when it is not there or empty. */
static char *text_read(struct reader *r, const char *group, const char *key)
{
	char *value = g_key_file_get_value(r->file, group, key, NULL);

	if (value) {
		g_strstrip(value);
	}
	if (value && !value[0]) {
		wrong(r, "%s: is empty", key);
		g_free(value);
		return NULL;
	}
	return value;
}

static uint64_t number_read(struct reader *r, const char *group, const char *key, uint64_t fallback,
			    uint64_t maximum)
{
	char *value = text_read(r, group, key);
	guint64 number = fallback;
	char *end;

	if (value) {
		number = g_ascii_strtoull(value, &end, 10);
		if (value[0] < '0' || value[0] > '9' || *end || number < 1 || number > maximum) {
			wrong(r, "%s: '%s' is not a number from 1 to %" G_GUINT64_FORMAT, key, value,
			      (guint64)maximum);
		}
	}
	g_free(value);
	return number;
}

static bool truth_read(struct reader *r, const char *group, const char *key, bool fallback)
{
	char *value = text_read(r, group, key);
	bool truth = fallback;

	if (value && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0) {
		wrong(r, "%s: '%s' is neither yes nor no", key, value);
	} else if (value) {
		truth = strcmp(value, "yes") == 0;
	}
	g_free(value);
	return truth;
}

static char **words_read(struct reader *r, const char *key)
{
	char *value = text_read(r, "hooks", key);
	GError *error = NULL;
	char **words = NULL;

	if (value && !g_shell_parse_argv(value, NULL, &words, &error)) {
		wrong(r, "%s: %s", key, error->message);
		g_error_free(error);
	}
	g_free(value);
	return words;
}

static char *absolute_read(struct reader *r, const char *key, bool needed)
{
	char *value = text_read(r, "agent", key);

	if (value ? value[0] != '/' : needed) {
		wrong(r, value ? "%s: '%s' is not an absolute path" : "%s: is missing", key, value);
	}
	return value;
}

static char *plan_read(struct reader *r, const char *key)
{
	char *value = text_read(r, "plans", key);
	struct plan *plan;
	char *errors;

	if (!value) {
		return NULL;
	}
	char *path = g_canonicalize_filename(value, r->folder);

	if (plan_file_load(path, NULL, 0, &plan, &errors)) {
		g_string_append(r->errors, errors);
		g_free(errors);
	} else {
		plan_free(plan);
	}
	g_free(value);
	return path;
}

static void parameters_read(struct reader *r, struct serve_config *config)
{
	gsize count = 0;
	char **keys = g_key_file_get_keys(r->file, "parameters", &count, NULL);

	config->parameters = g_new0(struct plan_parameter, count + 1);
	for (gsize i = 0; keys && i < count; i++) {
		char *value = g_key_file_get_value(r->file, "parameters", keys[i], NULL);

		if (strcmp(keys[i], "item") == 0 || strcmp(keys[i], "items") == 0) {
			wrong(r, "[parameters]: '%s' is the agent's", keys[i]);
		}
		config->parameters[i].name = g_strdup(keys[i]);
		config->parameters[i].value = g_strstrip(value);
	}
	config->parameters_count = count;
	g_strfreev(keys);
}

static void all_read(struct reader *r, struct serve_config *config)
{
	char **names = g_key_file_get_groups(r->file, NULL);

	for (size_t i = 0; names[i]; i++) {
		group_check(r, names[i]);
	}
	g_strfreev(names);
	config->lockspace = text_read(r, "agent", "lockspace");
	config->control = text_read(r, "agent", "control");
	config->mounted = text_read(r, "agent", "mounted");
	config->item_lock = text_read(r, "agent", "item_lock");
	config->items = (uint32_t)number_read(r, "agent", "items", 0, ITEMS_MAX);
	config->create = truth_read(r, "agent", "create", true);
	config->spectator = truth_read(r, "agent", "spectator", false);
	config->state_dir = absolute_read(r, "state_dir", true);
	config->gate = absolute_read(r, "gate", false);
	config->item_plan = plan_read(r, "item");
	config->first_plan = plan_read(r, "first");
	config->block = words_read(r, "block");
	config->unblock = words_read(r, "unblock");
	config->panic = words_read(r, "panic");
	config->hook_timeout_ms = number_read(r, "hooks", "timeout_ms", HOOK_TIMEOUT_MS,
					      HOOK_TIMEOUT_MS_MAX);
	parameters_read(r, config);
	if (!config->lockspace) {
		wrong(r, "lockspace: is missing");
	}
	if (!config->item_plan) {
		wrong(r, "[plans] item: is missing");
	}
	if (!config->items && !config->first_plan) {
		wrong(r, "items: is missing; or a plan for the first member, [plans] first");
	}
}

int serve_config_load(const char *path, struct serve_config **ret, char **ret_errors)
{
	struct reader r = { .file = g_key_file_new(), .path = path, .errors = g_string_new(NULL) };
	struct serve_config *config = g_new0(struct serve_config, 1);
	GError *error = NULL;
	int rc = -EINVAL;

	r.folder = g_path_get_dirname(path);
	if (!g_path_is_absolute(r.folder)) {
		char *absolute = g_canonicalize_filename(r.folder, NULL);

		g_free(r.folder);
		r.folder = absolute;
	}
	if (!g_key_file_load_from_file(r.file, path, G_KEY_FILE_NONE, &error)) {
		wrong(&r, "%s", error->message);
		rc = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? -ENOENT : -EINVAL;
		g_error_free(error);
	} else {
		all_read(&r, config);
		rc = r.errors->len > 0 ? -EINVAL : 0;
	}
	g_key_file_free(r.file);
	g_free(r.folder);
	if (rc) {
		serve_config_free(config);
		*ret_errors = g_string_free(r.errors, FALSE);
		return rc;
	}
	(void)g_string_free(r.errors, TRUE);
	*ret = config;
	return 0;
}

void serve_config_free(struct serve_config *config)
{
	if (!config) {
		return;
	}
	for (size_t i = 0; i < config->parameters_count; i++) {
		g_free((char *)config->parameters[i].name);
		g_free((char *)config->parameters[i].value);
	}
	g_free(config->parameters);
	g_free(config->lockspace);
	g_free(config->control);
	g_free(config->mounted);
	g_free(config->item_lock);
	g_free(config->state_dir);
	g_free(config->gate);
	g_free(config->item_plan);
	g_free(config->first_plan);
	g_strfreev(config->block);
	g_strfreev(config->unblock);
	g_strfreev(config->panic);
	g_free(config);
}
