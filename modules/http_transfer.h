/* http_transfer: one request and its answer on libcurl, and many of them at a time. Knows how bytes come and go, and which
 * addresses may be connected to (http_guard.h); what an answer means is its caller's. A worker keeps its connections from
 * transfer to transfer. One thread. */
#ifndef MUSTER_MODULES_HTTP_TRANSFER_H
#define MUSTER_MODULES_HTTP_TRANSFER_H

#include "modules/http_options.h"

#include <muster.h>

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_REFUSED_MAX = 384 };

struct http_transfer {
	struct muster_task *task;
	enum muster_end (*finish)(struct http_transfer *transfer); /* after a success */
	bool wants_body;                                           /* else what comes is dropped */
	struct curl_slist *headers;                                /* owned */
	char *body;                                                /* owned: what is sent; NULL: nothing */
	size_t body_length;
	/* of the answer: */
	char *bytes; /* owned */
	size_t length, most;
	bool too_long;
	char refused[HTTP_REFUSED_MAX]; /* why the guard refused; "": it did not */
	char detail[CURL_ERROR_SIZE];   /* what libcurl says of an error */
	/* http_transfer.c's: */
	CURL *easy;
	const json_t *allow;
	struct http_transfer *next;
};

/* Once. False with why. */
bool http_transfer_prepare(const char **why);

/* NULL: no memory. */
struct http_transfer *http_transfer_new(
	struct muster_task *task, enum muster_end (*finish)(struct http_transfer *transfer), bool wants_body);
void http_transfer_free(struct http_transfer *transfer);

/* Takes the transfer, and makes its task's end of it by `settle` (CURLE_ABORTED_BY_CALLBACK: it was told to stop): at once, or
 * later where its task is one of several. Returns what the method is to return. */
enum muster_end http_transfer_run(struct http_transfer *transfer, const char *url, const struct http_options *options,
	enum muster_end (*settle)(struct http_transfer *transfer, CURLcode code));

/* Of tasks that are some of several: as muster.h says of struct muster_several. */
void http_transfer_attend(int64_t ms);
void http_transfer_stop(struct muster_task *task);

#endif
