/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dlmscript - scenario driver for DLM semantics, public libdlm API only.
 *
 *   dlmscript [-l LSNAME] [-n HOST:PORT,...] [-s MS] [-b] [-v] FILE.scn...
 *   dlmscript -S PORT            serve remote clients (one per node)
 *
 * Every client letter is its own process.  The trace on stdout is normalised:
 * no pids, no lock ids, no times; per step, events are listed client by client
 * in the order each client saw them.  See README.md for the language.
 *
 * Built twice: with libdlm, and with native.c, which puts the native API under the same
 * calls; there -b shows the mode of a blocking AST.
 */
#include "config.h"

#ifndef _REENTRANT
#define _REENTRANT
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <signal.h>
#include <poll.h>
#include <fcntl.h>
#include <time.h>
#include <ctype.h>
#include <stdarg.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <libdlm.h>

static const char *modes[] = { "NL", "CR", "CW", "PR", "PW", "EX" };
static const struct { const char *n; uint32_t v; } flagtab[] = {
	{ "NOQUEUE", LKF_NOQUEUE }, { "CANCEL", LKF_CANCEL }, { "CONVERT", LKF_CONVERT },
	{ "VALBLK", LKF_VALBLK }, { "QUECVT", LKF_QUECVT }, { "IVVALBLK", LKF_IVVALBLK },
	{ "CONVDEADLK", LKF_CONVDEADLK }, { "PERSISTENT", LKF_PERSISTENT },
	{ "NODLCKWT", LKF_NODLCKWT }, { "NODLCKBLK", LKF_NODLCKBLK },
	{ "EXPEDITE", LKF_EXPEDITE }, { "NOQUEUEBAST", LKF_NOQUEUEBAST },
	{ "HEADQUE", LKF_HEADQUE }, { "NOORDER", LKF_NOORDER }, { "ORPHAN", LKF_ORPHAN },
	{ "ALTPR", LKF_ALTPR }, { "ALTCW", LKF_ALTCW }, { "FORCEUNLOCK", LKF_FORCEUNLOCK },
	{ "TIMEOUT", LKF_TIMEOUT }, { "WAIT", LKF_WAIT },
};

static const char *ename(int e, char *buf)
{
	switch (e) {
	case 0: return "0";
	case ECANCEL: return "ECANCEL";
	case EUNLOCK: return "EUNLOCK";
	case EINPROG: return "EINPROG";
	case EDEADLK: return "EDEADLK";
	}
	const char *n = e > 0 ? strerrorname_np(e) : NULL;
	if (n) return n;
	sprintf(buf, "%d", e);
	return buf;
}

static long long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------ client */

struct handle {
	char name[32];
	struct dlm_lksb lksb;
	char lvb[DLM_LVB_LEN + 1];
	int gmode, rqmode, lastop;	/* lastop: 0 lock/convert, 1 unlock/cancel */
	uint32_t lastflags;
	struct handle *next;
};
static struct handle *handles;
static int cfd = -1;			/* control socket of a client process */
static dlm_lshandle_t ls;
static char lsname[80];
static int lsfd = -1, rawmode, use_pthread;

static pthread_mutex_t outmx = PTHREAD_MUTEX_INITIALIZER;
static void say(const char *fmt, ...)
{
	char b[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(b, sizeof(b) - 1, fmt, ap);
	va_end(ap);
	b[n++] = '\n';
	pthread_mutex_lock(&outmx);
	if (write(cfd, b, n) != n) _exit(9);
	pthread_mutex_unlock(&outmx);
}

static struct handle *geth(const char *n)
{
	struct handle *h;
	for (h = handles; h; h = h->next)
		if (!strcmp(h->name, n)) return h;
	h = calloc(1, sizeof(*h));
	snprintf(h->name, sizeof(h->name), "%s", n);
	h->gmode = -1;
	h->next = handles;
	handles = h;
	return h;
}

static const char *lvbstr(struct handle *h, char *b)
{
	int i, same = 1;
	if (!h->lksb.sb_lvbptr) return "-";
	for (i = 1; i < DLM_LVB_LEN; i++)
		if (h->lvb[i] != h->lvb[0]) same = 0;
	if (same) { sprintf(b, "%02x*32", (unsigned char)h->lvb[0]); return b; }
	int end = DLM_LVB_LEN;
	while (end > 0 && !h->lvb[end - 1]) end--;
	char *p = b;
	for (i = 0; i < end; i++) p += sprintf(p, "%02x", (unsigned char)h->lvb[i]);
	if (end < DLM_LVB_LEN) sprintf(p, "+00*%d", DLM_LVB_LEN - end);
	return b;
}

static const char *mname(int m)
{
	return m < 0 ? "--" : m > 5 ? "??" : modes[m];
}

static void on_ast(void *arg)
{
	struct handle *h = arg;
	char b[200], e[32];
	int st = h->lksb.sb_status, fl = (unsigned char)h->lksb.sb_flags;
	if (st == 0 && !h->lastop) {
		h->gmode = h->rqmode;
		if (fl & DLM_SBF_ALTMODE)
			h->gmode = h->lastflags & LKF_ALTPR ? LKM_PRMODE : LKM_CWMODE;
	}
	if (st == EUNLOCK) h->gmode = -1;
	say("E cast %s status=%s flags=%s%s%s%s granted=%s lvb=%s", h->name, ename(st, e),
	    fl & DLM_SBF_DEMOTED ? "DEMOTED," : "", fl & DLM_SBF_VALNOTVALID ? "VALNOTVALID," : "",
	    fl & DLM_SBF_ALTMODE ? "ALTMODE," : "", fl & 7 ? "" : "0",
	    mname(h->gmode), lvbstr(h, b));
}

#ifdef NATIVE
extern int bastmode; /* native.c */
#else
static int bastmode = -1;
#endif
static void on_bast(void *arg)
{
	struct handle *h = arg;
	char e[32];
	if (rawmode)
		say("E bast %s mode=%s lksb.status=%s", h->name, mname(bastmode),
		    ename(h->lksb.sb_status, e));
	else
		say("E bast %s lksb.status=%s", h->name, ename(h->lksb.sb_status, e));
}

static void raw_dispatch(void)
{
	dlm_dispatch(lsfd);
}

static void setlvb(struct handle *h, const char *v)
{
	memset(h->lvb, 0, sizeof(h->lvb));
	if (v[0] == '@') memset(h->lvb, strtol(v + 1, NULL, 16), DLM_LVB_LEN);
	else strncpy(h->lvb, v, DLM_LVB_LEN);
	h->lksb.sb_lvbptr = h->lvb;
}

static int parsemode(const char *s)
{
	for (int i = 0; i < 6; i++) if (!strcmp(s, modes[i])) return i;
	return atoi(s);
}

static int parseflags(const char *s, uint32_t *out)
{
	char b[256], *p, *sv = NULL;
	uint32_t v = 0;
	snprintf(b, sizeof(b), "%s", s);
	for (p = strtok_r(b, ",", &sv); p; p = strtok_r(NULL, ",", &sv)) {
		size_t i;
		if (!strncmp(p, "0x", 2)) { v |= strtoul(p, NULL, 16); continue; }
		for (i = 0; i < sizeof(flagtab) / sizeof(*flagtab); i++)
			if (!strcmp(p, flagtab[i].n)) { v |= flagtab[i].v; break; }
		if (i == sizeof(flagtab) / sizeof(*flagtab)) return -1;
	}
	*out = v;
	return 0;
}

static void ret(int rv, int err)
{
	char e[32];
	if (rv == 0) say("R 0");
	else say("R %d %s", rv, ename(err, e));
}

static int openls(void)
{
	ls = dlm_open_lockspace(lsname);
	if (!ls) return -1;
	lsfd = dlm_ls_get_fd(ls);
	if (use_pthread) { lsfd = -1; return dlm_ls_pthread_init(ls); }
	return 0;
}

static void client_cmd(char *line)
{
	char *tok[24], *p, *sv = NULL;
	int n = 0, i;
	for (p = strtok_r(line, " \t", &sv); p && n < 24; p = strtok_r(NULL, " \t", &sv)) tok[n++] = p;
	if (!n) { say("R 0"); return; }
	char *c = tok[0];
	uint32_t fl = 0;
	int sync = 0, noast = 0, nobast = 0, badfl = 0;
	uint64_t tmo = 0, xid = 0;
	int have_tmo = 0, namelen = -1;
	struct handle *h = n > 1 ? geth(tok[1]) : NULL;

	int is_lock = !strcmp(c, "lock") || !strcmp(c, "lockw");
	int is_conv = !strcmp(c, "conv") || !strcmp(c, "convw");
	int is_unl = !strcmp(c, "unlock") || !strcmp(c, "unlockw");
	int is_can = !strcmp(c, "cancel") || !strcmp(c, "cancelw");
	if (is_lock || is_conv || is_unl || is_can) sync = c[strlen(c) - 1] == 'w';
	int first = is_lock ? 4 : is_conv ? 3 : 2;
	const char *rname = is_lock && n > 3 ? tok[3] : is_conv ? "" : NULL;
	char nb[300];
	if (rname && rname[0] == '*') {		/* *N: name of N 'x' */
		int l = atoi(rname + 1);
		memset(nb, 'x', sizeof(nb)); nb[l] = 0; rname = nb; namelen = l;
	}
	if (rname && !strcmp(rname, "\"\"")) { rname = ""; namelen = 0; }
	if (is_lock || is_conv || is_unl || is_can) {
		if (n < first) { say("R usage"); return; }
		for (i = first; i < n; i++) {
			if (!strncmp(tok[i], "lvb=", 4)) setlvb(h, tok[i] + 4);
			else if (!strcmp(tok[i], "nolvb")) h->lksb.sb_lvbptr = NULL;
			else if (!strcmp(tok[i], "noast")) noast = 1;
			else if (!strcmp(tok[i], "nobast")) nobast = 1;
			else if (!strncmp(tok[i], "timeout=", 8)) { tmo = strtoull(tok[i] + 8, NULL, 10); have_tmo = 1; }
			else if (!strncmp(tok[i], "xid=", 4)) { xid = strtoull(tok[i] + 4, NULL, 10); have_tmo = 1; }
			else if (!strncmp(tok[i], "namelen=", 8)) namelen = atoi(tok[i] + 8);
			else if (parseflags(tok[i], &fl)) badfl = 1;
		}
		if (badfl) { say("R bad-flags"); return; }
		if ((fl & LKF_VALBLK) && !h->lksb.sb_lvbptr) {
			int no = 0;
			for (i = first; i < n; i++) if (!strcmp(tok[i], "nolvb")) no = 1;
			if (!no) h->lksb.sb_lvbptr = h->lvb;
		}
	}
	int rv;
	errno = 0;
	if (is_lock || is_conv) {
		int m = parsemode(tok[2]);
		if (is_conv) fl |= LKF_CONVERT;
		h->rqmode = m; h->lastop = 0; h->lastflags = fl;
		if (namelen < 0) namelen = strlen(rname);
		if (sync) {
			rv = dlm_ls_lock_wait(ls, m, &h->lksb, fl, rname, namelen, 0, h,
					      nobast ? NULL : on_bast, NULL);
			int e = errno;
			if (rv == 0 && h->lksb.sb_status == 0) h->gmode = m;
			char b[200], x[32], x2[32];
			if (rv) say("R %d %s lksb.status=%s", rv, ename(e, x2), ename(h->lksb.sb_status, x));
			else say("R 0 lksb.status=%s flags=%d lvb=%s", ename(h->lksb.sb_status, x),
				 (unsigned char)h->lksb.sb_flags, lvbstr(h, b));
			return;
		}
		if (have_tmo)
			rv = dlm_ls_lockx(ls, m, &h->lksb, fl, rname, namelen, 0, noast ? NULL : on_ast, h,
					  nobast ? NULL : on_bast, xid ? &xid : NULL, tmo ? &tmo : NULL);
		else
			rv = dlm_ls_lock(ls, m, &h->lksb, fl, rname, namelen, 0, noast ? NULL : on_ast, h,
					 nobast ? NULL : on_bast, NULL);
		ret(rv, errno);
	} else if (is_unl || is_can) {
		if (is_can) fl |= LKF_CANCEL;
		int oldop = h->lastop;
		if (sync) {
			rv = dlm_ls_unlock_wait(ls, h->lksb.sb_lkid, fl, &h->lksb);
			int e = errno;
			char x[32], x2[32];
			if (rv) say("R %d %s lksb.status=%s", rv, ename(e, x2), ename(h->lksb.sb_status, x));
			else say("R 0 lksb.status=%s", ename(h->lksb.sb_status, x));
			return;
		}
		if (is_unl) h->lastop = 1;
		rv = dlm_ls_unlock(ls, h->lksb.sb_lkid, fl, &h->lksb, h);
		if (rv) h->lastop = oldop;
		ret(rv, errno);
	} else if (!strcmp(c, "deadlock")) {
		if (n > 2) parseflags(tok[2], &fl);
		rv = dlm_ls_deadlock_cancel(ls, h->lksb.sb_lkid, fl);
		ret(rv, errno);
	} else if (!strcmp(c, "setlkid")) {	/* setlkid h VALUE|HANDLE */
		h->lksb.sb_lkid = isdigit((unsigned char)tok[2][0]) ? strtoul(tok[2], NULL, 0) : geth(tok[2])->lksb.sb_lkid;
		say("R 0");
	} else if (!strcmp(c, "rawlkid")) {
		say("R 0 %u", h->lksb.sb_lkid);
	} else if (!strcmp(c, "setlvb")) {
		setlvb(h, tok[2]); say("R 0");
	} else if (!strcmp(c, "status")) {
		char b[200], e[32];
		say("R 0 lksb.status=%s flags=%d lkid=%s lvb=%s", ename(h->lksb.sb_status, e),
		    (unsigned char)h->lksb.sb_flags, h->lksb.sb_lkid ? "set" : "0", lvbstr(h, b));
	} else if (!strcmp(c, "samelkid")) {
		say("R 0 %s", h->lksb.sb_lkid == geth(tok[2])->lksb.sb_lkid ? "same" : "different");
	} else if (!strcmp(c, "purge")) {	/* purge NODEID PID (numbers, filled in by the coordinator) */
		rv = dlm_ls_purge(ls, atoi(tok[1]), atoi(tok[2]));
		ret(rv, errno);
	} else if (!strcmp(c, "close")) {
		rv = dlm_close_lockspace(ls); ls = NULL; lsfd = -1; ret(rv, errno);
	} else if (!strcmp(c, "open")) {
		if (n > 1) snprintf(lsname, sizeof(lsname), "%s", tok[1]);
		rv = openls(); ret(rv, errno);
	} else if (!strcmp(c, "create")) {	/* create NAME FLAGS; the handle is closed again, because a
						 * release blocks in the kernel while other handles are open */
		dlm_lshandle_t l = dlm_new_lockspace(tok[1], 0600, n > 2 ? strtoul(tok[2], NULL, 0) : 0);
		int e = errno;
		if (l) dlm_close_lockspace(l);
		ret(l ? 0 : -1, e);
	} else if (!strcmp(c, "release")) {	/* release [FORCE] of the client's lockspace */
		rv = dlm_release_lockspace(lsname, ls, n > 1 ? atoi(tok[1]) : 0);
		int e = errno;
		if (!rv) { ls = NULL; lsfd = -1; }
		ret(rv, e);
	} else if (!strcmp(c, "exit")) {
		say("R 0");
		exit(0);
	} else
		say("R unknown-command");
}

static void client_main(int fd, const char *lsn, int pth, int raw)
{
	char buf[4096];
	int have = 0;
	cfd = fd;
	use_pthread = pth; rawmode = raw;
	snprintf(lsname, sizeof(lsname), "%s", lsn);
	signal(SIGPIPE, SIG_IGN);
	if (openls()) { say("P -1 %d", errno); _exit(2); }
	say("P %d", (int)getpid());
	for (;;) {
		struct pollfd p[2] = { { cfd, POLLIN, 0 }, { lsfd, POLLIN, 0 } };
		poll(p, lsfd >= 0 ? 2 : 1, -1);
		if (lsfd >= 0 && (p[1].revents & POLLIN)) {
			if (rawmode) raw_dispatch(); else dlm_dispatch(lsfd);
			continue;
		}
		if (p[0].revents) {
			int n = read(cfd, buf + have, sizeof(buf) - 1 - have);
			if (n <= 0) _exit(0);
			have += n; buf[have] = 0;
			char *nl;
			while ((nl = strchr(buf, '\n'))) {
				*nl = 0;
				char line[4096];
				strcpy(line, buf);
				have -= nl + 1 - buf;
				memmove(buf, nl + 1, have + 1);
				client_cmd(line);
			}
		}
	}
}

/* ------------------------------------------------------------------ server */

static int rdline(int fd, char *b, int max)
{
	int n = 0;
	while (n < max - 1) {
		if (read(fd, b + n, 1) != 1) return -1;
		if (b[n] == '\n') break;
		n++;
	}
	b[n] = 0;
	return n;
}

static dlm_lshandle_t held;
static int ls_up(const char *name)
{
	held = dlm_new_lockspace(name, 0600, 0);
	return held ? 0 : errno;
}
static int ls_down(const char *name)
{
	if (!held) return 0;
	int rv = dlm_release_lockspace(name, held, 2);
	held = NULL;
	return rv ? errno : 0;
}

static void serve(int port)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	if (bind(s, (void *)&a, sizeof(a)) || listen(s, 64)) { perror("listen"); exit(1); }
	fcntl(s, F_SETFD, FD_CLOEXEC);
	for (;;) {
		int c = accept(s, NULL, NULL);
		char b[256], x[80];
		int pid, p, r;
		if (c < 0) continue;
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (rdline(c, b, sizeof(b)) < 0) { close(c); continue; }
		if (sscanf(b, "CLIENT %79s %d %d", x, &p, &r) == 3) {
			pid = fork();
			if (!pid) { close(s); client_main(c, x, p, r); _exit(0); }
		} else if (sscanf(b, "KILL %d", &pid) == 1) {
			kill(pid, SIGKILL); waitpid(pid, NULL, 0); dprintf(c, "0\n");
		} else if (sscanf(b, "REAP %d", &pid) == 1) {
			waitpid(pid, NULL, 0); dprintf(c, "0\n");
		} else if (sscanf(b, "UP %79s", x) == 1) dprintf(c, "%d\n", ls_up(x));
		else if (sscanf(b, "DOWN %79s", x) == 1) dprintf(c, "%d\n", ls_down(x));
		else if (!strcmp(b, "QUIT")) { dprintf(c, "0\n"); exit(0); }
		close(c);
	}
}

/* ------------------------------------------------------------- coordinator */

struct client {
	int letter, fd, pid, node, alive, busy, pth;
	char buf[16384]; int have;
	char *ev[4096]; int nev, printed;
	char reply[2100]; int got;
	char lastid[16];
} cl[26];

static int nnodes = 1, settle = 60, verbose, raw, mism;
static char *nodes[16];		/* NULL: this process forks the client itself */
static char curls[80];

static int dial(const char *hp)
{
	char h[128]; int port = 7711, s, one = 1;
	snprintf(h, sizeof(h), "%s", hp);
	char *c = strrchr(h, ':');
	if (c) { *c = 0; port = atoi(c + 1); }
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, h, &a.sin_addr);
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(s, (void *)&a, sizeof(a))) { perror(hp); exit(1); }
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return s;
}

static int ctl(int node, const char *fmt, ...)
{
	char b[256], r[64];
	va_list ap;
	int s = dial(nodes[node]);
	va_start(ap, fmt); vsnprintf(b, sizeof(b), fmt, ap); va_end(ap);
	dprintf(s, "%s\n", b);
	r[0] = 0;
	rdline(s, r, sizeof(r));
	close(s);
	return atoi(r);
}

static void clline(struct client *c, char *l)
{
	if (l[0] == 'R') {
		if (c->busy == 2) {
			char b[2100];
			snprintf(b, sizeof(b), "ret %s", l + 2);
			c->ev[c->nev++] = strdup(b);
		} else snprintf(c->reply, sizeof(c->reply), "%s", l + 2);
		c->busy = 0; c->got = 1;
	} else if (l[0] == 'E')
		c->ev[c->nev++] = strdup(l + 2);
	else if (l[0] == 'P') {
		c->pid = atoi(l + 2); c->got = 1;
	}
}

/* read whatever arrives for up to ms; returns 1 if something came */
static int pump(int ms)
{
	struct pollfd p[26]; struct client *m[26];
	int n = 0, i, any = 0;
	for (i = 0; i < 26; i++)
		if (cl[i].alive) { p[n] = (struct pollfd){ cl[i].fd, POLLIN, 0 }; m[n++] = &cl[i]; }
	if (!n) { usleep(ms * 1000); return 0; }
	if (poll(p, n, ms) <= 0) return 0;
	for (i = 0; i < n; i++) {
		if (!p[i].revents) continue;
		struct client *c = m[i];
		int r = read(c->fd, c->buf + c->have, sizeof(c->buf) - 1 - c->have);
		if (r <= 0) { c->alive = 0; close(c->fd); c->got = 1; continue; }
		any = 1;
		c->have += r; c->buf[c->have] = 0;
		char *nl;
		while ((nl = strchr(c->buf, '\n'))) {
			char line[2048];
			*nl = 0;
			snprintf(line, sizeof(line), "%.2000s", c->buf);
			c->have -= nl + 1 - c->buf;
			memmove(c->buf, nl + 1, c->have + 1);
			clline(c, line);
		}
	}
	return any;
}

static void show(void)
{
	for (int i = 0; i < 26; i++)
		for (; cl[i].printed < cl[i].nev; cl[i].printed++)
			printf("    %c: %s\n", cl[i].letter, cl[i].ev[cl[i].printed]);
}

static void do_settle(int ms)
{
	long long end = now_ms() + ms, cap = now_ms() + 20000;
	while (now_ms() < end && now_ms() < cap)
		if (pump(end - now_ms())) end = now_ms() + ms;
	show();
}

static struct client *spawn(int letter, int node, int pth)
{
	struct client *c = &cl[letter - 'A'];
	for (int i = 0; i < c->nev; i++) free(c->ev[i]);
	memset(c, 0, sizeof(*c));
	c->letter = letter; c->node = node; c->pth = pth;
	if (nodes[node]) {
		c->fd = dial(nodes[node]);
		dprintf(c->fd, "CLIENT %s %d %d\n", curls, pth, raw);
	} else {
		int sv[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv)) exit(1);
		fflush(stdout);
		c->pid = fork();
		if (!c->pid) {
			close(sv[0]);
			for (int i = 0; i < 26; i++) if (cl[i].alive) close(cl[i].fd);
			client_main(sv[1], curls, pth, raw);
			_exit(0);
		}
		close(sv[1]);
		c->fd = sv[0];
	}
	c->alive = 1;
	long long end = now_ms() + 10000;
	while (!c->got && now_ms() < end) pump(100);
	if (c->pid <= 0) { fprintf(stderr, "client %c failed to start\n", letter); exit(1); }
	return c;
}

static void reap(struct client *c, int dokill)
{
	if (nodes[c->node]) ctl(c->node, "%s %d", dokill ? "KILL" : "REAP", c->pid);
	else { if (dokill) kill(c->pid, SIGKILL); waitpid(c->pid, NULL, 0); }
	if (c->alive) {		/* take what it had already said */
		while (c->alive && pump(50)) ;
		if (c->alive) close(c->fd);
		c->alive = 0;
	}
}

static int nodeid(int n) { return nodes[n] ? n + 1 : 0; }

static void runfile(const char *fn, int seq)
{
	FILE *f = fopen(fn, "r");
	char line[1024], orig[1024];
	int i, autonode = 0;
	if (!f) { perror(fn); exit(1); }
	{	/* in memory: a client that calls exit() must not move our file offset */
		static char text[65536];
		size_t n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
		text[n] = 0;
		f = fmemopen(text, n ? n : 1, "r");
	}
	if (seq >= 0) snprintf(curls, sizeof(curls), "o%d_%d", (int)getpid() % 10000, seq);
	for (i = 0; i < nnodes; i++) {
		int e = nodes[i] ? ctl(i, "UP %s", curls) : ls_up(curls);
		if (e) { fprintf(stderr, "lockspace %s on node %d: %s\n", curls, i + 1, strerror(e)); exit(1); }
	}
	const char *bn = strrchr(fn, '/');
	bn = bn ? bn + 1 : fn;
	printf("== %.*s\n", (int)strcspn(bn, "."), bn);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		char *s = line;
		while (*s == ' ' || *s == '\t') s++;
		if (!*s || *s == '#') continue;
		int nos = 0;
		char *exp = strstr(s, "=>");
		snprintf(orig, sizeof(orig), "%s", s);
		if (exp) { *exp = 0; exp += 2; while (*exp == ' ') exp++; }
		for (char *e = s + strlen(s); e > s && isspace((unsigned char)e[-1]); ) *--e = 0;
		if (*s == '+') { nos = 1; s++; }
		printf("> %s\n", orig);
		if (!strncmp(s, "client ", 7)) {
			int node = -1, pth = 0; char l = 0, *at = strchr(s, '@');
			sscanf(s + 7, " %c", &l);
			if (at) node = atoi(at + 1) - 1;
			else node = autonode++;
			node %= nnodes;
			if (strstr(s, " pthread")) pth = 1;
			spawn(l, node, pth);
			continue;
		}
		if (!strncmp(s, "kill ", 5)) {
			reap(&cl[s[5] - 'A'], 1);
			if (!nos) do_settle(settle);
			continue;
		}
		if (!strncmp(s, "settle", 6)) { do_settle(s[6] ? atoi(s + 7) : settle); continue; }
		if (!strncmp(s, "sleep ", 6)) { usleep(atoi(s + 6) * 1000); continue; }
		if (!strncmp(s, "wait ", 5)) {	/* wait A n [ms] */
			char l; int n = 1, ms = 5000;
			sscanf(s + 5, " %c %d %d", &l, &n, &ms);
			struct client *c = &cl[l - 'A'];
			long long end = now_ms() + ms;
			while (c->nev - c->printed < n && now_ms() < end) pump(20);
			if (c->nev - c->printed < n) printf("    %c: wait timed out (%d of %d)\n", l, c->nev - c->printed, n);
			do_settle(settle);
			continue;
		}
		if (s[0] >= 'A' && s[0] <= 'Z' && s[1] == ' ') {
			struct client *c = &cl[s[0] - 'A'], *q;
			char cmd[1024];
			if (!c->alive) { printf("    %c: not running\n", s[0]); continue; }
			snprintf(cmd, sizeof(cmd), "%s", s + 2);
			if (!strncmp(cmd, "purge ", 6)) {
				/* purge OF_NODE_OF|0|self|NUM  CLIENT|0|self|NUM */
				char a[32] = "0", b[32] = "0"; int nid, pid;
				sscanf(cmd + 6, "%31s %31s", a, b);
				nid = isupper((unsigned char)a[0]) ? nodeid(cl[a[0] - 'A'].node) : !strcmp(a, "self") ? nodeid(c->node) : atoi(a);
				q = isupper((unsigned char)b[0]) ? &cl[b[0] - 'A'] : !strcmp(b, "self") ? c : NULL;
				pid = q ? q->pid : atoi(b);
				snprintf(cmd, sizeof(cmd), "purge %d %d", nid, pid);
			}
			if (c->busy) { printf("    %c: busy in a call\n", s[0]); continue; }
			if (!strncmp(cmd, "stealid ", 8)) {	/* B stealid b A a: use A's lock id */
				char mine[32], his[32], l; unsigned id = 0;
				sscanf(cmd + 8, "%31s %c %31s", mine, &l, his);
				q = &cl[l - 'A'];
				if (q->alive) {
					q->got = 0; q->busy = 1;
					dprintf(q->fd, "rawlkid %s\n", his);
					long long e2 = now_ms() + 5000;
					while (!q->got && now_ms() < e2) pump(50);
					sscanf(q->reply, "0 %u", &id);
					snprintf(q->lastid, sizeof(q->lastid), "%u", id);
				}
				snprintf(cmd, sizeof(cmd), "setlkid %s %s", mine, q->lastid);
			}
			c->got = 0; c->reply[0] = 0; c->busy = 1;
			int ex = !strncmp(cmd, "exit", 4);
			dprintf(c->fd, "%s\n", cmd);
			char w[16] = ""; sscanf(cmd, "%15s", w);
			int sync = !strcmp(w, "lockw") || !strcmp(w, "convw") || !strcmp(w, "unlockw") || !strcmp(w, "cancelw");
			long long end = now_ms() + (sync ? settle * 4 : 15000);
			while (!c->got && now_ms() < end) pump(end - now_ms());
			if (!c->got) {
				c->busy = 2;
				printf("    %c: -> (call blocks)\n", s[0]);
			} else {
				printf("    %c: -> %s\n", s[0], c->reply);
				if (exp) {
					char first[64]; const char *r = c->reply;
					if (r[0] == '-') { r = strchr(r, ' '); r = r ? r + 1 : ""; }
					snprintf(first, sizeof(first), "%.*s", (int)strcspn(r, " "), r);
					if (strcmp(first, exp)) { printf("    MISMATCH expected %s\n", exp); mism++; }
				}
			}
			if (ex) reap(c, 0);
			if (!nos) do_settle(settle);
			continue;
		}
		printf("    ?? bad line\n");
		mism++;
	}
	fclose(f);
	do_settle(settle);
	printf("> (end)\n");
	for (i = 0; i < 26; i++)
		if (cl[i].alive) { reap(&cl[i], 1); }
	for (i = 0; i < 26; i++) { cl[i].printed = cl[i].nev; }
	fflush(stdout);
	for (i = nnodes - 1; i >= 0; i--) {
		int e = nodes[i] ? ctl(i, "DOWN %s", curls) : ls_down(curls);
		if (e) fprintf(stderr, "%s: release on node %d: %s\n", fn, i + 1, strerror(e));
	}
}

int main(int argc, char **argv)
{
	int o, seq = 0;
	setvbuf(stdout, NULL, _IOFBF, 65536);
	signal(SIGPIPE, SIG_IGN);
	while ((o = getopt(argc, argv, "l:n:s:bvS:")) != -1) switch (o) {
		case 'l': snprintf(curls, sizeof(curls), "%s", optarg); seq = -1; break;
		case 'n': {
			char *p, *sv = NULL; nnodes = 0;
			for (p = strtok_r(optarg, ",", &sv); p; p = strtok_r(NULL, ",", &sv))
				nodes[nnodes++] = !strcmp(p, "local") ? NULL : p;
			break; }
		case 's': settle = atoi(optarg); break;
		case 'b': raw = 1; break;
		case 'v': verbose = 1; break;
		case 'S': serve(atoi(optarg)); return 0;
		default: fprintf(stderr, "see the head of dlmscript.c\n"); return 2;
	}
	for (; optind < argc; optind++) {
		runfile(argv[optind], seq < 0 ? -1 : seq++);
		fflush(stdout);
	}
	return mism ? 1 : 0;
}
