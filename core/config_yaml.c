#include "core/config_internal.h"

#include "core/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 32, POINTER_MAX = 512, WRITTEN_MAX = 16 * 1024 * 1024 };

/* ---- plain scalars: what `10`, `true` and `~` mean without quotes ---- */

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words != NULL && strcmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

/* YAML's core schema, with JSON's numbers. NULL: no memory. */
static json_t *plain_value(const char *text, size_t length)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	json_t *number;

	if (is_one_of(text, nulls))
		return json_null();
	if (is_one_of(text, trues))
		return json_true();
	if (is_one_of(text, falses))
		return json_false();
	if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
		return json_stringn(text, length);
	errno = 0;
	number = json_loadb(text, length, JSON_DECODE_ANY, NULL);
	if (number != NULL || errno == ENOMEM) /* without memory a number must not become a text */
		return number;
	return json_stringn(text, length);
}

/* ---- reading ---- */

struct yaml_reading {
	yaml_parser_t parser;
	const char *name;
	json_t *lines;
	struct error *error;
	int depth;
	char pointer[POINTER_MAX]; /* of the value that is being read */
	size_t pointer_length;     /* beyond POINTER_MAX - 1: too long to note lines for */
};

static int line_of(yaml_mark_t mark)
{
	return (int)mark.line + 1;
}

__attribute__((format(printf, 3, 4))) static int refuse(struct yaml_reading *reading, int line, const char *format, ...)
{
	char sentence[ERROR_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sentence, sizeof sentence, format, arguments);
	va_end(arguments);
	return error_set(reading->error, -EINVAL, "%s:%d: %s", reading->name, line, sentence);
}

static int refuse_syntax(struct yaml_reading *reading)
{
	const yaml_parser_t *parser = &reading->parser;
	const char *problem = parser->problem != NULL ? parser->problem : "this is no YAML";
	int line = line_of(parser->problem_mark);

	if (parser->error == YAML_MEMORY_ERROR)
		return error_set(reading->error, -ENOMEM, "%s: no memory", reading->name);
	if (parser->error == YAML_READER_ERROR) /* bad UTF-8 and the like, met ahead of the parser */
		line = line_of(parser->mark);
	if (parser->context != NULL)
		return refuse(reading, line, "%s %s", problem, parser->context);
	return refuse(reading, line, "%s", problem);
}

static int next_event(struct yaml_reading *reading, yaml_event_t *event)
{
	return yaml_parser_parse(&reading->parser, event) ? 0 : refuse_syntax(reading);
}

/* Appends "/name" to the pointer; returns the length to go back to. */
static size_t enter(struct yaml_reading *reading, const char *name)
{
	size_t before = reading->pointer_length;
	size_t at = before;

	if (at < POINTER_MAX)
		reading->pointer[at] = '/';
	at++;
	for (; *name != '\0'; name++) {
		const char *written = *name == '~' ? "~0" : *name == '/' ? "~1" : (const char[2]){*name, '\0'};

		for (; *written != '\0'; written++, at++)
			if (at < POINTER_MAX)
				reading->pointer[at] = *written;
	}
	reading->pointer_length = at;
	if (at < POINTER_MAX)
		reading->pointer[at] = '\0';
	return before;
}

static void leave(struct yaml_reading *reading, size_t length)
{
	reading->pointer_length = length;
	if (length < POINTER_MAX)
		reading->pointer[length] = '\0';
}

static int note_line(struct yaml_reading *reading, yaml_mark_t mark)
{
	if (reading->pointer_length >= POINTER_MAX)
		return 0; /* faults there name the line of what holds it */
	return json_object_set_new(reading->lines, reading->pointer, json_integer(line_of(mark))) < 0 ? -ENOMEM : 0;
}

/* Anchors could make a document of a few lines expand into gigabytes; tags would need a meaning. */
static int refuse_extras(struct yaml_reading *reading, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (event->type == YAML_ALIAS_EVENT)
		return refuse(reading, line_of(event->start_mark),
			"aliases (*%s) are not supported: write the value again",
			(const char *)event->data.alias.anchor);
	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	}
	if (anchor != NULL)
		return refuse(
			reading, line_of(event->start_mark), "anchors (&%s) are not supported", (const char *)anchor);
	if (tag != NULL)
		return refuse(reading, line_of(event->start_mark), "tags (%s) are not supported", (const char *)tag);
	return 0;
}

static int read_node(struct yaml_reading *reading, const yaml_event_t *event, json_t **ret_value);

static int read_element(struct yaml_reading *reading, const yaml_event_t *event, json_t *list)
{
	char index[24];
	size_t outer;
	json_t *value = NULL;
	int status;

	(void)snprintf(index, sizeof index, "%zu", json_array_size(list));
	outer = enter(reading, index);
	status = read_node(reading, event, &value);
	leave(reading, outer);
	if (status == 0 && json_array_append_new(list, value) < 0)
		status = -ENOMEM;
	return status;
}

static int read_value_of(struct yaml_reading *reading, const char *key, yaml_mark_t mark, json_t *object)
{
	size_t outer = enter(reading, key);
	int status = note_line(reading, mark);
	yaml_event_t event;
	json_t *value = NULL;

	if (status == 0)
		status = next_event(reading, &event);
	if (status == 0) {
		status = read_node(reading, &event, &value);
		yaml_event_delete(&event);
	}
	leave(reading, outer);
	if (status == 0 && json_object_set_new(object, key, value) < 0)
		status = -ENOMEM;
	return status;
}

static int read_member(struct yaml_reading *reading, const yaml_event_t *event, json_t *object)
{
	const char *key = (const char *)event->data.scalar.value;
	int line = line_of(event->start_mark);
	int status = refuse_extras(reading, event);

	if (status < 0)
		return status;
	if (event->type != YAML_SCALAR_EVENT)
		return refuse(reading, line, "a key must be a plain word");
	if (strlen(key) != event->data.scalar.length)
		return refuse(reading, line, "a key must not contain NUL");
	if (json_object_get(object, key) != NULL)
		return refuse(reading, line, "the key \"%.64s\" is there twice", key);
	return read_value_of(reading, key, event->start_mark, object);
}

/* Reads events up to `end`, each as a part of `whole`. */
static int read_parts(struct yaml_reading *reading, yaml_event_type_t end,
	int (*read_part)(struct yaml_reading *reading, const yaml_event_t *event, json_t *whole), json_t *whole)
{
	bool ended = false;
	int status = 0;

	while (!ended && status == 0) {
		yaml_event_t event;

		status = next_event(reading, &event);
		if (status < 0)
			return status;
		ended = event.type == end;
		if (!ended)
			status = read_part(reading, &event, whole);
		yaml_event_delete(&event);
	}
	return status;
}

static int read_collection(struct yaml_reading *reading, const yaml_event_t *event, json_t **ret_value)
{
	bool is_list = event->type == YAML_SEQUENCE_START_EVENT;
	json_t *whole;
	int status;

	if (reading->depth == DEPTH_MAX)
		return refuse(reading, line_of(event->start_mark), "nested deeper than %d levels", DEPTH_MAX);
	whole = is_list ? json_array() : json_object();
	if (whole == NULL)
		return -ENOMEM;
	reading->depth++;
	status = is_list ? read_parts(reading, YAML_SEQUENCE_END_EVENT, read_element, whole)
			 : read_parts(reading, YAML_MAPPING_END_EVENT, read_member, whole);
	reading->depth--;
	if (status == 0)
		*ret_value = whole;
	else
		json_decref(whole);
	return status;
}

static int read_scalar(const yaml_event_t *event, json_t **ret_value)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t length = event->data.scalar.length;
	json_t *value = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_value(text, length)
									    : json_stringn(text, length);

	if (value == NULL)
		return -ENOMEM;
	*ret_value = value;
	return 0;
}

static int read_node(struct yaml_reading *reading, const yaml_event_t *event, json_t **ret_value)
{
	int status = refuse_extras(reading, event);

	/* a member's line is that of its key, noted before */
	if (status == 0 && reading->pointer_length < POINTER_MAX &&
		json_object_get(reading->lines, reading->pointer) == NULL)
		status = note_line(reading, event->start_mark);
	if (status < 0)
		return status;
	return event->type == YAML_SCALAR_EVENT ? read_scalar(event, ret_value)
						: read_collection(reading, event, ret_value);
}

/* The part of the stream is a document's start; the document is the first member of `whole`, a list. */
static int read_document(struct yaml_reading *reading, const yaml_event_t *event, json_t *whole)
{
	yaml_event_t root;
	json_t *value = NULL;
	int status;

	if (event->type == YAML_STREAM_START_EVENT || event->type == YAML_DOCUMENT_END_EVENT)
		return 0;
	if (json_array_size(whole) > 0)
		return refuse(
			reading, line_of(event->start_mark), "a second document begins here; there may be only one");
	status = next_event(reading, &root);
	if (status < 0)
		return status;
	status = read_node(reading, &root, &value);
	yaml_event_delete(&root);
	if (status == 0 && json_array_append_new(whole, value) < 0)
		status = -ENOMEM;
	return status;
}

static int read_stream(struct yaml_reading *reading, json_t **ret_value)
{
	json_t *documents = json_array();
	int status;

	if (documents == NULL)
		return -ENOMEM;
	status = read_parts(reading, YAML_STREAM_END_EVENT, read_document, documents);
	if (status == 0) /* an empty file says nothing, and means it */
		*ret_value = json_array_size(documents) > 0 ? json_incref(json_array_get(documents, 0)) : json_null();
	json_decref(documents);
	return status;
}

int config_yaml_read(
	const char *name, const char *text, size_t length, json_t **ret_value, json_t **ret_lines, struct error *error)
{
	struct yaml_reading reading = {.name = name, .error = error, .lines = json_object()};
	int status;

	if (reading.lines == NULL || !yaml_parser_initialize(&reading.parser)) {
		json_decref(reading.lines);
		return error_set(error, -ENOMEM, "%s: no memory", name);
	}
	yaml_parser_set_encoding(&reading.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reading.parser, (const unsigned char *)text, length);
	status = read_stream(&reading, ret_value);
	yaml_parser_delete(&reading.parser);
	if (status == 0)
		*ret_lines = reading.lines;
	else
		json_decref(reading.lines);
	if (status == -ENOMEM)
		return error_set(error, -ENOMEM, "%s: no memory", name);
	return status;
}

/* ---- writing ---- */

static int append_output(void *context, unsigned char *bytes, size_t length)
{
	struct buffer *text = context;

	buffer_append(text, bytes, length);
	return text->status == 0;
}

static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
	return made && yaml_emitter_emit(emitter, event);
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, size_t length, yaml_scalar_style_t style)
{
	yaml_event_t event;

	return emit(emitter, &event,
		yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)length, 1, 1, style));
}

/* In quotes where it would be read as something else without them. */
static bool emit_text(yaml_emitter_t *emitter, const char *text, size_t length)
{
	json_t *plain = plain_value(text, length);
	bool quoted = !json_is_string(plain);

	if (plain == NULL)
		return false; /* no memory */
	json_decref(plain);
	return emit_scalar(emitter, text, length, quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE);
}

/* Numbers, true, false and null are written as in JSON: 0.1 as 0.1, and what needs all 17 digits with these. */
static bool emit_word(yaml_emitter_t *emitter, const json_t *value)
{
	char text[64];
	size_t length = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	json_t *again = json_loadb(text, length, JSON_DECODE_ANY, NULL);

	if (again == NULL)
		return false; /* no memory: what jansson writes it can read */
	if (!json_equal(again, value))
		length = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY);
	json_decref(again);
	if (length == 0)
		return false;
	assert(length <= sizeof text);
	return emit_scalar(emitter, text, length, YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value);

static bool is_flat(const json_t *element)
{
	return !json_is_object(element) && !json_is_array(element);
}

static bool emit_list(yaml_emitter_t *emitter, const json_t *list)
{
	bool short_one = json_array_size(list) == 0 || is_flat(json_array_get(list, 0));
	yaml_event_t event;
	bool done = emit(emitter, &event,
		yaml_sequence_start_event_initialize(
			&event, NULL, NULL, 1, short_one ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE));

	for (size_t i = 0; done && i < json_array_size(list); i++)
		done = emit_value(emitter, json_array_get(list, i));
	return done && emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool emit_object(yaml_emitter_t *emitter, const json_t *object)
{
	yaml_event_t event;
	bool done = emit(
		emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_MAPPING_STYLE));
	const char *name;
	json_t *value = NULL;

	json_object_foreach((json_t *)object, name, value)
	{
		done = done && emit_text(emitter, name, strlen(name)) && emit_value(emitter, value);
	}
	return done && emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool emit_value(yaml_emitter_t *emitter, const json_t *value)
{
	if (json_is_object(value))
		return emit_object(emitter, value);
	if (json_is_array(value))
		return emit_list(emitter, value);
	if (json_is_string(value))
		return emit_text(emitter, json_string_value(value), json_string_length(value));
	return emit_word(emitter, value);
}

static bool emit_stream(yaml_emitter_t *emitter, const json_t *value)
{
	yaml_event_t event;

	return emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
	       emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
	       emit_value(emitter, value) && emit(emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
	       emit(emitter, &event, yaml_stream_end_event_initialize(&event));
}

char *config_yaml_write(const json_t *value)
{
	_cleanup_(buffer_fini) struct buffer text;
	yaml_emitter_t emitter;
	bool done;

	buffer_init(&text, WRITTEN_MAX);
	if (!yaml_emitter_initialize(&emitter))
		return NULL;
	yaml_emitter_set_output(&emitter, append_output, &text);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, 120);
	done = emit_stream(&emitter, value);
	yaml_emitter_delete(&emitter);
	return done ? buffer_take(&text) : NULL;
}
