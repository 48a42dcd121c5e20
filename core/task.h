/* task: one unit of work, in the four forms it has.
 *
 *   document   the bytes that came in, kept as they are                       (struct bytes)
 *   head       what Muster adds when it accepts one; immutable                (:tasks = head line + document)
 *   record     how it stands or ended, written by whoever ran it              (:runs = record line + JSON body)
 *   view       what the API shows of it, all three put together               (task_view)
 *
 * Head and record are one line of space-separated fields ending in '\n', so that a script can read a field without
 * decoding JSON; scripts never look further. Everything here is pure: no I/O, no clock. */
#ifndef MUSTER_CORE_TASK_H
#define MUSTER_CORE_TASK_H

#include "core/config.h"
#include "core/id.h"
#include "core/schema.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	TASK_NAME_MAX = 128, /* characters of a class or method */
	TASK_RETRY_MAX = 1000,
	TASK_PRIORITY = 5, /* of a task that does not say; 9 goes first, 0 last */
	TASK_PRIORITY_MAX = 9,
	TASK_UNIQUE_MAX = 128, /* bytes of `unique` */
	TASK_TRACE_MAX = 55,   /* of a traceparent */
	TASK_HISTORY_MAX = 10, /* executions that did not succeed which a record keeps */
	TASK_WORKER_MAX = 160, /* "node/pool/slot" with its NUL */
	TASK_ELEMENT_MAX = 80, /* "id" or "id~executions", with its NUL: what stands in queues and leases */
};

/* The message of one that ends dead as `expired`; due.lua has it, too. */
#define TASK_EXPIRED "it was not started within its expires_in"

struct bytes { /* borrowed, not NUL-terminated */
	const char *data;
	size_t length;
};

enum task_source { TASK_SOURCE_HTTP = 'h', TASK_SOURCE_LIST = 'l', TASK_SOURCE_HANDLER = 'p' };

/* A class's or method's name: 1–TASK_NAME_MAX letters, digits, `_` `.` `\` `-`. */
bool task_name_is_valid(const char *name, size_t length);

/* ---- submission: a document of the API, validated ---- */

struct task_submission {
	char id[ID_MAX + 1];
	bool own_id;                      /* the submitter chose the id: a known one is a duplicate, not a clash */
	int queue;                        /* index into config.queues */
	int max_attempts;                 /* 1 … TASK_RETRY_MAX */
	int64_t run_at_ms;                /* wall; 0: at once */
	int priority;                     /* 0 … TASK_PRIORITY_MAX */
	int64_t expires_ms;               /* wall: not started later; 0: never too late */
	int64_t retention_ms;             /* how long it can be looked up after its end; 0: as its queue says */
	char unique[TASK_UNIQUE_MAX + 1]; /* "": none */
	const char *traceparent;          /* borrowed; NULL: none */
	bool calls_back;                  /* it has a callback */
	struct bytes document;
};

/* Validates a parsed document (`value`; `document` are its bytes, borrowed by the result) at wall time now_ms.
 * `prefix` goes before all pointers in faults ("/3" for the fourth of an array). Generates an id when there is none.
 * Returns 0, -EINVAL with faults, or -ENOMEM. */
int task_submission_read(const struct config *config, const json_t *value, struct bytes document, const char *prefix,
	int64_t now_ms, struct task_submission *ret_submission, struct schema_faults *faults);

/* The table of the document's members (for /openapi.json and the manual). */
extern const struct schema task_schema;

/* ---- head ---- */

struct task_head {
	int64_t created_ms;
	int64_t run_at_ms; /* 0: at once */
	char source;       /* enum task_source */
	int max_attempts;  /* 0: from a plain list, read it from the document */
	char queue[CONFIG_NAME_MAX + 1];
	int priority;
	int64_t expires_ms;                   /* not started later; 0: never too late */
	int64_t retention_ms;                 /* 0: its queue's */
	char unique[TASK_UNIQUE_MAX + 1];     /* "": none */
	char traceparent[TASK_TRACE_MAX + 1]; /* "": none */
	bool calls_back;                      /* its document has a callback */
	struct bytes document;
};

/* "created run_at source max_attempts queue option=value …\n" into text (at least TASK_HEAD_MAX bytes); returns its
 * length. The value stored in :tasks is this line followed by the document's bytes. Options stand there only where they
 * say something: p priority, e expires_ms, r retention_ms, u unique (percent-encoded), t traceparent, c 1: it has a callback. */
enum { TASK_HEAD_MAX = 768 };
size_t task_head_format(char text[TASK_HEAD_MAX], const struct task_head *head);

/* Reads a value of :tasks; ret_head->document borrows from it. Returns 0, or -EINVAL. */
int task_head_read(struct bytes stored, struct task_head *ret_head);

/* ---- the document as a worker meets it ---- */

struct task_order {
	json_t *document;           /* owned: the whole document; NULL when it is not JSON */
	const char *class, *method; /* borrowed from document; NULL when malformed */
	json_t *param;              /* borrowed: an array or object; owned by document */
	int max_attempts;           /* 1 …; for a plain list by the seed's rules */
	bool retry_invalid; /* plain list: `retry` is no number: one execution, and one that asks for a retry ends `invalid` */
	int64_t timeout_ms; /* SCHEMA_NONE: none; the document's own, else the queue's */
};

/* Returns 0; -EINVAL ("task format wrong") with the reason in `error`; or -ENOMEM, which says nothing about the task.
 * ret_order is always valid to fini. An absent `param` becomes `[]` in the document that was read. */
int task_order_read(const struct task_head *head, const struct config_queue *queue, struct task_order *ret_order,
	struct error *error);
void task_order_fini(struct task_order *order);

/* ---- record ---- */

enum task_state {             /* the letter that stands in a record */
	TASK_PENDING = 'P',   /* in its queue again: its worker died, or gave it back after an execution */
	TASK_SCHEDULED = 'W', /* never in a record: derived */
	TASK_ACTIVE = 'A',    /* never in a record: derived */
	TASK_RETRYING = 'R',
	TASK_SUCCEEDED = 'S',
	TASK_DEAD = 'D',
	TASK_CANCELLED = 'C',
};

const char *task_state_name(enum task_state state); /* "pending" … */
bool task_state_ended(enum task_state state);

struct task_record {
	enum task_state state;
	int executions; /* all that were started and are over, crashes included: the number behind ~ in the element */
	int attempts;   /* those that ended by ok, retry, fail or timeout */
	int crashes;
	int max_attempts;                /* 0: none was read yet (a crash before the document was looked at) */
	int64_t started_ms, finished_ms; /* of the last execution; 0: none */
	int64_t due_ms;                  /* TASK_RETRYING: when it runs again; 0: at once */
	char worker[TASK_WORKER_MAX];    /* "-" when none */
	json_t *body; /* owned; an object with any of `result` `error` `history` `usage`; NULL when all are absent */
};

/* "letter executions attempts crashes max_attempts started finished due worker\n" + the body's JSON.
 * task_record_read(NULL bytes) gives an empty record (pending, all 0). Both return 0, -EINVAL, or -ENOMEM, which says
 * nothing about the record. */
struct buffer;
int task_record_format(struct buffer *text, const struct task_record *record);
int task_record_read(struct bytes stored, struct task_record *ret_record);
void task_record_fini(struct task_record *record);

/* How one execution went: what record_apply folds into the record that was there before. */
enum task_verdict {
	TASK_VERDICT_OK,
	TASK_VERDICT_RETRY,   /* the handler asked for it */
	TASK_VERDICT_FAIL,    /* exception: no retry */
	TASK_VERDICT_REFUSED, /* unknown class or method, malformed: dead, kind says which */
	TASK_VERDICT_TIMEOUT, /* counts as an execution, again while executions remain */
	TASK_VERDICT_CRASH,   /* its worker died: counts in crashes only; dead at the queue's max_crashes */
	TASK_VERDICT_CANCELLED,
	TASK_VERDICT_ELSEWHERE, /* another node knows its class: again, after delay_ms, as if nothing had been */
};

/* What an execution used of its machine; cpu_ms < 0: not measured, peak_rss_bytes < 0: not known. */
struct task_usage {
	int64_t cpu_ms, peak_rss_bytes;
};

struct task_execution {
	enum task_verdict verdict;
	const char *kind;    /* CONTRACT's error.kind; NULL for OK and CANCELLED */
	const char *message; /* for people; NULL: none */
	json_t *evidence;    /* borrowed; NULL: none */
	json_t *result;      /* borrowed; NULL: null */
	const char *worker;  /* "node/pool/slot" */
	int64_t started_ms, ended_ms;
	int64_t delay_ms;               /* RETRY: asked for by the handler; -1: the queue's back-off */
	int max_attempts;               /* from task_order; 0 when unknown (a crash) */
	double random;                  /* [0, 1): for the back-off's jitter */
	const struct task_usage *usage; /* borrowed; NULL: not measured */
};

/* Folds one execution into the record. Pure; the only place where "again or dead" is decided. A success without a result
 * allocates nothing on a record without a body. Returns 0, or -ENOMEM with the record untouched. A result that is nested
 * deeper than a document may be, and so could not be read again, is a failure that says so. */
int task_record_apply(
	struct task_record *record, const struct config_queue *queue, const struct task_execution *execution);

/* "id" for executions == 0, else "id~executions". */
void task_element_format(char element[TASK_ELEMENT_MAX], const char *id, int executions);
/* Length of the id in an element. */
size_t task_element_id_length(struct bytes element);

/* ---- view ---- */

struct task_facts {
	const char *id;
	const struct task_head *head;
	const struct task_record *record;
	enum task_state state; /* as derived by whoever looked */
	int max_attempts;      /* when neither head nor record has one: the queue's or the document's */
	bool cancel_requested;
	/* of an execution that is running; started_ms 0: none is */
	int64_t started_ms;
	const char *worker;
	int progress;     /* percent, -1: none */
	const char *note; /* NULL: none */
};

/* The task as the API shows it: every member of CONTRACT, null when it has no value. Owned by the caller; NULL: no
 * memory. */
json_t *task_view(const struct task_facts *facts);

#endif
