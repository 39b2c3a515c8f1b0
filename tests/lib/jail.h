/*
 * jail - one act in a process of its own behind a sandbox, because there is no way back out of one.
 * Process: tests.   Owns: a folder in /tmp while the test runs.   Secrets: none.   Limits: none.
 * Failure: aborts the test.
 */
#ifndef TESTS_JAIL_H
#define TESTS_JAIL_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/proc/sandbox.h"
#include "tests/lib/tap.h"

#define WORKED 0
#define FAILED(error) (error) /* the child exits with errno */
#define TRAPPED SANDBOX_TRAP_STATUS
#define SIGNALLED(n) (1000 + (n))

static char jail_dir[] = "/tmp/sidekey-sandbox-XXXXXX";

static inline int
jail_result(long rc)
{
	return rc < 0 ? errno : WORKED;
}

static inline void
jail_quiet_core(void)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
}

/* Runs act in a process of its own; its exit status or SIGNALLED(n), and what it wrote on stderr.
 */
static inline int
jail_run(int (*before)(enum role role), enum role role, int (*act)(void), char *said, size_t size)
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
		jail_quiet_core();
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

static inline int
jail_filter(enum role role)
{
	return sandbox_syscalls(role) == ERR_OK ? 0 : 1;
}

/* What SQLite and the audit log do. */
static inline int
jail_journal(void)
{
	char a[64], b[64];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	(void)snprintf(a, sizeof a, "%s/a", jail_dir);
	(void)snprintf(b, sizeof b, "%s/b", jail_dir);
	fd = open(a, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || fdatasync(fd) != 0 || ftruncate(fd, 4096) != 0)
		return errno;
	if (fcntl(fd, F_SETLK, &lock) != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || fsync(fd) != 0)
		return errno;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		return errno;
	return rename(a, b) != 0 || access(b, F_OK) != 0 ? errno : jail_result(unlink(b));
}

static inline void
jail_folder_make(void)
{
	if (mkdtemp(jail_dir) == NULL)
		abort();
}

static inline void
jail_folder_remove(void)
{
	char command[64];

	(void)snprintf(command, sizeof command, "rm -rf %s", jail_dir);
	if (system(command) != 0)
		abort();
}

#endif
