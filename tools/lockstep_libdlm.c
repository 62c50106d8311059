/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lockstep libdlm run: a program made for the kernel's DLM, unchanged, on our libraries. Then this
 * process is that program: its pid, its parent and its signals are the same, so a service manager need
 * not know. Nothing of us stays: the tree that the program sees is kept by lockstepd.
 *
 *   LD_LIBRARY_PATH          our libdlm.so.3 and libdlm_lt.so.3 (R-LVM-1)
 *   /sys/kernel/config/dlm   in a mount namespace of its own: lockstepd's tree (R-LVM-3 b, R-LVM-4)
 *
 * sysfs takes no new directories, so where the kernel has no configfs an overlay puts `config` into
 * /sys/kernel; what is mounted below that is mounted again on top of it.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/lockstep.h"

#define SYS_KERNEL "/sys/kernel"
#define SYS_CONFIG SYS_KERNEL "/config"
#define SYS_CONFIG_DLM SYS_CONFIG "/dlm"
#define KERNEL_SPACES SYS_KERNEL "/dlm"
#define LIBRARY "libdlm_lt.so.3"
#define SPACES_MAX 64
#define MOUNTS_MAX 32
#define PATH_MAX_BYTES 4096
#define NAME_POLL_MS 100
#define NAME_WAIT_MS 10000 /* for Corosync to tell lockstepd the cluster's name */

enum { OPTION_LIBDIR = OPTION_VERB, OPTION_NO_TREE };

struct libdlm {
	struct cli *cli;
	const char *spaces[SPACES_MAX]; /* that the program is going to use */
	size_t spaces_count;
	bool no_tree;
	char tree[PATH_MAX_BYTES];
	char libdir[PATH_MAX_BYTES];
	char **command;
};

/* --- our libraries ----------------------------------------------------------------------- */

static bool has_library(const char *dir)
{
	char path[PATH_MAX_BYTES + sizeof("/" LIBRARY)];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, LIBRARY);
	return access(path, R_OK) == 0;
}

/* Where this program was installed, whatever that was called when it was built; or built. */
static bool libdir_find(struct libdlm *l)
{
	size_t bindir = strlen(LOCKSTEP_BINDIR);
	char exe[PATH_MAX_BYTES];
	ssize_t size = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (size > 0) {
		exe[size] = '\0';
		*strrchr(exe, '/') = '\0';
		if (has_library(exe)) {
			(void)snprintf(l->libdir, sizeof(l->libdir), "%s", exe);
			return true;
		}
		size_t length = strlen(exe);

		if (length >= bindir && strcmp(exe + length - bindir, LOCKSTEP_BINDIR) == 0) {
			(void)snprintf(l->libdir, sizeof(l->libdir), "%.*s%s/lockstep",
				       (int)(length - bindir), exe, LOCKSTEP_LIBDIR);
			if (has_library(l->libdir)) {
				return true;
			}
		}
	}
	(void)snprintf(l->libdir, sizeof(l->libdir), "%s/lockstep", LOCKSTEP_LIBDIR);
	return has_library(l->libdir);
}

static int libraries_show(const struct libdlm *l)
{
	const char *before = getenv("LD_LIBRARY_PATH");
	char path[2 * PATH_MAX_BYTES];

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", l->libdir, before && *before ? ":" : "",
			     before ? before : "") >= sizeof(path)) {
		complain("libdlm run: LD_LIBRARY_PATH is too long");
		return EXIT_FAILED;
	}
	if (setenv("LD_LIBRARY_PATH", path, 1) != 0 ||
	    (l->cli->options.ipc_name &&
	     setenv("LOCKSTEP_IPC_NAME", l->cli->options.ipc_name, 1) != 0)) {
		return fail(-errno, "libdlm run");
	}
	return EXIT_OK;
}

/* --- never mix lock managers ------------------------------------------------------------- */

static bool kernel_has(const char *space)
{
	char path[sizeof(KERNEL_SPACES) + 1 + LOCKSTEP_SPACE_MAX];

	return (size_t)snprintf(path, sizeof(path), KERNEL_SPACES "/%s", space) < sizeof(path) &&
	       access(path, F_OK) == 0;
}

static int kernel_refuse(const char *space)
{
	complain("libdlm run: lockspace \"%s\" exists in the kernel's DLM on this node (" KERNEL_SPACES
		 "/%s): its users and the program would not exclude each other; end them first",
		 space, space);
	return EXIT_FAILED;
}

static int space_check(const struct lockstep_space_info *s, void *arg)
{
	(void)arg;
	return kernel_has(s->name) ? kernel_refuse(s->name) : 0;
}

/* R-LVM-5. What the program creates later is refused by lockstepd; here it is said before. */
static int kernel_check(const struct libdlm *l, struct lockstep_admin *a)
{
	for (size_t i = 0; i < l->spaces_count; i++) {
		if (kernel_has(l->spaces[i])) {
			return kernel_refuse(l->spaces[i]);
		}
	}
	int rc = lockstep_admin_spaces(a, space_check, NULL);

	if (rc < 0) {
		return fail(rc, "libdlm run: listing lockspaces");
	}
	DIR *dir = rc == 0 ? opendir(KERNEL_SPACES) : NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.') {
			complain("libdlm run: warning: the kernel's DLM has lockspace \"%s\" on this node; a lockspace of that name will be refused",
				 entry->d_name);
		}
	}
	if (dir) {
		(void)closedir(dir);
	}
	return rc;
}

/* --- the tree ---------------------------------------------------------------------------- */

/* lockstepd tells where it is, and whether there is something in it yet. */
static int tree_find(struct libdlm *l, struct lockstep_admin *a)
{
	char name[PATH_MAX_BYTES + sizeof("/dlm/cluster/cluster_name")];

	for (int waited_ms = 0;; waited_ms += NAME_POLL_MS) {
		int error = lockstep_admin_configfs(a, l->tree, sizeof(l->tree));

		if (error) {
			return fail(error, "libdlm run: asking lockstepd");
		}
		(void)snprintf(name, sizeof(name), "%s/dlm/cluster/cluster_name", l->tree);
		if (access(name, F_OK) == 0) {
			return EXIT_OK;
		}
		if (waited_ms >= NAME_WAIT_MS) {
			complain("libdlm run: lockstepd does not know the cluster's name yet; is Corosync running?");
			return EXIT_FAILED;
		}
		sleep_ms(NAME_POLL_MS);
	}
}

/* "\040" and the like, of /proc/self/mountinfo, in place. */
static void octal_decode(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3') {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

struct mounted {
	char *path;
	int fd;
};

/* What is mounted directly below /sys/kernel, before an overlay covers it. */
static size_t mounts_keep(struct mounted *m)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0, count = 0;

	while (file && count < MOUNTS_MAX && getline(&line, &room, file) > 0) {
		char path[PATH_MAX_BYTES];

		if (sscanf(line, "%*d %*d %*s %*s %4095s", path) != 1) {
			continue;
		}
		octal_decode(path);
		if (strncmp(path, SYS_KERNEL "/", sizeof(SYS_KERNEL)) != 0 ||
		    strchr(path + sizeof(SYS_KERNEL), '/')) {
			continue; /* below one of these it comes along */
		}
		m[count].fd = open(path, O_PATH | O_CLOEXEC);
		m[count].path = m[count].fd >= 0 ? strdup(path) : NULL;
		count += m[count].path ? 1 : 0;
	}
	free(line);
	if (file) {
		(void)fclose(file);
	}
	return count;
}

static void mounts_put_back(struct mounted *m, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char from[32];

		(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", m[i].fd);
		if (mount(from, m[i].path, NULL, MS_BIND | MS_REC, NULL) != 0) {
			complain("libdlm run: warning: the program does not see %s: %s", m[i].path,
				 strerror(errno));
		}
		(void)close(m[i].fd);
		free(m[i].path);
	}
}

/* Puts an empty directory `config` into /sys/kernel. The layer that has it is a tmpfs, mounted where the
 * overlay goes and covered by it. */
static int config_make(void)
{
	struct mounted kept[MOUNTS_MAX];
	size_t count = mounts_keep(kept);
	int below = open(SYS_KERNEL, O_PATH | O_CLOEXEC);
	char layers[64];
	int error = 0;

	if (below < 0 ||
	    mount("lockstep", SYS_KERNEL, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") != 0) {
		return -errno;
	}
	int above = open(SYS_KERNEL, O_PATH | O_CLOEXEC);

	(void)snprintf(layers, sizeof(layers), "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d", above,
		       below);
	if (above < 0 || mkdirat(above, "config", 0755) != 0 ||
	    mount("lockstep", SYS_KERNEL, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  layers) != 0) {
		error = -errno;
	}
	(void)close(above);
	(void)close(below);
	mounts_put_back(kept, count);
	return error;
}

/* To be read: the daemon writes it elsewhere. */
static int tree_bind(const char *tree, const char *place)
{
	if (mount(tree, place, NULL, MS_BIND, NULL) != 0 ||
	    mount(NULL, place, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) != 0) {
		return fail(-errno, "libdlm run: mounting %s on %s", tree, place);
	}
	return EXIT_OK;
}

static int tree_show(const struct libdlm *l)
{
	char dlm[PATH_MAX_BYTES + sizeof("/dlm")];

	if (unshare(CLONE_NEWNS) != 0) {
		int error = -errno;

		return fail(error, "libdlm run: a mount namespace%s",
			    error == -EPERM ? " (which needs root; or --no-tree, if the program reads nothing below " SYS_CONFIG ")"
					    : "");
	}
	/* What is mounted later outside is seen inside, and nothing of ours outside. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
		return fail(-errno, "libdlm run: making / private");
	}
	(void)snprintf(dlm, sizeof(dlm), "%s/dlm", l->tree);
	if (access(SYS_CONFIG_DLM, F_OK) == 0) {
		return tree_bind(dlm, SYS_CONFIG_DLM);
	}
	if (access(SYS_CONFIG, F_OK) != 0) {
		int error = config_make();

		if (error) {
			return fail(error, "libdlm run: making " SYS_CONFIG " with an overlay");
		}
	}
	return tree_bind(l->tree, SYS_CONFIG);
}

/* --- the verb ---------------------------------------------------------------------------- */

static int run(struct libdlm *l)
{
	struct lockstep_admin *a;
	int code;

	if (!l->libdir[0] && !libdir_find(l)) {
		complain("libdlm run: " LIBRARY " is not installed in %s", l->libdir);
		return EXIT_FAILED;
	}
	code = admin_open(l->cli, &a);
	if (code) {
		return code;
	}
	code = kernel_check(l, a);
	if (code == EXIT_OK && !l->no_tree) {
		code = tree_find(l, a);
	}
	lockstep_admin_close(a);
	if (code == EXIT_OK && !l->no_tree) {
		code = tree_show(l);
	}
	if (code == EXIT_OK) {
		code = libraries_show(l);
	}
	if (code != EXIT_OK) {
		return code;
	}
	(void)execvp(l->command[0], l->command);
	code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	complain("libdlm run: %s: %s", l->command[0], strerror(errno));
	return code;
}

int verb_libdlm(struct cli *cli, const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = {
		COMMON_OPTIONS,
		SPACE_OPTION,
		{ "libdir", required_argument, NULL, OPTION_LIBDIR },
		{ "no-tree", no_argument, NULL, OPTION_NO_TREE },
		{ NULL, 0, NULL, 0 },
	};
	struct libdlm l = { .cli = cli };
	bool subverb = argc > 1 && strcmp(argv[1], "run") == 0;
	int option, code;

	argc -= subverb;
	argv += subverb;
	while ((option = getopt_long(argc, argv, "+hs:", options, NULL)) >= 0) {
		switch (option) {
		case 's':
			if (l.spaces_count == SPACES_MAX) {
				return usage_error(verb, "more than %d lockspaces", SPACES_MAX);
			}
			l.spaces[l.spaces_count++] = optarg;
			break;
		case OPTION_LIBDIR:
			if (!has_library(optarg)) {
				return usage_error(verb, LIBRARY " is not in %s", optarg);
			}
			(void)snprintf(l.libdir, sizeof(l.libdir), "%s", optarg);
			break;
		case OPTION_NO_TREE:
			l.no_tree = true;
			break;
		default:
			code = option_common(cli, verb, option);
			if (code >= 0) {
				return code;
			}
		}
	}
	if (!subverb) {
		return usage_error(verb, "run");
	}
	if (optind >= argc) {
		return usage_error(verb, "which program? PROGRAM is missing");
	}
	l.command = argv + optind;
	return run(&l);
}
