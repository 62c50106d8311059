/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See chaos-witness.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/chaos-witness.h"

static int file_open(const char *dir, const char *name, int index)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.%d", dir, name, index);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0) {
		perror(path);
		_exit(1);
	}
	return fd;
}

void witness_note(const char *dir, const char *name, const char *line)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0 || write(fd, line, strlen(line)) < 0) {
		perror(path);
	}
	close(fd);
}

static void violation(const struct witness *w, const char *what, const char *seen)
{
	char line[512];

	snprintf(line, sizeof(line), "node and worker %s, shared/%d%s, token %llu: %s: '%s'\n", w->who,
		 w->index, w->shared ? " (PR)" : "", (unsigned long long)w->token, what, seen);
	witness_note(w->dir, "violations", line);
	_exit(WITNESS_VIOLATION);
}

void witness_enter(struct witness *w)
{
	w->fd = file_open(w->dir, "witness", w->index);
	memset(w->text, 0, sizeof(w->text));
	if (flock(w->fd, (w->shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
		violation(w, "somebody else is there", strerror(errno));
	}
	(void)!pread(w->fd, w->text, sizeof(w->text) - 1, 0);
	if (strtoull(w->text, NULL, 10) >= w->token) {
		violation(w, "a token that is not older", w->text);
	}
	if (!w->shared) {
		memset(w->text, 0, sizeof(w->text));
		snprintf(w->text, sizeof(w->text), "%llu %s", (unsigned long long)w->token, w->who);
		(void)!pwrite(w->fd, w->text, sizeof(w->text), 0);
	}
}

void witness_leave(struct witness *w)
{
	char after[sizeof(w->text)] = "";

	(void)!pread(w->fd, after, sizeof(after) - 1, 0);
	if (strcmp(after, w->text) != 0) {
		violation(w, "somebody else has written", after);
	}
	close(w->fd);
}

static uint64_t stored_swap(const char *dir, int index, uint64_t token)
{
	int fd = file_open(dir, "stored", index);
	uint64_t stored = 0;

	(void)flock(fd, LOCK_EX);
	(void)!pread(fd, &stored, sizeof(stored), 0);
	if (token > stored) {
		stored = token;
		(void)!pwrite(fd, &stored, sizeof(stored), 0);
	}
	close(fd);
	return stored;
}

void witness_stored(const char *dir, int index, uint64_t token)
{
	(void)stored_swap(dir, index, token);
}

uint64_t witness_stored_least(const char *dir, int index)
{
	return stored_swap(dir, index, 0);
}

void witness_value(const struct witness *w, uint64_t value, bool invalid, uint64_t least)
{
	char text[64];

	snprintf(text, sizeof(text), "%llu, told was %llu", (unsigned long long)value,
		 (unsigned long long)least);
	if (value >= w->token) {
		violation(w, "a value of a later token", text);
	}
	if (!invalid && value < least) {
		violation(w, "a stored value is gone and not marked", text);
	}
}

/* --- forged histories ------------------------------------------------------------------ */

static struct witness forged(const char *dir, uint64_t token, bool shared)
{
	return (struct witness){ .dir = dir, .who = "forged 0", .index = 1000, .token = token, .shared = shared };
}

static void hold(const char *dir, uint64_t token, bool shared)
{
	struct witness w = forged(dir, token, shared);

	witness_enter(&w);
	witness_leave(&w);
}

static void forged_good(const char *dir)
{
	struct witness reader = forged(dir, 12, true), writer = forged(dir, 14, false);

	hold(dir, 11, false);
	witness_enter(&reader);
	hold(dir, 13, true); /* two readers at once */
	witness_leave(&reader);
	witness_stored(dir, 1000, 11);
	witness_value(&writer, 11, false, witness_stored_least(dir, 1000));
	witness_value(&writer, 0, true, witness_stored_least(dir, 1000));
	witness_enter(&writer);
	witness_leave(&writer);
}

static void forged_two_writers(const char *dir)
{
	struct witness w = forged(dir, 20, false);

	witness_enter(&w);
	hold(dir, 21, false);
}

static void forged_reader_and_writer(const char *dir)
{
	struct witness w = forged(dir, 20, false);

	witness_enter(&w);
	hold(dir, 21, true);
}

static void forged_same_token(const char *dir)
{
	hold(dir, 20, false);
	hold(dir, 20, false);
}

static void forged_older_token(const char *dir)
{
	hold(dir, 20, false);
	hold(dir, 19, true);
}

/* Somebody who does not ask the kernel: the late write of a node that was cut off. */
static void forged_late_write(const char *dir)
{
	struct witness w = forged(dir, 20, true);
	int fd = file_open(dir, "witness", w.index);

	witness_enter(&w);
	(void)!pwrite(fd, "19 late", 8, 0);
	witness_leave(&w);
}

static void forged_value_lost(const char *dir)
{
	struct witness w = forged(dir, 20, false);

	witness_stored(dir, w.index, 15);
	witness_stored(dir, w.index, 12);
	witness_value(&w, 14, false, witness_stored_least(dir, w.index));
}

static void forged_value_ahead(const char *dir)
{
	struct witness w = forged(dir, 20, false);

	witness_value(&w, 21, true, 0);
}

int witness_check_itself(const char *dir)
{
	static const struct {
		const char *what;
		void (*run)(const char *dir);
		int status;
	} all[] = {
		{ "nothing is wrong", forged_good, 0 },
		{ "two writers at once", forged_two_writers, WITNESS_VIOLATION },
		{ "a reader beside a writer", forged_reader_and_writer, WITNESS_VIOLATION },
		{ "a token comes twice", forged_same_token, WITNESS_VIOLATION },
		{ "tokens go back", forged_older_token, WITNESS_VIOLATION },
		{ "a late write", forged_late_write, WITNESS_VIOLATION },
		{ "a stored value is lost", forged_value_lost, WITNESS_VIOLATION },
		{ "a value from nowhere", forged_value_ahead, WITNESS_VIOLATION },
	};
	int missed = 0;

	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0) {
			/* Of what was before nothing is left. */
			(void)!ftruncate(file_open(dir, "witness", 1000), 0);
			(void)!ftruncate(file_open(dir, "stored", 1000), 0);
			all[i].run(dir);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != all[i].status) {
			printf("not seen as it is: %s (status 0x%x)\n", all[i].what, (unsigned int)status);
			missed++;
		}
	}
	return missed == 0 ? 0 : 1;
}
