#include "server/child.h"

#include "api/api.h"
#include "core/clock.h"
#include "core/io.h"
#include "server/embedded.h"
#include "server/fault.h"
#include "server/process.h"
#include "server/scheduler.h"
#include "server/worker.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROCESS_PROMISE_MS = 10000 }; /* of api and scheduler, at their start */

static __attribute__((noreturn)) void be_api(const struct node *node)
{
	int keep[NODE_LISTENERS_MAX + 5] = {
		node->lock, node->control_api[1], node->config_text, node->secrets, node->audit};

	memcpy(keep + 5, node->listeners, sizeof *keep * (size_t)node->listener_count);
	process_keep(keep, 5 + (size_t)node->listener_count);
	process_become(node, ROW_API, SIGKILL);
	process_leave(api_main(node, process_stop_descriptor()));
}

static __attribute__((noreturn)) void be_scheduler(const struct node *node)
{
	process_keep((int[]){node->lock, node->control_scheduler[1], node->bell_scheduler}, 3);
	process_become(node, ROW_SCHEDULER, SIGKILL);
	process_leave(scheduler_main(node, process_stop_descriptor()));
}

static __attribute__((noreturn)) void be_worker(const struct node *node, unsigned row)
{
	fault_point("worker-born");
	process_keep((int[]){node->lock, node->bell_supervisor, node->demo_dir}, 3);
	process_become(node, row, SIGKILL);
	process_leave(worker_main(node, row));
}

static __attribute__((noreturn)) void be_child(const struct node *node, unsigned row)
{
	switch (row) {
	case ROW_BROKER: embedded_exec(node);
	case ROW_API: be_api(node);
	case ROW_SCHEDULER: be_scheduler(node);
	default: be_worker(node, row);
	}
}

/* The life of an area begins anew; totals, flight recorder and outbox belong to the slot and stay. */
static void reset_area(const struct node *node, unsigned row, uint32_t incarnation, int64_t now)
{
	struct scoreboard_area *area = scoreboard_area(node->scoreboard, row);
	uint32_t place = node->scoreboard->rows[row].place;
	int64_t promise_ms =
		place ? node->config->pools[scoreboard_place_pool(place)].heartbeat_timeout_ms : PROCESS_PROMISE_MS;

	area->incarnation = incarnation;
	area->state = SCOREBOARD_STARTING;
	area->beat_at = area->ready_at = 0;
	area->serial = area->in_task = 0;
	area->leaving = LEAVING_NOT;
	area->child = 0;
	area->runs_several = 0;
	area->reason[0] = '\0';
	memset((void *)&area->current, 0, sizeof area->current);
	area->current.progress = -1;
	area->alive_until = now + promise_ms * CLOCK_NS_PER_MS;
}

int child_start(const struct node *node, unsigned row, int64_t now_mono_ns)
{
	const struct scoreboard *scoreboard = node->scoreboard;
	struct scoreboard_row_words *words = &scoreboard->rows[row];
	uint32_t incarnation;

	if (scoreboard_life(scoreboard, row, &incarnation, NULL) != LIFE_STARTING) {
		incarnation++;
		words->who = scoreboard_pair(incarnation, 0); /* the commit: from here on it is being started */
	}
	fault_point("start-committed");
	words->order = words->cancel = 0;
	words->born_at = now_mono_ns;
	scoreboard->exits[row].started_with = scoreboard->header->config_generation;
	scoreboard->exits[row].made_by = scoreboard->header->code_generation;
	reset_area(node, row, incarnation, now_mono_ns);
	fault_point("start-reset");
	pid_t pid = process_clone(scoreboard, row, PROCESS_SIBLING);
	if (pid == 0)
		be_child(node, row);
	fault_point("start-cloned");
	return pid < 0 ? pid : 0;
}

int child_open(const struct scoreboard *scoreboard, unsigned row)
{
	const struct scoreboard_row_words *words = &scoreboard->rows[row];
	uint64_t who = words->who;
	int pidfd = (int)syscall(SYS_pidfd_open, scoreboard_low(who), 0);

	/* Only now: had it died and its pid been given away before the descriptor was opened, its obituary would be there. */
	if (pidfd >= 0 && words->obituary.who == who)
		io_close(&pidfd);
	return pidfd;
}
