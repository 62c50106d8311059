/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads plan files. GLib's GKeyFile has the values; it keeps no line numbers and silently merges what
 * is repeated, so one pass of ours over the text comes first (plan_lines.c). All that is wrong with a
 * file is said at once, each with its line.
 */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/plan_file.h"
#include "agent/plan_lines.h"

#define TIMEOUT_MS_MAX 86400000u /* a day */

struct reader {
	const char *path;
	GKeyFile *file;
	struct plan_lines *lines;
	GString *errors;
	struct plan *plan;
	char **declared; /* names of parameters */
	const struct plan_parameter *parameters;
	size_t parameters_count;
	/* The step, or plan, at hand. */
	const char *group;
};

G_GNUC_PRINTF(3, 4)
static void wrong(struct reader *r, const char *key, const char *format, ...)
{
	unsigned int line = plan_lines_key(r->lines, r->group, key);
	char *text;
	va_list args;

	if (line == 0) {
		line = plan_lines_group(r->lines, r->group);
	}
	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	if (line != 0) {
		g_string_append_printf(r->errors, "%s:%u: %s\n", r->path, line, text);
	} else {
		g_string_append_printf(r->errors, "%s: %s\n", r->path, text);
	}
	g_free(text);
}

/* The raw text behind "KEY =", or NULL. g_free(). */
static char *value_of(struct reader *r, const char *key)
{
	char *value = g_key_file_get_value(r->file, r->group, key, NULL);

	return value ? g_strstrip(value) : NULL;
}

static void number_read(struct reader *r, const char *key, uint64_t minimum, uint64_t maximum,
			uint64_t *field)
{
	char *value = value_of(r, key);
	char *end;

	if (!value) {
		return;
	}
	guint64 number = g_ascii_strtoull(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end || number < minimum || number > maximum) {
		wrong(r, key, "%s: '%s' is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
		      key, value, (guint64)minimum, (guint64)maximum);
	} else {
		*field = number;
	}
	g_free(value);
}

/* One of two words. */
static void choice_read(struct reader *r, const char *key, const char *no, const char *yes,
			bool *field)
{
	char *value = value_of(r, key);

	if (value && strcmp(value, yes) != 0 && strcmp(value, no) != 0) {
		wrong(r, key, "%s: '%s' is neither %s nor %s", key, value, no, yes);
	} else if (value) {
		*field = strcmp(value, yes) == 0;
	}
	g_free(value);
}

/* --- words and parameters ---------------------------------------------------------------- */

static const char *parameter_find(struct reader *r, const char *key, const char *name)
{
	if (!r->declared || !g_strv_contains((const char *const *)r->declared, name)) {
		wrong(r, key, "%s: %%{%s} is not among the parameters of the plan", key, name);
		return NULL;
	}
	for (size_t i = 0; i < r->parameters_count; i++) {
		if (strcmp(r->parameters[i].name, name) == 0) {
			return r->parameters[i].value;
		}
	}
	if (r->parameters) {
		wrong(r, key, "%s: parameter '%s' has no value", key, name);
	}
	return NULL;
}

/* Puts values in place of %{NAME}; %% is a percent sign. A value never makes more words of one. */
static char *word_fill(struct reader *r, const char *key, const char *word)
{
	GString *out = g_string_new(NULL);

	for (const char *at = word; *at; at++) {
		const char *end = strchr(at, '}');

		if (at[0] != '%') {
			g_string_append_c(out, *at);
		} else if (at[1] == '%') {
			g_string_append_c(out, *at++);
		} else if (at[1] != '{' || !end) {
			wrong(r, key, "%s: '%%' in '%s' is neither %%{NAME} nor %%%%", key, word);
			break;
		} else {
			char *name = g_strndup(at + 2, (gsize)(end - at - 2));
			const char *value = parameter_find(r, key, name);

			if (value) {
				g_string_append(out, value);
			} else {
				g_string_append_len(out, at, end - at + 1);
			}
			g_free(name);
			at = end;
		}
	}
	return g_string_free(out, FALSE);
}

/* The words of a value, quoted as for a shell, which never sees it. NULL when there is none. The
 * result is plan's: plain malloc(). */
static char **words_read(struct reader *r, const char *key)
{
	char *value = value_of(r, key);
	GError *error = NULL;
	char **words = NULL;
	gint count = 0;

	if (!value) {
		return NULL;
	}
	if (!g_shell_parse_argv(value, &count, &words, &error)) {
		wrong(r, key, "%s: %s", key, error->message);
		g_error_free(error);
		g_free(value);
		return NULL;
	}
	char **filled = calloc((size_t)count + 1, sizeof(*filled));

	g_assert(filled);
	for (gint i = 0; i < count; i++) {
		char *word = word_fill(r, key, words[i]);

		filled[i] = strdup(word);
		g_assert(filled[i]);
		g_free(word);
	}
	g_strfreev(words);
	g_free(value);
	return filled;
}

static void codes_read(struct reader *r, const char *key, struct plan_command *command)
{
	char *value = value_of(r, key);

	if (!value) {
		plan_success_set(command, 0);
		return;
	}
	char **words = g_strsplit_set(value, " \t", 0);
	bool any = false;

	for (size_t i = 0; words[i]; i++) {
		char *end;
		guint64 code = g_ascii_strtoull(words[i], &end, 10);

		if (!words[i][0]) {
			continue;
		}
		if (words[i][0] < '0' || words[i][0] > '9' || *end || code > 255) {
			wrong(r, key, "%s: '%s' is not an exit code (0 to 255)", key, words[i]);
		} else {
			plan_success_set(command, (unsigned int)code);
		}
		any = true;
	}
	if (!any) {
		wrong(r, key, "%s: names no exit code", key);
	}
	g_strfreev(words);
	g_free(value);
}

/* --- steps ------------------------------------------------------------------------------- */

static void environment_read(struct reader *r, struct plan_command *command)
{
	command->env = words_read(r, "environment");
	for (size_t i = 0; command->env && command->env[i]; i++) {
		const char *equals = strchr(command->env[i], '=');

		if (!equals || equals == command->env[i]) {
			wrong(r, "environment", "environment: '%s' is not NAME=VALUE",
			      command->env[i]);
		}
	}
}

static void directory_read(struct reader *r, struct plan_command *command)
{
	char *value = value_of(r, "directory");

	if (!value) {
		return;
	}
	char *filled = word_fill(r, "directory", value);

	if (filled[0] != '/' && (r->parameters || value[0] != '%')) {
		wrong(r, "directory", "directory: '%s' is not an absolute path", filled);
	}
	command->directory = strdup(filled);
	g_assert(command->directory);
	g_free(filled);
	g_free(value);
}

/* "do" or "undo": nil, or a command. */
static enum plan_deed deed_read(struct reader *r, const char *key, struct plan_command *command)
{
	char **words = words_read(r, key);

	if (!words) {
		return g_key_file_has_key(r->file, r->group, key, NULL) ? PLAN_DEED_NIL :
									  PLAN_DEED_MISSING;
	}
	if (words[0] && strcmp(words[0], "nil") == 0 && !words[1]) {
		free(words[0]);
		free(words);
		return PLAN_DEED_NIL;
	}
	command->argv = words;
	environment_read(r, command);
	directory_read(r, command);
	return PLAN_DEED_COMMAND;
}

static void step_read(struct reader *r, struct plan_step *step)
{
	step->line = plan_lines_group(r->lines, r->group);
	step->run = deed_read(r, "do", &step->run_command);
	step->undo = deed_read(r, "undo", &step->undo_command);
	if (step->run == PLAN_DEED_NIL && step->undo == PLAN_DEED_NIL) {
		step->kind = PLAN_NIL;
	}
	codes_read(r, "success", &step->run_command);
	codes_read(r, "undo_success", &step->undo_command);
	number_read(r, "timeout_ms", 1, TIMEOUT_MS_MAX, &step->run_command.timeout_ms);
	number_read(r, "undo_timeout_ms", 1, TIMEOUT_MS_MAX, &step->undo_command.timeout_ms);
	choice_read(r, "commit", "no", "yes", &step->commit);
	choice_read(r, "undo_on_fail", "no", "yes", &step->undo_on_fail);
	choice_read(r, "on_forward", "run", "skip", &step->skip_on_forward);
	if (step->commit && step->undo != PLAN_DEED_NIL && step->undo != PLAN_DEED_MISSING) {
		wrong(r, "undo", "undo: a commit step is never undone; say nil");
	}
}

static void need_read(struct reader *r, uint32_t step, const char *word)
{
	const char *colon = strchr(word, ':');
	char *name = colon ? g_strndup(word, (gsize)(colon - word)) : g_strdup(word);
	uint32_t from = plan_step_find(r->plan, name);
	int type = -1;

	for (int i = PLAN_EDGE_CONTROL; i <= PLAN_EDGE_OUTPUT_DATA; i++) {
		if (!colon || strcmp(colon + 1, plan_edge_name((enum plan_edge_type)i)) == 0) {
			type = i;
			break;
		}
	}
	if (from == PLAN_NONE) {
		wrong(r, "needs", "needs: there is no step '%s'", name);
	} else if (type < 0) {
		wrong(r, "needs", "needs: '%s' is none of control, trueData, antiData, outputData",
		      colon + 1);
	} else {
		plan_edge_add(r->plan, from, step, (enum plan_edge_type)type);
	}
	g_free(name);
}

static void needs_read(struct reader *r, uint32_t step)
{
	char *value = value_of(r, "needs");
	char **words = value ? g_strsplit_set(value, " \t", 0) : NULL;

	for (size_t i = 0; words && words[i]; i++) {
		if (words[i][0]) {
			need_read(r, step, words[i]);
		}
	}
	g_strfreev(words);
	g_free(value);
}

/* --- the plan ---------------------------------------------------------------------------- */

static void plan_read(struct reader *r)
{
	uint64_t parallel = 0;
	uint64_t antecedents = PLAN_ANTECEDENTS_MAX;
	uint64_t commits = 0;
	bool go_on = false;
	char *name = value_of(r, "name");

	if (name && !plan_name_valid(name)) {
		wrong(r, "name", "name: '%s' is not 1 to %d of A-Z a-z 0-9 . _ -", name,
		      PLAN_NAME_MAX);
	} else if (name) {
		g_strlcpy(r->plan->name, name, sizeof(r->plan->name));
	}
	g_free(name);
	number_read(r, "max_parallel", 1, PLAN_STEPS_MAX, &parallel);
	number_read(r, "antecedents_max", 1, PLAN_STEPS_MAX, &antecedents);
	number_read(r, "kill_delay_ms", 0, TIMEOUT_MS_MAX, &r->plan->kill_delay_ms);
	number_read(r, "commits", 0, PLAN_STEPS_MAX, &commits);
	choice_read(r, "on_panic", "halt", "continue", &go_on);
	r->plan->max_parallel = (uint32_t)parallel;
	r->plan->antecedents_max = (size_t)antecedents;
	r->plan->panic_policy = go_on ? PLAN_PANIC_CONTINUE : PLAN_PANIC_HALT;
	r->declared = words_read(r, "parameters");
	for (size_t i = 0; r->declared && r->declared[i]; i++) {
		if (!plan_name_valid(r->declared[i])) {
			wrong(r, "parameters", "parameters: '%s' is not 1 to %d of A-Z a-z 0-9 . _ -",
			      r->declared[i], PLAN_NAME_MAX);
		}
	}
	for (size_t i = 0; i < r->parameters_count; i++) {
		const char *given = r->parameters[i].name;

		if (!r->declared || !g_strv_contains((const char *const *)r->declared, given)) {
			wrong(r, "parameters", "the plan has no parameter '%s'", given);
		}
	}
}

/* How many commit steps the file says there are, when it says so. */
static void commits_compare(struct reader *r)
{
	uint64_t commits = UINT64_MAX;

	r->group = "plan";
	number_read(r, "commits", 0, PLAN_STEPS_MAX, &commits);
	if (commits != UINT64_MAX && commits != r->plan->commit_total) {
		wrong(r, "commits", "commits: the plan declares %" G_GUINT64_FORMAT " and has %u",
		      (guint64)commits, r->plan->commit_total);
	}
}

static void steps_read(struct reader *r)
{
	char **groups = g_key_file_get_groups(r->file, NULL);

	/* All names first: a step may need one that stands below it. */
	for (size_t i = 0; groups[i]; i++) {
		r->group = groups[i];
		if (plan_lines_step(groups[i]) &&
		    plan_step_add(r->plan, plan_lines_step(groups[i]), PLAN_COMMAND) == PLAN_NONE) {
			wrong(r, NULL, "more than %d steps", PLAN_STEPS_MAX);
			break;
		}
	}
	for (size_t i = 0; groups[i]; i++) {
		const char *name = plan_lines_step(groups[i]);
		uint32_t step = name ? plan_step_find(r->plan, name) : PLAN_NONE;

		r->group = groups[i];
		if (step != PLAN_NONE) {
			step_read(r, &r->plan->steps[step]);
			needs_read(r, step);
		}
	}
	r->group = "plan";
	if (r->plan->steps_count == 0) {
		wrong(r, NULL, "the plan has no steps");
	} else if (plan_close(r->plan)) {
		wrong(r, NULL, "more than %d steps", PLAN_STEPS_MAX);
	}
	g_strfreev(groups);
}

static void declared_free(char **declared)
{
	for (size_t i = 0; declared && declared[i]; i++) {
		free(declared[i]);
	}
	free(declared);
}

static void read_all(struct reader *r, const char *text, size_t size)
{
	GError *error = NULL;
	char complaint[PLAN_ERROR_MAX];

	if (!g_key_file_load_from_data(r->file, text, size, G_KEY_FILE_NONE, &error)) {
		g_string_append_printf(r->errors, "%s: %s\n", r->path, error->message);
		g_error_free(error);
		return;
	}
	r->group = "plan";
	plan_read(r);
	steps_read(r);
	commits_compare(r);
	if (r->errors->len == 0 && plan_check(r->plan, complaint, sizeof(complaint))) {
		g_string_append_printf(r->errors, "%s: %s\n", r->path, complaint);
	}
}

int plan_file_parse(const char *path, const char *text, size_t size,
		    const struct plan_parameter *parameters, size_t parameters_count,
		    struct plan **ret, char **ret_errors)
{
	char *name = g_path_get_basename(path);
	struct reader r = {
		.path = path,
		.file = g_key_file_new(),
		.errors = g_string_new(NULL),
		.plan = plan_new(name),
		.parameters = parameters,
		.parameters_count = parameters_count,
	};

	g_free(name);
	if (size > PLAN_FILE_BYTES_MAX) {
		g_string_append_printf(r.errors, "%s: larger than %d bytes\n", path,
				       PLAN_FILE_BYTES_MAX);
	} else if (memchr(text, 0, size)) {
		g_string_append_printf(r.errors, "%s: holds a NUL byte\n", path);
	} else if (!g_utf8_validate(text, (gssize)size, NULL)) {
		g_string_append_printf(r.errors, "%s: is not UTF-8\n", path);
	} else {
		r.lines = plan_lines_scan(path, text, size, r.errors);
		if (r.errors->len == 0) {
			read_all(&r, text, size);
		}
	}
	bool good = r.errors->len == 0;

	g_key_file_free(r.file);
	plan_lines_free(r.lines);
	declared_free(r.declared);
	*ret = good ? r.plan : plan_free(r.plan);
	*ret_errors = g_string_free(r.errors, good);
	return good ? 0 : -EINVAL;
}

int plan_file_load(const char *path, const struct plan_parameter *parameters,
		   size_t parameters_count, struct plan **ret, char **ret_errors)
{
	GError *error = NULL;
	char *text;
	gsize size;

	if (!g_file_get_contents(path, &text, &size, &error)) {
		int rc = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? -ENOENT : -EIO;

		*ret_errors = g_strdup_printf("%s: %s\n", path, error->message);
		g_error_free(error);
		*ret = NULL;
		return rc;
	}
	int rc = plan_file_parse(path, text, size, parameters, parameters_count, ret, ret_errors);

	g_free(text);
	return rc;
}

bool plan_file_declares(const char *path, const char *name)
{
	GKeyFile *file = g_key_file_new();
	bool declares = false;

	if (g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL)) {
		char *value = g_key_file_get_value(file, "plan", "parameters", NULL);
		char **words = g_strsplit_set(value ? value : "", " \t", 0);

		declares = g_strv_contains((const char *const *)words, name);
		g_strfreev(words);
		g_free(value);
	}
	g_key_file_free(file);
	return declares;
}
