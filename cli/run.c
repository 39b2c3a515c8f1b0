#include "cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sys.h"

static void __attribute__((noreturn)) child(const char *const *argv, int out_fd, int error_fd)
{
	int null_fd = sys_open("/dev/null", O_RDWR, 0);

	if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(out_fd, STDOUT_FILENO) >= 0 &&
	    dup2(error_fd >= 0 ? error_fd : null_fd, STDERR_FILENO) >= 0)
		(void)execv(argv[0], (char *const *)argv); /* execv() writes to none of them */
	_exit(127);
}

static enum cli_exit
wait_for(pid_t pid, const char *path, int *ret_status)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_fail(CLI_FAILED, "lost sight of %s: %s", path, strerror(errno));
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return CLI_OK;
}

static enum cli_exit
take(int fd, const char *path, struct buf *ret)
{
	enum err e = fd < 0 ? ERR_OK : sys_read_whole(fd, ret);

	if (e == ERR_LIMIT)
		return cli_fail(CLI_FAILED, "%s printed more than %zu KiB", path, ret->max >> 10);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, path);
}

enum cli_exit
run_program(const char *const *argv, struct buf *out, struct buf *errors, int *ret_status)
{
	AUTO(sys_closep) int out_fd = sys_memfd("output");
	AUTO(sys_closep) int error_fd = errors == NULL ? -1 : sys_memfd("errors");
	enum cli_exit x;
	pid_t pid;

	if (out_fd < 0 || (errors != NULL && error_fd < 0))
		return cli_fail(CLI_FAILED, "cannot make room for what %s prints: %s", argv[0],
		    strerror(errno));
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(argv, out_fd, error_fd);
	if (pid < 0)
		return cli_fail(CLI_FAILED, "cannot fork: %s", strerror(errno));
	x = wait_for(pid, argv[0], ret_status);
	if (x == CLI_OK)
		x = take(out_fd, argv[0], out);
	return x == CLI_OK ? take(error_fd, argv[0], errors) : x;
}
