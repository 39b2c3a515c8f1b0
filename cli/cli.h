/*
 * cli - one run of the command line: the command that was asked for, its options and arguments.
 * Process: cli.   Owns: nothing; strings are argv's, environ's or constants, but for the two
 * folders. Secrets: none: a value never comes by argv or environ. Limits: CLI_ARGS_MAX arguments,
 * CLI_GIVEN_MAX options; more is a usage error. Failure: an exit code of enum cli_exit; the message
 * is on stderr by then.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED,
	CLI_USAGE,
	CLI_NOT_FOUND,
	CLI_DENIED,
	CLI_UNREACHABLE,
	CLI_SEALED
};

#define CLI_ARGS_MAX 64
#define CLI_GIVEN_MAX 64
#define CLI_OPTIONS_MAX 16
#define CLI_RUN_DIR "/run/sidekey"
#define CLI_CONFIG_DIR "/etc/sidekey"
#define CLI_STATE_DIR "/var/lib/sidekey"

struct cli;

struct cli_option {
	const char *name;  /* without the dashes */
	char letter;	   /* 0: none */
	const char *value; /* how help calls its value; NULL: a switch */
	const char *help;
};

/* A row of the one table that drives dispatch, --help and completion. */
struct cli_command {
	const char *group; /* NULL: none */
	const char *name;
	const char *args; /* as help shows them */
	const char *summary;
	int args_min, args_max;
	enum cli_exit (*run)(struct cli *c);
	struct cli_option options[CLI_OPTIONS_MAX]; /* ends at a NULL name */
};

struct cli {
	const struct cli_command *command;
	const char *group; /* a group without a command: only for help */
	bool json, quiet, help;
	char run_dir[PATH_MAX], config_dir[PATH_MAX];
	int arg_count;
	const char *args[CLI_ARGS_MAX];
	int given_count;
	struct {
		const struct cli_option *option;
		const char *value;
	} given[CLI_GIVEN_MAX];
};

extern const struct cli_option cli_globals[]; /* ends at a NULL name */

/* Reads the words behind the program's name. CLI_USAGE says what is wrong. */
enum cli_exit cli_parse(struct cli *c, int argc, char **argv) NODISCARD;
/* Settles run_dir and config_dir: flag, then SIDEKEY_RUN_DIR / SIDEKEY_CONFIG_DIR, then
 * sidekey.yaml, then the default. */
enum cli_exit cli_settle_dirs(struct cli *c) NODISCARD;

/* An option's value, "" for a switch, NULL when it was not given; name must be in the command's
 * row. The last one wins. */
const char *cli_given(const struct cli *c, const char *name);
/* The nth (from 0) value of an option that may come more than once; NULL behind the last. */
const char *cli_given_nth(const struct cli *c, const char *name, int nth);

/* A variable of the environment; NULL: it is not set, or empty. */
const char *cli_env(const char *variable);
/* The file that the shell would run for this name, by PATH; CLI_NOT_FOUND, without a word, if there
 * is none. */
enum cli_exit cli_find_program(const char *name, char ret_path[PATH_MAX]) NODISCARD;

/* A path below a folder; CLI_FAILED if it is longer than PATH_MAX. */
enum cli_exit cli_path(const char *dir, const char *name, char ret_path[PATH_MAX]) NODISCARD;

/* "sidekey: ..." on stderr, controls replaced. Returns code, so that a refusal is one line. Never
 * for a secret. */
enum cli_exit cli_fail(enum cli_exit code, const char *fmt, ...) PRINTF(2, 3);
/* The same for news that are not data; --quiet silences it. */
void cli_say(const struct cli *c, const char *fmt, ...) PRINTF(2, 3);
/* A warning: not silenced. */
void cli_warn(const char *fmt, ...) PRINTF(1, 2);
/* What a failed step of ours means to the one who typed the command. */
enum cli_exit cli_exit_of(enum err e);
/* Out of memory and the like, where no better sentence is known. */
enum cli_exit cli_fail_err(enum err e, const char *what);

#endif
