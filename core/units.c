#include "core/units.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t size;
};

/* Ascending, ends with a row whose name is NULL. */
static const struct unit durations[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 24 * 60 * 60 * 1000}, {NULL, 0}};
static const struct unit sizes[] = {{"B", 1}, {"KiB", INT64_C(1) << 10}, {"MiB", INT64_C(1) << 20},
	{"GiB", INT64_C(1) << 30}, {"TiB", INT64_C(1) << 40}, {NULL, 0}};

/* Beyond so many decimal places no fraction of any duration is whole milliseconds; and so many of them times the largest
 * unit fit in an int64_t. */
enum { FRACTION_MAX = 10 };

static bool is_digit(char character)
{
	return character >= '0' && character <= '9';
}

int units_parse_integer(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
	if (!is_digit(text[text[0] == '-'])) /* strtoll would take white space and plus signs */
		return -EINVAL;
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (*end != '\0')
		return -EINVAL;
	if (errno == ERANGE || value < minimum || value > maximum)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

/* A number split as it is written: 12.50 is whole 12, fraction 5, divisor 10. */
struct amount {
	int64_t whole, fraction, divisor;
	bool overflow, too_fine;
};

static const char *read_digits(const char *text, struct amount *amount)
{
	for (; is_digit(*text); text++)
		amount->overflow |= __builtin_mul_overflow(amount->whole, 10, &amount->whole) ||
				    __builtin_add_overflow(amount->whole, *text - '0', &amount->whole);
	return text;
}

static const char *read_fraction(const char *text, struct amount *amount)
{
	size_t length = strspn(text, "0123456789");
	const char *end = text + length;
	while (length > 0 && text[length - 1] == '0')
		length--;
	amount->too_fine = length > FRACTION_MAX;
	for (size_t i = 0; i < length && !amount->too_fine; i++) {
		amount->fraction = amount->fraction * 10 + (text[i] - '0');
		amount->divisor *= 10;
	}
	return end;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (strcmp(units->name, name) == 0)
			return units;
	return NULL;
}

static int parse(const char *text, const struct unit *units, bool fractions, const char *no_unit, int64_t *ret_value)
{
	struct amount amount = {.divisor = 1};
	if (!is_digit(*text))
		return -EINVAL;
	const char *end = read_digits(text, &amount);
	if (fractions && *end == '.' && is_digit(end[1]))
		end = read_fraction(end + 1, &amount);
	const struct unit *unit = find_unit(units, *end == '\0' ? no_unit : end);
	if (!unit || amount.too_fine || amount.fraction * unit->size % amount.divisor != 0)
		return -EINVAL;
	int64_t value;
	if (amount.overflow || __builtin_mul_overflow(amount.whole, unit->size, &value) ||
		__builtin_add_overflow(value, amount.fraction * unit->size / amount.divisor, &value))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int units_parse_duration(const char *text, int64_t *ret_ms)
{
	return parse(text, durations, true, "", ret_ms);
}

int units_parse_size(const char *text, int64_t *ret_bytes)
{
	return parse(text, sizes, false, "B", ret_bytes);
}

/* In the largest unit of which it is a whole number. */
static void format(char text[UNITS_TEXT_SIZE], int64_t value, const struct unit *units)
{
	assert(value >= 0);
	const struct unit *unit = units;
	while (unit[1].name && value % unit[1].size == 0)
		unit++;
	snprintf(text, UNITS_TEXT_SIZE, "%" PRId64 "%s", value / unit->size, unit->name);
}

void units_format_duration(char text[UNITS_TEXT_SIZE], int64_t ms)
{
	if (ms == 0)
		memcpy(text, "0s", sizeof "0s");
	else
		format(text, ms, durations);
}

void units_format_size(char text[UNITS_TEXT_SIZE], int64_t bytes)
{
	if (bytes == 0)
		memcpy(text, "0B", sizeof "0B");
	else
		format(text, bytes, sizes);
}
