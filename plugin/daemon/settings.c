/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file. GLib's GKeyFile reads the values; since it keeps no line numbers and
 * silently merges repeated groups and keys, one pass of ours over the text comes first.
 */
#include "config.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <lockstep/lockstep_types.h>

#include "lib/base/assert.h"
#include "lib/base/name.h"
#include "plugin/daemon/settings.h"
#include "plugin/node/wire.h"

#define GROUP "daemon"
#define DIR_BYTES_MAX 80 /* leaves room for what we append within a path */

enum kind {
	KIND_NAME,   /* settings_ipc_name_valid() */
	KIND_WORD,   /* no white space */
	KIND_PATH,   /* absolute */
	KIND_BOOL,   /* yes or no */
	KIND_NUMBER, /* minimum..maximum */
	KIND_MODE,   /* octal, up to maximum */
	KIND_LEVEL,
	KIND_LOST,
	KIND_FENCING,
	KIND_FENCE_ACTION,
	KIND_SPACES,
};

struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	uint32_t minimum;
	uint32_t maximum;
};

#define AT(member) offsetof(struct settings, member)

static const struct key keys[] = {
	{ "ipc_name", KIND_NAME, AT(ipc_name), 0, 0 },
	{ "ipc_group", KIND_WORD, AT(ipc_group), 0, 0 },
	{ "access_file", KIND_PATH, AT(access_file), 0, 0 },
	{ "socket", KIND_PATH, AT(socket), 0, 0 },
	{ "socket_group", KIND_WORD, AT(socket_group), 0, 0 },
	{ "socket_mode", KIND_MODE, AT(socket_mode), 0, 0777 },
	{ "socket_only", KIND_BOOL, AT(socket_only), 0, 0 },
	{ "log_file", KIND_PATH, AT(log_file), 0, 0 },
	{ "log_level", KIND_LEVEL, AT(log_level), 0, 0 },
	{ "syslog", KIND_BOOL, AT(syslog), 0, 0 },
	{ "blackbox_bytes", KIND_NUMBER, AT(blackbox_bytes), 0, 64u << 20 },
	{ "state_dir", KIND_PATH, AT(state_dir), 0, 0 },
	{ "trace_dir", KIND_PATH, AT(trace_dir), 0, 0 },
	{ "trace_bytes", KIND_NUMBER, AT(trace_bytes), 65536, 1u << 30 },
	{ "run_dir", KIND_PATH, AT(run_dir), 0, 0 },
	{ "lockspaces", KIND_SPACES, AT(lockspaces), 0, 0 },
	{ "realtime", KIND_BOOL, AT(realtime), 0, 0 },
	{ "lock_memory", KIND_BOOL, AT(lock_memory), 0, 0 },
	{ "on_lost", KIND_LOST, AT(on_lost), 0, 0 },
	{ "fencing", KIND_FENCING, AT(fencing), 0, 0 },
	{ "request_fencing", KIND_BOOL, AT(request_fencing), 0, 0 },
	{ "startup_fencing", KIND_BOOL, AT(startup_fencing), 0, 0 },
	{ "fencing_confirmed", KIND_BOOL, AT(fencing_confirmed), 0, 0 },
	{ "fence_action", KIND_FENCE_ACTION, AT(fence_off), 0, 0 },
	{ "fence_timeout_s", KIND_NUMBER, AT(fence_timeout_s), 1, 3600 },
	{ "post_join_delay_ms", KIND_NUMBER, AT(post_join_delay_ms), 0, 3600000 },
	{ "request_delay_ms", KIND_NUMBER, AT(request_delay_ms), 0, 3600000 },
	{ "lost_timeout_ms", KIND_NUMBER, AT(lost_timeout_ms), 1000, 3600000 },
	{ "nodeid", KIND_NUMBER, AT(nodeid), 1, INT32_MAX },
	{ "session_locks_max", KIND_NUMBER, AT(session_locks_max), 1, 10000000 },
	{ "session_events_max", KIND_NUMBER, AT(session_events_max), 1, 1000000 },
	{ "session_backlog_bytes", KIND_NUMBER, AT(session_backlog_bytes), 65536, 1u << 30 },
	{ "sessions_max", KIND_NUMBER, AT(sessions_max), 1, 60000 },
	{ "spaces_max", KIND_NUMBER, AT(spaces_max), 1, SETTINGS_LOCKSPACES_MAX },
	{ "window_messages", KIND_NUMBER, AT(window_messages), 1, 1024 },
	{ "confirm_timeout_ms", KIND_NUMBER, AT(confirm_timeout_ms), 1000, 600000 },
	{ "digest_interval", KIND_NUMBER, AT(digest_interval), 16, 100000000 },
	{ "feature_level_max", KIND_NUMBER, AT(feature_level_max), 1, FEATURE_LEVEL },
	{ "recovery_callbacks", KIND_BOOL, AT(recovery_callbacks), 0, 0 },
	{ "prep_ack_ms", KIND_NUMBER, AT(prep_ack_ms), 100, 3600000 },
	{ "batch_bytes", KIND_NUMBER, AT(batch_bytes), 512, 60000 },
};
#define KEYS_COUNT G_N_ELEMENTS(keys)

static const struct {
	const char *name;
	int level;
} levels[] = {
	{ "error", LOG_ERR },   { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO },   { "debug", LOG_DEBUG },     { "trace", LOG_DEBUG + 1 },
};

/* What the pass over the text found: where each key stands; 0 for one that is not there. */
struct lines {
	unsigned int group;
	unsigned int key[KEYS_COUNT];
};

static void complain(GString *errors, const char *path, unsigned int line, const char *format, ...)
	G_GNUC_PRINTF(4, 5);

struct settings *settings_new(void)
{
	struct settings *s = g_new0(struct settings, 1);

	s->ipc_name = g_strdup("lockstep");
	s->state_dir = g_strdup(LOCKSTEP_LOCALSTATEDIR "/lib/lockstep");
	s->run_dir = g_strdup(LOCKSTEP_RUNSTATEDIR "/lockstep");
	s->lockspaces = g_strsplit("default", " ", 0);
	s->log_level = LOG_INFO;
	s->syslog = true;
	s->realtime = true;
	s->recovery_callbacks = true;
	s->lock_memory = true;
	s->on_lost = NODE_ON_LOST_FENCE;
	s->fencing = NODE_FENCING_PACEMAKER;
	s->request_fencing = true;
	s->fencing_confirmed = true;
	s->fence_timeout_s = 300;
	s->post_join_delay_ms = 30000;
	s->request_delay_ms = 5000;
	s->lost_timeout_ms = 60000;
	s->blackbox_bytes = 1u << 20;
	s->nodeid = 1;
	s->sessions_max = 4096;
	s->socket_mode = 0660;
	s->session_backlog_bytes = 64u << 20;
	s->trace_bytes = 64u << 20;
	return s;
}

struct settings *settings_free(struct settings *s)
{
	if (s) {
		g_free(s->ipc_name);
		g_free(s->ipc_group);
		g_free(s->access_file);
		g_free(s->socket);
		g_free(s->socket_group);
		g_free(s->log_file);
		g_free(s->state_dir);
		g_free(s->trace_dir);
		g_free(s->run_dir);
		g_strfreev(s->lockspaces);
		g_free(s);
	}
	return NULL;
}

bool settings_ipc_name_valid(const char *name)
{
	size_t length = strlen(name);

	return length > 0 && length <= 64 &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") ==
		       length;
}

static void complain(GString *errors, const char *path, unsigned int line, const char *format, ...)
{
	va_list ap;

	if (line != 0) {
		g_string_append_printf(errors, "%s:%u: ", path, line);
	} else {
		g_string_append_printf(errors, "%s: ", path);
	}
	va_start(ap, format);
	g_string_append_vprintf(errors, format, ap);
	va_end(ap);
	g_string_append_c(errors, '\n');
}

/* "key", "key[locale]" and the like; the key ends at '='. */
static void scan_key(char *text, unsigned int line, bool in_group, const char *path,
		     struct lines *lines, GString *errors)
{
	char *equals = strchr(text, '=');

	if (!equals) {
		complain(errors, path, line,
			 "'%s' is neither a [group], a key=value nor a # comment", text);
		return;
	}
	*equals = '\0';
	g_strstrip(text);
	if (!in_group) {
		if (lines->group == 0) {
			complain(errors, path, line, "key '%s' stands before the first group",
				 text);
		}
		return; /* in an unknown group, which has been reported */
	}
	for (size_t i = 0; i < KEYS_COUNT; i++) {
		if (strcmp(keys[i].name, text) == 0) {
			if (lines->key[i] != 0) {
				complain(errors, path, line,
					 "key '%s' is repeated (first in line %u)", text,
					 lines->key[i]);
			} else {
				lines->key[i] = line;
			}
			return;
		}
	}
	complain(errors, path, line, "unknown key '%s' in group [" GROUP "]", text);
}

static void scan(const char *path, const char *content, struct lines *lines, GString *errors)
{
	char **all = g_strsplit(content, "\n", 0);
	bool in_group = false;
	bool any_group = false;

	for (unsigned int i = 0; all[i]; i++) {
		char *text = g_strstrip(all[i]);
		size_t length = strlen(text);

		if (length == 0 || text[0] == '#') {
			continue;
		}
		if (text[0] != '[') {
			if (any_group && !in_group) {
				continue;
			}
			scan_key(text, i + 1, in_group, path, lines, errors);
			continue;
		}
		any_group = true;
		in_group = false;
		if (text[length - 1] != ']') {
			complain(errors, path, i + 1, "'%s' does not end with ']'", text);
			continue;
		}
		text[length - 1] = '\0';
		if (strcmp(text + 1, GROUP) != 0) {
			complain(errors, path, i + 1, "unknown group [%s]", text + 1);
		} else if (lines->group != 0) {
			complain(errors, path, i + 1,
				 "group [" GROUP "] is repeated (first in line %u)", lines->group);
		} else {
			lines->group = i + 1;
			in_group = true;
		}
	}
	g_strfreev(all);
}

/* R-LS-1 for each; none is allowed. Returns a sentence about what is wrong. */
static char *spaces_set(char ***field, const char *value)
{
	char **words = g_strsplit_set(value, " \t", 0);
	GPtrArray *list = g_ptr_array_new();
	char *wrong = NULL;

	for (size_t i = 0; words[i]; i++) {
		if (words[i][0] == '\0') {
			continue;
		}
		if (!wrong && !base_name_valid(words[i], LOCKSTEP_SPACE_MAX)) {
			wrong = g_strdup_printf("'%s' is no lockspace name (1 to 64 bytes of UTF-8, no '/', no control characters)",
						words[i]);
		}
		for (guint j = 0; !wrong && j < list->len; j++) {
			if (strcmp(g_ptr_array_index(list, j), words[i]) == 0) {
				wrong = g_strdup_printf("'%s' is named twice", words[i]);
			}
		}
		g_ptr_array_add(list, g_strdup(words[i]));
	}
	if (!wrong && list->len > SETTINGS_LOCKSPACES_MAX) {
		wrong = g_strdup_printf("more than %d lockspaces", SETTINGS_LOCKSPACES_MAX);
	}
	g_strfreev(words);
	g_ptr_array_add(list, NULL);
	g_strfreev(*field);
	*field = (char **)g_ptr_array_free(list, FALSE);
	return wrong;
}

static char *number_set(uint32_t *field, const char *value, const struct key *key)
{
	char *end;
	guint64 number = g_ascii_strtoull(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || number < key->minimum ||
	    number > key->maximum) {
		return g_strdup_printf("'%s' is not a number from %u to %u", value, key->minimum,
				       key->maximum);
	}
	*field = (uint32_t)number;
	return NULL;
}

static char *mode_set(uint32_t *field, const char *value, const struct key *key)
{
	char *end;
	guint64 number = g_ascii_strtoull(value, &end, 8);

	if (value[0] < '0' || value[0] > '7' || *end != '\0' || number > key->maximum) {
		return g_strdup_printf("'%s' is not an octal number up to %o", value, key->maximum);
	}
	*field = (uint32_t)number;
	return NULL;
}

static char *word_set(char **field, const char *value, enum kind kind)
{
	if (kind == KIND_NAME && !settings_ipc_name_valid(value)) {
		return g_strdup_printf("'%s' is not 1 to 64 of A-Z a-z 0-9 . _ -", value);
	}
	if (kind == KIND_WORD && (value[0] == '\0' || strpbrk(value, " \t"))) {
		return g_strdup_printf("'%s' is not one word", value);
	}
	if (kind == KIND_PATH && (value[0] != '/' || strlen(value) > DIR_BYTES_MAX)) {
		return g_strdup_printf("'%s' is not an absolute path of at most %d bytes", value,
				       DIR_BYTES_MAX);
	}
	g_free(*field);
	*field = g_strdup(value);
	return NULL;
}

static char *level_set(int *field, const char *value)
{
	for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
		if (strcmp(levels[i].name, value) == 0) {
			*field = levels[i].level;
			return NULL;
		}
	}
	return g_strdup_printf("'%s' is none of error, warning, notice, info, debug, trace", value);
}

static char *value_set(struct settings *s, const struct key *key, const char *value)
{
	void *field = (char *)s + key->offset;
	bool yes = strcmp(value, "yes") == 0;

	switch (key->kind) {
	case KIND_NAME:
	case KIND_WORD:
	case KIND_PATH:
		return word_set(field, value, key->kind);
	case KIND_BOOL:
		if (!yes && strcmp(value, "no") != 0) {
			return g_strdup_printf("'%s' is neither yes nor no", value);
		}
		*(bool *)field = yes;
		return NULL;
	case KIND_NUMBER:
		return number_set(field, value, key);
	case KIND_MODE:
		return mode_set(field, value, key);
	case KIND_LEVEL:
		return level_set(field, value);
	case KIND_LOST:
		if (strcmp(value, "kill") != 0 && strcmp(value, "fence") != 0 &&
		    strcmp(value, "reboot") != 0) {
			return g_strdup_printf("'%s' is none of fence, kill, reboot", value);
		}
		s->on_lost = value[0] == 'k'   ? NODE_ON_LOST_KILL
			     : value[0] == 'r' ? NODE_ON_LOST_REBOOT
					       : NODE_ON_LOST_FENCE;
		return NULL;
	case KIND_FENCING:
		if (strcmp(value, "pacemaker") != 0 && strcmp(value, "manual") != 0 &&
		    strcmp(value, "none") != 0) {
			return g_strdup_printf("'%s' is none of pacemaker, manual, none", value);
		}
		s->fencing = value[0] == 'p'   ? NODE_FENCING_PACEMAKER
			     : value[0] == 'm' ? NODE_FENCING_MANUAL
					       : NODE_FENCING_NONE;
		return NULL;
	case KIND_FENCE_ACTION:
		if (strcmp(value, "off") != 0 && strcmp(value, "reboot") != 0) {
			return g_strdup_printf("'%s' is neither off nor reboot", value);
		}
		s->fence_off = value[0] == 'o';
		return NULL;
	case KIND_SPACES:
		return spaces_set(field, value);
	}
	ls_assert(false);
}

static void values_set(struct settings *s, const char *path, const char *content,
		       const struct lines *lines, GString *errors)
{
	GKeyFile *file = g_key_file_new();
	GError *error = NULL;

	if (!g_key_file_load_from_data(file, content, strlen(content), G_KEY_FILE_NONE, &error)) {
		/* An empty file is no error to us. */
		complain(errors, path, 0, "%s", error->message);
		g_error_free(error);
		g_key_file_free(file);
		return;
	}
	for (size_t i = 0; i < KEYS_COUNT; i++) {
		char *value;
		char *wrong;

		if (lines->key[i] == 0) {
			continue;
		}
		value = g_key_file_get_string(file, GROUP, keys[i].name, &error);
		if (!value) {
			complain(errors, path, lines->key[i], "%s", error->message);
			g_clear_error(&error);
			continue;
		}
		g_strstrip(value);
		wrong = value_set(s, &keys[i], value);
		if (wrong) {
			complain(errors, path, lines->key[i], "%s: %s", keys[i].name, wrong);
			g_free(wrong);
		}
		g_free(value);
	}
	g_key_file_free(file);
	/* Nobody would stop the programs of a lost node at all. */
	for (size_t i = 0; i < KEYS_COUNT; i++) {
		if (keys[i].kind == KIND_FENCING && s->fencing == NODE_FENCING_NONE &&
		    s->on_lost == NODE_ON_LOST_FENCE) {
			complain(errors, path, lines->key[i], "fencing = none needs on_lost = kill or reboot");
		}
	}
}

int settings_load(const char *path, struct settings **ret, char **ret_errors)
{
	struct lines lines = { 0 };
	GString *errors = g_string_new(NULL);
	struct settings *s = settings_new();
	GError *error = NULL;
	char *content = NULL;
	gsize size;
	int rc = -EINVAL;

	if (!g_file_get_contents(path, &content, &size, &error)) {
		bool absent = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);

		complain(errors, path, 0, "%s", error->message);
		g_error_free(error);
		rc = absent ? -ENOENT : -EIO;
	} else if (size > SETTINGS_FILE_BYTES_MAX) {
		complain(errors, path, 0, "larger than %d bytes", SETTINGS_FILE_BYTES_MAX);
	} else if (strlen(content) != size) {
		complain(errors, path, 0, "holds a NUL byte");
	} else if (!g_utf8_validate(content, -1, NULL)) {
		complain(errors, path, 0, "is not UTF-8");
	} else {
		scan(path, content, &lines, errors);
		if (errors->len == 0) {
			values_set(s, path, content, &lines, errors);
		}
		rc = errors->len == 0 ? 0 : -EINVAL;
	}
	g_free(content);
	if (rc != 0) {
		settings_free(s);
		*ret_errors = g_string_free(errors, FALSE);
		return rc;
	}
	g_string_free(errors, TRUE);
	*ret = s;
	return 0;
}
