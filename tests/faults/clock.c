/* clock: loaded before everything else (LD_PRELOAD), it gives a process a wall clock that a test can set: MUSTER_CLOCK names
 * a file whose first eight bytes are by how many seconds the clock is wrong, looked at each time. Monotonic clocks stay. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static const volatile int64_t *wrong; /* NULL: not at all */

static __attribute__((constructor)) void open_clock(void)
{
	const char *path = getenv("MUSTER_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return;
	void *page = mmap(NULL, sizeof *wrong, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (page != MAP_FAILED)
		wrong = page;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	long status = syscall(SYS_clock_gettime, clock, ret_now);

	if (status == 0 && wrong && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		ret_now->tv_sec += *wrong;
	return (int)status;
}

EXPORT int gettimeofday(struct timeval *restrict ret_now, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	*ret_now = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

EXPORT time_t time(time_t *ret_now)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	if (ret_now)
		*ret_now = now.tv_sec;
	return now.tv_sec;
}
