/* The tree after it was read: look-ups, duplicate and unknown keys, errors with a place, the end.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/yaml/tree.h"

#define NEAREST_LEN_MAX 40 /* bytes; a longer key gets no suggestion */

void
yaml_tree_free(struct yaml_node *n)
{
	uint32_t items;

	if (n == NULL)
		return;
	items = n->kind == YAML_MAP ? 2 * n->count : n->count;
	for (uint32_t i = 0; n->items != NULL && i < items; i++)
		yaml_tree_free(n->items[i]); /* at most YAML_DEPTH_MAX deep */
	free(n->items);
	free(n->text);
	free(n);
}

void
yaml_freep(struct yaml_node **n)
{
	yaml_tree_free(*n);
	*n = NULL;
}

static enum err
error_va(
    struct place_error *e, const char *file, const uint32_t place[2], const char *fmt, va_list ap)
{
	memset(e, 0, sizeof(*e));
	(void)snprintf(e->file, sizeof(e->file), "%s", file);
	e->line = place[0];
	e->column = place[1];
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	return ERR_SYNTAX;
}

enum err
tree_error_at(
    struct place_error *e, const char *file, uint32_t line, uint32_t column, const char *fmt, ...)
{
	va_list ap;
	enum err r;

	va_start(ap, fmt);
	r = error_va(e, file, (uint32_t[2]){ line, column }, fmt, ap);
	va_end(ap);
	return r;
}

enum err
yaml_error(
    struct place_error *e, const char *file, const struct yaml_node *at, const char *fmt, ...)
{
	uint32_t place[2] = { at == NULL ? 0 : at->line, at == NULL ? 0 : at->column };
	va_list ap;
	enum err r;

	va_start(ap, fmt);
	r = error_va(e, file, place, fmt, ap);
	va_end(ap);
	return r;
}

const char *
yaml_show(const char *text, char dst[YAML_SHOW_SIZE])
{
	size_t n = 0;

	dst[n++] = '"';
	for (size_t i = 0; text[i] != '\0'; i++) {
		unsigned char c = (unsigned char)text[i];

		if (i == 48) {
			n += (size_t)snprintf(dst + n, YAML_SHOW_SIZE - n, "...");
			break;
		}
		dst[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	dst[n++] = '"';
	dst[n] = '\0';
	return dst;
}

const struct yaml_node *
yaml_get(const struct yaml_node *map, const char *key)
{
	for (uint32_t i = 0; map != NULL && map->kind == YAML_MAP && i < map->count; i++) {
		if (strcmp(map->items[2 * i]->text, key) == 0)
			return map->items[2 * i + 1];
	}
	return NULL;
}

static int
key_order(const void *a, const void *b)
{
	const struct yaml_node *x = *(struct yaml_node *const *)a,
			       *y = *(struct yaml_node *const *)b;
	int c = strcmp(x->text, y->text);

	if (c != 0)
		return c;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

enum err
tree_check_duplicates(const struct yaml_node *map, const char *file, struct place_error *ret_error)
{
	struct yaml_node **keys = calloc(map->count + 1u,
	    sizeof(*keys)); /* sorted: a map of 50 000 keys costs no 10^9 comparisons */
	const struct yaml_node *second = NULL, *first = NULL;
	char shown[YAML_SHOW_SIZE];

	if (keys == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < map->count; i++)
		keys[i] = map->items[2 * i];
	qsort(keys, map->count, sizeof(keys[0]), key_order);
	for (uint32_t i = 1; i < map->count && second == NULL; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text) == 0) {
			first = keys[i - 1];
			second = keys[i];
		}
	}
	free(keys);
	if (second == NULL)
		return ERR_OK;
	return yaml_error(ret_error, file, second, "duplicate key %s; it is already on line %u",
	    yaml_show(second->text, shown), first->line);
}

/* Edit distance (insert, delete, replace, swap of neighbours) of two short words. */
static uint32_t
distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);
	uint32_t d[NEAREST_LEN_MAX + 1][NEAREST_LEN_MAX + 1];

	if (a_len > NEAREST_LEN_MAX || b_len > NEAREST_LEN_MAX)
		return NEAREST_LEN_MAX;
	for (uint32_t i = 0; i <= a_len; i++) {
		for (uint32_t j = 0; j <= b_len; j++) {
			uint32_t best = i == 0 ? j : i;

			if (i > 0 && j > 0) {
				best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
				best = d[i - 1][j] + 1 < best ? d[i - 1][j] + 1 : best;
				best = d[i][j - 1] + 1 < best ? d[i][j - 1] + 1 : best;
			}
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[a_len][b_len];
}

static const char *
nearest(const char *word, const char *const *words)
{
	const char *best = NULL;
	uint32_t best_d = 3; /* more than two edits away is another word */

	for (size_t i = 0; words[i] != NULL; i++) {
		uint32_t d = distance(word, words[i]);

		if (d < best_d && d < strlen(words[i])) {
			best_d = d;
			best = words[i];
		}
	}
	return best;
}

const char *
yaml_nearest(const char *word, const char *const *words, char *dst, size_t size)
{
	const char *best = nearest(word, words);
	size_t n = 0;

	dst[0] = '\0';
	if (best != NULL)
		n = (size_t)snprintf(dst, size, "; did you mean \"%s\"?", best);
	for (size_t i = 0; words[i] != NULL && n < size; i++) {
		n += (size_t)snprintf(dst + n, size - n, "%s%s",
		    i > 0	   ? ", "
		    : best != NULL ? " expected one of: "
				   : "; expected one of: ",
		    words[i]);
	}
	return dst;
}

static bool
in_list(const char *word, const char *const *words)
{
	for (size_t i = 0; words[i] != NULL; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

enum err
yaml_only(const struct yaml_node *map, const char *const *keys, const char *file,
    struct place_error *ret_error)
{
	char shown[YAML_SHOW_SIZE], hint[400];

	must(map->kind == YAML_MAP);
	for (uint32_t i = 0; i < map->count; i++) {
		const struct yaml_node *key = map->items[2 * i];

		if (!in_list(key->text, keys))
			return yaml_error(ret_error, file, key, "unknown key %s%s",
			    yaml_show(key->text, shown),
			    yaml_nearest(key->text, keys, hint, sizeof(hint)));
	}
	return ERR_OK;
}
