#include "cli/view.h"

#include "core/clock.h"

#include <stdio.h>
#include <string.h>

const char *view_string(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

int64_t view_integer(const json_t *object, const char *name)
{
	return (int64_t)json_number_value(json_object_get(object, name));
}

double view_seconds(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_number(value) ? json_number_value(value) : -1;
}

bool view_flag(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

struct view_text view_age(double seconds)
{
	const long long whole = (long long)seconds;
	struct view_text view;

	if (seconds < 0)
		(void)snprintf(view.text, VIEW_SIZE, "-");
	else if (seconds < 10)
		(void)snprintf(view.text, VIEW_SIZE, "%.1fs", seconds);
	else if (whole < 60)
		(void)snprintf(view.text, VIEW_SIZE, "%llds", whole);
	else if (whole < 3600)
		(void)snprintf(view.text, VIEW_SIZE, "%lldm%02llds", whole / 60, whole % 60);
	else if (whole < 86400)
		(void)snprintf(view.text, VIEW_SIZE, "%lldh%02lldm", whole / 3600, whole / 60 % 60);
	else
		(void)snprintf(view.text, VIEW_SIZE, "%lldd%02lldh", whole / 86400, whole / 3600 % 24);
	return view;
}

struct view_text view_count(int64_t count)
{
	struct view_text view = {""};
	char digits[VIEW_SIZE];
	size_t used = 0;

	(void)snprintf(digits, sizeof digits, "%lld", (long long)count);
	for (size_t length = strlen(digits), i = 0; i < length && used < VIEW_SIZE - 2; i++) {
		view.text[used++] = digits[i];
		if (digits[i] != '-' && i + 1 < length && (length - i - 1) % 3 == 0)
			view.text[used++] = ',';
	}
	view.text[used] = '\0';
	return view;
}

struct view_text view_bytes(int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	size_t unit = 0;
	struct view_text view;

	while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(view.text, VIEW_SIZE, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return view;
}

struct view_text view_since(const char *time, int64_t now_ms)
{
	int64_t at_ms;

	if (clock_parse(time, &at_ms) < 0)
		return view_age(-1);
	return view_age(at_ms > now_ms ? 0.0 : (double)(now_ms - at_ms) / 1000);
}
