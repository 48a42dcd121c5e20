/* resident: the memory of workers. The kernel tells it for one process at a time, 5 µs each: in one answer RESIDENT_LOOKS
 * workers are looked at anew, those whose turn it is; of more than that the others' numbers are those of an answer before. */
#ifndef MUSTER_API_RESIDENT_H
#define MUSTER_API_RESIDENT_H

#include "api/roll.h"

#include <stdint.h>

enum { RESIDENT_LOOKS = 64 };

struct resident {
	unsigned first; /* whose turn it is: rows from here on, and on from the start */
	struct {
		uint64_t who; /* of whom this was */
		int64_t bytes;
	} row[SCOREBOARD_ROWS];
};

/* Resident bytes of the worker; -1: it is not the same process any more. */
int64_t resident_bytes(
	struct resident *resident, const struct scoreboard *scoreboard, const struct roll_worker *worker);
/* After an answer that has all workers: it is the turn of the next ones. */
void resident_go_on(struct resident *resident, const struct scoreboard *scoreboard);

#endif
