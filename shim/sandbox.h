/*
 * sandbox - the system calls that are left to the shim once its child runs: seccomp.list.
 * Process: shim.   Owns: nothing; what it sets cannot be undone.   Secrets: none.
 * Limits: none.   Failure: ERR_SYS or ERR_NOMEM: the shim must not go on.
 */
#ifndef SHIM_SANDBOX_H
#define SHIM_SANDBOX_H

#include "common/err.h"

#define SHIM_TRAP_STATUS 125

/* A call that is not listed ends the process with SHIM_TRAP_STATUS, and its number on stderr. */
enum err shim_sandbox_enter(void) NODISCARD;

#endif
