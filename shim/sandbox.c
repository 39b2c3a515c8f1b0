#include "shim/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/proc/filter.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const struct filter_rule rules[] = {
#include "shim/seccomp.list"
#include SANITIZE_LIST
};

/* Async-signal-safe: write(2) and _exit(2) only. */
static void
on_trap(int signo, siginfo_t *info, void *context)
{
	char line[] = "sidekey-shim: fatal: forbidden system call ....\n";
	int nr = info->si_syscall;

	(void)signo, (void)context;
	for (size_t at = sizeof line - 3, n = 0; n < 4; n++, at--, nr /= 10)
		line[at] = (char)('0' + nr % 10);
	if (write(STDERR_FILENO, line, sizeof line - 1) < 0)
		_exit(SHIM_TRAP_STATUS); /* nobody to tell */
	_exit(SHIM_TRAP_STATUS);
}

enum err
shim_sandbox_prepare(struct buf *ret_filter)
{
	return filter_build(rules, COUNT(rules), ret_filter);
}

enum err
shim_sandbox_enter(const struct buf *filter)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	return sigaction(SIGSYS, &sa, NULL) == 0 ? filter_enter(filter) : ERR_SYS;
}
