/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep(1): locks and their state from the command line. Each verb family has a file. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lockstep.h"

static const struct verb verbs[] = {
	{ "run", "[-m MODE] [-w SECONDS | -n] [-s LOCKSPACE] [-v] NAME -- COMMAND [ARGUMENT...]",
	  "Run COMMAND while holding the lock NAME.\n"
	  "  -m, --mode MODE          NL, CR, CW, PR (shared), PW or EX (the default)\n"
	  "  -w, --wait SECONDS       give up after that time (fractions allowed)\n"
	  "  -n, --nonblock           do not wait for other holders\n"
	  "  -s, --lockspace NAME     default: $LOCKSTEP_LOCKSPACE, or \"default\"\n"
	  "  -v, --verbose            say who holds the lock, and how many wait before, when it takes longer\n"
	  "COMMAND sees LOCKSTEP_TOKEN, LOCKSTEP_NAME and LOCKSTEP_LOCKSPACE.\n"
	  "Exit: COMMAND's own, 128+N after signal N, 75 lock not acquired, 76 lock lost,\n"
	  "126 COMMAND cannot be run, 127 not found.\n",
	  verb_run },
	{ "ls", "[--json] [-s LOCKSPACE | LOCKSPACE]",
	  "List the lockspaces of this node, or the resources of one of them.\n", verb_ls },
	{ "locks", "[-s LOCKSPACE] [OPTION...] [NAME]",
	  "List locks, granted and waiting, of one resource or of all.\n"
	  "      --node NODE          of that node (name or number)\n"
	  "      --pid PID            of that process\n"
	  "  -m, --mode MODE          held or asked for in that mode\n"
	  "      --waiting            those that wait, to be converted too\n"
	  "      --holder             those that hold something\n"
	  "      --contended          only of resources that somebody waits for\n"
	  "      --wide               more columns\n"
	  "      --json               as JSON\n"
	  "      --watch[=SECONDS]    again when something has changed, at most every SECONDS (1)\n"
	  "      --count N            end after N times\n",
	  verb_locks },
	{ "status", "[--summary | --json]",
	  "Show the daemon, the cluster and the lockspaces of this node.\n"
	  "  --summary                one short line\n"
	  "Exit: 0 all is well, 1 something is waited for or wrong.\n",
	  verb_status },
	{ "explain", "[-s LOCKSPACE] [--json] NAME",
	  "Say who holds NAME, who waits for whom, and what the cluster waits for.\n", verb_explain },
	{ "trace", "[-s LOCKSPACE] [-n COUNT] [--json] NAME",
	  "Write a line for everything that happens to NAME.\n"
	  "  -n, --count COUNT        end after so many lines\n",
	  verb_trace },
	{ "lvb", "get [-s LOCKSPACE] [--hex | --raw | --json] NAME |\n"
	  "           set [-s LOCKSPACE] [-w SECONDS] [--hex] NAME VALUE | set --invalid NAME",
	  "Show or write the lock value block of NAME.\n"
	  "      --hex                as hexadecimal digits, not as text with \\xHH\n"
	  "      --raw                the bytes as they are\n"
	  "      --invalid            mark it invalid\n"
	  "  -w, --wait SECONDS       give up waiting for the lock after that time (default 10)\n"
	  "Exit: 1 (get) nobody has the lock, or the value is invalid; 75 NAME is held by others.\n",
	  verb_lvb },
	{ "check-token", "[-s LOCKSPACE] [--json] NAME TOKEN",
	  "Say whether the fencing token TOKEN belongs to a lock on NAME that is held now.\n"
	  "Exit: 0 current, 76 stale, 75 this node cannot tell.\n",
	  verb_check_token },
	{ "release", "--force [-s LOCKSPACE] NAME",
	  "Release the orphans that this node has on NAME.\n"
	  "  -f, --force              yes, I mean it\n"
	  "What a living program or a lost node holds is not touched; it says what to do.\n",
	  verb_release },
	{ "lockspace", "create [-l BYTES] [-p MODE] [-w SECONDS] [--deadlock-wait SECONDS|never]\n"
	  "                 [--xid-scope node|cluster] [--warn] [--new] [--cluster NAME] NAME | release [-f] NAME |\n"
	  "                 members [--json] [NAME] | list [--json]",
	  "Manage the lockspaces of this node.\n"
	  "  create                   join NAME here; create it when it is new\n"
	  "    -l, --lvb-length BYTES length of its lock value blocks (multiple of 8, default 32)\n"
	  "    -p, --permissions MODE octal permission bits for sessions (default 0660)\n"
	  "    -w, --wait SECONDS     give up after that time (default 30)\n"
	  "        --deadlock-wait SECONDS  a lock that waits so long (default 10, or never)\n"
	  "                           has a deadlock searched for\n"
	  "        --xid-scope WHERE  transactions of a node, or of the cluster, are one\n"
	  "        --warn             log every lock that has waited for 5 s\n"
	  "        --new              fail if this node has joined it already\n"
	  "        --cluster NAME     fail if the cluster has another name\n"
	  "  release                  leave it when nobody else here has created it\n"
	  "    -f, --force            even if locks remain; twice: even if sessions do\n",
	  verb_lockspace },
	{ "libdlm", "run [-s LOCKSPACE]... [--no-tree] [--libdir FOLDER] -- PROGRAM [ARGUMENT...]",
	  "Run PROGRAM, made for the kernel's DLM, on Lockstep; see lockstep-libdlm(7).\n"
	  "  -s, --lockspace NAME     it is going to use that one: refuse if the kernel's DLM has it\n"
	  "      --no-tree            it reads nothing below /sys/kernel/config; needs no root\n"
	  "      --libdir FOLDER      where our libdlm.so.3 and libdlm_lt.so.3 are\n"
	  "Exit: PROGRAM's own, 126 it cannot be run, 127 not found.\n",
	  verb_libdlm },
	{ "ctdb-mutex", "[-s LOCKSPACE] [-w SECONDS] NAME",
	  "Hold NAME for CTDB, which runs this as its cluster lock, and tell it so in its own way.\n"
	  "  -w, --wait SECONDS       for the cluster's answer (default 10), never for another holder\n"
	  "Exit: 0 told to end, 75 not acquired, 76 lock lost.\n",
	  verb_ctdb_mutex },
	{ "dlm", "ls [-n] [NAME] | lockdump [-M] NAME | status",
	  "Show what dlm_tool(8) shows, in its words.\n"
	  "  ls                       lockspaces and their members; -n with lost ones\n"
	  "  lockdump                 locks of this node; -M those of other nodes, too\n"
	  "  status                   nodes, and which of them have to be fenced\n",
	  verb_dlm },
	{ "recovery", "watch [-n COUNT] [--hold SECONDS] [--json] [-s LOCKSPACE | LOCKSPACE]",
	  "Write a line for each recovery callback: prep, slot NODE:SLOT, done with all slots.\n"
	  "  -n, --count COUNT        end after so many lines\n"
	  "      --hold SECONDS       acknowledge prep so late (default: at once)\n"
	  "Exit: 76 the session was lost.\n",
	  verb_recovery },
	{ "fence-ack", "NODE",
	  "Vouch that NODE (name or number) is down and will not come back with its old locks.\n",
	  verb_fence_ack },
	{ "digest", "[-s LOCKSPACE] [--json]",
	  "Show the lockspace's sequence number and state digest; equal on all nodes at rest.\n",
	  verb_digest },
	{ "stats", "[--timing] [--json]",
	  "Show the daemon's counters.\n"
	  "  --timing         how long requests take in programs with LOCKSTEP_TIMING=1\n", verb_stats },
	{ "metrics", "[--output FILE | --http]",
	  "Write the daemon's figures in Prometheus' text format.\n"
	  "  -o, --output FILE        into FILE, which is replaced as a whole\n"
	  "      --http               answer one HTTP request on standard input\n"
	  "Exit: 3 lockstepd cannot be reached; lockstep_up says so, too.\n",
	  verb_metrics },
	{ "dump", "", "Write all that this node knows as one JSON document, for support.\n", verb_dump },
	{ "events", "[--json]", "Show the daemon's last events, for support.\n", verb_events },
};

#define VERBS_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static void help(FILE *out)
{
	(void)fprintf(out, "usage: lockstep [--ipc-name NAME] VERB [OPTION...] [ARGUMENT...]\n"
			   "       lockstep --version | --help | VERB --help\n\n");
	for (size_t i = 0; i < VERBS_COUNT; i++) {
		const char *end = strchr(verbs[i].help, '\n');

		(void)fprintf(out, "  %-11s %.*s\n", verbs[i].name, (int)(end - verbs[i].help),
			      verbs[i].help);
	}
	(void)fprintf(out, "\nExit: 0 done, 1 failed, 2 wrong usage, 3 lockstepd cannot be reached; "
			   "see lockstep(1).\n");
}

void verb_help(const struct verb *verb, FILE *out)
{
	(void)fprintf(out, "usage: lockstep %s %s\n%s", verb->name, verb->synopsis, verb->help);
}

int usage_error(const struct verb *verb, const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "lockstep %s: ", verb->name);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, "\nusage: lockstep %s %s\n", verb->name, verb->synopsis);
	return EXIT_USAGE;
}

int option_common(struct cli *cli, const struct verb *verb, int option)
{
	switch (option) {
	case 'h':
		verb_help(verb, stdout);
		return output_end();
	case 's':
		cli->space = optarg;
		cli->space_given = true;
		return -1;
	case OPTION_IPC_NAME:
		cli->options.ipc_name = optarg;
		return -1;
	case OPTION_JSON:
		cli->json = true;
		return -1;
	default:
		(void)fprintf(stderr, "usage: lockstep %s %s\n", verb->name, verb->synopsis);
		return EXIT_USAGE;
	}
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < VERBS_COUNT; i++) {
		if (strcmp(verbs[i].name, name) == 0) {
			return &verbs[i];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "ipc-name", required_argument, NULL, OPTION_IPC_NAME },
		{ NULL, 0, NULL, 0 },
	};
	const char *space = getenv("LOCKSTEP_LOCKSPACE");
	struct cli cli = { .space = space && *space ? space : "default" };
	int option;

	/* What libtool's wrapper is called is of no interest. */
	argv[0] = (char *)"lockstep";
	while ((option = getopt_long(argc, argv, "+hV", options, NULL)) >= 0) {
		switch (option) {
		case 'h':
			help(stdout);
			return output_end();
		case 'V':
			(void)printf("lockstep %s\n", lockstep_version());
			return output_end();
		case OPTION_IPC_NAME:
			cli.options.ipc_name = optarg;
			break;
		default:
			help(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind >= argc) {
		help(stderr);
		return EXIT_USAGE;
	}
	const struct verb *verb = verb_find(argv[optind]);

	if (!verb) {
		complain("no such verb: %s (see lockstep --help)", argv[optind]);
		return EXIT_USAGE;
	}
	argc -= optind;
	argv += optind;
	optind = 0; /* a fresh scan */
	return verb->run(&cli, verb, argc, argv);
}
