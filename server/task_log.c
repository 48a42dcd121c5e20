#include "server/task_log.h"

#include "core/broker.h"
#include "core/clock.h"
#include "server/worker.h"

#include <stdio.h>
#include <string.h>

enum {
	STORE_MS = 100, /* between two times that lines are stored */
	AWAY_MS = 1000, /* until it is tried again */
	CALL_MS = 250,
	TEXT_MAX = 4096, /* bytes of a line; what is behind them is cut off */
	LINE_MAX = TEXT_MAX + 32,
};

/* "milliseconds text\n"; breaks within it become blanks. */
static size_t format_line(char line[LINE_MAX], const char *text, size_t length)
{
	size_t used = (size_t)snprintf(line, LINE_MAX, "%lld ", (long long)clock_wall_ms());

	length = length < TEXT_MAX ? length : TEXT_MAX;
	for (size_t i = 0; i < length; i++)
		line[used++] = text[i] == '\n' || text[i] == '\r' || text[i] == '\0' ? ' ' : text[i];
	line[used++] = '\n';
	return used;
}

/* The oldest lines go. */
static void make_room(struct scoreboard_log *log, size_t length)
{
	const size_t kept = log->length, too_many = kept + length - SCOREBOARD_LOG;

	if (kept + length <= SCOREBOARD_LOG)
		return;
	const char *end = memchr(log->bytes + too_many - 1, '\n', kept - (too_many - 1));
	const size_t cut = end ? (size_t)(end - log->bytes) + 1 : kept;
	log->length = 0; /* who dies now leaves none rather than halves */
	memmove(log->bytes, log->bytes + cut, kept - cut);
	log->length = (uint32_t)(kept - cut);
}

static void store(struct worker *worker)
{
	struct scoreboard_log *log = &worker->area->log;
	const int64_t until = clock_mono_after(worker_bounded_ms(worker, CALL_MS));
	const int status = broker_log(worker->broker, log->id, (struct bytes){log->bytes, log->length}, until, NULL);

	if (status == 0)
		log->length = 0;
	worker->log_away = status < 0;
	worker->log_at_mono_ns = clock_mono_after(status == 0 ? STORE_MS : AWAY_MS);
}

static bool is_time(const struct worker *worker)
{
	return worker->area->log.length > 0 && clock_mono_ns() >= worker->log_at_mono_ns;
}

void task_log_begin(struct worker *worker, const char id[ID_MAX + 1])
{
	worker->area->log.length = 0;
	memcpy(worker->area->log.id, id, ID_MAX + 1);
}

void task_log_turn_to(struct worker *worker, const char id[ID_MAX + 1])
{
	if (strncmp(worker->area->log.id, id, ID_MAX + 1) == 0)
		return;
	(void)pthread_mutex_lock(&worker->logging);
	if (worker->area->log.length > 0 && (!worker->log_away || is_time(worker)))
		store(worker);
	task_log_begin(worker, id);
	(void)pthread_mutex_unlock(&worker->logging);
}

void task_log_add(struct worker *worker, const char *text, size_t length)
{
	struct scoreboard_log *log = &worker->area->log;
	const bool first = pthread_equal(pthread_self(), worker->first) != 0;
	char line[LINE_MAX];

	const size_t size = format_line(line, text, length);
	if ((first ? pthread_mutex_lock(&worker->logging) : pthread_mutex_trylock(&worker->logging)) != 0)
		return;
	if (first && log->length + size > SCOREBOARD_LOG && !worker->log_away)
		store(worker);
	make_room(log, size);
	memcpy(log->bytes + log->length, line, size);
	log->length += (uint32_t)size;
	if (first && is_time(worker))
		store(worker);
	(void)pthread_mutex_unlock(&worker->logging);
}

void task_log_turn(struct worker *worker)
{
	if (worker->area->log.length == 0 || !is_time(worker))
		return;
	(void)pthread_mutex_lock(&worker->logging);
	store(worker);
	(void)pthread_mutex_unlock(&worker->logging);
}

void task_log_end(struct worker *worker)
{
	const int64_t now = clock_mono_ns();

	if (worker->area->log.length == 0 || (worker->log_away && !is_time(worker)))
		return;
	worker_promise(worker, now, now + worker->pool->heartbeat_timeout_ms * CLOCK_NS_PER_MS);
	(void)pthread_mutex_lock(&worker->logging);
	store(worker);
	(void)pthread_mutex_unlock(&worker->logging);
}

struct bytes task_log_left(const struct scoreboard_log *log, const char *id)
{
	const size_t length = log->length;

	if (length == 0 || length > SCOREBOARD_LOG || log->bytes[length - 1] != '\n' ||
		strncmp(log->id, id, ID_MAX + 1) != 0)
		return (struct bytes){0};
	return (struct bytes){log->bytes, length};
}
