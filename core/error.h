/* error: a failure that a person must understand.
 *
 * Functions return 0 or more for success and a negative errno for failure. Where the number alone would not tell a
 * person what to do, the last parameter is a struct error that receives one sentence with the culprit in it. It is
 * written only on failure; callers that do not care pass NULL. */
#ifndef MUSTER_CORE_ERROR_H
#define MUSTER_CORE_ERROR_H

enum { ERROR_TEXT_MAX = 512 };

struct error {
	char text[ERROR_TEXT_MAX]; /* one sentence, no full stop, no line break; cut at the maximum */
};

/* Writes the sentence into *error (NULL: nowhere) and returns code, so that a caller can write
 * `return error_set(error, -EINVAL, "…")`. code is a negative errno. */
int error_set(struct error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
