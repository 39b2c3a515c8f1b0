/*
 * program - where another program of Sidekey is.
 * Process: cli.   Owns: nothing.   Secrets: none.   Limits: PATH_MAX bytes a path.
 * Failure: CLI_FAILED, with the message on stderr.
 */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include "cli/cli.h"

/* Beside this program, in ../libexec/sidekey, or where it was installed. */
enum cli_exit program_find(const char *name, char ret_path[PATH_MAX]) NODISCARD;

#endif
