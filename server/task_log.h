/* task_log: what the task in hand logs, on its way to the broker.
 *
 * Lines are collected in the worker's area, where they outlive it, and stored a few times a second while the task gives the
 * worker a chance (it logs, beats, asks whether it should stop), before they fill the area, and at its end. One that logs
 * nothing costs nothing. While the broker is away the last ones are kept, as many as the area holds. */
#ifndef MUSTER_SERVER_TASK_LOG_H
#define MUSTER_SERVER_TASK_LOG_H

#include "core/id.h"
#include "core/scoreboard.h"

#include <stddef.h>

struct worker;

/* First thread: from now on lines are that task's. */
void task_log_begin(struct worker *worker, const char id[ID_MAX + 1]);

/* First thread, where several tasks log in turn: the same, if lines were another's, whose are stored first. */
void task_log_turn_to(struct worker *worker, const char id[ID_MAX + 1]);

/* One line, any bytes. Either thread; the second one's is lost while the first is just storing some. */
void task_log_add(struct worker *worker, const char *text, size_t length);

/* First thread: stores what waits, if it is time. Cheap. */
void task_log_turn(struct worker *worker);

/* First thread, when the task has ended and before that is reported: whoever hears of the end finds the whole log. */
void task_log_end(struct worker *worker);

/* What a dead worker has left of a task's log; none: length 0. */
struct bytes task_log_left(const struct scoreboard_log *log, const char *id);

#endif
