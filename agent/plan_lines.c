/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "agent/plan.h"
#include "agent/plan_lines.h"

struct plan_lines {
	GHashTable *at; /* "group" or "group\nkey" -> line */
};

static const char *const plan_keys[] = { "name",	    "max_parallel", "antecedents_max",
					 "kill_delay_ms", "commits",	"on_panic",
					 "parameters",	    NULL };
static const char *const step_keys[] = { "do",		 "undo",	    "needs",
					 "success",	 "undo_success",    "timeout_ms",
					 "undo_timeout_ms", "commit",	    "undo_on_fail",
					 "on_forward",	 "environment",	    "directory",
					 NULL };

struct scan {
	struct plan_lines *lines;
	const char *path;
	unsigned int line;
	GString *errors;
	char *group; /* NULL before the first, and in one that was refused */
	bool any_group;
};

G_GNUC_PRINTF(2, 3) static void complain(struct scan *s, const char *format, ...)
{
	va_list args;

	g_string_append_printf(s->errors, "%s:%u: ", s->path, s->line);
	va_start(args, format);
	g_string_append_vprintf(s->errors, format, args);
	va_end(args);
	g_string_append_c(s->errors, '\n');
}

const char *plan_lines_step(const char *group)
{
	return g_str_has_prefix(group, "step ") ? group + strlen("step ") : NULL;
}

bool plan_name_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= PLAN_NAME_MAX &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		       length;
}

static unsigned int find(const struct plan_lines *lines, const char *what)
{
	return lines ? GPOINTER_TO_UINT(g_hash_table_lookup(lines->at, what)) : 0;
}

unsigned int plan_lines_group(const struct plan_lines *lines, const char *group)
{
	return find(lines, group);
}

unsigned int plan_lines_key(const struct plan_lines *lines, const char *group, const char *key)
{
	char *what = g_strconcat(group, "\n", key, NULL);
	unsigned int line = key ? find(lines, what) : 0;

	g_free(what);
	return line;
}

/* Takes @what. False when it was there before. */
static bool note(struct scan *s, char *what, const char *kind, const char *name)
{
	unsigned int before = find(s->lines, what);

	if (before != 0) {
		complain(s, "%s is repeated (first in line %u): %s", kind, before, name);
		g_free(what);
		return false;
	}
	g_hash_table_insert(s->lines->at, what, GUINT_TO_POINTER(s->line));
	return true;
}

static void scan_group(struct scan *s, char *text)
{
	size_t length = strlen(text);

	s->any_group = true;
	g_clear_pointer(&s->group, g_free);
	if (text[length - 1] != ']') {
		complain(s, "'%s' does not end with ']'", text);
		return;
	}
	text[length - 1] = 0;
	const char *group = text + 1;
	const char *step = plan_lines_step(group);

	if (strcmp(group, "plan") != 0 && !step) {
		complain(s, "unknown group [%s]; there are [plan] and [step NAME]", group);
	} else if (step && !plan_name_valid(step)) {
		complain(s, "step name '%s' is not 1 to %d of A-Z a-z 0-9 . _ -", step,
			 PLAN_NAME_MAX);
	} else if (step && (strcmp(step, "source") == 0 || strcmp(step, "terminator") == 0)) {
		complain(s, "step name '%s' is taken: every plan has one", step);
	} else if (note(s, g_strdup(group), "group", group)) {
		s->group = g_strdup(group);
	}
}

static void scan_key(struct scan *s, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals) {
		complain(s, "'%s' is neither a [group], a key=value nor a # comment", text);
		return;
	}
	*equals = 0;
	g_strstrip(text);
	if (!s->group) {
		if (!s->any_group) {
			complain(s, "key '%s' stands before the first group", text);
		}
		return; /* in a group that was refused */
	}
	const char *const *keys = strcmp(s->group, "plan") == 0 ? plan_keys : step_keys;

	if (!g_strv_contains(keys, text)) {
		complain(s, "unknown key '%s' in [%s]", text, s->group);
		return;
	}
	(void)note(s, g_strconcat(s->group, "\n", text, NULL), "key", text);
}

struct plan_lines *plan_lines_scan(const char *path, const char *text, size_t size,
				   GString *errors)
{
	struct scan s = { .lines = g_new0(struct plan_lines, 1), .path = path, .errors = errors };
	char *copy = g_strndup(text, size);
	char **all = g_strsplit(copy, "\n", 0);

	s.lines->at = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (unsigned int i = 0; all[i]; i++) {
		char *line = g_strstrip(all[i]);

		s.line = i + 1;
		if (line[0] == '[') {
			scan_group(&s, line);
		} else if (line[0] != 0 && line[0] != '#') {
			scan_key(&s, line);
		}
	}
	g_free(s.group);
	g_strfreev(all);
	g_free(copy);
	return s.lines;
}

void plan_lines_free(struct plan_lines *lines)
{
	if (lines) {
		g_hash_table_destroy(lines->at);
		g_free(lines);
	}
}
