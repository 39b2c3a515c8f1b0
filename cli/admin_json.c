#include <stdio.h>
#include <string.h>

#include "cli/admin.h"

const json_t *
admin_rows(const json_t *reply)
{
	const char *key;
	json_t *value;

	if (json_is_array(reply))
		return reply;
	json_object_foreach(
	    (json_t *)reply, key, value) /* jansson's iterator wants it writable; it is only read */
	    if (json_is_array(value)) return value;
	return NULL;
}

const char *
admin_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

int64_t
admin_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool
admin_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

void
admin_print(const json_t *j)
{
	(void)json_dumpf(j, stdout, JSON_COMPACT);
	(void)fputc('\n', stdout);
}

enum cli_exit
admin_object_path(const char *kind, const char *name, const char *verb, char ret_path[1024])
{
	static const char hex[] = "0123456789ABCDEF";
	char escaped[700];
	size_t at = 0;

	for (const unsigned char *p = (const unsigned char *)name; *p != '\0'; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' ||
			     *p == '_' || (*p == '.' && p != (const unsigned char *)name);

		if (at + 4 > sizeof(escaped))
			return cli_fail(CLI_USAGE, "the name is too long");
		if (plain) {
			escaped[at++] = (char)*p;
			continue;
		}
		escaped[at++] = '%';
		escaped[at++] = hex[*p >> 4];
		escaped[at++] = hex[*p & 15];
	}
	escaped[at] = '\0';
	if (at == 0)
		return cli_fail(CLI_USAGE, "the name is empty");
	(void)snprintf(
	    ret_path, 1024, "%s/%s%s%s", kind, escaped, verb[0] != '\0' ? "/" : "", verb);
	return CLI_OK;
}
