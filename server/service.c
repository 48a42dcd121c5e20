#include "server/service.h"

#include "core/clock.h"
#include "core/exec_child.h"
#include "core/handler_service.h"
#include "core/io.h"
#include "core/log.h"
#include "core/program.h"
#include "server/orders.h"
#include "server/policy.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PUSH_AGAIN_MS = 100 };

struct service {
	int (*push)(void *context, const json_t *task, struct error *error); /* a task's */
	struct handler_service *module;                                      /* NULL: it is a program */
	struct exec_child child;
	atomic_flag left;    /* whoever sets it runs the module's `exiting` */
	atomic_bool aborted; /* it is about to be ended: what it still says renews no promise */
	bool told;           /* the program got SIGTERM */
};

/* ---- what a service may do to its worker ---- */

static void host_beat(void *context, int64_t for_ms)
{
	struct worker *worker = ((struct run *)context)->worker;
	const int64_t now = clock_mono_ns();
	const int64_t silence_ms = for_ms > 0 ? for_ms : worker->pool->heartbeat_timeout_ms;

	if (!worker->service->aborted)
		worker_promise(worker, now, now + silence_ms * CLOCK_NS_PER_MS);
}

static bool host_stopping(void *context)
{
	const struct worker *worker = ((const struct run *)context)->worker;

	return worker->draining;
}

static void host_log(void *context, const char *text, size_t length)
{
	(void)context;
	log_info("service says", LOG_BYTES("text", text, length));
}

/* A program gets no answer to a push: while the broker is away it waits, and is not blamed for its silence. */
static int host_push(void *context, const json_t *task, struct error *error)
{
	struct worker *worker = ((struct run *)context)->worker;
	struct pollfd entry = {.fd = worker->stop_fd, .events = POLLIN};
	bool told = false;
	int status;

	while ((status = worker->service->push(context, task, error)) < 0 && status != -EINVAL && !worker->draining) {
		if (!told)
			log_warn("what the service pushes waits for the broker", LOG_TEXT("error", error->text));
		told = true;
		host_beat(context, 0);
		(void)io_poll(&entry, 1, clock_mono_after(PUSH_AGAIN_MS));
	}
	return status;
}

int service_prepare(struct worker *worker, struct error *error)
{
	static struct service service = {.left = ATOMIC_FLAG_INIT};

	worker->host.beat = host_beat;
	worker->host.stopping = host_stopping;
	worker->host.log = host_log;
	worker->host.save = NULL;
	worker->service = &service;
	if (worker->pool->service_module != NULL)
		return handler_service_open(
			&service.module, worker->pool->service_module, worker->pool->service, &worker->host, error);
	service.push = worker->host.push;
	worker->host.push = host_push;
	return exec_child_init(&service.child, &worker->pool->program, &worker->host, NULL, error);
}

static bool is_used_up(const struct worker *worker)
{
	const struct config_pool *pool = worker->pool;
	const int64_t age_ms = (clock_mono_ns() - worker->born_mono_ns) / CLOCK_NS_PER_MS;

	return pool->max_age_ms != SCHEMA_NONE && age_ms >= pool->max_age_ms;
}

/* ---- a module's ---- */

/* The second thread runs `exiting` and ends the process. */
static __attribute__((noreturn)) void wait_for_the_end(void)
{
	for (;;)
		(void)pause();
}

static int run_module(struct worker *worker)
{
	const struct service *service = worker->service;
	int status = 0;

	while (!worker->draining && status == 0 && !is_used_up(worker)) {
		host_beat(&worker->run, 0);
		status = handler_service_turn(service->module);
	}
	if (!worker->draining && status == 0)
		worker->area->leaving = LEAVING_RECYCLED;
	if (atomic_flag_test_and_set(&worker->service->left))
		wait_for_the_end();
	host_beat(&worker->run, worker->pool->kill_grace_ms + worker->pool->heartbeat_timeout_ms);
	handler_service_exiting(service->module, false);
	if (status != 0)
		log_warn("service ends itself", LOG_INT("status", status));
	return status == 0 ? 0 : EXIT_FAILURE;
}

/* ---- a program's ---- */

/* Its end is ours, so that it stands on record as what it was. */
static int mirror(struct program_end end)
{
	const struct rlimit no_core = {0, 0};
	sigset_t one;

	if (!end.by_signal)
		return end.status;
	sigemptyset(&one);
	sigaddset(&one, end.status);
	(void)setrlimit(RLIMIT_CORE, &no_core); /* it has left one, if it should */
	(void)sigaction(end.status, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	(void)kill(getpid(), end.status);
	(void)pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	return 128 + end.status;
}

static int end_program(struct worker *worker)
{
	struct service *service = worker->service;
	const bool ordered = worker->draining || service->told;
	char how[160];

	exec_child_log_last(&service->child);
	const struct program_end end = program_look_at_end(&service->child.program);
	program_describe_end(end, how, sizeof how);
	LOG_AT(ordered ? CONFIG_LOG_INFO : CONFIG_LOG_WARN, "service's program ended", LOG_TEXT("how", how));
	exec_child_end(&service->child);
	if (service->aborted)
		wait_for_the_end();
	if (ordered)
		return 0;
	return mirror(end);
}

/* What it says counts until it has ended. Returns false when it says what is not of the protocol. */
static bool hear_program(struct worker *worker, struct exec_talk *talk, bool over)
{
	struct exec_child *child = &worker->service->child;
	struct error error;

	if ((over ? exec_child_hear_last(child, talk, &error) : exec_child_hear(child, talk, &error)) != EXEC_WRONG)
		return true;
	log_error("service's program does not keep to the protocol, ending it", LOG_TEXT("error", error.text));
	return false;
}

static void tell_program(struct worker *worker, int64_t *ret_until)
{
	struct service *service = worker->service;

	service->child.bell_fd = -1; /* it keeps ringing */
	if (is_used_up(worker) && !worker->draining)
		worker->area->leaving = LEAVING_RECYCLED;
	service->told = true;
	*ret_until = clock_mono_after(worker->pool->kill_grace_ms);
	host_beat(&worker->run, worker->pool->kill_grace_ms + worker->pool->heartbeat_timeout_ms);
	program_signal(&service->child.program, SIGTERM);
}

static int64_t end_of_age(const struct worker *worker)
{
	return worker->pool->max_age_ms == SCHEMA_NONE
		       ? INT64_MAX
		       : worker->born_mono_ns + worker->pool->max_age_ms * CLOCK_NS_PER_MS;
}

/* Waits on its stdout, its end and the order to leave; its promise is its own to keep. */
static int attend(struct worker *worker)
{
	struct service *service = worker->service;
	struct exec_talk talk = {.host = &worker->host};
	int64_t until = end_of_age(worker);

	for (;;) {
		unsigned events = exec_child_wait(&service->child, false, until);
		const bool over = (events & EXEC_OVER) != 0;
		if ((events & (EXEC_SAYS | EXEC_OVER)) != 0 && !hear_program(worker, &talk, over)) {
			exec_child_end(&service->child);
			return EXIT_FAILURE;
		}
		if (over)
			return end_program(worker);
		if (!service->told && (worker->draining || clock_mono_ns() >= until))
			tell_program(worker, &until);
		else if (service->told && clock_mono_ns() >= until) {
			exec_child_end(&service->child);
			return 0;
		}
	}
}

static int run_program(struct worker *worker)
{
	struct service *service = worker->service;
	struct error error;

	if (exec_child_start(&service->child, NULL, &error) < 0) {
		log_error("service's program cannot be started", LOG_TEXT("error", error.text));
		return EXIT_FAILURE;
	}
	io_close(&service->child.program.in); /* nothing is ever said to it */
	service->child.bell_fd = worker->stop_fd;
	worker->area->child = service->child.program.pid;
	host_beat(&worker->run, 0);
	return attend(worker);
}

static int start_module(struct worker *worker)
{
	struct error error;

	if (handler_service_start(worker->service->module, &error) == 0)
		return 0;
	log_error("service cannot start", LOG_TEXT("error", error.text));
	(void)snprintf(worker->area->reason, sizeof worker->area->reason, "%s", error.text);
	worker->area->leaving = LEAVING_UNFIT;
	return POLICY_EXIT_CONFIG;
}

int service_run(struct worker *worker)
{
	int status = 0;

	if (worker->service->module != NULL)
		status = start_module(worker);
	if (status != 0)
		return status;
	worker->area->in_task = 1; /* an order to end it stands as long as it runs */
	if (!worker->draining)
		worker->area->state = SCOREBOARD_BUSY;
	return worker->service->module != NULL ? run_module(worker) : run_program(worker);
}

/* ---- second thread ---- */

void service_drain(struct worker *worker)
{
	if (worker->service->module != NULL)
		orders_call_again(worker, worker->pool->kill_grace_ms);
}

/* Its hook, or its program, has had its time. */
static __attribute__((noreturn)) void leave_now(struct worker *worker)
{
	struct service *service = worker->service;

	if (service->module == NULL) {
		program_signal(&service->child.program, SIGTERM);
		(void)program_wait(&service->child.program, INT64_MAX); /* kill_grace is the supervisor's to measure */
	} else if (!atomic_flag_test_and_set(&service->left)) {
		handler_service_exiting(service->module, true);
	} else {
		wait_for_the_end(); /* the first thread is in `exiting`, and will end the process, or the supervisor does */
	}
	_exit(0);
}

void service_abort(struct worker *worker)
{
	worker->service->aborted = true;
	leave_now(worker);
}

void service_is_overdue(struct worker *worker)
{
	if (worker->draining)
		leave_now(worker);
}
