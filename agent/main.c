/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lockstep-agent(8): recovery plans, looked at, run by hand, and run when a member has failed. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <glib-unix.h>
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/exec.h"
#include "agent/gate.h"
#include "agent/plan.h"
#include "agent/plan_file.h"
#include "agent/report.h"
#include "agent/serve.h"

/* Documented in lockstep-agent(8). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_ROLLED_BACK = 1,
	EXIT_USAGE = 2, /* or a plan that is refused: nothing ran */
	EXIT_DONE_WITH_ERRORS = 3,
	EXIT_PANIC = 4,
	EXIT_STOPPED = 5,
};

#define PARAMETERS_MAX 64

struct arguments {
	const char *file;
	struct plan_parameter parameters[PARAMETERS_MAX];
	size_t parameters_count;
	bool dry_run;
	bool json;
	const char *dot;
	uint64_t max_parallel;
	uint64_t attempt;
	const char *ipc_name;
	uint64_t ready_fd;
	bool has_ready_fd;
};

struct verb {
	const char *name;
	const char *synopsis;
	const char *help;
	int (*run)(const struct arguments *a);
	const char *options; /* letters of those it takes beside -h */
};

static int verb_check(const struct arguments *a);
static int verb_graph(const struct arguments *a);
static int verb_run(const struct arguments *a);
static int verb_serve(const struct arguments *a);
static int verb_gate(const struct arguments *a);

static const struct verb verbs[] = {
	{ "check", "FILE", "Say what is wrong with a plan file, or how many steps it has.\n",
	  verb_check, "" },
	{ "graph", "FILE", "Print the plan as a graph in Graphviz' DOT language.\n", verb_graph,
	  "" },
	{ "run", "[--set NAME=VALUE]... [--dry-run] [--json] [--dot FILE] [--max-parallel N]\n"
		 "                 [--attempt N] FILE",
	  "Run the plan on this node, by hand. No lock is taken.\n"
	  "  --set NAME=VALUE     value of a parameter of the plan\n"
	  "  --dry-run            start nothing, show the order\n"
	  "  --json               report as JSON on standard output\n"
	  "  --dot FILE           write the graph, coloured by what became of the steps\n"
	  "  --max-parallel N     at most so many steps at a time\n"
	  "  --attempt N          what steps see as LOCKSTEP_ATTEMPT (default 0)\n"
	  "SIGINT and SIGTERM cancel the plan: it rolls back, or goes on past its commit point.\n"
	  "Exit: 0 done, 1 rolled back, 2 wrong usage or plan, 3 done with errors, 4 an undo failed,\n"
	  "5 stopped.\n",
	  verb_run, "snjdpa" },
	{ "serve", "[--ipc-name NAME] [--ready-fd N] FILE",
	  "Be a member of a lockspace that recovers items by plans, as lockstep-agent.conf(5) says.\n"
	  "  --ipc-name NAME      of the daemon\n"
	  "  --ready-fd N         write a newline there when the application may begin\n"
	  "SIGINT and SIGTERM end it. Exit: 0 ended, 1 could not start, 2 wrong configuration, 4 a human\n"
	  "is needed, 5 the daemon is gone or the node has left the cluster.\n",
	  verb_serve, "ir" },
	{ "gate", "FILE",
	  "Exit 0 when the gate is open, 1 when it is closed or nobody keeps it, 2 when it cannot be told.\n",
	  verb_gate, "" },
};
#define VERBS_COUNT G_N_ELEMENTS(verbs)

static void help(FILE *out)
{
	(void)fprintf(out, "usage: lockstep-agent VERB [OPTION...] FILE\n"
			   "       lockstep-agent --version | --help | VERB --help\n\n");
	for (size_t i = 0; i < VERBS_COUNT; i++) {
		(void)fprintf(out, "  %-8s %.*s\n", verbs[i].name,
			      (int)strcspn(verbs[i].help, "\n"), verbs[i].help);
	}
	(void)fprintf(out, "\nThe syntax of plans: lockstep-plan(5).\n");
}

static int output_end(void)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "lockstep-agent: writing to standard output: %s\n",
			      strerror(errno));
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static struct plan *plan_load(const struct arguments *a, bool with_parameters)
{
	struct plan *plan;
	char *errors;

	/* A run without --set has parameters too: none. */
	if (plan_file_load(a->file, with_parameters ? a->parameters : NULL, a->parameters_count,
			   &plan, &errors)) {
		(void)fputs(errors, stderr);
		g_free(errors);
		return NULL;
	}
	return plan;
}

static int verb_check(const struct arguments *a)
{
	struct plan *plan = plan_load(a, false);

	if (!plan) {
		return EXIT_USAGE;
	}
	(void)printf("%s: plan %s, %zu steps, %u of them commit\n", a->file, plan->name,
		     plan->steps_count - 2, plan->commit_total);
	plan_free(plan);
	return output_end();
}

static int verb_graph(const struct arguments *a)
{
	struct plan *plan = plan_load(a, false);

	if (!plan) {
		return EXIT_USAGE;
	}
	report_dot(plan, stdout);
	plan_free(plan);
	return output_end();
}

/* --- run --------------------------------------------------------------------------------- */

struct run {
	GMainLoop *loop;
	struct exec *exec; /* NULL once it has ended */
};

static void on_line(const struct plan *plan, uint32_t step, const char *line, void *arg)
{
	(void)arg;
	(void)fprintf(stderr, "%s/%s: %s\n", plan->name, plan->steps[step].name, line);
}

static void on_end(struct plan *plan, void *arg)
{
	struct run *run = arg;

	(void)plan;
	run->exec = NULL;
	g_main_loop_quit(run->loop);
}

static gboolean on_signal(gpointer arg)
{
	struct run *run = arg;

	if (run->exec) {
		(void)fprintf(stderr, "lockstep-agent: cancelled by a signal\n");
		exec_cancel(run->exec);
	}
	return G_SOURCE_CONTINUE;
}

static int exit_code_of(enum plan_outcome outcome)
{
	switch (outcome) {
	case PLAN_DONE:
		return EXIT_DONE;
	case PLAN_DONE_WITH_ERRORS:
		return EXIT_DONE_WITH_ERRORS;
	case PLAN_ROLLED_BACK:
		return EXIT_ROLLED_BACK;
	case PLAN_PANICKED:
		return EXIT_PANIC;
	default:
		return EXIT_STOPPED;
	}
}

static int report(const struct arguments *a, const struct plan *plan)
{
	FILE *dot = a->dot ? fopen(a->dot, "w") : NULL;
	bool written = !a->dot || dot;

	if (dot) {
		report_dot(plan, dot);
		written = !ferror(dot);
		written = fclose(dot) == 0 && written;
	}
	if (!written) {
		/* The plan has run: its outcome matters more than its picture. */
		(void)fprintf(stderr, "lockstep-agent: %s: %s\n", a->dot, strerror(errno));
	}
	(a->json ? report_json : report_text)(plan, stdout);
	(void)output_end();
	return exit_code_of(plan->outcome);
}

static int verb_run(const struct arguments *a)
{
	struct plan *plan = plan_load(a, true);
	struct run run = { .loop = NULL };
	struct exec_options options = {
		.attempt = (unsigned int)a->attempt,
		.dry_run = a->dry_run,
		.line = on_line,
		.ended = on_end,
		.arg = &run,
	};
	char error[PLAN_ERROR_MAX];

	if (!plan) {
		return EXIT_USAGE;
	}
	if (a->max_parallel) {
		plan->max_parallel = (uint32_t)a->max_parallel;
	}
	run.loop = g_main_loop_new(NULL, FALSE);
	(void)g_unix_signal_add(SIGINT, on_signal, &run);
	(void)g_unix_signal_add(SIGTERM, on_signal, &run);
	run.exec = exec_start(plan, &options, error, sizeof(error));
	if (!run.exec) {
		(void)fprintf(stderr, "%s: %s\n", a->file, error);
		g_main_loop_unref(run.loop);
		plan_free(plan);
		return EXIT_USAGE;
	}
	g_main_loop_run(run.loop);
	g_main_loop_unref(run.loop);
	int rc = report(a, plan);

	plan_free(plan);
	return rc;
}

/* --- serve ------------------------------------------------------------------------------- */

static int verb_serve(const struct arguments *a)
{
	const struct serve_options options = {
		.config = a->file,
		.ipc_name = a->ipc_name,
		.ready_fd = a->has_ready_fd ? (int)a->ready_fd : -1,
	};

	return serve(&options);
}

static int verb_gate(const struct arguments *a)
{
	int open = gate_is_open(a->file);

	if (open < 0 && open != -ENOENT) {
		(void)fprintf(stderr, "lockstep-agent: %s: %s\n", a->file, strerror(-open));
		return EXIT_USAGE;
	}
	return open > 0 ? 0 : 1;
}

/* --- arguments --------------------------------------------------------------------------- */

G_GNUC_PRINTF(2, 3)
static int usage_error(const struct verb *verb, const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "lockstep-agent %s: ", verb->name);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr, "\nusage: lockstep-agent %s %s\n", verb->name, verb->synopsis);
	return EXIT_USAGE;
}

static int parameter_take(struct arguments *a, const struct verb *verb, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text) {
		return usage_error(verb, "--set '%s' is not NAME=VALUE", text);
	}
	if (a->parameters_count == PARAMETERS_MAX) {
		return usage_error(verb, "more than %d parameters", PARAMETERS_MAX);
	}
	*equals = 0;
	for (size_t i = 0; i < a->parameters_count; i++) {
		if (strcmp(a->parameters[i].name, text) == 0) {
			return usage_error(verb, "--set %s is given twice", text);
		}
	}
	a->parameters[a->parameters_count++] =
		(struct plan_parameter){ .name = text, .value = equals + 1 };
	return -1;
}

static int number_take(const struct verb *verb, const char *option, uint64_t minimum,
		       uint64_t maximum, uint64_t *field)
{
	char *end;
	guint64 number = g_ascii_strtoull(optarg, &end, 10);

	if (optarg[0] < '0' || optarg[0] > '9' || *end || number < minimum || number > maximum) {
		return usage_error(verb, "--%s: '%s' is not a number from %" G_GUINT64_FORMAT
				   " to %" G_GUINT64_FORMAT, option, optarg, (guint64)minimum,
				   (guint64)maximum);
	}
	*field = number;
	return -1;
}

static int option_take(struct arguments *a, const struct verb *verb, int option)
{
	if (option != 'h' && option != '?' && !strchr(verb->options, option)) {
		return usage_error(verb, verb->options[0] ? "takes other options" : "takes no options");
	}
	switch (option) {
	case 'h':
		(void)printf("usage: lockstep-agent %s %s\n%s", verb->name, verb->synopsis, verb->help);
		return output_end();
	case 's':
		return parameter_take(a, verb, optarg);
	case 'n':
		a->dry_run = true;
		return -1;
	case 'j':
		a->json = true;
		return -1;
	case 'd':
		a->dot = optarg;
		return -1;
	case 'p':
		return number_take(verb, "max-parallel", 1, PLAN_STEPS_MAX, &a->max_parallel);
	case 'a':
		return number_take(verb, "attempt", 0, UINT32_MAX, &a->attempt);
	case 'i':
		a->ipc_name = optarg;
		return -1;
	case 'r':
		a->has_ready_fd = true;
		return number_take(verb, "ready-fd", 0, INT32_MAX, &a->ready_fd);
	default:
		(void)fprintf(stderr, "usage: lockstep-agent %s %s\n", verb->name, verb->synopsis);
		return EXIT_USAGE;
	}
}

static int verb_arguments(const struct verb *verb, int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "set", required_argument, NULL, 's' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ "dot", required_argument, NULL, 'd' },
		{ "max-parallel", required_argument, NULL, 'p' },
		{ "attempt", required_argument, NULL, 'a' },
		{ "ipc-name", required_argument, NULL, 'i' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	optind = 0; /* a fresh scan */
	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		int rc = option_take(a, verb, option);

		if (rc >= 0) {
			return rc;
		}
	}
	if (argc - optind != 1) {
		return usage_error(verb, "one FILE is needed");
	}
	a->file = argv[optind];
	return -1;
}

int main(int argc, char **argv)
{
	static struct arguments arguments;
	const char *name = argc > 1 ? argv[1] : "";

	/* What libtool's wrapper is called is of no interest. */
	argv[0] = (char *)"lockstep-agent";
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		help(stdout);
		return output_end();
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		(void)printf("lockstep-agent %s\n", PACKAGE_VERSION);
		return output_end();
	}
	for (size_t i = 0; i < VERBS_COUNT; i++) {
		if (strcmp(verbs[i].name, name) == 0) {
			int rc = verb_arguments(&verbs[i], argc - 1, argv + 1, &arguments);

			return rc >= 0 ? rc : verbs[i].run(&arguments);
		}
	}
	if (argc > 1) {
		(void)fprintf(stderr, "lockstep-agent: no such verb: %s (see lockstep-agent --help)\n",
			      name);
	} else {
		help(stderr);
	}
	return EXIT_USAGE;
}
