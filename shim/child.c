#include "shim/child.h"

#include <errno.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/span.h"
#include "common/sys.h"
#include "shim/hide.h"

/* What the child reports on the pipe when it does not become the program. */
struct report {
	int is_exec; /* else a step of ours before it; no bool, whose padding would be written too
		      */
	int error;
};

static int
status_of(int error)
{
	return error == ENOENT || error == ENOTDIR ? SHIM_EXIT_NOT_FOUND : SHIM_EXIT_NOT_EXECUTABLE;
}

static int
complain(int status, const char *command, const char *detail, char why[SHIM_WHY_SIZE])
{
	(void)snprintf(why, SHIM_WHY_SIZE, "%.200s: %s", command, detail);
	return status;
}

/* 0 or errno. *ret_exists: something of that name is there. */
static int
try_path(const char *path, bool *ret_exists)
{
	struct stat st;

	*ret_exists = stat(path, &st) == 0;
	if (!*ret_exists)
		return errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	return access(path, X_OK) == 0 ? 0 : errno;
}

static int
search(const char *command, const char *path_list, char ret_path[PATH_MAX], char why[SHIM_WHY_SIZE])
{
	int error = ENOENT;

	for (const char *at = path_list; at != NULL;) {
		const char *end = strchrnul(at, ':');
		int len = (int)(end - at), found;

		/* an empty part is the current folder, as for execvp(3) */
		found = snprintf(
		    ret_path, PATH_MAX, "%.*s%s%s", len, at, len > 0 ? "/" : "./", command);
		if (found > 0 && found < PATH_MAX) {
			bool exists;
			int tried = try_path(ret_path, &exists);

			if (tried == 0)
				return 0;
			if (exists) /* a folder that we may not search holds nothing for us */
				error = tried;
		}
		at = *end == ':' ? end + 1 : NULL;
	}
	return complain(status_of(error), command,
	    error == ENOENT ? "command not found" : strerror(error), why);
}

int
shim_child_find(
    const char *command, const char *path_list, char ret_path[PATH_MAX], char why[SHIM_WHY_SIZE])
{
	bool exists;
	int error;

	if (strchr(command, '/') == NULL)
		return search(
		    command, path_list != NULL ? path_list : "/bin:/usr/bin", ret_path, why);
	if (!span_copy_str(span_str(command), ret_path, PATH_MAX))
		return complain(SHIM_EXIT_NOT_FOUND, command, strerror(ENAMETOOLONG), why);
	error = try_path(ret_path, &exists);
	return error == 0 ? 0 : complain(status_of(error), command, strerror(error), why);
}

static void
give_up(int report_fd, bool is_exec)
{
	struct report r = { .is_exec = is_exec, .error = errno };

	(void)!sys_write(report_fd, &r, sizeof r); /* if this fails too, the exit status must do */
	_exit(SHIM_EXIT_FAILED);
}

/* The shim says when; if it ends instead, so do we. */
static void
wait_for_word(const int go[2])
{
	uint8_t word;

	sys_close(go[1]);
	if (sys_read(go[0], &word, 1) != 1)
		_exit(SHIM_EXIT_FAILED);
}

/* Between fork and exec; nothing of the shim's memory is used but c. */
static void
become(const struct shim_child *c, bool take_terminal, const int go[2], int report_fd)
{
	wait_for_word(go);
	if (setpgid(0, 0) != 0)
		give_up(report_fd, false);
	if (take_terminal) /* SIGTTOU is blocked still, or this would stop us */
		(void)tcsetpgrp(STDIN_FILENO, getpid());
	/* Here and not in the parent: PID 1 reads no file any more, and a domain would only stand
	 * between it and its children. */
	if (c->ruleset_fd >= 0 && shim_hide_enter(c->ruleset_fd) != ERR_OK)
		give_up(report_fd, false);
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) !=
	    0) /* also what a library opened without that flag */
		give_up(report_fd, false);
	shim_harden_undo(c->inherited);
	(void)execve(c->path, c->argv, c->envp);
	give_up(report_fd, true);
}

/* Lets the child go on once the shim is confined; else it ends. */
static enum err
give_word(const struct shim_child *c, int go_fd)
{
	enum err e = c->confine == NULL ? ERR_OK : c->confine(&c->filter);

	return e == ERR_OK ? sys_write_all(go_fd, "", 1) : e;
}

static int
wait_for_exec(const struct shim_child *c, int report_fd, pid_t pid, char why[SHIM_WHY_SIZE])
{
	struct report r;
	int status;

	if (sys_read(report_fd, &r, sizeof r) != (ssize_t)sizeof r)
		return 0; /* closed by exec, or by a signal that killed it first: waitpid() will
			     tell */
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		continue;
	if (!r.is_exec)
		return complain(
		    SHIM_EXIT_FAILED, "starting the command failed", strerror(r.error), why);
	return complain(status_of(r.error), c->argv[0], strerror(r.error), why);
}

int
shim_child_start(const struct shim_child *c, pid_t *ret_pid, char why[SHIM_WHY_SIZE])
{
	bool take_terminal = isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
	int go[2] = { -1, -1 }, report[2] = { -1, -1 }, status;
	AUTO(sys_closep) int read_fd = -1, go_fd = -1;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) != 0)
		return complain(SHIM_EXIT_FAILED, "pipe", strerror(errno), why);
	read_fd = report[0];
	pid = pipe2(go, O_CLOEXEC) == 0 ? fork() : -1;
	if (pid == 0)
		become(c, take_terminal, go, report[1]);
	sys_close(go[0]);
	sys_close(report[1]);
	go_fd = go[1];
	if (pid < 0)
		return complain(SHIM_EXIT_FAILED, "fork", strerror(errno), why);
	if (give_word(c, go_fd) != ERR_OK) {
		sys_closep(&go_fd);
		(void)waitpid(pid, &status, 0);
		return complain(SHIM_EXIT_FAILED, "confining this process",
		    "the list of system calls was not accepted (seccomp)", why);
	}
	status = wait_for_exec(c, read_fd, pid, why);
	if (status == 0)
		*ret_pid = pid;
	return status;
}
