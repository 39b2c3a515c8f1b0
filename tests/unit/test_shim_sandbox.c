#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/sandbox.h"
#include "tests/lib/tap.h"

#define LIVED 42
#ifdef SIDEKEY_SANITIZE /* the sanitizers' runtimes need these (sanitize.list) */
#define FREED LIVED
#else
#define FREED SHIM_TRAP_STATUS
#endif

static void
do_open(void)
{
	(void)!syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
}

static void
do_old_open(void)
{
	(void)!syscall(SYS_open, "/etc/passwd", O_RDONLY);
}

static void
do_exec(void)
{
	char *argv[] = { NULL };

	(void)execve("/bin/true", argv, argv);
}

static void
do_fork(void)
{
	(void)!syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void
do_exec_memory(void)
{
	(void)!syscall(
	    SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
do_exec_protect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)!syscall(SYS_mprotect, p, 4096, PROT_READ | PROT_EXEC);
}

static void
do_vsock(void)
{
	(void)!syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0);
}

static void
do_raw(void)
{
	(void)!syscall(SYS_socket, AF_INET, SOCK_RAW, 1);
}

static void
do_netlink(void)
{
	(void)!syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
}

static void
do_ptrace(void)
{
	(void)!syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

static void
do_dumpable(void)
{
	(void)!syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void
do_io_uring(void)
{
	(void)!syscall(SYS_io_uring_setup, 1, NULL);
}

static void
do_terminal(void)
{
	(void)isatty(STDERR_FILENO);
}

static void
do_setown(void)
{
	(void)!syscall(SYS_fcntl, 0, F_SETOWN, 1);
}

static void
do_sockets(void)
{
	static const int domains[] = { AF_UNIX, AF_INET, AF_INET6 };

	for (size_t i = 0; i < COUNT(domains); i++)
		(void)close(socket(domains[i], SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	(void)close(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static void
do_memory(void)
{
	for (size_t size = 16; size < 16u << 20; size *= 4)
		free(memset(malloc(size), 1, size));
}

static void
do_reap(void)
{
	(void)waitpid(-1, NULL, WNOHANG);
	(void)kill(getpid(), 0);
}

static const struct {
	const char *what;
	void (*fn)(void);
	int status;
} cases[] = {
	{ "open a file", do_open, FREED },
	{ "open a file in the old way", do_old_open, FREED },
	{ "exec", do_exec, SHIM_TRAP_STATUS },
	{ "fork", do_fork, SHIM_TRAP_STATUS },
	{ "map executable memory", do_exec_memory, SHIM_TRAP_STATUS },
	{ "make memory executable", do_exec_protect, SHIM_TRAP_STATUS },
	{ "a vsock", do_vsock, SHIM_TRAP_STATUS },
	{ "a raw socket", do_raw, SHIM_TRAP_STATUS },
	{ "netlink", do_netlink, SHIM_TRAP_STATUS },
	{ "ptrace", do_ptrace, SHIM_TRAP_STATUS },
	{ "become dumpable", do_dumpable, SHIM_TRAP_STATUS },
	{ "ask what a terminal is set to", do_terminal, FREED },
	{ "io_uring", do_io_uring, SHIM_TRAP_STATUS },
	{ "have signals sent by a descriptor", do_setown, SHIM_TRAP_STATUS },
	{ "connections and DNS", do_sockets, LIVED },
	{ "memory", do_memory, LIVED },
	{ "reap and signal", do_reap, LIVED },
};

/* What the trap handler wrote is read back: a number must be in it. */
static int
run(const struct buf *filter, void (*fn)(void), char *said, size_t size)
{
	int fds[2], status = 0;
	ssize_t n;
	pid_t pid;

	must(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		    shim_sandbox_enter(filter) != ERR_OK)
			_exit(1);
		fn();
		_exit(LIVED);
	}
	(void)close(fds[1]);
	n = read(fds[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	(void)close(fds[0]);
	must(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
main(void)
{
	AUTO(buf_wipe) struct buf filter = BUF_MAX(SHIM_FILTER_MAX);
	static const struct buf nothing;
	char said[256];

	is_err(shim_sandbox_prepare(&filter), ERR_OK, "the filter");
	is_err(shim_sandbox_enter(&nothing), ERR_SYS, "none of it is not entered");
	for (size_t i = 0; i < COUNT(cases); i++) {
		int status = run(&filter, cases[i].fn, said, sizeof said);

		ok(status == cases[i].status, "%s: %s (%d)", cases[i].what,
		    cases[i].status == LIVED ? "goes on" : "ends it", status);
		said[strcspn(said, "\n")] = '\0';
		ok((said[0] == '\0') == (cases[i].status == LIVED), "and it says so: %.60s", said);
	}
	return done();
}
