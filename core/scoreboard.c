#include "core/scoreboard.h"

#include "core/clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the kernel writes the pid into the low half of `who`");
_Static_assert(sizeof(struct scoreboard_area) % 4096 == 0, "areas are protected by the page");

const uint64_t scoreboard_bounds_us[SCOREBOARD_BUCKETS - 1] = {
	100,
	250,
	500,
	1000,
	2500,
	5000,
	10000,
	25000,
	50000,
	100000,
	250000,
	500000,
	1000000,
	2500000,
	5000000,
	10000000,
	30000000,
	60000000,
	600000000,
};

const int scoreboard_codes[SCOREBOARD_CODES] = {
	200,
	201,
	202,
	204,
	206,
	301,
	304,
	400,
	401,
	403,
	404,
	405,
	408,
	409,
	411,
	412,
	413,
	415,
	422,
	429,
	500,
	501,
	503,
	0,
};

int scoreboard_code_index(int http_code)
{
	int index = 0;

	while (scoreboard_codes[index] != 0 && scoreboard_codes[index] != http_code)
		index++;
	return index;
}

void scoreboard_observe(struct scoreboard_histogram *histogram, int64_t duration_us)
{
	uint64_t value = duration_us > 0 ? (uint64_t)duration_us : 0;
	unsigned bucket = 0;

	while (bucket < SCOREBOARD_BUCKETS - 1 && value > scoreboard_bounds_us[bucket])
		bucket++;
	/* One writer, so no read-modify-write is needed; api, which has threads in its libraries, serves from one. */
	atomic_store_explicit(&histogram->count[bucket],
		atomic_load_explicit(&histogram->count[bucket], memory_order_relaxed) + 1, memory_order_relaxed);
	atomic_store_explicit(&histogram->sum_us,
		atomic_load_explicit(&histogram->sum_us, memory_order_relaxed) + value, memory_order_relaxed);
}

static const char magic[8] = "muster\0";

static size_t round_to_page(size_t size)
{
	return (size + 4095) & ~(size_t)4095;
}

static void lay_out_rows(struct scoreboard *scoreboard, const struct config *config)
{
	unsigned row = ROW_WORKERS;

	for (size_t pool = 0; pool < config->pool_count; pool++) {
		for (int64_t slot = 0; slot < config->pools[pool].workers; slot++) {
			assert(row < SCOREBOARD_ROWS);
			scoreboard->rows[row++].place = (uint32_t)pool << 16 | (uint32_t)(slot + 1);
		}
		scoreboard->header->wanted[pool] = scoreboard->header->configured[pool] =
			(uint32_t)config->pools[pool].workers;
	}
	scoreboard->header->row_count = row;
}

/* Areas are holes, and cost addresses alone; where these are limited (RLIMIT_AS), a quarter of them may be ours, or as
 * many as the configured workers and as many again want. */
static unsigned room_for(const struct config *config)
{
	struct rlimit addresses;
	uint64_t wanted = ROW_WORKERS;

	for (size_t pool = 0; pool < config->pool_count; pool++)
		wanted += 2 * (uint64_t)config->pools[pool].workers;
	if (getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur == RLIM_INFINITY)
		return SCOREBOARD_ROWS;
	uint64_t fit = addresses.rlim_cur / 4 / sizeof(struct scoreboard_area);
	uint64_t room = fit > wanted ? fit : wanted;
	return room < SCOREBOARD_ROWS ? (unsigned)room : SCOREBOARD_ROWS;
}

/* Maps the memory of a scoreboard; an empty one is made as large as `room` rows want. Returns 0 or a negative errno. */
static int map(struct scoreboard *ret_scoreboard, int fd, unsigned room)
{
	const size_t header = round_to_page(sizeof(struct scoreboard_header));
	const size_t rows = round_to_page(sizeof(struct scoreboard_row_words) * SCOREBOARD_ROWS);
	const size_t exits = round_to_page(sizeof(struct scoreboard_exits) * SCOREBOARD_ROWS);
	const size_t http = round_to_page(sizeof(struct scoreboard_http));
	const size_t front = header + rows + exits + http;
	const size_t area = sizeof(struct scoreboard_area);
	struct stat info;

	if (fstat(fd, &info) != 0)
		return -errno;
	const size_t size = info.st_size == 0 ? front + area * room : (size_t)info.st_size;
	if (size <= front || (size - front) % area != 0 || (size - front) / area > SCOREBOARD_ROWS)
		return -EPROTO;
	if (info.st_size == 0 && ftruncate(fd, (off_t)size) != 0)
		return -errno;
	char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	(void)madvise(base, size, MADV_DONTDUMP); /* a core file is about the process, not about a GiB of holes */
	*ret_scoreboard = (struct scoreboard){
		.fd = fd,
		.size = size,
		.room = (unsigned)((size - front) / area),
		.header = (struct scoreboard_header *)base,
		.rows = (struct scoreboard_row_words *)(base + header),
		.exits = (struct scoreboard_exits *)(base + header + rows),
		.http = (struct scoreboard_http *)(base + header + rows + exits),
		.areas = base + header + rows + exits + http,
	};
	return 0;
}

int scoreboard_create(struct scoreboard *ret_scoreboard, const struct config *config, struct error *error)
{
	int fd = memfd_create(SCOREBOARD_MEMFD, MFD_CLOEXEC);
	int status = fd < 0 ? -errno : map(ret_scoreboard, fd, room_for(config));

	if (status < 0) {
		if (fd >= 0)
			(void)close(fd);
		return error_set(error, status, "cannot create the scoreboard (sparse memory): %s", strerror(-status));
	}
	memcpy(ret_scoreboard->header->magic, magic, sizeof magic);
	ret_scoreboard->header->layout = SCOREBOARD_LAYOUT;
	ret_scoreboard->header->size_mib = (uint32_t)(ret_scoreboard->size >> 20);
	ret_scoreboard->header->started_ms = clock_wall_ms();
	ret_scoreboard->header->started_mono_ns = clock_mono_ns();
	ret_scoreboard->header->guardian = getpid();
	lay_out_rows(ret_scoreboard, config);
	return 0;
}

int scoreboard_open(struct scoreboard *ret_scoreboard, int fd, struct error *error)
{
	char start[offsetof(struct scoreboard_header, size_mib)]; /* read before anything is taken for granted */
	uint32_t layout = 0;

	if (pread(fd, start, sizeof start, 0) != (ssize_t)sizeof start || memcmp(start, magic, sizeof magic) != 0)
		return error_set(error, -EINVAL, "what was handed over is no scoreboard");
	memcpy(&layout, start + offsetof(struct scoreboard_header, layout), sizeof layout);
	int status = layout == SCOREBOARD_LAYOUT ? map(ret_scoreboard, fd, 0) : -EPROTO;
	if (status == -EPROTO)
		return error_set(error, status, "the scoreboard has layout %u, and this is layout %d", layout,
			SCOREBOARD_LAYOUT);
	return status < 0 ? error_set(error, status, "cannot map the scoreboard: %s", strerror(-status)) : 0;
}

void scoreboard_close(struct scoreboard *scoreboard)
{
	(void)munmap(scoreboard->header, scoreboard->size);
	(void)close(scoreboard->fd);
	*scoreboard = (struct scoreboard){.fd = -1};
}

struct scoreboard_area *scoreboard_area(const struct scoreboard *scoreboard, unsigned row)
{
	assert(row < scoreboard->room);
	return (struct scoreboard_area *)(scoreboard->areas + sizeof(struct scoreboard_area) * row);
}

int scoreboard_protect(const struct scoreboard *scoreboard, unsigned row)
{
	char *base = (char *)scoreboard->header;
	char *area = (char *)scoreboard_area(scoreboard, row);
	char *behind = area + sizeof(struct scoreboard_area);

	if (mprotect(base, (size_t)(area - base), PROT_READ) != 0)
		return -errno;
	if (mprotect(behind, scoreboard->size - (size_t)(behind - base), PROT_READ) != 0)
		return -errno;
	return 0;
}

enum scoreboard_life scoreboard_life(
	const struct scoreboard *scoreboard, unsigned row, uint32_t *ret_incarnation, pid_t *ret_pid)
{
	const struct scoreboard_row_words *words = &scoreboard->rows[row];
	uint64_t obituary = words->obituary.who;
	uint64_t who = words->who;

	if (ret_incarnation)
		*ret_incarnation = scoreboard_high(who);
	if (ret_pid)
		*ret_pid = (pid_t)scoreboard_low(who);
	if (who == 0)
		return LIFE_NEVER;
	if (obituary == who)
		return LIFE_DEAD;
	return scoreboard_low(who) == 0 ? LIFE_STARTING : LIFE_ALIVE;
}

int scoreboard_find(const struct scoreboard *scoreboard, int pool, int slot)
{
	uint32_t place = (uint32_t)pool << 16 | (uint32_t)(slot + 1);

	if (pool < 0 || slot < 0 || slot >= SCOREBOARD_ROWS)
		return -1;
	for (unsigned row = ROW_WORKERS; row < scoreboard->header->row_count; row++)
		if (scoreboard->rows[row].place == place)
			return (int)row;
	return -1;
}

static bool read_text(const struct scoreboard_current *text, struct scoreboard_current *ret_current)
{
	for (int tries = 0; tries < 100; tries++) {
		uint32_t before = text->sequence;
		if (before % 2 != 0)
			continue;
		memcpy(ret_current, (const void *)text, sizeof *ret_current);
		atomic_thread_fence(memory_order_acquire);
		if (text->sequence == before)
			return ret_current->started_ms != 0;
	}
	return false;
}

/* How many positions there are to look at. */
static unsigned position_count(const struct scoreboard_area *area)
{
	const unsigned n = area->outbox.n;

	if (!area->runs_several)
		return 1;
	return n < SCOREBOARD_BATCH ? n : SCOREBOARD_BATCH;
}

static const struct scoreboard_current *text_at(const struct scoreboard_area *area, unsigned position)
{
	return area->runs_several ? &area->several[position] : &area->current;
}

bool scoreboard_read_position(
	const struct scoreboard_area *area, unsigned position, struct scoreboard_current *ret_current)
{
	return position < position_count(area) && read_text(text_at(area, position), ret_current);
}

bool scoreboard_read_current(const struct scoreboard_area *area, struct scoreboard_current *ret_current)
{
	const struct scoreboard_current *first = NULL;

	if (!area->runs_several)
		return read_text(&area->current, ret_current);
	for (unsigned i = 0; i < position_count(area); i++) {
		const struct scoreboard_current *text = &area->several[i];
		if (text->started_ms != 0 && (!first || text->started_mono_ns < first->started_mono_ns))
			first = text;
	}
	return first && read_text(first, ret_current);
}

bool scoreboard_find_current(const struct scoreboard_area *area, const char *id, struct scoreboard_current *ret_current)
{
	for (unsigned i = 0; i < position_count(area); i++) {
		const struct scoreboard_current *text = text_at(area, i);
		if (strncmp(text->id, id, sizeof text->id) == 0 && read_text(text, ret_current) &&
			strncmp(ret_current->id, id, sizeof ret_current->id) == 0)
			return true;
	}
	return false;
}

bool scoreboard_read_exit(
	const struct scoreboard *scoreboard, unsigned row, uint32_t incarnation, struct scoreboard_exit *ret_exit)
{
	if (incarnation == 0) {
		enum scoreboard_life life = scoreboard_life(scoreboard, row, &incarnation, NULL);
		if (life == LIFE_NEVER)
			return false;
		/* The dead one itself once its exit is understood, else the one before. */
		if (life == LIFE_DEAD && scoreboard_read_exit(scoreboard, row, incarnation, ret_exit))
			return true;
		if (--incarnation == 0)
			return false;
	}
	const struct scoreboard_exit *entry = &scoreboard->exits[row].last[incarnation % SCOREBOARD_EXITS];
	if (entry->incarnation != incarnation)
		return false;
	memcpy(ret_exit, (const void *)entry, sizeof *ret_exit);
	atomic_thread_fence(memory_order_acquire);
	return entry->incarnation == incarnation;
}

bool scoreboard_is_damaged(const struct scoreboard *scoreboard, unsigned row)
{
	return scoreboard_area(scoreboard, row)->incarnation != scoreboard_high(scoreboard->rows[row].who);
}

unsigned scoreboard_read_recent(const struct scoreboard *scoreboard, unsigned row, uint32_t incarnation,
	struct scoreboard_flight ret_flight[SCOREBOARD_FLIGHT])
{
	const struct scoreboard_exits *exits = &scoreboard->exits[row];

	if (exits->recent_of != incarnation)
		return 0;
	const uint32_t count = exits->recent_count;
	memcpy(ret_flight, exits->recent, sizeof exits->recent);
	atomic_thread_fence(memory_order_acquire);
	return exits->recent_of == incarnation ? count : 0;
}

bool scoreboard_is_understood(const struct scoreboard *scoreboard, unsigned row)
{
	uint32_t incarnation;

	return scoreboard_life(scoreboard, row, &incarnation, NULL) == LIFE_DEAD &&
	       scoreboard->exits[row].last[incarnation % SCOREBOARD_EXITS].incarnation == incarnation;
}

bool scoreboard_is_parked(const struct scoreboard *scoreboard, unsigned row)
{
	struct scoreboard_exit exit;

	return scoreboard_is_understood(scoreboard, row) && scoreboard_read_exit(scoreboard, row, 0, &exit) &&
	       exit.parked != 0;
}

bool scoreboard_order_stands(uint64_t order, const struct scoreboard_area *area)
{
	if (!scoreboard_order_names(order, area->serial))
		return false;
	if (area->in_task)
		return true;
	for (unsigned i = 0; i < area->outbox.n && i < SCOREBOARD_BATCH; i++)
		if (area->outbox.claim[i] == CLAIM_ABORTED)
			return true;
	return false;
}

uint64_t scoreboard_restarts(const struct scoreboard *scoreboard, unsigned row)
{
	uint32_t incarnation;

	/* An incarnation number is used up only by a process that was made: the number counts them. */
	scoreboard_life(scoreboard, row, &incarnation, NULL);
	return incarnation > 1 ? incarnation - 1 : 0;
}

const char *scoreboard_reason_name(enum scoreboard_reason reason)
{
	static const char *const names[REASON_COUNT] = {"exit", "signal", "timeout", "memory", "order", "recycled"};

	assert(reason < REASON_COUNT);
	return names[reason];
}

const char *scoreboard_row_name(unsigned row)
{
	static const char *const names[ROW_WORKERS] = {"supervisor", "broker", "api", "scheduler"};

	assert(row < ROW_WORKERS);
	return names[row];
}
