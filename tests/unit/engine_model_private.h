/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's own types and the calls between its files.
 */
#ifndef LOCKSTEP_TESTS_ENGINE_MODEL_PRIVATE_H
#define LOCKSTEP_TESTS_ENGINE_MODEL_PRIVATE_H

#include <errno.h>
#include <string.h>

#include "tests/unit/engine_model.h"

#define LOCKS_MAX 128
#define SESSIONS_MAX 256
#define MEMBERS_MAX 256
#define EFFECTS_MAX 4096
#define IV (-1)

enum { NL, CR, CW, PR, PW, EX };
enum { G, C, W, QUEUES };

#define FLAG(name) LOCKSTEP_LKF_##name
#define MARK(m, name) ((m)->marks->turns[MARK_##name]++)

struct mmember {
	uint32_t node;
	uint64_t incarnation;
	bool lost;
};

struct mlock {
	bool used;
	struct mmember *member;
	uint32_t session; /* of an orphan: the one it had */
	uint8_t personality;
	uint32_t lkid;
	int resource;
	int queue;
	int gr;
	int rq;
	uint32_t flags;
	int highbast;
	uint8_t sb_flags;
	bool bast;
	bool orphan;
	uint32_t pid;
	uint64_t xid;
	uint64_t time_ms;
	uint64_t token;
	uint64_t stamp; /* when it got its present mode, in order of granting */
	uint64_t created;
	uint64_t request; /* of the op that waits */
	uint64_t queued_seq;
	int call_lvb; /* IV: none */
};

struct msession {
	bool used;
	struct mmember *member;
	uint32_t number;
	uint32_t pid;
	uint8_t personality;
	uint64_t request;
};

struct mresource {
	struct mlock *queue[QUEUES][LOCKS_MAX];
	int count[QUEUES];
	int lvb; /* IV: none */
	uint32_t lvb_seq;
	bool invalid;
};

struct model {
	struct engine_config config;
	struct model_marks *marks;
	struct model_marks own_marks;
	uint64_t seq;
	uint64_t stamp;
	struct mmember members[MEMBERS_MAX];
	size_t members_count;
	struct mlock locks[LOCKS_MAX];
	struct msession sessions[SESSIONS_MAX];
	struct mresource resources[MODEL_RESOURCES];
	struct engine_effect effects[EFFECTS_MAX];
	uint8_t effect_lvbs[EFFECTS_MAX][MODEL_LVB_LEN];
	size_t effects_count;
	const struct engine_op *op;
};

struct counts {
	int high;
	bool cw;
};

enum { GRANTED, NOT_GRANTED, DEADLOCK, DEMOTED };

/* --- engine_model.c --- */

bool model_compatible(int a, int b);
char model_lvb_action(int gr, int rq);
struct mresource *model_resource_of(struct model *m, const struct mlock *l);
struct mlock *model_lock_find(struct model *m, const struct mmember *member, uint32_t lkid);
int model_op_lvb(const struct engine_op *op);
void model_put(struct model *m, struct mlock *l, int q);
void model_gone(struct model *m, struct mlock *l);
void model_refuse(struct model *m, const struct mlock *l, uint64_t request, int status);
void model_add_effect(struct model *m, const struct mlock *l, const struct engine_effect *effect, int lvb);
bool model_lvb_write(struct model *m, struct mlock *l, uint32_t flags, int bytes);
void model_mark_lvb(struct model *m, int gr, int rq, uint32_t flags);
bool model_grantable(struct model *m, const struct mlock *l, bool now);
void model_grant(struct model *m, struct mlock *l, int call_lvb, uint64_t request);
int model_try(struct model *m, struct mlock *l, bool now);
void model_count(struct counts *n, const struct mlock *l);
void model_convert_pass(struct model *m, struct mresource *r, struct counts *n);
void model_settle(struct model *m, struct mresource *r);
void model_bast_rule_settle(struct model *m, struct mlock *x, const struct counts *n);
void model_bast_rule_immediate(struct model *m, struct mresource *r, int q, const struct mlock *b);

/* --- engine_model_requests.c --- */

void model_take_args(struct mlock *l, const struct engine_op *op);
void model_op_lock(struct model *m, struct msession *s);
void model_op_convert(struct model *m, struct mlock *l);
void model_op_unlock(struct model *m, struct mlock *l);
void model_op_timeout(struct model *m, struct mlock *l);
void model_mark_cancel(struct model *m, const struct mlock *l);
void model_stop_waiting(struct model *m, struct mlock *l);
void model_op_cancel(struct model *m, struct mlock *l, int status);

/* --- engine_model_owners.c --- */

struct mmember *model_member_find(struct model *m, uint32_t node, uint64_t incarnation);
void model_op_session_end(struct model *m, struct msession *s);
void model_op_adopt(struct model *m, struct msession *s);
void model_op_purge(struct model *m, struct msession *s);
void model_op_members(struct model *m, bool remove);

/* --- engine_model_search.c --- */

void model_op_deadlock_search(struct model *m, struct mlock *start);

#endif
