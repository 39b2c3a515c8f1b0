/*
 * arguments - the command line of sidekeyd.
 * Process: sidekeyd.   Owns: nothing: it points into argv.   Secrets: none.   Limits: none.
 * Failure: --help and --version print and exit 0; anything unknown exits 2.
 */
#ifndef SIDEKEYD_ARGUMENTS_H
#define SIDEKEYD_ARGUMENTS_H

#include "common/err.h"

#define CONFIG_DIR_DEFAULT "/etc/sidekey"

struct arguments {
	const char *config_dir;
	bool check_config, accept_clock;
};

struct arguments arguments_read(int argc, char **argv);

#endif
