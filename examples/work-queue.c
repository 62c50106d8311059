/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * work-queue: any number of workers on any nodes empty one spool folder on shared storage. A job is a
 * file NAME.job; the worker that gets the lock of that name does it, the others go on to the next.
 * Shows what fencing tokens are for: the result is written together with the token of the lock, and
 * a result with a larger token is never overwritten. So a worker that was stopped for a minute in the
 * middle of a job, and lost its lock meanwhile, comes too late to do harm.
 *
 *   work-queue FOLDER             do what is there, then end
 *   work-queue FOLDER NAME TOKEN  hand in a result for a job under a token of old: refused
 *
 *   cc -o work-queue work-queue.c $(pkg-config --cflags --libs liblockstep)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <lockstep/lockstep.h>

#define PATH_SIZE 1024

static void path_make(char *path, const char *folder, const char *name, const char *suffix)
{
	(void)snprintf(path, PATH_SIZE, "%s/%s%s", folder, name, suffix);
}

/*
 * What the storage does: it remembers the largest token that it has seen and refuses smaller ones. Here
 * it is the result file itself, whose first line is the token; flock() stands for the storage doing
 * one thing at a time. 0; 1: refused; negative: an error.
 */
static int result_write(const char *folder, const char *name, uint64_t token, const char *text)
{
	char path[PATH_SIZE], line[64] = "";
	uint64_t seen;
	int result = -1;

	path_make(path, folder, name, ".result");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		goto out;
	}
	if (read(fd, line, sizeof(line) - 1) < 0) {
		goto out;
	}
	seen = strtoull(line, NULL, 10);
	if (seen > token) {
		result = 1;
		goto out;
	}
	if (ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
	    dprintf(fd, "%" PRIu64 "\n%s\n", token, text) > 0 && fsync(fd) == 0) {
		result = 0;
	}
out:
	if (fd >= 0) {
		(void)close(fd);
	}
	return result;
}

static int job_do(const char *folder, const char *name, uint64_t token)
{
	char path[PATH_SIZE], text[256] = "";

	path_make(path, folder, name, ".job");
	FILE *f = fopen(path, "r");

	if (!f) {
		return 0; /* somebody did it between our look and our lock */
	}
	(void)!fgets(text, sizeof(text), f);
	(void)fclose(f);
	text[strcspn(text, "\n")] = '\0';
	if (result_write(folder, name, token, text) != 0) {
		return -EIO;
	}
	/* Last, so that a worker that dies before has done nothing. */
	if (unlink(path) < 0) {
		return -errno;
	}
	(void)printf("%s done under token %" PRIu64 "\n", name, token);
	return 0;
}

/* 0 also when another worker is at it. */
static int job_try(struct lockstep_session *session, const char *folder, const char *name)
{
	char resource[LOCKSTEP_NAME_MAX + 1];
	struct lockstep_lksb lksb = { .lvb = NULL };
	int length = snprintf(resource, sizeof(resource), "job/%s", name);

	if (length > LOCKSTEP_NAME_MAX) {
		return -ENAMETOOLONG;
	}
	int error = lockstep_lock_wait(session, LOCKSTEP_LOCK_EX, &lksb, LOCKSTEP_LKF_NOQUEUE,
				       resource, (size_t)length, NULL, NULL, -1);

	if (error == -EAGAIN) {
		return 0;
	}
	if (error == 0) {
		error = job_do(folder, name, lksb.token);
		int unlock = lockstep_unlock_wait(session, lksb.lkid, 0, NULL);

		error = error ? error : unlock;
	}
	return error;
}

static int jobs_do(struct lockstep_session *session, const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int error = 0;

	if (!dir) {
		return -errno;
	}
	while (error == 0 && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);

		if (length > 4 && strcmp(entry->d_name + length - 4, ".job") == 0) {
			entry->d_name[length - 4] = '\0';
			error = job_try(session, folder, entry->d_name);
		}
	}
	(void)closedir(dir);
	return error;
}

int main(int argc, char **argv)
{
	struct lockstep_session *session;

	if (argc == 4) {
		int result = result_write(argv[1], argv[2], strtoull(argv[3], NULL, 10), "late");

		(void)printf("%s\n", result == 0 ? "taken" : result > 0 ? "refused: a larger token was seen" : "failed");
		return result != 0;
	}
	if (argc != 2) {
		(void)fprintf(stderr, "usage: work-queue FOLDER [NAME TOKEN]\n");
		return 2;
	}
	int error = lockstep_open("default", 0, NULL, &session);

	if (error == 0) {
		error = jobs_do(session, argv[1]);
		lockstep_close(session);
	}
	if (error) {
		(void)fprintf(stderr, "work-queue: %s\n", lockstep_strerror(error));
	}
	return error ? 1 : 0;
}
