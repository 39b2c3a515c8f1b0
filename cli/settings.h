/*
 * settings - the part of sidekey.yaml that init has to know, read or written for the first time.
 * Process: cli.   Owns: nothing.   Secrets: none; it names the key file and never opens it.
 * Limits: PATH_MAX bytes a path.   Failure: an exit code with the message on stderr; no file was
 * written.
 */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "cli/cli.h"

struct settings {
	bool from_file; /* sidekey.yaml is there already, and stays as it is */
	bool passphrase;
	char state_dir[PATH_MAX];
	char key_file[PATH_MAX];    /* "" with a passphrase */
	char gateway_dir[PATH_MAX]; /* "": gateway.sock is where the others are */
};

/* The options of init over the file over the defaults. An option that says otherwise than the file
 * is refused. */
enum cli_exit settings_settle(const struct cli *c, struct settings *ret_s) NODISCARD;
/* What the file says; CLI_NOT_FOUND without a message when there is none. */
enum cli_exit settings_read(const struct cli *c, struct settings *ret_s) NODISCARD;
enum cli_exit settings_write(const struct cli *c, const struct settings *s) NODISCARD;

#endif
