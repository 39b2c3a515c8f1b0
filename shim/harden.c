#include "shim/harden.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/sys.h"

enum err
shim_harden_signals(struct shim_inherited *ret_in)
{
	/* SIGPIPE among them: blocked, the kernel would queue it although it is ignored, and a
	 * write of ours to a peer that is gone would be passed on to the child. */
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS,
		SIGPIPE };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, standard = { .sa_handler = SIG_DFL };
	sigset_t all;

	(void)sigfillset(&all);
	for (size_t i = 0; i < COUNT(faults); i++)
		(void)sigdelset(&all, faults[i]);
	if (sigprocmask(SIG_SETMASK, &all, &ret_in->mask) != 0 ||
	    sigaction(SIGPIPE, &ignore, &ret_in->pipe) != 0 ||
	    sigaction(SIGCHLD, &standard, NULL) != 0)
		return ERR_SYS;
	return ERR_OK;
}

/* The lowest free number is what open() gives: 0 to 2 in this order. */
static enum err
open_stdio(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		int got;

		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		got = sys_open("/dev/null", O_RDWR, 0);
		if (got < 0) /* an empty image has none */
			got = sys_memfd("null");
		if (got != fd || fcntl(fd, F_SETFD, 0) != 0)
			return ERR_SYS;
	}
	return ERR_OK;
}

enum err
shim_harden_self(struct shim_inherited *ret_in)
{
	struct rlimit none = { 0, 0 }, most;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return ERR_SYS;
	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return ERR_SYS;
	if (close_range(3, ~0u, 0) != 0 || open_stdio() != ERR_OK)
		return ERR_SYS;
	if (getrlimit(RLIMIT_NOFILE, &ret_in->nofile) != 0)
		return ERR_SYS;
	most = ret_in->nofile;
	most.rlim_cur = most.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &most) == 0 ? ERR_OK : ERR_SYS;
}

void
shim_harden_undo(const struct shim_inherited *in)
{
	(void)setrlimit(RLIMIT_NOFILE, &in->nofile);
	(void)sigaction(SIGPIPE, &in->pipe, NULL);
	(void)sigprocmask(SIG_SETMASK, &in->mask, NULL);
}
