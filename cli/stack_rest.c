/* What else there is to say: what the import does not convert, and what Compose makes of the
 * outcome. */
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/recognise.h"
#include "cli/stack.h"
#include "cli/stack_scan.h"

struct env_files {
	struct stack *s;
	const char *path;
};

static enum err
note_env_file(const struct stack_scalar *v, void *arg)
{
	const struct env_files *e = arg;

	if (!v->is_key || v->depth < 2 || !span_eq_str(v->text, "env_file"))
		return ERR_OK;
	return stack_note(e->s, STACK_NOTE_OTHER,
		   "%s:%u: this env_file is not rewritten, since Compose did not say which file "
		   "it names: if it is the .env, say env_file: !override [.env.sidekey] in a file "
		   "of your own, and look for keys in any other",
		   e->path, v->line) == CLI_OK
		   ? ERR_OK
		   : ERR_NOMEM;
}

/* Compose resolves them away; where it can be asked, it is asked for them too. */
static enum cli_exit
note_env_files(struct stack *s)
{
	enum err e = ERR_OK;
	uint32_t line;

	for (uint32_t i = 0; i < s->file_count && s->bare == NULL && e == ERR_OK; i++) {
		struct env_files arg = { .s = s, .path = s->files[i].path };

		e = stack_scan(buf_span(&s->files[i].text), note_env_file, &arg, &line);
	}
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, "the Compose files");
}

/* Which file that is, nobody says. */
static enum cli_exit
note_filled_in(struct stack *s, const struct stack_service *v)
{
	enum cli_exit x = CLI_OK;
	const json_t *row;
	size_t i;

	json_array_foreach(stack_env_files(s, v), i, row)
	{
		const char *path = stack_env_file(row);

		if (x == CLI_OK && v->fate == STACK_CONVERTED && strchr(path, '$') != NULL)
			x = stack_note(s, STACK_NOTE_OTHER,
			    "%s: its env_file %s is not rewritten, since its name has a variable: "
			    "if it is the .env, say env_file: !override [.env.sidekey] in a file "
			    "of your own",
			    v->name, path);
	}
	return x;
}

static enum cli_exit
note_secrets(struct stack *s, const struct stack_service *v)
{
	enum cli_exit x = CLI_OK;
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(v->def, "secrets"), i, row) if (x == CLI_OK) x =
	    stack_note(s, STACK_NOTE_OTHER,
		"%s reads the Compose secret %s as a file: only keys in its environment are "
		"converted",
		v->name, admin_text(row, "source"));
	return x;
}

static bool
is_in_a_service(const struct stack *s, struct span value)
{
	for (uint32_t i = 0; i < s->im.env.count; i++) {
		struct span have = dotenv_value(&s->im.env, &s->im.env.entries[i]);

		if (have.len >= value.len && memmem(have.p, have.len, value.p, value.len) != NULL)
			return true;
	}
	return false;
}

/* In a command, a label, or nowhere: not found by what services have. */
static enum cli_exit
note_elsewhere(struct stack *s)
{
	enum cli_exit x = CLI_OK;

	for (uint32_t i = 0; i < s->env.count && x == CLI_OK; i++) {
		const struct dotenv_entry *e = &s->env.entries[i];
		struct span value = dotenv_value(&s->env, e);

		if (value.len == 0 || e->refers || is_in_a_service(s, value) ||
		    recognise_address(e->name) != NULL ||
		    (recognise_name(e->name) == NULL && recognise_shape(value) == NULL))
			continue;
		x = stack_note(s, STACK_NOTE_OTHER,
		    "%s:%u: %.*s looks like a key, but no service has it in its environment: it "
		    "stays",
		    s->env_path, e->line, (int)e->name.len, (const char *)e->name.p);
	}
	return x;
}

enum cli_exit
stack_find_rest(struct stack *s)
{
	enum cli_exit x = note_env_files(s);

	for (uint32_t i = 0; i < s->service_count && x == CLI_OK; i++) {
		x = note_filled_in(s, &s->services[i]);
		if (x == CLI_OK)
			x = note_secrets(s, &s->services[i]);
	}
	return x == CLI_OK ? note_elsewhere(s) : x;
}

static void
warn_of_keys(const struct stack *s, const struct stack_service *v, const json_t *outcome)
{
	const json_t *def = json_object_get(json_object_get(outcome, "services"), v->name);

	for (uint32_t i = 0; i < s->im.env.count; i++) {
		const struct import_item *it = &s->im.items[i];

		if (it->fate == IMPORT_TAKEN && it->first &&
		    stack_holds(def, import_value(&s->im, it)))
			cli_warn("%s still has the key of %s, outside its environment (a label, a "
				 "health check, a build?): take it out there",
			    v->name, it->upstream);
	}
}

enum cli_exit
stack_check_outcome(void *arg)
{
	const struct stack *s = arg;
	AUTO(json_freep) json_t *outcome = NULL;
	enum cli_exit x;

	if (cli_given(s->c, "config") != NULL)
		return CLI_OK;
	x = stack_docker_outcome(s, &outcome);
	for (uint32_t i = 0; i < s->service_count && x == CLI_OK; i++)
		if (s->services[i].fate == STACK_CONVERTED)
			warn_of_keys(s, &s->services[i], outcome);
	return x;
}
