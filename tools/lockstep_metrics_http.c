/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep metrics --http: one HTTP request on standard input, its answer on standard output, as a socket unit of systemd with
 * Accept=yes hands them over. There is no server: a process lives for one scrape. It reads a bounded head within a bounded time,
 * looks at its first line only, and knows one path.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/lockstep.h"
#include "tools/lockstep_metrics.h"

#define HEAD_MAX 8192
#define REQUEST_MS 5000

static int64_t monotonic_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Up to the empty line, as a string; 0, or the status to refuse it with. */
static int head_read(char head[HEAD_MAX + 1])
{
	int64_t deadline = monotonic_ms() + REQUEST_MS;
	size_t size = 0;

	for (;;) {
		struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
		int64_t left = deadline - monotonic_ms();
		int ready = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (ready < 0 && errno == EINTR) {
			continue;
		}
		if (ready <= 0) {
			return 408;
		}
		ssize_t n = read(STDIN_FILENO, head + size, HEAD_MAX - size);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return 400;
		}
		size += (size_t)n;
		head[size] = '\0';
		if (strlen(head) != size) {
			return 400;
		}
		if (strstr(head, "\r\n\r\n") || strstr(head, "\n\n")) {
			return 0;
		}
		if (size == HEAD_MAX) {
			return 431;
		}
	}
}

/* "GET /metrics HTTP/1.1": the status; *ret_body is false for HEAD. */
static int head_judge(char *head, bool *ret_body)
{
	char *line = strtok(head, "\r\n");
	char *method = line ? strtok(line, " ") : NULL;
	char *path = method ? strtok(NULL, " ") : NULL;
	const char *version = path ? strtok(NULL, " ") : NULL;

	if (!version || strncmp(version, "HTTP/1.", 7) != 0 || strtok(NULL, " ")) {
		return 400;
	}
	*ret_body = strcmp(method, "HEAD") != 0;
	if (*ret_body && strcmp(method, "GET") != 0) {
		return 405;
	}
	path[strcspn(path, "?")] = '\0';
	return strcmp(path, "/metrics") == 0 ? 200 : 404;
}

static const char *status_text(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 408:
		return "Request Timeout";
	case 431:
		return "Request Header Fields Too Large";
	case 500:
		return "Internal Server Error";
	default:
		return "Bad Request";
	}
}

/* A daemon that does not answer is a fact to be scraped (lockstep_up 0), not an error of HTTP's. */
int metrics_http(struct cli *cli)
{
	char head[HEAD_MAX + 1] = "";
	char *text = NULL;
	size_t size = 0;
	bool body = true;
	int status = head_read(head);

	if (status == 0) {
		status = head_judge(head, &body);
	}
	FILE *out = open_memstream(&text, &size);

	if (out) {
		if (status == 200) {
			(void)metrics_write(cli, out);
		} else {
			(void)fprintf(out, "%d %s; there is /metrics\n", status, status_text(status));
		}
	}
	if (!out || fclose(out) != 0) {
		complain("out of memory");
		status = 500;
		size = 0;
	}
	(void)printf("HTTP/1.1 %d %s\r\n"
		     "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		     "Content-Length: %zu\r\n"
		     "Connection: close\r\n\r\n",
		     status, status_text(status), size);
	if (body && size > 0) {
		(void)fwrite(text, 1, size, stdout);
	}
	free(text);
	return output_end();
}
