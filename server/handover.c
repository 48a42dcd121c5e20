#include "server/handover.h"

#include "core/io.h"
#include "core/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HANDOVER_VERSION = 1, DOCUMENT_MAX = 1024 * 1024 };

/* ---- descriptors: one table for writing, keeping and taking them ---- */

static const struct channel {
	const char *name;
	size_t offset; /* of an int in struct node */
} channels[] = {
	{"config", offsetof(struct node, config_text)},
	{"audit", offsetof(struct node, audit)},
	{"lock", offsetof(struct node, lock)},
	{"demo", offsetof(struct node, demo_dir)},
	{"bell_supervisor", offsetof(struct node, bell_supervisor)},
	{"bell_scheduler", offsetof(struct node, bell_scheduler)},
	{"bell_guardian", offsetof(struct node, bell_guardian)},
	{"control_api_supervisor", offsetof(struct node, control_api[0])},
	{"control_api", offsetof(struct node, control_api[1])},
	{"control_scheduler_supervisor", offsetof(struct node, control_scheduler[0])},
	{"control_scheduler", offsetof(struct node, control_scheduler[1])},
};

enum { CHANNEL_COUNT = sizeof channels / sizeof *channels };

static int channel_of(const struct node *node, const struct channel *channel)
{
	return *(const int *)((const char *)node + channel->offset);
}

static void keep_one(int fd, bool keep)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, keep ? 0 : FD_CLOEXEC);
}

void handover_keep(const struct node *node, int document, bool keep)
{
	for (size_t i = 0; i < CHANNEL_COUNT; i++)
		keep_one(channel_of(node, &channels[i]), keep);
	for (int i = 0; i < node->listener_count; i++)
		keep_one(node->listeners[i], keep);
	keep_one(node->scoreboard->fd, keep);
	keep_one(document, keep);
}

/* ---- writing ---- */

static json_t *list_integers(const int *numbers, int count)
{
	json_t *list = json_array();

	for (int i = 0; i < count; i++)
		(void)json_array_append_new(list, json_integer(numbers[i]));
	return list;
}

static json_t *describe(const struct node *node, const struct strays *strays)
{
	json_t *descriptors = json_pack("{s:i}", "scoreboard", node->scoreboard->fd);

	for (size_t i = 0; i < CHANNEL_COUNT; i++)
		(void)json_object_set_new(descriptors, channels[i].name, json_integer(channel_of(node, &channels[i])));
	return json_pack("{s:i, s:s, s:s, s:i, s:s?, s:o, s:o, s:o, s:o}", "version", HANDOVER_VERSION, "id", node->id,
		"host", node->host, "epoch", (int)node->epoch, "config_path", node->config->path, "descriptors",
		descriptors, "listeners", list_integers(node->listeners, node->listener_count), "old_children",
		list_integers(strays->old, strays->old_count), "places", config_places(node->config));
}

int handover_write(const struct node *node, const struct strays *strays)
{
	json_t *document = describe(node, strays);
	char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
	int fd = memfd_create("muster-handover", MFD_CLOEXEC);
	int status = fd < 0 ? -errno : fd;

	if (fd >= 0 && (!text || io_write(fd, text, strlen(text)) < 0))
		status = -ENOMEM;
	if (status < 0)
		io_close(&fd);
	free(text);
	json_decref(document);
	return status;
}

/* ---- reading ---- */

static int fail(struct error *error)
{
	return error_set(error, -EINVAL, "%s names nothing that this version understands", HANDOVER_VARIABLE);
}

static int get_fd(const json_t *document, const char *name)
{
	const json_t *value = json_object_get(json_object_get(document, "descriptors"), name);

	return json_is_integer(value) ? (int)json_integer_value(value) : -1;
}

static void close_at_exec(const json_t *document)
{
	json_t *descriptors = json_object_get(document, "descriptors"), *value;
	const char *name;
	size_t i;

	json_object_foreach(descriptors, name, value) keep_one((int)json_integer_value(value), false);
	json_array_foreach(json_object_get(document, "listeners"), i, value)
		keep_one((int)json_integer_value(value), false);
}

int handover_read(json_t **ret_document, struct error *error)
{
	const char *variable = getenv(HANDOVER_VARIABLE);
	char path[64], *text = NULL;
	int64_t fd;
	size_t length;

	if (!variable)
		return 0;
	int status = units_parse_integer(variable, 3, INT32_MAX, &fd);
	(void)unsetenv(HANDOVER_VARIABLE);
	if (status < 0)
		return fail(error);
	keep_one((int)fd, false);
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", (int)fd);
	if (io_read_file(path, DOCUMENT_MAX, &text, &length) < 0)
		return fail(error);
	json_t *document = json_loadb(text, length, 0, NULL);
	free(text);
	if (json_integer_value(json_object_get(document, "version")) != HANDOVER_VERSION) {
		json_decref(document);
		return fail(error);
	}
	close_at_exec(document);
	*ret_document = document;
	return 1;
}

int handover_load_config(
	const json_t *document, const char *module_dir, struct config **ret_config, struct error *error)
{
	const char *path = json_string_value(json_object_get(document, "config_path"));
	char held[64], *text = NULL, *details = NULL;
	struct config *config = NULL;
	size_t length = 0;
	int status = 0;

	(void)snprintf(held, sizeof held, "/proc/self/fd/%d", get_fd(document, "config"));
	if (path)
		status = config_read(held, &text, &length, error);
	if (status == 0)
		status = config_load_text(path, text, length, module_dir, &config, error, &details);
	if (status == 0)
		status = config_arrange(config, json_object_get(document, "places"), error);
	free(text);
	free(details);
	if (status == 0)
		*ret_config = config;
	return status;
}

static int take_integers(const json_t *list, int *numbers, int maximum)
{
	int count = (int)json_array_size(list);

	if (count > maximum)
		count = maximum;
	for (int i = 0; i < count; i++)
		numbers[i] = (int)json_integer_value(json_array_get(list, (size_t)i));
	return count;
}

int handover_take(const json_t *document, struct node *node, struct scoreboard *scoreboard, struct strays *strays,
	struct error *error)
{
	const char *id = json_string_value(json_object_get(document, "id"));
	const char *host = json_string_value(json_object_get(document, "host"));

	if (!id || !host || strlen(id) > NODE_ID_MAX)
		return fail(error);
	(void)snprintf(node->id, sizeof node->id, "%s", id);
	(void)snprintf(node->host, sizeof node->host, "%s", host);
	node->epoch = (uint32_t)json_integer_value(json_object_get(document, "epoch"));
	for (size_t i = 0; i < CHANNEL_COUNT; i++) {
		if (!json_object_get(json_object_get(document, "descriptors"), channels[i].name))
			return error_set(error, -EPROTO,
				"the running musterd hands over no descriptor '%s': restart it", channels[i].name);
		*(int *)((char *)node + channels[i].offset) = get_fd(document, channels[i].name);
	}
	node->listener_count =
		take_integers(json_object_get(document, "listeners"), node->listeners, NODE_LISTENERS_MAX);
	strays->old_count = take_integers(json_object_get(document, "old_children"), strays->old, STRAYS_OLD_MAX);
	return scoreboard_open(scoreboard, get_fd(document, "scoreboard"), error);
}
