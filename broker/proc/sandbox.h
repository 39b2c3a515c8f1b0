/*
 * sandbox - Landlock for files, seccomp for system calls: what a role does not need is not there.
 * Process: sidekeyd and each child.
 * Owns: nothing; what it sets cannot be undone and is inherited.
 * Secrets: none.
 * Limits: SANDBOX_PATHS_MAX paths a role.
 * Failure: ERR_SYS or ERR_NOMEM, and the process must not go on; a kernel without Landlock is told
 * in *ret_abi and is no failure.
 */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H

#include <stddef.h>

#include "broker/ipc/msg.h"
#include "common/buf.h"

#define SANDBOX_PATHS_MAX 16

enum sandbox_access {
	SANDBOX_NOTHING = 0,
	SANDBOX_READ,	/* files and folders below can be read */
	SANDBOX_EXEC,	/* ... and executed */
	SANDBOX_WRITE,	/* read, written, made, renamed, removed; never executed */
	SANDBOX_REMOVE, /* read and removed */
};

struct sandbox_path {
	const char *path; /* a file or a folder; one that does not exist is skipped */
	enum sandbox_access access;
};

/* Restricts this process and its future children to paths. TCP: sidekeyd and the gateway keep
 * connect, the others have none; nobody but sidekeyd binds. Signals and abstract sockets end at the
 * domain's border where the kernel knows that scope. *ret_abi: 0 = no Landlock in this kernel. */
enum err sandbox_files(
    enum role role, const struct sandbox_path *paths, size_t count, int *ret_abi) NODISCARD;

/* Installs the role's list of system calls (seccomp/<role>.list). A call that is not in it ends the
 * process with SANDBOX_TRAP_STATUS, its number and name on stderr. */
enum err sandbox_syscalls(enum role role) NODISCARD;
#define SANDBOX_TRAP_STATUS 70
/* Its program: broker/proc/filter.h. */
enum err sandbox_filter(enum role role, struct buf *ret_program) NODISCARD;

#endif
