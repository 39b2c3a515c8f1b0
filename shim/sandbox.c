#include "shim/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/sys.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#define SOCKET_TYPE_MASK                                                                           \
	0xf /* without SOCK_NONBLOCK and SOCK_CLOEXEC; as the kernel's SOCK_TYPE_MASK */

struct rule {
	int nr;
	unsigned arg_count;
	struct scmp_arg_cmp args[2];
};

#define ARG_EQ(n, value)                                                                           \
	{                                                                                          \
		(n), SCMP_CMP_EQ, (scmp_datum_t)(value), 0                                         \
	}
#define ARG_MASK(n, mask, value)                                                                   \
	{                                                                                          \
		(n), SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value)               \
	}
#define ARGS_COUNT(...)                                                                            \
	(sizeof((struct scmp_arg_cmp[]){ __VA_ARGS__ }) / sizeof(struct scmp_arg_cmp))
#define SYS(name) { SCMP_SYS(name), 0, { { 0 } } },
#define SYS_WHEN(name, ...) { SCMP_SYS(name), ARGS_COUNT(__VA_ARGS__), { __VA_ARGS__ } },

#ifdef SIDEKEY_SANITIZE
#define SANITIZE_LIST "broker/proc/seccomp/sanitize.list"
#else
#define SANITIZE_LIST "broker/proc/seccomp/none.list"
#endif

static const struct rule rules[] = {
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

static void
filter_freep(scmp_filter_ctx *ctx)
{
	if (*ctx != NULL)
		seccomp_release(*ctx);
}

static enum err
add_rules(scmp_filter_ctx ctx)
{
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		return ERR_SYS;
	(void)seccomp_attr_set(
	    ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a line; only speed */
	for (size_t i = 0; i < COUNT(rules); i++) {
		int rc = seccomp_rule_add_array(
		    ctx, SCMP_ACT_ALLOW, rules[i].nr, rules[i].arg_count, rules[i].args);

		/* -EEXIST: a wider line is there; -EDOM: no such call on this architecture */
		if (rc != 0 && rc != -EEXIST && rc != -EDOM)
			return ERR_SYS;
	}
	return ERR_OK;
}

enum err
shim_sandbox_prepare(struct buf *ret_filter)
{
	AUTO(filter_freep) scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	AUTO(sys_closep) int fd = sys_memfd("filter"); /* the library writes to descriptors only */
	ssize_t len;
	enum err e;

	if (ctx == NULL || fd < 0)
		return ERR_NOMEM;
	e = add_rules(ctx);
	if (e == ERR_OK)
		e = buf_reserve(ret_filter, SHIM_FILTER_MAX);
	if (e != ERR_OK)
		return e;
	if (seccomp_export_bpf(ctx, fd) != 0)
		return ERR_SYS;
	len = pread(fd, buf_tail(ret_filter), SHIM_FILTER_MAX, 0);
	if (len <= 0 || len == SHIM_FILTER_MAX || (size_t)len % sizeof(struct sock_filter) != 0)
		return ERR_SYS;
	buf_added(ret_filter, (size_t)len);
	return ERR_OK;
}

enum err
shim_sandbox_enter(const struct buf *filter)
{
	struct sigaction sa = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	struct sock_fprog program = {
		.len = (unsigned short)(filter->len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(void *)filter->data,
	};

	if (program.len == 0 || sigaction(SIGSYS, &sa, NULL) != 0)
		return ERR_SYS;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? ERR_OK : ERR_SYS;
}
