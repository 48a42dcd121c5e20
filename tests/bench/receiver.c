/* receiver: whom webhooks are delivered to. `receiver MS` listens on a free port, says which, answers every request with 200
 * that many milliseconds after it came, and counts them: at the end of its stdin it prints how many there were, and how many
 * connections. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS = 4096, REQUEST_MAX = 8192, EVENTS = 256 };

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static struct {
	size_t length;
	char bytes[REQUEST_MAX + 1];
} requests[FDS];

static struct { /* what is to be answered, in the order in which it is due */
	int fd;
	int64_t due_ns;
} due[FDS];
static size_t first, count;
static long served, connections;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void add(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		die("epoll_ctl");
}

static int listen_somewhere(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		die("listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (fd >= FDS)
			die("too many connections");
		requests[fd].length = 0;
		connections++;
		add(epoll, fd);
	}
}

/* Whether a whole request is there. */
static int is_whole(int fd)
{
	const char *bytes = requests[fd].bytes, *end, *line;

	requests[fd].bytes[requests[fd].length] = '\0';
	end = strstr(bytes, "\r\n\r\n");
	if (!end)
		return 0;
	line = strcasestr(bytes, "\r\nContent-Length:");
	const size_t body = line && line < end ? strtoul(line + strlen("\r\nContent-Length:"), NULL, 10) : 0;
	return requests[fd].length >= (size_t)(end + 4 - bytes) + body;
}

static void read_request(int fd, int64_t delay_ns)
{
	ssize_t got = read(fd, requests[fd].bytes + requests[fd].length, REQUEST_MAX - requests[fd].length);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		close(fd);
		return;
	}
	requests[fd].length += (size_t)got;
	if (!is_whole(fd))
		return;
	requests[fd].length = 0;
	due[(first + count) % FDS].fd = fd;
	due[(first + count++) % FDS].due_ns = now_ns() + delay_ns;
}

/* Returns how many milliseconds until the next one; -1: there is none. */
static int answer_due(void)
{
	const int64_t now = now_ns();

	for (; count > 0 && due[first].due_ns <= now; count--, served++) {
		if (write(due[first].fd, answer, sizeof answer - 1) < 0)
			perror("write");
		first = (first + 1) % FDS;
	}
	return count > 0 ? (int)((due[first].due_ns - now + 999999) / 1000000) : -1;
}

int main(int argc, char **argv)
{
	const int64_t delay_ns = (argc > 1 ? strtol(argv[1], NULL, 10) : 100) * INT64_C(1000000);
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_somewhere();

	add(epoll, listener);
	add(epoll, STDIN_FILENO);
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENTS, answer_due());
		for (int i = 0; i < ready; i++) {
			if (events[i].data.fd == STDIN_FILENO) {
				printf("%ld %ld\n", served, connections);
				return 0;
			}
			if (events[i].data.fd == listener)
				accept_all(epoll, listener);
			else
				read_request(events[i].data.fd, delay_ns);
		}
	}
}
