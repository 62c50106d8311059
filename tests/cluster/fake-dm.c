/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device-mapper for lvmlockd to look at, where the kernel has none: preloaded, answers what it asks
 * /dev/mapper/control. lvmlockd that is started again takes over the locks of those volumes only that
 * are active, so it wants a list of them: FAKE_DM names a file with lines "NAME UUID".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#define CONTROL "/dev/mapper/control"
#define DEVICES_MAX 16

static int control_fd = -1;

struct device {
	char name[DM_NAME_LEN];
	char uuid[DM_UUID_LEN];
};

static size_t devices_read(struct device *devices)
{
	const char *path = getenv("FAKE_DM");
	FILE *file = path ? fopen64(path, "re") : NULL;
	size_t count = 0;

	while (file && count < DEVICES_MAX &&
	       fscanf(file, "%127s %128s", devices[count].name, devices[count].uuid) == 2) {
		count++;
	}
	if (file) {
		(void)fclose(file);
	}
	return count;
}

int open64(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
	va_list args;

	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;

	va_end(args);
	if (strcmp(path, CONTROL) != 0) {
		return real(path, flags, mode);
	}
	control_fd = real("/dev/null", O_RDWR | O_CLOEXEC);
	return control_fd;
}

int open(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;

	va_end(args);
	return open64(path, flags, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	static char devices[] = "Block devices:\n253 device-mapper\n";
	static char misc[] = "236 device-mapper\n";
	FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen64");

	if (strcmp(path, "/proc/devices") == 0) {
		return fmemopen(devices, sizeof(devices) - 1, "r");
	}
	if (strcmp(path, "/proc/misc") == 0) {
		return fmemopen(misc, sizeof(misc) - 1, "r");
	}
	return real(path, mode);
}

static int list(struct dm_ioctl *io, const struct device *devices, size_t count)
{
	uint8_t *at = (uint8_t *)io + io->data_start;
	uint8_t *end = (uint8_t *)io + io->data_size;
	struct dm_name_list *last = NULL;

	memset(at, 0, (size_t)(end - at));
	for (size_t i = 0; i < count; i++) {
		struct dm_name_list *entry = (struct dm_name_list *)at;
		size_t size = (sizeof(*entry) + strlen(devices[i].name) + 1 + 15) & ~(size_t)7;

		if (at + size > end) {
			io->flags |= DM_BUFFER_FULL_FLAG;
			return 0;
		}
		entry->dev = makedev(253, i + 1);
		strcpy(entry->name, devices[i].name);
		if (last) {
			last->next = (uint32_t)((uint8_t *)entry - (uint8_t *)last);
		}
		last = entry;
		at += size;
	}
	return 0;
}

static int status(struct dm_ioctl *io, const struct device *devices, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(io->name, devices[i].name) == 0) {
			strcpy(io->uuid, devices[i].uuid);
			io->dev = makedev(253, i + 1);
			io->flags |= DM_ACTIVE_PRESENT_FLAG;
			return 0;
		}
	}
	errno = ENXIO;
	return -1;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	struct device devices[DEVICES_MAX];
	va_list args;

	va_start(args, request);
	void *arg = va_arg(args, void *);

	va_end(args);
	if (fd != control_fd || fd < 0 || _IOC_TYPE(request) != DM_IOCTL) {
		return real(fd, request, arg);
	}
	struct dm_ioctl *io = arg;
	size_t count = devices_read(devices);

	io->version[0] = DM_VERSION_MAJOR;
	io->version[1] = DM_VERSION_MINOR;
	io->version[2] = DM_VERSION_PATCHLEVEL;
	if (request == DM_VERSION) {
		return 0;
	}
	if (request == DM_LIST_DEVICES) {
		return list(io, devices, count);
	}
	if (request == DM_DEV_STATUS) {
		return status(io, devices, count);
	}
	errno = ENOTTY;
	return -1;
}
