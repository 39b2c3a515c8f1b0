/* The plan as a person or a program reads it. No value is printed. */
#include <stdio.h>
#include <string.h>

#include "broker/api/policyc/catalogue.h"
#include "cli/admin.h"
#include "cli/stack.h"
#include "cli/table.h"

static const char *
fate_word(enum stack_fate fate)
{
	return fate == STACK_CONVERTED ? "converted" : fate == STACK_LEFT ? "left" : "no key";
}

/* The variable by which the shim leads the service's clients to the gateway. */
static const char *
address_of(const struct import *im, const char *upstream)
{
	const struct import_upstream *known = NULL;
	const struct upstream *u;

	for (uint32_t i = 0; i < im->upstream_count; i++)
		if (strcmp(im->upstreams[i].name, upstream) == 0)
			known = &im->upstreams[i];
	u = known != NULL ? known->base : NULL;
	for (uint16_t i = 0; u != NULL && i < u->env_count; i++)
		if (strncmp(u->env[i].value, "{base_url}", 10) == 0)
			return u->env[i].name;
	return "";
}

static const char *
shape_of(const struct import *im, const char *upstream)
{
	for (uint32_t i = 0; i < im->upstream_count; i++)
		if (strcmp(im->upstreams[i].name, upstream) == 0)
			return im->upstreams[i].base->placeholder;
	return "";
}

static json_t *
variables(const struct stack *s, const struct stack_service *v)
{
	const json_t *env = json_object_get(v->def, "environment"), *value;
	json_t *list = json_array();
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)env, name, value)
	{
		const struct import_item *it = stack_item(s, name, value);
		bool taken = it != NULL && it->fate == IMPORT_TAKEN && v->fate == STACK_CONVERTED;

		if (taken)
			(void)json_array_append_new(
			    list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "variable", name, "secret",
				      it->secret, "upstream", it->upstream, "placeholder",
				      shape_of(&s->im, it->upstream), "address",
				      address_of(&s->im, it->upstream)));
		else if (it != NULL &&
			 (strncmp(it->note, "WARNING: ", 9) == 0 || it->fate == IMPORT_TAKEN))
			(void)json_array_append_new(
			    list, json_pack("{s:s, s:s}", "variable", name, "stays",
				      it->fate == IMPORT_TAKEN ? "the service cannot be converted"
							       : it->note + 9));
	}
	return list;
}

static json_t *
overlays(const struct stack *s, const struct stack_service *v)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->file_count; i++)
		if (v->fate == STACK_CONVERTED && stack_has(&s->files[i].services, v->name))
			(void)json_array_append_new(list, json_string(s->files[i].overlay));
	return list;
}

static const char *
health_of(const struct stack_service *v)
{
	const json_t *test = json_object_get(v->def, "healthcheck");
	const json_t *config = json_object_get(v->image, "Config");
	bool has = json_is_object(test) ? !admin_true(test, "disable")
					: json_is_object(json_object_get(config, "Healthcheck"));

	return !has ? "none" : v->health[0] != '\0' ? v->health : "not running";
}

static json_t *
describe(const struct stack *s, const struct stack_service *v)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s, s:o}", "service", v->name, "action",
	    fate_word(v->fate), "why", v->why, "variables", variables(s, v), "overlays",
	    overlays(s, v), "health", health_of(v), "missing_controls",
	    stack_missing_controls(v->def, v->image, v->fate == STACK_CONVERTED));

	if (j == NULL || v->fate != STACK_CONVERTED)
		return j;
	(void)json_object_set_new(j, "workload", json_string(v->name));
	(void)json_object_set_new(j, "owner", json_integer(v->uid));
	(void)json_object_set_new(j, "network", json_string(v->isolated ? "none" : "kept"));
	(void)json_object_set_new(j, "network_why", json_string(v->network));
	(void)json_object_set_new(j, "dropped_init", json_string(v->init));
	return j;
}

static void
join(const json_t *list, char *dst, size_t size)
{
	const json_t *v;
	size_t i, n = 0;

	dst[0] = '\0';
	json_array_foreach(list, i, v) if (n < size) n +=
	    (size_t)snprintf(dst + n, size - n, "%s%s", i > 0 ? ", " : "", json_string_value(v));
}

static void
print_variables(const json_t *services)
{
	static const char *const headings[] = { "SERVICE", "VARIABLE", "SECRET", "UPSTREAM",
		"PLACEHOLDER", "ADDRESS BY", "NOTE", NULL };
	AUTO(table_wipe) struct table t = { 0 };
	const json_t *v, *row;
	size_t i, k;

	table_init(&t, headings);
	json_array_foreach(services, i, v)
	    json_array_foreach(json_object_get(v, "variables"), k, row)
	{
		table_cell(&t, "%s", admin_text(v, "service"));
		table_cell(&t, "%s", admin_text(row, "variable"));
		table_cell(&t, "%s", admin_text(row, "secret"));
		table_cell(&t, "%s", admin_text(row, "upstream"));
		table_cell(&t, "%s", admin_text(row, "placeholder"));
		table_cell(&t, "%s", admin_text(row, "address"));
		table_cell(&t, "%s", admin_text(row, "stays"));
	}
	table_print(&t, stdout);
}

static void
print_services(const json_t *services)
{
	static const char *const headings[] = { "SERVICE", "ACTION", "NETWORK", "UID", "HEALTH",
		"OVERLAY", "WHY", NULL };
	AUTO(table_wipe) struct table t = { 0 };
	const json_t *v;
	size_t i;

	table_init(&t, headings);
	json_array_foreach(services, i, v)
	{
		bool converted = json_object_get(v, "owner") != NULL;
		char list[512];

		join(json_object_get(v, "overlays"), list, sizeof(list));
		table_cell(&t, "%s", admin_text(v, "service"));
		table_cell(&t, "%s", admin_text(v, "action"));
		table_cell(&t, "%s", admin_text(v, "network"));
		if (converted)
			table_cell(&t, "%lld", (long long)admin_number(v, "owner"));
		else
			table_cell(&t, "%s", "");
		table_cell(&t, "%s", admin_text(v, "health"));
		table_cell(&t, "%s", list);
		table_cell(&t, "%s%s", admin_text(v, "why"),
		    converted ? admin_text(v, "network_why") : "");
	}
	(void)putchar('\n');
	table_print(&t, stdout);
}

static void
print_controls(const json_t *services)
{
	const json_t *v;
	size_t i;

	(void)printf("\nCIS controls that are missing (reported, and left to you):\n");
	json_array_foreach(services, i, v)
	{
		char list[512];

		join(json_object_get(v, "missing_controls"), list, sizeof(list));
		(void)printf(
		    "  %s: %s\n", admin_text(v, "service"), list[0] != '\0' ? list : "none");
	}
}

static void
print_notes(const struct stack *s, enum stack_note kind, const char *title)
{
	bool head = false;

	for (size_t at = 0; at < s->notes.len;) {
		const char *text = (const char *)s->notes.data + at + 1;

		if (s->notes.data[at] == (uint8_t)kind) {
			if (!head)
				(void)printf("\n%s:\n", title);
			head = true;
			(void)printf("  %s\n", text);
		}
		at += strlen(text) + 2;
	}
}

static void
print_notes_json(const struct stack *s)
{
	for (size_t at = 0; at < s->notes.len;) {
		const char *text = (const char *)s->notes.data + at + 1;
		const char *kind = s->notes.data[at] == STACK_NOTE_LITERAL  ? "literal"
				   : s->notes.data[at] == STACK_NOTE_SCRIPT ? "script"
									    : "note";
		AUTO(json_freep) json_t *j = json_pack("{s:s}", kind, text);

		if (j != NULL)
			admin_print(j);
		at += strlen(text) + 2;
	}
}

enum cli_exit
stack_report(struct stack *s)
{
	AUTO(json_freep) json_t *services = json_array();
	const json_t *v;
	size_t k;

	for (uint32_t i = 0; i < s->service_count; i++)
		if (json_array_append_new(services, describe(s, &s->services[i])) != 0)
			return cli_fail(CLI_FAILED, "out of memory");
	if (s->c->json) {
		json_array_foreach(services, k, v) admin_print(v);
		print_notes_json(s);
		return CLI_OK;
	}
	print_variables(services);
	print_services(services);
	print_controls(services);
	print_notes(s, STACK_NOTE_LITERAL, "Secrets that the import cannot remove");
	print_notes(s, STACK_NOTE_SCRIPT, "Scripts that name Compose files");
	print_notes(s, STACK_NOTE_OTHER, "Besides");
	return CLI_OK;
}
