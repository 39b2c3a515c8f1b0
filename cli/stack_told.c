/* Which variable --take means, where services hold different values under one name: never one for
 * the other. */
#include <stdio.h>
#include <string.h>

#include "cli/stack.h"

static struct import_item *
next_of_name(const struct import *im, struct span name, const struct import_item *after)
{
	for (uint32_t i = after == NULL ? 0 : (uint32_t)(after - im->items) + 1; i < im->env.count;
	     i++)
		if (span_eq(im->items[i].entry->name, name))
			return &im->items[i];
	return NULL;
}

void
stack_told_name(
    const struct import *im, const struct import_item *it, char dst[STACK_TOLD_NAME_SIZE])
{
	struct span name = it->entry->name;
	bool one = next_of_name(im, name, next_of_name(im, name, NULL)) == NULL;

	(void)snprintf(dst, STACK_TOLD_NAME_SIZE, "%.128s%s%.*s", one ? "" : it->entry->service,
	    one ? "" : ":", (int)name.len, (const char *)name.p);
}

/* "coder:CRM_KEY" */
static enum cli_exit
find_in_service(struct stack *s, struct span told, size_t colon, struct import_item **ret_item)
{
	char service[NAME_LEN_MAX + 1], name[DOTENV_NAME_MAX + 1];
	const struct stack_service *v = NULL;

	if (span_copy_str(span_of(told.p, colon), service, sizeof(service)))
		v = stack_service(s, service);
	if (v == NULL)
		return cli_fail(CLI_NOT_FOUND, "--take %.*s: there is no service %.*s here",
		    (int)told.len, (const char *)told.p, (int)colon, (const char *)told.p);
	if (span_copy_str(span_of(told.p + colon + 1, told.len - colon - 1), name, sizeof(name)))
		*ret_item = stack_item(
		    s, name, json_object_get(json_object_get(v->def, "environment"), name));
	return *ret_item != NULL ? CLI_OK
				 : cli_fail(CLI_NOT_FOUND,
				       "--take %.*s: %s has no such variable, or an empty one",
				       (int)told.len, (const char *)told.p, service);
}

enum cli_exit
stack_find_told(void *arg, struct span told, struct import_item **ret_item)
{
	struct stack *s = arg;
	const struct import_item *other;
	const uint8_t *colon;

	*ret_item = next_of_name(&s->im, told, NULL);
	other = *ret_item == NULL ? NULL : next_of_name(&s->im, told, *ret_item);
	if (other != NULL)
		return cli_fail(CLI_USAGE,
		    "--take %.*s: %s and %s hold different values of it; say whose: --take "
		    "%s:%.*s=UPSTREAM (and for another's, --take %s:%.*s=ANOTHER)",
		    (int)told.len, (const char *)told.p, (*ret_item)->entry->service,
		    other->entry->service, (*ret_item)->entry->service, (int)told.len,
		    (const char *)told.p, other->entry->service, (int)told.len,
		    (const char *)told.p);
	colon = *ret_item != NULL || told.len == 0 ? NULL : memchr(told.p, ':', told.len);
	if (*ret_item != NULL)
		return CLI_OK;
	return colon != NULL ? find_in_service(s, told, (size_t)(colon - told.p), ret_item)
			     : cli_fail(CLI_NOT_FOUND,
				   "--take %.*s: there is no such variable in any service",
				   (int)told.len, (const char *)told.p);
}
