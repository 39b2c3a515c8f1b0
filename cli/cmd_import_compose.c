/* import compose: a Compose stack's way off its .env, and back. Values are never printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/stack.h"
#include "common/secret.h"

static enum cli_exit
plan(struct stack *s)
{
	static enum cli_exit (*const steps[])(struct stack * s) = { stack_read, stack_find_keys,
		stack_judge, stack_settle, stack_compose_env, stack_compose_overlays,
		stack_find_literals, stack_find_scripts, stack_find_rest };
	enum cli_exit x = CLI_OK;

	for (size_t i = 0; i < COUNT(steps) && x == CLI_OK; i++)
		x = steps[i](s);
	return x;
}

static void
say_files(const struct stack *s, const char *verb)
{
	const struct import *im = &s->im;

	for (uint32_t i = 0; i < im->file_count; i++)
		if (im->files[i].kept)
			cli_say(s->c,
			    "keeps %s/%s/%s, which is there already (--force replaces it)",
			    s->c->config_dir, im->files[i].part, im->files[i].name);
		else
			cli_say(s->c, "%s %s/%s/%s", verb, s->c->config_dir, im->files[i].part,
			    im->files[i].name);
	for (uint32_t i = 0; i < im->workload_count; i++)
		cli_say(s->c, "%s %s, owned by user %u", verb, im->enrolls[i].path,
		    (unsigned)im->enrolls[i].owner);
	for (uint32_t i = 0; i < im->out_count; i++)
		cli_say(s->c, "%s %s", verb, im->outs[i].path);
	if (im->out_path[0] != '\0')
		cli_say(s->c, "%s %s", verb, im->out_path);
	if (im->without_rules > 0)
		cli_warn(
		    "for %u of the upstreams no usual rules are known: write what the services "
		    "may ask of them into policies/, then: sidekey reload",
		    im->without_rules);
}

static enum err
put_option(struct buf *line, const char *option, const char *word)
{
	enum err e = buf_printf(line, " %s ", option);

	return e == ERR_OK ? stack_put_word(line, word) : e;
}

/* In the order in which Compose merges them: each overlay, where any was written, right behind its
 * original. */
static void
say_up(const struct stack *s)
{
	AUTO(buf_wipe) struct buf line = BUF_MAX(STACK_NOTES_MAX);
	const char *dir = cli_given(s->c, "project-directory");
	enum err e = dir != NULL ? put_option(&line, "--project-directory", dir) : ERR_OK;

	for (uint32_t i = 0; i < s->file_count && e == ERR_OK; i++) {
		e = put_option(&line, "-f", s->files[i].path);
		for (uint32_t k = 0; k < s->im.out_count && e == ERR_OK; k++)
			if (strcmp(s->im.outs[k].path, s->files[i].overlay) == 0)
				e = put_option(&line, "-f", s->files[i].overlay);
	}
	if (s->im.out_path[0] != '\0' && e == ERR_OK)
		e = put_option(&line, "--env-file", s->im.out_path);
	if (e == ERR_OK)
		cli_say(s->c, "next: %s%.*s up -d",
		    s->compose[0] != '\0' ? "docker-compose" : "docker compose", (int)line.len,
		    (const char *)line.data);
}

static void
say_next(const struct stack *s)
{
	say_up(s);
	if (s->env_keys_left > 0)
		cli_warn("%s has keys that stay (%u): keep it out of version control, as %s",
		    s->im.out_path, s->env_keys_left, s->env_path);
	if (s->env_path[0] != '\0')
		cli_say(s->c,
		    "when it runs: rotate its keys, which were readable in every container "
		    "(sidekey secret rotate NAME), and delete %s",
		    s->env_path);
}

static enum cli_exit
run(struct stack *s)
{
	bool apply = cli_given(s->c, "apply") != NULL;
	enum cli_exit x;

	if (cli_given(s->c, "rollback") != NULL) {
		x = apply ? cli_fail(CLI_USAGE, "--apply or --rollback, not both")
			  : stack_rollback(s);
		if (x == CLI_OK)
			say_up(s); /* what runs has the shim still, and a policy no more */
		return x;
	}
	x = plan(s);
	if (x == CLI_OK)
		x = stack_report(s);
	if (x == CLI_OK && apply)
		x = stack_apply(s);
	if (x != CLI_OK)
		return x;
	say_files(s, apply ? "wrote" : "would write");
	if (apply)
		say_next(s);
	return CLI_OK;
}

enum cli_exit
cmd_import_compose(struct cli *c)
{
	struct stack *s;
	enum cli_exit x;

	/* The model holds the keys, resolved: what the JSON library gives back must not. */
	json_set_alloc_funcs(malloc, secret_wipe_free);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	s->c = c;
	s->im = (struct import)IMPORT_NONE;
	s->im.path = "the Compose files";
	s->im.label = STACK_LABEL;
	s->im.stack = true;
	s->im.find_told = stack_find_told;
	s->im.arg = s;
	s->env_text = (struct buf)BUF_MAX(DOTENV_FILE_MAX + 1);
	s->notes = (struct buf)BUF_MAX(STACK_NOTES_MAX);
	x = run(s);
	stack_wipe(s);
	return x;
}
