#include "api/audit.h"

#include "api/access.h"
#include "api/peer.h"
#include "api/problem.h"
#include "api/route.h"
#include "api/state.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KEPT = 10000,
	PATH_SIZE = 192,
	WHO_SIZE = CONFIG_NAME_MAX + 1,
	LIMIT = 100,
	LIMIT_MAX = 1000,
};

static const int64_t warn_every_ns = CLOCK_NS_PER_S;

enum kind { KIND_ORDER, KIND_MASS, KINDS };

struct record {
	uint64_t number; /* 1 …, over both kinds */
	int64_t at_ms;
	int status;
	char who[WHO_SIZE]; /* the token's name, "uid 1000" or "" */
	char role[8];
	char address[INET6_ADDRSTRLEN];
	char method[8];
	char path[PATH_SIZE];
	char request_id[REQUEST_ID_MAX + 1];
};

struct audit_book {
	uint64_t last; /* number of the newest record */
	struct {
		uint64_t count; /* records ever written; raised after one is complete */
		struct record records[KEPT];
	} kinds[KINDS];
};

int audit_open(struct audit *audit, int memfd)
{
	struct stat file;

	if (fstat(memfd, &file) != 0)
		return -errno;
	if (file.st_size != (off_t)sizeof(struct audit_book) && ftruncate(memfd, sizeof(struct audit_book)) != 0)
		return -errno;
	void *book = mmap(NULL, sizeof(struct audit_book), PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (book == MAP_FAILED)
		return -errno;
	*audit = (struct audit){.book = book};
	return 0;
}

void audit_close(struct audit *audit)
{
	if (audit->book)
		(void)munmap(audit->book, sizeof *audit->book);
	audit->book = NULL;
}

/* ---- writing ---- */

static void describe_caller(const struct request *request, struct record *record)
{
	const struct peer peer = request_peer(request);

	memcpy(record->address, peer.address, sizeof record->address);
	(void)snprintf(record->role, sizeof record->role, "%s", access_role(request));
	if (request->token)
		(void)snprintf(record->who, sizeof record->who, "%s", request->token->name);
	else if (peer.local)
		(void)snprintf(record->who, sizeof record->who, "uid %u", (unsigned)peer.uid);
}

static enum kind kind_of(const struct request *request)
{
	bool submits = strcmp(request->route->method, "POST") == 0 && strcmp(request->route->pattern, "/v1/tasks") == 0;

	return submits || request->answer.status == 401 ? KIND_MASS : KIND_ORDER;
}

static void write_line(const struct record *record)
{
	log_info("audit", LOG_TEXT("who", record->who[0] ? record->who : "-"), LOG_TEXT("role", record->role),
		LOG_TEXT("from", record->address), LOG_TEXT("method", record->method), LOG_TEXT("path", record->path),
		LOG_INT("status", record->status), LOG_TEXT("request", record->request_id));
}

/* Somebody guesses, or was not told of a new token: said, but not once for each try. */
static void warn_of_unknown(struct audit *audit, const struct record *record)
{
	int64_t now = clock_mono_ns();

	audit->unknown++;
	if (audit->warned_mono_ns > 0 && now - audit->warned_mono_ns < warn_every_ns)
		return;
	log_warn("calls without a known token", LOG_INT("count", audit->unknown), LOG_TEXT("from", record->address),
		LOG_TEXT("path", record->path), LOG_TEXT("request", record->request_id));
	audit->warned_mono_ns = now;
	audit->unknown = 0;
}

void audit_note(struct audit *audit, const struct request *request)
{
	const bool unknown = request->answer.status == 401;
	struct record record = {.at_ms = clock_wall_ms(), .status = request->answer.status};

	if (!audit->book || (!request->changes && !unknown))
		return;
	describe_caller(request, &record);
	(void)snprintf(record.method, sizeof record.method, "%s", request->method);
	(void)snprintf(record.path, sizeof record.path, "%s", request->path);
	memcpy(record.request_id, request->request_id, sizeof record.request_id);
	if (unknown)
		warn_of_unknown(audit, &record);
	if (!request->changes)
		return;
	enum kind kind = kind_of(request);
	if (kind == KIND_ORDER)
		write_line(&record);
	uint64_t *count = &audit->book->kinds[kind].count;
	record.number = ++audit->book->last;
	audit->book->kinds[kind].records[*count % KEPT] = record;
	++*count;
}

/* ---- reading ---- */

/* The newest record of the kind that is older than `before`, going back from *ret_from records ago. */
static const struct record *look_back(const struct audit_book *book, enum kind kind, uint64_t *from, uint64_t before)
{
	const uint64_t count = book->kinds[kind].count;
	const struct record *records = book->kinds[kind].records;

	for (; *from < count && *from < KEPT; ++*from) {
		const struct record *record = &records[(count - 1 - *from) % KEPT];
		if (record->number < before)
			return record;
	}
	return NULL;
}

static const char *outcome(int status)
{
	if (status < 300)
		return "done";
	return status == 401 || status == 403 ? "refused" : "failed";
}

static json_t *text_or_null(const char *text, size_t size)
{
	return text[0] == '\0' ? json_null() : answer_text(text, size);
}

static json_t *record_json(const struct record *record)
{
	return json_pack("{s:o, s:o, s:s, s:s, s:s, s:o, s:i, s:s, s:o}", "at", answer_time(record->at_ms), "who",
		text_or_null(record->who, sizeof record->who), "role", record->role, "address", record->address,
		"method", record->method, "path", answer_text(record->path, sizeof record->path), "status",
		record->status, "outcome", outcome(record->status), "request_id",
		answer_text(record->request_id, sizeof record->request_id));
}

static json_t *page(const struct audit_book *book, uint64_t before, size_t limit, uint64_t *ret_next)
{
	uint64_t from[KINDS] = {0};
	json_t *records = json_array();

	*ret_next = 0;
	while (true) {
		const struct record *order = look_back(book, KIND_ORDER, &from[KIND_ORDER], before);
		const struct record *mass = look_back(book, KIND_MASS, &from[KIND_MASS], before);
		const struct record *record = !mass || (order && order->number > mass->number) ? order : mass;
		if (!record)
			return records;
		if (json_array_size(records) == limit) {
			*ret_next = before;
			return records;
		}
		(void)json_array_append_new(records, record_json(record));
		before = record->number;
	}
}

/* A parameter that is a number; `fallback` when it is absent. Returns false, and answers, for anything else. */
static bool read_number(struct request *request, const char *name, int64_t maximum, int64_t *ret_number)
{
	const char *text = request_query(request, name);

	if (!text || units_parse_integer(text, 1, maximum, ret_number) == 0)
		return true;
	problem(request, 400, "%s must be a number from 1 to %lld", name, (long long)maximum);
	return false;
}

void audit_list(struct request *request)
{
	const struct audit_book *book = request->api->audit.book;
	int64_t limit = LIMIT, before = INT64_MAX;
	uint64_t next = 0;

	if (!read_number(request, "limit", LIMIT_MAX, &limit) || !read_number(request, "cursor", INT64_MAX, &before))
		return;
	json_t *records = book ? page(book, (uint64_t)before, (size_t)limit, &next) : json_array();
	answer_json(request, 200,
		json_pack("{s:o, s:o}", "calls", records, "next_cursor",
			next > 0 ? json_sprintf("%llu", (unsigned long long)next) : json_null()));
}
