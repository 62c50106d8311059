/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs of lockstep(1) share: options, exit codes, and how things are written.
 */
#ifndef LOCKSTEP_TOOLS_LOCKSTEP_H
#define LOCKSTEP_TOOLS_LOCKSTEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <lockstep/lockstep.h>

struct json_object;

/* Documented in lockstep(1). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	EXIT_NOT_ACQUIRED = 75,
	EXIT_LOST = 76,
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
	EXIT_SIGNAL = 128, /* plus the signal's number */
};

struct cli {
	struct lockstep_options options;
	const char *space; /* never NULL */
	bool json;
};

struct verb {
	const char *name;
	const char *synopsis; /* what follows the name */
	const char *help;     /* lines of its own, the last one with its newline */
	int (*run)(struct cli *cli, const struct verb *verb, int argc, char **argv);
};

/* argv[0] is the verb's name. */
int verb_run(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_status(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_locks(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_explain(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_lockspace(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_fence_ack(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_digest(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_events(struct cli *cli, const struct verb *verb, int argc, char **argv);

/* --- options --------------------------------------------------------------------------- */

/* For getopt_long(): options every verb takes. Values above any character. */
enum { OPTION_IPC_NAME = 0x100, OPTION_JSON, OPTION_SUMMARY };
#define COMMON_OPTIONS                                                                             \
	{ "help", no_argument, NULL, 'h' }, { "ipc-name", required_argument, NULL, OPTION_IPC_NAME }
#define SPACE_OPTION { "lockspace", required_argument, NULL, 's' }
#define JSON_OPTION { "json", no_argument, NULL, OPTION_JSON }

/* Handles an option that is not the verb's own: a negative number to go on, or the exit code. */
int option_common(struct cli *cli, const struct verb *verb, int option);
void verb_help(const struct verb *verb, FILE *out);
/* Says what is wrong (printf format) and how it is meant to be; EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int usage_error(const struct verb *verb, const char *format,
						       ...);
/* Seconds, fractions allowed, as milliseconds; -EINVAL. */
int seconds_parse(const char *text, int *ret_ms);

/* --- names and texts ------------------------------------------------------------------- */

#define ESCAPED_MAX(bytes) (4 * (bytes) + 1)
#define NAME_TEXT_MAX ESCAPED_MAX(LOCKSTEP_NAME_MAX)

/* Printable ASCII stays, a backslash is doubled, every other byte becomes \xHH. @ret holds
 * ESCAPED_MAX(size) bytes. Blanks stay when @keep_blanks. Returns @ret. */
char *bytes_escape(const void *bytes, size_t size, bool keep_blanks, char *ret);
/* The inverse, for resource names on the command line. 0 or -EINVAL (too long, bad escape). */
int name_parse(const char *text, uint8_t *ret_name, size_t *ret_len);

const char *node_text(const char *name, uint32_t nodeid, char *ret, size_t ret_size);
/* "lvb-holder (pid 12, uid 0) on n1" or "an orphan on n1". */
const char *owner_text(const struct lockstep_lock_info *lock, char *ret, size_t ret_size);
/* "04:05:06 (12 s)"; the date in front when it is another day. */
const char *since_text(uint64_t time_ms, char *ret, size_t ret_size);
/* "granted EX", as columns: state and "PR->EX". */
const char *queue_text(char queue);
const char *modes_text(const struct lockstep_lock_info *lock, char *ret, size_t ret_size);

/* --- errors and output ----------------------------------------------------------------- */

/* "lockstep: what: why" on stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
/* Says that @what failed with negative errno @error; the exit code that goes with it. */
__attribute__((format(printf, 2, 3))) int fail(int error, const char *format, ...);
int admin_open(struct cli *cli, struct lockstep_admin **ret); /* 0 or an exit code, said */
/* Prints and frees; the exit code. */
int json_print(struct json_object *object);
struct json_object *json_lock(const struct lockstep_lock_info *lock);
void json_put(struct json_object *object, const char *key, struct json_object *value);
/* EXIT_OK, or EXIT_FAILED when stdout could not be written. */
int output_end(void);

/* Who holds @name, one line each on stderr, for `run`; silent when it cannot be found out. */
void holders_tell(struct cli *cli, const uint8_t *name, size_t name_len);

#endif
