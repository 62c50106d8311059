/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libqb's IPC costs by itself, between two processes of one node:
 *
 *   qb.roundtrip  request and response of 64 bytes
 *   qb.event      request, response, and an event that the client waits for: the way of one call of
 *                 liblockstep, with the cluster taken out of it
 *
 *   qb-echo serve NAME                    until killed
 *   qb-echo roundtrip|event NAME MS
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "bench/samples.h"

#define MESSAGE_SIZE 64
#define BUFFER_SIZE 65536 /* as lockstepd's */
#define REPLY_TIMEOUT_MS 10000

enum message_id {
	MESSAGE_ROUNDTRIP = 1,
	MESSAGE_EVENT = 2,
};

/* One machine, one build: the struct is the format. */
struct request {
	struct qb_ipc_request_header header;
	uint8_t padding[MESSAGE_SIZE - sizeof(struct qb_ipc_request_header)];
};

struct response {
	struct qb_ipc_response_header header;
	uint8_t padding[MESSAGE_SIZE - sizeof(struct qb_ipc_response_header)];
};

static void die(const char *what, ssize_t error)
{
	fprintf(stderr, "qb-echo: %s: %s\n", what, strerror((int)-error));
	exit(1);
}

/* --- server: one loop, as a daemon has it --------------------------------------------------- */

static qb_loop_t *loop; /* libqb's poll handlers get no context */

static int32_t job_add(enum qb_loop_priority p, void *data, qb_loop_job_dispatch_fn fn)
{
	return qb_loop_job_add(loop, p, data, fn);
}

static int32_t poll_add(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_add(loop, p, fd, events, data, fn);
}

static int32_t poll_mod(enum qb_loop_priority p, int32_t fd, int32_t events, void *data,
			qb_ipcs_dispatch_fn_t fn)
{
	return qb_loop_poll_mod(loop, p, fd, events, data, fn);
}

static int32_t poll_del(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t on_accept(qb_ipcs_connection_t *c, uid_t uid, gid_t gid)
{
	(void)c;
	(void)uid;
	(void)gid;
	return 0;
}

static int32_t on_closed(qb_ipcs_connection_t *c)
{
	(void)c;
	return 0;
}

static void on_nothing(qb_ipcs_connection_t *c)
{
	(void)c;
}

static int32_t on_message(qb_ipcs_connection_t *c, void *data, size_t size)
{
	struct request request;
	struct response response = { .header = { .size = sizeof(response) } };

	if (size != sizeof(request)) {
		return -EINVAL;
	}
	memcpy(&request, data, sizeof(request));
	response.header.id = request.header.id;
	ssize_t rc = qb_ipcs_response_send(c, &response, sizeof(response));

	if (rc >= 0 && request.header.id == MESSAGE_EVENT) {
		rc = qb_ipcs_event_send(c, &response, sizeof(response));
	}
	if (rc < 0) {
		die("answering", rc);
	}
	return 0;
}

static int serve(const char *name)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = on_accept,
		.connection_created = on_nothing,
		.msg_process = on_message,
		.connection_closed = on_closed,
		.connection_destroyed = on_nothing,
	};
	struct qb_ipcs_poll_handlers poll_handlers = {
		.job_add = job_add,
		.dispatch_add = poll_add,
		.dispatch_mod = poll_mod,
		.dispatch_del = poll_del,
	};

	loop = qb_loop_create();
	qb_ipcs_service_t *service = qb_ipcs_create(name, 0, QB_IPC_NATIVE, &handlers);

	if (!loop || !service) {
		die("creating the service", -ENOMEM);
	}
	qb_ipcs_poll_handlers_set(service, &poll_handlers);
	qb_ipcs_enforce_buffer_size(service, BUFFER_SIZE);
	int32_t rc = qb_ipcs_run(service);

	if (rc < 0) {
		die("running the service", rc);
	}
	qb_loop_run(loop);
	return 0;
}

/* --- client ---------------------------------------------------------------------------------- */

static void wait_event(qb_ipcc_connection_t *c, int fd)
{
	struct response event;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t rc;

	while ((rc = qb_ipcc_event_recv(c, &event, sizeof(event), 0)) == -EAGAIN ||
	       rc == -ETIMEDOUT) {
		if (poll(&pfd, 1, REPLY_TIMEOUT_MS) == 0) {
			die("waiting for an event", -ETIMEDOUT);
		}
	}
	if (rc < 0) {
		die("receiving an event", rc);
	}
}

static int call(const char *name, enum message_id id, uint64_t ms)
{
	struct request request = { .header = { .id = id, .size = sizeof(request) } };
	struct response response;
	struct iovec iov = { .iov_base = &request, .iov_len = sizeof(request) };
	struct samples samples = { .count = 0 };
	qb_ipcc_connection_t *c = qb_ipcc_connect(name, BUFFER_SIZE);
	int32_t fd = -1;

	if (!c || qb_ipcc_fd_get(c, &fd) < 0) {
		die("connecting", -errno);
	}
	/* The first tenth is not counted. */
	uint64_t from = now_ns() + ms * 100000u;
	uint64_t end = from + ms * 1000000u;
	uint64_t t = now_ns();

	while (t < end || samples.count == 0) {
		ssize_t rc = qb_ipcc_sendv_recv(c, &iov, 1, &response, sizeof(response),
						REPLY_TIMEOUT_MS);

		if (rc < 0) {
			die("calling", rc);
		}
		if (id == MESSAGE_EVENT) {
			wait_event(c, fd);
		}
		uint64_t now = now_ns();

		if (t >= from) {
			samples_add(&samples, now - t);
		}
		t = now;
	}
	samples_print(&samples, id == MESSAGE_EVENT ? "qb.event" : "qb.roundtrip", "-",
		      (double)samples.count * 1e9 / (double)(t - from));
	samples_done(&samples);
	qb_ipcc_disconnect(c);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		return serve(argv[2]);
	}
	if (argc == 4 && strcmp(argv[1], "roundtrip") == 0) {
		return call(argv[2], MESSAGE_ROUNDTRIP, number_argument(argv[3], 3600000));
	}
	if (argc == 4 && strcmp(argv[1], "event") == 0) {
		return call(argv[2], MESSAGE_EVENT, number_argument(argv[3], 3600000));
	}
	fprintf(stderr, "usage: qb-echo serve NAME\n"
			"       qb-echo roundtrip|event NAME MS\n");
	return 2;
}
