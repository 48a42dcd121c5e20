/* latency: how long from the moment before a submission is sent until its handler starts.
 *
 *     latency list SOCKET KEY COUNT STAMPS      LPUSH over a unix socket, as foreign producers do
 *     latency http ADDRESS:PORT COUNT STAMPS    POST /v1/tasks over one keep-alive connection
 *
 * Submits Bench.start(STAMPS) one at a time to an idle service. The handler appends its CLOCK_MONOTONIC nanoseconds to
 * STAMPS, as many lines as there were submissions. Prints one duration in nanoseconds a line. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "latency: %s: %s\n", what, strerror(errno));
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
	struct timespec pause = {0, us * 1000};
	nanosleep(&pause, NULL);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(path);
	return fd;
}

static int connect_tcp(const char *target)
{
	char host[64];
	const char *colon = strrchr(target, ':');
	if (colon == NULL || (size_t)(colon - target) >= sizeof(host))
		die(target);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - target), target);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
	inet_pton(AF_INET, host, &address.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(target);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Sends a request; the answer is read up to `end` so that the connection can be used again. */
static void exchange(int fd, const char *request, const char *end, const char *wanted)
{
	char answer[65536];
	size_t have = 0, length = strlen(request);
	if (write(fd, request, length) != (ssize_t)length)
		die("write");
	do {
		ssize_t got = read(fd, answer + have, sizeof(answer) - 1 - have);
		if (got <= 0)
			die("the server hung up");
		have += (size_t)got;
		answer[have] = '\0';
	} while (strstr(answer, end) == NULL);
	if (strncmp(answer, wanted, strlen(wanted)) != 0) {
		fprintf(stderr, "latency: unexpected answer: %s\n", answer);
		exit(1);
	}
}

/* Waits until the file has grown by one line and returns its number. */
static int64_t next_stamp(int fd, off_t *position)
{
	char line[64];
	for (int64_t deadline = now_ns() + 10000000000; now_ns() < deadline; nap_us(300)) {
		ssize_t got = pread(fd, line, sizeof(line) - 1, *position);
		if (got <= 0 || memchr(line, '\n', (size_t)got) == NULL)
			continue;
		line[got] = '\0';
		*position += (off_t)(strchr(line, '\n') - line) + 1;
		return strtoll(line, NULL, 10);
	}
	errno = ETIMEDOUT;
	die("no task started");
	return -1;
}

int main(int argc, char **argv)
{
	bool list = argc == 6 && strcmp(argv[1], "list") == 0;
	if (!list && !(argc == 5 && strcmp(argv[1], "http") == 0)) {
		fprintf(stderr,
			"usage: latency list SOCKET KEY COUNT STAMPS | latency http ADDRESS:PORT COUNT STAMPS\n");
		return 64;
	}
	const char *stamps = argv[argc - 1];
	long count = strtol(argv[argc - 2], NULL, 10);
	int fd = list ? connect_unix(argv[2]) : connect_tcp(argv[2]);
	int file = open(stamps, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		die(stamps);
	char document[1024], request[4096];
	int size = snprintf(
		document, sizeof(document), "{\"class\":\"Bench\",\"method\":\"start\",\"param\":[\"%s\"]}", stamps);
	if (list)
		snprintf(request, sizeof(request), "*3\r\n$5\r\nLPUSH\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n", strlen(argv[3]),
			argv[3], size, document);
	else
		snprintf(request, sizeof(request),
			"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
			"application/json\r\nContent-Length: %d\r\n\r\n%s",
			size, document);
	off_t position = lseek(file, 0, SEEK_END);
	for (long n = 0; n < count; n++) {
		nap_us(1000 + n * 7919 % 3000); /* idle again, at no regular beat */
		int64_t sent = now_ns();
		exchange(fd, request, list ? "\r\n" : "}", list ? ":" : "HTTP/1.1 201");
		printf("%lld\n", (long long)(next_stamp(file, &position) - sent));
	}
	return 0;
}
