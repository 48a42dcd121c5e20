#include "server/title.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *room; /* the memory that the kernel shows as the command line */
static size_t room_size;

/* argv and environ lie one behind the other; what is contiguous with argv[0] is room. */
static char *end_of_room(int argc, char **argv)
{
	char *end = argv[0];

	for (int i = 0; i < argc; i++)
		if (argv[i] == end)
			end = argv[i] + strlen(argv[i]) + 1;
	for (char **variable = environ; *variable; variable++)
		if (*variable == end)
			end = *variable + strlen(*variable) + 1;
	return end;
}

void title_init(int argc, char **argv)
{
	size_t count = 0;

	if (argc == 0)
		return;
	while (environ[count])
		count++;
	/* Kept for good, whole or in part: it is the environment from now on. */
	static char **copy;
	copy = calloc(count + 1, sizeof *copy);
	if (!copy)
		return;
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(environ[i]);
		if (!copy[i])
			return;
	}
	room_size = (size_t)(end_of_room(argc, argv) - argv[0]);
	room = argv[0];
	environ = copy;
}

void title_set(const char *title)
{
	size_t length = strlen(title);

	if (!room || room_size == 0)
		return;
	if (length > room_size - 1)
		length = room_size - 1;
	memset(room, 0, room_size);
	memcpy(room, title, length);
	(void)prctl(PR_SET_NAME, "muster");
}
