/* What api or scheduler, taken over by somebody, may say to the supervisor. The first byte is the length of the first
 * message, and so on. */
#include "tests/fuzz/fuzz.h"

#include "core/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	(void)count;
	(void)arguments;
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	return 0;
}

static void say(const uint8_t *message, size_t length)
{
	struct control_request request = {.verb = 77}, sent;
	bool fits = length == sizeof sent;

	assert(send(ends[1], message, length, MSG_DONTWAIT) == (ssize_t)length);
	if (fits)
		memcpy(&sent, message, length);
	fits = fits && sent.verb >= CONTROL_RESTART && sent.verb < CONTROL_VERBS;
	int status = control_receive(ends[0], &request);
	assert(status == (fits ? 1 : -EBADMSG));
	assert(fits ? memcmp(&request, &sent, sizeof sent) == 0 : request.verb == 77);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request request;

	while (size > 0) {
		size_t length = fuzz_byte(&data, &size);

		if (length > size)
			length = size;
		say(data, length);
		data += length;
		size -= length;
	}
	assert(control_receive(ends[0], &request) == 0);
	return 0;
}
