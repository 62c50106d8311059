/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of ops in the language of engine_script.h, with what the model says must come
 * of each. Nodes of a script have one incarnation, so another incarnation of node 2 is
 * node 12, 22, ...
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/engine_stream.h"

#define LETTERS		 26
#define LOCKS_PER_LETTER 10

struct told_session {
	uint32_t node;
	uint64_t incarnation;
	uint32_t number;
	uint64_t request;
	uint32_t lkids[LOCKS_PER_LETTER];
	size_t lkids_count;
};

struct teller {
	struct model *model;
	struct told_session sessions[LETTERS];
	size_t sessions_count;
	struct stream_line *line;
};

static const char *const modes[] = { "NL", "CR", "CW", "PR", "PW", "EX" };

static const struct {
	const char *name;
	uint32_t value;
} flags[] = {
	{ "NOQUEUE", LOCKSTEP_LKF_NOQUEUE },
	{ "VALBLK", LOCKSTEP_LKF_VALBLK },
	{ "QUECVT", LOCKSTEP_LKF_QUECVT },
	{ "IVVALBLK", LOCKSTEP_LKF_IVVALBLK },
	{ "CONVDEADLK", LOCKSTEP_LKF_CONVDEADLK },
	{ "PERSISTENT", LOCKSTEP_LKF_PERSISTENT },
	{ "NODLCKWT", LOCKSTEP_LKF_NODLCKWT },
	{ "NODLCKBLK", LOCKSTEP_LKF_NODLCKBLK },
	{ "EXPEDITE", LOCKSTEP_LKF_EXPEDITE },
	{ "NOQUEUEBAST", LOCKSTEP_LKF_NOQUEUEBAST },
	{ "HEADQUE", LOCKSTEP_LKF_HEADQUE },
	{ "NOORDER", LOCKSTEP_LKF_NOORDER },
	{ "ORPHAN", LOCKSTEP_LKF_ORPHAN },
	{ "ALTPR", LOCKSTEP_LKF_ALTPR },
	{ "ALTCW", LOCKSTEP_LKF_ALTCW },
	{ "FORCEUNLOCK", LOCKSTEP_LKF_FORCEUNLOCK },
	{ "TIMEOUT", LOCKSTEP_LKF_TIMEOUT },
};

static const struct {
	const char *name;
	int value;
} statuses[] = {
	{ "0", 0 },
	{ "EAGAIN", EAGAIN },
	{ "EDEADLK", EDEADLK },
	{ "ETIMEDOUT", ETIMEDOUT },
	{ "ENOENT", ENOENT },
	{ "ECANCEL", LOCKSTEP_ECANCEL },
	{ "EUNLOCK", LOCKSTEP_EUNLOCK },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size,
						      const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

#define say(t, ...) add((t)->line->command, sizeof((t)->line->command), __VA_ARGS__)
#define effect_say(t, ...)                                                               \
	add((t)->line->effects, sizeof((t)->line->effects), __VA_ARGS__)

/* --- names --- */

static struct told_session *session_of(struct teller *t, uint32_t node,
				       uint64_t incarnation, uint32_t number)
{
	for (size_t i = 0; i < t->sessions_count; i++) {
		struct told_session *s = &t->sessions[i];

		if (s->node == node && s->incarnation == incarnation &&
		    s->number == number) {
			return s;
		}
	}
	return NULL;
}

/* The session after whom a lock is called, and its number there. */
static struct told_session *name_of(struct teller *t, uint32_t node, uint64_t incarnation,
				    uint32_t lkid, size_t *ret_index)
{
	for (size_t i = 0; i < t->sessions_count; i++) {
		struct told_session *s = &t->sessions[i];

		for (size_t k = 0; k < s->lkids_count; k++) {
			if (s->node == node && s->incarnation == incarnation &&
			    lkid != 0 && s->lkids[k] == lkid) {
				*ret_index = k;
				return s;
			}
		}
	}
	return NULL;
}

static char letter(const struct teller *t, const struct told_session *s)
{
	return (char)('A' + (s - t->sessions));
}

static const char *lock_text(const struct teller *t, const struct told_session *s,
			     size_t index, char text[4])
{
	(void)snprintf(text, 4, index > 0 ? "%c%u" : "%c", letter(t, s),
		       (unsigned int)(index % 10));
	return text;
}

static unsigned int node_number(uint32_t node, uint64_t incarnation)
{
	return (unsigned int)(node + 10 * (incarnation - 1));
}

/* --- ops --- */

static bool say_args(struct teller *t, const struct stream_op *s)
{
	const struct engine_op *op = &s->op;
	uint32_t left = op->flags;

	for (size_t i = 0; i < COUNT(flags); i++) {
		if (left & flags[i].value) {
			say(t, " %s", flags[i].name);
			left &= ~flags[i].value;
		}
	}
	if (op->type == ENGINE_OP_LOCK || op->type == ENGINE_OP_ADOPT) {
		say(t, " res=%c", op->name[0]);
	}
	if (op->lvb_len > 0) {
		say(t, " lvb=%c%c%c%c%c%c%c%c", s->lvb, s->lvb, s->lvb, s->lvb, s->lvb,
		    s->lvb, s->lvb, s->lvb);
	}
	if (op->flags & LOCKSTEP_LKF_TIMEOUT) {
		say(t, " timeout=%u", op->timeout_cs);
	}
	if (op->type == ENGINE_OP_LOCK || op->type == ENGINE_OP_CONVERT ||
	    op->type == ENGINE_OP_ADOPT) {
		if (op->xid != 0) {
			say(t, " xid=%llu", (unsigned long long)op->xid);
		}
		if (!(op->attr & ENGINE_ATTR_HAS_BAST)) {
			say(t, " nobast");
		}
	}
	return left == 0;
}

/* A lock or an orphan gets a name of this session. */
static bool say_new(struct teller *t, struct told_session *s, const struct stream_op *of)
{
	char name[4];

	if (s->lkids_count == LOCKS_PER_LETTER || of->op.mode > 5) {
		return false;
	}
	s->lkids[s->lkids_count] = of->op.type == ENGINE_OP_LOCK ? of->op.lkid : 0;
	say(t, "%s %s %s", lock_text(t, s, s->lkids_count++, name),
	    of->op.type == ENGINE_OP_LOCK ? "lock" : "adopt", modes[of->op.mode]);
	return say_args(t, of);
}

static bool say_of_lock(struct teller *t, const struct stream_op *of)
{
	static const char *const verbs[] = {
		[ENGINE_OP_CONVERT] = "conv",	 [ENGINE_OP_UNLOCK] = "unlock",
		[ENGINE_OP_CANCEL] = "cancel",	 [ENGINE_OP_DEADLOCK_CANCEL] = "deadlock",
		[ENGINE_OP_TIMEOUT] = "timeout", [ENGINE_OP_DEADLOCK_SEARCH] = "search",
	};
	const struct engine_op *op = &of->op;
	bool of_node =
		op->type == ENGINE_OP_TIMEOUT || op->type == ENGINE_OP_DEADLOCK_SEARCH;
	size_t index;
	const struct told_session *s =
		name_of(t, op->nodeid, op->incarnation, op->lkid, &index);
	char name[4];

	if (!s || (!of_node && s->number != op->session) ||
	    (op->type == ENGINE_OP_CONVERT && op->mode > 5)) {
		return false;
	}
	say(t, "%s %s", lock_text(t, s, index, name), verbs[op->type]);
	if (op->type == ENGINE_OP_CONVERT) {
		say(t, " %s", modes[op->mode]);
	}
	if (of_node) {
		say(t, "%s", of->queued_right ? "" : " seq=1");
		return true;
	}
	return say_args(t, of);
}

static bool say_begin(struct teller *t, const struct engine_op *op)
{
	if (t->sessions_count == LETTERS || op->session == 0) {
		return false;
	}
	struct told_session *s = &t->sessions[t->sessions_count++];

	*s = (struct told_session){
		.node = op->nodeid,
		.incarnation = op->incarnation,
		.number = op->session,
		.request = op->request,
	};
	say(t, "%c on %u pid=%u%s", letter(t, s),
	    node_number(op->nodeid, op->incarnation), op->pid,
	    op->personality ? " libdlm" : "");
	return true;
}

static bool say_members(struct teller *t, const struct engine_op *op,
			const struct engine_member_id *member)
{
	bool lost = op->type == ENGINE_OP_VIEW_POINT;

	say(t, "node %u %s", node_number(member->nodeid, member->incarnation),
	    !lost				? "remove"
	    : op->flags & LOCKSTEP_LKF_IVVALBLK ? "lost-slow"
						: "lost");
	return op->members_count == 1;
}

/* Returns false when the language has no words for it. */
static bool say_op(struct teller *t, const struct stream_op *of)
{
	const struct engine_op *op = &of->op;
	struct told_session *s = session_of(t, op->nodeid, op->incarnation, op->session);

	if (op->type == ENGINE_OP_VIEW_POINT || op->type == ENGINE_OP_NODES_REMOVE) {
		return say_members(t, op, &of->members[0]) && of->raise == 0;
	}
	if (op->type == ENGINE_OP_TIMEOUT || op->type == ENGINE_OP_DEADLOCK_SEARCH) {
		return say_of_lock(t, of);
	}
	if (op->type == ENGINE_OP_SESSION_BEGIN) {
		return !s && say_begin(t, op);
	}
	if (!s || op->request <= s->request) {
		return false;
	}
	s->request = op->request;
	switch (op->type) {
	case ENGINE_OP_SESSION_END:
		say(t, "%c end", letter(t, s));
		return true;
	case ENGINE_OP_PURGE:
		say(t, "%c purge %u %u", letter(t, s),
		    op->purge_nodeid ? node_number(op->purge_nodeid, 1) : 0,
		    op->purge_pid);
		return true;
	case ENGINE_OP_LOCK:
	case ENGINE_OP_ADOPT:
		return say_new(t, s, of);
	default:
		return say_of_lock(t, of);
	}
}

/* --- effects --- */

static void say_cast(struct teller *t, const struct engine_effect *x)
{
	const char *status = "?";

	for (size_t i = 0; i < COUNT(statuses); i++) {
		status = statuses[i].value == x->status ? statuses[i].name : status;
	}
	effect_say(t, "%s", status);
	if (x->mode >= 0) {
		effect_say(t, " %s", modes[x->mode]);
	}
	effect_say(t, "%s%s%s", x->sb_flags & LOCKSTEP_SBF_DEMOTED ? " DEMOTED" : "",
		   x->sb_flags & LOCKSTEP_SBF_VALNOTVALID ? " VALNOTVALID" : "",
		   x->sb_flags & LOCKSTEP_SBF_ALTMODE ? " ALTMODE" : "");
	if (x->lvb_len > 0 && x->lvb[0] == 0) {
		effect_say(t, " lvb=zero");
	} else if (x->lvb_len > 0) {
		effect_say(t, " lvb=%.8s", (const char *)x->lvb);
	}
}

static void say_effect(struct teller *t, const struct engine_effect *x)
{
	size_t index = 0;
	const struct told_session *s =
		x->lkid ? name_of(t, x->nodeid, x->incarnation, x->lkid, &index)
			: session_of(t, x->nodeid, x->incarnation, x->session);
	char name[4];

	effect_say(t, "%s%s ", t->line->effects[0] ? ", " : "",
		   s ? lock_text(t, s, index, name) : "?");
	if (x->type == ENGINE_EFFECT_BAST) {
		effect_say(t, "bast(%s)", modes[x->mode]);
		return;
	}
	effect_say(t, "%s(", x->type == ENGINE_EFFECT_CAST ? "cast" : "reply");
	say_cast(t, x);
	effect_say(t, ")");
}

/* An adopted lock has the name that the adopter gave it, and its old one no more. */
static void rename_adopted(struct teller *t, const struct engine_effect *x)
{
	size_t index;
	struct told_session *to = session_of(t, x->nodeid, x->incarnation, x->session);
	struct told_session *from =
		name_of(t, x->nodeid, x->incarnation, x->lkid, &index);

	if (from) {
		from->lkids[index] = 0;
	}
	if (to && to->lkids_count > 0) {
		to->lkids[to->lkids_count - 1] = x->lkid;
	}
}

void stream_tell(const struct stream *s, struct stream_line *lines)
{
	struct teller *t = calloc(1, sizeof(*t));

	if (!t) {
		abort();
	}
	t->model = model_new(&s->config, NULL);
	for (size_t i = 0; i < s->count; i++) {
		uint8_t lvb[MODEL_LVB_LEN];
		struct engine_op op = stream_op_get(
			&s->ops[i], model_queued_seq(t->model, &s->ops[i].op), lvb);
		size_t count;

		t->line = &lines[i];
		memset(t->line, 0, sizeof(*t->line));
		if (!say_op(t, &s->ops[i])) {
			t->line->command[0] = '\0';
		}
		model_apply(t->model, &op);
		const struct engine_effect *effects = model_effects(t->model, &count);

		for (size_t k = 0; k < count; k++) {
			if (effects[k].type == ENGINE_EFFECT_REPLY &&
			    effects[k].status == 0) {
				rename_adopted(t, &effects[k]);
			}
			say_effect(t, &effects[k]);
		}
	}
	model_free(t->model);
	free(t);
}

static void print_wordless(const struct stream_op *of)
{
	const struct engine_op *op = &of->op;

	(void)fprintf(
		stderr,
		"\t/* %s of node %u.%llu session %u lkid %#x mode %u flags %#x */\n",
		engine_op_type_name(op->type), op->nodeid,
		(unsigned long long)op->incarnation, op->session, op->lkid, op->mode,
		op->flags);
}

void stream_print(const struct stream *s, const struct stream_line *lines)
{
	(void)fprintf(stderr, "\tstruct script *s = script_new%s();\n\n",
		      s->config.deadlock_wait_ms == 0 ? "_no_deadlock_wait"
		      : s->config.xid_scope == 1      ? "_xid_scope_cluster"
						      : "");
	for (size_t i = 0; i < s->count; i++) {
		if (lines[i].command[0]) {
			(void)fprintf(stderr, "\tstep(s, \"%s\", \"%s\");\n",
				      lines[i].command, lines[i].effects);
		} else {
			print_wordless(&s->ops[i]);
		}
	}
}
