/*
 * compile - what the parts of policyc share: the state of one compilation, typed access to keys,
 * errors that pile up.
 * Process: admin, cli.   Owns: struct compiler owns the rules that grow in it.   Secrets: none.
 * Limits: those of rules.h; POLICYC_ERRORS_MAX errors are kept, all are counted.
 * Failure: an error is reported and the look at the file goes on, so that one run shows
 *          all of them; fatal says that memory ran out.
 */
#ifndef POLICYC_COMPILE_H
#define POLICYC_COMPILE_H

#include "broker/api/policyc/policyc.h"

struct compiler {
	const char *config_dir; /* where a relative ca: starts */
	const char *file;	/* the one being read, as errors name it */
	struct rules *rules;
	uint32_t upstream_room, policy_room;
	struct policyc_errors *errors;
	const struct policyc_file
	    *extra; /* files that stand in for those of the folders; may be NULL */
	size_t extra_count;
	bool upstream_lost; /* an upstream's file did not parse: then a policy that names it is not
			       to blame */
	enum err fatal;	    /* ERR_OK, or ERR_NOMEM: nothing more is done */
};

enum err compile_init(
    struct compiler *c, const char *config_dir, struct policyc_errors *errors) NODISCARD;
/* ERR_OK and the rules if there was no error, else ERR_SYNTAX or ERR_NOMEM. Ends the compiler
 * either way. */
enum err compile_finish(struct compiler *c, struct rules **ret_r) NODISCARD;

/* One file each; file is what errors say, its last part without ".yaml" is what a policy must be
 * named. */
void compile_upstream_bytes(struct compiler *c, const char *file, struct span in);
void compile_policy_bytes(struct compiler *c, const char *file, struct span in);
/* The checked tree of such a file; errors are reported. */
void compile_upstream(struct compiler *c, const struct yaml_node *root);
void compile_policy(struct compiler *c, const struct yaml_node *root);
/* Index of an upstream, from the files or, if it is complete without one, from the catalogue. False
 * and reported if there is none. */
bool compile_find_upstream(struct compiler *c, const struct yaml_node *name, uint16_t *ret_index);
/* Variables that two upstreams of one workload set differently. */
void compile_check_env(struct compiler *c);

void compile_report(struct compiler *c, const struct yaml_node *at, const char *fmt, ...)
    PRINTF(3, 4);
void compile_report_place(struct compiler *c, const struct place_error *e);

/* Is n of that kind? Reported if not: "expected a list". */
bool compile_expect(struct compiler *c, const struct yaml_node *n, enum yaml_kind kind);
bool compile_keys(struct compiler *c, const struct yaml_node *map,
    const char *const *keys); /* a map, with these keys only */
/* The value of a key that must be there, of that kind; NULL and reported if not. */
const struct yaml_node *compile_need(
    struct compiler *c, const struct yaml_node *map, const char *key, enum yaml_kind kind);
/* Text that shape (see rules/shape.h) admits; reported if not. */
bool compile_shape(
    struct compiler *c, const struct yaml_node *n, const char *(*shape)(struct span s));
/* The index of the word in the NULL-terminated list; false and reported if it is none of them. */
bool compile_word(
    struct compiler *c, const struct yaml_node *n, const char *const *words, uint32_t *ret_index);
bool compile_bool(struct compiler *c, const struct yaml_node *n, bool *ret_b);
bool compile_integer(
    struct compiler *c, const struct yaml_node *n, int64_t least, int64_t most, int64_t *ret_v);

/* A copy in *dst in place of what was there. */
void compile_keep(struct compiler *c, char **dst, const char *text);
/* count elements of size bytes, zero. NULL: fatal is set. */
void *compile_array(struct compiler *c, uint32_t count, size_t size);
/* Room for one more of count elements of size bytes each; the new ones are zero. False: fatal is
 * set. */
bool compile_grow(struct compiler *c, void **array, uint32_t count, uint32_t *room, size_t size);

/* https://host[:port][/base] into host, port, base_path. */
void compile_url(struct compiler *c, struct upstream *u, const struct yaml_node *n);
/* host:port into connect_host, connect_port. */
void compile_connect(struct compiler *c, struct upstream *u, const struct yaml_node *n);

#endif
