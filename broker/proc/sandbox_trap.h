/*
 * sandbox_trap - the last words of a process that made a forbidden system call.
 * Process: sidekeyd and each child.
 * Owns: the action of SIGSYS.
 * Secrets: none: arguments are not printed, they may point at one.
 * Limits: names of calls up to TRAP_CALLS_MAX; beyond it the number alone.
 * Failure: none.
 */
#ifndef PROC_SANDBOX_TRAP_H
#define PROC_SANDBOX_TRAP_H

#include "broker/ipc/msg.h"

void sandbox_trap_install(enum role role);

#endif
