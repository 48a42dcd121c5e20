#include "server/reload.h"

#include "core/clock.h"
#include "core/handler.h"
#include "core/io.h"
#include "core/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { CHECK_MS = 10000, EXIT_REFUSED = 78 };

/* ---- texts in memory ---- */

static int replace_text(int fd, const char *text, size_t length)
{
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return -errno;
	return io_write(fd, text, length);
}

static int load_text(const struct node *node, int fd, struct config **ret_config, struct error *error)
{
	char path[64], *text = NULL, *details = NULL;
	size_t length;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int status = config_read(path, &text, &length, error);
	if (status == 0)
		status = config_load_text(
			node->config->path, text, length, node->module_dir, ret_config, error, &details);
	free(text);
	free(details);
	return status;
}

/* ---- the checker ---- */

static int check(const struct reload *reload, struct error *error)
{
	const struct node *node = reload->node;
	struct config *config = NULL;
	char *text = NULL;
	size_t length;

	int status = config_read(node->config->path, &text, &length, error);
	if (status == 0)
		status = replace_text(reload->candidate, text, length);
	if (status == 0)
		status = load_text(node, reload->candidate, &config, error);
	if (status == 0)
		status = handlers_check(config, error);
	return status == 0 ? config_adopt(config, node->config, error) : status;
}

static __attribute__((noreturn)) void be_checker(const struct reload *reload)
{
	struct scoreboard_header *header = reload->node->scoreboard->header;
	struct error error = {"no memory"};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (check(reload, &error) == 0)
		_exit(EXIT_SUCCESS);
	(void)snprintf(header->config_error, sizeof header->config_error, "%s", error.text);
	_exit(EXIT_REFUSED);
}

bool reload_begin(struct reload *reload)
{
	if (!reload->node->config->path)
		return true;
	reload->again = reload->checker != 0;
	if (reload->again)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		be_checker(reload);
	if (pid < 0) {
		log_error("cannot read the configuration again", LOG_TEXT("error", strerror(errno)));
		return false;
	}
	reload->checker = pid;
	reload->until = clock_mono_ns() + CHECK_MS * CLOCK_NS_PER_MS;
	return false;
}

void reload_watch(struct reload *reload, int64_t now_mono_ns)
{
	if (reload->checker != 0 && now_mono_ns > reload->until)
		(void)kill(reload->checker, SIGKILL); /* our child, not reaped yet */
}

/* ---- taking over ---- */

static void refuse(struct reload *reload, const char *why)
{
	struct scoreboard_header *header = reload->node->scoreboard->header;

	if (why != header->config_error)
		(void)snprintf(header->config_error, sizeof header->config_error, "%s", why);
	header->config_refused++;
	log_error("configuration refused, the old one holds", LOG_TEXT("reason", header->config_error));
}

/* From here on nobody has the secrets in his memory who does not read them from the memfd. */
static int hand_over_secrets(const struct node *node, const struct config *config)
{
	int status = secrets_write(config->secrets, node->secrets);

	secrets_wipe(config->secrets);
	return status;
}

/* The bytes were checked; what fails now is memory. */
static bool take_over(struct reload *reload)
{
	struct node *node = reload->node;
	struct config *config = NULL;
	struct error error = {"no memory"};
	char path[64], *text = NULL;
	size_t length;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", reload->candidate);
	int status = load_text(node, reload->candidate, &config, &error);
	if (status == 0)
		status = config_adopt(config, node->config, &error);
	if (status == 0)
		status = config_read(path, &text, &length, &error);
	if (status == 0)
		status = replace_text(node->config_text, text, length);
	if (status == 0)
		status = hand_over_secrets(node, config);
	free(text);
	if (status != 0) {
		refuse(reload, error.text);
		return false;
	}
	for (size_t i = 0; i < config->warning_count; i++)
		log_warn(config->warnings[i]);
	node->config = config;
	return true;
}

bool reload_finish(struct reload *reload, int exit_status)
{
	struct scoreboard_header *header = reload->node->scoreboard->header;

	reload->checker = 0;
	if (reload->again)
		return reload_begin(reload); /* what was just checked may be out of date */
	if (exit_status != EXIT_SUCCESS) {
		refuse(reload, exit_status == EXIT_REFUSED
				       ? header->config_error
				       : "whoever checked it did not survive it, or was not done within 10 s");
		return false;
	}
	if (!take_over(reload))
		return false;
	header->config_error[0] = '\0';
	return true;
}

int reload_init(struct reload *reload, struct node *node)
{
	struct error error;
	char *text = NULL;
	size_t length = 0;
	const bool handed_over = node->config_text >= 0; /* with what holds in it */

	*reload = (struct reload){.node = node, .candidate = memfd_create("muster-candidate", MFD_CLOEXEC)};
	if (!handed_over)
		node->config_text = memfd_create("muster-config", MFD_CLOEXEC);
	node->secrets = memfd_create("muster-secrets", MFD_CLOEXEC);
	if (reload->candidate < 0 || node->config_text < 0 || node->secrets < 0)
		return -errno;
	int status = hand_over_secrets(node, node->config);
	if (status < 0 || handed_over || !node->config->path)
		return status;
	status = config_read(node->config->path, &text, &length, &error);
	if (status == 0)
		status = replace_text(node->config_text, text, length);
	free(text);
	return status;
}
