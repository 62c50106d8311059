/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of lockstep_timing.h, and the files: /dev/shm/lockstep-timing-PID-N, owned and readable by the
 * program's user. The file goes with the session; one whose program was killed is passed over, and removed by
 * whoever reads and may.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/client/private.h"
#include "lib/client/session.h"
#include "lib/client/timing.h"

#define FOLDER "/dev/shm"
#define PREFIX "lockstep-timing-"
#define PATH_BYTES 64
#define NUMBERS 64 /* sessions with timing in one process */

static void path_of(char path[PATH_BYTES], int pid, int number)
{
	(void)snprintf(path, PATH_BYTES, FOLDER "/" PREFIX "%d-%d", pid, number);
}

static struct timing_page *page_map(int fd)
{
	if (ftruncate(fd, sizeof(struct timing_page)) != 0) {
		return NULL;
	}
	void *page = mmap(NULL, sizeof(struct timing_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return page == MAP_FAILED ? NULL : page;
}

static struct timing_page *timing_page_make(bool *ret_file, int *ret_number)
{
	char path[PATH_BYTES];

	for (int number = 0; number < NUMBERS; number++) {
		path_of(path, (int)getpid(), number);
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0 && errno == EEXIST) {
			continue;
		}
		struct timing_page *page = fd < 0 ? NULL : page_map(fd);

		if (fd >= 0) {
			(void)close(fd);
		}
		if (page) {
			*ret_file = true;
			*ret_number = number;
			return page;
		}
		if (fd >= 0) {
			(void)unlink(path);
		}
		break;
	}
	*ret_file = false;
	return calloc(1, sizeof(struct timing_page));
}

static void timing_page_drop(struct timing_page *page, bool file, int number)
{
	char path[PATH_BYTES];

	if (!file) {
		free(page);
		return;
	}
	path_of(path, (int)page->pid, number);
	(void)munmap(page, sizeof(*page));
	(void)unlink(path);
}

/* --- a session's ------------------------------------------------------------------------- */

struct client_timing {
	struct timing *timing;
	struct timing_page *page;
	bool file;
	int number;
};

static void drop(struct client_timing *ct)
{
	(void)timing_free(ct->timing);
	if (ct->page) {
		timing_page_drop(ct->page, ct->file, ct->number);
	}
	free(ct);
}

void client_timing_done(struct lockstep_session *s)
{
	struct client_timing **at = client_timing(s);

	if (*at) {
		drop(*at);
		*at = NULL;
	}
}

int lockstep_timing_enable(struct lockstep_session *s)
{
	if (!s) {
		return -ENOTCONN;
	}
	if (*client_timing(s)) {
		return -EALREADY;
	}
	struct client_timing *ct = calloc(1, sizeof(*ct));

	if (!ct) {
		return -ENOMEM;
	}
	ct->page = timing_page_make(&ct->file, &ct->number);
	ct->timing = ct->page ? timing_new(ct->page) : NULL;
	if (!ct->timing) {
		drop(ct);
		return -ENOMEM;
	}
	ct->page->pid = (uint32_t)getpid();
	(void)prctl(PR_GET_NAME, ct->page->comm);
	(void)snprintf(ct->page->space, sizeof(ct->page->space), "%s", client_space(s));
	ct->page->version = TIMING_VERSION;
	ct->page->magic = TIMING_MAGIC;
	*client_timing(s) = ct;
	session_timing_set(client_session(s), ct->timing);
	return 0;
}

int lockstep_timing_lock(const struct lockstep_session *s, uint32_t lkid, struct lockstep_timing *ret)
{
	const struct client_timing *ct = s ? *client_timing((struct lockstep_session *)s) : NULL;

	return ct && timing_lock_get(ct->timing, lkid, ret) ? 0 : -ENOENT;
}

int lockstep_timing_class(const struct lockstep_session *s, unsigned int index,
			  struct lockstep_timing_class *ret)
{
	const struct client_timing *ct = s ? *client_timing((struct lockstep_session *)s) : NULL;

	if (!ct || index >= ct->page->classes_count) {
		return -ENOENT;
	}
	*ret = ct->page->classes[index];
	return 0;
}

/* --- reading ----------------------------------------------------------------------------- */

/* A page of somebody who may be hostile: every text is ended here, every count bounded. */
static bool page_read(const char *name, int pid, struct timing_page *ret)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), FOLDER "/%.40s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0) {
		return false;
	}
	bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);

	(void)close(fd);
	if (!good || ret->magic != TIMING_MAGIC || ret->version != TIMING_VERSION ||
	    ret->pid != (uint32_t)pid || ret->classes_count > LOCKSTEP_TIMING_CLASSES) {
		return false;
	}
	ret->comm[LOCKSTEP_COMM_MAX] = 0;
	ret->space[LOCKSTEP_SPACE_MAX] = 0;
	for (uint32_t i = 0; i < ret->classes_count; i++) {
		ret->classes[i].name[LOCKSTEP_TIMING_CLASS_MAX] = 0;
	}
	return true;
}

static int page_visit(const struct timing_page *page,
		      int (*visit)(uint32_t pid, const char *comm, const char *space,
				   const struct lockstep_timing_class *c, void *arg),
		      void *arg)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < page->classes_count; i++) {
		rc = visit(page->pid, page->comm, page->space, &page->classes[i], arg);
	}
	return rc;
}

int lockstep_timing_read(int (*visit)(uint32_t pid, const char *comm, const char *space,
				      const struct lockstep_timing_class *c, void *arg),
			 void *arg)
{
	struct timing_page *page = malloc(sizeof(*page));
	DIR *folder = opendir(FOLDER);
	const struct dirent *entry;
	int rc = page ? 0 : -ENOMEM;
	int pid, number;

	while (rc == 0 && folder && (entry = readdir(folder))) {
		if (sscanf(entry->d_name, PREFIX "%d-%d", &pid, &number) != 2 || pid <= 0) {
			continue;
		}
		if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
		} else if (page_read(entry->d_name, pid, page)) {
			rc = page_visit(page, visit, arg);
		}
	}
	if (folder) {
		(void)closedir(folder);
	}
	free(page);
	return rc;
}
