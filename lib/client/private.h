/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two halves of the library share, and what lib/dlm has beside the public calls: it delivers
 * callbacks in its own way. */
#ifndef LOCKSTEP_CLIENT_PRIVATE_H
#define LOCKSTEP_CLIENT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

struct client_timing;
struct ipc_open;
struct ipc_result;
struct ipc_submit;
struct lockstep_admin;
struct lockstep_options;
struct lockstep_session;
struct recovery;
struct session;
struct transport;

#define OPEN_TIMEOUT_MS 30000 /* said in lockstep.h */

/* Milliseconds, negative for ever. */
int options_timeout_ms(const struct lockstep_options *options);
/* Everything but names, which only the daemon can judge. NULL is fine. */
bool options_valid(const struct lockstep_options *options);
/* What they say of a lockspace. */
void options_open(const struct lockstep_options *options, struct ipc_open *open);

/* lockstep_open() of a session with enum engine_personality @personality (R-PROC-6). */
int client_open(const char *space, unsigned int flags, const struct lockstep_options *options,
		uint8_t personality, struct lockstep_session **ret);
/* Tells the daemon that the session ends: whatever is asked for later, by whomever on this node, is
 * ordered behind its end. Nothing when the session is lost. */
void client_goodbye(struct lockstep_session *s);
/* Ends the connection with the daemon; what is left is lost, and to be closed. */
void client_disconnect(struct lockstep_session *s);
/* lockstep_admin_space_create_with(), which a libdlm program means differently (R-DLK-1). */
int client_space_create(struct lockstep_admin *a, const char *space,
			const struct lockstep_options *options, uint8_t personality);
/* Where timing_file.c keeps its things. */
struct client_timing **client_timing(struct lockstep_session *s);
void client_timing_done(struct lockstep_session *s);
/* What lockstep_open() was given. */
const char *client_space(const struct lockstep_session *s);
struct session *client_session(const struct lockstep_session *s);
struct transport *client_transport(const struct lockstep_session *s);
/* Where its recovery callbacks are kept (recovery.c): NULL at first, free()d with the session. */
struct recovery **client_recovery(struct lockstep_session *s);
/* Takes in everything that is here before anything is delivered, so that a loss overtakes what was
 * sent ahead of it (R-LOST-1). */
void client_events_take(struct lockstep_session *s);
/*
 * One SUBMIT. *ret_fatal: nobody knows whether it was accepted, so the session cannot be trusted any
 * more. The caller puts its things in order and then declares the loss; the connection stays open
 * until lockstep_close(), lest the locks go while the program still believes in them.
 */
int client_submit(struct lockstep_session *s, const struct ipc_submit *submit,
		  struct ipc_result *ret_result, bool *ret_fatal);

#endif
