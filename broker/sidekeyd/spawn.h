/*
 * spawn - one child: fork and exec, with one socket and nothing else of ours.
 * Process: sidekeyd.
 * Owns: nothing; pid and socket are the caller's.
 * Secrets: none: the environment is empty, argv is the role.
 * Limits: none.
 * Failure: no process was made; a child that cannot exec says why and exits with
 *          CHILD_EXIT_HOPELESS.
 */
#ifndef SIDEKEYD_SPAWN_H
#define SIDEKEYD_SPAWN_H

#include "broker/sidekeyd/users.h"

struct spawn {
	char program_dir[CONFIG_PATH_MAX + 1];
	struct users users;
	int null_fd; /* /dev/null, opened before the sandbox */
};

/* Finds the folder that holds the other programs: ours, or ../libexec/sidekey from it. Opens
 * /dev/null. ERR_NOT_FOUND. */
enum err spawn_init(struct spawn *s, const struct users *u) NODISCARD;
void spawn_close(struct spawn *s);

/* *ret_fd is our end of the supervisor socket. */
enum err spawn_child(const struct spawn *s, enum role role, pid_t *ret_pid, int *ret_fd) NODISCARD;

#endif
