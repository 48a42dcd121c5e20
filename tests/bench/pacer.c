/* pacer: requests at a steady rate, whatever becomes of those before: a slow answer makes the next ones late, and that counts.
 *
 *     pacer ADDRESS:PORT CONNECTIONS RATE SECONDS REQUEST
 *     pacer hold ADDRESS:PORT CONNECTIONS REQUEST
 *
 * REQUEST is a file with one whole HTTP request. The first form sends it RATE times a second in all, over keep-alive connections
 * with one request each at a time, and prints for each answer the nanoseconds since the moment when it was due to be sent; exit 1
 * when one is no 2xx, or cut. The second opens the connections, sends one request over each, prints "held" when each has
 * answered with a head, reads and throws away what comes, and ends when its stdin does. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 16384, HEAD_MAX = 16384, BURST = 64 };

struct connection {
	int fd;
	bool busy;
	int64_t due_ns;
	size_t got;
	char *text; /* of the answer, as far as it has come */
};

static struct connection connections[CONNECTIONS_MAX];
static struct connection *idle[CONNECTIONS_MAX];
static int connection_count, idle_count;
static char request[65536];
static size_t request_length;

static void die(const char *what)
{
	fprintf(stderr, "pacer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void read_request(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, request, sizeof request);
	if (length <= 0)
		die(path);
	request_length = (size_t)length;
	close(fd);
}

static int connect_to(const char *target)
{
	char host[64];
	const char *colon = strrchr(target, ':');
	int one = 1;
	if (colon == NULL || (size_t)(colon - target) >= sizeof host)
		die(target);
	snprintf(host, sizeof host, "%.*s", (int)(colon - target), target);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
	inet_pton(AF_INET, host, &address.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		die(target);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

static int open_all(const char *target, const char *count)
{
	struct rlimit limit;
	int poller = epoll_create1(EPOLL_CLOEXEC);
	char *end;
	const long wanted = strtol(count, &end, 10);

	if (poller < 0 || *end != '\0' || wanted < 1 || wanted > CONNECTIONS_MAX)
		die("connections");
	connection_count = (int)wanted;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < connection_count; i++) {
		struct connection *one = &connections[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = one};
		one->fd = connect_to(target);
		one->text = malloc(HEAD_MAX);
		if (one->text == NULL || epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &event) != 0)
			die("a connection");
		idle[idle_count++] = one;
	}
	return poller;
}

static void send_request(struct connection *one, int64_t due_ns)
{
	one->busy = true;
	one->got = 0;
	one->due_ns = due_ns;
	if (send(one->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
		die("send");
}

/* Whether the answer is complete: its head, and as many bytes as its Content-Length says. */
static bool is_complete(const struct connection *one)
{
	char *end = memmem(one->text, one->got, "\r\n\r\n", 4);
	if (end == NULL)
		return false;
	if (strncmp(one->text, "HTTP/1.1 2", 10) != 0) {
		fprintf(stderr, "pacer: %.12s\n", one->text);
		exit(1);
	}
	one->text[one->got] = '\0';
	const char *length = strcasestr(one->text, "\r\nContent-Length:");
	return length != NULL && one->got >= (size_t)(end + 4 - one->text) + strtoul(length + 17, NULL, 10);
}

static void receive(struct connection *one)
{
	ssize_t length = recv(one->fd, one->text + one->got, HEAD_MAX - 1 - one->got, MSG_DONTWAIT);
	if (length <= 0)
		die("an answer was cut");
	one->got += (size_t)length;
	if (!is_complete(one))
		return;
	printf("%lld\n", (long long)(now_ns() - one->due_ns));
	one->busy = false;
	idle[idle_count++] = one;
}

static void await(int poller, int64_t until_ns)
{
	struct epoll_event events[BURST];
	struct timespec left = {0};
	int64_t ns = until_ns - now_ns();
	if (ns > 0)
		left = (struct timespec){ns / 1000000000, ns % 1000000000};
	int count = epoll_pwait2(poller, events, BURST, &left, NULL);
	for (int i = 0; i < count; i++)
		receive(events[i].data.ptr);
}

static void pace(int poller, double rate, double seconds)
{
	const int64_t began = now_ns();
	const int64_t total = (int64_t)(rate * seconds);
	for (int64_t sent = 0; sent < total;) {
		int64_t due = began + (int64_t)((double)sent * 1e9 / rate);
		if (idle_count > 0 && now_ns() >= due) {
			send_request(idle[--idle_count], due);
			sent++;
			continue;
		}
		await(poller, idle_count > 0 ? due : now_ns() + 1000000000);
	}
	while (idle_count < connection_count)
		await(poller, now_ns() + 1000000000);
}

/* Of an event stream the head is all that comes for a while. */
static void hold(int poller)
{
	struct epoll_event events[BURST], input = {.events = EPOLLIN, .data.ptr = NULL};
	int answered = 0;
	for (int i = 0; i < connection_count; i++)
		send_request(&connections[i], 0);
	epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &input);
	for (;;) {
		int count = epoll_wait(poller, events, BURST, -1);
		for (int i = 0; i < count; i++) {
			struct connection *one = events[i].data.ptr;
			if (one == NULL)
				return;
			if (recv(one->fd, one->text, HEAD_MAX, MSG_DONTWAIT) <= 0)
				die("a held connection was cut");
			if (!one->busy)
				continue;
			one->busy = false;
			if (++answered == connection_count) {
				puts("held");
				fflush(stdout);
			}
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "hold") == 0) {
		read_request(argv[4]);
		hold(open_all(argv[2], argv[3]));
		return 0;
	}
	if (argc != 6) {
		fprintf(stderr, "pacer ADDRESS:PORT CONNECTIONS RATE SECONDS REQUEST | pacer hold ADDRESS:PORT "
				"CONNECTIONS REQUEST\n");
		return 64;
	}
	read_request(argv[5]);
	pace(open_all(argv[1], argv[2]), atof(argv[3]), atof(argv[4]));
	return 0;
}
