/*
 * env - the environment: ours is copied for the child and then overwritten where it stands.
 * Process: shim.   Owns: the strings of the child's environment.
 * Secrets: an image's variables may hold some; free()d strings are wiped.
 * Limits: SHIM_ENV_COUNT_MAX variables.
 * Failure: ERR_NOMEM, ERR_LIMIT; the environment is as it was.
 */
#ifndef SHIM_ENV_H
#define SHIM_ENV_H

#include <stddef.h>

#include "common/err.h"
#include "common/span.h"

struct shim_env {
	char **list; /* for execve(2): NULL-terminated */
	size_t count;
};

/* Copies environ but for SIDEKEY_*, which are settings of ours, then overwrites its bytes:
 * /proc/PID/environ shows that memory. */
enum err shim_env_take(char **environ_list, struct shim_env *ret_env) NODISCARD;
void shim_env_close(struct shim_env *env);

const char *shim_env_get(const struct shim_env *env, const char *name); /* NULL: not set */
/* Sets name, and removes every other definition of it. */
enum err shim_env_set(struct shim_env *env, const char *name, struct span value) NODISCARD;
/* Adds 127.0.0.1 and localhost to NO_PROXY and no_proxy: a client that has a proxy would otherwise
 * ask it for our loopback port. */
enum err shim_env_no_proxy(struct shim_env *env) NODISCARD;

/* [A-Za-z_][A-Za-z0-9_]*, and no SIDEKEY_*: what a reply of the broker may set. */
bool shim_env_name_ok(struct span name);

#endif
