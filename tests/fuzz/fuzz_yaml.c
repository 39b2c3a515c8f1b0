/*
 * Input: a file. An error has a place inside the file; a tree that was accepted, written as JSON,
 * reads to the same tree, and its keys are unique.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/yaml/yaml.h"
#include "common/buf.h"
#include "tests/fuzz/fuzz.h"

static void write_node(struct buf *out, const struct yaml_node *n);

static void
put(struct buf *out, const char *s)
{
	must(buf_append_str(out, s) == ERR_OK);
}

/* The code point at *p, which is moved behind it. The text is UTF-8: the parser has checked that.
 */
static uint32_t
next_char(const unsigned char **p)
{
	uint32_t c = *(*p)++;
	int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

	if (more > 0)
		c &= 0x3fu >> more;
	for (; more > 0; more--)
		c = c << 6 | (*(*p)++ & 0x3f);
	return c;
}

static void
write_text(struct buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	put(out, "\"");
	while (*p != '\0') {
		uint32_t c = next_char(&p);

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
			must(buf_append_byte(out, (uint8_t)c) == ERR_OK);
		else
			must(buf_printf(out, "\\U%08x", c) == ERR_OK);
	}
	put(out, "\"");
}

static void
write_items(struct buf *out, const struct yaml_node *n)
{
	for (uint32_t i = 0; i < n->count; i++) {
		put(out, i == 0 ? "" : ", ");
		if (n->kind == YAML_LIST) {
			write_node(out, n->items[i]);
			continue;
		}
		put(out, "? ");
		write_text(out, n->items[2 * i]->text);
		put(out, " : ");
		write_node(out, n->items[2 * i + 1]);
	}
}

static void
write_node(struct buf *out, const struct yaml_node *n)
{
	switch (n->kind) {
	case YAML_STRING:
		write_text(out, n->text);
		break;
	case YAML_INTEGER:
		must(buf_printf(out, "%lld", (long long)n->integer) == ERR_OK);
		break;
	case YAML_BOOL:
		put(out, n->boolean ? "true" : "false");
		break;
	case YAML_NULL:
		put(out, "null");
		break;
	default:
		put(out, n->kind == YAML_LIST ? "[" : "{");
		write_items(out, n);
		put(out, n->kind == YAML_LIST ? "]" : "}");
	}
}

static bool
same(const struct yaml_node *a, const struct yaml_node *b)
{
	uint32_t items = a->kind == YAML_MAP ? 2 * a->count : a->count;

	if (a->kind != b->kind || a->count != b->count || a->integer != b->integer ||
	    a->boolean != b->boolean)
		return false;
	if (a->kind == YAML_STRING && strcmp(a->text, b->text) != 0)
		return false;
	for (uint32_t i = 0; i < items; i++) {
		if (!same(a->items[i], b->items[i]))
			return false;
	}
	return true;
}

static void
check_places(const struct yaml_node *n, uint32_t lines)
{
	uint32_t items = n->kind == YAML_MAP ? 2 * n->count : n->count;

	must(n->line >= 1 && n->line <= lines + 1 &&
	     n->column >= 1); /* null at the end stands behind it */
	for (uint32_t i = 0; n->kind == YAML_MAP && i < n->count; i++)
		must(n->items[2 * i]->kind == YAML_STRING &&
		     yaml_get(n, n->items[2 * i]->text) == n->items[2 * i + 1]);
	for (uint32_t i = 0; i < items; i++)
		check_places(n->items[i], lines);
}

static void
check_round(const struct yaml_node *root)
{
	AUTO(buf_wipe) struct buf json = BUF_MAX(32u << 20);
	AUTO(yaml_freep) struct yaml_node *again = NULL;
	struct place_error p;
	enum err e;

	write_node(&json, root);
	e = yaml_parse("json", buf_span(&json), &again, &p);
	must(e == ERR_LIMIT || (e == ERR_OK && same(root, again)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	struct place_error p = { .text = "" };
	uint32_t lines = 1;
	enum err e = yaml_parse("f", span_of(data, size), &root, &p);

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	if (e == ERR_OK) {
		check_places(root, lines);
		if (size < 20000) /* looking up every key is quadratic */
			check_round(root);
		return 0;
	}
	must((e == ERR_SYNTAX || e == ERR_LIMIT) && root == NULL && p.text[0] != '\0' &&
	     strcmp(p.file, "f") == 0);
	must(p.line <= lines + 1 && (p.line > 0) == (p.column > 0));
	return 0;
}
