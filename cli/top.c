#include "cli/top.h"

#include "cli/call.h"
#include "cli/memory.h"
#include "cli/path.h"
#include "cli/top_model.h"
#include "cli/view.h"
#include "core/clock.h"

#include <ncurses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LOOK_MS = 500,
	CALL_TIMEOUT_MS = 2000, /* keys wait for that long at most */
	HEAD_LINES = 2,
	BAR_WIDTH = 12,
	ESCAPE = 27,
};

enum pane { PANE_WORKERS, PANE_QUEUES, PANES };

struct screen {
	struct call *call;
	struct top_model model;
	enum pane pane;
	int chosen[PANES], first[PANES]; /* the row that is marked, the one at the pane's top */
	char said[ERROR_TEXT_MAX];       /* what came of the last key; "": nothing */
	json_t *task;                    /* owned: looked into; NULL: none */
	bool asks_restart;
	int64_t look_at_mono_ns; /* when the server is asked next */
	bool ends;
};

/* ---- drawing ---- */

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

static void draw_head(const struct screen *screen)
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
	put(0, 0, COLS, PAINT_STRONG, "muster %s  %zu workers, %zu busy  %.0f done/s, %.0f failed/s",
		client_url(screen->call->client), json_array_size(model->workers), busy, ended, failed);
	if (model->error.text[0] != '\0') {
		const double away = (double)(clock_mono_ns() - model->looked_mono_ns) / (double)CLOCK_NS_PER_S;
		put(1, 0, COLS, PAINT_BAD, "CUT OFF for %s: %s",
			model->looked_mono_ns > 0 ? view_age(away).text : "ever", model->error.text);
	} else {
		put(1, 0, COLS, PAINT_WARN, "%s", screen->said);
	}
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

static const json_t *pane_rows(const struct screen *screen, enum pane pane)
{
	return pane == PANE_WORKERS ? screen->model.workers : screen->model.queues;
}

/* The marked row is one that there is, and in sight. */
static void keep_in_sight(struct screen *screen, enum pane pane, int height)
{
	const int count = (int)json_array_size(pane_rows(screen, pane));
	int *chosen = &screen->chosen[pane], *first = &screen->first[pane];

	*chosen = *chosen >= count ? count - 1 : *chosen;
	*chosen = *chosen < 0 ? 0 : *chosen;
	if (*chosen < *first)
		*first = *chosen;
	if (*chosen >= *first + height)
		*first = *chosen - height + 1;
	if (*first > 0 && *first > count - height)
		*first = count > height ? count - height : 0;
}

static void draw_pane(struct screen *screen, enum pane pane, int top, int height)
{
	static const char *const heads[PANES] = {
		[PANE_WORKERS] = "WORKER             STATE    HEARTBEAT       AGE REST   MEMORY     FOR TASK",
		[PANE_QUEUES] = "QUEUE                        PENDING  ACTIVE   RETRY    DEAD  OLDEST  DONE/S",
	};
	const json_t *rows = pane_rows(screen, pane);

	put(top, 0, COLS, screen->pane == pane ? PAINT_STRONG : PAINT_FAINT, "%s", heads[pane]);
	keep_in_sight(screen, pane, height);
	for (int i = 0; i < height; i++) {
		const int index = screen->first[pane] + i;
		const json_t *row = json_array_get(rows, (size_t)index);
		if (!row)
			break;
		if (pane == PANE_WORKERS)
			draw_worker(row, top + 1 + i);
		else
			draw_queue(&screen->model, row, top + 1 + i);
		if (pane == screen->pane && index == screen->chosen[pane])
			mark_row(top + 1 + i);
	}
}

static void draw_task(const json_t *task)
{
	const char *name;
	json_t *value;
	int row = 0;

	put(row++, 0, COLS, PAINT_STRONG, "task %s (any key goes back)", view_string(task, "id"));
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

static void draw(struct screen *screen)
{
	const int queues = (int)json_array_size(screen->model.queues);
	const int room = LINES - HEAD_LINES - 3; /* two heads and the line of keys */
	int queue_rows = queues < room / 3 ? queues : room / 3;

	(void)erase();
	if (screen->task) {
		draw_task(screen->task);
		(void)refresh();
		return;
	}
	queue_rows = queue_rows < 1 ? 1 : queue_rows;
	const int worker_rows = room - queue_rows > 1 ? room - queue_rows : 1;
	draw_head(screen);
	draw_pane(screen, PANE_WORKERS, HEAD_LINES, worker_rows);
	draw_pane(screen, PANE_QUEUES, HEAD_LINES + 1 + worker_rows, queue_rows);
	put(LINES - 1, 0, COLS, PAINT_FAINT,
		"q quit  tab pane  j/k choose  s sort (%s)  r restart  p pause  enter task",
		top_sort_names[screen->model.sort]);
	(void)refresh();
}

/* ---- keys ---- */

static void say(struct screen *screen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct screen *screen, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(screen->said, sizeof screen->said, format, arguments);
	va_end(arguments);
}

static const json_t *chosen_row(const struct screen *screen, enum pane pane)
{
	return screen->pane == pane ? json_array_get(pane_rows(screen, pane), (size_t)screen->chosen[pane]) : NULL;
}

/* Returns what was answered, which the caller owns; NULL: it has been said why not. What is shown is old by then. */
static json_t *ask(struct screen *screen, const char *method, const char *path)
{
	struct answer answer;
	struct error error;
	json_t *body = NULL;

	screen->look_at_mono_ns = 0;
	int status = client_call(screen->call->client, method, path, NULL, &answer, &error);
	if (status == 0 && (answer.status < 200 || answer.status > 299)) {
		answer_sentence(&answer, &error);
		status = -1;
	}
	if (status < 0)
		say(screen, "%s", error.text);
	else
		body = json_incref(answer.body);
	answer_fini(&answer);
	return body;
}

static void restart_chosen(struct screen *screen)
{
	const json_t *worker = chosen_row(screen, PANE_WORKERS);
	struct path path;
	char slot[32];

	if (!worker)
		return;
	(void)snprintf(slot, sizeof slot, "%lld", (long long)view_integer(worker, "slot"));
	path_init(&path, "/v1/workers");
	path_segment(&path, view_string(worker, "pool"));
	path_segment(&path, slot);
	path_add(&path, "/restart");
	json_t *answer = ask(screen, "POST", path.text);
	if (answer)
		say(screen, "%s/%s is drained and replaced", view_string(worker, "pool"), slot);
	json_decref(answer);
}

static void ask_restart(struct screen *screen)
{
	const json_t *worker = chosen_row(screen, PANE_WORKERS);

	screen->asks_restart = worker != NULL;
	if (worker)
		say(screen, "Restart %s/%lld? y: yes, any other key: no", view_string(worker, "pool"),
			(long long)view_integer(worker, "slot"));
	else
		say(screen, "r restarts a worker: tab goes to the workers");
}

static void pause_chosen(struct screen *screen)
{
	const json_t *queue = chosen_row(screen, PANE_QUEUES);
	const bool paused = view_flag(queue, "paused");
	struct path path;

	if (!queue) {
		say(screen, "p pauses a queue: tab goes to the queues");
		return;
	}
	path_init(&path, "/v1/queues");
	path_segment(&path, view_string(queue, "name"));
	path_add(&path, paused ? "/resume" : "/pause");
	json_t *answer = ask(screen, "POST", path.text);
	if (answer)
		say(screen, "queue %s is %s", view_string(queue, "name"), paused ? "resumed" : "paused");
	json_decref(answer);
}

static void look_into_task(struct screen *screen)
{
	const char *id = view_string(json_object_get(chosen_row(screen, PANE_WORKERS), "task"), "id");
	struct path path;

	if (id[0] == '\0') {
		say(screen, "there is no task in hand here");
		return;
	}
	path_init(&path, "/v1/tasks");
	path_segment(&path, id);
	screen->task = ask(screen, "GET", path.text);
}

static void sort_otherwise(struct screen *screen)
{
	screen->model.sort = (enum top_sort)((screen->model.sort + 1) % TOP_SORTS);
	top_model_sort(&screen->model);
}

/* A question or a task in sight takes the key that comes next. */
static bool take_answer(struct screen *screen, int key)
{
	if (screen->asks_restart) {
		screen->asks_restart = false;
		screen->said[0] = '\0';
		if (key == 'y')
			restart_chosen(screen);
		return true;
	}
	if (screen->task) {
		json_decref(screen->task);
		screen->task = NULL;
		return true;
	}
	return false;
}

static void take_key(struct screen *screen, int key)
{
	if (key == ERR || key == KEY_RESIZE || take_answer(screen, key))
		return;
	screen->said[0] = '\0';
	switch (key) {
	case 'q':
	case ESCAPE: screen->ends = true; return;
	case '\t': screen->pane = screen->pane == PANE_WORKERS ? PANE_QUEUES : PANE_WORKERS; return;
	case 'j':
	case KEY_DOWN: screen->chosen[screen->pane]++; return;
	case 'k':
	case KEY_UP: screen->chosen[screen->pane]--; return;
	case KEY_NPAGE: screen->chosen[screen->pane] += LINES / 2; return;
	case KEY_PPAGE: screen->chosen[screen->pane] -= LINES / 2; return;
	case 's': sort_otherwise(screen); return;
	case 'r': ask_restart(screen); return;
	case 'p': pause_chosen(screen); return;
	case '\r':
	case '\n':
	case KEY_ENTER: look_into_task(screen); return;
	default: say(screen, "keys: q tab j k s r p enter"); return;
	}
}

/* ---- the loop ---- */

static void choose_colours(const struct terminal *terminal)
{
	static const short colours[PAINTS] = {[PAINT_PLAIN] = -1,
		[PAINT_GOOD] = COLOR_GREEN,
		[PAINT_BUSY] = COLOR_CYAN,
		[PAINT_WARN] = COLOR_YELLOW,
		[PAINT_BAD] = COLOR_RED,
		[PAINT_FAINT] = -1,
		[PAINT_STRONG] = -1};

	if (!terminal->colours || !has_colors())
		return;
	(void)start_color();
	(void)use_default_colors();
	for (int i = 1; i < PAINTS; i++)
		(void)init_pair((short)i, colours[i], -1);
}

static void watch(struct screen *screen)
{
	while (!screen->ends) {
		if (clock_mono_ns() >= screen->look_at_mono_ns) {
			top_model_look(&screen->model, screen->call->client);
			screen->look_at_mono_ns = clock_mono_after(LOOK_MS);
		}
		draw(screen);
		timeout(clock_ms_until(screen->look_at_mono_ns));
		take_key(screen, getch());
	}
}

int top_run(struct call *call)
{
	struct screen screen = {.call = call};

	if (!call->terminal.is_terminal || !isatty(STDIN_FILENO))
		return call_misused(
			call, "top wants a terminal: `muster stat' and `muster workers --json' are for scripts");
	if (call_has(call, OPTION_JSON))
		return call_misused(call, "top has nothing for scripts: `muster workers --json' has");
	client_set_timeout(call->client, CALL_TIMEOUT_MS);
	top_model_init(&screen.model);
	(void)initscr();
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)keypad(stdscr, TRUE);
	(void)set_escdelay(50);
	(void)curs_set(0);
	choose_colours(&call->terminal);
	watch(&screen);
	(void)endwin();
	json_decref(screen.task);
	top_model_fini(&screen.model);
	return EXIT_DONE;
}
