/* control: what api and scheduler may ask of the supervisor, and nothing else.
 *
 * One SOCK_SEQPACKET pair per asker, made by the guardian and kept over restarts of either side. A request is one
 * fixed-size message; there is no answer: what came of it is seen on the scoreboard. A message that is not of this form
 * costs its sender its life. */
#ifndef MUSTER_CORE_CONTROL_H
#define MUSTER_CORE_CONTROL_H

#include <stdint.h>

enum control_verb {
	CONTROL_RESTART = 1, /* drain that incarnation and replace it */
	CONTROL_CANCEL,      /* the task with that serial in that incarnation should stop; aborted after kill_grace */
	CONTROL_FORCE,       /* the same, without kill_grace: it is aborted at once */
	CONTROL_SCALE,       /* the pool `row` is to have `serial` workers; incarnation is 0 */
	CONTROL_RELOAD,      /* as SIGHUP; row, incarnation and serial are 0 */
	CONTROL_VERBS,
};

struct control_request {
	uint32_t verb;        /* enum control_verb */
	uint32_t row;         /* a worker's row; CONTROL_SCALE: a pool */
	uint32_t incarnation; /* another one by now: the request is void */
	uint32_t serial;      /* CONTROL_CANCEL, CONTROL_FORCE: area.serial of the task; CONTROL_SCALE: workers */
};

/* Sends without waiting. Returns 0, -EAGAIN when the supervisor is behind (try later), or another negative errno. */
int control_send(int fd, const struct control_request *request);

/* Receives one request. Returns 1; 0 when there is none; -EBADMSG for rubbish, or when no asker is left (the guardian
 * keeps both ends open: it does not happen). row is not checked against a table. */
int control_receive(int fd, struct control_request *ret_request);

#endif
