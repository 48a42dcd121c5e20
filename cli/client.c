#include "cli/client.h"

#include "core/buffer.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_MAX = 64 * 1024 * 1024,
	CONNECT_TIMEOUT_MS = 5000,
	TIMEOUT_MS = 60 * 1000, /* a call on many tasks goes on for 20 s at most */
	TOKEN_MAX = 4096,
};

struct client {
	CURL *easy;
	char *url;                  /* owned: as people know it */
	char *base;                 /* owned: what paths are appended to */
	struct curl_slist *headers; /* of every call */
	int64_t timeout_ms;
};

struct transfer {
	CURL *easy;
	struct buffer body;
	client_taker *take; /* NULL: the body is kept */
	void *context;
	bool enough;
};

/* ---- opening ---- */

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* A base has no slash at its end: every path begins with one. */
static char *base_of(const char *url)
{
	if (starts_with(url, "unix:"))
		return strdup("http://localhost");
	char *base = strdup(url);
	for (size_t length = base ? strlen(base) : 0; length > 0 && base[length - 1] == '/'; length--)
		base[length - 1] = '\0';
	return base;
}

static int add_token(struct client *client, const char *token, struct error *error)
{
	char line[TOKEN_MAX + sizeof "Authorization: Bearer "];

	if (strlen(token) > TOKEN_MAX || token[strcspn(token, "\r\n \t")] != '\0' || token[0] == '\0')
		return error_set(
			error, -EINVAL, "the token is none: it must be one word of at most %d bytes", TOKEN_MAX);
	(void)snprintf(line, sizeof line, "Authorization: Bearer %s", token);
	client->headers = curl_slist_append(client->headers, line);
	return 0;
}

static void set_up(struct client *client, const struct client_server *server)
{
	CURL *easy = client->easy;

	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	if (starts_with(server->url, "unix:"))
		(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, server->url + strlen("unix:"));
	if (server->ca)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, server->ca);
}

int client_open(const struct client_server *server, struct client **ret_client, struct error *error)
{
	const char *url = server->url;
	struct client *client;
	int status = 0;

	if (!starts_with(url, "http://") && !starts_with(url, "https://") && !starts_with(url, "unix:/"))
		return error_set(error, -EINVAL,
			"'%.200s' is no server: write http://HOST:PORT, https://HOST:PORT or unix:/PATH", url);
	client = calloc(1, sizeof *client);
	if (!client)
		return error_set(error, -ENOMEM, "no memory");
	client->easy = curl_easy_init();
	client->url = strdup(url);
	client->base = base_of(url);
	client->timeout_ms = TIMEOUT_MS;
	client->headers = curl_slist_append(NULL, "Expect:");
	if (!client->easy || !client->url || !client->base || !client->headers)
		status = error_set(error, -ENOMEM, "no memory");
	if (status == 0 && server->token)
		status = add_token(client, server->token, error);
	if (status < 0) {
		client_close(client);
		return status;
	}
	set_up(client, server);
	*ret_client = client;
	return 0;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	curl_easy_cleanup(client->easy);
	curl_slist_free_all(client->headers);
	free(client->url);
	free(client->base);
	free(client);
}

const char *client_url(const struct client *client)
{
	return client->url;
}

void client_set_timeout(struct client *client, int64_t timeout_ms)
{
	client->timeout_ms = timeout_ms;
}

/* ---- why there was no answer ---- */

static int unreachable(const struct client *client, CURLcode code, const char *said, struct error *error)
{
	const char *url = client->url;

	switch ((int)code) {
	case CURLE_COULDNT_CONNECT:
		return error_set(error, -ECONNREFUSED,
			"nothing answers at %.200s: start musterd there, or name the server with --url, --context or "
			"MUSTER_URL",
			url);
	case CURLE_COULDNT_RESOLVE_HOST:
		return error_set(error, -EHOSTUNREACH,
			"the host of %.200s is not known: look at its name in --url, --context or MUSTER_URL", url);
	case CURLE_OPERATION_TIMEDOUT:
		return error_set(error, -ETIMEDOUT,
			"%.200s does not answer in time: look whether the machine can be reached and musterd is not "
			"stuck",
			url);
	case CURLE_PEER_FAILED_VERIFICATION:
		return error_set(error, -EPROTO,
			"the certificate of %.200s is not trusted (%.120s): name its authority's file with --ca, or "
			"the host as the certificate does",
			url, said);
	case CURLE_SSL_CACERT_BADFILE:
		return error_set(
			error, -EPROTO, "the file given by --ca cannot be read as certificates: give a PEM file");
	case CURLE_SSL_CONNECT_ERROR:
		return error_set(error, -EPROTO,
			"%.200s does not speak TLS: write http:// if the server has no certificate", url);
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return error_set(error, -ECONNRESET,
			"%.200s has closed the connection: try again, or write https:// if the server has a "
			"certificate",
			url);
	case CURLE_URL_MALFORMAT: return error_set(error, -EINVAL, "'%.200s' is no URL: write http://HOST:PORT", url);
	default:
		return error_set(error, -EIO, "%.200s cannot be reached: %.200s", url,
			said[0] != '\0' ? said : curl_easy_strerror(code));
	}
}

/* ---- one call ---- */

/* Of a stream only what a server says that does not refuse it is taken; a refusal is kept. */
static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
	struct transfer *transfer = context;
	long status = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (transfer->take && status == 200) {
		transfer->enough = !transfer->take(transfer->context, bytes, size * count);
		return transfer->enough ? 0 : size * count;
	}
	buffer_append(&transfer->body, bytes, size * count);
	return transfer->body.status < 0 ? 0 : size * count;
}

/* A stream that waits is asked now and then whether it should. */
static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	struct transfer *transfer = context;

	(void)total, (void)now, (void)up_total, (void)up_now;
	if (transfer->take)
		transfer->enough = transfer->enough || !transfer->take(transfer->context, "", 0);
	return transfer->enough;
}

static int read_answer(struct transfer *transfer, struct answer *answer)
{
	time_t date = 0;

	(void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
	answer->length = transfer->body.length;
	answer->text = buffer_take(&transfer->body);
	if (!answer->text)
		answer->text = strdup("");
	if (!answer->text)
		return -ENOMEM;
	answer->body = json_loadb(answer->text, answer->length, JSON_DECODE_ANY, NULL);
	struct curl_header *header;
	if (curl_easy_header(transfer->easy, "Date", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
		date = curl_getdate(header->value, NULL);
	answer->date_ms = date > 0 ? (int64_t)date * 1000 : 0;
	return 0;
}

static int perform(struct client *client, struct transfer *transfer, const char *method, const char *path,
	struct curl_slist *headers, struct answer *answer, struct error *error)
{
	CURL *easy = client->easy;
	char said[CURL_ERROR_SIZE] = "", *url = NULL;

	*answer = (struct answer){0};
	if (asprintf(&url, "%s%s", client->base, path) < 0)
		return error_set(error, -ENOMEM, "no memory");
	transfer->easy = easy;
	buffer_init(&transfer->body, ANSWER_MAX);
	(void)curl_easy_setopt(easy, CURLOPT_URL, url);
	(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, said);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, transfer->take ? 0L : 1L);
	(void)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, transfer->take ? 0L : (long)client->timeout_ms);
	CURLcode code = curl_easy_perform(easy);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
	free(url);
	int status = code == CURLE_OK || transfer->enough ? read_answer(transfer, answer)
							  : unreachable(client, code, said, error);
	buffer_fini(&transfer->body);
	return status;
}

static struct curl_slist *copy_headers(const struct client *client)
{
	struct curl_slist *headers = NULL;

	for (const struct curl_slist *each = client->headers; each; each = each->next)
		headers = curl_slist_append(headers, each->data);
	return headers;
}

int client_send(struct client *client, const char *method, const char *path, const char *type, const char *body,
	size_t length, struct answer *ret_answer, struct error *error)
{
	struct transfer transfer = {0};
	struct curl_slist *headers = copy_headers(client);
	char line[128];

	if (body) {
		(void)snprintf(line, sizeof line, "Content-Type: %s", type);
		headers = curl_slist_append(headers, line);
		(void)curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, body);
		(void)curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
	} else if (strcmp(method, "POST") == 0) {
		(void)curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, "");
		(void)curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
		headers = curl_slist_append(headers, "Content-Type:");
	} else {
		(void)curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, NULL);
		(void)curl_easy_setopt(client->easy, CURLOPT_HTTPGET, 1L);
	}
	int status = perform(client, &transfer, method, path, headers, ret_answer, error);
	curl_slist_free_all(headers);
	return status;
}

int client_call(struct client *client, const char *method, const char *path, const json_t *body,
	struct answer *ret_answer, struct error *error)
{
	char *text = NULL;

	*ret_answer = (struct answer){0};
	if (body) {
		text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));
		if (!text)
			return error_set(error, -ENOMEM, "no memory");
	}
	int status =
		client_send(client, method, path, "application/json", text, text ? strlen(text) : 0, ret_answer, error);
	free(text);
	return status;
}

int client_follow(struct client *client, const char *path, const char *last_event, client_taker *take, void *context,
	struct answer *ret_answer, struct error *error)
{
	struct transfer transfer = {.take = take, .context = context};
	struct curl_slist *headers = copy_headers(client);
	char line[256];

	if (last_event[0] != '\0') {
		(void)snprintf(line, sizeof line, "Last-Event-ID: %s", last_event);
		headers = curl_slist_append(headers, line);
	}
	(void)curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, NULL);
	(void)curl_easy_setopt(client->easy, CURLOPT_HTTPGET, 1L);
	int status = perform(client, &transfer, "GET", path, headers, ret_answer, error);
	curl_slist_free_all(headers);
	return status == 0 && ret_answer->status != 200 ? -EACCES : status;
}

/* ---- a stream beside other calls ---- */

struct client_stream {
	CURLM *multi;
	struct transfer transfer;
	struct curl_slist *headers; /* owned */
	char *url;                  /* owned */
};

static size_t receive_stream(char *bytes, size_t size, size_t count, void *context)
{
	struct client_stream *stream = context;
	long status = 0;

	(void)curl_easy_getinfo(stream->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 || !stream->transfer.take(stream->transfer.context, bytes, size * count))
		return 0;
	return size * count;
}

/* A copy of the client's handle has its server, socket and certificates; nothing of its last call must be left. */
static void set_up_stream(struct client_stream *stream)
{
	CURL *easy = stream->transfer.easy;

	(void)curl_easy_setopt(easy, CURLOPT_URL, stream->url);
	(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "GET");
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, stream->headers);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive_stream);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
	(void)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 0L);
}

int client_stream_open(const struct client *client, const char *path, const char *last_event, client_taker *take,
	void *context, struct client_stream **ret_stream)
{
	struct client_stream *stream = calloc(1, sizeof *stream);
	char line[256];

	if (!stream)
		return -ENOMEM;
	stream->headers = copy_headers(client);
	if (last_event[0] != '\0') {
		(void)snprintf(line, sizeof line, "Last-Event-ID: %s", last_event);
		stream->headers = curl_slist_append(stream->headers, line);
	}
	stream->multi = curl_multi_init();
	stream->transfer =
		(struct transfer){.easy = curl_easy_duphandle(client->easy), .take = take, .context = context};
	if (asprintf(&stream->url, "%s%s", client->base, path) < 0)
		stream->url = NULL;
	if (!stream->headers || !stream->multi || !stream->transfer.easy || !stream->url) {
		client_stream_close(stream);
		return -ENOMEM;
	}
	set_up_stream(stream);
	(void)curl_multi_add_handle(stream->multi, stream->transfer.easy);
	*ret_stream = stream;
	return 0;
}

void client_stream_close(struct client_stream *stream)
{
	if (!stream)
		return;
	if (stream->multi && stream->transfer.easy)
		(void)curl_multi_remove_handle(stream->multi, stream->transfer.easy);
	curl_easy_cleanup(stream->transfer.easy);
	(void)curl_multi_cleanup(stream->multi);
	curl_slist_free_all(stream->headers);
	free(stream->url);
	free(stream);
}

bool client_stream_wait(struct client_stream *stream, int fd, int timeout_ms)
{
	struct curl_waitfd wait = {.fd = fd, .events = CURL_WAIT_POLLIN};
	struct pollfd alone = {.fd = fd, .events = POLLIN};
	int running = 0;

	if (!stream) {
		(void)poll(&alone, 1, timeout_ms); /* early for whatever reason: its caller looks at the clock */
		return true;
	}
	(void)curl_multi_poll(stream->multi, &wait, 1, timeout_ms, NULL);
	(void)curl_multi_perform(stream->multi, &running);
	return running > 0;
}

void answer_fini(struct answer *answer)
{
	json_decref(answer->body);
	free(answer->text);
	*answer = (struct answer){0};
}

/* ---- what a refusal says ---- */

static const char *member(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

void answer_sentence(const struct answer *answer, struct error *ret_sentence)
{
	const char *detail = member(answer->body, "detail");
	const json_t *fault = json_array_get(json_object_get(answer->body, "errors"), 0);
	const char *pointer = member(fault, "pointer"), *why = member(fault, "detail");

	if (answer->status == 401)
		(void)error_set(ret_sentence, -EACCES, "%.300s: give one by --token-file, MUSTER_TOKEN or a context",
			detail ? detail : "the server wants another token");
	else if (why && !(detail && strstr(detail, why)))
		(void)error_set(ret_sentence, -EACCES, "%.200s: %.100s%s%.180s", detail ? detail : "refused",
			pointer ? pointer : "", pointer && pointer[0] != '\0' ? " " : "", why);
	else if (detail)
		(void)error_set(ret_sentence, -EACCES, "%.480s", detail);
	else
		(void)error_set(ret_sentence, -EACCES, "the server answered %ld, and not as musterd does: is it one?",
			answer->status);
}
