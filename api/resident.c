#include "api/resident.h"

static bool has_its_turn(const struct resident *resident, const struct scoreboard *scoreboard, unsigned row)
{
	const unsigned count = scoreboard->header->row_count;

	return (row + count - resident->first % count) % count < RESIDENT_LOOKS;
}

int64_t resident_bytes(struct resident *resident, const struct scoreboard *scoreboard, const struct roll_worker *worker)
{
	const uint64_t who = scoreboard_pair(worker->incarnation, (uint32_t)worker->pid);

	if (resident->row[worker->row].who != who || has_its_turn(resident, scoreboard, worker->row)) {
		resident->row[worker->row].bytes = roll_resident_bytes(scoreboard, worker);
		resident->row[worker->row].who = who;
	}
	return resident->row[worker->row].bytes;
}

void resident_go_on(struct resident *resident, const struct scoreboard *scoreboard)
{
	resident->first = (resident->first + RESIDENT_LOOKS) % scoreboard->header->row_count;
}
