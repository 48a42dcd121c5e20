#include "api/request.h"

#include "api/http.h"
#include "core/clock.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 256 * 1024 * 1024 }; /* no answer is that long; it bounds the buffers they grow in */

static const char failed[] = "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
			     "\"detail\":\"the answer could not be put together\"}\n";

void answer_fini(struct answer *answer)
{
	if (!answer->borrowed)
		free(answer->body);
	*answer = (struct answer){0};
}

static void complete(struct request *request, struct answer answer)
{
	answer_fini(&request->answer);
	request->answer = answer;
	request->stage = REQUEST_ANSWERED;
	if (request->suspended)
		http_resume(request);
}

void answer_static(struct request *request, int status, const char *type, const char *bytes, size_t length)
{
	/* The bytes are only read: `body` is not const because owned ones are freed through it. */
	complete(request, (struct answer){.status = status,
				  .type = type,
				  .body = (char *)(uintptr_t)bytes,
				  .length = length,
				  .borrowed = true});
}

void answer_buffer(struct request *request, int status, const char *type, struct buffer *text)
{
	if (text->status < 0 || text->length == 0) {
		answer_static(request, 500, "application/problem+json", failed, sizeof failed - 1);
		return;
	}
	size_t length = text->length;
	complete(request, (struct answer){.status = status, .type = type, .body = buffer_take(text), .length = length});
}

void answer_stream(struct request *request, int status, const char *type,
	ssize_t (*read)(struct request *request, char *bytes, size_t room))
{
	complete(request, (struct answer){.status = status, .type = type, .borrowed = true, .read = read});
}

static int append_chunk(const char *bytes, size_t length, void *text)
{
	buffer_append(text, bytes, length);
	return 0;
}

static size_t number_length(const char *text, size_t length)
{
	size_t end = 0;

	while (end < length && memchr("+-.0123456789eE", text[end], 15))
		end++;
	return end;
}

/* The shortest text that reads as the same number: jansson writes 0.1 as 0.10000000000000001. */
static void append_number(struct buffer *out, const char *text, size_t length)
{
	char exact[40], shorter[40];

	if (length >= sizeof exact || (!memchr(text, '.', length) && !memchr(text, 'e', length))) {
		buffer_append(out, text, length);
		return;
	}
	memcpy(exact, text, length);
	exact[length] = '\0';
	const double value = strtod(exact, NULL);
	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(shorter, sizeof shorter, "%.*g", digits, value);
		const double read = strtod(shorter, NULL);
		if (read >= value && read <= value) /* equal; compilers warn of == between reals */
			break;
	}
	buffer_append_text(out, shorter);
	if (!strpbrk(shorter, ".e"))
		buffer_append_text(out, ".0"); /* it was a real, and stays one */
}

/* Copies JSON as jansson writes it, its reals shortened. */
static void append_shortened(struct buffer *out, const char *text, size_t length)
{
	bool in_string = false;
	size_t copied = 0;

	for (size_t i = 0; i < length; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else
				in_string = text[i] != '"';
		} else if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '-' || (text[i] >= '0' && text[i] <= '9')) {
			const size_t number = number_length(text + i, length - i);
			buffer_append(out, text + copied, i - copied);
			append_number(out, text + i, number);
			copied = i + number;
			i = copied - 1;
		}
	}
	buffer_append(out, text + copied, length - copied);
}

void answer_json(struct request *request, int status, json_t *value)
{
	const char *type = status < 400 ? "application/json" : "application/problem+json";
	_cleanup_(buffer_fini) struct buffer text;

	buffer_init(&text, ANSWER_MAX);
	if (value && json_dump_callback(value, append_chunk, &text, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0)
		buffer_append(&text, "\n", 1); /* for terminals */
	else
		buffer_clear(&text);
	json_decref(value);
	answer_buffer(request, status, type, &text);
}

void answer_exact_json(struct request *request, int status, json_t *value)
{
	char *dumped = value ? json_dumps(value, JSON_COMPACT) : NULL;
	_cleanup_(buffer_fini) struct buffer text;

	buffer_init(&text, ANSWER_MAX);
	if (dumped) {
		append_shortened(&text, dumped, strlen(dumped));
		buffer_append(&text, "\n", 1); /* for terminals */
	}
	free(dumped);
	json_decref(value);
	answer_buffer(request, status, "application/json", &text);
}

void answer_header(struct request *request, const char *header, const char *value)
{
	struct answer *answer = &request->answer;

	assert(answer->header_count < REQUEST_HEADERS);
	answer->headers[answer->header_count].name = header;
	answer->headers[answer->header_count++].value = value;
}

void answer_header_format(struct request *request, const char *header, const char *format, ...)
{
	struct answer *answer = &request->answer;
	char *text = answer->headers[answer->header_count < REQUEST_HEADERS ? answer->header_count : 0].text;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof answer->headers[0].text, format, arguments);
	va_end(arguments);
	answer_header(request, header, text);
}

json_t *answer_text(const char *bytes, size_t maximum)
{
	size_t length = strnlen(bytes, maximum);
	json_t *text = json_stringn(bytes, length);

	if (text)
		return text;
	char *plain = malloc(length + 1);
	if (!plain)
		return NULL;
	for (size_t i = 0; i < length; i++)
		plain[i] = (signed char)bytes[i] < 0 ? '?' : bytes[i];
	text = json_stringn(plain, length);
	free(plain);
	return text;
}

json_t *answer_time(int64_t at_ms)
{
	char text[CLOCK_TEXT_SIZE];

	if (at_ms <= 0 || at_ms > CLOCK_LAST_MS)
		return json_null();
	clock_format(text, at_ms);
	return json_string(text);
}
