/* shim install: the shim into the folder that containers mount. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/program.h"
#include "common/buf.h"
#include "common/sys.h"

#define SHIM_LEN_MAX (UINT64_C(64) << 20)

/* Without the right to read it nobody but root can trace what starts from it (prctl(2),
 * PR_SET_DUMPABLE), and a container must not be able to change what the others run. */
#define SHIM_MODE 0711

enum cli_exit
cmd_shim_install(struct cli *c)
{
	AUTO(buf_wipe) struct buf program = BUF_MAX(SHIM_LEN_MAX);
	char from[PATH_MAX], to[PATH_MAX];
	enum cli_exit x = program_find("sidekey-shim", from);
	enum err e;

	if (x == CLI_OK)
		x = cli_path(c->args[0], "sidekey-shim", to);
	if (x != CLI_OK)
		return x;
	errno = 0;
	e = sys_read_file(from, &program);
	if (e != ERR_OK)
		return cli_fail(CLI_FAILED, "cannot read %s: %s", from,
		    errno != 0 ? strerror(errno) : err_name(e));
	e = sys_replace_file(
	    to, buf_span(&program), SHIM_MODE); /* at once: containers start while we do */
	if (e != ERR_OK)
		return cli_fail(errno == EACCES ? CLI_DENIED : CLI_FAILED, "cannot write %s: %s",
		    to, strerror(errno));
	cli_say(c, "%s is sidekey-shim " SIDEKEY_VERSION, to);
	if (geteuid() != 0)
		cli_warn("%s belongs to uid %u, which can read and change it; run this as root", to,
		    (unsigned)geteuid());
	return CLI_OK;
}
