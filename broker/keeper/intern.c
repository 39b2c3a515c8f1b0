#include "broker/keeper/intern.h"

#include <stdlib.h>

void
intern_init(struct intern *in, const struct secret *hash_key)
{
	*in = (struct intern){ .names = TABLE_MAX(INTERN_MAX), .hash_key = hash_key };
}

void
intern_close(struct intern *in)
{
	size_t cursor = 0;
	struct interned *i;

	while ((i = table_next(&in->names, &cursor)) != NULL)
		free(i);
	table_close(&in->names);
}

enum err
intern_name(struct intern *in, const char *name, const struct interned **ret_i)
{
	struct table_key key = table_hash_str(in->hash_key, name);
	struct interned *i = table_get(&in->names, key);
	enum err e;

	if (i != NULL) {
		*ret_i = i;
		return ERR_OK;
	}
	i = calloc(1, sizeof *i);
	if (i == NULL)
		return ERR_NOMEM;
	i->number = (uint32_t)in->names.count + 1;
	must(span_copy_str(span_str(name), i->name, sizeof i->name));
	e = table_put(&in->names, key, i);
	if (e != ERR_OK) {
		free(i);
		return e;
	}
	*ret_i = i;
	return ERR_OK;
}

const struct interned *
intern_find(const struct intern *in, const char *name)
{
	return table_get(&in->names, table_hash_str(in->hash_key, name));
}
