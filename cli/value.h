/*
 * value - reads one secret value from a prompt with echo off, from stdin or from a file; never from
 * argv. Process: cli.   Owns: nothing; the secret it returns is the caller's. Secrets: the value,
 * in the locked arena from its first byte on. Limits: SECRET_LEN_MAX bytes; a longer one is
 * refused. Failure: an exit code with the message on stderr; the terminal is as it was.
 */
#ifndef CLI_VALUE_H
#define CLI_VALUE_H

#include "cli/cli.h"
#include "common/secret.h"

/* Once, before the first secret: the locked arena. */
enum cli_exit value_lock_memory(void) NODISCARD;

/* source: NULL (prompt on a terminal, else stdin), "-" (stdin) or "@FILE"; anything else is
 * CLI_USAGE, since argv is public. */
enum cli_exit value_check_source(const char *source) NODISCARD;
/* One trailing newline is cut. twice: a prompt asks again and compares. */
enum cli_exit value_read(
    const char *source, const char *what, bool twice, struct secret **ret_value) NODISCARD;

#endif
