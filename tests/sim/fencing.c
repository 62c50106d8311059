/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <string.h>

#include "tests/sim/fencing.h"
#include "tests/sim/world.h"

enum { LOOK_US = 200000, DC_LOOK_US = 300000 };

static struct fencing *fencing_at(struct world *w, uint64_t number)
{
	struct fencing *f = &w->fencer.history[number % FENCINGS_MAX];

	return number != 0 && f->number == number ? f : NULL;
}

/* The fencing of that host that goes on; NULL none. */
static struct fencing *going_on(struct world *w, unsigned int target)
{
	for (size_t i = 0; i < FENCINGS_MAX; i++) {
		struct fencing *f = &w->fencer.history[i];

		if (f->number != 0 && !f->over && f->target == target) {
			return f;
		}
	}
	return NULL;
}

static void tell(struct world *w, unsigned int host, struct request r)
{
	r.type = REQUEST_FENCE;
	simnode_request(&w->nodes[host], &r);
}

/* --- the helper ---------------------------------------------------------------------------- */

static uint64_t stamp_of(struct world *w, const struct fence_ear *e, unsigned int target)
{
	uint64_t stamp = e->mark_set;

	for (size_t i = 0; i < FENCINGS_MAX; i++) {
		const struct fencing *f = fencing_at(w, e->known[i]);

		if (f && !e->told[i] && f->target == target && e->stamps[i] < stamp) {
			stamp = e->stamps[i];
		}
	}
	return stamp;
}

static void hear(struct world *w, unsigned int host, const struct fencing *f)
{
	struct fence_ear *e = &w->fencer.ears[host];
	size_t i = f->number % FENCINGS_MAX;

	if (e->known[i] != f->number) {
		uint64_t stamp = stamp_of(w, e, f->target);

		e->known[i] = f->number;
		e->stamps[i] = stamp;
		e->told[i] = false;
	}
	if (!f->over || (e->told[i] && !prng_chance(&w->prng, 20))) {
		return;
	}
	e->told[i] = true;
	if (e->stamps[i] != 0) {
		tell(w, host, (struct request){ .fence = FENCE_RESULT,
						.result = { .nodeid = f->target + 1,
							    .action = f->action,
							    .success = f->success,
							    .by_itself = f->by_itself,
							    .mark = e->stamps[i] } });
	}
}

/* At the history, as the helper does. */
static void listen(struct world *w, unsigned int host)
{
	struct fence_ear *e = &w->fencer.ears[host];
	uint64_t mark = e->mark;
	bool busy[SIM_HOSTS_MAX] = { false };

	if (!e->up || !w->nodes[host].running || w->nodes[host].used_up) {
		return;
	}
	for (uint64_t n = w->fencer.last > FENCINGS_MAX ? w->fencer.last - FENCINGS_MAX + 1 : 1;
	     n <= w->fencer.last; n++) {
		const struct fencing *f = fencing_at(w, n);

		if (f) {
			hear(w, host, f);
			busy[f->target] |= !f->over;
		}
	}
	for (unsigned int i = 0; i < w->config.cpg.hosts && prng_chance(&w->prng, 500); i++) {
		tell(w, host, (struct request){ .fence = FENCE_BUSY, .nodeid = i + 1, .yes = busy[i] });
	}
	e->mark_set = mark;
}

static void listen_due(void *ctx, uint64_t host, uint64_t serial)
{
	struct world *w = ctx;
	struct fence_ear *e = &w->fencer.ears[host];

	if (e->serial != serial) {
		return;
	}
	if (prng_chance(&w->prng, e->up ? w->config.fence_deaf_per_mille : 200) || (!e->up && w->admin.healing)) {
		e->up = !e->up;
		tell(w, (unsigned int)host, (struct request){ .fence = FENCE_LINK, .yes = e->up });
	}
	listen(w, (unsigned int)host);
	timeline_in(&w->timeline, prng_range(&w->prng, 1, LOOK_US), listen_due, w, host, serial);
}

static void listen_once(void *ctx, uint64_t host, uint64_t serial)
{
	struct world *w = ctx;

	if (w->fencer.ears[host].serial == serial) {
		listen(w, (unsigned int)host);
	}
}

void fencing_node_new(struct world *w, unsigned int host)
{
	struct fence_ear *e = &w->fencer.ears[host];
	uint64_t serial = e->serial + 1;

	if (w->config.fencing != NODE_FENCING_PACEMAKER) {
		return;
	}
	memset(e, 0, sizeof(*e));
	e->serial = serial;
	if (w->config.fence_manual) {
		e->up = true;
		tell(w, host, (struct request){ .fence = FENCE_LINK, .yes = true });
		return;
	}
	timeline_in(&w->timeline, prng_range(&w->prng, 1, LOOK_US), listen_due, w, host, serial);
}

/* --- the fencer ---------------------------------------------------------------------------- */

static void report(struct world *w, const struct fencing *f)
{
	for (unsigned int host = 0; host < w->config.cpg.hosts; host++) {
		timeline_in(&w->timeline, prng_range(&w->prng, 1, 20000), listen_once, w, host,
			    w->fencer.ears[host].serial);
	}
	for (size_t i = 0; i < w->fencer.requests_count;) {
		struct fence_request *r = &w->fencer.requests[i];

		if (r->fencing != f->number) {
			i++;
			continue;
		}
		if (w->fencer.ears[r->host].serial == r->serial) {
			listen(w, r->host); /* the result goes first, if it is heard */
			tell(w, r->host, (struct request){ .fence = FENCE_ANSWER, .token = r->token,
							   .yes = f->success });
		}
		*r = w->fencer.requests[--w->fencer.requests_count];
	}
}

static void fencing_over(void *ctx, uint64_t number, uint64_t success)
{
	struct world *w = ctx;
	struct fencing *f = fencing_at(w, number);

	if (!f) {
		return;
	}
	f->over = true;
	f->success = success;
	if (f->cut && admin_host_on(w, f->target)) {
		world_mark(w, MARK_FENCED_LATE);
	}
	story_tell(w, "fencer: %llu, of machine %u, is over: %s", (unsigned long long)number, f->target + 1,
		   success ? "done" : "failed");
	report(w, f);
}

static void power_cut(void *ctx, uint64_t number, uint64_t late_us)
{
	struct world *w = ctx;
	struct fencing *f = fencing_at(w, number);
	uint64_t now = world_now(w);

	if (!f) {
		return;
	}
	story_tell(w, "fencer: %llu switches machine %u off", (unsigned long long)number, f->target + 1);
	world_mark(w, MARK_FENCED);
	f->cut = true;
	if (admin_host_on(w, f->target)) {
		struct admin_host *h = &w->admin.hosts[f->target];

		admin_crash(w, f->target);
		h->boot_us = now + prng_range(&w->prng, 1, 1500000);
	}
	timeline_in(&w->timeline, late_us, fencing_over, w, number, true);
}

static uint64_t begin(struct world *w, unsigned int target, enum node_fence_action action, bool by_itself)
{
	uint64_t number = ++w->fencer.last;
	uint64_t late = prng_range(&w->prng, 1, w->config.fence_late_us_max);
	bool fails = !w->admin.healing && prng_chance(&w->prng, w->config.fence_fail_per_mille);

	w->fencer.history[number % FENCINGS_MAX] = (struct fencing){
		.number = number, .target = target, .action = action, .by_itself = by_itself
	};
	story_tell(w, "fencer: %llu begins: machine %u, action %d%s", (unsigned long long)number, target + 1,
		   (int)action, by_itself ? ", says the machine itself" : "");
	if (action == NODE_FENCE_OTHER || by_itself) {
		world_mark(w, MARK_FENCE_USELESS);
		timeline_in(&w->timeline, late, fencing_over, w, number, true);
	} else if (fails) {
		world_mark(w, MARK_FENCE_FAILED);
		timeline_in(&w->timeline, late, fencing_over, w, number, false);
	} else {
		timeline_in(&w->timeline, prng_range(&w->prng, 1, 1000000), power_cut, w, number, late);
	}
	return number;
}

static bool unwell(struct world *w, unsigned int host)
{
	struct node_space_info info;

	if (!admin_host_on(w, host) || !w->nodes[host].running || w->nodes[host].paused) {
		return true;
	}
	for (unsigned int other = 0; other < w->config.cpg.hosts; other++) {
		if (other != host && w->nodes[other].running && !w->nodes[other].used_up &&
		    simnode_space(&w->nodes[other], 0, &info) && info.lost_count > 0) {
			return prng_chance(&w->prng, 300);
		}
	}
	return false;
}

/* Whoever decides in Pacemaker: fences what seems unwell, and now and then what is not. */
static void decide(void *ctx, uint64_t a, uint64_t b)
{
	struct world *w = ctx;

	(void)a;
	(void)b;
	for (unsigned int host = 0; host < w->config.cpg.hosts && !w->admin.healing; host++) {
		bool bad = unwell(w, host);

		if (going_on(w, host)) {
			continue;
		}
		if (prng_chance(&w->prng, bad ? 250 : 4)) {
			(void)begin(w, host, prng_chance(&w->prng, 500) ? NODE_FENCE_OFF : NODE_FENCE_REBOOT, false);
		} else if (prng_chance(&w->prng, bad ? 60 : 6)) {
			(void)begin(w, host, prng_chance(&w->prng, 500) ? NODE_FENCE_OTHER : NODE_FENCE_REBOOT, true);
		} else if (prng_chance(&w->prng, bad ? 60 : 6)) {
			(void)begin(w, host, NODE_FENCE_OTHER, false);
		}
	}
	timeline_in(&w->timeline, DC_LOOK_US, decide, w, 0, 0);
}

static void request(struct world *w, unsigned int host, const struct node_action *act)
{
	struct fence_ear *e = &w->fencer.ears[host];
	unsigned int target = act->value - 1;
	struct fencing *f = going_on(w, target);

	world_mark(w, MARK_FENCE_ASKED);
	if (!e->up || w->fencer.requests_count == FENCE_REQUESTS_MAX) {
		tell(w, host, (struct request){ .fence = FENCE_ANSWER, .token = act->token });
		return;
	}
	if (w->config.fence_manual) {
		w->fencer.requests[w->fencer.requests_count++] = (struct fence_request){
			.host = host, .serial = e->serial, .token = act->token, .fencing = target
		};
		return;
	}
	if (f) {
		world_mark(w, MARK_FENCE_MERGED);
	}
	w->fencer.requests[w->fencer.requests_count++] = (struct fence_request){
		.host = host,
		.serial = e->serial,
		.token = act->token,
		.fencing = f ? f->number : begin(w, target, NODE_FENCE_REBOOT, false),
	};
}

void fencing_action(struct world *w, unsigned int host, const struct node_action *act)
{
	struct fence_ear *e = &w->fencer.ears[host];

	if (w->config.fencing != NODE_FENCING_PACEMAKER) {
		return;
	}
	if (act->type == NODE_ACTION_FENCE) {
		request(w, host, act);
	} else {
		e->mark = act->token;
		if (w->config.fence_manual) {
			return;
		}
		timeline_in(&w->timeline, prng_range(&w->prng, 1, 20000), listen_once, w, host, e->serial);
	}
}

void fencer_init(struct world *w)
{
	if (w->config.fencing == NODE_FENCING_PACEMAKER) {
		timeline_in(&w->timeline, DC_LOOK_US, decide, w, 0, 0);
	}
}
