#include "cli/top.h"

#include "cli/sse.h"
#include "cli/top_keys.h"
#include "cli/top_screen.h"
#include "core/clock.h"

#include <ncurses.h>
#include <string.h>
#include <unistd.h>

enum {
	CALL_TIMEOUT_MS = 2000, /* keys wait for that long at most */
	RETRY_MS = 1000,        /* of the stream */
};

struct top {
	struct top_screen screen;
	struct sse sse;
	struct client_stream *stream; /* owned; NULL: there is none now */
	int64_t listen_at_mono_ns;    /* when it is tried next */
};

/* ---- events ---- */

static void tell(void *context, const char *type, json_t *data)
{
	struct top *top = context;

	top_model_hear(&top->screen.model, type, data);
}

static bool take(void *context, const char *bytes, size_t length)
{
	struct top *top = context;

	top->screen.model.live = true;
	sse_take(&top->sse, bytes, length);
	return true;
}

static void listen_anew(struct top *top)
{
	if (top->stream || clock_mono_ns() < top->listen_at_mono_ns)
		return;
	sse_begin_again(&top->sse);
	(void)client_stream_open(/* without memory for it there are looks, and the next try */
		top->screen.call->client, "/v1/events", top->sse.last_id, take, top, &top->stream);
	top->listen_at_mono_ns = clock_mono_after(RETRY_MS);
}

static void stop_listening(struct top *top)
{
	client_stream_close(top->stream);
	top->stream = NULL;
	top->screen.model.live = false;
	top->listen_at_mono_ns = clock_mono_after(RETRY_MS);
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

static void take_keys(struct top *top)
{
	int key;

	while (!top->screen.ends && (key = getch()) != ERR)
		top_keys_take(&top->screen, key);
}

static void watch(struct top *top)
{
	struct top_screen *screen = &top->screen;
	struct top_model *model = &screen->model;

	while (!screen->ends) {
		listen_anew(top);
		top_model_look(model, screen->call->client, screen->task);
		top_screen_draw(screen);
		if (!client_stream_wait(top->stream, STDIN_FILENO, clock_ms_until(top_model_next_look(model))))
			stop_listening(top);
		take_keys(top);
	}
}

static void begin_screen(const struct call *call)
{
	(void)initscr();
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)set_escdelay(50);
	(void)curs_set(0);
	choose_colours(&call->terminal);
}

int top_run(struct call *call)
{
	struct top top = {.screen = {.call = call}};

	if (call_has(call, OPTION_JSON))
		return top_print(call);
	if (!call->terminal.is_terminal || !isatty(STDIN_FILENO))
		return call_misused(
			call, "top wants a terminal: `muster top --json' and `muster stat' are for scripts");
	client_set_timeout(call->client, CALL_TIMEOUT_MS);
	top_model_init(&top.screen.model);
	sse_init(&top.sse, tell, &top);
	begin_screen(call);
	watch(&top);
	(void)endwin();
	client_stream_close(top.stream);
	sse_fini(&top.sse);
	top_model_fini(&top.screen.model);
	return EXIT_DONE;
}
