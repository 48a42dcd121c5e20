/* scoreboard: the shared memory through which the processes of a node see one another.
 *
 * One sparse memfd, mapped by the guardian before the first process is made and inherited by all. One writer per field,
 * no lock: a lock in shared memory does not survive SIGKILL. Each group below names its writer. Words are C11 atomics,
 * sequentially consistent; text is under a sequence count and for display only.
 *
 * Rows [0, row_count) are in use; readers touch no others (reading an untouched page would allocate it). Row 0–3 are the
 * supervisor, the broker, api and scheduler; workers follow, pool by pool. Each row has an *area* that the process in the
 * row writes; a worker has everything but its own area read-only.
 *
 * A row's life (SUPERVISION.md): `who` = {incarnation : 32, pid : 32}. The supervisor stores {n, 0}, then clones; the
 * kernel writes the pid half before the child runs. The guardian, when it has reaped the pid, writes the obituary and
 * last `obit_who` = who. So:
 *     dead          obit_who == who          (nothing ever clears an obituary)
 *     being started pid half == 0 and obit_who != who
 *     alive         otherwise
 * and incarnation 0 means: never started. */
#ifndef MUSTER_CORE_SCOREBOARD_H
#define MUSTER_CORE_SCOREBOARD_H

#include "core/config.h"
#include "core/task.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SCOREBOARD_LAYOUT = 8,
	SCOREBOARD_ROWS = 4096,
	SCOREBOARD_BATCH = CONFIG_CONCURRENCY_MAX, /* most tasks in one lease */
	SCOREBOARD_OUTBOX = 128 * 1024,            /* bytes of outcomes in one batch */
	SCOREBOARD_LOG = 16 * 1024,                /* bytes of a task's log on their way to the broker */
	SCOREBOARD_BUCKETS = 20,                   /* of a histogram, the last one unbounded */
	SCOREBOARD_FLIGHT = 32,                    /* last tasks of a slot */
	SCOREBOARD_EXITS = 8,                      /* last exits of a slot */
	SCOREBOARD_REASON_MAX = 256,
	SCOREBOARD_ROUTES = 128,  /* routes of the API that have counters */
	SCOREBOARD_SETTINGS = 13, /* numbers of a queue that can be changed while it is in use */
};

#define SCOREBOARD_MEMFD "muster-scoreboard" /* its name in /proc/PID/maps */

enum scoreboard_row { ROW_SUPERVISOR, ROW_BROKER, ROW_API, ROW_SCHEDULER, ROW_WORKERS };

enum scoreboard_state { /* of the process in a row, as it says itself */
	SCOREBOARD_STARTING,
	SCOREBOARD_IDLE,
	SCOREBOARD_BUSY,
	SCOREBOARD_DRAINING,
};

/* What a worker says of its own end, should it come now. */
enum scoreboard_leaving {
	LEAVING_NOT,
	LEAVING_RECYCLED, /* max_tasks, max_memory or max_age: its end is in order */
	LEAVING_UNFIT,    /* it is loading a class: if that ends it, the slot is parked, for what `reason` says */
};

/* Why a process ended: CONTRACT's last_exit.reason. */
enum scoreboard_reason {
	REASON_EXIT,
	REASON_SIGNAL,
	REASON_TIMEOUT,
	REASON_MEMORY,
	REASON_ORDER,
	REASON_RECYCLED,
	REASON_COUNT,
};

/* What the supervisor has told an incarnation; it only ever rises. */
enum scoreboard_order {
	ORDER_NONE,
	ORDER_DRAIN,  /* SIGTERM: finish the task in hand, give the others back, leave */
	ORDER_CANCEL, /* SIGUSR1: its task was cancelled and went on for longer than kill_grace */
	ORDER_STOP,   /* SIGUSR1: the node stops and its time is up; the task goes back uncounted */
	ORDER_ABORT,  /* SIGUSR1: it broke its promise */
	ORDER_MEMORY, /* SIGKILL: above max_memory in a task */
	ORDER_KILL,   /* SIGKILL: it did not leave; the reason is that of the order before, kept in `ordered` */
};

struct scoreboard_obituary {    /* the guardian's */
	_Atomic int32_t code;   /* si_code: CLD_EXITED, CLD_KILLED, CLD_DUMPED */
	_Atomic int32_t status; /* exit status or signal */
	_Atomic int64_t at_mono_ns;
	_Atomic int64_t cpu_us; /* user + system */
	_Atomic int64_t max_rss_kib;
	_Atomic uint64_t who; /* written last: whom this is about */
};

struct scoreboard_row_words {
	alignas(64) _Atomic uint64_t who; /* {incarnation, pid}: the supervisor; pid half: the kernel */
	/* the supervisor's: */
	_Atomic uint64_t streak; /* {incarnation, n}: deaths in a row that count for back-off, up to that incarnation */
	_Atomic int64_t start_at; /* mono ns: not started before (back-off) */
	_Atomic int64_t born_at;  /* mono ns: when this incarnation was made */
	_Atomic uint64_t order;   /* {incarnation, enum scoreboard_order | ordered << 8 | low half of a serial << 16} */
	_Atomic int64_t order_at; /* mono ns: when */
	_Atomic uint64_t cancel;  /* {incarnation, serial}: that task of it should stop */
	_Atomic uint32_t place;   /* pool << 16 | slot + 1; 0: no worker's row */
	_Atomic uint32_t retired; /* 1: the pool has shrunk; not started again */
	alignas(64) struct scoreboard_obituary obituary;
};
_Static_assert(sizeof(struct scoreboard_row_words) == 128, "a row is two cache lines");

/* What a silent process was doing just before it was ended; "" where that could not be read. */
struct scoreboard_evidence {
	char state[12];    /* spinning, waiting, stopped */
	char syscall[24];  /* in which system call it was */
	char waits_on[32]; /* the kernel's function in which it slept */
	int64_t cpu_ms;    /* used over its life */
	int64_t silent_ms; /* since its last sign of life */
};

/* One death, as the supervisor understood it; entry [incarnation % SCOREBOARD_EXITS]. Complete ⇔ incarnation is set. */
struct scoreboard_exit {
	_Atomic uint32_t incarnation; /* written last; 0 while being written */
	uint32_t reason;              /* enum scoreboard_reason */
	uint32_t order;               /* enum scoreboard_order: the last one that was given before the KILL */
	int32_t code;                 /* exit code, or -1 */
	int32_t signal;               /* or 0 */
	uint32_t started_with;        /* config_generation that it was started with */
	uint32_t parked;              /* 1: it gave up, and is not started again until somebody orders it */
	uint32_t damaged;             /* 1: its area was written over; what its outbox says is nothing */
	int64_t at_ms;                /* wall */
	int64_t lived_ms;
	char task[ID_MAX + 1];               /* in hand when it died, or "" */
	int32_t queue;                       /* the task's */
	struct scoreboard_evidence evidence; /* state "": none was taken */
};

struct scoreboard_flight { /* one task that this slot ran */
	char id[ID_MAX + 1], class[TASK_NAME_MAX + 1];
	char state;    /* letter of its record */
	int32_t queue; /* the task's */
	int64_t at_ms, duration_us;
};

struct scoreboard_exits {                    /* the supervisor's */
	struct scoreboard_evidence evidence; /* of `evidence_about`, until its exit is written */
	_Atomic uint32_t evidence_about;     /* incarnation; 0: of none */
	_Atomic uint32_t started_with;       /* config_generation of the row's incarnation */
	_Atomic uint32_t made_by;            /* code_generation of the row's incarnation */
	struct scoreboard_exit last[SCOREBOARD_EXITS];
	/* Of its latest death: the flight recorder as the dead one left it, before the next one writes on in it. */
	_Atomic uint32_t recent_of; /* incarnation; 0: none, or while being written */
	uint32_t recent_count;
	struct scoreboard_flight recent[SCOREBOARD_FLIGHT]; /* the latest first */
	_Atomic uint64_t
		count[REASON_COUNT]; /* {incarnation that was counted last, count}: counting twice changes nothing */
	/* Of a worker with several tasks in hand: which of them should stop. {incarnation, serial} at [serial %
	 * SCOREBOARD_BATCH]; SCOREBOARD_FORCED in the incarnation: at once. */
	_Atomic uint64_t cancels[SCOREBOARD_BATCH];
};
#define SCOREBOARD_FORCED (UINT32_C(1) << 31)

struct scoreboard_histogram {
	_Atomic uint64_t count[SCOREBOARD_BUCKETS];
	_Atomic uint64_t sum_us;
};
/* Upper bounds in µs, ascending; the last bucket has none. */
extern const uint64_t scoreboard_bounds_us[SCOREBOARD_BUCKETS - 1];
void scoreboard_observe(struct scoreboard_histogram *histogram, int64_t duration_us);

/* What one process counted for one queue; never reset, over all incarnations of its slot. */
struct scoreboard_totals {
	_Atomic uint64_t succeeded, failed, retried, dead, cancelled, recovered;
	_Atomic uint64_t submitted_http, submitted_list, submitted_handler;
	struct scoreboard_histogram duration, wait;
};

/* A batch position; whoever moves it alone may go on with it (compare-and-swap). */
enum scoreboard_claim {
	CLAIM_FREE,     /* nothing stands there */
	CLAIM_WAITING,  /* taken, and not started */
	CLAIM_RUNNING,  /* its handler was started */
	CLAIM_DONE,     /* it has ended, and its outcome is being written */
	CLAIM_KEPT,     /* its outcome stands there (length 0: it was reported without) */
	CLAIM_RETURNED, /* to be given back uncounted */
	CLAIM_ABORTED,  /* it is being ended, with the process */
};

/* Outcomes that are not yet reported (BROKER.md). Written by the worker in this order: a new batch: owner = 0, elements and
 * claims, n, owner; each task: CLAIM_RUNNING, handler, outcome, CLAIM_KEPT. While several are run at a time a position whose
 * end was reported is used again: CLAIM_FREE, element, CLAIM_WAITING. A worker opens a batch only after a turn was
 * answered, and a turn is answered only when no older incarnation of the slot holds anything: so nobody's outbox is
 * overwritten before it was recovered. */
struct scoreboard_outbox {
	_Atomic uint64_t owner;                   /* generation whose batch this is; 0: being replaced */
	_Atomic uint32_t n;                       /* positions in use */
	_Atomic uint32_t claim[SCOREBOARD_BATCH]; /* enum scoreboard_claim */
	char element[SCOREBOARD_BATCH][TASK_ELEMENT_MAX];
	struct {
		uint32_t offset, length;
	} outcome[SCOREBOARD_BATCH];                  /* a record, into bytes */
	_Atomic int64_t started_ms[SCOREBOARD_BATCH]; /* wall */
	char bytes[SCOREBOARD_OUTBOX];
};

struct scoreboard_current { /* text for display, under `sequence`: odd while being written */
	_Atomic uint32_t sequence;
	char id[ID_MAX + 1], class[TASK_NAME_MAX + 1], method[TASK_NAME_MAX + 1];
	char note[128];
	int32_t queue;                   /* the task's */
	uint32_t serial;                 /* the area's, as it was with this task */
	int32_t progress;                /* percent, -1: none */
	uint32_t told;                   /* the area's, as it was raised to by the last progress of this text */
	int64_t started_ms;              /* wall; 0: no task in hand */
	_Atomic int64_t started_mono_ns; /* also read without the sequence, by the second thread */
};

/* What the task in hand has logged and the broker does not have yet; whoever recovers a dead worker brings it there. Written by
 * both threads of a worker, under a lock of its own. */
struct scoreboard_log {
	char id[ID_MAX + 1];     /* whose it is; "": nobody's */
	_Atomic uint32_t length; /* of what is complete, whole lines */
	char bytes[SCOREBOARD_LOG];
};

struct scoreboard_area { /* writer: the process in the row (the supervisor resets the first group between incarnations) */
	/* These 64 bytes never change layout. */
	alignas(64) _Atomic uint32_t incarnation; /* whose words these are */
	_Atomic uint32_t state;                   /* enum scoreboard_state */
	_Atomic int64_t alive_until;              /* the promise: past this CLOCK_MONOTONIC time, I am stuck */
	_Atomic int64_t beat_at;                  /* mono ns of the last beat; 0: none yet */
	_Atomic uint32_t serial;                  /* tasks started by this incarnation; odd/even has no meaning */
	_Atomic uint32_t in_task;                 /* tasks whose handler is running */
	_Atomic int64_t ready_at;                 /* mono ns of the first idle promise; 0: still starting */
	_Atomic int64_t broker_at; /* mono ns: when the broker last answered whoever was in this row; 0: never */
	_Atomic uint64_t leaving;  /* enum scoreboard_leaving */
	/* Whom the process has run its task, or its service: a pid to look at, never to signal; 0: nobody. */
	alignas(64) _Atomic int32_t child;
	/* 1: it runs several tasks at a time, those in `several`, at their positions in the outbox; `current` is none. */
	_Atomic uint32_t runs_several;
	/* How often its tasks have told their progress, over all incarnations; raised when the text has it. */
	_Atomic uint32_t told;
	struct scoreboard_current current;
	char reason[SCOREBOARD_REASON_MAX]; /* why it gives up (exit 78), for last_exit and /v1/workers */
	/* never reset: */
	_Atomic uint64_t log_dropped;
	_Atomic uint64_t refused; /* leases that others had taken over: what was finished under them was not taken */
	_Atomic uint32_t flight_count; /* tasks recorded so far; the next goes to [count % SCOREBOARD_FLIGHT] */
	struct scoreboard_flight flight[SCOREBOARD_FLIGHT];
	struct scoreboard_histogram roundtrip; /* to the broker */
	_Atomic uint64_t
		counted[CONFIG_QUEUES_MAX / 64]; /* a bit a queue: its totals are not all 0 (scoreboard_count) */
	alignas(4096) struct scoreboard_log log;
	alignas(4096) struct scoreboard_outbox outbox;
	alignas(4096) struct scoreboard_totals totals[CONFIG_QUEUES_MAX];
	alignas(4096) struct scoreboard_current several[SCOREBOARD_BATCH];
};

/* Counters of the HTTP face; writer: api. Code index: scoreboard_code_index. */
enum { SCOREBOARD_CODES = 24 };
extern const int scoreboard_codes[SCOREBOARD_CODES]; /* HTTP status codes that are told apart; the last is 0: others */
struct scoreboard_http {
	_Atomic uint64_t requests[SCOREBOARD_ROUTES][SCOREBOARD_CODES];
	struct scoreboard_histogram duration[SCOREBOARD_ROUTES];
};

enum scoreboard_stage { /* how far the node's stop has come; the guardian's */
	STAGE_RUN,
	STAGE_DRAIN, /* TERM or INT: tasks in hand may finish until stop_at */
	STAGE_NOW,   /* a second signal: at once */
};

/* What holds of queues that are not as the file says (core/queue_settings.h). */
struct scoreboard_settings {
	_Atomic uint32_t serial; /* written last, another one after each change; 0: there was none */
	_Atomic int64_t read_at; /* mono ns: the broker said it then, or later */
	struct {
		_Atomic uint32_t changed; /* 0: as the file says */
		_Atomic uint64_t word[SCOREBOARD_SETTINGS];
	} queue[CONFIG_QUEUES_MAX];
};

struct scoreboard_header {
	char magic[8];   /* "muster\0\0" */
	uint32_t layout; /* SCOREBOARD_LAYOUT */
	uint32_t size_mib;
	/* the guardian's */
	alignas(64) _Atomic uint32_t stage; /* enum scoreboard_stage */
	_Atomic int64_t stop_at;            /* mono ns: the ordered stop must be over */
	_Atomic uint32_t log_generation;    /* raised by USR1: everybody reopens the log */
	_Atomic uint64_t guardian_log_dropped;
	_Atomic uint64_t supervisor_restarts;
	_Atomic uint32_t
		config_generation; /* raised when a configuration was accepted (or read again): workers are rolled */
	_Atomic uint32_t code_generation;  /* raised by an upgrade: api and scheduler are replaced */
	_Atomic uint32_t config_refused;   /* how often a reload was refused */
	char config_error[ERROR_TEXT_MAX]; /* why the last reload was refused; "": it was not */
	_Atomic uint64_t deaths;           /* of children, exact */
	int64_t started_ms;                /* wall: when musterd came up */
	int64_t started_mono_ns;
	pid_t guardian;
	_Atomic pid_t undertaker; /* 0: none */
	char tree[33];            /* random: stands in the environment of everything that handlers exec */
	/* the supervisor's */
	alignas(64) _Atomic int64_t wake_at; /* mono ns: it sleeps until then; who promises less pokes it */
	_Atomic uint32_t row_count;
	_Atomic uint32_t told_ready;               /* 1: the service manager knows that we are up */
	_Atomic uint32_t laid_out;                 /* config_generation that rows and wanted sizes follow */
	_Atomic uint32_t wanted[CONFIG_POOLS_MAX]; /* workers per pool */
	_Atomic uint32_t
		roll_stopped[CONFIG_POOLS_MAX];        /* config_generation whose roll was stopped there; 0: none was */
	_Atomic uint32_t configured[CONFIG_POOLS_MAX]; /* what the file said when `wanted` last followed it */
	/* the scheduler's */
	alignas(64) _Atomic int64_t scheduler_lag_us; /* by how much the last due task was moved too late */
	struct scoreboard_settings settings;
};

struct scoreboard {
	int fd; /* the memfd */
	size_t size;
	struct scoreboard_header *header;
	unsigned room;                     /* for so many rows, SCOREBOARD_ROWS where addresses are not limited */
	struct scoreboard_row_words *rows; /* [SCOREBOARD_ROWS] */
	struct scoreboard_exits *exits;    /* [SCOREBOARD_ROWS] */
	struct scoreboard_http *http;
	char *areas; /* [room], scoreboard_area() */
};

/* Creates and maps a scoreboard with rows for the four processes and the configured pools, all never started. */
int scoreboard_create(struct scoreboard *ret_scoreboard, const struct config *config, struct error *error);
/* Maps one that another musterd has created and handed over by its descriptor, which is taken. -EPROTO: it has another
 * layout. */
int scoreboard_open(struct scoreboard *ret_scoreboard, int fd, struct error *error);
void scoreboard_close(struct scoreboard *scoreboard);

/* In a freshly made worker: everything but the row's area becomes read-only. Returns 0 or a negative errno. */
int scoreboard_protect(const struct scoreboard *scoreboard, unsigned row);

struct scoreboard_area *scoreboard_area(const struct scoreboard *scoreboard, unsigned row);

static inline uint64_t scoreboard_pair(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}
static inline uint32_t scoreboard_high(uint64_t pair)
{
	return (uint32_t)(pair >> 32);
}
static inline uint32_t scoreboard_low(uint64_t pair)
{
	return (uint32_t)pair;
}

/* Whether the roll to the present configuration was stopped in the pool; it holds until the next configuration. */
static inline bool scoreboard_roll_is_stopped(const struct scoreboard *scoreboard, size_t pool)
{
	const uint32_t generation = scoreboard->header->config_generation;

	return generation != 0 && scoreboard->header->roll_stopped[pool] == generation;
}

/* Whether an order to end a task, as a row has it, names the task with that serial. */
static inline bool scoreboard_order_names(uint64_t order, uint32_t serial)
{
	return (scoreboard_low(order) >> 16) == (serial & 0xffff);
}

/* What the area's process counts of a queue, to be added to by it alone. */
static inline struct scoreboard_totals *scoreboard_count(struct scoreboard_area *area, int queue)
{
	const uint64_t bit = UINT64_C(1) << (queue % 64);

	if ((area->counted[queue / 64] & bit) == 0)
		area->counted[queue / 64] |= bit;
	return &area->totals[queue];
}

/* The same to be read; NULL: it never counted anything, and looking there would take memory. */
static inline const struct scoreboard_totals *scoreboard_counted(const struct scoreboard_area *area, size_t queue)
{
	return area->counted[queue / 64] >> (queue % 64) & 1 ? &area->totals[queue] : NULL;
}

/* Whether it still is about what the process does: the task that it names is in hand, or has just been claimed to be
 * ended. */
bool scoreboard_order_stands(uint64_t order, const struct scoreboard_area *area);

static inline int scoreboard_place_pool(uint32_t place)
{
	return (int)(place >> 16);
}
static inline int scoreboard_place_slot(uint32_t place)
{
	return (int)(place & 0xffff) - 1;
}

/* A row as a reader sees it in one look. */
enum scoreboard_life { LIFE_NEVER, LIFE_STARTING, LIFE_ALIVE, LIFE_DEAD };
enum scoreboard_life scoreboard_life(
	const struct scoreboard *scoreboard, unsigned row, uint32_t *ret_incarnation, pid_t *ret_pid);

/* The area of a living or dead row is not its incarnation's: something has written over it. */
bool scoreboard_is_damaged(const struct scoreboard *scoreboard, unsigned row);

/* Row of a pool's slot, or -1. */
int scoreboard_find(const struct scoreboard *scoreboard, int pool, int slot);

/* Copies the text of the task in hand; of several, of the one that was started first. Returns false when there is none, or
 * no steady copy was had in a few tries. */
bool scoreboard_read_current(const struct scoreboard_area *area, struct scoreboard_current *ret_current);
/* The same of the task with that id, if it is in hand. */
bool scoreboard_find_current(
	const struct scoreboard_area *area, const char *id, struct scoreboard_current *ret_current);
/* The same of any that are in hand: position [0, SCOREBOARD_BATCH); with one task at a time it stands at 0. */
bool scoreboard_read_position(
	const struct scoreboard_area *area, unsigned position, struct scoreboard_current *ret_current);

/* Copies the exit of that incarnation, or (incarnation 0) the latest. Returns false when there is none. */
bool scoreboard_read_exit(
	const struct scoreboard *scoreboard, unsigned row, uint32_t incarnation, struct scoreboard_exit *ret_exit);

/* Copies the tasks that the slot had run last when that incarnation died, the latest first. Returns how many; 0 also when
 * they were overwritten by a later death's. */
unsigned scoreboard_read_recent(const struct scoreboard *scoreboard, unsigned row, uint32_t incarnation,
	struct scoreboard_flight ret_flight[SCOREBOARD_FLIGHT]);

/* The row is dead, and it was understood why. */
bool scoreboard_is_understood(const struct scoreboard *scoreboard, unsigned row);

/* The row is dead and gave up: not started again until somebody orders it. */
bool scoreboard_is_parked(const struct scoreboard *scoreboard, unsigned row);

/* Incarnations after the first that were started: CONTRACT's `restarts`. */
uint64_t scoreboard_restarts(const struct scoreboard *scoreboard, unsigned row);

const char *scoreboard_reason_name(enum scoreboard_reason reason); /* "exit" … */
const char *scoreboard_row_name(unsigned row);                     /* "supervisor" "broker" "api" "scheduler" */
int scoreboard_code_index(int http_code);

#endif
