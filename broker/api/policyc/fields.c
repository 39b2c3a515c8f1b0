/* Typed access to keys, and the pile of errors. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/api/policyc/compile.h"

void
compile_report_place(struct compiler *c, const struct place_error *e)
{
	if (c->errors->count < POLICYC_ERRORS_MAX)
		c->errors->list[c->errors->count] = *e;
	c->errors->count++;
}

void
compile_report(struct compiler *c, const struct yaml_node *at, const char *fmt, ...)
{
	struct place_error e = { .line = at == NULL ? 0 : at->line,
		.column = at == NULL ? 0 : at->column };
	va_list ap;

	(void)snprintf(e.file, sizeof(e.file), "%s", c->file);
	va_start(ap, fmt);
	(void)vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	compile_report_place(c, &e);
}

bool
compile_expect(struct compiler *c, const struct yaml_node *n, enum yaml_kind kind)
{
	static const char *const names[] = { "nothing", "text", "a whole number", "true or false",
		"nothing", "a list", "a map" };
	bool scalar = n->kind == YAML_INTEGER || n->kind == YAML_BOOL;

	if (n->kind == kind)
		return true;
	compile_report(c, n, "expected %s, found %s%s", names[kind], names[n->kind],
	    kind == YAML_STRING && scalar ? "; quote it" : "");
	return false;
}

bool
compile_keys(struct compiler *c, const struct yaml_node *map, const char *const *keys)
{
	struct place_error e;

	if (!compile_expect(c, map, YAML_MAP))
		return false;
	if (yaml_only(map, keys, c->file, &e) == ERR_OK)
		return true;
	compile_report_place(c, &e);
	return false;
}

const struct yaml_node *
compile_need(struct compiler *c, const struct yaml_node *map, const char *key, enum yaml_kind kind)
{
	const struct yaml_node *n = yaml_get(map, key);

	if (n == NULL) {
		compile_report(c, map, "the key \"%s\" is missing", key);
		return NULL;
	}
	return compile_expect(c, n, kind) ? n : NULL;
}

bool
compile_shape(struct compiler *c, const struct yaml_node *n, const char *(*shape)(struct span s))
{
	char shown[YAML_SHOW_SIZE];
	const char *why;

	if (!compile_expect(c, n, YAML_STRING))
		return false;
	why = shape(span_str(n->text));
	if (why == NULL)
		return true;
	compile_report(c, n, "%s %s", yaml_show(n->text, shown), why);
	return false;
}

bool
compile_word(
    struct compiler *c, const struct yaml_node *n, const char *const *words, uint32_t *ret_index)
{
	char shown[YAML_SHOW_SIZE], hint[400];

	if (!compile_expect(c, n, YAML_STRING))
		return false;
	for (uint32_t i = 0; words[i] != NULL; i++) {
		if (strcmp(words[i], n->text) == 0) {
			*ret_index = i;
			return true;
		}
	}
	compile_report(c, n, "unknown word %s%s", yaml_show(n->text, shown),
	    yaml_nearest(n->text, words, hint, sizeof(hint)));
	return false;
}

bool
compile_bool(struct compiler *c, const struct yaml_node *n, bool *ret_b)
{
	if (!compile_expect(c, n, YAML_BOOL))
		return false;
	*ret_b = n->boolean;
	return true;
}

bool
compile_integer(
    struct compiler *c, const struct yaml_node *n, int64_t least, int64_t most, int64_t *ret_v)
{
	if (!compile_expect(c, n, YAML_INTEGER))
		return false;
	if (n->integer < least || n->integer > most) {
		compile_report(c, n, "%lld is out of range; expected %lld to %lld",
		    (long long)n->integer, (long long)least, (long long)most);
		return false;
	}
	*ret_v = n->integer;
	return true;
}

void
compile_keep(struct compiler *c, char **dst, const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL) {
		c->fatal = ERR_NOMEM;
		return;
	}
	free(*dst);
	*dst = copy;
}

void *
compile_array(struct compiler *c, uint32_t count, size_t size)
{
	void *p = calloc(count, size);

	if (p == NULL)
		c->fatal = ERR_NOMEM;
	return p;
}

bool
compile_grow(struct compiler *c, void **array, uint32_t count, uint32_t *room, size_t size)
{
	uint32_t more = *room == 0 ? 8 : 2 * *room;
	void *p;

	if (count < *room)
		return true;
	p = calloc(more, size);
	if (p == NULL) {
		c->fatal = ERR_NOMEM;
		return false;
	}
	if (count > 0)
		memcpy(p, *array, count * size);
	free(*array);
	*array = p;
	*room = more;
	return true;
}
