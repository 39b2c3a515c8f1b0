/* sidekey - the command line. What it can do stands in cli/commands.c. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cli/commands.h"
#include "common/log.h"

/* A value on its way from the terminal to the keeper must end up neither in a core file nor in a
 * debugger. */
static void
harden(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
}

int
main(int argc, char **argv)
{
	struct cli c = { 0 };
	enum cli_exit x;

	log_init("sidekey", LOG_LEVEL_WARN);
	harden();
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that left shows as a failed write */
	x = cli_parse(&c, argc, argv);
	if (x != CLI_OK)
		return (int)x;
	if (c.help) {
		cli_help(c.command, c.group, stdout);
		return CLI_OK;
	}
	x = cli_settle_dirs(&c);
	if (x == CLI_OK)
		x = c.command->run(&c);
	if ((fflush(stdout) != 0 || ferror(stdout)) && x == CLI_OK)
		x = cli_fail(CLI_FAILED, "cannot write to standard output");
	return (int)x;
}
