/* exec_child: a program that speaks the exec protocol (doc/exec.md): what it says is heard, what it writes to stderr is
 * logged, line by line. For the handler kind exec and for services; one thread. */
#ifndef MUSTER_CORE_EXEC_CHILD_H
#define MUSTER_CORE_EXEC_CHILD_H

#include "core/buffer.h"
#include "core/exec_message.h"
#include "core/lines.h"
#include "core/program.h"

struct exec_child {
	const struct handler_host *host;
	struct program_plan *plan;
	struct program program;
	struct lines out, err;
	char last_words[256]; /* the last line of stderr, cut; "" */
	int bell_fd;          /* waited for as well (EXEC_RUNG); -1: none */
	bool took;            /* this program has read of a task, or is known not to have died at its start */
	uint32_t streak;      /* programs in a row that died young */
	int64_t next_mono_ns; /* not before then the next one should be started */
};

/* Looks for the program; none runs yet. Borrows config and host until exec_child_fini. Returns 0 or a negative errno with the
 * sentence, which begins with the class (NULL: none) whose handler it is. */
int exec_child_init(struct exec_child *child, const struct config_program *config, const struct handler_host *host,
	const char *class, struct error *error);

/* Ends the program if one runs, and frees. */
void exec_child_fini(struct exec_child *child);

/* As program_start. */
int exec_child_start(struct exec_child *child, const char *const *variables, struct error *error);

/* It has ended, after so many bytes were written to it: says when the next one should be started. */
void exec_child_note_end(struct exec_child *child, size_t written);

/* Ends the program at once, and forgets what it has said. */
void exec_child_end(struct exec_child *child);

/* Closes its stdin, by which it knows that there is nothing more to do, and ends it when it has not ended within kill_grace. */
void exec_child_leave(struct exec_child *child);

enum exec_event {
	EXEC_SAYS = 1,     /* there is something on its stdout, or that is closed: hear it */
	EXEC_OVER = 2,     /* it has ended; what it has said before can still be heard */
	EXEC_HAS_ROOM = 4, /* its stdin takes something, or is closed */
	EXEC_RUNG = 8,     /* bell_fd is readable */
};

/* Waits until something happens, and logs what comes on stderr. Returns the events; 0 at the deadline, or when there was
 * only stderr. */
unsigned exec_child_wait(struct exec_child *child, bool wants_room, int64_t until_mono_ns);

/* Writes what it takes, from *written on. Returns false when its stdin is closed. */
bool exec_child_write(struct exec_child *child, const struct buffer *bytes, size_t *written);

/* Reads its stdout once and hears the whole lines, until one of them ends the task. EXEC_GOES_ON; EXEC_ENDED; EXEC_WRONG
 * with the sentence; EXEC_CLOSED when nothing more can come. */
enum exec_heard exec_child_hear(struct exec_child *child, struct exec_talk *talk, struct error *error);

/* The same for one that has ended: all that it has left. */
enum exec_heard exec_child_hear_last(struct exec_child *child, struct exec_talk *talk, struct error *error);

/* Only reads its stdout once: the lines are in child->out then. EXEC_GOES_ON; EXEC_WRONG with the sentence; EXEC_CLOSED. */
enum exec_heard exec_child_read(struct exec_child *child, struct error *error);

/* Logs what is left on stderr of one that has ended. */
void exec_child_log_last(struct exec_child *child);

/* Whether it has said something that nobody has heard. */
bool exec_child_has_rest(const struct exec_child *child);

#endif
