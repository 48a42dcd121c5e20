#include "core/queue_settings.h"

#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- a queue's settings as words, in the order of the table's rows ---- */

static size_t save(const struct schema *schema, const char *from, uint64_t *words)
{
	size_t count = 0;

	for (const struct schema_member *member = schema->members; member->name; member++) {
		if (member->type == SCHEMA_OBJECT) {
			count += save(member->nested, from + member->offset, words + count);
			continue;
		}
		assert(count < SCOREBOARD_SETTINGS);
		memcpy(&words[count++], from + member->offset, sizeof *words);
	}
	return count;
}

static size_t load(const struct schema *schema, char *to, const uint64_t *words)
{
	size_t count = 0;

	for (const struct schema_member *member = schema->members; member->name; member++) {
		if (member->type == SCHEMA_OBJECT)
			count += load(member->nested, to + member->offset, words + count);
		else
			memcpy(to + member->offset, &words[count++], sizeof *words);
	}
	return count;
}

static void save_queue(const struct config_queue *queue, uint64_t words[SCOREBOARD_SETTINGS])
{
	size_t count = save(&config_queue_settings_schema, (const char *)queue, words);

	assert(count == SCOREBOARD_SETTINGS);
}

static void load_queue(struct config_queue *queue, const uint64_t words[SCOREBOARD_SETTINGS])
{
	(void)load(&config_queue_settings_schema, (char *)queue, words);
}

/* ---- what the file says ---- */

/* Before anything is changed in this configuration, remembers what it says. */
static int remember(struct queue_settings *settings, const struct config *config)
{
	if (settings->file && settings->config == config)
		return 0;
	uint64_t(*file)[SCOREBOARD_SETTINGS] = calloc(CONFIG_QUEUES_MAX, sizeof *file);
	if (!file)
		return -ENOMEM;
	for (size_t i = 0; i < config->queue_count; i++)
		save_queue(&config->queues[i], file[i]);
	free(settings->file);
	settings->file = file;
	settings->config = config;
	return 0;
}

void queue_settings_fini(struct queue_settings *settings)
{
	free(settings->file);
	json_decref(settings->published);
	*settings = (struct queue_settings){0};
}

/* ---- taking over ---- */

void queue_settings_follow(
	struct queue_settings *settings, const struct config *config, const struct scoreboard *scoreboard)
{
	const struct scoreboard_settings *shared = &scoreboard->header->settings;
	const uint32_t serial = shared->serial;
	uint64_t words[SCOREBOARD_SETTINGS];

	if (serial == 0 || (serial == settings->serial && config == settings->config))
		return;
	if (shared->read_at < settings->own_mono_ns || remember(settings, config) < 0)
		return; /* the next time */
	for (size_t i = 0; i < config->queue_count; i++) {
		const bool changed = shared->queue[i].changed;
		for (size_t k = 0; k < SCOREBOARD_SETTINGS; k++)
			words[k] = changed ? shared->queue[i].word[k] : settings->file[i][k];
		load_queue(&config->queues[i], words);
	}
	settings->serial = serial;
}

void queue_settings_take(
	struct queue_settings *settings, const struct config *config, int queue, const struct config_queue *holds)
{
	uint64_t words[SCOREBOARD_SETTINGS];

	save_queue(holds, words);
	load_queue(&config->queues[queue], words);
	settings->own_mono_ns = clock_mono_ns();
	settings->serial = 0; /* once the scheduler has read this as well, what it says holds */
}

/* ---- what holds ---- */

int queue_settings_work_out(struct queue_settings *settings, const struct config *config, int queue,
	const json_t *changes, struct config_queue *ret_queue, struct schema_faults *faults)
{
	struct config_queue holds = {0};

	int status = remember(settings, config);
	if (status < 0)
		return status;
	load_queue(&holds, settings->file[queue]);
	json_auto_t *value = schema_dump(&config_queue_settings_schema, &holds);
	json_auto_t *own = json_deep_copy(changes);
	if (!value || !own || json_object_update_recursive(value, own) < 0)
		return -ENOMEM;
	status = schema_read(&config_queue_settings_schema, value, "", &holds, faults);
	if (status == 0)
		*ret_queue = holds;
	return status;
}

/* One queue's words. changes: NULL: none. */
static int write_queue(struct queue_settings *settings, const struct config *config, struct scoreboard_settings *shared,
	size_t queue, const json_t *changes)
{
	uint64_t words[SCOREBOARD_SETTINGS];
	struct schema_faults faults = {.maximum = 1};
	struct config_queue holds = {0};

	int status =
		changes ? queue_settings_work_out(settings, config, (int)queue, changes, &holds, &faults) : -EINVAL;
	schema_faults_fini(&faults);
	if (status == -ENOMEM)
		return status;
	if (status == 0)
		save_queue(&holds, words);
	for (size_t i = 0; status == 0 && i < SCOREBOARD_SETTINGS; i++)
		shared->queue[queue].word[i] = words[i];
	shared->queue[queue].changed = status == 0;
	return 0;
}

int queue_settings_publish(struct queue_settings *settings, const struct config *config,
	const struct scoreboard *scoreboard, json_t *changes, int64_t read_at_mono_ns)
{
	struct scoreboard_settings *shared = &scoreboard->header->settings;
	/* A scheduler that has just come up does not know what the one before it has published. */
	const bool none = !settings->published && shared->serial == 0 && json_object_size(changes) == 0;

	if (!none && !json_equal(settings->published, changes)) {
		for (size_t i = 0; i < config->queue_count; i++)
			if (write_queue(settings, config, shared, i, json_object_get(changes, config->queues[i].name)) <
				0)
				return -ENOMEM;
		json_decref(settings->published);
		settings->published = json_incref(changes);
		shared->serial = shared->serial + 1 != 0 ? shared->serial + 1 : 1;
	}
	shared->read_at = read_at_mono_ns;
	return 0;
}
