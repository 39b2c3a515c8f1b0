/*
 * commands - every command that exists: one table, and the functions behind its rows.
 * Process: cli.   Owns: nothing.   Secrets: see each function's file.   Limits: none.
 * Failure: an exit code of enum cli_exit; the message is on stderr by then.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stdio.h>

#include "cli/cli.h"

extern const struct cli_command cli_commands[]; /* ends at a NULL name */

const struct cli_command *cli_find_command(const char *group, const char *name);
bool cli_is_group(const char *word);

/* Help on all, on a group, or on one command; on stdout when it was asked for. */
void cli_help(const struct cli_command *command, const char *group, FILE *out);
/* The completion script of one shell; CLI_USAGE if there is none for it. */
enum cli_exit cli_completion(const char *shell, FILE *out) NODISCARD;

enum cli_exit cmd_init(struct cli *c);
enum cli_exit cmd_status(struct cli *c);
enum cli_exit cmd_doctor(struct cli *c);
enum cli_exit cmd_unseal(struct cli *c);
enum cli_exit cmd_seal(struct cli *c);
enum cli_exit cmd_rekey(struct cli *c);
enum cli_exit cmd_import_env(struct cli *c);
enum cli_exit cmd_import_compose(struct cli *c);
enum cli_exit cmd_secret_set(struct cli *c);
enum cli_exit cmd_secret_rotate(struct cli *c);
enum cli_exit cmd_secret_list(struct cli *c);
enum cli_exit cmd_secret_show(struct cli *c);
enum cli_exit cmd_secret_history(struct cli *c);
enum cli_exit cmd_secret_rollback(struct cli *c);
enum cli_exit cmd_secret_destroy(struct cli *c);
enum cli_exit cmd_upstream_list(struct cli *c);
enum cli_exit cmd_upstream_check(struct cli *c);
enum cli_exit cmd_workload_add(struct cli *c);
enum cli_exit cmd_workload_list(struct cli *c);
enum cli_exit cmd_workload_enroll(struct cli *c);
enum cli_exit cmd_workload_suspend(struct cli *c);
enum cli_exit cmd_workload_resume(struct cli *c);
enum cli_exit cmd_workload_revoke(struct cli *c);
enum cli_exit cmd_shim_install(struct cli *c);
enum cli_exit cmd_policy_check(struct cli *c);
enum cli_exit cmd_policy_test(struct cli *c);
enum cli_exit cmd_policy_explain(struct cli *c);
enum cli_exit cmd_audit_tail(struct cli *c);
enum cli_exit cmd_audit_verify(struct cli *c);
enum cli_exit cmd_audit_export(struct cli *c);
enum cli_exit cmd_reload(struct cli *c);
enum cli_exit cmd_completion(struct cli *c);
enum cli_exit cmd_version(struct cli *c);
enum cli_exit cmd_help(struct cli *c);

#endif
