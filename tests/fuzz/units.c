/* Durations, sizes, numbers and times as people write them, and texts for the log: what is read is written and read again. */
#include "tests/fuzz/fuzz.h"

#include "core/clock.h"
#include "core/units.h"
#include "core/utf8.h"

#include <errno.h>

static void check_duration(const char *text)
{
	char written[UNITS_TEXT_SIZE];
	int64_t value = -1, again;
	int status = units_parse_duration(text, &value);

	assert((status == 0 && value >= 0) || ((status == -EINVAL || status == -ERANGE) && value == -1));
	if (status < 0)
		return;
	units_format_duration(written, value);
	assert(units_parse_duration(written, &again) == 0 && again == value);
}

static void check_size(const char *text)
{
	char written[UNITS_TEXT_SIZE];
	int64_t value = -1, again;
	int status = units_parse_size(text, &value);

	assert((status == 0 && value >= 0) || ((status == -EINVAL || status == -ERANGE) && value == -1));
	if (status < 0)
		return;
	units_format_size(written, value);
	assert(units_parse_size(written, &again) == 0 && again == value);
}

static void check_integer(const char *text)
{
	int64_t value = 7;
	int status = units_parse_integer(text, -5, 70000, &value);

	assert(status == 0 ? value >= -5 && value <= 70000 : value == 7);
}

/* A time that is read can be written, unless it is before 1970. */
static void check_time(const char *text)
{
	char written[CLOCK_TEXT_SIZE];
	int64_t value, again;

	if (clock_parse(text, &value) < 0 || value < 0)
		return;
	clock_format(written, value);
	assert(clock_parse(written, &again) == 0 && again == value);
}

static void check_characters(const char *text, size_t length)
{
	uint32_t point;

	for (size_t step; length > 0; text += step, length -= step) {
		step = utf8_decode(text, length, &point);
		assert(step <= 4 && step <= length && (step == 0 || point <= 0x10ffff));
		if (step == 0)
			step = 1;
		else
			(void)utf8_is_unprintable(point);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_duration(text);
	check_size(text);
	check_integer(text);
	check_time(text);
	check_characters((const char *)data, size);
	free(text);
	return 0;
}
