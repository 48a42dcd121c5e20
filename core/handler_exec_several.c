#include "core/buffer.h"
#include "core/clock.h"
#include "core/exec_child.h"
#include "core/exec_order.h"
#include "core/handler_kind.h"
#include "core/io.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REAP_EVERY = 256,    /* tasks: what the child has left behind is looked for */
	ENDING_MS = 100,     /* for whoever closes its pipes: it is about to end */
	LAST_READS_MAX = 256 /* of a pipe that somebody else keeps filling */
};

enum child_state {
	CHILD_NONE,
	CHILD_UP,
	CHILD_TOLD,   /* by SIGTERM, for the sake of one of its tasks; SIGKILL at kill_mono_ns */
	CHILD_KILLED, /* its end has not come yet */
};

/* A handler whose program runs several tasks at a time in one child, told apart by their ids. */
struct exec {
	const struct handler_host *host;
	struct exec_child child;
	enum child_state state;
	int64_t kill_mono_ns;
	char fault[256];              /* what the child did, for which it was killed; "": nothing */
	struct handler_errand *first; /* what runs in it, in the order of its start */
	struct buffer line;           /* a task, as the child gets it */
	struct buffer pending;        /* what the child is to get */
	size_t written;               /* of that */
	size_t given;                 /* bytes that this child got */
	unsigned tasks;               /* since strays were reaped */
};

struct own { /* what an errand has of ours */
	struct exec_talk talk;
	bool late;            /* nothing that it says counts any more */
	bool told;            /* to stop */
	int64_t stop_mono_ns; /* when told: it is ended then */
};

static bool serves(const struct config_handler *config)
{
	return config->program.argv.count > 0 && config->mode == CONFIG_MODE_PERSISTENT && config->concurrency > 1;
}

static void release(void *handler)
{
	struct exec *exec = handler;

	if (exec->state == CHILD_UP)
		exec_child_leave(&exec->child);
	exec_child_fini(&exec->child);
	buffer_fini(&exec->line);
	buffer_fini(&exec->pending);
	free(exec);
}

static int load(
	const struct config_handler *config, const struct handler_host *host, void **ret_handler, struct error *error)
{
	struct exec *exec = calloc(1, sizeof *exec);

	if (exec == NULL)
		return error_set(error, -ENOMEM, "class \"%s\": no memory", config->class);
	exec->host = host;
	int status = exec_child_init(&exec->child, &config->program, host, config->class, error);
	if (status < 0) {
		free(exec);
		return status;
	}
	buffer_init(&exec->line, EXEC_ORDER_EXTRA);
	buffer_init(&exec->pending, (host->line_max + EXEC_ORDER_EXTRA) * (size_t)config->concurrency);
	*ret_handler = exec;
	return 0;
}

/* ---- errands ---- */

static void finish(struct exec *exec, struct handler_errand *errand, enum handler_errand_state state)
{
	struct handler_errand **link = &exec->first;

	while (*link != errand)
		link = &(*link)->next;
	*link = errand->next;
	free(errand->own);
	errand->own = NULL;
	errand->state = state;
}

static struct exec_talk *find_talk(void *context, const char *id)
{
	struct exec *exec = context;

	for (struct handler_errand *errand = exec->first; errand != NULL; errand = errand->next) {
		struct own *own = errand->own;
		if (!own->late && strcmp(errand->task.id, id) == 0)
			return &own->talk;
	}
	return NULL;
}

static struct handler_errand *find_errand(const struct exec *exec, const struct exec_talk *talk)
{
	struct handler_errand *errand = exec->first;

	while (&((struct own *)errand->own)->talk != talk)
		errand = errand->next;
	return errand;
}

/* ---- the child's end ---- */

static void kill_child(struct exec *exec)
{
	if (exec->state != CHILD_NONE)
		program_signal(&exec->child.program, SIGKILL);
	exec->state = CHILD_KILLED;
}

/* For what it did. */
static void kill_for(struct exec *exec, const char *fault)
{
	if (exec->state == CHILD_UP)
		(void)snprintf(exec->fault, sizeof exec->fault, "%s", fault);
	kill_child(exec);
}

/* For the sake of one of its tasks. */
static void tell_child(struct exec *exec)
{
	if (exec->state != CHILD_UP)
		return;
	exec->state = CHILD_TOLD;
	exec->kill_mono_ns = clock_mono_after(exec->host->kill_grace_ms);
	program_signal(&exec->child.program, SIGTERM);
}

/* It has closed a pipe without which it is of no use: mostly it is about to end, else it is ended. */
static void miss_pipe(struct exec *exec, const char *fault)
{
	if (!program_wait(&exec->child.program, clock_mono_after(ENDING_MS))) {
		exec->child.took = true; /* it lived on: no death at its start */
		kill_for(exec, fault);
	}
}

static void end_errand(struct exec *exec, struct handler_errand *errand, const char *how, bool for_another)
{
	const struct own *own = errand->own;
	enum handler_errand_state state = ERRAND_ENDED;

	if (own->late)
		handler_result_set(
			&errand->result, TASK_VERDICT_TIMEOUT, "timeout", "gave no sign of life in time and was ended");
	else if (for_another && !own->told)
		state = ERRAND_RETURNED;
	else
		handler_result_set(&errand->result, TASK_VERDICT_CRASH, "crash", "the handler's program %s", how);
	finish(exec, errand, state);
}

/* Its end is understood once: it is the crash of all that ran in it, but where it was ended for one of them. */
static void bury_child(struct exec *exec)
{
	const bool for_another = exec->state != CHILD_UP && exec->fault[0] == '\0';
	char how[128];

	program_describe_end(program_look_at_end(&exec->child.program), how, sizeof how);
	exec_child_note_end(&exec->child, exec->given);
	exec_child_end(&exec->child);
	exec->host->child(exec->host->context, 0);
	while (exec->first != NULL)
		end_errand(exec, exec->first, exec->fault[0] != '\0' ? exec->fault : how, for_another);
	exec->state = CHILD_NONE;
	buffer_clear(&exec->pending);
	exec->written = 0;
}

/* ---- talking ---- */

static void hear_line(struct exec *exec, const char *line, size_t length)
{
	struct exec_talk *talk;
	struct error error;
	const enum exec_heard heard = exec_message_hear_any(find_talk, exec, line, length, &talk, &error);

	exec->child.took = true;
	if (heard == EXEC_WRONG) {
		kill_for(exec, "wrote what is not of the protocol, and was ended");
		exec->host->log(exec->host->context, error.text, strlen(error.text));
	}
	if (talk == NULL || heard == EXEC_GOES_ON)
		return;
	struct handler_errand *errand = find_errand(exec, talk);
	if (heard == EXEC_WRONG)
		handler_result_set(&errand->result, TASK_VERDICT_FAIL, "exception", "%s", error.text);
	finish(exec, errand, ERRAND_ENDED);
}

static void hear_lines(struct exec *exec)
{
	const char *line;
	size_t length;

	while (exec->fault[0] == '\0' && lines_next(&exec->child.out, &line, &length))
		hear_line(exec, line, length);
}

/* One read, and what came by it. False: no more can come. */
static bool hear(struct exec *exec)
{
	struct error error;
	const enum exec_heard heard = exec_child_read(&exec->child, &error);

	if (heard == EXEC_WRONG)
		kill_for(exec, "wrote a line that is too long, and was ended");
	else if (heard == EXEC_GOES_ON)
		hear_lines(exec);
	return heard == EXEC_GOES_ON;
}

static void hear_last(struct exec *exec)
{
	struct pollfd entry = {.events = POLLIN};

	for (int i = 0; i < LAST_READS_MAX; i++) {
		entry.fd = exec->child.program.out;
		if (entry.fd < 0 || io_poll(&entry, 1, 0) <= 0 || !hear(exec))
			return;
	}
}

/* A buffer that is never empty must not grow for ever. */
static int give(struct exec *exec, const char *bytes, size_t length)
{
	struct buffer *pending = &exec->pending;

	if (exec->written > 0) {
		memmove(pending->data, pending->data + exec->written, pending->length - exec->written + 1);
		pending->length -= exec->written;
		exec->written = 0;
	}
	const size_t before = pending->length;
	buffer_append(pending, bytes, length);
	if (pending->status == 0)
		return 0;
	const int status = pending->status;
	pending->length = before; /* the others get theirs */
	pending->status = 0;
	return status;
}

static void write_pending(struct exec *exec)
{
	const size_t before = exec->written;

	if (exec->child.program.in < 0 || exec->state == CHILD_KILLED)
		return;
	if (!exec_child_write(&exec->child, &exec->pending, &exec->written)) {
		io_close(&exec->child.program.in);
		miss_pipe(exec, "closed its standard input, and was ended");
		return;
	}
	exec->given += exec->written - before;
}

/* ---- what is asked of it ---- */

static bool start_child(struct exec *exec, struct error *error)
{
	exec->fault[0] = '\0';
	exec->given = 0;
	if (exec_child_start(&exec->child, NULL, error) < 0)
		return false;
	exec->state = CHILD_UP;
	return true;
}

static bool is_ready(void *handler)
{
	struct exec *exec = handler;

	if (exec->state != CHILD_NONE && exec->first == NULL &&
		(exec_child_wait(&exec->child, false, 0) & EXEC_OVER) != 0)
		bury_child(exec); /* between two tasks */
	return exec->state == CHILD_NONE ? clock_mono_ns() >= exec->child.next_mono_ns : exec->state == CHILD_UP;
}

static void add(struct exec *exec, struct handler_errand *errand, struct own *own)
{
	struct handler_errand **link = &exec->first;

	own->talk = (struct exec_talk){.host = &errand->host, .id = errand->task.id, .result = &errand->result};
	errand->own = own;
	errand->next = NULL;
	while (*link != NULL)
		link = &(*link)->next;
	*link = errand;
}

static void begin(void *handler, struct handler_errand *errand)
{
	struct exec *exec = handler;
	struct own *own = calloc(1, sizeof *own);
	struct error error = {"no memory for the task"};

	if (++exec->tasks % REAP_EVERY == 0)
		program_reap_strays();
	if (own == NULL || exec_order_write(&exec->line, &errand->host, &errand->task) < 0 ||
		(exec->state == CHILD_NONE && !start_child(exec, &error)) ||
		give(exec, exec->line.data, exec->line.length) < 0) {
		handler_result_set(
			&errand->result, TASK_VERDICT_CRASH, "crash", "the handler's program: %s", error.text);
		errand->state = ERRAND_ENDED;
		free(own);
		return;
	}
	exec->host->child(exec->host->context, exec->child.program.pid);
	add(exec, errand, own);
}

/* Those that were told to stop and did not. Returns when the next one's time is up. */
static int64_t end_the_told(struct exec *exec, int64_t now)
{
	int64_t next = INT64_MAX;

	for (const struct handler_errand *errand = exec->first; errand != NULL; errand = errand->next) {
		const struct own *own = errand->own;
		if (!own->told)
			continue;
		if (now >= own->stop_mono_ns)
			tell_child(exec);
		else if (own->stop_mono_ns < next)
			next = own->stop_mono_ns;
	}
	if (exec->state == CHILD_TOLD && now >= exec->kill_mono_ns)
		kill_child(exec);
	return exec->state == CHILD_TOLD && exec->kill_mono_ns < next ? exec->kill_mono_ns : next;
}

static void attend(void *handler, int wake_fd, int64_t until_mono_ns)
{
	struct exec *exec = handler;
	struct pollfd wake = {.fd = wake_fd, .events = POLLIN};

	if (exec->state == CHILD_NONE) {
		const bool waits =
			exec->child.next_mono_ns > clock_mono_ns() && exec->child.next_mono_ns < until_mono_ns;
		(void)io_poll(&wake, 1, waits ? exec->child.next_mono_ns : until_mono_ns);
		return;
	}
	write_pending(exec);
	const int64_t look = end_the_told(exec, clock_mono_ns());
	const bool wants_room = exec->child.program.in >= 0 && exec->written < exec->pending.length;
	exec->child.bell_fd = wake_fd;
	const unsigned events = exec_child_wait(&exec->child, wants_room, look < until_mono_ns ? look : until_mono_ns);
	if ((events & EXEC_OVER) != 0) {
		hear_last(exec);
		bury_child(exec);
	} else if ((events & EXEC_SAYS) != 0 && !hear(exec) && exec->state != CHILD_KILLED) {
		miss_pipe(exec, "closed its standard output, and was ended");
	}
}

static void tell_errand(struct exec *exec, struct handler_errand *errand)
{
	struct own *own = errand->own;
	json_t *order = json_pack("{s:s}", "cancel", errand->task.id);
	char *text = json_dumps(order, JSON_COMPACT);

	own->told = true;
	own->stop_mono_ns = clock_mono_after(exec->host->kill_grace_ms);
	if (text == NULL || give(exec, text, strlen(text)) < 0 || give(exec, "\n", 1) < 0)
		tell_child(exec); /* no memory to ask it nicely */
	free(text);
	json_decref(order);
}

static void end(void *handler, struct handler_errand *errand, enum handler_end how)
{
	struct exec *exec = handler;
	struct own *own = errand->own;

	switch (how) {
	case HANDLER_STOP: tell_errand(exec, errand); return;
	case HANDLER_NOW: own->told = true; break;
	case HANDLER_LATE: own->late = true; break;
	}
	tell_child(exec);
}

/* Of all that run in it. */
static void exiting(void *handler, const struct handler_task *task)
{
	const struct exec *exec = handler;

	(void)task;
	program_signal(&exec->child.program, SIGTERM);
	(void)program_wait(&exec->child.program, INT64_MAX); /* kill_grace is the supervisor's to measure */
}

const struct handler_kind handler_kind_exec_several = {
	.serves = serves,
	.load = load,
	.exiting = exiting,
	.free = release,
	.is_ready = is_ready,
	.begin = begin,
	.attend = attend,
	.end = end,
};
