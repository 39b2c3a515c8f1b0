#include "broker/sidekeyd/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define STATUS_USAGE 2

static const char usage[] =
    "usage: sidekeyd [--config-dir DIR] [--check-config] [--accept-clock]\n"
    "\n"
    "Starts the Sidekey broker and keeps it running, in the foreground.\n"
    "\n"
    "  --config-dir DIR  where sidekey.yaml, upstreams/ and policies/ are (" CONFIG_DIR_DEFAULT
    ")\n"
    "  --check-config    say whether sidekey.yaml is good, and stop\n"
    "  --accept-clock    take the clock as it is, though the audit log is ahead of it\n"
    "  --help            this text\n"
    "  --version         the version\n"
    "\n"
    "TERM and INT let open requests finish (10 s at most); once more ends at once.\n"
    "HUP reads upstreams/ and policies/ again; sidekey.yaml is read at start only.\n";

struct arguments
arguments_read(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config-dir", required_argument, NULL, 'd' },
		{ "check-config", no_argument, NULL, 'c' },
		{ "accept-clock", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct arguments a = { .config_dir = CONFIG_DIR_DEFAULT };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			a.config_dir = optarg;
			break;
		case 'c':
			a.check_config = true;
			break;
		case 'a':
			a.accept_clock = true;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			exit(0);
		case 'v':
			puts("sidekeyd " SIDEKEY_VERSION);
			exit(0);
		default:
			(void)fputs("Try sidekeyd --help.\n", stderr);
			exit(STATUS_USAGE);
		}
	}
	if (optind != argc) {
		(void)fprintf(stderr, "sidekeyd: unexpected argument %s\nTry sidekeyd --help.\n",
		    argv[optind]);
		exit(STATUS_USAGE);
	}
	return a;
}
