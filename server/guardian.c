#include "server/guardian.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"
#include "server/fault.h"
#include "server/notify.h"
#include "server/policy.h"
#include "server/process.h"
#include "server/reload.h"
#include "server/startup.h"
#include "server/strays.h"
#include "server/supervisor.h"
#include "server/undertaker.h"
#include "server/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LOOK_MS = 1000,    /* strays and the supervisor's promise are looked at so often, deaths at once */
	LOOK_AGAIN_MS = 5, /* while a row is being started, strays cannot be told from it */
	SUPERVISOR_PROMISE_MS = 5000,
	SUPERVISOR_BACKOFF_MS = 500, /* at most: without it nobody else is replaced */
	LAST_MS = 150,               /* of shutdown_grace, kept back to end and reap what has not left by itself */
};

struct guardian {
	struct node *node;
	const struct scoreboard *scoreboard;
	const struct privilege *privilege;
	struct strays strays;
	struct reload reload;
	struct upgrade upgrade;
	bool restarts;         /* the node stops only to be started anew, by a binary that cannot take over */
	bool renewing;         /* the supervisor was ended so that a new one inherits what is new */
	int signals;           /* signalfd */
	pid_t supervisor;      /* 0: none */
	uint32_t streak;       /* of the supervisor's young deaths */
	int64_t supervisor_at; /* mono ns: not started before */
	int64_t suspect_at;    /* mono ns: when its promise was first seen broken; 0: it is not */
	int64_t undertaker_at; /* mono ns: not started before */
};

/* ---- the supervisor ---- */

static void start_supervisor(struct guardian *guardian)
{
	struct scoreboard_row_words *row = &guardian->scoreboard->rows[ROW_SUPERVISOR];
	struct scoreboard_area *area = scoreboard_area(guardian->scoreboard, ROW_SUPERVISOR);
	uint32_t incarnation = scoreboard_high(row->who) + 1;

	row->who = scoreboard_pair(incarnation, 0);
	fault_point("guardian-starts-supervisor");
	row->born_at = clock_mono_ns();
	area->incarnation = incarnation;
	area->alive_until = row->born_at + SUPERVISOR_PROMISE_MS * CLOCK_NS_PER_MS;
	pid_t pid = process_clone(guardian->scoreboard, ROW_SUPERVISOR, PROCESS_OURS);
	if (pid == 0) {
		process_become(guardian->node, ROW_SUPERVISOR, SIGKILL);
		process_leave(supervisor_main(guardian->node, guardian->privilege));
	}
	if (pid < 0) {
		log_error("cannot start the supervisor, trying again", LOG_TEXT("error", strerror(-(int)pid)));
		guardian->supervisor_at = clock_mono_ns() + LOOK_MS * CLOCK_NS_PER_MS;
		return;
	}
	guardian->supervisor = pid;
	guardian->suspect_at = 0;
}

static void write_obituary(struct scoreboard_row_words *row, const siginfo_t *info, const struct rusage *usage)
{
	struct scoreboard_obituary *obituary = &row->obituary;

	obituary->code = info->si_code;
	obituary->status = info->si_status;
	obituary->at_mono_ns = clock_mono_ns();
	obituary->cpu_us = (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 + usage->ru_utime.tv_usec +
			   usage->ru_stime.tv_usec;
	obituary->max_rss_kib = usage->ru_maxrss;
	obituary->who = row->who; /* last: from here on the row is dead */
}

/* waitid(2) with the resource usage that glibc's wrapper hides. Returns false when there is nobody. */
static bool wait_for(idtype_t type, pid_t pid, int options, siginfo_t *ret_info, struct rusage *ret_usage)
{
	memset(ret_info, 0, sizeof *ret_info);
	return syscall(SYS_waitid, type, pid, ret_info, WEXITED | WNOHANG | options, ret_usage) == 0 &&
	       ret_info->si_pid != 0;
}

static void note_supervisor_death(struct guardian *guardian, const siginfo_t *info, const struct rusage *usage)
{
	struct scoreboard_row_words *row = &guardian->scoreboard->rows[ROW_SUPERVISOR];
	const struct policy_death death = {
		.exited = info->si_code == CLD_EXITED,
		.status = info->si_status,
		.lived_ns = clock_mono_ns() - row->born_at,
	};

	write_obituary(row, info, usage);
	guardian->supervisor = 0;
	guardian->streak = policy_streak(&death, guardian->streak);
	int64_t wait = backoff_restart_ns(guardian->streak, 0);
	if (wait > SUPERVISOR_BACKOFF_MS * CLOCK_NS_PER_MS)
		wait = SUPERVISOR_BACKOFF_MS * CLOCK_NS_PER_MS;
	guardian->supervisor_at = clock_mono_ns() + wait;
	if (guardian->scoreboard->header->stage != STAGE_RUN && death.exited && death.status == 0)
		return; /* it has stopped the node */
	if (guardian->renewing) {
		guardian->renewing = false;
		guardian->supervisor_at = 0;
		return;
	}
	guardian->scoreboard->header->supervisor_restarts++;
	log_warn("supervisor ended, starting it again", LOG_TEXT("reason", death.exited ? "exit" : "signal"),
		LOG_INT(death.exited ? "code" : "signal", death.status));
}

static bool reap_supervisor(struct guardian *guardian)
{
	siginfo_t info;
	struct rusage usage;

	if (guardian->supervisor == 0 || !wait_for(P_PID, guardian->supervisor, 0, &info, &usage))
		return false;
	note_supervisor_death(guardian, &info, &usage);
	return true;
}

/* A stopped or hung supervisor is killed. Its promise must be seen broken twice: after a pause of everything it has just
 * not had its turn yet. */
static void watch_supervisor(struct guardian *guardian, int64_t now)
{
	const struct scoreboard_area *area = scoreboard_area(guardian->scoreboard, ROW_SUPERVISOR);

	if (guardian->supervisor == 0 || area->alive_until >= now) {
		guardian->suspect_at = 0;
	} else if (guardian->suspect_at == 0) {
		guardian->suspect_at = now;
	} else if (now - guardian->suspect_at > LOOK_MS / 2 * CLOCK_NS_PER_MS) {
		log_error("supervisor is silent, killing it", LOG_INT("pid", guardian->supervisor));
		(void)kill(guardian->supervisor, SIGKILL); /* ours and not reaped: the pid cannot be another's */
		guardian->suspect_at = now;
	}
}

/* ---- the undertaker ---- */

static void start_undertaker(struct guardian *guardian, int64_t now)
{
	pid_t pid = undertaker_start(guardian->node, guardian->privilege);

	guardian->undertaker_at = now + LOOK_MS * CLOCK_NS_PER_MS; /* at most one a second, whatever becomes of it */
	if (pid < 0)
		log_warn("cannot start the undertaker, trying again", LOG_TEXT("error", strerror(-pid)));
	guardian->scoreboard->header->undertaker = pid > 0 ? pid : 0;
}

/* ---- everybody else ---- */

static struct scoreboard_row_words *find_row(const struct scoreboard *scoreboard, pid_t pid)
{
	for (unsigned i = ROW_BROKER; i < scoreboard->header->row_count; i++) {
		struct scoreboard_row_words *row = &scoreboard->rows[i];
		uint64_t who = row->who;
		if (scoreboard_low(who) == (uint32_t)pid && row->obituary.who != who)
			return row;
	}
	return NULL;
}

static void renew_supervisor(struct guardian *guardian)
{
	if (guardian->supervisor == 0)
		return;
	guardian->renewing = true;
	(void)kill(guardian->supervisor, SIGKILL); /* ours and not reaped; it is made to be killed at any moment */
}

/* From here on a configuration holds that was not there before, or modules are to be loaded anew. */
static void renew(struct guardian *guardian)
{
	uint32_t generation = ++guardian->scoreboard->header->config_generation;

	log_info("configuration read again, rolling the workers", LOG_INT("generation", generation));
	renew_supervisor(guardian);
}

static int exit_status(const siginfo_t *info)
{
	return info->si_code == CLD_EXITED ? info->si_status : -1;
}

static void end_check(struct guardian *guardian, const siginfo_t *info)
{
	const bool fresh = reload_finish(&guardian->reload, exit_status(info));

	if (fresh && guardian->scoreboard->header->stage == STAGE_RUN)
		renew(guardian);
	if (guardian->reload.checker == 0)
		notify_send("READY=1");
}

/* Reaps all who are dead; the supervisor goes first each time, so that a row's next death always finds one to act. */
static void reap(struct guardian *guardian)
{
	bool any = false;

	for (;;) {
		siginfo_t info;
		struct rusage usage;
		(void)reap_supervisor(guardian);
		if (!wait_for(P_ALL, 0, WNOWAIT, &info, &usage))
			break;
		if (info.si_pid == guardian->supervisor)
			continue;
		if (info.si_pid == guardian->reload.checker)
			end_check(guardian, &info);
		if (info.si_pid == guardian->scoreboard->header->undertaker)
			guardian->scoreboard->header->undertaker = 0;
		if (info.si_pid == guardian->upgrade.probe)
			upgrade_finish(&guardian->upgrade, exit_status(&info));
		struct scoreboard_row_words *row = find_row(guardian->scoreboard, info.si_pid);
		if (row) {
			fault_point("guardian-reaps");
			write_obituary(row, &info, &usage);
			fault_point("guardian-wrote");
			(void)kill(-info.si_pid, SIGKILL); /* what its handlers started; the pid is still its own */
			guardian->scoreboard->header->deaths++;
			any = true;
		}
		(void)wait_for(P_PID, info.si_pid, 0, &info, &usage);
	}
	if (any)
		io_bell_ring(guardian->node->bell_supervisor);
}

static bool any_row_alive(const struct guardian *guardian)
{
	const struct scoreboard_header *header = guardian->scoreboard->header;
	/* A row that is being started has a process soon; but not for ever, if none can be made. */
	const bool starts = header->stage == STAGE_RUN || clock_mono_ns() < header->stop_at;

	for (unsigned row = ROW_BROKER; row < header->row_count; row++) {
		enum scoreboard_life life = scoreboard_life(guardian->scoreboard, row, NULL, NULL);
		if (life == LIFE_ALIVE || (life == LIFE_STARTING && starts))
			return true;
	}
	return false;
}

/* There is nobody left to supervise, and there is not going to be. */
static bool is_over(const struct guardian *guardian)
{
	return guardian->scoreboard->header->stage != STAGE_RUN && !any_row_alive(guardian);
}

static bool is_overdue(const struct scoreboard_header *header, int64_t now)
{
	return header->stage != STAGE_RUN && now >= header->stop_at;
}

/* The ordered stop has taken too long: no supervisor decides any more. */
static void end_everybody(struct guardian *guardian)
{
	if (guardian->supervisor)
		(void)kill(guardian->supervisor, SIGKILL);
	for (unsigned row = ROW_BROKER; row < guardian->scoreboard->header->row_count; row++) {
		pid_t pid;
		if (scoreboard_life(guardian->scoreboard, row, NULL, &pid) == LIFE_ALIVE)
			(void)kill(pid, SIGKILL); /* a child of ours that is not reaped: the pid cannot be another's */
	}
}

/* ---- signals ---- */

static void order_stop(struct guardian *guardian)
{
	struct scoreboard_header *header = guardian->scoreboard->header;
	int64_t now = clock_mono_ns();

	notify_send("STOPPING=1\nSTATUS=stopping");
	if (header->stage == STAGE_RUN || guardian->restarts) {
		const int64_t grace_ms = guardian->node->config->shutdown_grace_ms;
		header->stop_at = now + (grace_ms > LAST_MS ? grace_ms - LAST_MS : 0) * CLOCK_NS_PER_MS;
		header->stage = STAGE_DRAIN;
		guardian->restarts = false;
		log_info("stopping: tasks in hand may finish",
			LOG_INT("within_ms", guardian->node->config->shutdown_grace_ms));
	} else if (header->stage == STAGE_DRAIN) {
		int64_t soon = now + CLOCK_NS_PER_S;
		header->stop_at = header->stop_at < soon ? (int64_t)header->stop_at : soon;
		header->stage = STAGE_NOW;
		log_info("stopping at once: tasks in hand go back to their queues");
	}
	io_bell_ring(guardian->node->bell_supervisor);
	io_bell_ring(guardian->node->bell_scheduler);
}

static void reload(struct guardian *guardian)
{
	char state[64];

	if (guardian->scoreboard->header->stage != STAGE_RUN)
		return;
	(void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)(clock_mono_ns() / 1000));
	notify_send(state);
	if (reload_begin(&guardian->reload)) {
		renew(guardian);
		notify_send("READY=1");
	}
}

static void read_signals(struct guardian *guardian)
{
	struct signalfd_siginfo info;

	while (read(guardian->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		switch (info.ssi_signo) {
		case SIGTERM:
		case SIGINT: order_stop(guardian); break;
		case SIGUSR1:
			startup_give_log(guardian->node->config, guardian->privilege);
			guardian->scoreboard->header->log_generation++;
			break;
		case SIGHUP: reload(guardian); break;
		case SIGUSR2:
			if (guardian->scoreboard->header->stage == STAGE_RUN)
				upgrade_begin(&guardian->upgrade);
			break;
		default: break; /* SIGCHLD: reap() looks each time */
		}
	}
}

static int open_signals(void)
{
	sigset_t set;

	process_list_signals(&set);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- the loop ---- */

/* Returns when to look again although nothing happens. */
static int64_t look(struct guardian *guardian)
{
	const struct scoreboard_header *header = guardian->scoreboard->header;

	reap(guardian);
	int64_t now = clock_mono_ns();
	int64_t again = now + LOOK_MS * CLOCK_NS_PER_MS;
	watch_supervisor(guardian, now);
	reload_watch(&guardian->reload, now);
	upgrade_watch(&guardian->upgrade, now);
	const pid_t own[] = {
		guardian->supervisor, guardian->reload.checker, guardian->upgrade.probe, header->undertaker};
	if (!strays_end(&guardian->strays, guardian->scoreboard, own, sizeof own / sizeof *own))
		again = now + LOOK_AGAIN_MS * CLOCK_NS_PER_MS;
	if (header->stage != STAGE_RUN) {
		int64_t end = header->stop_at;
		if (is_overdue(header, now)) {
			end_everybody(guardian);
			end = now + LOOK_AGAIN_MS * CLOCK_NS_PER_MS;
		}
		if (end < again)
			again = end;
	}
	if (guardian->supervisor == 0 && !is_over(guardian) && !is_overdue(header, now)) {
		if (now >= guardian->supervisor_at)
			start_supervisor(guardian);
		else if (guardian->supervisor_at < again)
			again = guardian->supervisor_at;
	}
	if (header->undertaker == 0 && now >= guardian->undertaker_at && header->stage == STAGE_RUN)
		start_undertaker(guardian, now);
	return again;
}

/* The node stops as it does at SIGTERM, but nobody is hurried: who works may finish, however long its deadline allows. */
static void order_restart(struct guardian *guardian)
{
	struct scoreboard_header *header = guardian->scoreboard->header;

	log_info("the new binary has another scoreboard: it starts anew when the tasks in hand are done");
	notify_send("STATUS=finishing the tasks in hand, then starting the new version");
	guardian->restarts = true;
	header->stop_at = POLICY_NEVER;
	header->stage = STAGE_DRAIN;
	io_bell_ring(guardian->node->bell_supervisor);
	io_bell_ring(guardian->node->bell_scheduler);
}

/* Follows what the probe has said, when nothing is under way that a successor would not know of. */
static void change_over(struct guardian *guardian)
{
	struct upgrade *upgrade = &guardian->upgrade;

	if (guardian->reload.checker != 0 || guardian->scoreboard->header->stage != STAGE_RUN)
		return;
	if (upgrade->verdict == UPGRADE_TAKES_OVER)
		upgrade_exec(upgrade);
	else if (upgrade->verdict == UPGRADE_STARTS_ANEW)
		order_restart(guardian);
}

/* Nobody is left but the undertaker, who would take a new start for his guardian's. */
static void start_anew(struct guardian *guardian)
{
	_Atomic pid_t *undertaker = &guardian->scoreboard->header->undertaker;

	if (*undertaker > 0) {
		(void)kill(*undertaker, SIGKILL); /* ours and not reaped */
		(void)waitpid(*undertaker, NULL, 0);
	}
	upgrade_start_anew(&guardian->upgrade);
}

/* The node runs already: who lives goes on. The supervisor is made anew, by this code, and replaces api and scheduler. */
static void take_over(struct guardian *guardian, const struct strays *inherited)
{
	pid_t pid;

	guardian->strays = *inherited;
	if (scoreboard_life(guardian->scoreboard, ROW_SUPERVISOR, NULL, &pid) == LIFE_ALIVE)
		guardian->supervisor = pid;
	guardian->scoreboard->header->code_generation++;
	log_info("upgraded", LOG_INT("pid", getpid()), LOG_TEXT("version", MUSTER_VERSION));
	renew_supervisor(guardian);
}

static int prepare(struct guardian *guardian, const struct strays *inherited)
{
	guardian->signals = open_signals();
	if (guardian->signals < 0) {
		log_error("cannot read signals", LOG_TEXT("error", strerror(errno)));
		return -errno;
	}
	int status = reload_init(&guardian->reload, guardian->node);
	if (status < 0) {
		log_error("cannot keep the configuration", LOG_TEXT("error", strerror(-status)));
		return status;
	}
	upgrade_init(&guardian->upgrade, guardian->node, &guardian->strays);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (inherited) {
		take_over(guardian, inherited);
		return 0;
	}
	strays_init(&guardian->strays);
	status = undertaker_mark_tree(guardian->scoreboard);
	if (status < 0)
		log_warn("programs that handlers start will outlive a kill of musterd",
			LOG_TEXT("reason", strerror(-status)));
	log_info("service started", LOG_INT("pid", getpid()), LOG_TEXT("node", guardian->node->id));
	return 0;
}

int guardian_main(struct node *node, const struct privilege *privilege, const struct strays *inherited)
{
	struct guardian guardian = {.node = node, .scoreboard = node->scoreboard, .privilege = privilege};

	if (prepare(&guardian, inherited) < 0)
		return 71;
	for (;;) {
		int64_t again = look(&guardian);
		if (guardian.supervisor == 0 && is_over(&guardian))
			break;
		change_over(&guardian);
		struct pollfd entries[] = {
			{.fd = guardian.signals, .events = POLLIN},
			{.fd = node->bell_guardian, .events = POLLIN},
		};
		(void)io_poll(entries, sizeof entries / sizeof *entries, again);
		read_signals(&guardian);
		if (entries[1].revents) {
			io_bell_clear(node->bell_guardian);
			reload(&guardian);
		}
	}
	strays_end_all(&guardian.strays);
	if (guardian.restarts) {
		start_anew(&guardian);
		return 71;
	}
	log_info("service stopped", LOG_INT("pid", getpid()));
	return 0;
}
