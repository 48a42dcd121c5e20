/* musterd: reads its options and its configuration, gets what it needs, and becomes the guardian. */
#include "api/api.h"
#include "core/broker.h"
#include "core/config.h"
#include "core/handler.h"
#include "core/log.h"
#include "core/node.h"
#include "server/foreground.h"
#include "server/guardian.h"
#include "server/handover.h"
#include "server/init.h"
#include "server/notify.h"
#include "server/privilege.h"
#include "server/process.h"
#include "server/startup.h"
#include "server/title.h"
#include "server/upgrade.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum exit_status { /* sysexits.h; CONTRACT's exit statuses */
	EXIT_USAGE = 64,
	EXIT_UNAVAILABLE = 69,
	EXIT_CONFIGURATION = 78,
};

struct options {
	const char *config;
	bool check, print;
	const char *class, *method; /* of --run; NULL: not given */
	char **params;
	int param_count;
};

enum { OPTION_CHECK = 256, OPTION_PRINT, OPTION_RUN };

static const struct argp_option option_table[] = {
	{"config", 'c', "FILE", 0, "Read the configuration from FILE (default: none, everything has a default)", 0},
	{"check", OPTION_CHECK, NULL, 0,
		"Check the configuration and the modules it names, then exit: 0, or 78 and what is wrong", 0},
	{"print-config", OPTION_PRINT, NULL, 0, "Print the configuration that holds, defaults included, then exit", 0},
	{"run", OPTION_RUN, "CLASS", 0,
		"Run one task of CLASS here and now, by the configured handler and without a daemon: METHOD is called "
		"with "
		"the JSON values (behind --, where one begins with a dash); print its result, then exit: 0, or 1 when "
		"it "
		"failed",
		0},
	{0},
};

/* argp looks it up by name: it must be visible. */
__attribute__((visibility("default"))) const char *argp_program_version = "musterd " MUSTER_VERSION;

static error_t read_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c': options->config = argument; return 0;
	case OPTION_CHECK: options->check = true; return 0;
	case OPTION_PRINT: options->print = true; return 0;
	case OPTION_RUN: options->class = argument; return 0;
	case ARGP_KEY_ARG:
		if (!options->class)
			argp_error(state, "unexpected argument '%s'", argument);
		return ARGP_ERR_UNKNOWN; /* all at once, below */
	case ARGP_KEY_ARGS:
		options->method = state->argv[state->next];
		options->params = state->argv + state->next + 1;
		options->param_count = state->argc - state->next - 1;
		return 0;
	case ARGP_KEY_END:
		if (options->class && !options->method)
			argp_error(state, "--run needs a class and a method");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argument_parser = {
	.options = option_table,
	.parser = read_option,
	.args_doc = "[METHOD [JSON…]]",
	.doc = "Runs tasks in supervised worker processes.\v"
	       "Without a configuration file musterd starts an embedded broker, listens on 127.0.0.1:7077, and runs "
	       "one worker "
	       "per CPU. It stays in the foreground and logs to stderr.\n\n"
	       "Signals: TERM and INT stop it (a second one: at once), HUP reads the configuration again and rolls the "
	       "workers, "
	       "USR1 reopens its log, USR2 replaces musterd itself by what is installed by now, and keeps the "
	       "workers.\n"
	       "Exit status: 0 stopped in good order, 64 usage, 69 something needed is missing or taken, 78 "
	       "configuration.",
};

/* In the build tree the modules stand beside the binary. */
static const char *find_modules(char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size - sizeof "/modules");

	if (length > 0) {
		path[length] = '\0';
		char *slash = strrchr(path, '/');
		memcpy(slash ? slash : path, "/modules", sizeof "/modules");
		if (access(path, X_OK) == 0)
			return path;
	}
	return MUSTER_MODULE_DIR;
}

static void print_lines(const char *text)
{
	while (*text != '\0') {
		const size_t length = strcspn(text, "\n");
		(void)fprintf(stderr, "musterd: %.*s\n", (int)length, text);
		text += length + (text[length] == '\n');
	}
}

static void print_faults(const struct error *error, const char *details)
{
	print_lines(error->text);
	if (details)
		print_lines(details);
}

/* Not asked by the configuration's own checks, which know nothing of HTTP. */
static bool can_tls(const struct config *config)
{
	return !config->tls.certificate || api_has_tls();
}

static const struct error no_tls = {
	"tls: the libmicrohttpd that is installed has no TLS: put a proxy before musterd, and take tls out"};

static struct config *load_config(const struct options *options, const json_t *handed, const char *module_dir)
{
	struct config *config = NULL;
	struct error error;
	char *details = NULL;

	int status = handed ? handover_load_config(handed, module_dir, &config, &error)
			    : config_load(options->config, module_dir, &config, &error, &details);
	if (status < 0)
		print_faults(&error, details);
	free(details);
	return status < 0 ? NULL : config;
}

static int check(const struct config *config)
{
	struct error error;
	sigset_t none;

	sigemptyset(&none);
	process_reset_signals(&none); /* a module may hang: who is in front of it may end us */
	for (size_t i = 0; i < config->warning_count; i++)
		(void)fprintf(stderr, "musterd: warning: %s\n", config->warnings[i]);
	if (!can_tls(config)) {
		print_faults(&no_tls, NULL);
		return EXIT_CONFIGURATION;
	}
	if (handlers_check(config, &error) < 0) {
		print_faults(&error, NULL);
		return EXIT_CONFIGURATION;
	}
	return EXIT_SUCCESS;
}

/* An upgrade's probe: whether we could be the running musterd's successor: with all that it has (-EPROTO: it has what we do not
 * know) or, by what the file says now, in its place. Said in a line that older ones do not know. */
static int check_succession(
	const struct options *options, const struct config *config, const json_t *handed, const char *module_dir)
{
	struct scoreboard scoreboard;
	struct node node = {.config = config, .scoreboard = &scoreboard};
	struct strays strays;
	struct error error;

	if (check(config) != EXIT_SUCCESS)
		return EXIT_CONFIGURATION;
	int status = handover_take(handed, &node, &scoreboard, &strays, &error);
	const bool anew = status == -EPROTO;
	if (anew) {
		static struct config *fresh; /* as main's */
		print_faults(&error, NULL);
		config = fresh = load_config(options, NULL, module_dir);
		if (!config || check(config) != EXIT_SUCCESS)
			return EXIT_CONFIGURATION;
	}
	if (status == 0 || anew)
		status = startup_check_broker(config, &error);
	if (status < 0) {
		print_faults(&error, NULL);
		return EXIT_CONFIGURATION;
	}
	(void)puts(anew ? UPGRADE_ANEW : UPGRADE_READY);
	return EXIT_SUCCESS;
}

static int print(const struct config *config)
{
	char *text = config_print(config);
	int status = text && fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;

	free(text);
	return status;
}

/* Descriptors 0–2 are always something, and a thousand connections need as many descriptors. */
static void settle_descriptors(void)
{
	struct rlimit limit;
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 2);
	if (fd > 2)
		(void)close(fd);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int refuse(const struct error *error, int exit_status)
{
	log_error(error->text);
	return exit_status;
}

/* Gets everything a node needs, in the order in which its lack is best told. Returns 0 or an exit status. */
static int acquire(
	struct node *node, struct scoreboard *scoreboard, const struct privilege *privilege, struct error *error)
{
	int status = startup_open_state(node, privilege, error);
	if (status < 0)
		return EXIT_UNAVAILABLE;
	status = startup_check_broker(node->config, error);
	if (status < 0)
		return status == BROKER_UNFIT || status == BROKER_REFUSED ? EXIT_CONFIGURATION : EXIT_UNAVAILABLE;
	status = startup_listen(node, privilege, error);
	if (status < 0)
		return status == -EPERM ? EXIT_CONFIGURATION : EXIT_UNAVAILABLE;
	if (startup_open_channels(node, error) < 0 || scoreboard_create(scoreboard, node->config, error) < 0)
		return EXIT_UNAVAILABLE;
	return EXIT_SUCCESS;
}

static void introduce(const struct node *node)
{
	struct scoreboard_header *header = node->scoreboard->header;
	char title[256];

	process_title(node, ROW_SUPERVISOR, title, sizeof title);
	memcpy(strrchr(title, ':'), ":master", sizeof ":master");
	title_set(title);
	log_become(title, &header->guardian_log_dropped, &header->log_generation);
}

/* `handed`: what a musterd that became this one has left to it; NULL: this is a start. */
static int run(const struct config *config, const char *module_dir, const json_t *handed)
{
	static struct scoreboard scoreboard;
	static struct strays strays;
	static struct node node; /* static, as are the others: what they own is used until the very end */
	struct privilege privilege;
	struct error error = {""};

	node = (struct node){
		.config = config, .scoreboard = &scoreboard, .demo_dir = -1, .lock = -1, .config_text = -1};
	(void)snprintf(node.module_dir, sizeof node.module_dir, "%s", module_dir);
	if (!can_tls(config))
		return refuse(&no_tls, EXIT_CONFIGURATION);
	if (privilege_find(config->user, &privilege, &error) < 0)
		return refuse(&error, EXIT_CONFIGURATION);
	startup_give_log(config, &privilege);
	for (size_t i = 0; i < config->warning_count; i++)
		log_warn(config->warnings[i]);
	int status = EXIT_SUCCESS;
	if (!handed)
		status = acquire(&node, &scoreboard, &privilege, &error);
	else if (handover_take(handed, &node, &scoreboard, &strays, &error) < 0)
		status = EXIT_UNAVAILABLE;
	if (status != EXIT_SUCCESS) {
		status = refuse(&error, status);
		return process_is_told_to_stop() ? EXIT_SUCCESS : status;
	}
	introduce(&node);
	return guardian_main(&node, &privilege, handed ? &strays : NULL);
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct error error;
	char path[512];
	static json_t *handed; /* static, as is the configuration: both are used until the very end */
	static struct config *config;

	process_block_signals(); /* what is sent to us early waits until it is read */
	upgrade_remember(argc, argv);
	title_init(argc, argv);
	settle_descriptors();
	notify_init();
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argument_parser, argc, argv, 0, NULL, &options);
	const char *module_dir = find_modules(path, sizeof path);
	if (handover_read(&handed, &error) < 0) {
		print_faults(&error, NULL);
		return EXIT_CONFIGURATION;
	}
	config = load_config(&options, handed, module_dir);
	if (!config)
		return EXIT_CONFIGURATION;
	if (options.check)
		return handed ? check_succession(&options, config, handed, module_dir) : check(config);
	if (options.print)
		return print(config);
	if (options.class)
		return foreground_run(
			config, options.class, options.method, options.params, (size_t)options.param_count);
	if (log_open(config->log.file, config->log.level, config->log.format) < 0 && !handed) {
		(void)fprintf(
			stderr, "musterd: cannot write to log.file '%s': %s\n", config->log.file, strerror(errno));
		return EXIT_UNAVAILABLE;
	}
	if (getpid() == 1)
		init_fork(); /* returns in the child, which is the guardian */
	return run(config, module_dir, handed);
}
