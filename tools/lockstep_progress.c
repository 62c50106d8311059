/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What lockstep(1) says on standard error when something takes longer than two seconds: a verb begins
 * with what it is about, counts rows if there are any, and ends it. The words come from a signal
 * handler, since the calls of liblockstep block; it writes with nothing but write(2).
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "tools/lockstep.h"

#define INTERVAL_S 2

static struct {
	char what[256];
	volatile sig_atomic_t seconds;
	volatile sig_atomic_t rows; /* negative: nothing is counted */
} progress;

static size_t put_text(char *at, const char *text)
{
	size_t length = strlen(text);

	memcpy(at, text, length);
	return length;
}

static size_t put_number(char *at, int value)
{
	char digits[16];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	for (size_t i = 0; i < count; i++) {
		at[i] = digits[count - 1 - i];
	}
	return count;
}

static void tell(int number)
{
	char line[sizeof(progress.what) + 80];
	int saved = errno;
	size_t size = put_text(line, "lockstep: ");

	(void)number;
	progress.seconds += INTERVAL_S;
	size += put_text(line + size, progress.what);
	size += put_text(line + size, ": ");
	size += put_number(line + size, progress.seconds);
	size += put_text(line + size, " s");
	if (progress.rows >= 0) {
		size += put_text(line + size, ", ");
		size += put_number(line + size, progress.rows);
		size += put_text(line + size, " so far");
	}
	line[size++] = '\n';
	/* Nobody to tell is no reason to fail. */
	ssize_t ignored = write(STDERR_FILENO, line, size);

	(void)ignored;
	errno = saved;
}

static void timer_set(time_t seconds)
{
	struct itimerval timer = {
		.it_value = { .tv_sec = seconds },
		.it_interval = { .tv_sec = seconds },
	};

	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

void progress_begin(const char *format, ...)
{
	struct sigaction action = { .sa_handler = tell, .sa_flags = SA_RESTART };
	va_list args;

	progress_end();
	va_start(args, format);
	(void)vsnprintf(progress.what, sizeof(progress.what), format, args);
	va_end(args);
	progress.seconds = 0;
	progress.rows = -1;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGALRM, &action, NULL);
	timer_set(INTERVAL_S);
}

void progress_row(void)
{
	progress.rows = progress.rows < 0 ? 1 : progress.rows + 1;
}

void progress_end(void)
{
	timer_set(0);
}
