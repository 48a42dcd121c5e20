/* beans: the peer's drain. `beans PORT put COUNT DOCUMENT` fills beanstalkd; `beans PORT drain COUNT CLIENTS` empties it
 * with that many blocking clients (reserve, delete, one after the other) and prints the seconds it took. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int connect_port(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("beanstalkd");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void put(FILE *out, FILE *in, long count, const char *document)
{
	char line[256];
	for (long n = 0; n < count; n++) {
		fprintf(out, "put 0 0 60 %zu\r\n%s\r\n", strlen(document), document);
		if (n % 500 != 499 && n + 1 != count)
			continue;
		fflush(out);
		for (long answers = n % 500 + 1; answers > 0; answers--)
			if (fgets(line, sizeof(line), in) == NULL || strncmp(line, "INSERTED", 8) != 0)
				die("put");
	}
}

/* One blocking client: leaves when nothing is left. */
static void drain(int fd)
{
	char buffer[8192], command[64];
	FILE *in = fdopen(fd, "r");
	for (;;) {
		const char *reserve = "reserve-with-timeout 0\r\n";
		if (write(fd, reserve, strlen(reserve)) < 0)
			die("write");
		if (fgets(buffer, sizeof(buffer), in) == NULL)
			die("reserve");
		if (strncmp(buffer, "RESERVED", 8) != 0)
			return;
		char *rest;
		unsigned long id = strtoul(buffer + 9, &rest, 10);
		size_t size = strtoul(rest, NULL, 10) + 2;
		if (size > sizeof(buffer) || fread(buffer, 1, size, in) != size)
			die("body");
		int length = snprintf(command, sizeof(command), "delete %lu\r\n", id);
		if (write(fd, command, (size_t)length) != length || fgets(buffer, sizeof(buffer), in) == NULL ||
			strncmp(buffer, "DELETED", 7) != 0)
			die("delete");
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 64;
	if (strcmp(argv[2], "put") == 0) {
		int fd = connect_port(argv[1]);
		put(fdopen(fd, "w"), fdopen(dup(fd), "r"), strtol(argv[3], NULL, 10), argv[4]);
		return 0;
	}
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (long n = strtol(argv[4], NULL, 10); n > 0; n--) {
		if (fork() == 0) {
			drain(connect_port(argv[1]));
			_exit(0);
		}
	}
	int status;
	while (wait(&status) > 0)
		if (status != 0)
			return 1;
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.6f\n", (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
	return 0;
}
