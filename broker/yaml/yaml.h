/*
 * yaml - a strict tree of YAML's JSON-like core, each node with its place (libyaml reads, this
 * refuses the rest).
 * Process: sidekeyd, admin, cli.   Owns: the tree (yaml_tree_free()).
 * Secrets: none: files that people write hold none.
 * Limits: YAML_FILE_MAX bytes, YAML_DEPTH_MAX, YAML_NODES_MAX. One document. No anchors,
 *          aliases, tags, merge keys, duplicate keys;
 *         yes/no/on/off are strings; floats, tabs and byte order marks are refused.
 *         Map keys are strings, whatever they look like. A file without a document gives an empty
 *         map.
 * Failure: ERR_SYNTAX or ERR_LIMIT with a struct place_error that says file, line, column
 *          and what was expected.
 */
#ifndef YAML_YAML_H
#define YAML_YAML_H

#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

#define YAML_FILE_MAX (1u << 20)
#define YAML_DEPTH_MAX 16
#define YAML_NODES_MAX 100000

enum yaml_kind {
	YAML_NONE = 0,
	YAML_STRING,
	YAML_INTEGER,
	YAML_BOOL,
	YAML_NULL,
	YAML_LIST,
	YAML_MAP
};

struct yaml_node {
	enum yaml_kind kind;
	uint32_t line, column;	  /* from 1 */
	char *text;		  /* scalars: as written; NUL-terminated, holds no NUL */
	int64_t integer;	  /* YAML_INTEGER */
	bool boolean;		  /* YAML_BOOL: true or false, nothing else */
	struct yaml_node **items; /* list: values; map: key, value, key, value, ... */
	uint32_t count;		  /* list: values; map: pairs */
};

struct place_error {
	char file[256];
	uint32_t line, column; /* 0: the file as a whole */
	char text[512];	       /* "unknown key \"alow\"; expected one of: allow, deny, limit" */
};

enum err yaml_parse(const char *file, struct span in, struct yaml_node **ret_root,
    struct place_error *ret_error) NODISCARD;
/* Reads path (no symlink) and parses it; file names it in errors. ERR_NOT_FOUND and ERR_IO have a
 * place without a line. */
enum err yaml_load(const char *path, const char *file, struct yaml_node **ret_root,
    struct place_error *ret_error) NODISCARD;
/* Not named yaml_free: libyaml exports that name for itself, and a program's definition would take
 * its place. */
void yaml_tree_free(struct yaml_node *n);
void yaml_freep(struct yaml_node **n);

/* Fills e with a place and text; always returns ERR_SYNTAX, so that a check is one line. */
enum err yaml_error(struct place_error *e, const char *file, const struct yaml_node *at,
    const char *fmt, ...) PRINTF(4, 5);

/* NULL if map has no such key. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* ERR_SYNTAX naming the first key that is not in the NULL-terminated list, with the nearest one
 * that is. */
enum err yaml_only(const struct yaml_node *map, const char *const *keys, const char *file,
    struct place_error *ret_error) NODISCARD;

/* "; did you mean \"allow\"? expected one of: allow, deny" for a word that is not in the
 * NULL-terminated list. Returns dst. */
const char *yaml_nearest(const char *word, const char *const *words, char *dst, size_t size);

/* text with controls and quotes escaped, cut at 48 bytes: for messages. Returns dst. */
#define YAML_SHOW_SIZE 80
const char *yaml_show(const char *text, char dst[YAML_SHOW_SIZE]);

#endif
