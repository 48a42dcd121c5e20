#include "server/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int privilege_find(const char *user, struct privilege *ret_privilege, struct error *error)
{
	errno = 0;
	const struct passwd *entry = user ? getpwnam(user) : getpwuid(geteuid());

	if (!entry && user)
		return error_set(error, -ENOENT, "user '%s' does not exist on this machine", user);
	*ret_privilege = (struct privilege){
		.uid = entry ? entry->pw_uid : geteuid(),
		.gid = entry ? entry->pw_gid : getegid(),
	};
	(void)snprintf(ret_privilege->name, sizeof ret_privilege->name, "%s", entry ? entry->pw_name : "-");
	return 0;
}

int privilege_drop(const struct privilege *privilege, struct error *error)
{
	if (privilege->uid == geteuid())
		return 0;
	if (initgroups(privilege->name, privilege->gid) != 0 ||
		setresgid(privilege->gid, privilege->gid, privilege->gid) != 0 ||
		setresuid(privilege->uid, privilege->uid, privilege->uid) != 0)
		return error_set(error, -errno, "cannot become user '%s': %s", privilege->name, strerror(errno));
	/* setuid made /proc/self root's: ours again, or no child could read its own limits and maps. */
	(void)prctl(PR_SET_DUMPABLE, 1);
	return 0;
}
