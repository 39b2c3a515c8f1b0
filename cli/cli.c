#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/yaml/yaml.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "common/buf.h"
#include "common/sys.h"

static const struct cli_option *
find_option(const struct cli_option *list, const char *name, size_t len)
{
	for (const struct cli_option *o = list; o->name != NULL; o++)
		if (strlen(o->name) == len && strncmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static const struct cli_option *
find_letter(const struct cli_option *list, char letter)
{
	for (const struct cli_option *o = list; o->name != NULL; o++)
		if (o->letter != 0 && o->letter == letter)
			return o;
	return NULL;
}

static enum cli_exit
give(struct cli *c, const struct cli_option *o, const char *value)
{
	if (c->given_count == CLI_GIVEN_MAX)
		return cli_fail(CLI_USAGE, "more than %d options", CLI_GIVEN_MAX);
	c->given[c->given_count].option = o;
	c->given[c->given_count++].value = value;
	if (strcmp(o->name, "json") == 0)
		c->json = true;
	if (strcmp(o->name, "quiet") == 0)
		c->quiet = true;
	if (strcmp(o->name, "help") == 0)
		c->help = true;
	return CLI_OK;
}

/* One word that starts with '-'; *at moves on when the value is a word of its own. */
static enum cli_exit
parse_option(struct cli *c, int argc, char **argv, int *at)
{
	const char *word = argv[*at], *value = NULL;
	const struct cli_option *own = c->command != NULL ? c->command->options : NULL;
	const struct cli_option *o;

	if (word[1] == '-') {
		size_t len = strcspn(word + 2, "=");

		o = own != NULL ? find_option(own, word + 2, len) : NULL;
		if (o == NULL)
			o = find_option(cli_globals, word + 2, len);
		value = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
	} else {
		o = own != NULL ? find_letter(own, word[1]) : NULL;
		if (o == NULL)
			o = find_letter(cli_globals, word[1]);
		value = word[2] != '\0' ? word + 2 : NULL;
	}
	if (o == NULL && c->command == NULL)
		return cli_fail(
		    CLI_USAGE, "unknown option %s in front of the command (sidekey help)", word);
	if (o == NULL)
		return cli_fail(CLI_USAGE, "unknown option %s (sidekey help %s%s%s)", word,
		    c->command->group != NULL ? c->command->group : "",
		    c->command->group != NULL ? " " : "", c->command->name);
	if (o->value == NULL && value != NULL)
		return cli_fail(CLI_USAGE, "--%s takes no value", o->name);
	if (o->value != NULL && value == NULL) {
		if (*at + 1 >= argc)
			return cli_fail(CLI_USAGE, "--%s needs a value: %s", o->name, o->value);
		value = argv[++*at];
	}
	return give(c, o, value != NULL ? value : "");
}

static enum cli_exit
parse_word(struct cli *c, const char *word)
{
	if (c->command != NULL) {
		if (c->arg_count == CLI_ARGS_MAX)
			return cli_fail(CLI_USAGE, "more than %d arguments", CLI_ARGS_MAX);
		c->args[c->arg_count++] = word;
		return CLI_OK;
	}
	if (c->group == NULL && cli_is_group(word)) {
		c->group = word;
		return CLI_OK;
	}
	c->command = cli_find_command(c->group, word);
	if (c->command != NULL)
		return CLI_OK;
	if (c->group != NULL)
		return cli_fail(CLI_USAGE, "unknown command \"%s %s\" (sidekey help %s)", c->group,
		    word, c->group);
	return cli_fail(CLI_USAGE, "unknown command \"%s\" (sidekey help)", word);
}

static enum cli_exit
check_count(const struct cli *c)
{
	const struct cli_command *row = c->command;

	if (c->help || row == NULL)
		return CLI_OK;
	if (c->arg_count >= row->args_min && c->arg_count <= row->args_max)
		return CLI_OK;
	return cli_fail(CLI_USAGE, "%s: usage: sidekey %s%s%s %s",
	    c->arg_count < row->args_min ? "an argument is missing" : "too many arguments",
	    row->group != NULL ? row->group : "", row->group != NULL ? " " : "", row->name,
	    row->args[0] != '\0' ? row->args : "(no arguments)");
}

enum cli_exit
cli_parse(struct cli *c, int argc, char **argv)
{
	bool options = true;

	for (int i = 1; i < argc; i++) {
		enum cli_exit x;

		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			continue;
		}
		if (options && argv[i][0] == '-' && argv[i][1] != '\0')
			x = parse_option(c, argc, argv, &i);
		else
			x = parse_word(c, argv[i]);
		if (x != CLI_OK)
			return x;
	}
	if (c->command == NULL && !c->help) {
		if (c->group != NULL)
			return cli_fail(
			    CLI_USAGE, "%s what? (sidekey help %s)", c->group, c->group);
		return cli_fail(CLI_USAGE, "which command? (sidekey help)");
	}
	return check_count(c);
}

const char *
cli_given_nth(const struct cli *c, const char *name, int nth)
{
	for (int i = 0; i < c->given_count; i++)
		if (strcmp(c->given[i].option->name, name) == 0 && nth-- == 0)
			return c->given[i].value;
	return NULL;
}

const char *
cli_given(const struct cli *c, const char *name)
{
	size_t len = strlen(name);

	must(find_option(cli_globals, name, len) != NULL ||
	     (c->command != NULL && find_option(c->command->options, name, len) != NULL));
	for (int i = c->given_count - 1; i >= 0; i--)
		if (strcmp(c->given[i].option->name, name) == 0)
			return c->given[i].value;
	return NULL;
}

enum cli_exit
cli_path(const char *dir, const char *name, char ret_path[PATH_MAX])
{
	int n = snprintf(ret_path, PATH_MAX, "%s/%s", dir, name);

	if (n < 0 || n >= PATH_MAX)
		return cli_fail(CLI_FAILED, "the path %s/%s is too long", dir, name);
	return CLI_OK;
}

enum cli_exit
cli_find_program(const char *name, char ret_path[PATH_MAX])
{
	const char *at = getenv("PATH");

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, ":");
		int n = snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)len, at, name);

		/* A relative folder would run what lies in whatever folder this was called from. */
		if (*at == '/' && n > 0 && n < PATH_MAX && access(ret_path, X_OK) == 0)
			return CLI_OK;
		at += len + (at[len] == ':');
	}
	return CLI_NOT_FOUND;
}

const char *
cli_env(const char *variable)
{
	const char *v = getenv(variable);

	return v != NULL && v[0] != '\0' ? v : NULL;
}

/* flag, then environment; NULL: neither. */
static const char *
flag_or_env(const struct cli *c, const char *flag, const char *variable)
{
	const char *v = cli_given(c, flag);

	if (v == NULL)
		return cli_env(variable);
	return v[0] != '\0' ? v : NULL;
}

/* run_dir as sidekey.yaml has it; a file that is missing, unreadable or wrong leaves the default:
 * sidekeyd complains about it. */
static void
run_dir_from_file(struct cli *c)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(YAML_FILE_MAX);
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	const struct yaml_node *node;
	struct place_error place;
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/sidekey.yaml", c->config_dir);

	if (n < 0 || n >= (int)sizeof(path) || sys_read_file(path, &text) != ERR_OK)
		return;
	if (yaml_parse(path, buf_span(&text), &root, &place) != ERR_OK || root == NULL ||
	    root->kind != YAML_MAP)
		return;
	node = yaml_get(root, "run_dir");
	if (node != NULL && node->kind == YAML_STRING)
		(void)snprintf(c->run_dir, sizeof(c->run_dir), "%s", node->text);
}

enum cli_exit
cli_settle_dirs(struct cli *c)
{
	const char *config_dir = flag_or_env(c, "config-dir", "SIDEKEY_CONFIG_DIR");
	const char *run_dir = flag_or_env(c, "run-dir", "SIDEKEY_RUN_DIR");

	if (config_dir == NULL)
		config_dir = CLI_CONFIG_DIR;
	if (strlen(config_dir) >= PATH_MAX || (run_dir != NULL && strlen(run_dir) >= PATH_MAX))
		return cli_fail(CLI_USAGE, "--config-dir or --run-dir is too long");
	(void)snprintf(c->config_dir, sizeof(c->config_dir), "%s", config_dir);
	(void)snprintf(
	    c->run_dir, sizeof(c->run_dir), "%s", run_dir != NULL ? run_dir : CLI_RUN_DIR);
	if (run_dir == NULL)
		run_dir_from_file(c);
	return CLI_OK;
}
