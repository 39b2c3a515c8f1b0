/*
 * sandbox - the system calls that are left to the shim once its child runs: seccomp.list.
 * Process: shim.   Owns: nothing; what it sets cannot be undone.   Secrets: none.
 * Limits: SHIM_FILTER_MAX bytes of program.   Failure: ERR_SYS or ERR_NOMEM: the shim must not go
 * on.
 */
#ifndef SHIM_SANDBOX_H
#define SHIM_SANDBOX_H

#include "common/buf.h"

#define SHIM_TRAP_STATUS 125
#define SHIM_FILTER_MAX 8192 /* 1024 instructions; the kernel takes 4096 */

/* The filter's program: made early, while there is time, and entered later. */
enum err shim_sandbox_prepare(struct buf *ret_filter) NODISCARD;

/* From here on a call that is not listed ends the process with SHIM_TRAP_STATUS, and its number on
 * stderr. After no_new_privs. */
enum err shim_sandbox_enter(const struct buf *filter) NODISCARD;

#endif
