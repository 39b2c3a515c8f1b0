#include "cli/program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum cli_exit
program_find(const char *name, char ret_path[PATH_MAX])
{
	static const char *const places[] = { "/", "/../libexec/sidekey/" };
	char self[PATH_MAX - 256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	for (size_t i = 0; slash != NULL && i < COUNT(places); i++) {
		(void)snprintf(ret_path, PATH_MAX, "%s%s%s", self, places[i], name);
		if (access(ret_path, X_OK) == 0)
			return CLI_OK;
	}
	(void)snprintf(ret_path, PATH_MAX, "%s/%s", SIDEKEY_LIBEXEC, name);
	if (access(ret_path, X_OK) == 0)
		return CLI_OK;
	return cli_fail(CLI_FAILED,
	    "the program %s is neither beside sidekey nor in %s; is Sidekey installed whole?", name,
	    SIDEKEY_LIBEXEC);
}
