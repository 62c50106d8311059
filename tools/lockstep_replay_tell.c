/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lockstep-replay says about a resource or a lock: one line, or one JSON object, per happening. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugin/engine/engine.h"
#include "plugin/node/trace.h"
#include "tools/lockstep_replay.h"

static const char *mode_name(int mode)
{
	static const char *const names[] = { "NL", "CR", "CW", "PR", "PW", "EX" };

	return mode >= 0 && mode < 6 ? names[mode] : "-";
}

static const char *status_name(int32_t status)
{
	switch (status) {
	case 0:
		return "granted";
	case EAGAIN:
		return "refused (EAGAIN)";
	case EDEADLK:
		return "refused (EDEADLK)";
	case ETIMEDOUT:
		return "timed out";
	case LOCKSTEP_ECANCEL:
		return "cancelled";
	case LOCKSTEP_EUNLOCK:
		return "unlocked";
	default:
		return "error";
	}
}

/* Printable bytes as they are, others as \xHH; for JSON that backslash is escaped once more. */
static void put_bytes(const void *bytes, size_t size, bool json)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < size; i++) {
		if (b[i] == '\\' || (json && b[i] == '"')) {
			(void)fputs(json ? (b[i] == '"' ? "\\\"" : "\\\\\\\\") : "\\\\", stdout);
		} else if (b[i] > 0x20 && b[i] < 0x7f) {
			(void)putchar(b[i]);
		} else {
			printf(json ? "\\\\x%02x" : "\\x%02x", b[i]);
		}
	}
}

static void put_time(uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[32] = "";

	if (gmtime_r(&seconds, &tm)) {
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	}
	printf("%s.%03uZ", text, (unsigned int)(ms % 1000));
}

static void head(const struct replay_options *o, const struct trace_record *r, const char *what)
{
	if (o->json) {
		printf("{\"event\":\"%s\",\"seq\":%" PRIu64 ",\"time\":\"", what, r->seq);
		put_time(r->time_ms);
		printf("\"");
		return;
	}
	put_time(r->time_ms);
	printf(" seq %" PRIu64 " %s", r->seq, what);
}

static void tail(const struct replay_options *o)
{
	(void)puts(o->json ? "}" : "");
}

static void put_lock(const struct replay_options *o, const struct engine_lock_info *l)
{
	size_t comm = strnlen(l->comm, sizeof(l->comm));

	if (o->json) {
		printf(",\"node\":%u,\"lkid\":\"0x%08x\",\"session\":%u,\"pid\":%u,\"comm\":\"", l->nodeid, l->lkid,
		       l->session, l->pid);
		put_bytes(l->comm, comm, true);
		printf("\",\"resource\":\"");
		put_bytes(l->name, l->name_len, true);
		printf("\"");
		return;
	}
	printf(": lock %u:0x%08x", l->nodeid, l->lkid);
	if (comm > 0) {
		printf(" (session %u, ", l->session);
		put_bytes(l->comm, comm, false);
		printf(" pid %u)", l->pid);
	}
	printf(" on \"");
	put_bytes(l->name, l->name_len, false);
	printf("\"");
}

void tell_op(const struct replay_options *o, const struct trace_record *r, const struct engine_lock_info *lock)
{
	bool mode = r->op.type == ENGINE_OP_LOCK || r->op.type == ENGINE_OP_CONVERT;

	head(o, r, engine_op_type_name(r->op.type));
	put_lock(o, lock);
	if (o->json) {
		printf(",\"mode\":\"%s\",\"flags\":%" PRIu32, mode ? mode_name(r->op.mode) : "-", r->op.flags);
	} else if (mode) {
		printf(" in mode %s, flags 0x%" PRIx32, mode_name(r->op.mode), r->op.flags);
	}
	tail(o);
}

void tell_effect(const struct replay_options *o, const struct trace_record *r, const struct engine_effect *e,
		 const struct engine_lock_info *lock)
{
	bool bast = e->type == ENGINE_EFFECT_BAST;

	head(o, r, bast ? "blocking" : status_name(e->status));
	put_lock(o, lock);
	if (o->json) {
		printf(",\"mode\":\"%s\",\"status\":%d,\"token\":%" PRIu64, mode_name(e->mode), e->status, e->token);
	} else {
		printf(" %s %s", bast ? "is in the way of mode" : "mode", mode_name(e->mode));
		if (!bast && e->status == 0) {
			printf(", token %" PRIu64, e->token);
		}
	}
	tail(o);
}

struct waits {
	const struct replay_options *o;
	const struct trace_record *r;
	const struct engine_lock_info *waiter;
};

static bool wait_tell(const struct engine_lock_info *blocker, bool by_order, void *arg)
{
	const struct waits *w = arg;

	head(w->o, w->r, "waits");
	put_lock(w->o, w->waiter);
	if (w->o->json) {
		printf(",\"for_node\":%u,\"for_lkid\":\"0x%08x\",\"for_mode\":\"%s\",\"by_order\":%s", blocker->nodeid,
		       blocker->lkid, mode_name(by_order ? blocker->requested : blocker->granted),
		       by_order ? "true" : "false");
	} else {
		printf(" for %u:0x%08x (", blocker->nodeid, blocker->lkid);
		put_bytes(blocker->comm, strnlen(blocker->comm, sizeof(blocker->comm)), false);
		printf(" pid %u), which %s %s", blocker->pid, by_order ? "asked before for" : "holds",
		       mode_name(by_order ? blocker->requested : blocker->granted));
	}
	tail(w->o);
	return true;
}

void tell_waits(const struct replay_options *o, const struct trace_record *r, const struct engine *e,
		const struct engine_lock_info *waiter)
{
	struct waits w = { o, r, waiter };

	engine_blockers_visit(e, waiter, wait_tell, &w);
}

void tell_removed(const struct replay_options *o, const struct trace_record *r,
		  const struct engine_lock_info *lock)
{
	head(o, r, r->type == TRACE_SYSTEM ? "removed-with-its-node" : "removed-with-its-session");
	put_lock(o, lock);
	tail(o);
}

void tell_view(const struct replay_options *o, const struct trace_record *r)
{
	static const char *const names[] = {
		[TRACE_VIEW_CHANGE] = "view-change",
		[TRACE_VIEW_POINT] = "view-point",
		[TRACE_RECOVERY_POINT] = "recovery-point",
		[TRACE_DIFFERS] = "replicas-differ",
	};

	head(o, r, names[r->what]);
	printf(o->json ? ",\"generation\":%u,\"members\":[" : ": generation %u, members with state:",
	       r->generation);
	for (size_t i = 0; i < r->members_count; i++) {
		printf("%s%u", !o->json ? " " : i > 0 ? "," : "", r->members[i].nodeid);
	}
	printf("%s", o->json ? "]" : "");
	tail(o);
}

void tell_lock(const struct replay_options *o, const struct engine_lock_info *lock)
{
	static const char *const queues[] = { "ended", "granted", "converting", "waiting" };

	printf(o->json ? "{\"event\":\"final\",\"state\":\"%s\"" : "at the end %s", queues[lock->queue]);
	put_lock(o, lock);
	if (o->json) {
		printf(",\"mode\":\"%s\",\"wants\":\"%s\",\"token\":%" PRIu64, mode_name(lock->granted),
		       mode_name(lock->requested), lock->token);
	} else {
		printf(" has %s, wants %s, token %" PRIu64, mode_name(lock->granted), mode_name(lock->requested),
		       lock->token);
	}
	tail(o);
}
