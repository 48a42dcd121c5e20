#include "core/document.h"

#include "core/buffer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Digits of the shortest integers that may be beyond 64 bits. */
enum { WIDE_DIGITS = 19 };

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* The first byte behind the string whose opening quote is at `at`; `end` when it is not closed. */
static const char *string_end(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && at + 1 < end)
			at++;
	}
	return end;
}

static const char *digits_end(const char *at, const char *end)
{
	while (at < end && is_digit(*at))
		at++;
	return at;
}

/* Behind a fraction or an exponent at `at`, if a whole one is there. */
static const char *fraction_end(const char *at, const char *end)
{
	if (at == end || *at != '.')
		return at;
	const char *behind = digits_end(at + 1, end);
	return behind > at + 1 ? behind : at;
}

static const char *exponent_end(const char *at, const char *end)
{
	if (at == end || (*at != 'e' && *at != 'E'))
		return at;
	const char *digits = at + 1 < end && (at[1] == '+' || at[1] == '-') ? at + 2 : at + 1;
	const char *behind = digits_end(digits, end);
	return behind > digits ? behind : at;
}

static bool fits_64_bits(const char *digits, size_t count, bool negative)
{
	static const char *const largest[] = {"9223372036854775807", "9223372036854775808"};
	return count < WIDE_DIGITS || (count == WIDE_DIGITS && memcmp(digits, largest[negative], WIDE_DIGITS) <= 0);
}

static const char *integer_end(const char *at, const char *end)
{
	return at < end && *at == '0' ? at + 1 : digits_end(at, end);
}

/* The first byte behind the number at `at` (a digit or a minus sign). What is no number by the grammar ends early, so
 * that what follows spoils it in jansson's eyes as it did before. */
static const char *number_end(const char *at, const char *end, bool *ret_wide)
{
	bool negative = *at == '-';
	const char *digits = at + negative;
	const char *integer = integer_end(digits, end);
	const char *behind = integer > digits ? exponent_end(fraction_end(integer, end), end) : integer;
	*ret_wide = behind == integer && !fits_64_bits(digits, (size_t)(integer - digits), negative);
	return behind;
}

/* The scanner. Where integers are too wide, a copy of the bytes with reals in their place grows in `widened`. */
static int scan(const char *bytes, size_t length, struct buffer *widened, struct error *error)
{
	const char *end = bytes + length;
	const char *copied = bytes;
	unsigned depth = 0;
	bool wide;
	for (const char *at = bytes; at < end;) {
		switch (*at) {
		case '"': at = string_end(at, end); break;
		case '[':
		case '{':
			if (++depth > DOCUMENT_DEPTH_MAX)
				return error_set(error, -EBADMSG, "nested deeper than %d levels", DOCUMENT_DEPTH_MAX);
			at++;
			break;
		case ']':
		case '}':
			depth -= depth > 0;
			at++;
			break;
		case '-':
		case '0' ... '9':
			at = number_end(at, end, &wide);
			if (!wide)
				break;
			buffer_append(widened, copied, (size_t)(at - copied));
			buffer_append_text(widened, ".0");
			copied = at;
			break;
		default: at++;
		}
	}
	if (copied > bytes)
		buffer_append(widened, copied, (size_t)(end - copied));
	return widened->status < 0 ? error_set(error, widened->status, "out of memory") : 0;
}

/* One reading by jansson. Writes *ret_value or *fault. */
static int load(const char *bytes, size_t length, size_t flags, json_t **ret_value, json_error_t *fault)
{
	errno = 0;
	json_t *value = json_loadb(bytes, length, flags | JSON_ALLOW_NUL | JSON_DECODE_ANY, fault);
	if (value) {
		*ret_value = value;
		return 0;
	}
	/* jansson 2.14 calls a failed malloc "invalid token". It clears errno only where it reads a number, which it
	 * does not do after a failure. */
	if (errno == ENOMEM)
		return -ENOMEM;
	switch ((int)json_error_code(fault)) {
	case json_error_duplicate_key:
	case json_error_null_byte_in_key:
	case json_error_numeric_overflow: return -EINVAL;
	default: return -EBADMSG;
	}
}

static void soften_string(char *at, const char *end)
{
	for (; at < end; at++) {
		if (*at != '\\')
			continue;
		if (end - at > 6 && memcmp(at, "\\u0000", 6) == 0)
			at[5] = '1';
		at++;
	}
}

static void soften_number(char *at, const char *end)
{
	at += *at == '-'; /* stays, or "1.-5" would become a number */
	if (at == end)
		return;
	memset(at, ' ', (size_t)(end - at));
	*at = '0';
}

/* In place: numbers become 0, NUL characters in strings others. */
static void soften(char *bytes, size_t length)
{
	const char *end = bytes + length;
	bool wide;
	for (char *at = bytes, *behind; at < end; at = behind) {
		behind = at + 1;
		if (*at == '"') {
			behind = at + (string_end(at, end) - at);
			soften_string(at, behind);
		} else if (*at == '-' || is_digit(*at)) {
			behind = at + (number_end(at, end, &wide) - at);
			soften_number(at, behind);
		}
	}
}

/* What jansson refuses although it is JSON ends its reading at that place. Whether all the rest is JSON too, a second
 * reading says, of a copy without such things. */
static int judge(const char *bytes, size_t length, json_error_t *fault)
{
	char *copy = malloc(length);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, length);
	soften(copy, length);
	json_t *value;
	json_error_t further = {0};
	int status = load(copy, length, 0, &value, &further);
	free(copy);
	if (status < 0) {
		*fault = further;
		return status;
	}
	json_decref(value);
	return -EINVAL;
}

/* What jansson itself does not see, or says less well. */
static int look_at(const char *bytes, size_t length, struct error *error)
{
	if (length == 0)
		return error_set(error, -EBADMSG, "the document is empty");
	if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
		return error_set(error, -EBADMSG, "the document starts with a byte order mark");
	if (memchr(bytes, '\0', length)) /* jansson passes over one that follows a number */
		return error_set(error, -EBADMSG, "the document contains a NUL byte");
	return 0;
}

int document_parse(
	const char *bytes, size_t length, enum document_manners manners, json_t **ret_value, struct error *error)
{
	int status = look_at(bytes, length, error);
	if (status < 0)
		return status;
	_cleanup_(buffer_fini) struct buffer widened;
	buffer_init(&widened, length + length / WIDE_DIGITS * 2);
	status = scan(bytes, length, &widened, error);
	if (status < 0)
		return status;
	if (widened.length > 0) {
		bytes = widened.data;
		length = widened.length;
	}
	json_error_t fault = {0};
	status = load(bytes, length, manners == DOCUMENT_STRICT ? JSON_REJECT_DUPLICATES : 0, ret_value, &fault);
	if (status == -EINVAL)
		status = judge(bytes, length, &fault);
	if (status == -ENOMEM)
		return error_set(error, -ENOMEM, "out of memory");
	if (status < 0)
		return error_set(error, status, "line %d, column %d: %s", fault.line, fault.column, fault.text);
	return 0;
}
