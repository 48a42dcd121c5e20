#include "modules/http_transfer.h"

#include "modules/http_guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
	WAKE_MS = 50,    /* how soon it hears that it is to stop */
	SPARE_MS = 5000, /* of a beat's promise beyond the transfer's own timeout */
	HOST_MAX = 256,
	IDLE_MAX = 512, /* handles that are kept */
};

/* Kept from task to task; the connections are the multi handle's. */
static CURLM *multi;
static CURL *idle[IDLE_MAX];
static size_t idle_count;

/* Of several, those that run. */
static struct http_transfer *running;
static enum muster_end (*settle_several)(struct http_transfer *transfer, CURLcode code);

/* ---- what libcurl calls ---- */

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
	struct http_transfer *transfer = context;
	size_t length = size * count, room = transfer->most - transfer->length;

	if (!transfer->wants_body)
		return length;
	if (length > room) {
		transfer->too_long = true;
		return 0;
	}
	memcpy(transfer->bytes + transfer->length, bytes, length);
	transfer->length += length;
	return length;
}

static void read_host(CURL *easy, char host[HOST_MAX])
{
	CURLU *url = curl_url();
	char *effective = NULL, *part = NULL;

	host[0] = '\0';
	if (url && curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &effective) == CURLE_OK && effective &&
		curl_url_set(url, CURLUPART_URL, effective, 0) == CURLUE_OK &&
		curl_url_get(url, CURLUPART_HOST, &part, 0) == CURLUE_OK)
		(void)snprintf(host, HOST_MAX, "%s", part);
	curl_free(part);
	curl_url_cleanup(url);
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_transfer *transfer = context;
	char host[HOST_MAX];

	(void)purpose;
	read_host(transfer->easy, host);
	const char *why = http_guard_refuses(&address->addr, host, transfer->allow);
	if (!why)
		return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	(void)snprintf(transfer->refused, sizeof transfer->refused,
		"refused: %s is %s; the configuration's http.allow may name it", host, why);
	return CURL_SOCKET_BAD;
}

/* ---- one transfer ---- */

static CURL *take_easy(void)
{
	return idle_count > 0 ? idle[--idle_count] : curl_easy_init();
}

static void keep_easy(CURL *easy)
{
	if (!easy)
		return;
	curl_easy_reset(easy); /* nothing of this task is kept */
	if (idle_count < IDLE_MAX)
		idle[idle_count++] = easy;
	else
		curl_easy_cleanup(easy);
}

struct http_transfer *http_transfer_new(
	struct muster_task *task, enum muster_end (*finish)(struct http_transfer *transfer), bool wants_body)
{
	struct http_transfer *transfer = calloc(1, sizeof *transfer);
	CURL *easy = transfer ? take_easy() : NULL;

	if (!easy) {
		free(transfer);
		return NULL;
	}
	transfer->task = task;
	transfer->finish = finish;
	transfer->wants_body = wants_body;
	transfer->allow = json_object_get(muster_options(task), "allow");
	transfer->easy = easy;
	return transfer;
}

void http_transfer_free(struct http_transfer *transfer)
{
	if (!transfer)
		return;
	keep_easy(transfer->easy);
	curl_slist_free_all(transfer->headers);
	free(transfer->bytes);
	free(transfer->body);
	free(transfer);
}

/* Of many transfers to one host the first makes the connection, and the others wait until it is known whether they can share
 * it; a server without TLS is spoken to in HTTP/1.1, one transfer a connection, and nobody waits. */
static void set_up_encryption(CURL *easy, const char *url, const json_t *ca_file)
{
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, strncasecmp(url, "https:", 6) == 0 ? 1L : 0L);
	if (json_is_string(ca_file)) /* beside the folder that libcurl was built with */
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, json_string_value(ca_file));
}

static void set_up(struct http_transfer *transfer, const char *url, const struct http_options *options)
{
	CURL *easy = transfer->easy;

	(void)curl_easy_setopt(easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	set_up_encryption(easy, url, json_object_get(muster_options(transfer->task), "ca_file"));
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "muster");
	(void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, options->redirects > 0 ? 1L : 0L);
	(void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)options->redirects);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
	if (transfer->body) {
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body_length);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body);
	}
	if (options->method && strcmp(options->method, "HEAD") == 0)
		(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (options->method)
		(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, options->method);
}

/* ---- one at a time ---- */

/* curl_easy_perform would hear only once a second that it is to stop. */
static CURLcode transfer_all(const struct http_transfer *transfer)
{
	CURLcode code = CURLE_ABORTED_BY_CALLBACK;
	int goes_on = 1, left;
	const CURLMsg *message;

	while (goes_on > 0 && !muster_stopping(transfer->task))
		if (curl_multi_perform(multi, &goes_on) != CURLM_OK ||
			(goes_on > 0 && curl_multi_poll(multi, NULL, 0, WAKE_MS, NULL) != CURLM_OK))
			break;
	while ((message = curl_multi_info_read(multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			code = message->data.result;
	(void)curl_multi_remove_handle(multi, transfer->easy);
	return code;
}

enum muster_end http_transfer_run(struct http_transfer *transfer, const char *url, const struct http_options *options,
	enum muster_end (*settle)(struct http_transfer *transfer, CURLcode code))
{
	struct muster_task *task = transfer->task;

	set_up(transfer, url, options);
	muster_beat_for(task, options->timeout_ms + SPARE_MS);
	if (curl_multi_add_handle(multi, transfer->easy) != CURLM_OK) {
		http_transfer_free(transfer);
		return muster_retry(task, "out of memory");
	}
	if (muster_is_one_of_several(task)) {
		settle_several = settle;
		transfer->next = running;
		running = transfer;
		return MUSTER_LATER;
	}
	const enum muster_end end = settle(transfer, transfer_all(transfer));
	http_transfer_free(transfer);
	return end;
}

/* ---- many at a time ---- */

static void end_transfer(struct http_transfer *transfer, CURLcode code)
{
	struct http_transfer **link = &running;
	struct muster_task *task = transfer->task;

	while (*link != transfer)
		link = &(*link)->next;
	*link = transfer->next;
	(void)curl_multi_remove_handle(multi, transfer->easy);
	const enum muster_end end = settle_several(transfer, code);
	http_transfer_free(transfer);
	muster_finish(task, end);
}

void http_transfer_attend(int64_t ms)
{
	int goes_on, left;
	const CURLMsg *message;

	struct curl_waitfd wake = {.fd = muster_wake_fd(), .events = CURL_WAIT_POLLIN};

	(void)curl_multi_poll(multi, &wake, wake.fd >= 0 ? 1 : 0, (int)ms, NULL);
	(void)curl_multi_perform(multi, &goes_on);
	while ((message = curl_multi_info_read(multi, &left)) != NULL) {
		char *context = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		const CURLcode code = message->data.result; /* the message goes with its handle */
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &context);
		end_transfer((struct http_transfer *)(void *)context, code);
	}
}

void http_transfer_stop(struct muster_task *task)
{
	struct http_transfer *transfer = running;

	while (transfer->task != task)
		transfer = transfer->next;
	end_transfer(transfer, CURLE_ABORTED_BY_CALLBACK);
}

bool http_transfer_prepare(const char **why)
{
	if (multi) /* as Http, and as handlers that are URLs */
		return true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		multi = curl_multi_init();
	*why = "libcurl cannot be initialised";
	return multi != NULL;
}
