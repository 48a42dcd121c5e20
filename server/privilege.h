/* privilege: from root to the configured user, once, for everything below the guardian. */
#ifndef MUSTER_SERVER_PRIVILEGE_H
#define MUSTER_SERVER_PRIVILEGE_H

#include "core/error.h"

#include <sys/types.h>

struct privilege {
	uid_t uid;
	gid_t gid;
	char name[64];
};

/* Looks up whom `user` names (NULL: who we are). Returns 0 or a negative errno. */
int privilege_find(const char *user, struct privilege *ret_privilege, struct error *error);

/* Becomes that user for good: groups, gid, uid; /proc/self stays readable. Nothing happens when we are that user. */
int privilege_drop(const struct privilege *privilege, struct error *error);

#endif
