/* rollcall: how soon after the SIGKILL of a process its replacement beats, read from the scoreboard itself.
 *
 *     rollcall GUARDIAN COUNT PAUSE_MS [ROW]
 *
 * Opens the scoreboard through /proc/GUARDIAN/fd, kills COUNT idle workers in turn (or COUNT times the process in ROW),
 * each by pidfd after a second look at its row, and prints for each the nanoseconds from the kill to its replacement's
 * first beat. */
#include "core/scoreboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "rollcall: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void nap_us(long us)
{
	struct timespec pause = {us / 1000000, us % 1000000 * 1000};
	nanosleep(&pause, NULL);
}

static size_t round_to_page(size_t size)
{
	return (size + 4095) & ~(size_t)4095;
}

static const char *map_scoreboard(const char *guardian)
{
	char path[64], link[320], target[128];
	snprintf(path, sizeof(path), "/proc/%s/fd", guardian);
	DIR *folder = opendir(path);
	if (folder == NULL)
		die(path);
	struct dirent *entry;
	while ((entry = readdir(folder)) != NULL) {
		snprintf(link, sizeof(link), "%s/%s", path, entry->d_name);
		ssize_t length = readlink(link, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		if (strstr(target, "memfd:muster-scoreboard") == NULL)
			continue;
		int fd = open(link, O_RDONLY | O_CLOEXEC);
		struct stat size;
		if (fd < 0 || fstat(fd, &size) != 0)
			die(link);
		const char *base = mmap(NULL, (size_t)size.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (base == MAP_FAILED)
			die("mmap");
		return base;
	}
	errno = ENOENT;
	die("scoreboard");
	return NULL;
}

struct board {
	const struct scoreboard_header *header;
	const struct scoreboard_row_words *rows;
	const char *areas;
};

static const struct scoreboard_area *area_of(const struct board *board, unsigned row)
{
	return (const struct scoreboard_area *)(const void *)(board->areas + sizeof(struct scoreboard_area) * row);
}

/* When the process in the row beat first; of the supervisor only its latest beat is known, and none is far apart. */
static int64_t beat_of(const struct board *board, unsigned row)
{
	return row < ROW_WORKERS ? area_of(board, row)->beat_at : area_of(board, row)->ready_at;
}

/* {incarnation, pid} of a process that is alive and beating, or 0. */
static uint64_t beating(const struct board *board, unsigned row)
{
	uint64_t who = board->rows[row].who;
	const struct scoreboard_area *area = area_of(board, row);
	if ((uint32_t)who == 0 || board->rows[row].obituary.who == who || area->incarnation != who >> 32 ||
		beat_of(board, row) == 0)
		return 0;
	return who;
}

static int64_t kill_and_wait(const struct board *board, unsigned row)
{
	uint64_t who = 0;
	for (int64_t deadline = now_ns() + 10000000000; who == 0 && now_ns() < deadline; nap_us(200))
		who = beating(board, row);
	int handle = who != 0 ? (int)syscall(SYS_pidfd_open, (pid_t)(uint32_t)who, 0) : -1;
	if (handle < 0 || beating(board, row) != who)
		die("the row has no steady process");
	int64_t killed = now_ns();
	if (syscall(SYS_pidfd_send_signal, handle, SIGKILL, NULL, 0) != 0)
		die("kill");
	close(handle);
	for (int64_t deadline = killed + 10000000000; now_ns() < deadline; nap_us(200)) {
		uint64_t next = beating(board, row);
		int64_t ready = beat_of(board, row);
		if (next != 0 && next != who && ready > killed && beating(board, row) == next)
			return ready - killed;
	}
	errno = ETIMEDOUT;
	die("no replacement");
	return -1;
}

int main(int argc, char **argv)
{
	if (argc != 4 && argc != 5)
		return 64;
	const char *base = map_scoreboard(argv[1]);
	size_t header = round_to_page(sizeof(struct scoreboard_header));
	size_t rows = round_to_page(sizeof(struct scoreboard_row_words) * SCOREBOARD_ROWS);
	size_t exits = round_to_page(sizeof(struct scoreboard_exits) * SCOREBOARD_ROWS);
	size_t http = round_to_page(sizeof(struct scoreboard_http));
	struct board board = {(const void *)base, (const void *)(base + header), base + header + rows + exits + http};
	if (memcmp(board.header->magic, "muster\0", 8) != 0 || board.header->layout != SCOREBOARD_LAYOUT)
		die("another layout");
	long count = strtol(argv[2], NULL, 10), pause_ms = strtol(argv[3], NULL, 10);
	unsigned workers = board.header->row_count - ROW_WORKERS;
	for (long n = 0; n < count; n++) {
		unsigned row = argc == 5 ? (unsigned)strtoul(argv[4], NULL, 10) : ROW_WORKERS + (unsigned)n % workers;
		printf("%lld\n", (long long)kill_and_wait(&board, row));
		nap_us(pause_ms * 1000);
	}
	return 0;
}
