#include <stdarg.h>
#include <stdio.h>

#include "cli/cli.h"
#include "common/text.h"

#define LINE_MAX_SAID 4096 /* bytes; the rest of a longer message is cut */

/* One line; controls become '?': a name that came from a file or a peer must not move the cursor.
 */
static void
say_line(const char *mark, const char *fmt, va_list ap)
{
	char line[LINE_MAX_SAID];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	if (n < 0)
		return;
	text_tame(line);
	(void)fflush(stdout); /* so that news and data come in the order they were made */
	(void)fprintf(stderr, "sidekey: %s%s\n", mark, line);
}

enum cli_exit
cli_fail(enum cli_exit code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line("", fmt, ap);
	va_end(ap);
	return code;
}

void
cli_say(const struct cli *c, const char *fmt, ...)
{
	va_list ap;

	if (c->quiet)
		return;
	va_start(ap, fmt);
	say_line("", fmt, ap);
	va_end(ap);
}

void
cli_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_line("warning: ", fmt, ap);
	va_end(ap);
}

enum cli_exit
cli_exit_of(enum err e)
{
	switch (e) {
	case ERR_OK:
		return CLI_OK;
	case ERR_NOT_FOUND:
		return CLI_NOT_FOUND;
	case ERR_DENIED:
		return CLI_DENIED;
	case ERR_UNREACHABLE:
	case ERR_EOF:
	case ERR_TIMEOUT:
		return CLI_UNREACHABLE;
	case ERR_SEALED:
		return CLI_SEALED;
	default:
		return CLI_FAILED;
	}
}

enum cli_exit
cli_fail_err(enum err e, const char *what)
{
	return cli_fail(cli_exit_of(e), "%s: %s", what, err_name(e));
}
