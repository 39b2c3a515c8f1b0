#include "cli/compiled.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/admin.h"

static void
show_json(const struct place_error *e)
{
	AUTO(json_freep)
	json_t *j = json_pack("{s:s, s:i, s:i, s:s}", "file", e->file, "line", (int)e->line,
	    "column", (int)e->column, "text", e->text);

	if (j != NULL)
		admin_print(j);
}

void
compiled_say_error(const char *file, int64_t line, int64_t column, const char *text)
{
	if (line == 0)
		(void)cli_fail(CLI_FAILED, "%s: %s", file, text);
	else
		(void)cli_fail(
		    CLI_FAILED, "%s:%lld:%lld: %s", file, (long long)line, (long long)column, text);
}

enum cli_exit
compiled_errors(const struct cli *c, const struct policyc_errors *errors)
{
	uint32_t shown = errors->count < POLICYC_ERRORS_MAX ? errors->count : POLICYC_ERRORS_MAX;

	for (uint32_t i = 0; i < shown; i++) {
		const struct place_error *e = &errors->list[i];

		if (c->json)
			show_json(e);
		else
			compiled_say_error(e->file, e->line, e->column, e->text);
	}
	if (errors->count > shown)
		(void)cli_fail(CLI_FAILED, "and %u more", errors->count - shown);
	return CLI_FAILED;
}

enum cli_exit
compiled_rules(const struct cli *c, const char *dir, struct rules **ret_r)
{
	struct policyc_errors *errors;
	struct stat st;
	enum cli_exit x = CLI_OK;
	enum err e;

	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
		return cli_fail(CLI_NOT_FOUND,
		    "there is no folder %s (sidekey init makes it; --config-dir names another)",
		    dir);
	errors = calloc(1, sizeof(*errors));
	if (errors == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	e = policyc_compile(dir, ret_r, errors);
	if (e != ERR_OK)
		x = errors->count > 0 ? compiled_errors(c, errors) : cli_fail_err(e, dir);
	free(errors);
	return x;
}
