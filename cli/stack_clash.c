/* What one upstream has once, and services can have otherwise: its address, and the variables that
 * it sets for whoever uses it. A service that would get another's is left. */
#include <stdio.h>
#include <string.h>

#include "broker/api/policyc/catalogue.h"
#include "cli/recognise.h"
#include "cli/stack.h"
#include "common/sys.h"

/* The first variable of the service that says where this upstream is; NULL: none, or the usual
 * place. */
static struct import_item *
own_address(const struct stack *s, const struct stack_service *v, const char *upstream)
{
	const json_t *env = json_object_get(v->def, "environment"), *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)env, name, value)
	{
		const char *of = recognise_address(span_str(name));
		struct import_item *it = stack_item(s, name, value);

		if (it != NULL && of != NULL && strcmp(of, upstream) == 0)
			return import_is_usual(&s->im, upstream, import_value(&s->im, it)) ? NULL
											   : it;
	}
	return NULL;
}

/* Not azure-openai: its place is its user's own. */
static bool
has_usual(const struct stack *s, const char *upstream)
{
	return rules_upstream(s->im.catalogue, span_str(upstream)) != NULL;
}

/* The first that is converted decides where the upstream is; NULL: none yet. */
static const struct stack_service *
decider(const struct stack *s, const char *upstream)
{
	for (uint32_t i = 0; i < s->service_count; i++) {
		const struct stack_service *v = &s->services[i];

		if (v->fate == STACK_CONVERTED && stack_uses(s, v, upstream) &&
		    (has_usual(s, upstream) || own_address(s, v, upstream) != NULL))
			return v;
	}
	return NULL;
}

/* A file that no import wrote is the operator's word: all go there. */
static bool
is_told_where(const struct stack *s, const char *upstream)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(IMPORT_FILE_LEN_MAX);
	char name[NAME_LEN_MAX + 32], path[PATH_MAX];

	(void)snprintf(name, sizeof(name), "upstreams/%s.yaml", upstream);
	return catalogue_text(upstream) == NULL ||
	       (cli_path(s->c->config_dir, name, path) == CLI_OK &&
		   sys_read_file(path, &text) == ERR_OK &&
		   !span_starts(buf_span(&text), "# Written by `sidekey import"));
}

/* Not https, as a proxy's inside the stack is; or it has no usual one, and no service says it. */
static bool
has_no_place(const struct stack *s, const struct stack_service *v, const char *upstream,
    char why[STACK_WHY_SIZE])
{
	const struct import_item *here = own_address(s, v, upstream);
	struct span name = here != NULL ? here->entry->name : SPAN_NONE;
	bool known =
	    has_usual(s, upstream) || rules_upstream(s->im.current, span_str(upstream)) != NULL;

	if (is_told_where(s, upstream) || (here != NULL && import_binds(&s->im, upstream, here)))
		return false;
	for (uint32_t i = 0; i < s->im.env.count && here == NULL; i++) {
		const char *of = recognise_address(s->im.items[i].entry->name);

		known = known || (of != NULL && strcmp(of, upstream) == 0);
	}
	if (here == NULL && known)
		return false;
	if (here == NULL)
		(void)snprintf(why, STACK_WHY_SIZE,
		    "no service says where its %.40s is; write upstreams/%.40s.yaml", upstream,
		    upstream);
	else
		(void)snprintf(why, STACK_WHY_SIZE,
		    "its %.*s is no https address of %.40s that a key can be bound to; write "
		    "upstreams/%.40s.yaml",
		    (int)(name.len < 40 ? name.len : 40), (const char *)name.p, upstream, upstream);
	return true;
}

static bool
differs_in_place(const struct stack *s, const struct stack_service *v, const char *upstream,
    char why[STACK_WHY_SIZE])
{
	const struct stack_service *o = decider(s, upstream);
	const struct import_item *here = own_address(s, v, upstream), *there;
	struct span name;

	if (o == NULL || is_told_where(s, upstream) || (here == NULL && !has_usual(s, upstream)))
		return false;
	there = own_address(s, o, upstream);
	if (there == here || (here != NULL && there != NULL &&
				 span_eq(import_value(&s->im, here), import_value(&s->im, there))))
		return false;
	name = here != NULL ? here->entry->name : there->entry->name;
	(void)snprintf(why, STACK_WHY_SIZE,
	    "its %.40s is at another address than that of %.60s (%.*s); give both the same, or "
	    "write upstreams/%.40s.yaml",
	    upstream, o->name, (int)(name.len < 40 ? name.len : 40), (const char *)name.p,
	    upstream);
	return true;
}

/* Does the upstream put a placeholder there, by its definition or because another service has its
 * key under that name? */
static bool
sets(const struct stack *s, const char *upstream, const char *name)
{
	const struct upstream *u = rules_upstream(s->im.current, span_str(upstream));

	if (u == NULL)
		u = rules_upstream(s->im.catalogue, span_str(upstream));
	for (uint16_t i = 0; u != NULL && i < u->env_count; i++)
		if (strcmp(u->env[i].name, name) == 0 &&
		    strstr(u->env[i].value, "{placeholder}") != NULL)
			return true;
	for (uint32_t i = 0; i < s->im.env.count; i++) {
		const struct import_item *it = &s->im.items[i];

		if (it->fate == IMPORT_TAKEN && strcmp(it->upstream, upstream) == 0 &&
		    span_eq_str(it->entry->name, name))
			return true;
	}
	return false;
}

static bool
differs_in_value(const struct stack *s, const struct stack_service *v, const char *upstream,
    char why[STACK_WHY_SIZE])
{
	const json_t *env = json_object_get(v->def, "environment"), *value;
	const char *name;

	json_object_foreach((json_t *)(uintptr_t)env, name, value)
	{
		const struct import_item *it = stack_item(s, name, value);

		if (it == NULL ||
		    (it->fate == IMPORT_TAKEN && strcmp(it->upstream, upstream) == 0) ||
		    !sets(s, upstream, name))
			continue;
		(void)snprintf(why, STACK_WHY_SIZE,
		    "its %.40s would be replaced by the key of %.40s, which sets that variable for "
		    "whoever uses it; rename it, or give the service one key of %.40s",
		    name, upstream, upstream);
		return true;
	}
	return false;
}

bool
stack_clashes(const struct stack *s, const struct stack_service *v, char ret_why[STACK_WHY_SIZE])
{
	for (uint32_t i = 0; i < s->im.env.count; i++) {
		const char *upstream = s->im.items[i].upstream;

		if (s->im.items[i].fate == IMPORT_TAKEN && stack_uses(s, v, upstream) &&
		    (has_no_place(s, v, upstream, ret_why) ||
			differs_in_place(s, v, upstream, ret_why) ||
			differs_in_value(s, v, upstream, ret_why)))
			return true;
	}
	return false;
}

void
stack_settle_addresses(struct stack *s)
{
	for (uint32_t i = 0; i < s->im.env.count; i++) {
		struct import_item *it = &s->im.items[i];
		const char *of = recognise_address(it->entry->name);
		const struct stack_service *v = of != NULL ? decider(s, of) : NULL;

		it->elsewhere = v != NULL && own_address(s, v, of) != it;
	}
}
