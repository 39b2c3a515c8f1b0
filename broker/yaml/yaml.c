/* From libyaml's events to the tree. Recursion is bounded by YAML_DEPTH_MAX; events that the core
 * does not have end the parse. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "broker/yaml/tree.h"
#include "common/buf.h"
#include "common/sys.h"

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	const char *file;
	uint32_t nodes;
	struct place_error *error;
};

static enum err read_node(struct reader *r, uint32_t depth, struct yaml_node **ret_n);

static void
reader_close(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	yaml_parser_delete(&r->parser);
}

static enum err
reader_error(struct reader *r, const char *text)
{
	const yaml_mark_t *m = &r->event.start_mark;

	return tree_error_at(
	    r->error, r->file, (uint32_t)m->line + 1, (uint32_t)m->column + 1, "%s", text);
}

/* libyaml's own errors, in its words; a rule with a star in front and without quotes is the one
 * that people will make. */
static enum err
reader_failed(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const yaml_mark_t *m = &p->problem_mark;
	const char *problem = p->problem != NULL ? p->problem : "it does not parse";
	const char *context = p->context != NULL ? p->context : "";
	bool star = strstr(context, "alias") != NULL || strstr(context, "anchor") != NULL;

	if (p->error == YAML_MEMORY_ERROR)
		return ERR_NOMEM;
	return tree_error_at(r->error, r->file, (uint32_t)m->line + 1, (uint32_t)m->column + 1,
	    "not YAML: %s %s%s", problem, context,
	    star ? "; quote text that starts with '*' or '&'" : "");
}

static enum err
next_event(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = false;
	if (yaml_parser_parse(&r->parser, &r->event) != 1)
		return reader_failed(r);
	r->has_event = true;
	return ERR_OK;
}

static enum err
new_node(struct reader *r, enum yaml_kind kind, struct yaml_node **ret_n)
{
	struct yaml_node *n;

	if (++r->nodes > YAML_NODES_MAX) {
		(void)reader_error(r, "the file holds too many values");
		return ERR_LIMIT;
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return ERR_NOMEM;
	n->kind = kind;
	n->line = (uint32_t)r->event.start_mark.line + 1;
	n->column = (uint32_t)r->event.start_mark.column + 1;
	*ret_n = n;
	return ERR_OK;
}

static enum err
refuse_extras(struct reader *r, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL)
		return reader_error(r, "anchors (&name) are not allowed; write the value out");
	if (tag != NULL)
		return reader_error(r, "tags (!name) are not allowed");
	return ERR_OK;
}

static enum err
read_scalar(struct reader *r, struct yaml_node **ret_n)
{
	AUTO(yaml_freep) struct yaml_node *n = NULL;
	enum err e = refuse_extras(r, r->event.data.scalar.anchor, r->event.data.scalar.tag);
	const char *value = (const char *)r->event.data.scalar.value;
	size_t len = r->event.data.scalar.length;

	if (e == ERR_OK)
		e = new_node(r, YAML_STRING, &n);
	if (e != ERR_OK)
		return e;
	if (memchr(value, '\0', len) != NULL) /* "\0" in double quotes */
		return reader_error(r, "the text holds a NUL byte");
	n->text = calloc(1, len + 1);
	if (n->text == NULL)
		return ERR_NOMEM;
	memcpy(n->text, value, len);
	if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		e = tree_resolve_plain(n, r->file, r->error);
	if (e != ERR_OK)
		return e;
	*ret_n = n;
	n = NULL; /* given away */
	return ERR_OK;
}

/* Keys are text, so that an upstream may be named 123; merge keys and empty ones are refused. */
static enum err
read_key(struct reader *r, struct yaml_node **ret_n)
{
	AUTO(yaml_freep) struct yaml_node *n = NULL;
	bool plain = r->event.type == YAML_SCALAR_EVENT &&
		     r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	enum err e;

	if (r->event.type != YAML_SCALAR_EVENT && r->event.type != YAML_ALIAS_EVENT)
		return reader_error(r, "a key must be text");
	if (plain && strcmp((const char *)r->event.data.scalar.value, "<<") == 0)
		return reader_error(r, "merge keys (<<) are not allowed; write the keys out");
	e = read_node(r, YAML_DEPTH_MAX, &n);
	if (e != ERR_OK)
		return e;
	must(n != NULL && n->text != NULL); /* a scalar has its text */
	if (n->text[0] == '\0')
		return yaml_error(r->error, r->file, n, "a key is empty");
	n->kind = YAML_STRING;
	n->integer = 0;
	n->boolean = false;
	*ret_n = n;
	n = NULL; /* given away */
	return ERR_OK;
}

/* Makes room for item number used (0 for the first), by doubling. */
static enum err
grow(struct yaml_node *n, uint32_t used, uint32_t *room)
{
	uint32_t more = *room == 0 ? 8 : 2 * *room;
	struct yaml_node **items;

	if (used < *room)
		return ERR_OK;
	items = calloc(more, sizeof(struct yaml_node *));
	if (items == NULL)
		return ERR_NOMEM;
	if (used > 0)
		memcpy(items, n->items, used * sizeof(struct yaml_node *));
	free(n->items);
	n->items = items;
	*room = more;
	return ERR_OK;
}

static enum err
read_list(struct reader *r, uint32_t depth, struct yaml_node **ret_n)
{
	AUTO(yaml_freep) struct yaml_node *n = NULL;
	uint32_t room = 0;
	enum err e =
	    refuse_extras(r, r->event.data.sequence_start.anchor, r->event.data.sequence_start.tag);

	if (e == ERR_OK)
		e = new_node(r, YAML_LIST, &n);
	if (e == ERR_OK)
		e = next_event(r);
	while (e == ERR_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
		e = grow(n, n->count, &room);
		if (e == ERR_OK)
			e = read_node(r, depth + 1, &n->items[n->count]);
		if (e == ERR_OK) {
			n->count++;
			e = next_event(r);
		}
	}
	if (e != ERR_OK)
		return e;
	*ret_n = n;
	n = NULL; /* given away */
	return ERR_OK;
}

/* One key with its value behind n's others; a key without its value is freed here, since n counts
 * pairs. */
static enum err
read_pair(struct reader *r, uint32_t depth, struct yaml_node *n, uint32_t *room)
{
	AUTO(yaml_freep) struct yaml_node *key = NULL;
	enum err e = grow(n, 2 * n->count, room);

	if (e == ERR_OK)
		e = read_key(r, &key);
	if (e == ERR_OK)
		e = next_event(r);
	if (e == ERR_OK)
		e = read_node(r, depth + 1, &n->items[2 * n->count + 1]);
	if (e != ERR_OK)
		return e;
	n->items[2 * n->count] = key;
	key = NULL; /* given away */
	n->count++;
	return next_event(r);
}

static enum err
read_map(struct reader *r, uint32_t depth, struct yaml_node **ret_n)
{
	AUTO(yaml_freep) struct yaml_node *n = NULL;
	uint32_t room = 0;
	enum err e =
	    refuse_extras(r, r->event.data.mapping_start.anchor, r->event.data.mapping_start.tag);

	if (e == ERR_OK)
		e = new_node(r, YAML_MAP, &n);
	if (e == ERR_OK)
		e = next_event(r);
	while (e == ERR_OK && r->event.type != YAML_MAPPING_END_EVENT)
		e = read_pair(r, depth, n, &room);
	if (e == ERR_OK)
		e = tree_check_duplicates(n, r->file, r->error);
	if (e != ERR_OK)
		return e;
	*ret_n = n;
	n = NULL; /* given away */
	return ERR_OK;
}

/* The node that the current event starts. On success the current event is its last. */
static enum err
read_node(struct reader *r, uint32_t depth, struct yaml_node **ret_n)
{
	bool deep = depth >= YAML_DEPTH_MAX;

	switch (r->event.type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, ret_n);
	case YAML_ALIAS_EVENT:
		return reader_error(
		    r, "aliases (*name) are not allowed; write the value out, or quote it");
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (deep) {
			(void)reader_error(r, "nested too deep");
			return ERR_LIMIT;
		}
		if (r->event.type == YAML_SEQUENCE_START_EVENT)
			return read_list(r, depth, ret_n);
		return read_map(r, depth, ret_n);
	default:
		return reader_error(r, "expected a value");
	}
}

/* Nothing behind the document but its end. */
static enum err
read_end(struct reader *r)
{
	enum err e = next_event(r);

	if (e == ERR_OK && r->event.type == YAML_DOCUMENT_END_EVENT)
		e = next_event(r);
	if (e == ERR_OK && r->event.type != YAML_STREAM_END_EVENT)
		return reader_error(r, "a second document; a file holds one");
	return e;
}

static enum err
read_document(struct reader *r, struct yaml_node **ret_root)
{
	AUTO(yaml_freep) struct yaml_node *root = NULL;
	enum err e = next_event(r); /* the stream's start */

	if (e == ERR_OK)
		e = next_event(r);
	if (e != ERR_OK)
		return e;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		e = new_node(r, YAML_MAP, ret_root);
		if (e == ERR_OK)
			(*ret_root)->line = (*ret_root)->column = 1;
		return e;
	}
	if (r->event.data.document_start.version_directive != NULL ||
	    r->event.data.document_start.tag_directives.start !=
		r->event.data.document_start.tag_directives.end)
		return reader_error(r, "directives (%) are not allowed");
	e = next_event(r);
	if (e == ERR_OK)
		e = read_node(r, 0, &root);
	if (e == ERR_OK)
		e = read_end(r);
	if (e != ERR_OK)
		return e;
	*ret_root = root;
	root = NULL; /* given away */
	return ERR_OK;
}

enum err
yaml_parse(
    const char *file, struct span in, struct yaml_node **ret_root, struct place_error *ret_error)
{
	struct reader r = { .file = file, .error = ret_error };
	enum err e;

	e = tree_check_bytes(file, in, ret_error);
	if (e != ERR_OK)
		return e;
	(void)tree_error_at(
	    ret_error, file, 0, 0, "out of memory"); /* what an ERR_NOMEM below says */
	if (yaml_parser_initialize(&r.parser) != 1)
		return ERR_NOMEM;
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, in.len > 0 ? in.p : (const uint8_t *)"", in.len);
	e = read_document(&r, ret_root);
	reader_close(&r);
	return e;
}

enum err
yaml_load(
    const char *path, const char *file, struct yaml_node **ret_root, struct place_error *ret_error)
{
	AUTO(buf_wipe) struct buf contents = BUF_MAX(YAML_FILE_MAX);
	struct stat st;
	enum err e;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe would never open */
		(void)yaml_error(ret_error, file, NULL, "not a regular file");
		return ERR_IO;
	}
	e = sys_read_file(path, &contents);
	if (e == ERR_OK)
		return yaml_parse(file, buf_span(&contents), ret_root, ret_error);
	(void)yaml_error(ret_error, file, NULL, "%s",
	    e == ERR_NOT_FOUND ? "no such file"
	    : e == ERR_LIMIT   ? "the file is too large"
			       : "the file cannot be read");
	return e;
}
