/*
 * stack_scan - walks a Compose file as it is written: its scalars with their lines.
 * Process: cli.   Owns: nothing; what it hands out lives as long as the call.
 * Secrets: a scalar may be one; each is wiped when its event ends. libyaml's own read buffer is
 * not. Limits: STACK_SCAN_DEPTH_MAX; beyond it ERR_LIMIT.   Failure: ERR_SYNTAX, and the line.
 */
#ifndef CLI_STACK_SCAN_H
#define CLI_STACK_SCAN_H

#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

#define STACK_SCAN_DEPTH_MAX 64

struct stack_scalar {
	uint32_t line;	/* from 1 */
	uint32_t depth; /* of mappings and lists around it; 1: in the file's own mapping */
	bool is_key;
	struct span text;
	struct span
	    top; /* the key in the file's own mapping that it is below; empty for that key */
	struct span key; /* the key that it is the value of, or that the list around it is */
};

typedef enum err stack_scan_fn(const struct stack_scalar *v, void *arg);

enum err stack_scan(struct span text, stack_scan_fn *each, void *arg, uint32_t *ret_line) NODISCARD;

/* Where the password is in a text with scheme://user:password@host; false: there is none. */
bool stack_url_password(struct span text, struct span *ret_password);
/* The host in the first URL of a text, without port; false: there is none. */
bool stack_url_host(struct span text, struct span *ret_host);

#endif
