#include "core/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int ends[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_pair(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void requests_arrive_in_order(void **state)
{
	(void)state;
	struct control_request restart = {CONTROL_RESTART, 7, 3, 0}, cancel = {CONTROL_CANCEL, 4095, 9, 0xffffffff};
	assert_int_equal(control_send(ends[1], &restart), 0);
	assert_int_equal(control_send(ends[1], &cancel), 0);
	struct control_request request;
	assert_int_equal(control_receive(ends[0], &request), 1);
	assert_memory_equal(&request, &restart, sizeof request);
	assert_int_equal(control_receive(ends[0], &request), 1);
	assert_memory_equal(&request, &cancel, sizeof request);
	assert_int_equal(control_receive(ends[0], &request), 0);
	assert_memory_equal(&request, &cancel, sizeof request); /* untouched */
}

static void rubbish_is_recognised(void **state)
{
	(void)state;
	char bytes[100] = {CONTROL_RESTART};
	static const size_t lengths[] = {
		0, 1, sizeof(struct control_request) - 1, sizeof(struct control_request) + 1, 100};
	struct control_request request = {77, 77, 77, 77};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		assert_int_equal(send(ends[1], bytes, lengths[i], 0), lengths[i]);
		assert_int_equal(control_receive(ends[0], &request), -EBADMSG);
	}
	static const uint32_t verbs[] = {0, CONTROL_VERBS, 0xffffffff};
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		struct control_request wrong = {verbs[i], 1, 1, 1};
		assert_int_equal(control_send(ends[1], &wrong), 0);
		assert_int_equal(control_receive(ends[0], &request), -EBADMSG);
	}
	assert_int_equal(request.verb, 77);
	assert_int_equal(control_receive(ends[0], &request), 0); /* rubbish is gone, one message at a time */
}

static void descriptors_sent_along_are_not_kept(void **state)
{
	(void)state;
	struct control_request sent = {CONTROL_RESTART, 1, 1, 0}, request;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec part = {&sent, sizeof sent};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	int given = STDIN_FILENO;
	memcpy(CMSG_DATA(header), &given, sizeof given);
	int free_before = dup(STDERR_FILENO);
	close(free_before);
	assert_int_equal(sendmsg(ends[1], &message, 0), sizeof sent);
	assert_int_equal(control_receive(ends[0], &request), 1);
	int free_after = dup(STDERR_FILENO);
	close(free_after);
	assert_int_equal(free_before, free_after);
}

static void sending_never_waits(void **state)
{
	(void)state;
	struct control_request request = {CONTROL_RESTART, 1, 1, 0};
	int sent = 0, received = 0, status;
	while ((status = control_send(ends[1], &request)) == 0)
		sent++;
	assert_int_equal(status, -EAGAIN);
	assert_true(sent > 8);
	while ((status = control_receive(ends[0], &request)) == 1)
		received++;
	assert_int_equal(status, 0);
	assert_int_equal(received, sent);
	assert_int_equal(control_send(ends[1], &request), 0);
}

static void broken_pair_is_an_error_and_no_signal(void **state)
{
	(void)state;
	struct control_request request = {CONTROL_RESTART, 1, 1, 0};
	assert_int_equal(control_receive(-1, &request), -EBADF);
	close(ends[0]);
	assert_int_equal(control_send(ends[1], &request), -EPIPE);
	assert_int_equal(control_receive(ends[1], &request), -EBADMSG);
	ends[0] = dup(ends[1]); /* something for close_pair */
}

#define ON_PAIR(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PAIR(requests_arrive_in_order),
		ON_PAIR(rubbish_is_recognised),
		ON_PAIR(descriptors_sent_along_are_not_kept),
		ON_PAIR(sending_never_waits),
		ON_PAIR(broken_pair_is_an_error_and_no_signal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
