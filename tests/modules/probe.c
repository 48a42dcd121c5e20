/* probe: a handler module for tests that need a handler to misbehave, or to tell what it sees. Not installed. */
#include <muster.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	ssize_t written = write(fd, text, strlen(text));
	(void)written; /* a test that misses the line says so */
	close(fd);
}

static void nap_ms(long ms)
{
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
	while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
		continue;
}

static const char *text_param(const struct muster_task *task, size_t index)
{
	return json_string_value(json_array_get(muster_param(task), index));
}

static json_int_t integer_param(const struct muster_task *task, size_t index)
{
	return json_integer_value(json_array_get(muster_param(task), index));
}

/* document(): the whole document, as the handler sees it. */
static enum muster_end document(struct muster_task *task)
{
	return muster_ok(task, json_deep_copy(muster_document(task)));
}

/* about(): what the accessors say. */
static enum muster_end about(struct muster_task *task)
{
	return muster_ok(
		task, json_pack("{s:s, s:s, s:s, s:s, s:i, s:I}", "id", muster_id(task), "class", muster_class(task),
			      "method", muster_method(task), "queue", muster_queue(task), "attempt",
			      muster_attempt(task), "deadline_ms", (json_int_t)muster_deadline_ms(task)));
}

/* mark(path, how): appends "id attempt pid", then ends as `how` says: ok, retry, fail. */
static enum muster_end mark(struct muster_task *task)
{
	char line[200];
	const char *how = text_param(task, 1);
	snprintf(line, sizeof(line), "%s %d %d\n", muster_id(task), muster_attempt(task), (int)getpid());
	append(text_param(task, 0), line);
	if (how != NULL && strcmp(how, "retry") == 0)
		return muster_retry(task, "told to");
	if (how != NULL && strcmp(how, "fail") == 0)
		return muster_fail(task, "told to");
	return muster_ok(task, NULL);
}

/* retry_after(ms): asks for its next execution after that long. */
static enum muster_end retry_after(struct muster_task *task)
{
	if (muster_attempt(task) > 1)
		return muster_ok(task, json_integer(muster_attempt(task)));
	return muster_retry_after(task, integer_param(task, 0), "later");
}

/* retry_until(n): succeeds in its n-th execution. */
static enum muster_end retry_until(struct muster_task *task)
{
	if (muster_attempt(task) < integer_param(task, 0))
		return muster_retry(task, "execution %d", muster_attempt(task));
	return muster_ok(task, json_integer(muster_attempt(task)));
}

/* beat_for(promise_ms, silence_ms): one beat, then silence. */
static enum muster_end beat_for(struct muster_task *task)
{
	muster_beat_for(task, integer_param(task, 0));
	nap_ms((long)integer_param(task, 1));
	return muster_ok(task, NULL);
}

/* beat_once(silence_ms): an ordinary beat, then silence. */
static enum muster_end beat_once(struct muster_task *task)
{
	muster_beat(task);
	nap_ms((long)integer_param(task, 0));
	return muster_ok(task, NULL);
}

/* note(percent, text, ms): progress, then beats for ms. */
static enum muster_end note(struct muster_task *task)
{
	muster_progress(task, (int)integer_param(task, 0), text_param(task, 1));
	for (json_int_t left = integer_param(task, 2); left > 0 && !muster_stopping(task); left -= 5) {
		muster_beat(task);
		nap_ms(5);
	}
	return muster_ok(task, NULL);
}

/* say(text): one line in the log. */
static enum muster_end say(struct muster_task *task)
{
	muster_log(task, "%s", text_param(task, 0));
	return muster_ok(task, NULL);
}

/* push(document): submits another task. */
static enum muster_end push(struct muster_task *task)
{
	const char *why = NULL;
	if (muster_push(task, json_array_get(muster_param(task), 0), &why) != 0)
		return muster_fail(task, "push: %s", why);
	return muster_ok(task, NULL);
}

/* result(bytes): a result of that size. */
static enum muster_end result(struct muster_task *task)
{
	size_t length = (size_t)integer_param(task, 0);
	char *text = malloc(length + 1);
	if (text == NULL)
		return muster_fail(task, "no memory");
	memset(text, 'x', length);
	text[length] = '\0';
	json_t *value = json_string(text);
	free(text);
	return muster_ok(task, value);
}

/* leave(code): ends its worker. */
static enum muster_end leave(struct muster_task *task)
{
	_exit((int)integer_param(task, 0));
}

/* eat(): allocates for ever, beating. */
static enum muster_end eat(struct muster_task *task)
{
	while (!muster_stopping(task)) {
		char *block = malloc(1 << 20);
		if (block != NULL)
			memset(block, 1, 1 << 20);
		muster_beat(task);
		nap_ms(5);
	}
	return muster_ok(task, NULL);
}

static json_int_t cpu_ms(void)
{
	struct timespec used;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (json_int_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/* burn(ms, bytes): that much CPU time, with that much memory, which is given back. */
static enum muster_end burn(struct muster_task *task)
{
	size_t size = (size_t)integer_param(task, 1);
	char *block = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		return muster_fail(task, "no memory");
	memset(block, 1, size + 1);
	const json_int_t until = cpu_ms() + integer_param(task, 0);
	while (cpu_ms() < until)
		muster_beat(task);
	munmap(block, size + 1);
	return muster_ok(task, NULL);
}

static volatile bool forever = true;

/* spin(path): loops for ever with every signal blocked; the exiting hook tells. */
static enum muster_end spin(struct muster_task *task)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (forever)
		continue;
	return muster_ok(task, NULL);
}

static void stay_in_the_fault(int number)
{
	(void)number;
	while (forever)
		continue;
}

/* hold_malloc(path): stuck inside malloc with its lock held. A free chunk of the main arena gets an unreadable page in
 * its middle; the malloc that splits it faults there, and the fault's handler never returns. */
static enum muster_end hold_malloc(struct muster_task *task)
{
	struct sigaction action = {.sa_handler = stay_in_the_fault};
	sigaction(SIGSEGV, &action, NULL);
	sigset_t fault;
	sigemptyset(&fault);
	sigaddset(&fault, SIGSEGV);
	pthread_sigmask(SIG_UNBLOCK, &fault, NULL);
	char *big = malloc(100000);
	char *fence = malloc(100);
	if (big == NULL || fence == NULL)
		return muster_fail(task, "no memory");
	uintptr_t from = ((uintptr_t)big + 2 * 4096) & ~(uintptr_t)4095;
	free(big);
	if (mprotect((void *)from, 16 * 4096, PROT_NONE) != 0)
		return muster_fail(task, "mprotect");
	for (int i = 0; i < 2000; i++) {
		char *volatile part = malloc(40000);
		(void)part;
	}
	return muster_fail(task, "not glibc's malloc");
}

/* children(path): a shell with a child and a grandchild in a session of its own, then waits for ever, beating. The shell
 * writes the pids, one a line. */
static enum muster_end children(struct muster_task *task)
{
	char script[600];
	snprintf(script, sizeof(script),
		"sleep 1000 & echo $! >>%1$s; setsid sh -c 'echo $$ >>%1$s; exec sleep 1000' & echo $$ >>%1$s; wait",
		text_param(task, 0));
	char *argv[] = {"sh", "-c", script, NULL};
	pid_t child;
	if (posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ) != 0)
		return muster_fail(task, "posix_spawn");
	for (;;) {
		muster_beat(task);
		nap_ms(10);
	}
}

/* fork(path): a copy of the worker that has not exec'd, in a session of its own and without the kernel's promise to end it;
 * writes its pid. */
static enum muster_end fork_off(struct muster_task *task)
{
	char line[32];
	pid_t pid = fork();
	if (pid == 0) {
		setsid();
		for (;;)
			pause();
	}
	snprintf(line, sizeof(line), "%d\n", (int)pid);
	append(text_param(task, 0), line);
	return muster_ok(task, NULL);
}

static void exiting(struct muster_task *task)
{
	char line[200];
	snprintf(line, sizeof(line), "exiting %s %d\n", muster_id(task), (int)getpid());
	if (text_param(task, 0) != NULL)
		append(text_param(task, 0), line);
	const char *how = text_param(task, 1);
	while (how != NULL && strcmp(how, "stuck") == 0)
		pause();
	free(malloc(64)); /* a hook may allocate, whatever the first thread holds */
}

static const struct muster_method methods[] = {
	{"document", document},
	{"about", about},
	{"mark", mark},
	{"retry_after", retry_after},
	{"retry_until", retry_until},
	{"beat_for", beat_for},
	{"beat_once", beat_once},
	{"note", note},
	{"say", say},
	{"push", push},
	{"result", result},
	{"leave", leave},
	{"eat", eat},
	{"burn", burn},
	{"spin", spin},
	{"hold_malloc", hold_malloc},
	{"children", children},
	{"fork", fork_off},
	{NULL, NULL},
};

MUSTER_EXPORT const struct muster_module muster_module = {MUSTER_ABI, "Probe", methods, NULL, exiting};
