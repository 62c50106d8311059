/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs of lockstep(1) share: options, exit codes, and how things are written.
 */
#ifndef LOCKSTEP_TOOLS_LOCKSTEP_H
#define LOCKSTEP_TOOLS_LOCKSTEP_H

#include <stdarg.h>
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
	EXIT_NOT_ACQUIRED = 75, /* check-token: it cannot be told */
	EXIT_LOST = 76,         /* check-token: stale */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
	EXIT_SIGNAL = 128, /* plus the signal's number */
};

struct cli {
	struct lockstep_options options;
	const char *space; /* never NULL */
	bool space_given;  /* with -s */
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
int verb_dlm(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_libdlm(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_ls(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_lvb(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_release(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_check_token(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_stats(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_ctdb_mutex(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_metrics(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_dump(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_recovery(struct cli *cli, const struct verb *verb, int argc, char **argv);
int verb_trace(struct cli *cli, const struct verb *verb, int argc, char **argv);

/* --- options --------------------------------------------------------------------------- */

/* For getopt_long(): options every verb takes. Values above any character. */
enum { OPTION_IPC_NAME = 0x100, OPTION_JSON, OPTION_SUMMARY, OPTION_VERB /* and above: a verb's own */ };
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
/* stats --timing */
int timing_show(struct cli *cli);

/* For verbs with no options but the common ones, -s and --json: negative, or the exit code. */
int options_plain(struct cli *cli, const struct verb *verb, int argc, char **argv);
/* Seconds, fractions allowed, as milliseconds; -EINVAL. */
int seconds_parse(const char *text, int *ret_ms);
/* An unsigned number in @base of at most @max; -EINVAL. */
int number_parse(const char *text, int base, uint64_t max, uint64_t *ret);
/* The one argument NAME: negative, or the exit code of wrong usage. */
int name_argument(const struct verb *verb, int argc, char **argv, uint8_t *ret_name,
		  size_t *ret_len);

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
/* "2026-11-27 04:05:06.789" in local time. */
const char *stamp_text(uint64_t time_ms, char *ret, size_t ret_size);
uint64_t wall_ms(void);
void sleep_ms(int ms);
/* "granted EX", as columns: state and "PR->EX". */
const char *queue_text(char queue);
const char *modes_text(const struct lockstep_lock_info *lock, char *ret, size_t ret_size);

/* That goes on evenly, from some moment in the past. */
int64_t now_ms(void);

/* --- errors and output ----------------------------------------------------------------- */

/* "lockstep: what: why" on stderr. */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);
/* lockstep_lost.c: the lost and not yet fenced members of a lockspace, as a visitor of
 * lockstep_admin_members(); and what is to be said of them, but for what @said says already. */
#define LOST_MAX 64
struct lost_list {
	struct lockstep_member_info member[LOST_MAX];
	size_t count;
};
int lost_add(const struct lockstep_member_info *info, void *arg);
int lost_nodes_tell(struct lockstep_admin *a, const char *space, const char *said);
/* Says that @what failed with negative errno @error; the exit code that goes with it. */
__attribute__((format(printf, 2, 3))) int fail(int error, const char *format, ...);
int admin_open(struct cli *cli, struct lockstep_admin **ret); /* 0 or an exit code, said */
/* Prints and frees; the exit code. */
int json_print(struct json_object *object);
int json_print_line(struct json_object *object);
struct json_object *json_lock(const struct lockstep_lock_info *lock);
struct json_object *json_space(const struct lockstep_space_info *space);
struct json_object *json_member(const struct lockstep_member_info *member);
struct json_object *json_status(const struct lockstep_status *status);
void json_put(struct json_object *object, const char *key, struct json_object *value);
/* EXIT_OK, or EXIT_FAILED when stdout could not be written. */
int output_end(void);

/* The lockspaces of this node as a table or as JSON; the exit code. */
int space_list(struct cli *cli, struct lockstep_admin *a);
/* A node's number by its name, or number; 0 or an exit code, said. */
int node_find(struct lockstep_admin *a, const char *name, uint64_t *ret_nodeid);
/* Sleeps until a subscription has something; 0 or a negative errno. */
int changes_wait(const struct lockstep_admin *a);
/* A listing of one lockspace failed; the exit code, said. */
int list_failed(struct cli *cli, int error);

/* --- locks in memory --------------------------------------------------------------------- */

struct lock_list {
	struct lockstep_lock_info *lock;
	size_t count;
	size_t capacity;
};

/* A visitor; @arg is the list. 0 or -ENOMEM. */
int lock_list_add(const struct lockstep_lock_info *lock, void *arg);
void lock_list_done(struct lock_list *list);
/* Same lock and same place in its life: neither converted nor granted nor requested again. */
bool lock_same(const struct lockstep_lock_info *a, const struct lockstep_lock_info *b);

/* --- who waits for whom ------------------------------------------------------------------- */

/* @waits is queued, and @blocker is in its way. */
struct wait_step {
	struct lockstep_lock_info waits;
	struct lockstep_blocker blocker;
};

/* The blocker of each step is of the session that waits in the next one, the last one's in the first. */
struct wait_cycle {
	struct wait_step *step;
	size_t count;
};

#define WAIT_CYCLES_MAX 8

struct waits {
	struct lock_list locks; /* of all resources that somebody waits for */
	struct wait_cycle cycles[WAIT_CYCLES_MAX];
	size_t cycles_count;
	bool cut; /* the search was ended by a limit; there may be more */
};

/* Cycles that can be reached from the waiters in @from. *ret is zero before; 0 or a negative errno.
 * waits_done() also after an error. */
int waits_find(struct lockstep_admin *a, const char *space, const struct lock_list *from,
	       struct waits *ret);
void waits_done(struct waits *w);
/* Something that the session of @lock waits for, or NULL. */
const struct lockstep_lock_info *waits_of_session(const struct waits *w,
						  const struct lockstep_lock_info *lock);

/* --- things that take long ---------------------------------------------------------------- */

/* From two seconds on standard error is told how long it takes, and how many rows there were. */
__attribute__((format(printf, 1, 2))) void progress_begin(const char *format, ...);
void progress_row(void);
void progress_end(void);

/* Who holds @name, one line each on stderr, and how many wait before the lock @lkid of this node, for `run`; silent when it
 * cannot be found out. */
void holders_tell(struct cli *cli, const uint8_t *name, size_t name_len, uint32_t lkid);

#endif
