/*
 * policyc - upstreams/ and policies/ as people write them, compiled to struct rules.
 * Process: admin, cli.   Owns: nothing.   Secrets: none.
 * Limits: those of rules.h and yaml.h.
 * Failure: all errors of all files, up to POLICYC_ERRORS_MAX, each with its place; no
 *          rules are returned then.
 */
#ifndef POLICYC_POLICYC_H
#define POLICYC_POLICYC_H

#include "broker/rules/rules.h"
#include "broker/yaml/yaml.h"

#define POLICYC_ERRORS_MAX 20

struct policyc_errors {
	struct place_error list[POLICYC_ERRORS_MAX];
	uint32_t count; /* the number found; the list holds the first ones */
};

/* Compiles <config_dir>/upstreams/(any).yaml over the built-in catalogue (a file may say `like:
 * anthropic` and change what differs) and <config_dir>/policies/(any).yaml. An empty folder is
 * no rules, a missing one an error. */
enum err policyc_compile(
    const char *config_dir, struct rules **ret_r, struct policyc_errors *ret_errors) NODISCARD;

/* A file that is not in its folder yet, or stands in for the one of the same name that is. */
struct policyc_file {
	const char *part; /* "upstreams" or "policies" */
	const char *name; /* "github.yaml" */
	struct span text;
};
/* The same as the folder would compile to with these files in it: so that an import is checked
 * whole before a file is written. */
enum err policyc_compile_with(const char *config_dir, const struct policyc_file *files,
    size_t count, struct rules **ret_r, struct policyc_errors *ret_errors) NODISCARD;

#endif
