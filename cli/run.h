/*
 * run - runs another program once and takes what it prints.
 * Process: cli.   Owns: the child, until it ended.
 * Secrets: its output may hold some: it goes through a memfd into a struct buf. argv never does.
 * Limits: the buffer's.   Failure: CLI_FAILED with the message on stderr.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/cli.h"
#include "common/buf.h"

#define RUN_ARGS_MAX 96

/* argv[0] is a path; *ret_status is the exit status, 128+n when signal n ended it. errors may be
 * NULL: what the program says there is dropped, since it may quote the files that it was given. */
enum cli_exit run_program(
    const char *const *argv, struct buf *out, struct buf *errors, int *ret_status) NODISCARD;

#endif
