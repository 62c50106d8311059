/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "tests/unit/engine_script.h"

#define INCARNATION 77u
#define SESSIONS 26
#define LOCKS_PER_SESSION 10
#define LVB_LEN 8
#define TEXT_SIZE 4096

struct script_session {
	uint32_t node; /* 0: not begun */
	uint64_t request;
	struct engine_op last;
	uint32_t lkid[LOCKS_PER_SESSION]; /* last one of that name */
};

struct script {
	struct engine *engine;
	struct engine_effects effects;
	struct script_session sessions[SESSIONS];
	uint32_t lkid_next;
	const char *file;
	int line;
};

static const char *const mode_names[] = { "NL", "CR", "CW", "PR", "PW", "EX" };

static const struct {
	const char *name;
	uint32_t value;
} flag_names[] = {
	{ "NOQUEUE", LOCKSTEP_LKF_NOQUEUE },	     { "VALBLK", LOCKSTEP_LKF_VALBLK },
	{ "QUECVT", LOCKSTEP_LKF_QUECVT },	     { "IVVALBLK", LOCKSTEP_LKF_IVVALBLK },
	{ "CONVDEADLK", LOCKSTEP_LKF_CONVDEADLK },   { "PERSISTENT", LOCKSTEP_LKF_PERSISTENT },
	{ "NODLCKWT", LOCKSTEP_LKF_NODLCKWT },	     { "NODLCKBLK", LOCKSTEP_LKF_NODLCKBLK },
	{ "EXPEDITE", LOCKSTEP_LKF_EXPEDITE },	     { "NOQUEUEBAST", LOCKSTEP_LKF_NOQUEUEBAST },
	{ "HEADQUE", LOCKSTEP_LKF_HEADQUE },	     { "NOORDER", LOCKSTEP_LKF_NOORDER },
	{ "ORPHAN", LOCKSTEP_LKF_ORPHAN },	     { "ALTPR", LOCKSTEP_LKF_ALTPR },
	{ "ALTCW", LOCKSTEP_LKF_ALTCW },	     { "FORCEUNLOCK", LOCKSTEP_LKF_FORCEUNLOCK },
	{ "TIMEOUT", LOCKSTEP_LKF_TIMEOUT },
};

static const struct {
	const char *name;
	int value;
} status_names[] = {
	{ "0", 0 },
	{ "EAGAIN", EAGAIN },
	{ "EDEADLK", EDEADLK },
	{ "ETIMEDOUT", ETIMEDOUT },
	{ "ENOENT", ENOENT },
	{ "ECANCEL", LOCKSTEP_ECANCEL },
	{ "EUNLOCK", LOCKSTEP_EUNLOCK },
};

static struct script *script_of(uint32_t deadlock_wait_ms, uint8_t xid_scope)
{
	struct script *s = calloc(1, sizeof(*s));
	struct engine_config config = {
		.lvb_len = LVB_LEN,
		.deadlock_wait_ms = deadlock_wait_ms,
		.xid_scope = xid_scope,
		.seq_base = 1000,
	};

	assert_non_null(s);
	s->engine = engine_new(&config);
	s->lkid_next = 1;
	return s;
}

struct script *script_new(void)
{
	return script_of(10000, 0);
}

struct script *script_new_xid_scope_cluster(void)
{
	return script_of(10000, 1);
}

struct script *script_new_no_deadlock_wait(void)
{
	return script_of(0, 0);
}

void script_free(struct script *s)
{
	s->engine = engine_free(s->engine);
	engine_effects_done(&s->effects);
	free(s);
}

__attribute__((noreturn, format(printf, 2, 3))) static void broken(const struct script *s,
								   const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "%s:%d: ", s->file, s->line);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	fail();
	abort();
}

/* --- names --- */

static struct script_session *session_of(struct script *s, char letter)
{
	if (!isupper((unsigned char)letter)) {
		broken(s, "no session letter: %c", letter);
	}
	return &s->sessions[letter - 'A'];
}

static unsigned int lock_index(const char *lock)
{
	return lock[1] ? (unsigned int)(lock[1] - '0') : 0;
}

uint32_t script_lkid(struct script *s, const char *lock)
{
	return session_of(s, lock[0])->lkid[lock_index(lock)];
}

uint32_t script_node(struct script *s, char session)
{
	return session_of(s, session)->node;
}

uint64_t script_incarnation(void)
{
	return INCARNATION;
}

/* The name of a lock: the script's lkids are unique in the cluster, so one is enough. */
static const char *lock_name(const struct script *s, uint32_t lkid, char name[3])
{
	for (unsigned int i = 0; i < SESSIONS; i++) {
		for (unsigned int k = 0; k < LOCKS_PER_SESSION; k++) {
			if (s->sessions[i].lkid[k] == lkid) {
				name[0] = (char)('A' + i);
				name[1] = k ? (char)('0' + k) : '\0';
				name[2] = '\0';
				return name;
			}
		}
	}
	return "?";
}

static uint8_t mode_value(const struct script *s, const char *name)
{
	for (uint8_t i = 0; i < 6; i++) {
		if (strcmp(mode_names[i], name) == 0) {
			return i;
		}
	}
	broken(s, "no mode: %s", name);
}

static const char *mode_text(int mode)
{
	return mode < 0 ? "" : mode_names[mode];
}

static const char *status_text(const struct script *s, int status)
{
	for (size_t i = 0; i < sizeof(status_names) / sizeof(status_names[0]); i++) {
		if (status_names[i].value == status) {
			return status_names[i].name;
		}
	}
	broken(s, "no status: %d", status);
}

/* --- effects as text --- */

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + used, TEXT_SIZE - used, format, args);
	va_end(args);
}

static void add_lvb(char *text, const uint8_t *lvb)
{
	if (lvb[0] == 0) {
		add(text, "zero");
	} else {
		add(text, "%.*s", LVB_LEN, (const char *)lvb);
	}
}

static void add_cast(const struct script *s, char *text, const struct engine_effect *effect)
{
	add(text, "%s", status_text(s, effect->status));
	if (effect->mode >= 0) {
		add(text, " %s", mode_text(effect->mode));
	}
	if (effect->sb_flags & LOCKSTEP_SBF_DEMOTED) {
		add(text, " DEMOTED");
	}
	if (effect->sb_flags & LOCKSTEP_SBF_VALNOTVALID) {
		add(text, " VALNOTVALID");
	}
	if (effect->sb_flags & LOCKSTEP_SBF_ALTMODE) {
		add(text, " ALTMODE");
	}
	if (effect->lvb_len > 0) {
		add(text, " lvb=");
		add_lvb(text, effect->lvb);
	}
}

static void effects_text(const struct script *s, const struct engine_effects *effects, char *text)
{
	text[0] = '\0';
	for (size_t i = 0; i < effects->count; i++) {
		const struct engine_effect *effect = &effects->items[i];
		char name[3];
		char session[3] = { (char)('A' + effect->session - 1), '\0' };

		add(text, "%s%s ", i > 0 ? ", " : "",
		    effect->lkid ? lock_name(s, effect->lkid, name) : session);
		if (effect->type == ENGINE_EFFECT_BAST) {
			add(text, "bast(%s)", mode_text(effect->mode));
			continue;
		}
		add(text, effect->type == ENGINE_EFFECT_CAST ? "cast(" : "reply(");
		add_cast(s, text, effect);
		add(text, ")");
	}
}

/* --- both engines --- */

static struct engine *restored(struct script *s)
{
	struct buf bytes = { .data = NULL };
	struct buf again = { .data = NULL };
	struct engine *e = NULL;

	engine_snapshot_encode(s->engine, &bytes);
	struct cursor in = cursor_make(bytes.data, bytes.size);

	if (engine_snapshot_decode(&in, &e) != 0 || !cursor_end(&in)) {
		broken(s, "a snapshot is refused");
	}
	engine_snapshot_encode(e, &again);
	if (again.size != bytes.size || memcmp(again.data, bytes.data, bytes.size) != 0) {
		broken(s, "a restored engine has another snapshot");
	}
	buf_done(&bytes);
	buf_done(&again);
	return e;
}

static void check_engine(const struct script *s, const struct engine *e)
{
	const char *rule = engine_check(e);

	if (rule) {
		broken(s, "invariant broken: %s", rule);
	}
}

static void apply(struct script *s, const struct engine_op *op)
{
	struct engine *twin = restored(s);
	struct engine_effects twin_effects = { .items = NULL };
	char text[TEXT_SIZE];
	char twin_text[TEXT_SIZE];
	uint64_t seq = engine_seq(s->engine);

	engine_apply(s->engine, op, &s->effects);
	engine_apply(twin, op, &twin_effects);
	effects_text(s, &s->effects, text);
	effects_text(s, &twin_effects, twin_text);
	if (strcmp(text, twin_text) != 0) {
		broken(s, "a restored engine does something else: %s, not %s", twin_text, text);
	}
	check_engine(s, s->engine);
	check_engine(s, twin);
	if (engine_digest(s->engine) != engine_digest(twin)) {
		broken(s, "a restored engine has another digest");
	}
	if (engine_seq(s->engine) != seq + 1) {
		broken(s, "seq did not grow by one");
	}
	engine_effects_done(&twin_effects);
	(void)engine_free(twin);
}

static struct engine_op op_of_session(struct script *s, char letter, enum engine_op_type type)
{
	struct script_session *session = session_of(s, letter);
	struct engine_op op;

	memset(&op, 0, sizeof(op));
	op.type = type;
	op.nodeid = session->node;
	op.incarnation = INCARNATION;
	op.session = (uint32_t)(letter - 'A' + 1);
	if (type != ENGINE_OP_TIMEOUT && type != ENGINE_OP_DEADLOCK_SEARCH) {
		op.request = ++session->request;
	}
	return op;
}

static void session_begin(struct script *s, char letter, uint32_t node, char *words[],
			  size_t words_count)
{
	struct script_session *session = session_of(s, letter);

	session->node = node;
	struct engine_op op = op_of_session(s, letter, ENGINE_OP_SESSION_BEGIN);

	op.pid = (uint32_t)(100 + letter - 'A');
	memcpy(op.comm, "test", 4);
	for (size_t i = 0; i < words_count; i++) {
		if (strncmp(words[i], "pid=", 4) == 0) {
			op.pid = (uint32_t)strtoul(words[i] + 4, NULL, 10);
		} else if (strcmp(words[i], "libdlm") == 0) {
			op.personality = ENGINE_PERSONALITY_LIBDLM;
		} else {
			broken(s, "no word of a session: %s", words[i]);
		}
	}
	apply(s, &op);
}

/* --- commands --- */

struct args {
	struct engine_op *op;
	uint8_t lvb[LVB_LEN];
	bool seq_given;
};

static bool word_flag(const char *word, struct args *args)
{
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		if (strcmp(flag_names[i].name, word) == 0) {
			args->op->flags |= flag_names[i].value;
			return true;
		}
	}
	return false;
}

static void word(const struct script *s, const char *text, struct args *args)
{
	struct engine_op *op = args->op;
	const char *value = strchr(text, '=');

	value = value ? value + 1 : "";
	if (word_flag(text, args)) {
		return;
	}
	if (strcmp(text, "nobast") == 0) {
		op->attr &= (uint8_t)~ENGINE_ATTR_HAS_BAST;
	} else if (strncmp(text, "res=", 4) == 0) {
		op->name_len = (uint8_t)strlen(value);
		memcpy(op->name, value, op->name_len);
	} else if (strncmp(text, "lvb=", 4) == 0) {
		memset(args->lvb, 0, sizeof(args->lvb));
		memcpy(args->lvb, value, strlen(value) < LVB_LEN ? strlen(value) : LVB_LEN);
	} else if (strncmp(text, "xid=", 4) == 0) {
		op->xid = strtoull(value, NULL, 10);
	} else if (strncmp(text, "timeout=", 8) == 0) {
		op->timeout_cs = (uint32_t)strtoul(value, NULL, 10);
	} else if (strncmp(text, "seq=", 4) == 0) {
		op->queued_seq = strtoull(value, NULL, 10);
		args->seq_given = true;
	} else {
		broken(s, "no word: %s", text);
	}
}

/* Commands that name a lock. Returns false when @verb is none of them. */
static bool lock_command(struct script *s, const char *lock, const char *verb, char *words[],
			 size_t words_count)
{
	static const struct {
		const char *verb;
		enum engine_op_type type;
		bool has_mode;
	} verbs[] = {
		{ "lock", ENGINE_OP_LOCK, true },
		{ "conv", ENGINE_OP_CONVERT, true },
		{ "unlock", ENGINE_OP_UNLOCK, false },
		{ "cancel", ENGINE_OP_CANCEL, false },
		{ "deadlock", ENGINE_OP_DEADLOCK_CANCEL, false },
		{ "adopt", ENGINE_OP_ADOPT, true },
		{ "timeout", ENGINE_OP_TIMEOUT, false },
		{ "search", ENGINE_OP_DEADLOCK_SEARCH, false },
	};
	struct script_session *session = session_of(s, lock[0]);
	size_t i = 0;

	while (strcmp(verbs[i].verb, verb) != 0) {
		if (++i == sizeof(verbs) / sizeof(verbs[0])) {
			return false;
		}
	}
	struct engine_op op = op_of_session(s, lock[0], verbs[i].type);
	struct args args = { .op = &op, .lvb = { 0 } };
	size_t first = 0;

	op.attr = ENGINE_ATTR_HAS_BAST;
	op.name_len = 1;
	op.name[0] = 'r';
	if (verbs[i].has_mode) {
		op.mode = mode_value(s, words_count > 0 ? words[0] : "");
		first = 1;
	}
	if (op.type == ENGINE_OP_LOCK) {
		session->lkid[lock_index(lock)] = s->lkid_next++;
	}
	op.lkid = session->lkid[lock_index(lock)];
	for (size_t k = first; k < words_count; k++) {
		word(s, words[k], &args);
	}
	if (op.flags & LOCKSTEP_LKF_VALBLK) {
		op.lvb = args.lvb;
		op.lvb_len = LVB_LEN;
	}
	if ((op.type == ENGINE_OP_TIMEOUT || op.type == ENGINE_OP_DEADLOCK_SEARCH) &&
	    !args.seq_given) {
		struct engine_lock_info info;

		if (engine_lock_find(s->engine, op.nodeid, op.incarnation, op.lkid, &info)) {
			op.queued_seq = info.queued_seq;
		}
	}
	session->last = op;
	session->last.lvb_len = 0;
	session->last.lvb = NULL;
	apply(s, &op);
	if (op.type == ENGINE_OP_ADOPT && s->effects.count > 0 &&
	    s->effects.items[0].type == ENGINE_EFFECT_REPLY && s->effects.items[0].status == 0) {
		session->lkid[lock_index(lock)] = s->effects.items[0].lkid;
		/* The old owner's name of it is gone. */
		for (unsigned int k = 0; k < SESSIONS; k++) {
			for (unsigned int n = 0; n < LOCKS_PER_SESSION; n++) {
				uint32_t *lkid = &s->sessions[k].lkid[n];

				if (*lkid == s->effects.items[0].lkid &&
				    lkid != &session->lkid[lock_index(lock)]) {
					*lkid = 0;
				}
			}
		}
	}
	return true;
}

static void session_command(struct script *s, char letter, const char *verb, char *words[],
			    size_t words_count)
{
	if (strcmp(verb, "end") == 0) {
		struct engine_op op = op_of_session(s, letter, ENGINE_OP_SESSION_END);

		apply(s, &op);
	} else if (strcmp(verb, "purge") == 0 && words_count == 2) {
		struct engine_op op = op_of_session(s, letter, ENGINE_OP_PURGE);

		op.purge_nodeid = (uint32_t)strtoul(words[0], NULL, 10);
		op.purge_pid = (uint32_t)strtoul(words[1], NULL, 10);
		apply(s, &op);
	} else if (strcmp(verb, "again") == 0) {
		apply(s, &session_of(s, letter)->last);
	} else {
		broken(s, "no command: %s", verb);
	}
}

static void node_command(struct script *s, const char *number, const char *verb)
{
	struct engine_member_id member = { .nodeid = (uint32_t)strtoul(number, NULL, 10),
					   .incarnation = INCARNATION };
	struct engine_op op;

	memset(&op, 0, sizeof(op));
	op.type = strcmp(verb, "remove") == 0 ? ENGINE_OP_NODES_REMOVE : ENGINE_OP_VIEW_POINT;
	op.flags = strcmp(verb, "lost-slow") == 0 ? LOCKSTEP_LKF_IVVALBLK : 0;
	op.members = &member;
	op.members_count = 1;
	apply(s, &op);
}

static void run(struct script *s, const char *command)
{
	char line[256];
	char *words[16];
	size_t count = 0;
	char *rest = NULL;

	(void)snprintf(line, sizeof(line), "%s", command);
	for (char *at = strtok_r(line, " ", &rest); at && count < 16; at = strtok_r(NULL, " ", &rest)) {
		words[count++] = at;
	}
	if (count < 2) {
		broken(s, "no command: %s", command);
	}
	if (strcmp(words[0], "node") == 0 && count == 3) {
		node_command(s, words[1], words[2]);
		return;
	}
	if (strcmp(words[1], "on") == 0 && count >= 3) {
		session_begin(s, words[0][0], (uint32_t)strtoul(words[2], NULL, 10), words + 3,
			      count - 3);
		return;
	}
	if (session_of(s, words[0][0])->node == 0) {
		session_begin(s, words[0][0], 1, NULL, 0);
	}
	if (!lock_command(s, words[0], words[1], words + 2, count - 2)) {
		session_command(s, words[0][0], words[1], words + 2, count - 2);
	}
}

void script_step(struct script *s, const char *command, const char *effects, const char *file,
		 int line)
{
	char text[TEXT_SIZE];

	s->file = file;
	s->line = line;
	engine_effects_clear(&s->effects);
	run(s, command);
	effects_text(s, &s->effects, text);
	if (strcmp(text, effects) != 0) {
		broken(s, "%s\n  did:    %s\n  wanted: %s", command, text, effects);
	}
}

/* --- state as text --- */

struct listing {
	const struct script *script;
	char text[TEXT_SIZE];
	enum engine_queue queue;
};

static bool list_lock(const struct engine_lock_info *info, void *arg)
{
	struct listing *listing = arg;
	char name[3];

	for (; listing->queue < info->queue; listing->queue++) {
		add(listing->text, "] %s[", listing->queue == ENGINE_QUEUE_GRANTED ? "C" : "W");
	}
	size_t used = strlen(listing->text);

	if (used > 0 && listing->text[used - 1] != '[') {
		add(listing->text, " ");
		used++;
	}
	add(listing->text, "%s:%s", lock_name(listing->script, info->lkid, name),
	    mode_text(info->granted));
	if (info->session == 0) {
		listing->text[used] = (char)tolower((unsigned char)listing->text[used]);
	}
	if (info->requested >= 0) {
		add(listing->text, ">%s", mode_text(info->requested));
	}
	return true;
}

void script_queues(struct script *s, const char *name, const char *queues_text, const char *file,
		   int line)
{
	struct listing listing = { .script = s, .text = "G[", .queue = ENGINE_QUEUE_GRANTED };
	struct engine_resource_info info;

	s->file = file;
	s->line = line;
	if (!engine_resource_find(s->engine, name, strlen(name), &info)) {
		(void)snprintf(listing.text, sizeof(listing.text), "-");
	} else {
		engine_locks_visit(s->engine, name, strlen(name), list_lock, &listing);
		for (; listing.queue < ENGINE_QUEUE_WAIT; listing.queue++) {
			add(listing.text, "] %s[",
			    listing.queue == ENGINE_QUEUE_GRANTED ? "C" : "W");
		}
		add(listing.text, "]");
	}
	if (strcmp(listing.text, queues_text) != 0) {
		broken(s, "queues of %s\n  are:    %s\n  wanted: %s", name, listing.text,
		       queues_text);
	}
}

void script_lvb(struct script *s, const char *name, const char *text, const char *file, int line)
{
	struct engine_resource_info info;
	char is[TEXT_SIZE] = "";

	s->file = file;
	s->line = line;
	if (!engine_resource_find(s->engine, name, strlen(name), &info)) {
		broken(s, "no resource: %s", name);
	}
	if (info.lvb_exists) {
		add_lvb(is, info.lvb);
	} else {
		add(is, "-");
	}
	add(is, "%s", info.lvb_invalid ? "!" : "");
	if (strcmp(is, text) != 0) {
		broken(s, "LVB of %s is %s, wanted %s", name, is, text);
	}
}

struct engine *script_engine(struct script *s)
{
	return s->engine;
}

const struct engine_effects *script_effects(const struct script *s)
{
	return &s->effects;
}
