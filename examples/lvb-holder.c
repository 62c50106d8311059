/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lvb-holder: hold a lock, keep a value in its lock value block, and do as told on standard input.
 * Shows the asynchronous use of liblockstep: one poll loop over the session and whatever else there
 * is, callbacks from lockstep_dispatch() only.
 *
 *   lvb-holder [-s LOCKSPACE] [-m MODE] [-v VALUE] NAME
 *
 * Lines it reads:            Lines it prints:
 *   down MODE [VALUE]          granted MODE token T lvb VALUE [VALNOTVALID]
 *   up MODE                    stored VALUE           (-v, or a write that kept the mode)
 *   unlock                     bast MODE              somebody waits for MODE
 *   quit, or end of file       unlocked | refused REASON | lost REASON | error REASON
 *
 * A value is text without blanks, "-" is the empty one. It is written when the lock goes down from,
 * or stays in, PW or EX, and read when it goes up.
 *
 *   cc -o lvb-holder lvb-holder.c $(pkg-config --cflags --libs liblockstep)
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

#define LINE_MAX_BYTES 4096

struct holder {
	struct lockstep_session *session;
	struct lockstep_lksb lksb;
	const char *value; /* to be stored when the lock is first granted, or NULL */
	int mode;          /* granted, or LOCKSTEP_LOCK_IV */
	int requested;
	bool storing; /* the request under way only writes the value */
	bool unlocking;
	bool quit; /* as soon as nothing is under way */
	bool over;
	bool failed;
};

static void value_set(struct holder *h, const char *value)
{
	size_t size = (size_t)lockstep_lvb_length(h->session);

	memset(h->lksb.lvb, 0, size);
	if (strcmp(value, "-") != 0) {
		memcpy(h->lksb.lvb, value, strlen(value) < size ? strlen(value) : size);
	}
}

/* What is in the block as one word. */
static void value_print(const struct holder *h)
{
	const unsigned char *byte = h->lksb.lvb;
	size_t size = strnlen((const char *)byte, (size_t)lockstep_lvb_length(h->session));

	if (size == 0) {
		(void)putchar('-');
	}
	for (size_t i = 0; i < size; i++) {
		if (byte[i] > 0x20 && byte[i] < 0x7f && byte[i] != '\\') {
			(void)putchar(byte[i]);
		} else {
			(void)printf("\\x%02x", byte[i]);
		}
	}
}

static void error_print(struct holder *h, const char *what, int error)
{
	(void)printf("%s %s\n", what, lockstep_strerror(error));
	h->failed = true;
}

static void completed(void *arg);
static void blocked(void *arg, int mode);

/* A new lock, or a conversion of the one we have. VALBLK always: a lock that leaves it out once
 * would not mark the value invalid when its node dies. */
static void request(struct holder *h, const char *name, int mode)
{
	uint32_t flags = LOCKSTEP_LKF_VALBLK | (name ? 0 : LOCKSTEP_LKF_CONVERT);
	int error = lockstep_lock(h->session, mode, &h->lksb, flags, name, name ? strlen(name) : 0,
				  h, completed, blocked);

	if (error < 0) {
		error_print(h, "error", error);
		return;
	}
	h->requested = mode;
}

static void unlock(struct holder *h)
{
	int error = lockstep_unlock(h->session, h->lksb.lkid, LOCKSTEP_LKF_VALBLK, NULL);

	/* With a request under way it must be forced: it is ordered behind that. */
	if (error == -EBUSY) {
		error = lockstep_unlock(h->session, h->lksb.lkid,
					LOCKSTEP_LKF_FORCEUNLOCK | LOCKSTEP_LKF_VALBLK, NULL);
	}
	if (error < 0) {
		error_print(h, "error", error);
		h->over = h->quit;
		return;
	}
	h->unlocking = true;
}

static void completed(void *arg)
{
	struct holder *h = arg;

	switch (h->lksb.status) {
	case 0:
		break;
	case LOCKSTEP_EUNLOCK:
		h->mode = LOCKSTEP_LOCK_IV;
		h->unlocking = false;
		h->over = h->quit;
		(void)printf("unlocked\n");
		return;
	default:
		error_print(h, "refused", h->lksb.status);
		h->over = h->mode == LOCKSTEP_LOCK_IV; /* never granted: the lock is gone */
		return;
	}
	h->mode = h->requested;
	if (h->storing) {
		(void)printf("stored ");
		value_print(h);
		(void)printf("\n");
		h->storing = false;
		return;
	}
	(void)printf("granted %s token %" PRIu64 " lvb ", lockstep_mode_name(h->mode), h->lksb.token);
	value_print(h);
	(void)printf("%s\n", h->lksb.flags & LOCKSTEP_SBF_VALNOTVALID ? " VALNOTVALID" : "");
	if (h->value && h->mode >= LOCKSTEP_LOCK_PW) {
		/* A conversion from EX to EX writes the value and changes nothing else. */
		value_set(h, h->value);
		h->value = NULL;
		h->storing = true;
		request(h, NULL, h->mode);
	}
}

static void blocked(void *arg, int mode)
{
	(void)arg;
	(void)printf("bast %s\n", lockstep_mode_name(mode));
}

static void lost(void *arg, int error)
{
	struct holder *h = arg;

	error_print(h, "lost", error);
	h->over = true;
}

static void obey(struct holder *h, char *line)
{
	char *word = strtok(line, " \t"), *mode_word = strtok(NULL, " \t");
	char *value = strtok(NULL, " \t");
	int mode = mode_word ? lockstep_mode_parse(mode_word) : -EINVAL;

	if (!word) {
		return;
	}
	if (strcmp(word, "quit") == 0 || strcmp(word, "unlock") == 0) {
		h->quit = h->quit || *word == 'q';
		if (h->mode == LOCKSTEP_LOCK_IV && h->requested == LOCKSTEP_LOCK_IV) {
			h->over = h->quit;
		} else if (!h->unlocking) {
			h->requested = LOCKSTEP_LOCK_IV;
			unlock(h);
		}
	} else if ((strcmp(word, "down") == 0 || strcmp(word, "up") == 0) && mode >= 0) {
		if (value) {
			value_set(h, value);
		}
		h->storing = value && mode == h->mode;
		request(h, NULL, mode);
	} else {
		(void)printf("error not understood: %s\n", word);
	}
}

/* Takes the complete lines out of @text. */
static void lines_obey(struct holder *h, char *text, size_t *size)
{
	char *end;

	while ((end = memchr(text, '\n', *size))) {
		size_t length = (size_t)(end - text) + 1;

		*end = '\0';
		obey(h, text);
		*size -= length;
		memmove(text, text + length, *size);
	}
}

static void input_read(struct holder *h, char *text, size_t *size)
{
	ssize_t got = read(STDIN_FILENO, text + *size, LINE_MAX_BYTES - *size);

	if (got > 0) {
		*size += (size_t)got;
		lines_obey(h, text, size);
		*size = *size == LINE_MAX_BYTES ? 0 : *size; /* no such line is ours */
	} else if (got == 0 || errno != EINTR) {
		char quit[] = "quit";

		obey(h, quit);
	}
}

static void loop(struct holder *h)
{
	char text[LINE_MAX_BYTES];
	size_t size = 0;

	while (!h->over) {
		struct pollfd fds[2] = {
			{ .fd = lockstep_session_fd(h->session), .events = POLLIN },
			/* After quit nothing more is read. */
			{ .fd = h->quit ? -1 : STDIN_FILENO, .events = POLLIN },
		};

		if (poll(fds, 2, -1) < 0 && errno != EINTR) {
			return;
		}
		(void)lockstep_dispatch(h->session);
		if (fds[1].revents && !h->over) {
			input_read(h, text, &size);
		}
	}
}

int main(int argc, char **argv)
{
	struct holder h = { .mode = LOCKSTEP_LOCK_IV, .requested = LOCKSTEP_LOCK_IV };
	const char *space = getenv("LOCKSTEP_LOCKSPACE");
	int mode = LOCKSTEP_LOCK_EX, option;

	while ((option = getopt(argc, argv, "s:m:v:")) != -1) {
		switch (option) {
		case 's':
			space = optarg;
			break;
		case 'm':
			mode = lockstep_mode_parse(optarg);
			break;
		case 'v':
			h.value = optarg;
			break;
		default:
			mode = -EINVAL;
		}
	}
	if (mode < 0 || argc - optind != 1) {
		(void)fprintf(stderr,
			      "usage: lvb-holder [-s LOCKSPACE] [-m MODE] [-v VALUE] NAME\n");
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0); /* one event, one line, at once */
	int error = lockstep_open(space ? space : "default", 0, NULL, &h.session);

	if (error < 0) {
		(void)fprintf(stderr, "lvb-holder: %s\n", lockstep_strerror(error));
		return 1;
	}
	h.lksb.lvb = calloc(1, (size_t)lockstep_lvb_length(h.session));
	if (h.lksb.lvb) {
		(void)lockstep_lost_set(h.session, &h, lost);
		request(&h, argv[optind], mode);
		if (!h.failed) {
			loop(&h);
		}
	}
	lockstep_close(h.session);
	free(h.lksb.lvb);
	return h.failed ? 1 : 0;
}
