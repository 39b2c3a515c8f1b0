#include <string.h>

#include "cli/commands.h"

/* The words that may come first: groups once each, and commands without a group. */
static void
first_words(FILE *out)
{
	const char *last = NULL;

	for (const struct cli_command *row = cli_commands; row->name != NULL; row++) {
		if (row->group != NULL && last != NULL && strcmp(row->group, last) == 0)
			continue;
		(void)fprintf(out, "%s%s", row == cli_commands ? "" : " ",
		    row->group != NULL ? row->group : row->name);
		last = row->group;
	}
}

static void
option_words(const struct cli_option *list, FILE *out)
{
	for (const struct cli_option *o = list; o->name != NULL; o++)
		(void)fprintf(out, " --%s", o->name);
}

/* Shell case arms: "secret) words='set list ...' ;;" and "'secret set') sk_options='--exposed' ;;".
 */
static void
group_arms(FILE *out)
{
	const char *open = NULL;

	for (const struct cli_command *row = cli_commands; row->name != NULL; row++) {
		if (open != NULL && (row->group == NULL || strcmp(open, row->group) != 0)) {
			(void)fprintf(out, "' ;;\n");
			open = NULL;
		}
		if (row->group == NULL)
			continue;
		if (open == NULL)
			(void)fprintf(out, "\t%s) sk_words='%s", row->group, row->name);
		else
			(void)fprintf(out, " %s", row->name);
		open = row->group;
	}
}

static void
option_arms(FILE *out)
{
	for (const struct cli_command *row = cli_commands; row->name != NULL; row++) {
		if (row->options[0].name == NULL)
			continue;
		(void)fprintf(out, "\t'%s%s%s') sk_options='", row->group != NULL ? row->group : "",
		    row->group != NULL ? " " : "", row->name);
		option_words(row->options, out);
		(void)fprintf(out, "' ;;\n");
	}
}

/* The part that bash and zsh share: sets sk_words and sk_options from the words typed so far in $1
 * (group or command) and $2. */
static void
shell_tables(FILE *out)
{
	(void)fprintf(
	    out, "_sidekey_words() {\n\tsk_words='' sk_options=''\n\tcase $1 in\n\t'') sk_words='");
	first_words(out);
	(void)fprintf(out, "' ;;\n");
	group_arms(out);
	(void)fprintf(
	    out, "\tcompletion) sk_words='bash zsh fish' ;;\n\tesac\n\tcase \"$1${2:+ $2}\" in\n");
	option_arms(out);
	(void)fprintf(out, "\tesac\n\tsk_options=\"$sk_options");
	option_words(cli_globals, out);
	(void)fprintf(out, "\"\n}\n");
}

/* The words in front of the one being typed that are neither options nor, for the options that take
 * one, their values. */
static void
shell_values(FILE *out)
{
	(void)fprintf(out, "_sidekey_takes_value() {\n\tcase $1 in\n\t--run-dir|--config-dir");
	for (const struct cli_command *row = cli_commands; row->name != NULL; row++)
		for (const struct cli_option *o = row->options; o->name != NULL; o++)
			if (o->value != NULL)
				(void)fprintf(out, "|--%s", o->name);
	(void)fprintf(out, ") return 0 ;;\n\tesac\n\treturn 1\n}\n");
}

static void
complete_bash(FILE *out)
{
	(void)fprintf(out, "# bash completion for sidekey: eval \"$(sidekey completion bash)\"\n");
	shell_tables(out);
	shell_values(out);
	(void)fprintf(out,
	    "_sidekey() {\n"
	    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} typed=() i sk_words sk_options\n"
	    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	    "\t\tif _sidekey_takes_value \"${COMP_WORDS[i]}\"; then i=$((i + 1)); continue; fi\n"
	    "\t\tcase ${COMP_WORDS[i]} in -*) ;; *) typed+=(\"${COMP_WORDS[i]}\") ;; esac\n"
	    "\tdone\n"
	    "\tif [ \"${typed[0]}\" = help ]; then typed=(\"${typed[@]:1}\"); fi\n"
	    "\t_sidekey_words \"${typed[0]}\" \"${typed[1]}\"\n"
	    "\tif [ \"${#typed[@]}\" -gt 1 ]; then sk_words=''; fi\n"
	    "\tcase $cur in -*) sk_words=$sk_options ;; esac\n"
	    "\tif _sidekey_takes_value \"${COMP_WORDS[COMP_CWORD-1]}\"; then sk_words=''; fi\n"
	    "\tCOMPREPLY=($(compgen -W \"$sk_words\" -- \"$cur\"))\n"
	    "}\n"
	    "complete -o default -F _sidekey sidekey\n");
}

static void
complete_zsh(FILE *out)
{
	(void)fprintf(out,
	    "#compdef sidekey\n# zsh completion for sidekey: put it into $fpath as _sidekey\n");
	shell_tables(out);
	shell_values(out);
	(void)fprintf(out,
	    "_sidekey() {\n"
	    "\tlocal -a typed list\n"
	    "\tlocal i sk_words sk_options\n"
	    "\tlocal -a line=(\"${words[@]}\")\n"
	    "\tlocal at=$CURRENT cur=${words[CURRENT]}\n"
	    "\tfor ((i = 2; i < at; i++)); do\n"
	    "\t\tif _sidekey_takes_value \"${line[i]}\"; then ((i++)); continue; fi\n"
	    "\t\t[[ ${line[i]} == -* ]] || typed+=(\"${line[i]}\")\n"
	    "\tdone\n"
	    "\t[[ ${typed[1]} == help ]] && shift typed\n"
	    "\t_sidekey_words \"${typed[1]}\" \"${typed[2]}\"\n"
	    "\t(( ${#typed} > 1 )) && sk_words=''\n"
	    "\t[[ $cur == -* ]] && sk_words=$sk_options\n"
	    "\tlist=(${=sk_words})\n"
	    "\tif (( ${#list} )) && ! _sidekey_takes_value \"${line[at-1]}\"; then compadd -a "
	    "list; else _files; fi\n"
	    "}\n"
	    "if [ \"$funcstack[1]\" = _sidekey ]; then _sidekey; else compdef _sidekey sidekey; "
	    "fi\n");
}

/* Single quotes for fish: only \ and ' are special inside. */
static void
fish_quoted(const char *s, FILE *out)
{
	(void)fputc('\'', out);
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '\\')
			(void)fputc('\\', out);
		(void)fputc(*s, out);
	}
	(void)fputc('\'', out);
}

static void
fish_options(const struct cli_option *list, const char *condition, FILE *out)
{
	for (const struct cli_option *o = list; o->name != NULL; o++) {
		(void)fprintf(out, "complete -c sidekey%s -l %s", condition, o->name);
		if (o->letter != 0)
			(void)fprintf(out, " -s %c", o->letter);
		(void)fprintf(out, "%s -d ", o->value != NULL ? " -r" : "");
		fish_quoted(o->help, out);
		(void)fputc('\n', out);
	}
}

static void
complete_fish(FILE *out)
{
	const char *last = NULL;

	(void)fprintf(out, "# fish completion for sidekey: sidekey completion fish | source\n");
	fish_options(cli_globals, "", out);
	for (const struct cli_command *row = cli_commands; row->name != NULL; row++) {
		char seen[160];

		if (row->group != NULL && (last == NULL || strcmp(last, row->group) != 0))
			(void)fprintf(out,
			    "complete -c sidekey -f -n __fish_use_subcommand -a %s\n", row->group);
		last = row->group;
		if (row->group == NULL) {
			(void)fprintf(out,
			    "complete -c sidekey -f -n __fish_use_subcommand -a %s -d ", row->name);
			(void)snprintf(
			    seen, sizeof(seen), " -n '__fish_seen_subcommand_from %s'", row->name);
		} else {
			(void)fprintf(out,
			    "complete -c sidekey -f -n '__fish_seen_subcommand_from %s' -a %s -d ",
			    row->group, row->name);
			(void)snprintf(seen, sizeof(seen),
			    " -n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from "
			    "%s'",
			    row->group, row->name);
		}
		fish_quoted(row->summary, out);
		(void)fputc('\n', out);
		fish_options(row->options, seen, out);
	}
	(void)fprintf(out, "complete -c sidekey -f -n '__fish_seen_subcommand_from completion' -a "
			   "'bash zsh fish'\n");
}

enum cli_exit
cli_completion(const char *shell, FILE *out)
{
	static const struct {
		const char *shell;
		void (*print)(FILE *out);
	} list[] = { { "bash", complete_bash }, { "zsh", complete_zsh },
		{ "fish", complete_fish } };

	for (size_t i = 0; i < COUNT(list); i++)
		if (strcmp(list[i].shell, shell) == 0) {
			list[i].print(out);
			return CLI_OK;
		}
	return cli_fail(CLI_USAGE, "no completion for \"%s\"; there is bash, zsh and fish", shell);
}

enum cli_exit
cmd_completion(struct cli *c)
{
	return cli_completion(c->args[0], stdout);
}
