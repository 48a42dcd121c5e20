#include "api/metric_text.h"

#include <stdio.h>
#include <string.h>

void metric_head(struct buffer *text, const char *name, const char *type, const char *help)
{
	buffer_append_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void append_escaped(struct buffer *text, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			buffer_append(text, "\\", 1);
		if (*value == '\n')
			buffer_append(text, "\\n", 2);
		else
			buffer_append(text, value, 1);
	}
}

static void append_labels(struct buffer *text, const struct metric_labels *labels)
{
	const char *separator = "{";

	for (size_t i = 0; labels->pairs[i]; i += 2) {
		buffer_append_format(text, "%s%s=\"", separator, labels->pairs[i]);
		append_escaped(text, labels->pairs[i + 1]);
		buffer_append(text, "\"", 1);
		separator = ",";
	}
	if (labels->pairs[0])
		buffer_append(text, "}", 1);
}

void metric_write(struct buffer *text, const char *name, double value, const struct metric_labels *labels)
{
	buffer_append_text(text, name);
	append_labels(text, labels);
	buffer_append_format(text, " %.15g\n", value);
}

static struct metric_labels with_label(const struct metric_labels *labels, const char *name, const char *value)
{
	struct metric_labels more = *labels;
	size_t i = 0;

	while (more.pairs[i])
		i += 2;
	more.pairs[i] = name;
	more.pairs[i + 1] = value;
	more.pairs[i + 2] = NULL;
	return more;
}

void metric_histogram(struct buffer *text, const char *name, const struct scoreboard_histogram *histogram,
	const struct metric_labels *labels)
{
	char series[96], bound[32];
	uint64_t count = 0;

	(void)snprintf(series, sizeof series, "%s_bucket", name);
	for (size_t i = 0; i < SCOREBOARD_BUCKETS; i++) {
		count += histogram->count[i];
		if (i < SCOREBOARD_BUCKETS - 1)
			(void)snprintf(bound, sizeof bound, "%g", (double)scoreboard_bounds_us[i] / 1e6);
		else
			(void)snprintf(bound, sizeof bound, "+Inf");
		struct metric_labels bounded = with_label(labels, "le", bound);
		metric_write(text, series, (double)count, &bounded);
	}
	(void)snprintf(series, sizeof series, "%s_sum", name);
	metric_write(text, series, (double)histogram->sum_us / 1e6, labels);
	(void)snprintf(series, sizeof series, "%s_count", name);
	metric_write(text, series, (double)count, labels);
}

void metric_add_histogram(struct scoreboard_histogram *sum, const struct scoreboard_histogram *from)
{
	for (size_t i = 0; i < SCOREBOARD_BUCKETS; i++)
		sum->count[i] += from->count[i];
	sum->sum_us += from->sum_us;
}

/* A line with its end. In comments, the third word is the family's name. */
static void append_open_line(struct buffer *open, const char *line, size_t length)
{
	static const char comment[] = "# HELP ", total[] = "_total"; /* "# TYPE " is as long */
	const size_t lead = sizeof comment - 1, suffix = sizeof total - 1;
	const char *name = line + lead;
	const char *space = line[0] == '#' ? memchr(name, ' ', length - lead) : NULL;

	if (!space || (size_t)(space - name) <= suffix || memcmp(space - suffix, total, suffix) != 0) {
		buffer_append(open, line, length);
		return;
	}
	buffer_append(open, line, (size_t)(space - line) - suffix);
	buffer_append(open, space, length - (size_t)(space - line));
}

void metric_open(const struct buffer *text, struct buffer *open)
{
	const char *at = text->data, *end = at + text->length;

	while (at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));
		next = next ? next + 1 : end;
		append_open_line(open, at, (size_t)(next - at));
		at = next;
	}
	buffer_append_text(open, "# EOF\n");
}
