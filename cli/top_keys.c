#include "cli/top_keys.h"

#include "cli/view.h"

#include <ncurses.h>
#include <stdarg.h>
#include <string.h>

enum { ESCAPE = 27 };

static void say(struct top_screen *screen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct top_screen *screen, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(screen->said, sizeof screen->said, format, arguments);
	va_end(arguments);
}

/* What is shown is old by then. Returns whether the server did it; if not, it has been said why. */
static bool post(struct top_screen *screen, const char *path)
{
	struct answer answer;
	struct error error;

	screen->model.look_at_mono_ns = 0;
	screen->model.look_around_at_mono_ns = 0;
	int status = client_call(screen->call->client, "POST", path, NULL, &answer, &error);
	if (status == 0 && (answer.status < 200 || answer.status > 299)) {
		answer_sentence(&answer, &error);
		status = -1;
	}
	answer_fini(&answer);
	if (status < 0)
		say(screen, "%s", error.text);
	return status == 0;
}

/* ---- what is done with the marked row ---- */

static void ask_restart(struct top_screen *screen)
{
	const json_t *worker = top_screen_chosen(screen, TOP_WORKERS);
	char name[TOP_NAME_MAX];

	if (!worker) {
		say(screen, "r restarts a worker: tab goes to the workers");
		return;
	}
	top_screen_name(TOP_WORKERS, worker, name);
	path_init(&screen->question, "/v1/workers");
	path_segment(&screen->question, view_string(worker, "pool"));
	path_segment(&screen->question, strrchr(name, '/') + 1);
	path_add(&screen->question, "/restart");
	(void)snprintf(screen->answer, sizeof screen->answer, "%s is drained and replaced", name);
	say(screen, "Restart %s? y: yes, any other key: no", name);
}

static void pause_chosen(struct top_screen *screen)
{
	const json_t *queue = top_screen_chosen(screen, TOP_QUEUES);
	const bool paused = view_flag(queue, "paused");
	struct path path;

	if (!queue) {
		say(screen, "p pauses a queue: tab goes to the queues");
		return;
	}
	path_init(&path, "/v1/queues");
	path_segment(&path, view_string(queue, "name"));
	path_add(&path, paused ? "/resume" : "/pause");
	if (post(screen, path.text))
		say(screen, "queue %s is %s", view_string(queue, "name"), paused ? "resumed" : "paused");
}

static void run_again(struct top_screen *screen)
{
	const char *id = view_string(top_screen_chosen(screen, TOP_FAILED), "id");
	struct path path;

	if (id[0] == '\0') {
		say(screen, "a lets a dead task run again: tab goes to them");
		return;
	}
	path_init(&path, "/v1/tasks");
	path_segment(&path, id);
	path_add(&path, "/retry");
	if (post(screen, path.text))
		say(screen, "task %s runs again", id);
}

static void look_into_task(struct top_screen *screen)
{
	const json_t *worker = top_screen_chosen(screen, TOP_WORKERS);
	const json_t *task = worker ? json_object_get(worker, "task") : top_screen_chosen(screen, TOP_FAILED);
	const char *id = view_string(task, "id");

	if (id[0] == '\0') {
		say(screen, "there is no task in hand here");
		return;
	}
	(void)snprintf(screen->task, sizeof screen->task, "%s", id);
	screen->model.look_at_mono_ns = 0;
}

static void sort_otherwise(struct top_screen *screen)
{
	screen->model.sort = (enum top_sort)((screen->model.sort + 1) % TOP_SORTS);
	top_model_sort(&screen->model);
}

static void mark_other(struct top_screen *screen, int rows)
{
	const json_t *all = top_screen_rows(screen, screen->pane);
	const int count = (int)json_array_size(all);
	int index = screen->panes[screen->pane].index + rows;

	index = index >= count ? count - 1 : index;
	index = index < 0 ? 0 : index;
	screen->panes[screen->pane].index = index;
	if (count > 0)
		top_screen_name(screen->pane, json_array_get(all, (size_t)index), screen->panes[screen->pane].name);
}

/* ---- keys ---- */

/* A question or a task in sight takes the key that comes next. */
static bool take_answer(struct top_screen *screen, int key)
{
	if (screen->question.text[0] != '\0') {
		const struct path path = screen->question;
		screen->question.text[0] = '\0';
		screen->said[0] = '\0';
		if (key == 'y' && post(screen, path.text))
			say(screen, "%s", screen->answer);
		return true;
	}
	if (screen->task[0] != '\0') {
		screen->task[0] = '\0';
		return true;
	}
	return false;
}

void top_keys_take(struct top_screen *screen, int key)
{
	if (key == ERR || key == KEY_RESIZE || take_answer(screen, key))
		return;
	screen->said[0] = '\0';
	switch (key) {
	case 'q':
	case ESCAPE: screen->ends = true; return;
	case '\t': screen->pane = (enum top_pane)((screen->pane + 1) % TOP_PANES); return;
	case 'j':
	case KEY_DOWN: mark_other(screen, 1); return;
	case 'k':
	case KEY_UP: mark_other(screen, -1); return;
	case KEY_HOME: screen->panes[screen->pane].name[0] = '\0'; return;
	case KEY_NPAGE: mark_other(screen, LINES / 2); return;
	case KEY_PPAGE: mark_other(screen, -LINES / 2); return;
	case 's': sort_otherwise(screen); return;
	case 'r': ask_restart(screen); return;
	case 'p': pause_chosen(screen); return;
	case 'a': run_again(screen); return;
	case '\r':
	case '\n':
	case KEY_ENTER: look_into_task(screen); return;
	default: say(screen, "keys: q tab j k s r p a enter"); return;
	}
}
