/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/gate.h"

/* Byte 0: open. Byte 1: somebody keeps it. */
static int range_lock(int fd, short type, off_t byte)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

	return fcntl(fd, F_SETLK, &lock) ? -errno : 0;
}

int gate_make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0) {
		return -errno;
	}
	int error = range_lock(fd, F_WRLCK, 1);

	if (error) {
		(void)close(fd);
		return error == -EAGAIN || error == -EACCES ? -EBUSY : error;
	}
	return fd;
}

int gate_open(int fd)
{
	return range_lock(fd, F_WRLCK, 0);
}

void gate_close(int fd)
{
	(void)range_lock(fd, F_UNLCK, 0);
}

int gate_is_open(const char *path)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		return -errno;
	}
	int error = fcntl(fd, F_GETLK, &lock) ? -errno : 0;

	(void)close(fd);
	return error ? error : lock.l_type != F_UNLCK;
}
