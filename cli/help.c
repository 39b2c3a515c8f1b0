#include <string.h>

#include "cli/commands.h"

static void
print_name(const struct cli_command *row, FILE *out)
{
	(void)fprintf(out, "sidekey %s%s%s", row->group != NULL ? row->group : "",
	    row->group != NULL ? " " : "", row->name);
}

static void
print_options(const struct cli_option *list, FILE *out)
{
	for (const struct cli_option *o = list; o->name != NULL; o++) {
		char left[64], letter[8] = "    ";

		if (o->letter != 0)
			(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name,
		    o->value != NULL ? " " : "", o->value != NULL ? o->value : "");
		(void)fprintf(out, "  %-28s %s\n", left, o->help);
	}
}

static void
help_command(const struct cli_command *row, FILE *out)
{
	(void)fprintf(out, "usage: ");
	print_name(row, out);
	(void)fprintf(out, "%s%s%s\n\n%s\n", row->options[0].name != NULL ? " [options]" : "",
	    row->args[0] != '\0' ? " " : "", row->args, row->summary);
	if (row->options[0].name != NULL) {
		(void)fprintf(out, "\noptions:\n");
		print_options(row->options, out);
	}
	(void)fprintf(out, "\nglobal options:\n");
	print_options(cli_globals, out);
}

/* group NULL: all commands. */
static void
help_list(const char *group, FILE *out)
{
	(void)fprintf(out, "usage: sidekey [global options] %s ...\n\ncommands:\n",
	    group != NULL ? group : "COMMAND");
	for (const struct cli_command *row = cli_commands; row->name != NULL; row++) {
		char left[80];

		if (group != NULL && (row->group == NULL || strcmp(row->group, group) != 0))
			continue;
		(void)snprintf(left, sizeof(left), "%s%s%s%s%s",
		    row->group != NULL ? row->group : "", row->group != NULL ? " " : "", row->name,
		    row->args[0] != '\0' ? " " : "", row->args);
		if (strlen(left) > 28)
			(void)fprintf(out, "  %s\n  %-28s %s\n", left, "", row->summary);
		else
			(void)fprintf(out, "  %-28s %s\n", left, row->summary);
	}
	(void)fprintf(out, "\nglobal options:\n");
	print_options(cli_globals, out);
	(void)fprintf(out,
	    "\nexit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 broker unreachable, "
	    "6 sealed\n");
}

void
cli_help(const struct cli_command *command, const char *group, FILE *out)
{
	if (command != NULL)
		help_command(command, out);
	else
		help_list(group, out);
}

enum cli_exit
cmd_help(struct cli *c)
{
	const struct cli_command *row = NULL;
	const char *group = NULL;

	if (c->arg_count > 0 && cli_is_group(c->args[0]))
		group = c->args[0];
	if (c->arg_count > 0) {
		const char *name = group == NULL ? c->args[0] : c->args[1];

		if (name != NULL) {
			row = cli_find_command(group, name);
			if (row == NULL)
				return cli_fail(CLI_USAGE,
				    "unknown command \"%s%s%s\" (sidekey help)",
				    group != NULL ? group : "", group != NULL ? " " : "", name);
		}
		if (group == NULL && c->arg_count > 1)
			return cli_fail(CLI_USAGE, "\"%s\" has no commands below it", c->args[0]);
	}
	cli_help(row, group, stdout);
	return CLI_OK;
}

enum cli_exit
cmd_version(struct cli *c)
{
	if (c->json)
		(void)printf("{\"version\":\"%s\"}\n", SIDEKEY_VERSION);
	else
		(void)printf("sidekey %s\n", SIDEKEY_VERSION);
	return CLI_OK;
}
