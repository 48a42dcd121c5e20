#include "cli/top_screen.h"

#include "cli/memory.h"
#include "cli/view.h"
#include "core/clock.h"

#include <ncurses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_LINES = 2, BAR_WIDTH = 12, HIGH_ENOUGH = 14 };

static void put(int row, int column, int width, enum paint paint, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
static void put(int row, int column, int width, enum paint paint, const char *format, ...)
{
	char text[1024], *shown = NULL;
	va_list arguments;
	size_t size;

	if (row < 0 || row >= LINES || column >= COLS)
		return;
	va_start(arguments, format);
	(void)vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	FILE *out = memory_or_end(open_memstream(&shown, &size));
	(void)terminal_text(out, text, width < COLS - column ? width : COLS - column);
	(void)fclose(out);
	const attr_t attribute = paint == PAINT_STRONG ? A_BOLD : paint == PAINT_FAINT ? A_DIM : COLOR_PAIR(paint);
	(void)attron((int)attribute);
	(void)mvaddstr(row, column, shown);
	(void)attroff((int)attribute);
	free(shown);
}

static void mark_row(int row)
{
	(void)mvchgat(row, 0, -1, A_REVERSE, 0, NULL);
}

static void draw_bar(int row, int column, double fill)
{
	const enum paint paint = fill > 0.8 ? PAINT_BAD : fill > 0.5 ? PAINT_WARN : PAINT_GOOD;
	char bar[BAR_WIDTH + 1];

	if (fill < 0)
		return;
	const int full = (int)(fill * BAR_WIDTH);
	for (int i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR_WIDTH] = '\0';
	put(row, column, BAR_WIDTH, paint, "%s", bar);
}

/* What keeps the node from its work, or what happened last. */
static void draw_verdict(const struct top_screen *screen)
{
	const struct top_model *model = &screen->model;

	if (model->error.text[0] != '\0')
		put(1, 0, COLS, PAINT_BAD, "CUT OFF for %s: %s",
			model->looked_mono_ns > 0 ? view_age(top_model_age(model)).text : "ever", model->error.text);
	else if (screen->said[0] != '\0')
		put(1, 0, COLS, PAINT_WARN, "%s", screen->said);
	else if (model->trouble[0] != '\0')
		put(1, 0, COLS, PAINT_BAD, "%s", model->trouble);
	else
		put(1, 0, COLS, PAINT_GOOD, "all is well%s%s", model->news[0] != '\0' ? "; " : "", model->news);
}

static void draw_head(const struct top_screen *screen)
{
	const struct top_model *model = &screen->model;
	double ended = 0, failed = 0;
	size_t busy = 0, i;
	json_t *worker;

	json_array_foreach(model->workers, i, worker) busy += strcmp(view_string(worker, "state"), "busy") == 0;
	for (i = 0; i < model->rate_count; i++) {
		ended += model->rates[i].ended[TOP_HISTORY - 1];
		failed += model->rates[i].failed;
	}
	put(0, 0, COLS, PAINT_STRONG, "muster %s  %zu workers, %zu busy  %.0f done/s, %.0f failed/s  %s",
		client_url(screen->call->client), json_array_size(model->workers), busy, ended, failed,
		model->live ? "live" : "asking");
	draw_verdict(screen);
}

/* Why the slot's last process ended: where no task is to be shown. */
static void draw_last_exit(const json_t *exit, int row)
{
	const int64_t signal = view_integer(exit, "signal"), code = view_integer(exit, "code");

	if (!json_is_object(exit))
		return;
	put(row, 70, COLS - 70, PAINT_FAINT, "last exit: %s%s%.0lld, %s ago", view_string(exit, "reason"),
		signal > 0 || code > 0 ? " " : "", (long long)(signal > 0 ? signal : code),
		view_since(view_string(exit, "at"), clock_wall_ms()).text);
}

static void draw_worker(const json_t *worker, int row)
{
	const char *state = view_string(worker, "state");
	const json_t *task = json_object_get(worker, "task");

	put(row, 0, 18, PAINT_STRONG, "%s/%lld", view_string(worker, "pool"), (long long)view_integer(worker, "slot"));
	put(row, 19, 8, terminal_paint_state(state), "%s", state);
	draw_bar(row, 28, top_beat_fill(worker));
	put(row, 41, 6, PAINT_PLAIN, "%6s", view_age(view_seconds(worker, "heartbeat_age_seconds")).text);
	put(row, 48, 4, PAINT_PLAIN, "%4lld", (long long)view_integer(worker, "restarts"));
	put(row, 53, 8, PAINT_PLAIN, "%8s", view_bytes(view_integer(worker, "rss_bytes")).text);
	if (json_is_object(task)) {
		put(row, 62, 7, PAINT_BUSY, "%7s", view_age(view_seconds(task, "running_seconds")).text);
		put(row, 70, COLS - 70, PAINT_PLAIN, "%s.%s %s", view_string(task, "class"),
			view_string(task, "method"), view_string(task, "id"));
	} else {
		draw_last_exit(json_object_get(worker, "last_exit"), row);
	}
}

static void draw_spark(const struct top_rates *rates, int row, int column)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	char text[TOP_HISTORY * 4] = "";
	double most = 0;
	size_t used = 0;

	for (int i = 0; i < TOP_HISTORY; i++)
		most = rates->ended[i] > most ? rates->ended[i] : most;
	for (int i = 0; i < TOP_HISTORY; i++) {
		const double part = most > 0 ? rates->ended[i] / most : 0;
		used += (size_t)snprintf(text + used, sizeof text - used, "%s", blocks[(int)(part * 7)]);
	}
	put(row, column, TOP_HISTORY, PAINT_BUSY, "%s", text);
}

static void draw_queue(const struct top_model *model, const json_t *queue, int row)
{
	const struct top_rates *rates = top_model_rates(model, view_string(queue, "name"));
	const double oldest = view_seconds(queue, "oldest_age_seconds");
	const bool paused = view_flag(queue, "paused");

	put(row, 0, 18, PAINT_STRONG, "%s", view_string(queue, "name"));
	put(row, 19, 8, paused ? PAINT_WARN : PAINT_FAINT, "%s", paused ? "paused" : "");
	put(row, 27, 9, PAINT_PLAIN, "%9s", view_count(view_integer(queue, "pending")).text);
	put(row, 37, 7, PAINT_BUSY, "%7s", view_count(view_integer(queue, "active")).text);
	put(row, 45, 7, PAINT_WARN, "%7s", view_count(view_integer(queue, "retrying")).text);
	put(row, 53, 7, PAINT_BAD, "%7s", view_count(view_integer(queue, "dead")).text);
	put(row, 61, 7, PAINT_PLAIN, "%7s", view_age(oldest > 0 ? oldest : -1).text);
	if (!rates)
		return;
	put(row, 69, 7, PAINT_GOOD, "%7.0f", rates->ended[TOP_HISTORY - 1]);
	draw_spark(rates, row, 77);
}

static void draw_failed(const json_t *task, int row)
{
	const json_t *error = json_object_get(task, "error");

	put(row, 0, 24, PAINT_STRONG, "%s", view_string(task, "id"));
	put(row, 25, 7, PAINT_PLAIN, "%7s", view_since(view_string(task, "finished_at"), clock_wall_ms()).text);
	put(row, 33, 12, PAINT_PLAIN, "%s", view_string(task, "queue"));
	put(row, 46, 23, PAINT_PLAIN, "%s.%s", view_string(task, "class"), view_string(task, "method"));
	put(row, 70, COLS - 70, PAINT_BAD, "%s: %s", view_string(error, "kind"), view_string(error, "message"));
}

/* ---- panes ---- */

const json_t *top_screen_rows(const struct top_screen *screen, enum top_pane pane)
{
	switch (pane) {
	case TOP_WORKERS: return screen->model.workers;
	case TOP_QUEUES: return screen->model.queues;
	case TOP_FAILED: return screen->model.failed;
	case TOP_PANES: break;
	}
	return NULL;
}

void top_screen_name(enum top_pane pane, const json_t *row, char name[TOP_NAME_MAX])
{
	if (pane == TOP_WORKERS)
		(void)snprintf(
			name, TOP_NAME_MAX, "%s/%lld", view_string(row, "pool"), (long long)view_integer(row, "slot"));
	else
		(void)snprintf(name, TOP_NAME_MAX, "%s", view_string(row, pane == TOP_QUEUES ? "name" : "id"));
}

const json_t *top_screen_chosen(const struct top_screen *screen, enum top_pane pane)
{
	if (screen->pane != pane)
		return NULL;
	return json_array_get(top_screen_rows(screen, pane), (size_t)screen->panes[pane].index);
}

/* Where the marked row is now; one that has gone leaves its place to its neighbour. */
static void find_marked(struct top_screen *screen, enum top_pane pane)
{
	const json_t *rows = top_screen_rows(screen, pane), *row;
	const int count = (int)json_array_size(rows);
	char *marked = screen->panes[pane].name, name[TOP_NAME_MAX];
	int *index = &screen->panes[pane].index;
	size_t i;

	if (marked[0] == '\0') {
		*index = 0;
		return;
	}
	json_array_foreach(rows, i, row)
	{
		top_screen_name(pane, row, name);
		if (strcmp(name, marked) == 0) {
			*index = (int)i;
			return;
		}
	}
	*index = *index >= count ? count - 1 : *index;
	*index = *index < 0 ? 0 : *index;
	if (count > 0)
		top_screen_name(pane, json_array_get(rows, (size_t)*index), marked);
}

static void keep_in_sight(struct top_screen *screen, enum top_pane pane, int height)
{
	const int count = (int)json_array_size(top_screen_rows(screen, pane)), index = screen->panes[pane].index;
	int *first = &screen->panes[pane].first;

	if (index < *first)
		*first = index;
	if (index >= *first + height)
		*first = index - height + 1;
	if (*first > 0 && *first > count - height)
		*first = count > height ? count - height : 0;
}

static void draw_row(const struct top_screen *screen, enum top_pane pane, const json_t *values, int row)
{
	switch (pane) {
	case TOP_WORKERS: draw_worker(values, row); return;
	case TOP_QUEUES: draw_queue(&screen->model, values, row); return;
	case TOP_FAILED: draw_failed(values, row); return;
	case TOP_PANES: return;
	}
}

/* Its head, and `height` rows. */
static void draw_pane(struct top_screen *screen, enum top_pane pane, int top, int height)
{
	static const char *const heads[TOP_PANES] = {
		[TOP_WORKERS] = "WORKER             STATE    HEARTBEAT       AGE REST   MEMORY     FOR TASK",
		[TOP_QUEUES] = "QUEUE                        PENDING  ACTIVE   RETRY    DEAD  OLDEST  DONE/S",
		[TOP_FAILED] = "DEAD TASK                     AGO QUEUE        WHAT                    WHY",
	};
	const json_t *rows = top_screen_rows(screen, pane);

	put(top, 0, COLS, screen->pane == pane ? PAINT_STRONG : PAINT_FAINT, "%s", heads[pane]);
	find_marked(screen, pane);
	keep_in_sight(screen, pane, height);
	for (int i = 0; i < height; i++) {
		const int index = screen->panes[pane].first + i;
		const json_t *row = json_array_get(rows, (size_t)index);
		if (!row)
			break;
		draw_row(screen, pane, row, top + 1 + i);
		if (pane == screen->pane && index == screen->panes[pane].index)
			mark_row(top + 1 + i);
	}
	if (json_array_size(rows) == 0 && pane == TOP_FAILED)
		put(top + 1, 0, COLS, PAINT_FAINT, "none");
}

static int at_most(int value, int most)
{
	return value < most ? value : most;
}

static int at_least(int value, int least)
{
	return value > least ? value : least;
}

/* The workers have what the others leave; a low terminal has no room for the dead ones, unless they are asked for. */
static void draw_panes(struct top_screen *screen)
{
	const bool shows_failed = LINES >= HIGH_ENOUGH || screen->pane == TOP_FAILED;
	const int room = LINES - HEAD_LINES - TOP_PANES - 1;
	const int queues = (int)json_array_size(screen->model.queues),
		  dead = (int)json_array_size(screen->model.failed);
	const int failed_rows = shows_failed ? at_least(at_most(dead, room / 4), 1) : -1;
	const int queue_rows = at_least(at_most(queues, room / 3), 1);
	const int worker_rows = at_least(room - queue_rows - failed_rows, 1);
	int top = HEAD_LINES;

	draw_pane(screen, TOP_WORKERS, top, worker_rows);
	top += 1 + worker_rows;
	draw_pane(screen, TOP_QUEUES, top, queue_rows);
	top += 1 + queue_rows;
	if (shows_failed)
		draw_pane(screen, TOP_FAILED, top, failed_rows);
}

static void draw_task(const struct top_screen *screen)
{
	const json_t *task = screen->model.task;
	const char *name;
	json_t *value;
	int row = 1;

	put(0, 0, COLS, PAINT_STRONG, "task %s (any key goes back)", screen->task);
	json_object_foreach((json_t *)(uintptr_t)task, name, value)
	{
		char *text = json_is_null(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		if (!text)
			continue;
		put(row, 0, 16, PAINT_FAINT, "%s", name);
		put(row++, 17, COLS - 17,
			strcmp(name, "state") == 0 ? terminal_paint_state(json_string_value(value)) : PAINT_PLAIN, "%s",
			text);
		free(text);
	}
}

void top_screen_draw(struct top_screen *screen)
{
	(void)erase();
	if (screen->task[0] != '\0') {
		draw_task(screen);
	} else {
		draw_head(screen);
		draw_panes(screen);
		put(LINES - 1, 0, COLS, PAINT_FAINT,
			"q quit  tab pane  j/k choose  s sort (%s)  r restart  p pause  a run again  enter task",
			top_sort_names[screen->model.sort]);
	}
	(void)refresh();
}
