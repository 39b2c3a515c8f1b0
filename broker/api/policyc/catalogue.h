/*
 * catalogue - the upstreams that are built in: what `like:` starts from, and what a policy may use
 * without a file.
 * Process: admin, cli.
 * Owns: nothing: constants.
 * Secrets: none; it names the secrets that the entries use.
 * Limits: CATALOGUE_MAX entries.   Failure: NULL for what is not in it.
 */
#ifndef POLICYC_CATALOGUE_H
#define POLICYC_CATALOGUE_H

#include "broker/rules/rules.h"

#define CATALOGUE_MAX 16

/* NULL-terminated. The last four (header, bearer, basic, query) are shapes without a host. */
extern const char *const catalogue_names[];
/* The entry as YAML, in the keys of an upstream file; NULL if there is none of that name. */
const char *catalogue_text(const char *name);
/* Every entry that is complete without a file, compiled: what `import` recognises keys by (env
 * values with {placeholder}, secret, placeholder). */
enum err catalogue_rules(struct rules **ret_r) NODISCARD;

#endif
