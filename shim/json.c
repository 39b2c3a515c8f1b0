#include "shim/json.h"

#include <stdlib.h>

#include "common/secret.h"

void
shim_json_init(void)
{
	json_set_alloc_funcs(malloc, secret_wipe_free);
}

void
shim_json_freep(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

void
shim_json_text_freep(char **text)
{
	secret_wipe_free(*text);
	*text = NULL;
}

struct span
shim_json_string(const json_t *o, const char *name)
{
	const json_t *value = json_object_get(o, name);

	if (!json_is_string(value))
		return SPAN_NONE;
	return span_of(json_string_value(value), json_string_length(value));
}
