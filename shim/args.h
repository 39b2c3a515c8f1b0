/*
 * args - the command line of sidekey-shim.
 * Process: shim.   Owns: nothing: command points into argv.
 * Secrets: none: the enrollment comes from a file, never from argv.
 * Limits: SHIM_WAIT_S_MAX.   Failure: ERR_SYNTAX or ERR_RANGE with a sentence in why.
 */
#ifndef SHIM_ARGS_H
#define SHIM_ARGS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "shim/limits.h"
#include "common/err.h"
#include "common/span.h"

#define SHIM_ENROLL_PATH "/run/secrets/sidekey"
#define SHIM_PATH_MAX 4096
#define SHIM_LISTEN "127.0.0.1:7433"

enum shim_verb { SHIM_RUN = 0, SHIM_HELP, SHIM_VERSION };

union shim_sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct shim_args {
	enum shim_verb verb;
	char enroll_path[SHIM_PATH_MAX]; /* --enroll, else $SIDEKEY_ENROLL_FILE, else
					    SHIM_ENROLL_PATH; a copy: the environment is scrubbed */
	union shim_sockaddr listen;	 /* loopback; port 0: the kernel chooses */
	uint64_t wait_s;
	char **command; /* COMMAND ARG... NULL */
};

enum err shim_args_parse(
    int argc, char **argv, struct shim_args *ret_a, char why[SHIM_WHY_SIZE]) NODISCARD;

/* "127.0.0.1:7433", "[::1]:7433". ERR_RANGE when it is no loopback address: any other would offer
 * the identity to the network. */
enum err shim_args_listen(struct span text, union shim_sockaddr *ret_sa) NODISCARD;

const char *shim_args_help(void);

#endif
