/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of lockstep-replay. */
#ifndef LOCKSTEP_TOOLS_REPLAY_H
#define LOCKSTEP_TOOLS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lockstep/lockstep_types.h>

struct engine;
struct engine_effect;
struct engine_lock_info;
struct trace_record;

#define REPLAY_FILE_MAX (1 << 30)

struct replay_options {
	bool by_name;
	uint8_t name_len;
	uint8_t name[LOCKSTEP_NAME_MAX];
	bool by_lock;
	uint32_t nodeid;
	uint32_t lkid;
	bool json;
	bool compare;
};

/* Digests at marks of all files: replicas have the same at the same seq. */
struct replay_mark {
	const char *path;
	char space[LOCKSTEP_SPACE_MAX + 1];
	uint64_t seq;
	uint64_t digest;
};

struct replay_marks {
	struct replay_mark *list;
	size_t count;
	size_t capacity;
};

void replay_marks_done(struct replay_marks *m);

/* 0: all as it was; 1: a digest differs; 3: not a trace, or damaged. Prints. With 0 *ret_state is the state
 * at the end, if @ret_state is not NULL: engine_free() it. */
int replay_file(const char *path, const uint8_t *data, size_t size, const struct replay_options *o,
		struct replay_marks *marks, struct engine **ret_state);

/* lockstep_replay_compare.c: prints the first difference; true when there is none. */
bool replay_compare(const struct engine *a, const struct engine *b);

/* lockstep_replay_tell.c: one line each. */
void tell_op(const struct replay_options *o, const struct trace_record *r,
	     const struct engine_lock_info *lock);
void tell_effect(const struct replay_options *o, const struct trace_record *r, const struct engine_effect *e,
		 const struct engine_lock_info *lock);
void tell_waits(const struct replay_options *o, const struct trace_record *r, const struct engine *e,
		const struct engine_lock_info *waiter);
void tell_removed(const struct replay_options *o, const struct trace_record *r,
		  const struct engine_lock_info *lock);
void tell_view(const struct replay_options *o, const struct trace_record *r);
void tell_lock(const struct replay_options *o, const struct engine_lock_info *lock);

#endif
