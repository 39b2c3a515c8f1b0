/*
 * sandbox: what each role's list lets through, refuses, or dies of; and what Landlock leaves of the
 * file system. Each case runs in a process of its own, because there is no way back.
 */
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

#include "broker/proc/sandbox.h"
#include "tests/lib/tap.h"

#define WORKED 0
#define FAILED(error) (error) /* the child exits with errno */
#define TRAPPED SANDBOX_TRAP_STATUS
#define SIGNALLED(n) (1000 + (n))

static pid_t parent;
static char dir[] = "/tmp/sidekey-sandbox-XXXXXX";

static int
result(long rc)
{
	return rc < 0 ? errno : WORKED;
}

static int
open_read(void)
{
	return result(open("/etc/passwd", O_RDONLY));
}

static int
open_write(void)
{
	return result(open("/tmp/sidekey-sandbox-none", O_WRONLY));
}

static int
socket_unix(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
socket_inet(void)
{
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static int
socket_inet6_udp(void)
{
	return result(socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0));
}

static int
socket_raw(void)
{
	return result(socket(AF_INET, SOCK_RAW, 1));
}

static int
socket_netlink(void)
{
	return result(socket(AF_NETLINK, SOCK_DGRAM, 0));
}

static int
socket_vsock(void)
{
	return result(socket(40, SOCK_STREAM, 0));
}

/* The upper half of a register is the attacker's: the kernel looks at the lower one only. */
static int
socket_unix_disguised(void)
{
	return result(syscall(SYS_socket, (1L << 32) | AF_UNIX, SOCK_STREAM, 0));
}

static int
pair(void)
{
	int fds[2];

	return result(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

static int
call_bind(void)
{
	return result(syscall(SYS_bind, 0, NULL, 0));
}

static int
call_listen(void)
{
	return result(listen(0, 1));
}

static int
kill_self(void)
{
	return result(kill(getpid(), 0));
}

static int
kill_parent(void)
{
	return result(kill(parent, 0));
}

static int
kill_group(void)
{
	return result(kill(0, 0));
}

static int
kill_all(void)
{
	return result(kill(-1, 0));
}

static int
tgkill_parent(void)
{
	return result(syscall(SYS_tgkill, parent, parent, 0));
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

	return result(prlimit(0, RLIMIT_NOFILE, NULL, &r));
}

static int
limit_set(void)
{
	struct rlimit r = { 10, 10 };

	return result(prlimit(0, RLIMIT_NOFILE, &r, NULL));
}

static int
limit_parent(void)
{
	struct rlimit r;

	return result(prlimit(parent, RLIMIT_NOFILE, NULL, &r));
}

static int
affinity_parent(void)
{
	return result(syscall(SYS_sched_setaffinity, parent, 0, NULL));
}

static int
renice_parent(void)
{
	return result(setpriority(PRIO_PROCESS, (id_t)parent, 0));
}

static int
call_ptrace(void)
{
	return result(syscall(SYS_ptrace, 16, parent, 0, 0));
}

static int
read_parent_memory(void)
{
	return result(syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
}

static int
pidfd(void)
{
	return result(syscall(SYS_pidfd_open, parent, 0));
}

static int
steal_descriptor(void)
{
	return result(syscall(SYS_pidfd_getfd, 0, 0, 0));
}

static int
call_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int
call_exec(void)
{
	char *argv[] = { "true", NULL };

	return result(execve("/bin/true", argv, argv + 1));
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

	return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int
io_uring(void)
{
	return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static int
memfd(void)
{
	return result(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

static int
own_signal(void)
{
	return result(fcntl(0, F_SETOWN, parent));
}

static int
own_signal_ioctl(void)
{
	return result(ioctl(0, 0x8901 /* FIOSETOWN */, &parent));
}

static int
change_uid(void)
{
	return result(setuid(1));
}

static int
second_filter(void)
{
	return result(syscall(SYS_seccomp, 0, 0, NULL));
}

static int
dumpable(void)
{
	return result(syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0));
}

static int
namespaces(void)
{
	return result(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}

static int
call_bpf(void)
{
	return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int
call_userfaultfd(void)
{
	return result(syscall(SYS_userfaultfd, 0));
}

static int
call_keyctl(void)
{
	return result(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int
call_mount(void)
{
	return result(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
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
		   : result(epoll_wait(fds, &ev, 1, 0));
}

/* What SQLite and the audit log do. */
static int
journal(void)
{
	char a[64], b[64];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	(void)snprintf(a, sizeof a, "%s/a", dir);
	(void)snprintf(b, sizeof b, "%s/b", dir);
	fd = open(a, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || fdatasync(fd) != 0 || ftruncate(fd, 4096) != 0)
		return errno;
	if (fcntl(fd, F_SETLK, &lock) != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || fsync(fd) != 0)
		return errno;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		return errno;
	return rename(a, b) != 0 || access(b, F_OK) != 0 ? errno : result(unlink(b));
}

static int
change_folder(void)
{
	return result(chdir("/"));
}

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
	{ "gateway: open to read", ROLE_GATEWAY, open_read, TRAPPED,
	    "sidekey-gateway: fatal: forbidden system call 257 (openat)" },
	{ "gateway: open to write", ROLE_GATEWAY, open_write, TRAPPED, "(openat)" },
	{ "gateway: memfd", ROLE_GATEWAY, memfd, TRAPPED, "(memfd_create)" },

	{ "keeper: no TCP", ROLE_KEEPER, socket_inet, TRAPPED,
	    "sidekey-keeper: fatal: forbidden system call 41 (socket)" },
	{ "keeper: no UDP", ROLE_KEEPER, socket_inet6_udp, TRAPPED, "(socket)" },
	{ "keeper: no socket pair", ROLE_KEEPER, pair, TRAPPED, "(socketpair)" },
	{ "keeper: a journal", ROLE_KEEPER, journal, WORKED, NULL },
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
quiet_core(void)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
}

/* Runs act in a process of its own; its exit status or SIGNALLED(n), and what it wrote on stderr.
 */
static int
run(int (*before)(enum role role), enum role role, int (*act)(void), char *said, size_t size)
{
	int fds[2], status = -1;
	ssize_t n;
	pid_t pid;

	if (pipe(fds) != 0)
		abort();
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		quiet_core();
		if (before(role) != 0)
			_exit(99);
		_exit(act());
	}
	close(fds[1]);
	n = read(fds[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	return WIFSIGNALED(status) ? SIGNALLED(WTERMSIG(status)) : WEXITSTATUS(status);
}

static int
filter_only(enum role role)
{
	return sandbox_syscalls(role) == ERR_OK ? 0 : 1;
}

static int
files_of_keeper(enum role role)
{
	const struct sandbox_path paths[] = { { "/dev/urandom", SANDBOX_READ },
		{ dir, SANDBOX_WRITE }, { "/no/such/path", SANDBOX_WRITE } };
	int abi = 0;

	if (sandbox_files(role, paths, COUNT(paths), &abi) != ERR_OK || abi < 1)
		return 1;
	return filter_only(role);
}

static int
files_of_admin(enum role role)
{
	const struct sandbox_path paths[] = { { dir, SANDBOX_READ } };
	int abi = 0;

	if (sandbox_files(role, paths, COUNT(paths), &abi) != ERR_OK || abi < 1)
		return 1;
	return filter_only(role);
}

static int
files_of_sidekeyd(enum role role)
{
	const struct sandbox_path paths[] = { { "/", SANDBOX_READ }, { "/lib64", SANDBOX_EXEC },
		{ "/lib", SANDBOX_EXEC }, { "/bin", SANDBOX_EXEC }, { dir, SANDBOX_REMOVE } };
	int abi = 0;

	if (sandbox_files(role, paths, COUNT(paths), &abi) != ERR_OK || abi < 1)
		return 1;
	return filter_only(role);
}

static int
read_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/there", dir);
	return result(open(path, O_RDONLY));
}

static int
make_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/new", dir);
	return result(open(path, O_WRONLY | O_CREAT, 0600));
}

static int
link_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/link", dir);
	return result(open(path, O_RDONLY));
}

static int
remove_in_dir(void)
{
	char path[64];

	(void)snprintf(path, sizeof path, "%s/gone", dir);
	return result(unlink(path));
}

static int
read_urandom(void)
{
	return result(open("/dev/urandom", O_RDONLY));
}

static int
exec_in_dir(void)
{
	char path[64], *argv[] = { "true", NULL };

	(void)snprintf(path, sizeof path, "%s/true", dir);
	return result(execve(path, argv, argv + 1));
}

static void
test_files(void)
{
	static const struct {
		const char *what;
		int (*before)(enum role role);
		enum role role;
		int (*act)(void);
		int want;
	} cases[] = {
		{ "keeper: reads its folder", files_of_keeper, ROLE_KEEPER, read_in_dir, WORKED },
		{ "keeper: makes a file in it", files_of_keeper, ROLE_KEEPER, make_in_dir, WORKED },
		{ "keeper: keeps a journal in it", files_of_keeper, ROLE_KEEPER, journal, WORKED },
		{ "keeper: /dev/urandom", files_of_keeper, ROLE_KEEPER, read_urandom, WORKED },
		{ "keeper: nothing outside", files_of_keeper, ROLE_KEEPER, open_read,
		    FAILED(EACCES) },
		{ "keeper: not through a link either", files_of_keeper, ROLE_KEEPER, link_in_dir,
		    FAILED(EACCES) },
		{ "admin: reads its folder", files_of_admin, ROLE_ADMIN, read_in_dir, WORKED },
		{ "admin: nothing outside", files_of_admin, ROLE_ADMIN, open_read, FAILED(EACCES) },
		{ "admin: does not write", files_of_admin, ROLE_ADMIN, make_in_dir, TRAPPED },
		{ "sidekeyd: reads", files_of_sidekeyd, ROLE_SIDEKEYD, open_read, WORKED },
		{ "sidekeyd: makes no file", files_of_sidekeyd, ROLE_SIDEKEYD, make_in_dir,
		    FAILED(EACCES) },
		{ "sidekeyd: executes where programs are", files_of_sidekeyd, ROLE_SIDEKEYD,
		    call_exec, WORKED },
		{ "sidekeyd: not elsewhere", files_of_sidekeyd, ROLE_SIDEKEYD, exec_in_dir,
		    FAILED(EACCES) },
		{ "sidekeyd: removes its sockets", files_of_sidekeyd, ROLE_SIDEKEYD, remove_in_dir,
		    WORKED },
	};
	char said[256];

	for (size_t i = 0; i < COUNT(cases); i++) {
		int got = run(cases[i].before, cases[i].role, cases[i].act, said, sizeof said);

		if (!ok(got == cases[i].want, "%s", cases[i].what))
			printf("# got %d, want %d: %s\n", got, cases[i].want, said);
	}
}

static void
test_calls(void)
{
	char said[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		int got = run(filter_only, r->role, r->act, said, sizeof said);
		bool good = got == r->want && (r->says == NULL || strstr(said, r->says) != NULL);

		if (!ok(good, "%s", r->what))
			printf("# got %d, want %d: %s\n", got, r->want, said);
	}
}

/* A filter of sidekeyd's is inherited: a child's list must work on top of it. */
static int
both_filters(enum role role)
{
	return filter_only(ROLE_SIDEKEYD) != 0 ? 1 : filter_only(role);
}

static void
test_nested(void)
{
	char said[256];

	for (enum role r = ROLE_GATEWAY; r <= ROLE_ADMIN; r++)
		ok(run(both_filters, r, everyday, said, sizeof said) == WORKED,
		    "%s below sidekeyd's filter", role_name(r));
	ok(run(both_filters, ROLE_GATEWAY, pair, said, sizeof said) == WORKED, "a pair below it");
	ok(run(both_filters, ROLE_KEEPER, journal, said, sizeof said) == WORKED,
	    "a journal below it");
	ok(run(both_filters, ROLE_GATEWAY, call_exec, said, sizeof said) == TRAPPED,
	    "and what sidekeyd may, its child may not");
}

static void
put_file(const char *name, mode_t mode)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, mode);
	if (fd < 0)
		abort();
	close(fd);
}

static bool
landlock_is_there(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
}

int
main(void)
{
	char command[128], link[64];

	parent = getpid();
	if (mkdtemp(dir) == NULL)
		abort();
	put_file("there", 0600);
	put_file("gone", 0600);
	(void)snprintf(link, sizeof link, "%s/link", dir);
	if (symlink("/etc/passwd", link) != 0)
		abort();
	(void)snprintf(command, sizeof command, "cp /bin/true %s/true", dir);
	if (system(command) != 0)
		abort();
	test_calls();
	test_nested();
	if (landlock_is_there())
		test_files();
	else
		ok(true, "no Landlock in this kernel # SKIP");
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command) != 0 ? 1 : done();
}
