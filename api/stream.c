#include "api/stream.h"

#include "api/access.h"
#include "api/dryrun.h"
#include "api/link.h"
#include "api/problem.h"
#include "api/split.h"
#include "api/state.h"
#include "api/terms.h"
#include "core/clock.h"
#include "core/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	BATCH_TASKS = 1000,       /* said to the broker in one call */
	BATCH_BYTES = 128 * 1024, /* so much of the body is collected before its lines are read */
	PIECE_MAX = 64 * 1024,    /* more than libmicrohttpd ever hands over at once */
	ERRORS_MAX = 100,         /* that an answer names; all are counted */
};

static const int64_t pause_ns = 2 * CLOCK_NS_PER_MS; /* a sender that is silent for so long has paused */

struct stream {
	struct request *request;
	struct stream *next, *previous; /* in api->streams */
	bool dry;                       /* ?dry_run=true: nothing is stored */
	const char *traceparent;        /* borrowed from the request; NULL: none */
	struct buffer text;             /* lines that are not read yet */
	bool skipping;                  /* inside a line that is too long; it has been refused */
	int64_t received_mono_ns;       /* when the last piece came */
	size_t line;                    /* number of the last line that was read */
	size_t accepted, rejected;
	json_t *errors; /* owned */
	int status;     /* 0, or why nothing more is stored */
	struct error why;
	size_t stopped_line; /* from here on */
};

/* One for all streams: a batch is made and stored within one call. */
struct stream_batch {
	struct task_submission tasks[BATCH_TASKS];
	struct broker_submission submissions[BATCH_TASKS];
	size_t lines[BATCH_TASKS]; /* where they stand */
	size_t count;
};

static struct stream_batch *batch_of(const struct stream *stream)
{
	return stream->request->api->stream_batch;
}

bool stream_is_meant(const char *type)
{
	static const char ndjson[] = "application/x-ndjson";

	return type && strncasecmp(type, ndjson, sizeof ndjson - 1) == 0 &&
	       strchr(" \t;", type[sizeof ndjson - 1]) != NULL;
}

static void empty_text(struct stream *stream)
{
	const size_t document = (size_t)stream->request->api->node->config->limits.document;

	buffer_fini(&stream->text);
	buffer_init(&stream->text, document + BATCH_BYTES + PIECE_MAX);
}

void stream_begin(struct request *request)
{
	struct api *api = request->api;
	struct stream *stream;
	bool dry;

	if (!dryrun_is_meant(request, &dry) || !terms_read(request))
		return;
	if (request->key[0] != '\0') {
		problem(request, 400,
			"a stream is stored piece by piece and has no Idempotency-Key: give each task an `id` of its "
			"own");
		return;
	}
	if (!api->stream_batch)
		api->stream_batch = calloc(1, sizeof *api->stream_batch);
	stream = api->stream_batch ? calloc(1, sizeof *stream) : NULL;
	if (stream)
		stream->errors = json_array();
	if (!stream || !stream->errors) {
		free(stream);
		problem_broker(request, -ENOMEM, NULL);
		return;
	}
	stream->dry = dry;
	stream->traceparent = request->traceparent[0] != '\0' ? request->traceparent : NULL;
	stream->request = request;
	empty_text(stream);
	stream->next = api->streams;
	if (api->streams)
		api->streams->previous = stream;
	api->streams = stream;
	request->stream = stream;
}

void stream_free(struct request *request)
{
	struct stream *stream = request->stream;

	if (!stream)
		return;
	if (stream->previous)
		stream->previous->next = stream->next;
	else
		request->api->streams = stream->next;
	if (stream->next)
		stream->next->previous = stream->previous;
	buffer_fini(&stream->text);
	json_decref(stream->errors);
	free(stream);
	request->stream = NULL;
}

size_t stream_held(const struct request *request)
{
	return request->stream->text.length;
}

/* ---- what comes of a line ---- */

__attribute__((format(printf, 3, 4))) static void reject(struct stream *stream, size_t line, const char *format, ...)
{
	char detail[ERROR_TEXT_MAX];
	va_list arguments;

	stream->rejected++;
	if (json_array_size(stream->errors) >= ERRORS_MAX)
		return;
	va_start(arguments, format);
	(void)vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	(void)json_array_append_new(stream->errors,
		json_pack("{s:I, s:o}", "line", (json_int_t)line, "detail", answer_text(detail, sizeof detail)));
}

static void stop(struct stream *stream, size_t line, int status, const struct error *error)
{
	stream->status = status;
	stream->why = *error;
	stream->stopped_line = line;
	batch_of(stream)->count = 0;
}

static int say(struct link *link, struct broker_batch *words, struct error *error)
{
	int64_t until;

	int status = link_begin(link, &until, error);
	if (status < 0)
		return status;
	status = broker_batch(link->broker, words, until, error);
	/* A broker that was started anew has cut the connection, and is there: saying it twice does no harm. */
	if (status == BROKER_AWAY && clock_mono_ns() < until - CLOCK_NS_PER_S / 2)
		status = broker_batch(link->broker, words, until, error);
	return link_end(link, status, error);
}

/* What came of one line of a batch that was said to the broker. */
static void count_line(struct stream *stream, size_t i)
{
	struct api *api = stream->request->api;
	const struct stream_batch *batch = batch_of(stream);
	const struct task_submission *task = &batch->tasks[i];
	const struct config_queue *queue = &api->node->config->queues[task->queue];
	enum broker_stored stored = batch->submissions[i].stored;

	if (!stream->dry && stored == BROKER_OVERFLOW) {
		reject(stream, batch->lines[i], "the queue \"%s\" is full (max_depth)", queue->name);
		return;
	}
	stream->accepted++;
	if (!stream->dry && (stored == BROKER_STORED || (stored == BROKER_KNOWN && !task->own_id)))
		scoreboard_count(api->area, task->queue)->submitted_http++;
}

/* Stores the batch. */
static void store(struct stream *stream)
{
	struct api *api = stream->request->api;
	struct stream_batch *batch = batch_of(stream);
	struct broker_batch words = {.submissions = batch->submissions,
		.submission_count = batch->count,
		.created_ms = clock_wall_ms(),
		.source = TASK_SOURCE_HTTP};
	struct error error = {""};

	if (batch->count == 0 || stream->status < 0)
		return;
	int status = stream->dry ? 0 : say(&api->link, &words, &error);
	if (status < 0) {
		stop(stream, batch->lines[0], status, &error);
		return;
	}
	for (size_t i = 0; i < batch->count; i++)
		count_line(stream, i);
	batch->count = 0;
	broker_batch_fini(&words);
}

static int read_task(struct stream *stream, struct bytes text, struct task_submission *task, struct error *error)
{
	const struct config *config = stream->request->api->node->config;
	struct schema_faults faults = {.maximum = 1};
	json_auto_t *value = NULL;

	int status = document_parse(text.data, text.length, DOCUMENT_STRICT, &value, error);
	if (status < 0)
		return status;
	status = task_submission_read(config, value, text, "", clock_wall_ms(), task, &faults);
	if (status == -EINVAL)
		(void)error_set(error, status, "%s", faults.items[0].detail);
	schema_faults_fini(&faults);
	if (status == 0 && !access_sees_queue(stream->request, config->queues[task->queue].name))
		return error_set(error, -EACCES, "this token is not good for the queue \"%s\"",
			config->queues[task->queue].name);
	return status;
}

static void take_line(struct stream *stream, struct bytes text)
{
	struct stream_batch *batch = batch_of(stream);
	size_t line = ++stream->line, most = (size_t)stream->request->api->node->config->limits.document;
	struct error error = {""};

	text = split_trim(text);
	if (stream->status < 0 || text.length == 0)
		return;
	if (text.length > most) {
		reject(stream, line, "a document may have at most %zu bytes (limits.document)", most);
		return;
	}
	int status = read_task(stream, text, &batch->tasks[batch->count], &error);
	if (status == -ENOMEM) {
		store(stream);
		stop(stream, line, status, &error);
	} else if (status < 0) {
		reject(stream, line, "%s", error.text);
	} else {
		batch->tasks[batch->count].traceparent = stream->traceparent;
		batch->submissions[batch->count].task = &batch->tasks[batch->count];
		batch->lines[batch->count] = line;
		if (++batch->count == BATCH_TASKS)
			store(stream);
	}
}

/* ---- lines ---- */

static void drop_read(struct buffer *text, size_t length)
{
	text->length -= length;
	memmove(text->data, text->data + length, text->length);
}

/* A line that is longer than any may be is refused before its end is there. */
static void bound_line(struct stream *stream)
{
	size_t most = (size_t)stream->request->api->node->config->limits.document;

	if (!stream->skipping && stream->text.length > most + BATCH_BYTES) {
		reject(stream, stream->line + 1, "a document may have at most %zu bytes (limits.document)", most);
		stream->skipping = true;
	}
	if (stream->skipping)
		buffer_clear(&stream->text);
}

/* Reads all lines that are complete, and stores them. */
static void take_lines(struct stream *stream)
{
	const char *at = stream->text.data, *end, *newline;

	if (!at)
		return; /* nothing has come yet */
	end = at + stream->text.length;
	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		if (stream->skipping) {
			stream->skipping = false;
			stream->line++;
		} else {
			take_line(stream, (struct bytes){at, (size_t)(newline - at)});
		}
		at = newline + 1;
	}
	store(stream); /* its documents lie in the text */
	if (at < end || stream->text.length > 0)
		drop_read(&stream->text, stream->text.length - (size_t)(end - at));
	bound_line(stream);
}

void stream_receive(struct request *request, const char *bytes, size_t length)
{
	struct stream *stream = request->stream;
	struct error error;

	if (stream->status < 0)
		return; /* read, so that its sender reads the answer */
	stream->received_mono_ns = clock_mono_ns();
	while (length > 0) {
		size_t piece = length < PIECE_MAX ? length : PIECE_MAX;
		buffer_append(&stream->text, bytes, piece);
		if (stream->text.status < 0) {
			(void)error_set(&error, stream->text.status, "no memory");
			stop(stream, stream->line + 1, -ENOMEM, &error);
			return;
		}
		bytes += piece;
		length -= piece;
		if (stream->text.length >= BATCH_BYTES)
			take_lines(stream);
	}
}

int64_t stream_turn(struct api *api, int64_t now_mono_ns)
{
	int64_t next = INT64_MAX;

	for (struct stream *stream = api->streams; stream; stream = stream->next) {
		int64_t at = stream->received_mono_ns + pause_ns;
		if (stream->text.length == 0 || memchr(stream->text.data, '\n', stream->text.length) == NULL)
			continue;
		if (now_mono_ns >= at) {
			take_lines(stream);
			if (stream->text.length == 0)
				empty_text(stream); /* one that is silent for long holds nothing */
		} else if (at < next)
			next = at;
	}
	return next;
}

/* ---- the answer ---- */

static json_t *summary(const struct stream *stream)
{
	json_t *value = json_pack("{s:I, s:I, s:O}", "accepted", (json_int_t)stream->accepted, "rejected",
		(json_int_t)stream->rejected, "errors", stream->errors);

	if (value && stream->rejected > ERRORS_MAX)
		(void)json_object_set_new(value, "errors_truncated", json_true());
	if (value && stream->dry)
		(void)json_object_set_new(value, "dry_run", json_true());
	return value;
}

static void answer_stopped(struct request *request)
{
	struct stream *stream = request->stream;
	json_t *value = summary(stream);
	char detail[ERROR_TEXT_MAX];

	(void)snprintf(detail, sizeof detail,
		"stopped at line %zu: from there on nothing is known to be stored, send these lines again (%zu lines "
		"before it are accepted): %.200s",
		stream->stopped_line, stream->accepted,
		stream->why.text[0] != '\0' ? stream->why.text : "out of memory");
	if (value)
		(void)json_object_set_new(value, "line", json_integer((json_int_t)stream->stopped_line));
	problem_with(request, stream->status == BROKER_FULL ? 429 : 503, detail, "stream", value);
	answer_header(request, "Retry-After", "1");
}

void stream_end(struct request *request)
{
	struct stream *stream = request->stream;

	if (stream->status == 0)
		take_lines(stream);
	if (stream->status == 0 && stream->text.length > 0 && !stream->skipping)
		take_line(stream, (struct bytes){stream->text.data, stream->text.length});
	store(stream);
	if (stream->status < 0)
		answer_stopped(request);
	else
		answer_json(request, 200, summary(stream));
}
