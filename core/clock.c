#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)

int64_t clock_mono_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
}

int64_t clock_mono_after(int64_t ms)
{
	return clock_mono_ns() + ms * CLOCK_NS_PER_MS;
}

int64_t clock_wall_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000 + now.tv_nsec / CLOCK_NS_PER_MS;
}

int clock_ms_until(int64_t until_mono_ns)
{
	int64_t now = clock_mono_ns();
	if (until_mono_ns <= now)
		return 0;
	int64_t left = until_mono_ns - now;
	int64_t ms = left / CLOCK_NS_PER_MS + (left % CLOCK_NS_PER_MS != 0);
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

struct date {
	int64_t year, month, day;
};

/* Years are taken to begin in March: so the leap day is the last of its year, and five months in a row always have 153
 * days. 719468 days lie between 0000-03-01 and 1970-01-01; 146097 days are 400 years. */
static struct date date_of(int64_t days_since_1970)
{
	int64_t days = days_since_1970 + 719468;
	int64_t rest = days % 146097;
	int64_t year = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	int64_t day_of_year = rest - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	struct date date = {
		.year = days / 146097 * 400 + year + (month >= 10),
		.month = month < 10 ? month + 3 : month - 9,
		.day = day_of_year - (153 * month + 2) / 5 + 1,
	};
	return date;
}

static char *put_number(char *at, int64_t number, int digits, char behind)
{
	for (int i = digits; i-- > 0; number /= 10)
		at[i] = (char)('0' + number % 10);
	at[digits] = behind;
	return at + digits + 1;
}

/* Not by gmtime_r: it takes a lock, and the log must go on when another thread is stuck wherever it is stuck. */
void clock_format(char text[CLOCK_TEXT_SIZE], int64_t at_ms)
{
	assert(at_ms >= 0 && at_ms <= CLOCK_LAST_MS);
	struct date date = date_of(at_ms / MS_PER_DAY);
	text = put_number(text, date.year, 4, '-');
	text = put_number(text, date.month, 2, '-');
	text = put_number(text, date.day, 2, 'T');
	text = put_number(text, at_ms / 3600000 % 24, 2, ':');
	text = put_number(text, at_ms / 60000 % 60, 2, ':');
	text = put_number(text, at_ms / 1000 % 60, 2, '.');
	text = put_number(text, at_ms % 1000, 3, 'Z');
	*text = '\0';
}

/* Takes exactly so many digits off *text. */
static bool take_number(const char **text, int digits, int maximum, int *ret_number)
{
	int number = 0;
	for (int i = 0; i < digits; i++) {
		char digit = (*text)[i];
		if (digit < '0' || digit > '9')
			return false;
		number = number * 10 + (digit - '0');
	}
	if (number > maximum)
		return false;
	*text += digits;
	*ret_number = number;
	return true;
}

static bool take_one_of(const char **text, char one, char other)
{
	if (**text != one && **text != other)
		return false;
	*text += 1;
	return true;
}

static bool take_date(const char **text, int64_t *ret_seconds)
{
	int year, month, day;
	if (!take_number(text, 4, 9999, &year) || !take_one_of(text, '-', '-') || !take_number(text, 2, 12, &month) ||
		!take_one_of(text, '-', '-') || !take_number(text, 2, 31, &day))
		return false;
	struct tm date = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
	int64_t seconds = timegm(&date);
	if (date.tm_mon != month - 1 || date.tm_mday != day) /* made into another day: there is no such one */
		return false;
	*ret_seconds = seconds;
	return true;
}

static bool take_time(const char **text, int64_t *ret_ms)
{
	int hour, minute, second;
	if (!take_number(text, 2, 23, &hour) || !take_one_of(text, ':', ':') || !take_number(text, 2, 59, &minute) ||
		!take_one_of(text, ':', ':') || !take_number(text, 2, 60, &second)) /* 60: a leap second */
		return false;
	int fraction = 0;
	if (take_one_of(text, '.', '.')) {
		int digit;
		if (**text < '0' || **text > '9')
			return false;
		for (int weight = 100; take_number(text, 1, 9, &digit); weight /= 10)
			fraction += digit * weight;
	}
	*ret_ms = ((hour * 60 + minute) * 60 + second) * INT64_C(1000) + fraction;
	return true;
}

static bool take_offset(const char **text, int64_t *ret_minutes)
{
	*ret_minutes = 0;
	if (take_one_of(text, 'Z', 'z'))
		return true;
	int sign = **text == '-' ? -1 : 1;
	int hours, minutes;
	if (!take_one_of(text, '+', '-') || !take_number(text, 2, 23, &hours) || !take_one_of(text, ':', ':') ||
		!take_number(text, 2, 59, &minutes))
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

int clock_parse(const char *text, int64_t *ret_at_ms)
{
	int64_t seconds, ms, minutes;
	if (!take_date(&text, &seconds) || !take_one_of(&text, 'T', 't') || !take_time(&text, &ms) ||
		!take_offset(&text, &minutes) || *text != '\0')
		return -EINVAL;
	int64_t at_ms = seconds * 1000 + ms - minutes * 60000;
	if (at_ms > CLOCK_LAST_MS)
		return -EINVAL;
	*ret_at_ms = at_ms;
	return 0;
}
