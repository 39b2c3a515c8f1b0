/*
 * keeper_run - runs sidekey-keeper once, as a child: only it may touch the store.
 * Process: cli.   Owns: the child, until it ended.
 * Secrets: the passphrase, through a pipe to the child's stdin.
 * Limits: none of its own.   Failure: an exit code; the child's own message is on stderr.
 */
#ifndef CLI_KEEPER_RUN_H
#define CLI_KEEPER_RUN_H

#include "cli/cli.h"
#include "common/secret.h"

/* argv[0] is the program's name: it is looked for beside this one, then in the libexec folder.
 * input may be NULL. */
enum cli_exit keeper_run(const char *const *argv, const struct secret *input) NODISCARD;

#endif
