/* What the one table of commands promises: rows that make sense, help and completion that show all
 * of it. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "tests/lib/tap.h"

static bool
has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = strstr(text, word); p != NULL; p = strstr(p + 1, word)) {
		char before = p == text ? ' ' : p[-1], behind = p[len];

		if (strchr(" '\n,|[(\"", before) != NULL &&
		    (behind == '\0' || strchr(" '\n,|])\"", behind)))
			return true;
	}
	return false;
}

static char *
completion_of(const char *shell)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	must(f != NULL && cli_completion(shell, f) == CLI_OK && fclose(f) == 0);
	return text;
}

static char *
help_of(const struct cli_command *row, const char *group)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	must(f != NULL);
	cli_help(row, group, f);
	must(fclose(f) == 0);
	return text;
}

static void
test_row(const struct cli_command *row)
{
	char *help = help_of(row, NULL);
	char word[64];

	ok(cli_find_command(row->group, row->name) == row, "%s %s: found, and only once",
	    row->group != NULL ? row->group : "", row->name);
	ok(row->args_min <= row->args_max && row->run != NULL && row->summary[0] != '\0',
	    "row is whole");
	ok((row->args_max == 0) == (row->args[0] == '\0'),
	    "help shows arguments where there are some");
	for (const struct cli_option *o = row->options; o->name != NULL; o++) {
		(void)snprintf(word, sizeof(word), "--%s", o->name);
		ok(has_word(help, word), "help shows %s", word);
		for (const struct cli_option *g = cli_globals; g->name != NULL; g++)
			if (strcmp(g->name, o->name) == 0 ||
			    (g->letter != 0 && g->letter == o->letter))
				ok(false, "%s has the name of a global option", o->name);
	}
	free(help);
}

static void
test_shell(const char *shell)
{
	char *text = completion_of(shell), word[64];

	for (const struct cli_command *row = cli_commands; row->name != NULL; row++) {
		ok(has_word(text, row->name), "%s completes %s", shell, row->name);
		if (row->group != NULL)
			ok(has_word(text, row->group), "%s completes %s", shell, row->group);
		for (const struct cli_option *o = row->options; o->name != NULL; o++) {
			(void)snprintf(word, sizeof(word), "%s%s",
			    strcmp(shell, "fish") == 0 ? "" : "--", o->name);
			ok(has_word(text, word), "%s completes %s", shell, word);
		}
	}
	free(text);
}

static void
test_all_help(void)
{
	char *text = help_of(NULL, NULL);

	for (const struct cli_command *row = cli_commands; row->name != NULL; row++)
		ok(has_word(text, row->name) && strstr(text, row->summary) != NULL, "help lists %s",
		    row->name);
	free(text);
	text = help_of(NULL, "secret");
	ok(strstr(text, "secret rotate") != NULL && strstr(text, "workload") == NULL,
	    "help on a group lists the group");
	free(text);
}

int
main(void)
{
	must(freopen("/dev/null", "w", stderr) != NULL);
	for (const struct cli_command *row = cli_commands; row->name != NULL; row++)
		test_row(row);
	test_all_help();
	test_shell("bash");
	test_shell("zsh");
	test_shell("fish");
	ok(cli_completion("csh", stdout) == CLI_USAGE,
	    "no completion for a shell that is not known");
	return done();
}
