/* .env.sidekey: every variable in its place, so that ${VAR:?} and start scripts are content, and
 * the keys replaced, but for those that a service which cannot be converted still needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/recognise.h"
#include "cli/stack.h"
#include "common/secret.h"

#define OUT_HEAD                                                                                   \
	"# Written by `" STACK_LABEL "`: each key is replaced by a value that is worth nothing.\n" \
	"# Comments of the original were left out, since they can hold old keys.\n"

/* A variable that stays with a converted service, and holds the value. */
static bool
stays_in(const struct stack *s, const struct stack_service *v, struct span value)
{
	const json_t *env = json_object_get(v->def, "environment"), *j;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)env, name, j)
	{
		const struct import_item *it = stack_item(s, name, j);

		if (it != NULL && it->fate == IMPORT_LEFT && strncmp(it->note, "WARNING", 7) == 0 &&
		    stack_holds(j, value))
			return true;
	}
	return false;
}

static bool
holds(struct span text, struct span value)
{
	return value.len > 0 && text.len >= value.len &&
	       memmem(text.p, text.len, value.p, value.len) != NULL;
}

/* A Compose secret or config that is made of a variable with the value. */
static bool
makes_file(const struct stack *s, const json_t *files, struct span value)
{
	const char *name;
	const json_t *file;

	json_object_foreach((json_t *)(uintptr_t)files, name, file)
	{
		const char *variable = admin_text(file, "environment");

		for (uint32_t i = 0; i < s->env.count; i++)
			if (span_eq_str(s->env.entries[i].name, variable) &&
			    holds(dotenv_value(&s->env, &s->env.entries[i]), value))
				return true;
	}
	return false;
}

/* Besides services: a config's content, a volume's options. x- blocks only repeat what services
 * have. */
static const char *
needed_besides(const struct stack *s, struct span value)
{
	const char *part;
	const json_t *j;

	json_object_foreach(s->model, part, j)
	{
		if (strcmp(part, "services") == 0 || strncmp(part, "x-", 2) == 0)
			continue;
		if (stack_holds(j, value) ||
		    ((strcmp(part, "secrets") == 0 || strcmp(part, "configs") == 0) &&
			makes_file(s, j, value)))
			return part;
	}
	return NULL;
}

/* The service, or else the part of the files, that needs the value as it is; NULL: none does. */
static const char *
needed_by(const struct stack *s, struct span value)
{
	for (uint32_t i = 0; i < s->service_count; i++) {
		const struct stack_service *v = &s->services[i];

		if (v->fate == STACK_CONVERTED
			? stays_in(s, v, value) ||
			      stack_holds(json_object_get(v->def, "build"), value)
			: stack_holds(v->def, value))
			return v->name;
	}
	return needed_besides(s, value);
}

/* For --rollback: whose value goes back there, or that it is only a part of what stands there. */
static bool
record(struct stack *s, const struct dotenv_entry *entry, const struct import_item *it)
{
	bool whole = span_eq(dotenv_value(&s->env, entry), import_value(&s->im, it));

	return json_array_append_new(s->restores,
		   json_pack("{s:s%, s:s, s:b}", "variable", entry->name.p, entry->name.len,
		       "secret", it->secret, "whole", (int)whole)) == 0;
}

static enum cli_exit
put_entry(struct stack *s, const struct dotenv_entry *entry)
{
	AUTO(buf_wipe) struct buf clean = BUF_MAX(DOTENV_FILE_MAX);
	const struct import_item *key = NULL;
	struct span value = dotenv_value(&s->env, entry);
	const char *needed = NULL;
	bool replaced;
	enum err e;

	for (uint32_t i = 0; i < s->im.env.count; i++) {
		struct span taken = import_value(&s->im, &s->im.items[i]);

		if (s->im.items[i].fate != IMPORT_TAKEN || !holds(value, taken))
			continue;
		key = &s->im.items[i];
		needed = needed != NULL ? needed : needed_by(s, taken);
	}
	if (needed != NULL &&
	    stack_note(s, STACK_NOTE_OTHER, "%s:%u: %.*s keeps its key: %s needs it as it is",
		s->env_path, entry->line, (int)entry->name.len, (const char *)entry->name.p,
		needed) != CLI_OK)
		return CLI_FAILED;
	replaced = key != NULL && needed == NULL && !entry->refers;
	s->env_keys_left += !replaced && (key != NULL || recognise_suspicious(entry->name, value) ||
					     recognise_url_password(value));
	if (replaced && !record(s, entry, key))
		return cli_fail(CLI_FAILED, "out of memory");
	e = stack_put_clean(s, value, &clean);
	if (e == ERR_OK)
		e = import_put_entry(&s->im.out, entry, replaced ? &clean : NULL);
	return e == ERR_OK ? CLI_OK : cli_fail_err(e, s->im.out_path);
}

/* As it is written it could hold one where its decoded value does not. */
static enum cli_exit
check_gone(const struct stack *s)
{
	for (uint32_t i = 0; i < s->im.env.count; i++) {
		const struct import_item *it = &s->im.items[i];
		struct span value = import_value(&s->im, it);

		if (it->fate == IMPORT_TAKEN && holds(buf_span(&s->im.out), value) &&
		    needed_by(s, value) == NULL)
			return cli_fail(CLI_FAILED,
			    "%s holds the key of %.*s in a way that cannot be taken apart (a $ "
			    "that some readers fill in?); put it in single quotes",
			    s->env_path, (int)it->entry->name.len, (const char *)it->entry->name.p);
	}
	return CLI_OK;
}

enum cli_exit
stack_compose_env(struct stack *s)
{
	enum cli_exit x = CLI_OK;
	enum err e;

	s->restores = json_array();
	if (s->env_path[0] == '\0' || s->im.workload_count == 0)
		return CLI_OK;
	(void)span_copy_str(span_str(s->env_path), s->im.out_path, PATH_MAX - 16);
	(void)snprintf(s->im.out_path + strlen(s->im.out_path), 16, ".sidekey");
	e = buf_append_str(&s->im.out, OUT_HEAD);
	if (e != ERR_OK)
		return cli_fail_err(e, s->im.out_path);
	for (uint32_t i = 0; i < s->env.count && x == CLI_OK; i++)
		x = put_entry(s, &s->env.entries[i]);
	return x == CLI_OK ? check_gone(s) : x;
}
