/* sandbox: which system calls each role's list lets through, refuses, or dies of. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/jail.h"

static pid_t parent;

static int
open_read(void)
{
	return jail_result(open("/etc/passwd", O_RDONLY));
}

static int
open_write(void)
{
	return jail_result(open("/tmp/sidekey-sandbox-none", O_WRONLY));
}

static int
socket_unix(void)
{
	return jail_result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
socket_inet(void)
{
	return jail_result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static int
socket_inet6_udp(void)
{
	return jail_result(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
}

static int
socket_raw(void)
{
	return jail_result(socket(AF_INET, SOCK_RAW, 1));
}

static int
socket_netlink(void)
{
	return jail_result(socket(AF_NETLINK, SOCK_DGRAM, 0));
}

static int
socket_vsock(void)
{
	return jail_result(socket(40, SOCK_STREAM, 0));
}

/* The upper half of a register is the attacker's: the kernel looks at the lower one only. */
static int
socket_unix_disguised(void)
{
	return jail_result(syscall(SYS_socket, (1L << 32) | AF_UNIX, SOCK_STREAM, 0));
}

static int
pair(void)
{
	int fds[2];

	return jail_result(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

static int
call_bind(void)
{
	return jail_result(syscall(SYS_bind, 0, NULL, 0));
}

static int
call_listen(void)
{
	return jail_result(listen(0, 1));
}

static int
kill_self(void)
{
	return jail_result(kill(getpid(), 0));
}

static int
kill_parent(void)
{
	return jail_result(kill(parent, 0));
}

static int
kill_group(void)
{
	return jail_result(kill(0, 0));
}

static int
kill_all(void)
{
	return jail_result(kill(-1, 0));
}

static int
tgkill_parent(void)
{
	return jail_result(syscall(SYS_tgkill, parent, parent, 0));
}

static int
call_abort(void)
{
	abort();
}

static int
limit_read(void)
{
	struct rlimit r;

	return jail_result(prlimit(0, RLIMIT_NOFILE, NULL, &r));
}

static int
limit_set(void)
{
	struct rlimit r = { 10, 10 };

	return jail_result(prlimit(0, RLIMIT_NOFILE, &r, NULL));
}

static int
limit_parent(void)
{
	struct rlimit r;

	return jail_result(prlimit(parent, RLIMIT_NOFILE, NULL, &r));
}

static int
affinity_parent(void)
{
	return jail_result(syscall(SYS_sched_setaffinity, parent, 0, NULL));
}

static int
renice_parent(void)
{
	return jail_result(setpriority(PRIO_PROCESS, (id_t)parent, 0));
}

static int
call_ptrace(void)
{
	return jail_result(syscall(SYS_ptrace, 16, parent, 0, 0));
}

static int
read_parent_memory(void)
{
	return jail_result(syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
}

static int
pidfd(void)
{
	return jail_result(syscall(SYS_pidfd_open, parent, 0));
}

static int
steal_descriptor(void)
{
	return jail_result(syscall(SYS_pidfd_getfd, 0, 0, 0));
}

static int
call_fork(void)
{
	long pid = syscall(
	    SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); /* fork(3) of glibc 2.41 blocks SIGSYS */

	if (pid == 0)
		_exit(0);
	return jail_result(pid);
}

static int
call_exec(void)
{
	char *argv[] = { "true", NULL };

	return jail_result(execve("/bin/true", argv, argv + 1));
}

static int
map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		       MAP_FAILED
		   ? errno
		   : WORKED;
}

static int
make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return jail_result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int
io_uring(void)
{
	return jail_result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
memfd(void)
{
	return jail_result(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

static int
own_signal(void)
{
	return jail_result(fcntl(0, F_SETOWN, parent));
}

static int
own_signal_ioctl(void)
{
	return jail_result(ioctl(0, 0x8901 /* FIOSETOWN */, &parent));
}

static int
change_uid(void)
{
	return jail_result(setuid(1));
}

static int
second_filter(void)
{
	return jail_result(syscall(SYS_seccomp, 0, 0, NULL));
}

static int
dumpable(void)
{
	return jail_result(syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0));
}

static int
namespaces(void)
{
	return jail_result(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}

static int
call_bpf(void)
{
	return jail_result(syscall(SYS_bpf, 0, NULL, 0));
}

static int
call_userfaultfd(void)
{
	return jail_result(syscall(SYS_userfaultfd, 0));
}

static int
call_keyctl(void)
{
	return jail_result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int
call_mount(void)
{
	return jail_result(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
}

/* What any event-driven program does all day. */
static int
everyday(void)
{
	char text[64], *big = malloc(1u << 22);
	int fds = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN };
	struct timespec now;

	if (big == NULL || fds < 0)
		return 1;
	memset(big, 1, 1u << 22);
	free(big);
	if (snprintf(text, sizeof text, "%d %f", fds, 1.5) < 0 ||
	    clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 2;
	if (getrandom(text, sizeof text, 0) != sizeof text || mlock(text, sizeof text) != 0)
		return 3;
	return epoll_ctl(fds, EPOLL_CTL_ADD, 0, &ev) != 0 && errno != EPERM
		   ? 4
		   : jail_result(epoll_wait(fds, &ev, 1, 0));
}

static int
change_folder(void)
{
	return jail_result(chdir("/"));
}

#ifdef SIDEKEY_SANITIZE /* its runtime reads /proc/self/maps for a report */
#define GATEWAY_READS WORKED, NULL
#else
#define GATEWAY_READS TRAPPED, "sidekey-gateway: fatal: forbidden system call 257 (openat)"
#endif

struct row {
	const char *what;
	enum role role;
	int (*act)(void);
	int want;
	const char *says; /* in the last line; NULL: not looked at */
};

#define EACH_CHILD(what, act, want, says)                                                          \
	{ "gateway: " what, ROLE_GATEWAY, act, want, says },                                       \
	    { "keeper: " what, ROLE_KEEPER, act, want, says },                                     \
	    { "edge: " what, ROLE_EDGE, act, want, says },                                         \
	{                                                                                          \
		"admin: " what, ROLE_ADMIN, act, want, says                                        \
	}

static const struct row rows[] = {
	EACH_CHILD("everyday calls work", everyday, WORKED, NULL),
	EACH_CHILD("a unix socket", socket_unix, TRAPPED, "41 (socket)"),
	EACH_CHILD("a unix socket, disguised", socket_unix_disguised, TRAPPED, "(socket)"),
	EACH_CHILD("a raw socket", socket_raw, TRAPPED, "(socket)"),
	EACH_CHILD("a netlink socket", socket_netlink, TRAPPED, "(socket)"),
	EACH_CHILD("a vsock", socket_vsock, TRAPPED, "(socket)"),
	EACH_CHILD("bind", call_bind, TRAPPED, "(bind)"),
	EACH_CHILD("listen", call_listen, TRAPPED, "(listen)"),
	EACH_CHILD("a signal to itself", kill_self, WORKED, NULL),
	EACH_CHILD("a signal to another", kill_parent, TRAPPED, "(kill)"),
	EACH_CHILD("a signal to its group", kill_group, TRAPPED, "(kill)"),
	EACH_CHILD("a signal to all", kill_all, TRAPPED, "(kill)"),
	EACH_CHILD("a signal to another's thread", tgkill_parent, TRAPPED, "(tgkill)"),
	EACH_CHILD("abort() aborts", call_abort, SIGNALLED(SIGABRT), NULL),
	EACH_CHILD("its own limit read", limit_read, WORKED, NULL),
	EACH_CHILD("its own limit set", limit_set, TRAPPED, "(prlimit64)"),
	EACH_CHILD("another's limit", limit_parent, TRAPPED, "(prlimit64)"),
	EACH_CHILD("another's affinity", affinity_parent, TRAPPED, "(sched_setaffinity)"),
	EACH_CHILD("another's priority", renice_parent, TRAPPED, "(setpriority)"),
	EACH_CHILD("ptrace", call_ptrace, TRAPPED, "(ptrace)"),
	EACH_CHILD("another's memory", read_parent_memory, TRAPPED, "(process_vm_readv)"),
	EACH_CHILD("pidfd_open", pidfd, TRAPPED, "(pidfd_open)"),
	EACH_CHILD("another's descriptor", steal_descriptor, TRAPPED, "(pidfd_getfd)"),
	EACH_CHILD("fork", call_fork, TRAPPED, "(clone"),
	EACH_CHILD("exec", call_exec, TRAPPED, "(execve)"),
	EACH_CHILD("executable memory", map_code, TRAPPED, "(mmap)"),
	EACH_CHILD("memory made executable", make_code, TRAPPED, "(mprotect)"),
	EACH_CHILD("io_uring is refused, not fatal", io_uring, FAILED(EPERM), NULL),
	EACH_CHILD("a signal by F_SETOWN", own_signal, TRAPPED, "(fcntl)"),
	EACH_CHILD("a signal by FIOSETOWN", own_signal_ioctl, FAILED(ENOTTY), NULL),
	EACH_CHILD("another uid", change_uid, TRAPPED, "(setuid)"),
	EACH_CHILD("a second filter", second_filter, TRAPPED, "(seccomp)"),
	EACH_CHILD("dumpable again", dumpable, TRAPPED, "(prctl)"),
	EACH_CHILD("namespaces", namespaces, TRAPPED, "(unshare)"),
	EACH_CHILD("bpf", call_bpf, TRAPPED, "(bpf)"),
	EACH_CHILD("userfaultfd", call_userfaultfd, TRAPPED, "(userfaultfd)"),
	EACH_CHILD("keyctl", call_keyctl, TRAPPED, "(keyctl)"),
	EACH_CHILD("mount", call_mount, TRAPPED, "(mount)"),

	{ "gateway: TCP", ROLE_GATEWAY, socket_inet, WORKED, NULL },
	{ "gateway: UDP over IPv6", ROLE_GATEWAY, socket_inet6_udp, WORKED, NULL },
	{ "gateway: a socket pair", ROLE_GATEWAY, pair, WORKED, NULL },
	{ "gateway: open to read", ROLE_GATEWAY, open_read, GATEWAY_READS },
	{ "gateway: open to write", ROLE_GATEWAY, open_write, TRAPPED, "(openat)" },
	{ "gateway: memfd", ROLE_GATEWAY, memfd, TRAPPED, "(memfd_create)" },

	{ "keeper: no TCP", ROLE_KEEPER, socket_inet, TRAPPED,
	    "sidekey-keeper: fatal: forbidden system call 41 (socket)" },
	{ "keeper: no UDP", ROLE_KEEPER, socket_inet6_udp, TRAPPED, "(socket)" },
	{ "keeper: no socket pair", ROLE_KEEPER, pair, TRAPPED, "(socketpair)" },
	{ "keeper: a journal", ROLE_KEEPER, jail_journal, WORKED, NULL },
	{ "keeper: stays where it is", ROLE_KEEPER, change_folder, TRAPPED, "(chdir)" },
	{ "keeper: memfd", ROLE_KEEPER, memfd, WORKED, NULL },

	{ "edge: no TCP", ROLE_EDGE, socket_inet, TRAPPED, "(socket)" },
	{ "edge: no UDP", ROLE_EDGE, socket_inet6_udp, TRAPPED, "(socket)" },
	{ "edge: no socket pair", ROLE_EDGE, pair, TRAPPED, "(socketpair)" },
	{ "edge: open to write", ROLE_EDGE, open_write, TRAPPED, "(openat)" },
	{ "edge: memfd", ROLE_EDGE, memfd, TRAPPED, "(memfd_create)" },

	{ "admin: no TCP", ROLE_ADMIN, socket_inet, TRAPPED, "(socket)" },
	{ "admin: no UDP", ROLE_ADMIN, socket_inet6_udp, TRAPPED, "(socket)" },
	{ "admin: no socket pair", ROLE_ADMIN, pair, TRAPPED, "(socketpair)" },
	{ "admin: open to write", ROLE_ADMIN, open_write, TRAPPED, "(openat)" },
	{ "admin: memfd for the rules", ROLE_ADMIN, memfd, WORKED, NULL },

	{ "sidekeyd: everyday calls work", ROLE_SIDEKEYD, everyday, WORKED, NULL },
	{ "sidekeyd: fork", ROLE_SIDEKEYD, call_fork, WORKED, NULL },
	{ "sidekeyd: exec", ROLE_SIDEKEYD, call_exec, WORKED, NULL },
	{ "sidekeyd: listens before, never again", ROLE_SIDEKEYD, call_listen, TRAPPED,
	    "(listen)" },
	{ "sidekeyd: bind", ROLE_SIDEKEYD, call_bind, TRAPPED, "(bind)" },
	{ "sidekeyd: ptrace", ROLE_SIDEKEYD, call_ptrace, TRAPPED, "(ptrace)" },
	{ "sidekeyd: namespaces", ROLE_SIDEKEYD, namespaces, TRAPPED, "(unshare)" },
	{ "sidekeyd: mount", ROLE_SIDEKEYD, call_mount, TRAPPED, "(mount)" },
	{ "sidekeyd: memory made executable", ROLE_SIDEKEYD, make_code, TRAPPED, "(mprotect)" },
};

static void
test_calls(void)
{
	char said[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		int got = jail_run(jail_filter, r->role, r->act, said, sizeof said);
		bool good = got == r->want && (r->says == NULL || strstr(said, r->says) != NULL);

		if (!ok(good, "%s", r->what))
			printf("# got %d, want %d: %s\n", got, r->want, said);
	}
}

/* A filter of sidekeyd's is inherited: a child's list must work on top of it. */
static int
both_filters(enum role role)
{
	return jail_filter(ROLE_SIDEKEYD) != 0 ? 1 : jail_filter(role);
}

static void
test_nested(void)
{
	char said[256];

	for (enum role r = ROLE_GATEWAY; r <= ROLE_ADMIN; r++)
		ok(jail_run(both_filters, r, everyday, said, sizeof said) == WORKED,
		    "%s below sidekeyd's filter", role_name(r));
	ok(jail_run(both_filters, ROLE_GATEWAY, pair, said, sizeof said) == WORKED,
	    "a pair below it");
	ok(jail_run(both_filters, ROLE_KEEPER, jail_journal, said, sizeof said) == WORKED,
	    "a journal below it");
	ok(jail_run(both_filters, ROLE_GATEWAY, call_exec, said, sizeof said) == TRAPPED,
	    "and what sidekeyd may, its child may not");
}

int
main(void)
{
	parent = getpid();
	jail_folder_make();
	test_calls();
	test_nested();
	jail_folder_remove();
	return done();
}
