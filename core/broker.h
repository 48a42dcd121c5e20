/* broker: Redis, by its operations. The only door to hiredis; the semantics of the queue live here and in the scripts in core/broker.
 *
 * A struct broker is one connection, used by one thread at a time. It connects when it is first used and again after a
 * failure; nothing in it blocks past the deadline that a call is given (absolute CLOCK_MONOTONIC ns). After any failure
 * but BROKER_GONE, BROKER_HELD, BROKER_FULL and BROKER_UNCOPIED the connection is closed: a reply that comes later is never taken for
 * another's. With sentinels, each connection is made to the master that they name then; a cluster's word that our keys
 * are elsewhere is followed. A password that is refused is read anew from broker_password_file.
 * Operations that change something can be said again with the same arguments and change nothing twice.
 *
 * All keys carry the hash tag of the namespace: {ns}:tasks and so on (BROKER.md has the list). */
#ifndef MUSTER_CORE_BROKER_H
#define MUSTER_CORE_BROKER_H

#include "core/config.h"
#include "core/error.h"
#include "core/scoreboard.h"
#include "core/task.h"

#include <stdbool.h>
#include <stdint.h>

/* Failures, beside -ENOMEM. Which error reply of Redis means what is one table in broker_reply.c. */
enum {
	BROKER_AWAY = -107,     /* -ENOTCONN: cut, deadline, LOADING, BUSY, …: wait, then the same call again */
	BROKER_GONE = -116,     /* -ESTALE: that incarnation was recovered, or a later call has overtaken this one */
	BROKER_HELD = -16,      /* -EBUSY: an older incarnation of the slot still holds something: wait for recover */
	BROKER_FULL = -28,      /* -ENOSPC: OOM: Redis has reached maxmemory */
	BROKER_READ_ONLY = -30, /* -EROFS: READONLY, MISCONF: takes no writes now */
	BROKER_REFUSED = -13,   /* -EACCES: password, permissions */
	BROKER_UNFIT = -71,     /* -EPROTO: wrong version, layout, eviction policy, or an error that nobody expected */
	BROKER_UNCOPIED = -121, /* -EREMOTEIO: `durability: power` could not be kept: stored or not, say it again */
	BROKER_STOPPED = -125,  /* -ECANCELED: the stop descriptor became readable while waiting */
};

struct broker;

/* Borrows config for as long as it lives. Does not connect. */
int broker_open(struct broker **ret_broker, const struct config *config);
/* From now on it serves another configuration, whose broker is the same. The connection stays. */
void broker_use(struct broker *broker, const struct config *config);
void broker_close(struct broker *broker); /* NULL: does nothing */

/* Drops the connection if there is one: the next call connects anew. */
void broker_disconnect(struct broker *broker);

/* Connects and checks (version ≥ 7.0, layout, eviction policy) if not connected. Returns 0 or one of the above. */
int broker_connect(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* Whether this Redis can keep what `durability: power` promises, if that is configured: it syncs its file before it
 * answers, or it has replicas; where sentinels or a cluster may make a replica the master, replicas alone count. Then
 * broker_batch waits until one of them has confirmed. Returns 0, BROKER_UNCOPIED, or another failure. */
int broker_check_power(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* Where round trips are counted; NULL: nowhere. */
void broker_observe(struct broker *broker, struct scoreboard_histogram *histogram);

/* PING. */
int broker_ping(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* How long to wait before try number `failures` (1 …) of reaching a broker: 2 ms doubling to 1 s, with jitter; pure. */
int64_t broker_backoff_ms(unsigned failures, double random);

/* ---- for workers ---- */

struct broker_outcome {
	const char *element;
	struct bytes record; /* "B" gives the element back uncounted; else a record (task_record_format) */
};

struct broker_turn {
	const char *slot; /* "node/pool/slot" */
	uint64_t generation;
	uint64_t sequence;      /* 1 …; the same one again after BROKER_AWAY */
	unsigned want;          /* tasks to hold after this call; 0: take none */
	const int *queues;      /* indices, in the order to try */
	const unsigned *shares; /* most to take from each while others have something; NULL: no limit */
	size_t queue_count;
	const struct broker_outcome *outcomes; /* in batch order */
	size_t outcome_count;
	int wait_ms; /* first wait so long for a bell of these queues, in the same write; 0: do not */
	bool rests;  /* the last one said that it is paused: wait until it is resumed, instead */
	int stop_fd; /* readable: give up waiting with BROKER_STOPPED; -1: none */
};

struct broker_task {
	struct bytes element; /* "id" or "id~executions" */
	struct bytes stored;  /* the value of :tasks: head + document; data NULL: it is gone (dead as invalid) */
	struct bytes record;  /* the value of :runs; data NULL: none yet */
};

struct broker_lease {
	struct broker_task *tasks; /* what the slot holds and has not been given before by this sequence's reply; */
	size_t count;              /* borrows from `reply` */
	size_t admitted;           /* of these, taken from plain lists just now */
	bool rests;                /* nothing was taken: the slot's pool or node is paused */
	void *reply;               /* owned */
};

/* Settles outcomes, then takes up to `want` (what the slot already holds counts and is not answered again, except for a
 * repeated sequence). A slot says its sequences without a gap: one means that Redis was set back (a fail-over, a file cut
 * at its end), and what the slot holds there without reporting it goes back to its queue, if want is not 0. Returns 0 with
 * the lease (maybe empty), or a failure. */
int broker_turn(struct broker *broker, const struct broker_turn *turn, int64_t until_mono_ns,
	struct broker_lease *ret_lease, struct error *error);
void broker_lease_fini(struct broker_lease *lease);

/* ---- recovery ---- */

struct broker_recovered {
	size_t settled;  /* outcomes that were taken */
	size_t returned; /* tasks sent back to their queues */
	size_t ended;    /* of the settled, ended ones */
};

/* Ends what `generation` of the slot holds: outcomes as given (a record 'P' sends the task to the *head* of its queue
 * with its new element), all else back to the head in order, a tombstone, bells. Nothing happens if it was done before
 * or if a later generation holds the slot. Also how a worker leaves. */
int broker_recover(struct broker *broker, const char *slot, uint64_t generation, const struct broker_outcome *outcomes,
	size_t outcome_count, int64_t until_mono_ns, struct broker_recovered *ret_recovered, struct error *error);

struct broker_held { /* one lease */
	char slot[TASK_WORKER_MAX];
	uint64_t generation;
	int64_t sequence;      /* -1: a tombstone */
	struct bytes elements; /* separated by spaces */
};

struct broker_holdings {
	struct broker_held *items; /* owned */
	size_t count;
	void *reply; /* owned */
};

/* All leases of one node ("" : of all) that hold something. */
int broker_holdings(struct broker *broker, const char *node, int64_t until_mono_ns,
	struct broker_holdings *ret_holdings, struct error *error);
void broker_holdings_fini(struct broker_holdings *holdings);

/* ---- submission and look-up ---- */

enum broker_stored {
	BROKER_STORED = '0',
	BROKER_KNOWN = '1',    /* the id was known: nothing changed */
	BROKER_UNIQUE = '2',   /* the task `id`, which has not ended, is the one of its `unique` value */
	BROKER_REPEATED = '3', /* it was stored before under the same key, as `id` */
	BROKER_OVERFLOW = '4', /* max_depth of its queue is reached */
	BROKER_ABUSED = '5',   /* its key was used for other documents */
};

struct broker_submission {
	const struct task_submission *task;
	enum broker_stored stored; /* out; only the first three can be answered to one that is in no group */
	char id[ID_MAX + 1];       /* out: BROKER_UNIQUE, BROKER_REPEATED */
};

/* Submissions of one call of a client: stored all or none where a queue's max_depth bounds them. */
struct broker_group {
	size_t first, count;
	bool array;      /* it said an array; the same document alone is something else under the same key */
	const char *key; /* the same documents under the same key are stored once in 24 h; NULL: none */
};

/* A batch of submissions and look-ups in one round trip: first all submissions (each stored or known, all or none of
 * the batch), then all look-ups, which see them. source, created_ms go into the heads. With BROKER_UNCOPIED the
 * submissions may be stored or not. */
struct broker_look {
	char id[ID_MAX + 1];
	bool watch; /* in: announce its end to subscribers of this namespace (broker_subscribe) for 120 s */
	/* out: */
	bool known;
	struct bytes stored, record; /* borrow from the reply */
	struct bytes
		runner; /* the same; of a pending one, where several nodes live: the worker that runs it, or empty */
	enum task_state state; /* PENDING, SCHEDULED, RETRYING or an ended one */
	bool cancel_requested;
};

struct broker_batch {
	struct broker_submission *submissions;
	size_t submission_count;
	const struct broker_group *groups; /* ascending; what is in none is on its own */
	size_t group_count;
	int64_t created_ms;
	char source; /* enum task_source */
	struct broker_look *looks;
	size_t look_count;
	void *reply; /* owned */
	/* between the two halves: */
	int64_t sent_at_mono_ns; /* 0: nothing was */
	bool waits_for_copy;
};
int broker_batch(struct broker *broker, struct broker_batch *batch, int64_t until_mono_ns, struct error *error);
/* The same in two halves, for who has other work while the broker does its part: nothing else may be said over this
 * connection between them. A batch that has nothing to say is not sent. After a failure of the first half there is no
 * second one. */
int broker_batch_send(struct broker *broker, struct broker_batch *batch, int64_t until_mono_ns, struct error *error);
int broker_batch_receive(struct broker *broker, struct broker_batch *batch, int64_t until_mono_ns, struct error *error);
void broker_batch_fini(struct broker_batch *batch);

enum broker_cancel {
	BROKER_CANCEL_UNKNOWN,   /* no such task */
	BROKER_CANCEL_DONE,      /* it waited, and is cancelled now */
	BROKER_CANCEL_REQUESTED, /* a worker holds it: noted; who runs it must be told */
	BROKER_CANCEL_OVER,      /* it had ended */
};
/* force: if a worker holds it, it is to be ended at once. */
int broker_cancel(struct broker *broker, const char *id, bool force, int64_t until_mono_ns, struct error *error);

/* Ids whose cancellation is noted and which are still held, as one array of NUL-terminated ids (owned, free()). forced:
 * those only that are to be ended at once. */
int broker_cancels(struct broker *broker, bool forced, int64_t until_mono_ns, char (**ret_ids)[ID_MAX + 1],
	size_t *ret_count, struct error *error);

/* What a task keeps for its next execution: JSON text, kept for 30 days at most. `created_ms` (its head's) tells it from an
 * earlier task of the same id. saved: *ret_json is owned (free()), NULL: nothing. */
int broker_save(struct broker *broker, const char *id, int64_t created_ms, struct bytes json, int64_t until_mono_ns,
	struct error *error);
int broker_saved(struct broker *broker, const char *id, int64_t created_ms, int64_t until_mono_ns, char **ret_json,
	struct error *error);
int broker_forget_saved(struct broker *broker, const char *id, int64_t until_mono_ns, struct error *error);

/* What a task has logged: lines, each of which ends with a line feed (core/task_log.h). The last `limits.log` bytes are
 * kept, for as long as the task can be looked up. */
int broker_log(struct broker *broker, const char *id, struct bytes lines, int64_t until_mono_ns, struct error *error);

struct broker_logged {
	int64_t from; /* in: the byte to begin with, of all that it ever logged; out: what to say next time */
	/* out: */
	bool known, ended;  /* the task */
	struct bytes lines; /* whole ones; borrows from the reply */
	void *reply;        /* owned */
};
int broker_logged(struct broker *broker, const char *id, struct broker_logged *logged, int64_t until_mono_ns,
	struct error *error);
void broker_logged_fini(struct broker_logged *logged);

/* Ended tasks with a callback that was not submitted yet; a few at a time. */
struct broker_callback {
	char id[ID_MAX + 1];         /* of the callback: the same one however often it is submitted */
	char task[ID_MAX + 1];       /* the ended one */
	struct bytes stored, record; /* of that, as they were at its end; borrow from the reply */
};
struct broker_callbacks {
	struct broker_callback *items; /* owned */
	size_t count;
	void *reply; /* owned */
};
int broker_callbacks(
	struct broker *broker, int64_t until_mono_ns, struct broker_callbacks *ret_callbacks, struct error *error);
void broker_callbacks_fini(struct broker_callbacks *callbacks);
/* It was submitted. */
int broker_callback_done(struct broker *broker, const char *id, int64_t until_mono_ns, struct error *error);

/* Subscribes this connection to ends of watched tasks; from then on only broker_fd and broker_next may be used. */
int broker_subscribe(struct broker *broker, int64_t until_mono_ns, struct error *error);
/* Or to all that becomes of tasks, as long as somebody says broker_listen at least every BROKER_LISTEN_MS over another
 * connection: then broker_fd and broker_next_news. */
int broker_subscribe_news(struct broker *broker, int64_t until_mono_ns, struct error *error);
enum { BROKER_LISTEN_MS = 30 * 1000 };
int broker_listen(struct broker *broker, int64_t until_mono_ns, struct error *error);
int broker_fd(const struct broker *broker); /* -1 while not connected */
/* The next announcement that has already arrived: 1 with id and the task's record (borrowed until the next call), 0: none
 * yet, BROKER_AWAY: connection lost. */
int broker_next(struct broker *broker, char id[ID_MAX + 1], struct bytes *ret_record);
/* The same for news: lines `letter id` (enum task_state), `- count queue`: so many are deleted, or `+ n`: n more. */
int broker_next_news(struct broker *broker, struct bytes *ret_lines);

/* ---- many tasks ---- */

enum { BROKER_MANY = 1000 }; /* tasks in one of these calls, so that none takes longer than a few ms */

/* Where the tasks of a queue stand; also what a look at them goes through one after another. */
enum broker_station {
	BROKER_HELD_BY_WORKERS = 'A',
	BROKER_IN_LINE = 'P',
	BROKER_SET_ASIDE = 'H', /* their class is paused */
	BROKER_SCHEDULED = 'W',
	BROKER_RETRYING = 'R',
	BROKER_DEAD = 'D',
	BROKER_CANCELLED = 'C',
	BROKER_SUCCEEDED = 'S',
};

struct broker_position { /* in a place: behind which task to go on; at "": from the start */
	char at[24], last[TASK_ELEMENT_MAX + 24];
};

struct broker_entry {
	struct broker_look look; /* of a bare one: the id */
	struct broker_position position;
};

/* One look at a queue's tasks in one place: latest first those that have ended, the others in the order in which they will be
 * taken. Tasks that come, go and are changed between two looks shift nothing: no other is missed or seen twice. */
struct broker_page {
	const char *queue;
	enum broker_station place;
	unsigned limit;                  /* most to look at: 1 … BROKER_MANY */
	bool bare;                       /* ids only */
	struct broker_position position; /* in and out; out: at "": that was all */
	/* out: */
	size_t scanned;
	struct broker_entry *entries; /* owned */
	size_t count;
	void *reply; /* owned */
};
int broker_page(struct broker *broker, struct broker_page *page, int64_t until_mono_ns, struct error *error);
void broker_page_fini(struct broker_page *page);

enum broker_act {
	BROKER_ACT_RETRY, /* dead and cancelled ones run again */
	BROKER_ACT_CANCEL,
	BROKER_ACT_DELETE, /* ended and waiting ones are forgotten */
};

/* What came of it for one task. */
enum broker_said {
	BROKER_SAID_UNKNOWN = '0', /* no such task */
	BROKER_SAID_DONE = '1',
	BROKER_SAID_HELD = '2', /* RETRY: it has not ended; CANCEL: noted; DELETE: a worker holds it */
	BROKER_SAID_OVER = '3', /* RETRY: it has succeeded; CANCEL: it had ended */
};

/* Does the same to up to BROKER_MANY tasks; said gets a letter for each (enum broker_said). */
int broker_act(struct broker *broker, enum broker_act act, const char (*ids)[ID_MAX + 1], size_t count, char *said,
	int64_t until_mono_ns, struct error *error);

struct broker_change {     /* of tasks that wait */
	const char *queue; /* NULL: as it is */
	int priority;      /* -1: as it is */
	int64_t run_at_ms; /* wall; 0: at once; -1: as it is */
};
/* Said as by broker_act; HELD: a worker holds it, OVER: it had ended. */
int broker_change(struct broker *broker, const struct broker_change *change, const char (*ids)[ID_MAX + 1],
	size_t count, char *said, int64_t until_mono_ns, struct error *error);

struct broker_why {                 /* what stands between a task that waits and its worker */
	char slot[TASK_WORKER_MAX]; /* that holds it; "": none does */
	int64_t ahead;              /* tasks that will be taken before it; -1: not known */
};
int broker_why(
	struct broker *broker, const char *id, int64_t until_mono_ns, struct broker_why *ret_why, struct error *error);

/* Forgets up to BROKER_MANY tasks of a queue in one place, without looking at each; IN_LINE: those set aside and documents
 * in the plain list as well. *ret_more: that was not all. Returns how many. */
int broker_purge(struct broker *broker, const char *queue, enum broker_station place, bool *ret_more,
	int64_t until_mono_ns, struct error *error);

/* Lets a "queue", "pool", "class" or "node" of that name rest, or resumes it. Returns 1, or 0 when it was so already. */
int broker_pause(
	struct broker *broker, bool on, const char *what, const char *name, int64_t until_mono_ns, struct error *error);
/* All that rest: {"pool default": null, …}; owned. */
int broker_paused(struct broker *broker, int64_t until_mono_ns, json_t **ret_paused, struct error *error);
/* What is to be other than the files say: {"queue": {…}, …} (core/queue_settings.h); owned. */
int broker_settings(struct broker *broker, int64_t until_mono_ns, json_t **ret_settings, struct error *error);
/* Of one queue, as text; before, after NULL: nothing. Returns 1, or 0 when another has changed it since `before` was seen. */
int broker_set_settings(struct broker *broker, const char *queue, const char *before, const char *after,
	int64_t until_mono_ns, struct error *error);

/* Brings tasks of resumed classes back to their queues. Returns 1 while there are more to bring. */
int broker_restore(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* ---- the scheduler's ---- */

/* Moves what is due (at most 500) to its queues, and ends what waits although it has expired: counted by queue in
 * expired[config.queue_count] (NULL: nowhere). *ret_next_ms: until the next of both, -1: there is none. Returns how many
 * were moved or ended. */
int broker_due(
	struct broker *broker, int64_t until_mono_ns, int64_t *ret_next_ms, size_t expired[], struct error *error);

/* Blocking waits, split in two so that one thread can wait on many connections: send, poll broker_fd, finish.
 * due: until an earlier due time was armed, at most a second. bells: until one of these queues rings, at most a second; the
 * token is taken, so a turn has to follow, which rings on. list: until the plain list of that queue is not empty
 * (leaving the element where it is), rings, then until someone arms it again. finish returns 1 when the wait is over, 0
 * when there is no answer yet. A list in another database is carried over in lossless steps inside finish. */
int broker_wait_due(struct broker *broker, int64_t until_mono_ns, struct error *error);
int broker_wait_bells(
	struct broker *broker, const int *queues, size_t count, int64_t until_mono_ns, struct error *error);
int broker_wait_list(struct broker *broker, int queue, int64_t until_mono_ns, struct error *error);
int broker_wait_finish(struct broker *broker, struct error *error);

/* Says "this node lives until now + timeout" with a JSON description, and hears which nodes' time ran out although they
 * hold leases (owned array of ids, free()). */
int broker_node(struct broker *broker, const char *node, int64_t timeout_ms, const char *description,
	int64_t until_mono_ns, char (**ret_lost)[33], size_t *ret_lost_count, struct error *error);
int broker_node_leave(struct broker *broker, const char *node, int64_t until_mono_ns, struct error *error);
/* [{"id":…,"info":…,"until_ms":…}] of nodes that live; owned. */
int broker_nodes(struct broker *broker, int64_t until_mono_ns, json_t **ret_nodes, struct error *error);

/* Drops what retention no longer keeps: at most a thousand a queue and state. Returns how many were dropped: > 0 means
 * there may be more. */
int broker_retain(struct broker *broker, int64_t until_mono_ns, struct error *error);

/* fdatasync of the embedded broker's file is not here: server/embedded does it. */

struct broker_depth {
	int64_t pending, scheduled, retrying, active /* held by leases */, dead;
	int64_t succeeded_total, dead_total, cancelled_total;
	double oldest_age_s; /* of the task that is next in line; 0 when none waits */
	bool paused;
};

struct broker_state {
	int64_t memory_bytes, memory_limit; /* used_memory, and its bound or 0 */
	int64_t unaccounted;                /* tasks: submitted + revived − ended − live */
	int64_t emptied_ms;                 /* wall: when all was deleted behind our back (broker_mark); 0: never */
	bool disk_fails; /* its append-only file cannot be written: it refuses what would change anything */
	char version[24], eviction[24]; /* its redis_version and maxmemory_policy; "": it does not say */
	bool appends;                   /* it keeps an append-only file */
};

enum { BROKER_MEMORY_WARN_PERCENT = 80 };
/* How full, in percent; 0: without a bound. Pure. */
int broker_memory_percent(const struct broker_state *state);

/* All configured queues in one call; depths has config.queue_count entries. */
int broker_depths(struct broker *broker, struct broker_depth *depths, struct broker_state *ret_state,
	int64_t until_mono_ns, struct error *error);

/* Knows the broker again by a mark in it, which is made when there is none. mark: in: the one at the last look ("": this
 * is the first one), out: the one that is there. Returns 1 when it is another one: all was deleted (FLUSHALL, a restart
 * without persistence), or it is another Redis; else 0. */
int broker_mark(struct broker *broker, char mark[ID_LENGTH + 1], int64_t until_mono_ns, struct error *error);

/* What an external Redis keeps over its own end. Unknown where it does not tell. */
enum broker_persistence {
	BROKER_KEEPS_UNKNOWN,
	BROKER_KEEPS_ALL,       /* an append-only file */
	BROKER_KEEPS_SNAPSHOTS, /* what came since the last one is lost */
	BROKER_KEEPS_NOTHING,
};
int broker_persistence(
	struct broker *broker, enum broker_persistence *ret_persistence, int64_t until_mono_ns, struct error *error);

#endif
