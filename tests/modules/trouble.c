/* trouble: methods that get stuck, or take their worker with them, in ways that Demo and probe do not know. */
#include <muster.h>

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile bool for_ever = true;

static int integer_param(const struct muster_task *task)
{
	return (int)json_integer_value(json_array_get(muster_param(task), 0));
}

static void nap_ms(int ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};

	(void)nanosleep(&pause, NULL);
}

/* block_in_read(): waits for a byte that nobody writes. */
static enum muster_end block_in_read(struct muster_task *task)
{
	int ends[2];
	char byte;

	if (pipe(ends) < 0 || read(ends[0], &byte, 1) < 0)
		return muster_fail(task, "pipe or read");
	return muster_ok(task, NULL);
}

static ssize_t spin_in_write(void *cookie, const char *bytes, size_t length)
{
	(void)cookie, (void)bytes;
	while (for_ever)
		continue;
	return (ssize_t)length;
}

/* hold_malloc(): glibc's malloc_stats writes to stderr with an arena's lock held, and stderr is a stream that spins. */
static enum muster_end hold_malloc(struct muster_task *task)
{
	stderr = fopencookie(NULL, "w", (cookie_io_functions_t){.write = spin_in_write});
	if (stderr == NULL || setvbuf(stderr, NULL, _IONBF, 0) != 0)
		return muster_fail(task, "fopencookie");
	malloc_stats();
	return muster_fail(task, "not glibc's malloc");
}

/* ignore_term(): sleeps for ever and does not care for signals that one can ignore. */
static enum muster_end ignore_term(struct muster_task *task)
{
	for (int number = 1; number < SIGRTMIN; number++)
		(void)signal(number, SIG_IGN);
	while (for_ever)
		nap_ms(1000);
	return muster_ok(task, NULL);
}

/* exit(code): leaves as no method should. */
static enum muster_end leave(struct muster_task *task)
{
	exit(integer_param(task));
}

static void spin(void)
{
	while (for_ever)
		continue;
}

/* exit_for_ever(): exit(3) that never gets through its handlers. */
static enum muster_end exit_for_ever(struct muster_task *task)
{
	(void)task;
	(void)atexit(spin);
	exit(0);
}

/* close_all(): closes every descriptor of its worker and returns as if nothing had happened. */
static enum muster_end close_all(struct muster_task *task)
{
	closefrom(0);
	return muster_ok(task, NULL);
}

/* daemon(): leaves a process behind, in a session of its own, that ignores what it can; returns its pid. */
static enum muster_end make_daemon(struct muster_task *task)
{
	pid_t grandchild = 0;
	int ends[2];

	if (pipe(ends) < 0)
		return muster_fail(task, "pipe");
	if (fork() == 0) {
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		(void)signal(SIGTERM, SIG_IGN);
		grandchild = getpid();
		(void)!write(ends[1], &grandchild, sizeof grandchild);
		for (;;)
			pause();
	}
	(void)!read(ends[0], &grandchild, sizeof grandchild);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return muster_ok(task, json_integer(grandchild));
}

static int (*volatile deeper)(volatile char *above);

static int eat_stack(volatile char *above)
{
	volatile char frame[4096];

	frame[0] = above[0];
	return deeper(frame) + frame[0];
}

/* overflow(): runs out of stack. */
static enum muster_end overflow(struct muster_task *task)
{
	volatile char frame = 0;

	(void)signal(SIGSEGV, SIG_DFL);
	deeper = eat_stack;
	return muster_ok(task, json_integer(deeper(&frame)));
}

static void *crash_later(void *ms)
{
	nap_ms((int)(intptr_t)ms);
	(void)signal(SIGSEGV, SIG_DFL);
	(void)raise(SIGSEGV);
	return NULL;
}

/* crash_later(ms): succeeds, and a thread that it leaves behind crashes that much later. */
static enum muster_end leave_a_thread(struct muster_task *task)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, crash_later, (void *)(intptr_t)integer_param(task)) != 0)
		return muster_fail(task, "pthread_create");
	(void)pthread_detach(thread);
	return muster_ok(task, NULL);
}

/* scribble(): writes to the first page of shared memory that it must not write to. */
static enum muster_end scribble(struct muster_task *task)
{
	unsigned long from;
	char line[512], rights[5] = "";
	FILE *maps = fopen("/proc/self/maps", "re");

	if (maps == NULL)
		return muster_fail(task, "no /proc/self/maps");
	while (fgets(line, sizeof line, maps) != NULL)
		if (strstr(line, "/memfd:") != NULL && sscanf(line, "%lx-%*x %4s", &from, rights) == 2 &&
			strcmp(rights, "r--s") == 0)
			*(volatile char *)from = 1; /* NOLINT: the crash is what was ordered */
	(void)fclose(maps);
	return muster_fail(task, "nothing here is protected");
}

/* scribble_own(byte): fills all shared memory that it may write to. */
static enum muster_end scribble_own(struct muster_task *task)
{
	unsigned long from, to;
	char line[512], rights[5] = "";
	FILE *maps = fopen("/proc/self/maps", "re");
	const int byte = integer_param(task);

	if (maps == NULL)
		return muster_fail(task, "no /proc/self/maps");
	while (fgets(line, sizeof line, maps) != NULL)
		if (strstr(line, "/memfd:") != NULL && sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 &&
			strcmp(rights, "rw-s") == 0)
			memset((void *)from, byte, to - from); /* NOLINT: the damage is what was ordered */
	for (;;)
		pause();
}

/* use_up_descriptors(): opens as many as it may, and leaves them open. */
static enum muster_end use_up_descriptors(struct muster_task *task)
{
	int count = 0;

	while (dup(2) >= 0)
		count++;
	return muster_ok(task, json_integer(count));
}

/* use_up_memory(): allocates as much as it may, and keeps it. */
static enum muster_end use_up_memory(struct muster_task *task)
{
	for (size_t size = 64 << 20; size >= 16; size /= 2)
		while (malloc(size) != NULL)
			muster_beat(task);
	return muster_ok(task, NULL);
}

/* With the param "stuck", the hook gets stuck as well. */
static void exiting(struct muster_task *task)
{
	const char *how = json_string_value(json_array_get(muster_param(task), 0));

	muster_log(task, "exiting %s", muster_method(task));
	while (how != NULL && strcmp(how, "stuck") == 0 && for_ever)
		continue;
}

static const struct muster_method methods[] = {
	{"block_in_read", block_in_read},
	{"hold_malloc", hold_malloc},
	{"ignore_term", ignore_term},
	{"exit", leave},
	{"exit_for_ever", exit_for_ever},
	{"close_all", close_all},
	{"daemon", make_daemon},
	{"overflow", overflow},
	{"crash_later", leave_a_thread},
	{"scribble", scribble},
	{"scribble_own", scribble_own},
	{"use_up_descriptors", use_up_descriptors},
	{"use_up_memory", use_up_memory},
	{NULL, NULL},
};

const struct muster_module muster_module = {MUSTER_ABI, "TestTrouble", methods, NULL, exiting};
