/*
 * span - bytes that somebody else owns.
 * Process: all.   Owns: nothing: valid only as long as what it points into.
 * Secrets: may point at one; whoever owns the bytes wipes them.   Limits: none.   Failure: none.
 */
#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const uint8_t *p;
	size_t len; /* bytes */
};

#define SPAN_NONE ((struct span){ NULL, 0 })

struct span span_of(const void *p, size_t len);
struct span span_str(const char *s); /* without the NUL; NULL gives an empty span */

/* Not constant time: never for a token, use secret_equal(). */
bool span_eq(struct span a, struct span b);
bool span_eq_str(struct span a, const char *s);
bool span_eq_nocase(struct span a, const char *s); /* ASCII letters only */
bool span_same_nocase(struct span a, struct span b);
bool span_starts(struct span a, const char *prefix);

/* Copies into a NUL-terminated array of size bytes. False, and dst is "", if it does not fit or
 * holds a NUL. */
bool span_copy_str(struct span a, char *dst, size_t size);

#endif
