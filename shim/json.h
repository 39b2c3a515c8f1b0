/*
 * json - jansson, with memory that is wiped when it is freed.
 * Process: shim.   Owns: nothing.
 * Secrets: the enrollment key passes through jansson, which would leave pieces of it on the heap.
 * Limits: the caller's.   Failure: as jansson.
 */
#ifndef SHIM_JSON_H
#define SHIM_JSON_H

#include <jansson.h>

#include "common/err.h"
#include "common/span.h"

void shim_json_init(void);		/* before the first use of jansson; again is fine */
void shim_json_freep(json_t **j);	/* for AUTO() */
void shim_json_text_freep(char **text); /* what json_dumps() gave; for AUTO() */

/* The string member name of o as a span; SPAN_NONE when there is none, or no string. */
struct span shim_json_string(const json_t *o, const char *name);

#endif
