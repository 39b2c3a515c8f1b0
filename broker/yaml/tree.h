/*
 * tree - what the parts of yaml share: the parser's state, the look at raw bytes, what a plain
 * scalar means.
 * Process: sidekeyd, admin, cli.   Owns: nothing.   Secrets: none.   Limits: those of yaml.h.
 * Failure: ERR_SYNTAX or ERR_LIMIT with a place, ERR_NOMEM.
 */
#ifndef YAML_TREE_H
#define YAML_TREE_H

#include "broker/yaml/yaml.h"

/* Everything that libyaml would take, or take for something else: UTF-16, byte order marks,
 * controls, tabs, invisible characters. */
enum err tree_check_bytes(
    const char *file, struct span in, struct place_error *ret_error) NODISCARD;

/* Sets kind, integer and boolean of a plain (unquoted) scalar whose text is set. */
enum err tree_resolve_plain(
    struct yaml_node *n, const char *file, struct place_error *ret_error) NODISCARD;

/* ERR_SYNTAX at the second of two equal keys. */
enum err tree_check_duplicates(
    const struct yaml_node *map, const char *file, struct place_error *ret_error) NODISCARD;

/* ERR_SYNTAX at line and column. */
enum err tree_error_at(struct place_error *e, const char *file, uint32_t line, uint32_t column,
    const char *fmt, ...) PRINTF(5, 6);

#endif
