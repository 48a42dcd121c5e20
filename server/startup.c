#include "server/startup.h"

#include "core/broker.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/io.h"
#include "core/log.h"
#include "core/units.h"
#include "server/embedded.h"
#include "server/process.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LIVE_HOLDER_MS = 1000,
	DEAD_HOLDER_MS = 10000,
	LOCK_LOOK_MS = 10,
	BROKER_MS = 1000,
	EPOCH_MAX = (1 << 21) - 2, /* a generation must stay below 2^53 */
	PLACE_MAX = 128,
};

/* ---- the state directory ---- */

/* Makes the directory and those above it; only the last one is 0700 and the user's. */
static int make_directory(const char *path, const struct privilege *privilege, struct error *error)
{
	char part[512];

	if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
		return error_set(error, -ENAMETOOLONG, "state_dir '%s' is too long", path);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return error_set(error, -errno, "cannot create '%s' for state_dir: %s", part, strerror(errno));
		*slash = '/';
	}
	if (mkdir(path, 0700) != 0) {
		if (errno != EEXIST)
			return error_set(error, -errno, "cannot create state_dir '%s': %s", path, strerror(errno));
		return 0;
	}
	if (geteuid() == 0 && chown(path, privilege->uid, privilege->gid) != 0)
		return error_set(
			error, -errno, "cannot give state_dir '%s' to %s: %s", path, privilege->name, strerror(errno));
	return 0;
}

static int check_directory(const char *path, const struct privilege *privilege, struct error *error)
{
	struct stat info;

	if (stat(path, &info) != 0)
		return error_set(error, -errno, "cannot look at state_dir '%s': %s", path, strerror(errno));
	if (!S_ISDIR(info.st_mode))
		return error_set(error, -ENOTDIR, "state_dir '%s' is not a directory", path);
	if (info.st_uid != privilege->uid)
		return error_set(error, -EACCES,
			"state_dir '%s' belongs to uid %u, but musterd runs as %s (uid %u): chown it, or set `user`",
			path, info.st_uid, privilege->name, privilege->uid);
	return 0;
}

/* Opens a file of ours in the state directory. */
static int open_file(const char *directory, const char *name, const struct privilege *privilege, struct error *error)
{
	char path[600];

	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set(error, -errno, "cannot write to state_dir: '%s': %s", path, strerror(errno));
	if (geteuid() == 0 && fchown(fd, privilege->uid, privilege->gid) != 0)
		log_warn("cannot give a file to the user", LOG_TEXT("path", path), LOG_TEXT("user", privilege->name));
	return fd;
}

static pid_t read_holder(int fd)
{
	char text[32] = "";
	int64_t pid = 0;

	if (pread(fd, text, sizeof text - 1, 0) <= 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return units_parse_integer(text, 1, INT32_MAX, &pid) == 0 ? (pid_t)pid : 0;
}

static bool lives(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static int take_lock(int fd, const char *directory, struct error *error)
{
	const int64_t begun = clock_mono_ns();
	bool told = false;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		const int status = -errno;
		pid_t holder = read_holder(fd);
		const int64_t limit_ms = lives(holder) ? LIVE_HOLDER_MS : DEAD_HOLDER_MS;
		if (status != -EWOULDBLOCK && status != -EINTR)
			return error_set(error, status, "cannot lock state_dir '%s': %s", directory, strerror(-status));
		if (process_is_told_to_stop())
			return error_set(error, -ECANCELED, "told to stop before the start was over");
		if (clock_mono_ns() - begun > limit_ms * CLOCK_NS_PER_MS)
			return error_set(
				error, -EBUSY, "state_dir '%s' is in use by musterd with pid %d", directory, holder);
		if (!told)
			log_info("waiting for the state directory's lock", LOG_INT("holder", holder),
				LOG_TEXT("holder_is", lives(holder) ? "alive" : "dead, its processes are leaving"));
		told = true;
		(void)io_poll(NULL, 0, clock_mono_ns() + LOCK_LOOK_MS * CLOCK_NS_PER_MS);
	}
	return 0;
}

static int write_holder(int fd)
{
	char text[32];
	int length = snprintf(text, sizeof text, "%d\n", getpid());

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
		return -errno;
	return 0;
}

/* ---- who this node is ---- */

static int write_text(const char *directory, const char *name, const char *text, const struct privilege *privilege)
{
	char path[600];

	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	int status = io_replace_file(path, text, strlen(text));
	if (status == 0 && geteuid() == 0 && lchown(path, privilege->uid, privilege->gid) != 0)
		status = -errno;
	return status;
}

static void read_text(const char *directory, const char *name, char *text, size_t size)
{
	char path[600];
	char *bytes = NULL;
	size_t length;

	text[0] = '\0';
	(void)snprintf(path, sizeof path, "%s/%s", directory, name);
	if (io_read_file(path, 4096, &bytes, &length) < 0)
		return;
	bytes[strcspn(bytes, "\n")] = '\0';
	(void)snprintf(text, size, "%s", bytes);
	free(bytes);
}

/* This boot of the machine and the file of the lock: who holds the lock of a place runs there alone. */
static void name_place(int lock, char *text, size_t size)
{
	struct stat file = {0};
	char boot[64];

	read_text("/proc/sys/kernel/random", "boot_id", boot, sizeof boot);
	(void)fstat(lock, &file);
	(void)snprintf(
		text, size, "%s %llu:%llu", boot, (unsigned long long)file.st_dev, (unsigned long long)file.st_ino);
}

static void make_id(struct node *node)
{
	char id[ID_LENGTH + 1];

	id_generate(id);
	for (size_t i = 0; i <= ID_LENGTH; i++)
		node->id[i] = (char)tolower((unsigned char)id[i]);
}

/* Takes the id that the directory knows, if this is still the node that it means. On a Redis that others use as well
 * that must be the place where the id was made, in the same boot: elsewhere it may be a copy's, whose original runs and
 * holds leases. Those of a node that is really gone are taken over when its time has run out. */
static bool keep_id(struct node *node, const char *place)
{
	const char *directory = node->config->state_dir;
	char id[64], home[PLACE_MAX];

	read_text(directory, "node", id, sizeof id);
	if (!id_is_valid(id, strlen(id)) || strlen(id) > NODE_ID_MAX)
		return false;
	read_text(directory, "place", home, sizeof home);
	if (node->config->address.kind != CONFIG_BROKER_EMBEDDED && strcmp(home, place) != 0) {
		log_warn("state_dir was copied or moved, or the machine was started anew: this is a new node; what the "
			 "former one held is taken over once its node_timeout is over",
			LOG_TEXT("former", id));
		return false;
	}
	memcpy(node->id, id, strlen(id) + 1);
	return true;
}

/* The count of starts is raised before anything is leased under the id. A node that is known has a count, and a place
 * that is known has its node's id: in this order they are written. */
static int write_identity(
	const struct node *node, bool known, const char *place, const struct privilege *privilege, struct error *error)
{
	const char *directory = node->config->state_dir;
	char text[16];

	(void)snprintf(text, sizeof text, "%u", node->epoch);
	int status = write_text(directory, "epoch", text, privilege);
	if (status == 0 && !known)
		status = write_text(directory, "node", node->id, privilege);
	if (status == 0 && !known)
		status = write_text(directory, "place", place, privilege);
	if (status < 0)
		return error_set(error, status, "cannot write to state_dir '%s': %s", directory, strerror(-status));
	return 0;
}

static int identify(struct node *node, const struct privilege *privilege, struct error *error)
{
	const char *directory = node->config->state_dir;
	char text[64], place[PLACE_MAX];
	int64_t epoch = 0;

	name_place(node->lock, place, sizeof place);
	const bool known = keep_id(node, place);
	if (!known)
		make_id(node);
	read_text(directory, "epoch", text, sizeof text);
	if (units_parse_integer(text, 0, EPOCH_MAX, &epoch) < 0) {
		if (known) /* a count that begins anew would be older than what is leased under the old one */
			return error_set(error, -EINVAL,
				"'%s/epoch' cannot be read: remove '%s/node' too, and this is a new node", directory,
				directory);
		epoch = 0;
	}
	node->epoch = (uint32_t)epoch + 1;
	int status = write_identity(node, known, place, privilege, error);
	if (status < 0)
		return status;
	if (gethostname(node->host, sizeof node->host - 1) != 0)
		(void)snprintf(node->host, sizeof node->host, "localhost");
	return 0;
}

static int open_demo(struct node *node, const struct privilege *privilege)
{
	char path[600];

	(void)snprintf(path, sizeof path, "%s/demo", node->config->state_dir);
	if (mkdir(path, 0700) == 0 && geteuid() == 0 && lchown(path, privilege->uid, privilege->gid) != 0)
		log_warn("cannot give a directory to the user", LOG_TEXT("path", path),
			LOG_TEXT("user", privilege->name));
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int startup_open_state(struct node *node, const struct privilege *privilege, struct error *error)
{
	const char *directory = node->config->state_dir;

	int status = make_directory(directory, privilege, error);
	if (status == 0)
		status = check_directory(directory, privilege, error);
	if (status < 0)
		return status;
	node->lock = open_file(directory, "lock", privilege, error);
	if (node->lock < 0)
		return node->lock;
	status = take_lock(node->lock, directory, error);
	if (status < 0)
		return status;
	status = write_holder(node->lock);
	if (status < 0)
		return error_set(error, status, "cannot write to state_dir '%s': %s", directory, strerror(-status));
	node->demo_dir = open_demo(node, privilege);
	return identify(node, privilege, error);
}

/* ---- the broker ---- */

int startup_check_broker(const struct config *config, struct error *error)
{
	struct broker *broker;

	if (config->address.kind == CONFIG_BROKER_EMBEDDED)
		return embedded_check(error);
	int status = broker_open(&broker, config);
	if (status < 0)
		return error_set(error, status, "no memory");
	const int64_t until = clock_mono_after(BROKER_MS);
	status = broker_connect(broker, until, error);
	if (status == 0)
		status = broker_check_power(broker, until, error);
	broker_close(broker);
	if (status == BROKER_UNCOPIED)
		return BROKER_UNFIT;
	if (status == BROKER_UNFIT || status == BROKER_REFUSED)
		return status;
	if (status < 0)
		log_warn("broker is away, waiting for it", LOG_TEXT("error", error->text));
	return 0;
}

/* ---- the log ---- */

void startup_give_log(const struct config *config, const struct privilege *privilege)
{
	struct stat info;

	if (!config->log.file || geteuid() != 0)
		return;
	int fd = open(config->log.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0640);
	/* Its folder may be the user's: what is given away must be a file of its own, not a link to one of root's. */
	if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1 ||
		fchown(fd, privilege->uid, privilege->gid) != 0)
		log_warn("cannot give log.file to the user", LOG_TEXT("file", config->log.file),
			LOG_TEXT("user", privilege->name));
	io_close(&fd);
}

/* ---- channels ---- */

int startup_open_channels(struct node *node, struct error *error)
{
	node->bell_supervisor = io_bell_new();
	node->bell_scheduler = io_bell_new();
	node->bell_guardian = io_bell_new();
	node->audit = memfd_create("muster-audit", MFD_CLOEXEC);
	if (node->audit < 0 || node->bell_supervisor < 0 || node->bell_scheduler < 0 || node->bell_guardian < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, node->control_api) != 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, node->control_scheduler) != 0)
		return error_set(error, -errno, "cannot make channels between processes: %s", strerror(errno));
	return 0;
}
