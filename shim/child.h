/*
 * child - finds the command, and starts it in a process group of its own.
 * Process: shim.   Owns: nothing.   Secrets: none: what the child gets holds placeholders.
 * Limits: a path of PATH_MAX bytes.
 * Failure: an exit status: SHIM_EXIT_NOT_FOUND or SHIM_EXIT_NOT_EXECUTABLE where it is the
 * command's, SHIM_EXIT_FAILED where it is ours; why says which.
 */
#ifndef SHIM_CHILD_H
#define SHIM_CHILD_H

#include <limits.h>
#include <sys/types.h>

#include "common/buf.h"
#include "shim/harden.h"
#include "shim/limits.h"

#define SHIM_EXIT_FAILED 125
#define SHIM_EXIT_NOT_EXECUTABLE 126
#define SHIM_EXIT_NOT_FOUND 127

struct shim_child {
	char path[PATH_MAX]; /* of the program */
	char **argv, **envp;
	int ruleset_fd; /* the Landlock domain it enters; -1: none */
	const struct shim_inherited *inherited;
	/* NULL: nothing. What the shim must have done to itself before the program runs, and cannot
	 * fork behind */
	enum err (*confine)(const struct buf *filter);
	struct buf filter;
};

/* Where PATH (given; NULL: /bin:/usr/bin) has the command: before the enrollment is used up for
 * nothing. 0, or the exit status. */
int shim_child_find(const char *command, const char *path_list, char ret_path[PATH_MAX],
    char why[SHIM_WHY_SIZE]) NODISCARD;

/* 0 once the program runs (exec succeeded), else the exit status, no child is left and nothing of
 * the program ran. It leads a new process group, which gets the terminal when ours had it; it holds
 * stdin, stdout and stderr only. */
int shim_child_start(const struct shim_child *c, pid_t *ret_pid, char why[SHIM_WHY_SIZE]) NODISCARD;

#endif
