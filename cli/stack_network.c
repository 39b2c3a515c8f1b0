/* May a converted service do without a network? Only where nothing that is written down needs one.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/admin.h"
#include "cli/recognise.h"
#include "cli/stack.h"
#include "cli/stack_scan.h"

static void __attribute__((format(printf, 2, 3)))
keep(struct stack_service *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(v->network, sizeof(v->network), fmt, ap);
	va_end(ap);
}

static bool
is_name_byte(uint8_t b)
{
	return isalnum(b) || b == '_' || b == '-' || b == '.';
}

/* The name as a word of its own, as in "redis:6379". */
static bool
speaks_of(const json_t *j, const char *name)
{
	const char *text = json_string_value(j);
	size_t len = strlen(name);
	const json_t *child;
	const char *key;
	size_t i;

	for (const char *at = text; at != NULL && (at = strstr(at, name)) != NULL; at++)
		if ((at == text || !is_name_byte((uint8_t)at[-1])) &&
		    !is_name_byte((uint8_t)at[len]))
			return true;
	json_array_foreach(j, i, child) if (speaks_of(child, name)) return true;
	if (json_is_object(j))
		json_object_foreach(
		    (json_t *)(uintptr_t)j, key, child) if (speaks_of(child, name)) return true;
	return false;
}

static bool
uses_by_name(const struct stack_service *from, const char *name)
{
	return speaks_of(json_object_get(from->def, "environment"), name) ||
	       speaks_of(json_object_get(from->def, "command"), name) ||
	       speaks_of(json_object_get(from->def, "entrypoint"), name);
}

/* Whoever offers nothing is no peer: depends_on then only orders the starts. */
static bool
may_serve(const struct stack_service *v)
{
	const json_t *config = json_object_get(v->image, "Config");

	return v->image == NULL || json_object_size(json_object_get(config, "ExposedPorts")) > 0 ||
	       json_array_size(json_object_get(v->def, "expose")) > 0 ||
	       json_array_size(json_object_get(v->def, "ports")) > 0;
}

static bool
waits_for_end(const json_t *dependency)
{
	return strcmp(admin_text(dependency, "condition"), "service_completed_successfully") == 0;
}

static bool
has_peer(const struct stack *s, struct stack_service *v)
{
	const json_t *wants = json_object_get(v->def, "depends_on");

	for (uint32_t i = 0; i < s->service_count; i++) {
		const struct stack_service *o = &s->services[i];
		const json_t *want = json_object_get(wants, o->name);
		const json_t *wanted =
		    json_object_get(json_object_get(o->def, "depends_on"), v->name);

		if (o == v)
			continue;
		if (want != NULL && !waits_for_end(want) && may_serve(o))
			keep(v, "depends on %s, which may serve it", o->name);
		else if (wanted != NULL && !waits_for_end(wanted) && may_serve(v))
			keep(v, "%s depends on it, and it may serve", o->name);
		else if (uses_by_name(v, o->name))
			keep(v, "speaks of %s", o->name);
		else if (uses_by_name(o, v->name))
			keep(v, "%s speaks of it", o->name);
		else
			continue;
		return true;
	}
	return false;
}

static bool
is_loopback(struct span host)
{
	return span_eq_str(host, "localhost") || span_starts(host, "127.") ||
	       span_eq_str(host, "[::1]");
}

/* A variable with an address that no taken key is for, or with a key that was left. */
static bool
reaches_elsewhere(const struct stack *s, struct stack_service *v)
{
	const json_t *env = json_object_get(v->def, "environment"), *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)env, name, value)
	{
		const struct import_item *it = stack_item(s, name, value);
		struct span host;

		if (it == NULL || it->fate == IMPORT_TAKEN)
			continue;
		if (strncmp(it->note, "WARNING", 7) == 0)
			keep(v, "needs %s, which stays", name);
		else if (recognise_address(span_str(name)) == NULL &&
			 stack_url_host(import_value(&s->im, it), &host) && !is_loopback(host))
			keep(v, "%s holds an address", name);
		else
			continue;
		return true;
	}
	return false;
}

static bool
told_to_keep(const struct stack *s, const struct stack_service *v)
{
	const char *told;

	for (int i = 0; (told = cli_given_nth(s->c, "keep-network", i)) != NULL; i++)
		if (strcmp(told, v->name) == 0)
			return true;
	return false;
}

void
stack_judge_network(const struct stack *s, struct stack_service *v)
{
	const char *mode = admin_text(v->def, "network_mode");

	if (told_to_keep(s, v))
		keep(v, "--keep-network");
	else if (mode[0] != '\0' && strcmp(mode, "none") != 0)
		keep(v, "network_mode is %.40s", mode);
	else if (json_array_size(json_object_get(v->def, "ports")) > 0)
		keep(v, "publishes ports");
	else if (json_array_size(json_object_get(v->def, "links")) > 0)
		keep(v, "has links");
	else if (json_object_size(json_object_get(v->def, "extra_hosts")) > 0 ||
		 json_array_size(json_object_get(v->def, "extra_hosts")) > 0)
		keep(v, "has extra_hosts");
	else if (!has_peer(s, v) && !reaches_elsewhere(s, v)) {
		v->isolated = true;
		keep(v, "no ports, no peers, no other address");
	}
}
