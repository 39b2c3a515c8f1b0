#include "cli/keeper_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/program.h"
#include "common/sys.h"

static void __attribute__((noreturn)) child(const char *path, const char *const *argv, int stdin_fd)
{
	if (dup2(stdin_fd, STDIN_FILENO) >= 0)
		(void)execv(path, (char *const *)argv); /* execv() writes to none of them */
	(void)cli_fail(CLI_FAILED, "cannot run %s: %s", path, strerror(errno));
	_exit(127);
}

static enum cli_exit
wait_for(pid_t pid, const char *path)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return cli_fail(CLI_FAILED, "lost sight of %s: %s", path, strerror(errno));
	if (WIFSIGNALED(status))
		return cli_fail(CLI_FAILED, "%s was ended by signal %d", path, WTERMSIG(status));
	return WEXITSTATUS(status) == 0 ? CLI_OK : CLI_FAILED; /* it said why */
}

enum cli_exit
keeper_run(const char *const *argv, const struct secret *input)
{
	char path[PATH_MAX];
	int ends[2];
	pid_t pid;
	enum err e = ERR_OK;
	enum cli_exit x = program_find(argv[0], path);

	if (x != CLI_OK)
		return x;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return cli_fail(CLI_FAILED, "cannot make a pipe: %s", strerror(errno));
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(path, argv, ends[0]);
	sys_close(ends[0]);
	if (pid > 0 && input != NULL)
		e = sys_write_all(ends[1], secret_span(input).p, secret_len(input));
	sys_close(ends[1]);
	if (pid < 0)
		return cli_fail(CLI_FAILED, "cannot fork: %s", strerror(errno));
	x = wait_for(pid, path);
	return x == CLI_OK && e != ERR_OK ? cli_fail_err(e, "giving the passphrase to the keeper")
					  : x;
}
