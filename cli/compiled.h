/*
 * compiled - the configuration folder, compiled here, with its errors shown.
 * Process: cli.   Owns: nothing; the rules are the caller's.   Secrets: none.
 * Limits: those of policyc.   Failure: CLI_FAILED with every error on stderr (with --json on
 * stdout).
 */
#ifndef CLI_COMPILED_H
#define CLI_COMPILED_H

#include "broker/api/policyc/policyc.h"
#include "cli/cli.h"

enum cli_exit compiled_rules(const struct cli *c, const char *dir, struct rules **ret_r) NODISCARD;
/* Shows them and gives CLI_FAILED. */
enum cli_exit compiled_errors(const struct cli *c, const struct policyc_errors *errors);
/* One of them on stderr; line 0: the file or folder as a whole. */
void compiled_say_error(const char *file, int64_t line, int64_t column, const char *text);

#endif
