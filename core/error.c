#include "core/error.h"

#include "core/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The sentence ends up in terminals and in JSON: whatever was quoted in it, it is one line of UTF-8. The last character
 * may have been cut in two. */
static void clean(char text[ERROR_TEXT_MAX])
{
	size_t length = strlen(text);
	size_t step;
	for (size_t i = 0; i < length; i += step) {
		uint32_t point;
		step = utf8_decode(text + i, length - i, &point);
		if (step == 0)
			text[i] = '?';
		else if (utf8_is_unprintable(point))
			memset(text + i, ' ', step);
		if (step == 0)
			step = 1;
	}
}

int error_set(struct error *error, int code, const char *format, ...)
{
	assert(code < 0);
	if (!error)
		return code;
	/* Not into *error at once: its present sentence may be one of the arguments. */
	char text[ERROR_TEXT_MAX];
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	assert(length >= 0);
	clean(text);
	memcpy(error->text, text, strlen(text) + 1);
	return code;
}
