/* Which variables of which services hold keys, as one list of distinct variables with their values,
 * judged as those of an .env are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/api/policyc/catalogue.h"
#include "cli/recognise.h"
#include "cli/stack.h"
#include "common/secret.h"

#define LATER "; follows in a later version"

/* Their programs have the host compiled in, so that no variable leads them to the gateway. */
static const struct {
	const char *variable, *program;
} compiled_in[] = {
	{ "GITHUB_PERSONAL_ACCESS_TOKEN", "the GitHub MCP servers" },
	{ "BRAVE_API_KEY", "the Brave MCP servers" },
};

struct import_item *
stack_item(const struct stack *s, const char *name, const json_t *value)
{
	const char *text = json_string_value(value);

	for (uint32_t i = 0; text != NULL && i < s->im.env.count; i++)
		if (span_eq_str(s->im.env.entries[i].name, name) &&
		    span_eq(dotenv_value(&s->im.env, &s->im.env.entries[i]), span_str(text)))
			return &s->im.items[i];
	return NULL;
}

bool
stack_holds(const json_t *j, struct span bytes)
{
	const char *text = json_string_value(j), *key;
	const json_t *child;
	size_t i;

	if (text != NULL)
		return bytes.len > 0 && memmem(text, strlen(text), bytes.p, bytes.len) != NULL;
	json_array_foreach(j, i, child) if (stack_holds(child, bytes)) return true;
	if (json_is_object(j))
		json_object_foreach(
		    (json_t *)(uintptr_t)j, key, child) if (stack_holds(child, bytes)) return true;
	return false;
}

/* Of four bytes on: what is shorter stands everywhere. */
static bool
quotes_value(const struct dotenv *d, struct span text)
{
	for (uint32_t i = 0; i < d->count; i++) {
		struct span value = dotenv_value(d, &d->entries[i]);

		if (value.len >= 4 && value.len <= text.len &&
		    memmem(text.p, text.len, value.p, value.len) != NULL)
			return true;
	}
	return false;
}

bool
stack_quotes_value(const struct stack *s, struct span text)
{
	return quotes_value(&s->env, text) || quotes_value(&s->im.env, text);
}

/* The longest taken value that starts here; NULL: none does. */
static const struct import_item *
taken_at(const struct import *im, struct span rest)
{
	const struct import_item *best = NULL;

	for (uint32_t i = 0; i < im->env.count; i++) {
		const struct import_item *it = &im->items[i];
		struct span value = import_value(im, it);

		if (it->fate == IMPORT_TAKEN && value.len <= rest.len &&
		    (best == NULL || value.len > import_value(im, best).len) &&
		    span_eq(span_of(rest.p, value.len), value))
			best = it;
	}
	return best;
}

enum err
stack_put_clean(const struct stack *s, struct span text, struct buf *out)
{
	enum err e = ERR_OK;

	for (size_t at = 0; at < text.len && e == ERR_OK;) {
		const struct import_item *it =
		    taken_at(&s->im, span_of(text.p + at, text.len - at));

		if (it == NULL) {
			e = buf_append_byte(out, text.p[at++]);
			continue;
		}
		e = import_stand_in(out, import_value(&s->im, it), it->secret);
		at += import_value(&s->im, it).len;
	}
	return e;
}

static enum cli_exit
add_variable(struct stack *s, const char *service, const char *name, const char *value)
{
	struct dotenv *d = &s->im.env;
	struct dotenv_entry e = {
		.name = span_str(name), .at = d->text.len, .len = strlen(value), .service = service
	};

	if (e.len == 0 || e.name.len > DOTENV_NAME_MAX)
		return CLI_OK;
	for (uint32_t i = 0; i < d->count; i++)
		if (span_eq(d->entries[i].name, e.name) &&
		    span_eq_str(dotenv_value(d, &d->entries[i]), value))
			return CLI_OK;
	if (d->count == DOTENV_ENTRIES_MAX)
		return cli_fail(CLI_FAILED, "more than %d variables", DOTENV_ENTRIES_MAX);
	if (buf_append_str(&d->text, value) != ERR_OK)
		return cli_fail(CLI_FAILED, "the variables of the services are too long");
	d->entries[d->count++] = e;
	return CLI_OK;
}

static enum cli_exit
list_variables(struct stack *s)
{
	enum cli_exit x = CLI_OK;

	s->im.env.text = (struct buf)BUF_MAX(STACK_TEXT_MAX);
	s->im.env.entries = calloc(DOTENV_ENTRIES_MAX, sizeof(*s->im.env.entries));
	if (s->im.env.entries == NULL)
		return cli_fail(CLI_FAILED, "out of memory");
	for (uint32_t i = 0; i < s->service_count && x == CLI_OK; i++) {
		const json_t *env = json_object_get(s->services[i].def, "environment");
		const char *name;
		const json_t *value;

		json_object_foreach((json_t *)(uintptr_t)env, name,
		    value) if (x == CLI_OK && json_is_string(value)) x =
		    add_variable(s, s->services[i].name, name, json_string_value(value));
	}
	return x;
}

/* One key under several names is one secret: AzureOpenAIText__APIKey holds what
 * AZURE_OPENAI_API_KEY does. */
static void
take_same_values(struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		struct import_item *it = &im->items[i];
		const struct import_item *same;
		struct span value = import_value(im, it);

		if (it->fate == IMPORT_TAKEN || value.len < 8)
			continue;
		same = taken_at(im, value);
		if (same == NULL || import_value(im, same).len != value.len)
			continue;
		it->fate = IMPORT_TAKEN;
		it->note[0] = '\0';
		memcpy(it->upstream, same->upstream, sizeof(it->upstream));
	}
}

static bool
has_address(const struct import *im, const char *upstream)
{
	const struct upstream *u = rules_upstream(im->current, span_str(upstream));

	if (u == NULL)
		u = rules_upstream(im->catalogue, span_str(upstream));
	if (u == NULL) /* azure-openai: compiled only with an address */
		return true;
	for (uint16_t i = 0; i < u->env_count; i++)
		if (strstr(u->env[i].value, "{base_url}") != NULL)
			return true;
	return false;
}

/* The gateway is reached by an address in a variable, or not at all yet. */
static void
leave_compiled_in(struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		struct import_item *it = &im->items[i];
		const char *program = NULL;

		if (it->fate != IMPORT_TAKEN || it->told)
			continue;
		for (size_t k = 0; k < COUNT(compiled_in); k++)
			if (span_eq_str(it->entry->name, compiled_in[k].variable))
				program = compiled_in[k].program;
		if (program == NULL && has_address(im, it->upstream))
			continue;
		it->fate = IMPORT_LEFT;
		(void)snprintf(it->note, sizeof(it->note),
		    "WARNING: stays: %.40s have the host of %.30s compiled in" LATER,
		    program != NULL ? program : "its clients", it->upstream);
	}
}

/* Another key of the same upstream, which comes first: told of, or before it in the list. */
static const struct import_item *
other_key(const struct import *im, const struct import_item *it)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		const struct import_item *o = &im->items[i];

		if (o->fate == IMPORT_TAKEN && (o->told || o < it) &&
		    strcmp(o->upstream, it->upstream) == 0 &&
		    !span_eq(import_value(im, o), import_value(im, it)))
			return o;
	}
	return NULL;
}

/* An upstream has one key: services with another one keep it. */
static void
leave_second_keys(struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		struct import_item *it = &im->items[i];
		const struct import_item *o =
		    it->fate == IMPORT_TAKEN && !it->told ? other_key(im, it) : NULL;
		char this[STACK_TOLD_NAME_SIZE], that[STACK_TOLD_NAME_SIZE];

		if (o == NULL)
			continue;
		stack_told_name(im, it, this);
		stack_told_name(im, o, that);
		it->fate = IMPORT_LEFT;
		(void)snprintf(it->note, sizeof(it->note),
		    "WARNING: stays: another key of %.60s than that in %.120s is taken; write an "
		    "upstream of its own for it, then --take %.120s=UPSTREAM",
		    o->upstream, that, this);
	}
}

/* Else nobody would hear of it: what is no key by name or shape is left without a word. */
static void
note_other_values(struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++)
		for (uint32_t k = 0; k < im->env.count; k++) {
			struct import_item *it = &im->items[i], *o = &im->items[k];
			char this[STACK_TOLD_NAME_SIZE];

			if (!o->told || it->fate == IMPORT_TAKEN ||
			    !span_eq(o->entry->name, it->entry->name))
				continue;
			stack_told_name(im, it, this);
			(void)snprintf(it->note, sizeof(it->note),
			    "WARNING: stays: another value than that of %.120s, which is taken; if "
			    "it is a key too: --take %.120s=UPSTREAM",
			    o->entry->service, this);
		}
}

static void
note_passwords(struct import *im)
{
	for (uint32_t i = 0; i < im->env.count; i++) {
		struct import_item *it = &im->items[i];
		struct span value = import_value(im, it), name = it->entry->name;
		char told[STACK_TOLD_NAME_SIZE];

		if (it->fate == IMPORT_TAKEN)
			continue;
		stack_told_name(im, it, told);
		if (recognise_url_password(value) && span_starts(value, "postgres"))
			(void)snprintf(it->note, sizeof(it->note),
			    "WARNING: stays: a PostgreSQL password inside a URL" LATER);
		else if (recognise_url_password(value))
			(void)snprintf(it->note, sizeof(it->note),
			    "WARNING: stays: a password inside a URL, of no upstream");
		else if (span_eq_str(name, "POSTGRES_PASSWORD") || span_eq_str(name, "PGPASSWORD"))
			(void)snprintf(it->note, sizeof(it->note),
			    "WARNING: stays: a PostgreSQL password" LATER);
		else if (strncmp(it->note, "WARNING: looks like", 19) == 0)
			(void)snprintf(it->note, sizeof(it->note),
			    "WARNING: stays: looks like a secret, of no known upstream; write "
			    "one, then --take %.120s=UPSTREAM",
			    told);
	}
}

/* What a container cannot get from a gateway must stay with it. */
static enum cli_exit
check_told(const struct import *im)
{
	char name[STACK_TOLD_NAME_SIZE];

	for (uint32_t i = 0; i < im->env.count; i++) {
		if (!im->items[i].told || !im->items[i].only_stored)
			continue;
		stack_told_name(im, &im->items[i], name);
		return cli_fail(CLI_USAGE,
		    "--take %s: say for which upstream, or no service could use it: --take "
		    "%s=UPSTREAM",
		    name, name);
	}
	return CLI_OK;
}

enum cli_exit
stack_find_keys(struct stack *s)
{
	enum cli_exit x = import_read_rules(s->c, &s->im);

	if (x == CLI_OK)
		x = list_variables(s);
	if (x == CLI_OK)
		x = import_find_keys(s->c, &s->im);
	if (x == CLI_OK)
		x = check_told(&s->im);
	if (x != CLI_OK)
		return x;
	take_same_values(&s->im);
	leave_compiled_in(&s->im);
	note_other_values(&s->im);
	leave_second_keys(&s->im);
	note_passwords(&s->im);
	return CLI_OK;
}
