/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store that many nodes write, on storage that they share, and that loses nothing and doubles nothing
 * whoever dies when. Each node has a journal; what it has promised and not yet put into the table is there,
 * and lockstep-agent(8) has it put in by somebody else when the node fails.
 *
 *   journal-store write FOLDER GATE STATE NAME   add records until told to end; prints each promise
 *   journal-store replay FOLDER ITEM             put in what journal ITEM has promised
 *   journal-store clean FOLDER ITEM              empty that journal
 *   journal-store check FOLDER                   is the table sound? prints the records
 *
 * FOLDER/table:      a head (how many, and a sum over all), then records of equal size
 * FOLDER/journal.N:  one entry, the latest transaction: its place in the table, and the record
 *
 * A transaction: lock "data" EX; write the journal's entry (from here on it is promised); write the record
 * behind the last one; write the head; unlock. Whoever got the lock after a node has died in the middle would
 * write over the record that was promised. Three things are against that:
 *
 * - The node fails: the lock stays until the node is surely down. Then the agents close their gates before
 *   it is given to anybody, and open them when the journal was replayed. We look at the gate after each grant.
 * - Only the writer dies: its lock is persistent and stays, as an orphan. The next writer of the node adopts
 *   it, replays, and lets it go.
 * - The agent dies: the gate is closed with it. The next agent replays the node's own journal first; the
 *   journal's flock(2) keeps that from a transaction that is still under way.
 *
 * JOURNAL_STORE_DELAY_MS=N sleeps up to so long between the steps, so that tests can kill it there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

#define RECORD 32 /* bytes, with its newline */
#define ENTRY 80
#define GATE_MS 20

static volatile sig_atomic_t told_to_end;

struct head {
	uint64_t count;
	uint64_t sum;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t hash(const char *text, uint64_t h)
{
	for (; *text; text++) {
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	}
	return h;
}

static void nap(long ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&time, NULL);
}

static void dawdle(void)
{
	const char *most = getenv("JOURNAL_STORE_DELAY_MS");

	if (most && atol(most) > 0) {
		nap(rand() % (atol(most) + 1));
	}
}

/* --- files ------------------------------------------------------------------------------- */

static int file_open(const char *folder, const char *name, unsigned long number)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), number == ULONG_MAX ? "%s/%s" : "%s/%s.%lu", folder, name,
		       number);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0) {
		fail(path);
	}
	return fd;
}

static void put(int fd, const char *text, size_t size, off_t at)
{
	if (pwrite(fd, text, size, at) != (ssize_t)size || fdatasync(fd) != 0) {
		fail("write");
	}
}

static struct head head_read(int table)
{
	char text[RECORD + 1] = "";
	struct head head = { .count = 0 };
	unsigned long count, sum;

	if (pread(table, text, RECORD, 0) > 0) {
		if (sscanf(text, "%10lu %lx", &count, &sum) != 2) {
			(void)fprintf(stderr, "the head of the table is damaged\n");
			exit(3);
		}
		head.count = count;
		head.sum = sum;
	}
	return head;
}

static void head_write(int table, struct head head)
{
	char text[RECORD + 1];

	(void)snprintf(text, sizeof(text), "%10" PRIu64 " %-20" PRIx64 "\n", head.count, head.sum);
	put(table, text, RECORD, 0);
}

static void record_read(int table, uint64_t place, char record[RECORD + 1])
{
	ssize_t size = pread(table, record, RECORD, (off_t)(place + 1) * RECORD);

	record[size == RECORD ? RECORD : 0] = 0;
}

static void record_apply(int table, struct head head, const char record[RECORD + 1])
{
	put(table, record, RECORD, (off_t)(head.count + 1) * RECORD);
	dawdle();
	head_write(table, (struct head){ head.count + 1, hash(record, head.sum) });
}

static void entry_write(int journal, uint64_t place, const char record[RECORD + 1])
{
	char text[ENTRY + 1];

	(void)snprintf(text, sizeof(text), "%10" PRIu64 " %016" PRIx64 " %-51s\n", place,
		       hash(record, place), record);
	text[28 + RECORD - 1] = ' '; /* the record's own newline */
	put(journal, text, ENTRY, 0);
}

/* False: there is none, or it was never completed. */
static bool entry_read(int journal, uint64_t *ret_place, char record[RECORD + 1])
{
	char text[ENTRY + 1] = "";
	unsigned long place, check;

	if (pread(journal, text, ENTRY, 0) != ENTRY ||
	    sscanf(text, "%10lu %16lx", &place, &check) != 2) {
		return false;
	}
	memcpy(record, text + 28, RECORD);
	record[RECORD - 1] = '\n';
	record[RECORD] = 0;
	*ret_place = place;
	return hash(record, place) == check;
}

/* --- recovery ---------------------------------------------------------------------------- */

enum entry_state {
	ENTRY_NONE,
	ENTRY_DUE,
	ENTRY_APPLIED,
};

static enum entry_state entry_state(int table, int journal, char record[RECORD + 1])
{
	char there[RECORD + 1];
	struct head head = head_read(table);
	uint64_t place;

	if (!entry_read(journal, &place, record)) {
		return ENTRY_NONE;
	}
	if (place == head.count) {
		return ENTRY_DUE;
	}
	record_read(table, place, there);
	if (place > head.count || strcmp(there, record) != 0) {
		(void)fprintf(stderr, "LOST: record %" PRIu64 " of %" PRIu64 " was promised to be %s",
			      place, head.count, record);
		exit(3);
	}
	return ENTRY_APPLIED;
}

/* The journal must be locked. */
static void replay(int table, int journal)
{
	char record[RECORD + 1];

	if (entry_state(table, journal, record) == ENTRY_DUE) {
		dawdle();
		record_apply(table, head_read(table), record);
		(void)fprintf(stderr, "replayed %s", record);
	}
}

static int journal_locked(const char *folder, unsigned long item)
{
	int journal = file_open(folder, "journal", item);

	if (flock(journal, LOCK_EX) != 0) {
		fail("flock");
	}
	return journal;
}

static int verb_replay(const char *folder, unsigned long item)
{
	int journal = journal_locked(folder, item);

	dawdle();
	replay(file_open(folder, "table", ULONG_MAX), journal);
	return 0;
}

static int verb_clean(const char *folder, unsigned long item)
{
	int journal = journal_locked(folder, item);
	char record[RECORD + 1];

	if (entry_state(file_open(folder, "table", ULONG_MAX), journal, record) == ENTRY_DUE) {
		(void)fprintf(stderr, "journal %lu is not replayed\n", item);
		return 1;
	}
	dawdle();
	return ftruncate(journal, 0) ? 1 : 0;
}

static int verb_check(const char *folder)
{
	int table = file_open(folder, "table", ULONG_MAX);
	struct head head = head_read(table);
	char record[RECORD + 1];
	uint64_t sum = 0;

	for (uint64_t i = 0; i < head.count; i++) {
		record_read(table, i, record);
		sum = hash(record, sum);
		(void)fputs(record, stdout);
	}
	if (sum != head.sum) {
		(void)fprintf(stderr, "the sum does not match\n");
		return 3;
	}
	return 0;
}

/* --- writing ----------------------------------------------------------------------------- */

static bool gate_is_open(const char *path)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool open = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;

	if (fd >= 0) {
		(void)close(fd);
	}
	return open;
}

/* Which journal is ours: the agent says so in its state, which is true while the gate is open. */
static unsigned long item_read(const char *path)
{
	FILE *in = fopen(path, "re");
	unsigned long item = 0;

	if (!in || fscanf(in, "%*s item %lu", &item) != 1) {
		(void)fprintf(stderr, "%s: no item\n", path);
		exit(1);
	}
	(void)fclose(in);
	return item;
}

static void ended(int error)
{
	(void)fprintf(stderr, "lock: %s\n", lockstep_strerror(error));
	exit(1);
}

/* One transaction, under the lock; false when the gate was closed and nothing was done. */
static bool transact(const char *const argv[], unsigned long *counter)
{
	int table = file_open(argv[0], "table", ULONG_MAX);
	int journal = -1;
	bool open = gate_is_open(argv[1]);

	if (open) {
		journal = journal_locked(argv[0], item_read(argv[2]));
		open = gate_is_open(argv[1]); /* nobody replays it now */
	}
	if (open) {
		struct head head = head_read(table);
		char record[RECORD + 1], text[RECORD];

		(void)snprintf(text, sizeof(text), "%s.%d.%lu", argv[3], (int)getpid(), ++*counter);
		(void)snprintf(record, sizeof(record), "%-31.31s\n", text);
		dawdle();
		entry_write(journal, head.count, record);
		/* Promised, whatever happens to us. */
		if (write(STDOUT_FILENO, record, RECORD) != RECORD) {
			fail("write");
		}
		dawdle();
		record_apply(table, head, record);
		dawdle();
	}
	if (journal >= 0) {
		(void)close(journal);
	}
	(void)close(table);
	return open;
}

/* What a writer of this node has left behind when it died: its lock, and perhaps half a transaction. */
static void inherit(struct lockstep_session *s, const char *const argv[])
{
	struct lockstep_lksb lksb = { .lkid = 0 };

	/* Should we die in here, too, it is an orphan again. */
	while (lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, LOCKSTEP_LKF_ORPHAN | LOCKSTEP_LKF_PERSISTENT,
				  "data", 4, NULL, NULL, -1) == 0) {
		while (!gate_is_open(argv[1])) {
			nap(GATE_MS);
			int error = lockstep_dispatch(s);

			if (error < 0) {
				ended(error);
			}
		}
		int journal = journal_locked(argv[0], item_read(argv[2]));

		replay(file_open(argv[0], "table", ULONG_MAX), journal);
		(void)close(journal);
		(void)lockstep_unlock_wait(s, lksb.lkid, 0, &lksb);
	}
}

static void on_term(int number)
{
	(void)number;
	told_to_end = 1;
}

static int verb_write(const char *const argv[])
{
	const char *space = getenv("LOCKSTEP_LOCKSPACE");
	const struct lockstep_options options = { .timeout_ms = -1 };
	struct lockstep_session *s;
	unsigned long counter = 0;
	int error = lockstep_open(space ? space : "store", LOCKSTEP_OPEN_CREATE, &options, &s);

	if (error) {
		ended(error);
	}
	(void)signal(SIGTERM, on_term);
	srand((unsigned int)getpid());
	inherit(s, argv);
	while (!told_to_end) {
		struct lockstep_lksb lksb = { .lkid = 0 };

		error = lockstep_lock_wait(s, LOCKSTEP_LOCK_EX, &lksb, LOCKSTEP_LKF_PERSISTENT, "data", 4,
					   NULL, NULL, -1);
		if (error) {
			ended(error);
		}
		bool open = transact(argv, &counter);

		error = lockstep_unlock_wait(s, lksb.lkid, 0, &lksb);
		if (error) {
			ended(error);
		}
		if (!open) {
			nap(GATE_MS);
		}
	}
	lockstep_close(s);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	srand((unsigned int)getpid());
	if (strcmp(verb, "write") == 0 && argc == 6) {
		return verb_write((const char *const *)argv + 2);
	}
	if (strcmp(verb, "replay") == 0 && argc == 4) {
		return verb_replay(argv[2], strtoul(argv[3], NULL, 10));
	}
	if (strcmp(verb, "clean") == 0 && argc == 4) {
		return verb_clean(argv[2], strtoul(argv[3], NULL, 10));
	}
	if (strcmp(verb, "check") == 0 && argc == 3) {
		return verb_check(argv[2]);
	}
	(void)fprintf(stderr, "usage: journal-store write FOLDER GATE STATE NAME\n"
			      "       journal-store replay|clean FOLDER ITEM\n"
			      "       journal-store check FOLDER\n");
	return 2;
}
