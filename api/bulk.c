#include "api/bulk.h"

#include "api/access.h"
#include "api/bulk_internal.h"
#include "api/problem.h"
#include "api/roll.h"
#include "api/state.h"
#include "api/tasks.h"
#include "core/clock.h"

#include <string.h>

enum {
	BULKS_MAX = 32, /* that go on at once: each does one step in each turn of the loop */
	PAGE_MAX = 500, /* looked at in one step, where each task is looked into */
	LIST_SCANNED_MAX = 10000,
	LIST_BYTES_MAX = 8 * 1024 * 1024, /* of documents and records in one answer */
	ACT_SCANNED_MAX = 2000000,
};

static const int64_t list_ns = 1 * CLOCK_NS_PER_S;
static const int64_t act_ns = 20 * CLOCK_NS_PER_S; /* clients and proxies wait no longer */

const struct bulk_kind bulk_kinds[BULK_ACTIONS] = {
	[BULK_LIST] = {.stations = "APHWRDCS", .fallback = "APHWRDCS"},
	[BULK_RETRY] = {.done = "retried",
		.act = BROKER_ACT_RETRY,
		.stations = "DC",
		.fallback = "D",
		.refusal = "only dead and cancelled tasks can be retried"},
	[BULK_CANCEL] = {.done = "cancelled",
		.act = BROKER_ACT_CANCEL,
		.stations = "APHWR",
		.fallback = "APHWR",
		.refusal = "what has ended cannot be cancelled"},
	[BULK_DELETE] = {.done = "deleted",
		.act = BROKER_ACT_DELETE,
		.stations = "PHWRSDC",
		.refusal = "what is in workers' hands cannot be deleted: cancel it"},
	[BULK_MOVE] = {.done = "moved",
		.stations = "PHWR",
		.fallback = "PHWR",
		.refusal = "only tasks that wait can be moved: pending, scheduled, retrying"},
};

/* ---- one step ---- */

static bool is_over(const struct bulk *bulk)
{
	return bulk->queue > bulk->last_queue;
}

/* To the next place where tasks may be. */
static void advance(struct bulk *bulk)
{
	bulk->position = (struct broker_position){"", ""};
	if (bulk->stations[++bulk->station] != '\0')
		return;
	bulk->station = 0;
	bulk->queue++;
}

/* Tasks that may still be matched now, as limit and rate have it. */
static int64_t room(const struct bulk *bulk, int64_t now)
{
	const struct task_filter *filter = &bulk->filter;
	int64_t room = BROKER_MANY;

	if (filter->limit != SCHEMA_NONE && filter->limit - bulk->matched < room)
		room = filter->limit - bulk->matched;
	if (filter->rate == SCHEMA_NONE)
		return room;
	double seconds = (double)(now - bulk->began_mono_ns) / (double)CLOCK_NS_PER_S;
	int64_t due = 1 + (int64_t)((double)filter->rate * seconds) - bulk->matched;
	return due < room ? due : room;
}

static bool looks_inside(const struct bulk *bulk)
{
	return bulk->action == BULK_LIST || !task_filter_is_plain(&bulk->filter) ||
	       bulk->stations[bulk->station] == BROKER_HELD_BY_WORKERS;
}

/* Of those in workers' hands some are active, others wait in a batch. */
static bool is_in_state(const struct bulk *bulk, const struct broker_look *look)
{
	struct roll_task running;

	if (bulk->stations[bulk->station] != BROKER_HELD_BY_WORKERS || bulk->filter.state < 0)
		return true;
	const struct api *api = bulk->request->api;
	bool active = tasks_runs_elsewhere(api, look) || roll_find_task(api->node->scoreboard, look->id, &running);
	return active == (strcmp(task_filter_states[bulk->filter.state], "active") == 0);
}

static bool is_meant(const struct bulk *bulk, const struct broker_look *look)
{
	return (!look->stored.data || task_filter_matches(&bulk->filter, look->stored, look->record)) &&
	       is_in_state(bulk, look);
}

static void list_task(struct bulk *bulk, const struct broker_look *look)
{
	json_t *view = tasks_view(bulk->request->api, look);

	bulk->bytes += look->stored.length + look->record.length;
	if (view) /* what cannot be read cannot be shown either */
		(void)json_array_append_new(bulk->tasks, view);
}

/* Picks what is meant, at most `most`; when there are more, the position is behind the last one picked. Returns how many ids it noted. */
static size_t pick(struct bulk *bulk, const struct broker_page *page, int64_t most)
{
	size_t count = 0;

	for (size_t i = 0; i < page->count && most > 0; i++) {
		const struct broker_entry *entry = &page->entries[i];
		if (!is_meant(bulk, &entry->look))
			continue;
		bulk->matched++;
		most--;
		if (bulk->action == BULK_LIST)
			list_task(bulk, &entry->look);
		else
			memcpy(bulk->ids[count++], entry->look.id, sizeof entry->look.id);
		if (most == 0 && i + 1 < page->count)
			bulk->position = entry->position;
	}
	return count;
}

static void note_done(struct bulk *bulk, size_t count)
{
	struct api *api = bulk->request->api;

	for (size_t i = 0; i < count; i++) {
		const bool done = bulk->said[i] == BROKER_SAID_DONE;
		bulk->done += done;
		if (bulk->action != BULK_CANCEL)
			continue;
		if (done)
			scoreboard_count(api->area, bulk->queue)->cancelled++; /* no worker counts it */
		if (bulk->said[i] == BROKER_SAID_HELD) {
			bulk->done++;
			tasks_tell_worker(api, bulk->ids[i], false);
		}
	}
}

static int act(struct bulk *bulk, size_t count, int64_t until, struct error *error)
{
	struct broker *broker = bulk->request->api->link.broker;
	const struct broker_change move = {.queue = bulk->filter.to, .priority = -1, .run_at_ms = -1};

	int status =
		bulk->action == BULK_MOVE
			? broker_change(broker, &move, bulk->ids, count, bulk->said, until, error)
			: broker_act(broker, bulk_kinds[bulk->action].act, bulk->ids, count, bulk->said, until, error);
	if (status == 0)
		note_done(bulk, count);
	return status;
}

static int look_and_act(struct bulk *bulk, int64_t most, int64_t until, struct error *error)
{
	struct broker *broker = bulk->request->api->link.broker;
	const bool inside = looks_inside(bulk);
	/* When each is meant there is no need to see more than that. */
	const int64_t limit = inside && !task_filter_is_plain(&bulk->filter) ? PAGE_MAX : most;
	struct broker_page page = {
		.queue = bulk->request->api->node->config->queues[bulk->queue].name,
		.place = (enum broker_station)bulk->stations[bulk->station],
		.limit = (unsigned)(limit < PAGE_MAX || !inside ? limit : PAGE_MAX),
		.bare = !inside,
		.position = bulk->position,
	};

	int status = broker_page(broker, &page, until, error);
	if (status < 0)
		return status;
	bulk->scanned += (int64_t)page.scanned;
	bulk->position = page.position;
	size_t count = pick(bulk, &page, most);
	broker_page_fini(&page);
	if (!bulk->filter.dry_run && count > 0) {
		status = act(bulk, count, until, error);
		if (status < 0)
			return status;
	}
	if (bulk->position.at[0] == '\0')
		advance(bulk);
	return 0;
}

static int purge(struct bulk *bulk, int64_t until, struct error *error)
{
	bool more;
	int deleted = broker_purge(bulk->request->api->link.broker,
		bulk->request->api->node->config->queues[bulk->queue].name,
		(enum broker_station)bulk->stations[bulk->station], &more, until, error);

	if (deleted < 0)
		return deleted;
	bulk->scanned += deleted;
	bulk->matched += deleted;
	bulk->done += deleted;
	if (!more)
		advance(bulk);
	return 0;
}

static int step(struct bulk *bulk, int64_t most, struct error *error)
{
	struct link *link = &bulk->request->api->link;
	int64_t until;

	int status = link_begin(link, &until, error);
	if (status < 0)
		return status;
	status = bulk->purges ? purge(bulk, until, error) : look_and_act(bulk, most, until, error);
	return link_end(link, status, error);
}

/* ---- the call ---- */

/* What one call may cost is used up. */
static bool is_exhausted(const struct bulk *bulk, int64_t now)
{
	const bool list = bulk->action == BULK_LIST;

	return bulk->scanned >= (list ? LIST_SCANNED_MAX : ACT_SCANNED_MAX) || bulk->bytes >= LIST_BYTES_MAX ||
	       now - bulk->began_mono_ns > (list ? list_ns : act_ns) || bulk->request->api->bulks.stopping;
}

static void answer(struct bulk *bulk)
{
	json_t *cursor = is_over(bulk) ? json_null() : bulk_cursor(bulk);

	if (bulk->action == BULK_LIST)
		answer_exact_json(bulk->request, 200,
			json_pack("{s:O, s:o, s:I}", "tasks", bulk->tasks, "next_cursor", cursor, "scanned",
				(json_int_t)bulk->scanned));
	else
		answer_json(bulk->request, 200,
			json_pack("{s:I, s:I, s:I, s:b, s:o}", bulk_kinds[bulk->action].done, (json_int_t)bulk->done,
				"matched", (json_int_t)bulk->matched, "scanned", (json_int_t)bulk->scanned, "dry_run",
				bulk->filter.dry_run, "next_cursor", cursor));
}

/* Lists leave out what their caller may not see, and what is moved is not looked for where it was moved to. */
static bool is_passed_over(const struct bulk *bulk)
{
	const char *name = bulk->request->api->node->config->queues[bulk->queue].name;

	return !access_sees_queue(bulk->request, name) || (bulk->filter.to && strcmp(name, bulk->filter.to) == 0);
}

static void pass_over(struct bulk *bulk)
{
	while (!is_over(bulk) && is_passed_over(bulk)) {
		bulk->position = (struct broker_position){"", ""};
		bulk->station = 0;
		bulk->queue++;
	}
}

/* Does one step. Returns whether the call is answered. */
static bool go_on(struct bulk *bulk, int64_t now)
{
	struct error error = {""};
	int64_t most = room(bulk, now);

	bulk->next_at_mono_ns = 0;
	pass_over(bulk);
	if (most > 0 && !is_over(bulk)) {
		int status = step(bulk, most, &error);
		if (status < 0) {
			problem_broker(bulk->request, status, &error);
			return true;
		}
	} else if (!is_over(bulk)) {
		bulk->next_at_mono_ns = now + CLOCK_NS_PER_S / bulk->filter.rate;
	}
	const bool full = bulk->filter.limit != SCHEMA_NONE && bulk->matched >= bulk->filter.limit;
	if (!is_over(bulk) && !full && !is_exhausted(bulk, now))
		return false;
	answer(bulk);
	return true;
}

static void begin(struct request *request, enum bulk_action action, const char *queue)
{
	struct bulks *bulks = &request->api->bulks;
	struct bulk *bulk;

	if (bulks->count >= BULKS_MAX) {
		problem(request, 503, "%d calls on many tasks are going on, try again when one has ended", BULKS_MAX);
		answer_header(request, "Retry-After", "1");
		return;
	}
	bulk = bulk_read(request, action, queue);
	if (!bulk)
		return;
	bulk->tasks = json_array();
	if (go_on(bulk, bulk->began_mono_ns)) {
		bulk_free(bulk);
		return;
	}
	request->stage = REQUEST_WAITING;
	bulk->next = bulks->first;
	bulks->first = bulk;
	bulks->count++;
}

int64_t bulks_turn(struct bulks *bulks, int64_t now_mono_ns)
{
	int64_t next = INT64_MAX;

	for (struct bulk **at = &bulks->first; *at;) {
		struct bulk *bulk = *at;
		if (now_mono_ns >= bulk->next_at_mono_ns && go_on(bulk, clock_mono_ns())) {
			*at = bulk->next;
			bulks->count--;
			bulk_free(bulk);
			continue;
		}
		if (bulk->next_at_mono_ns < next)
			next = bulk->next_at_mono_ns;
		at = &bulk->next;
	}
	return next;
}

/* ---- routes ---- */

void bulk_list(struct request *request)
{
	begin(request, BULK_LIST, NULL);
}

void bulk_retry(struct request *request)
{
	begin(request, BULK_RETRY, NULL);
}

void bulk_cancel(struct request *request)
{
	begin(request, BULK_CANCEL, NULL);
}

void bulk_delete(struct request *request)
{
	begin(request, BULK_DELETE, NULL);
}

void bulk_move(struct request *request)
{
	begin(request, BULK_MOVE, NULL);
}

void bulk_list_queue(struct request *request)
{
	begin(request, BULK_LIST, request->arguments[0]);
}

void bulk_retry_queue(struct request *request)
{
	begin(request, BULK_RETRY, request->arguments[0]);
}

void bulk_delete_queue(struct request *request)
{
	begin(request, BULK_DELETE, request->arguments[0]);
}
