#include "core/control.h"

#include <errno.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct control_request) == 16, "a request has no padding");

int control_send(int fd, const struct control_request *request)
{
	if (send(fd, request, sizeof *request, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

int control_receive(int fd, struct control_request *ret_request)
{
	struct control_request request;
	/* MSG_TRUNC: the length that was sent. Descriptors sent along find no room and are closed by the kernel. */
	ssize_t length = recv(fd, &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
	if (length < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (length != sizeof request || request.verb < CONTROL_RESTART || request.verb >= CONTROL_VERBS)
		return -EBADMSG;
	*ret_request = request;
	return 1;
}
