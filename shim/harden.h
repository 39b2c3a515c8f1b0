/*
 * harden - what the shim does to itself first, and what its child gets back of it.
 * Process: shim.   Owns: nothing.   Secrets: none.
 * Limits: none.   Failure: ERR_SYS with errno: the shim must not go on.
 */
#ifndef SHIM_HARDEN_H
#define SHIM_HARDEN_H

#include <signal.h>
#include <sys/resource.h>

#include "common/err.h"

/* The settings of whoever started us, for the child to have as if it had been started itself. */
struct shim_inherited {
	sigset_t mask;
	struct sigaction pipe;
	struct rlimit nofile;
};

/* Blocks every signal but those that a fault raises, ignores SIGPIPE, takes SIGCHLD out of being
 * ignored (or children could not be waited for). */
enum err shim_harden_signals(struct shim_inherited *ret_in) NODISCARD;

/* Not dumpable, no core, no new privileges, stdin to stderr open (on /dev/null if need be, so that
 * no socket gets number 2), nothing else open; as many descriptors as are allowed. The core limit
 * and no_new_privs are inherited by the child. */
enum err shim_harden_self(struct shim_inherited *ret_in) NODISCARD;

/* In the child, just before exec. */
void shim_harden_undo(const struct shim_inherited *in);

#endif
