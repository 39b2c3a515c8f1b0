/*
 * recognise - which variable of an .env file holds which provider's key: by name, then by the
 * value's shape. Process: cli.   Owns: nothing; constants. Secrets: looks at values and returns
 * none of their bytes.   Limits: none.   Failure: none; "not known" is the safe answer.
 */
#ifndef CLI_RECOGNISE_H
#define CLI_RECOGNISE_H

#include <stdbool.h>

#include "common/span.h"

/* The upstream whose key a variable of this name holds by convention; NULL: not known. */
const char *recognise_name(struct span name);
/* The upstream whose keys, and only those, look like this; NULL: not known. */
const char *recognise_shape(struct span value);
/* The upstream whose address a variable of this name holds (ANTHROPIC_BASE_URL,
 * AZURE_OPENAI_ENDPOINT); NULL: none. */
const char *recognise_address(struct span name);
/* Bytes at the front of the value that every key of its kind has, so that a placeholder may keep
 * them: 13 for "sk-ant-api03-". */
size_t recognise_prefix(struct span value);
/* A URL with a password in it. */
bool recognise_url_password(struct span value);
/* As random as a key: one word, long, of letters and digits, few of them twice. */
bool recognise_random(struct span value);
/* Not known, but worth a warning when it stays in the file: KEY, TOKEN, PASSWORD and the like in
 * the name, a well-known shape, or as random as a key. */
bool recognise_suspicious(struct span name, struct span value);

#endif
