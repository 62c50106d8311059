/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See ipc_access.h. A line is: allow|deny WHO LOCKSPACES OPERATIONS. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glib.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/daemon/ipc_access.h"

#define FILE_BYTES_MAX 65536
#define RULES_MAX 1024
#define SUPPLEMENTARY_MAX 256
#define FIELDS 4

enum who {
	WHO_ANYBODY = 0,
	WHO_USER,
	WHO_GROUP,
};

struct rule {
	bool allow;
	enum who who;
	id_t id;
	char *spaces; /* pattern for fnmatch() */
	unsigned int operations;
};

struct access_rules {
	size_t count;
	struct rule rules[RULES_MAX];
};

static const struct {
	const char *name;
	unsigned int bits;
} operations[] = {
	{ "view", ACCESS_VIEW },
	{ "lock", ACCESS_LOCK },
	{ "create", ACCESS_CREATE },
	{ "admin", ACCESS_ADMIN },
	{ "all", ACCESS_VIEW | ACCESS_LOCK | ACCESS_CREATE | ACCESS_ADMIN },
};

/* --- questions --------------------------------------------------------------------------- */

bool access_user_in_group(uid_t uid, gid_t primary, gid_t group)
{
	gid_t groups[SUPPLEMENTARY_MAX];
	int count = SUPPLEMENTARY_MAX;
	struct passwd *pw;

	if (primary == group) {
		return true;
	}
	pw = getpwuid(uid);
	if (!pw || getgrouplist(pw->pw_name, primary, groups, &count) < 0) {
		return false;
	}
	for (int i = 0; i < count; i++) {
		if (groups[i] == group) {
			return true;
		}
	}
	return false;
}

static bool is_meant(const struct rule *rule, uid_t uid, gid_t gid)
{
	switch (rule->who) {
	case WHO_USER:
		return rule->id == uid;
	case WHO_GROUP:
		return access_user_in_group(uid, gid, rule->id);
	case WHO_ANYBODY:
		break;
	}
	return true;
}

enum access_verdict access_check(const struct access_rules *r, uid_t uid, gid_t gid, const char *space,
				 unsigned int operation)
{
	for (size_t i = 0; r && i < r->count; i++) {
		const struct rule *rule = &r->rules[i];
		/* A pattern, and not a path: '/' is in no name, and a leading dot is nothing special. */
		bool fits = space ? fnmatch(rule->spaces, space, FNM_NOESCAPE) == 0 :
				    strcmp(rule->spaces, "*") == 0;

		if ((rule->operations & operation) && fits && is_meant(rule, uid, gid)) {
			return rule->allow ? ACCESS_ALLOWED : ACCESS_DENIED;
		}
	}
	return ACCESS_NO_RULE;
}

bool access_any(const struct access_rules *r, uid_t uid, gid_t gid)
{
	for (size_t i = 0; r && i < r->count; i++) {
		if (r->rules[i].allow && is_meant(&r->rules[i], uid, gid)) {
			return true;
		}
	}
	return false;
}

bool access_mentions(const struct access_rules *r, unsigned int operation)
{
	for (size_t i = 0; r && i < r->count; i++) {
		if (r->rules[i].operations & operation) {
			return true;
		}
	}
	return false;
}

/* --- the file ---------------------------------------------------------------------------- */

static bool number_parse(const char *text, id_t *ret)
{
	char *end;
	guint64 number = g_ascii_strtoull(text, &end, 10);

	if (!g_ascii_isdigit(text[0]) || *end != '\0' || number >= UINT32_MAX) {
		return false;
	}
	*ret = (id_t)number;
	return true;
}

/* Each of these returns what is wrong, or NULL. */
static char *who_parse(struct rule *rule, const char *text)
{
	const char *name = strchr(text, ':');
	const struct passwd *pw;
	const struct group *gr;

	if (strcmp(text, "*") == 0) {
		rule->who = WHO_ANYBODY;
		return NULL;
	}
	name = name ? name + 1 : "";
	if (g_str_has_prefix(text, "user:")) {
		rule->who = WHO_USER;
		pw = getpwnam(name);
		rule->id = pw ? pw->pw_uid : 0;
		return pw ? NULL : g_strdup_printf("there is no user '%s'", name);
	}
	if (g_str_has_prefix(text, "group:")) {
		rule->who = WHO_GROUP;
		gr = getgrnam(name);
		rule->id = gr ? gr->gr_gid : 0;
		return gr ? NULL : g_strdup_printf("there is no group '%s'", name);
	}
	if (g_str_has_prefix(text, "uid:") || g_str_has_prefix(text, "gid:")) {
		rule->who = text[0] == 'u' ? WHO_USER : WHO_GROUP;
		return number_parse(name, &rule->id) ? NULL : g_strdup_printf("'%s' is not a number", name);
	}
	return g_strdup_printf("'%s' is none of user:NAME, group:NAME, uid:NUMBER, gid:NUMBER and *", text);
}

static char *operations_parse(struct rule *rule, const char *text)
{
	char **words = g_strsplit(text, ",", 0);
	char *wrong = NULL;

	for (size_t i = 0; words[i] && !wrong; i++) {
		unsigned int bits = 0;

		for (size_t j = 0; j < G_N_ELEMENTS(operations); j++) {
			if (strcmp(operations[j].name, words[i]) == 0) {
				bits = operations[j].bits;
			}
		}
		if (bits == 0) {
			wrong = g_strdup_printf("'%s' is none of view, lock, create, admin and all",
						words[i]);
		}
		rule->operations |= bits;
	}
	g_strfreev(words);
	return wrong;
}

static char *rule_parse(struct access_rules *r, char **fields)
{
	struct rule rule = { .allow = strcmp(fields[0], "allow") == 0 };
	char *wrong;

	if (!rule.allow && strcmp(fields[0], "deny") != 0) {
		return g_strdup_printf("'%s' is neither allow nor deny", fields[0]);
	}
	if (g_strv_length(fields) != FIELDS) {
		return g_strdup("expected: allow|deny WHO LOCKSPACES OPERATIONS");
	}
	wrong = who_parse(&rule, fields[1]);
	wrong = wrong ? wrong : operations_parse(&rule, fields[3]);
	if (wrong) {
		return wrong;
	}
	if (r->count == RULES_MAX) {
		return g_strdup_printf("more than %d rules", RULES_MAX);
	}
	rule.spaces = g_strdup(fields[2]);
	r->rules[r->count++] = rule;
	return NULL;
}

/* Words with any white space between them. */
static char **fields_split(const char *line)
{
	char **pieces = g_strsplit_set(line, " \t\r", 0);
	GPtrArray *words = g_ptr_array_new();

	for (size_t i = 0; pieces[i]; i++) {
		if (pieces[i][0] != '\0') {
			g_ptr_array_add(words, g_strdup(pieces[i]));
		}
	}
	g_strfreev(pieces);
	g_ptr_array_add(words, NULL);
	return (char **)g_ptr_array_free(words, FALSE);
}

static void content_parse(struct access_rules *r, const char *path, const char *content, GString *errors)
{
	char **lines = g_strsplit(content, "\n", 0);

	for (unsigned int i = 0; lines[i]; i++) {
		char **fields = fields_split(lines[i]);
		char *wrong = NULL;

		if (fields[0] && fields[0][0] != '#') {
			wrong = rule_parse(r, fields);
		}
		if (wrong) {
			g_string_append_printf(errors, "%s:%u: %s\n", path, i + 1, wrong);
			g_free(wrong);
		}
		g_strfreev(fields);
	}
	g_strfreev(lines);
}

/* The whole file as text, or NULL with a sentence in @errors. */
static char *content_read(const char *path, GString *errors)
{
	char *content = g_malloc(FILE_BYTES_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t size = -1;

	if (fd < 0 || fstat(fd, &st) != 0) {
		g_string_append_printf(errors, "%s: %s\n", path, strerror(errno));
	} else if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 0022) != 0) {
		g_string_append_printf(errors, "%s: others than its owner, who must be root or the daemon's user, can change it\n", path);
	} else {
		size = read(fd, content, FILE_BYTES_MAX + 1);
		if (size < 0) {
			g_string_append_printf(errors, "%s: %s\n", path, strerror(errno));
		} else if (size > FILE_BYTES_MAX || memchr(content, '\0', (size_t)size)) {
			g_string_append_printf(errors, "%s: larger than %d bytes, or holds a NUL byte\n", path,
					       FILE_BYTES_MAX);
			size = -1;
		}
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	if (size < 0) {
		g_free(content);
		return NULL;
	}
	content[size] = '\0';
	return content;
}

int access_load(const char *path, struct access_rules **ret, char **ret_errors)
{
	struct access_rules *r = g_new0(struct access_rules, 1);
	GString *errors = g_string_new(NULL);
	char *content = content_read(path, errors);

	if (content) {
		content_parse(r, path, content, errors);
	}
	g_free(content);
	if (errors->len > 0) {
		access_free(r);
		*ret_errors = g_string_free(errors, FALSE);
		return -EINVAL;
	}
	g_string_free(errors, TRUE);
	*ret = r;
	return 0;
}

struct access_rules *access_free(struct access_rules *r)
{
	if (r) {
		for (size_t i = 0; i < r->count; i++) {
			g_free(r->rules[i].spaces);
		}
		g_free(r);
	}
	return NULL;
}
