#include "server/init.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reaps whoever is dead. Exits when that was the guardian. */
static void reap(pid_t guardian)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == guardian)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void init_fork(void)
{
	sigset_t all;
	pid_t guardian = fork();

	if (guardian < 0)
		_exit(EXIT_FAILURE);
	if (guardian == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;) {
		siginfo_t info;
		int number = sigwaitinfo(&all, &info);
		if (number == SIGCHLD)
			reap(guardian);
		else if (number > 0)
			(void)kill(guardian, number); /* our child, reaped by us alone */
	}
}
