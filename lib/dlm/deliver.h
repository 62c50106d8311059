/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What handle.c and deliver.c tell each other; all with the handle's mutex held. */
#ifndef LOCKSTEP_DLM_DELIVER_H
#define LOCKSTEP_DLM_DELIVER_H

struct dlm_handle;

/* Lets go of the mutex until something may have changed, and has read what came. */
void handle_read(struct dlm_handle *h);
/* Others may find now what they wait for. */
void handle_notify(struct dlm_handle *h);
/* Makes the program's descriptor tell whether callbacks were put aside. */
void handle_ready_update(struct dlm_handle *h);

#endif
