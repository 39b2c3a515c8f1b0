/*
 * redact - takes a secret, in any plain encoding of it, out of a stream, at every split.
 * Process: gateway.   Owns: the patterns of one secret version, in the arena.
 * Secrets: the patterns are the secret; wiped with redact_free().
 * Limits: secrets of REDACT_MIN bytes or more (a shorter one would blank ordinary text; docs say so).
 * Failure: ERR_NOMEM; no object.
 */
#ifndef GATEWAY_REDACT_H
#define GATEWAY_REDACT_H

#include "common/buf.h"
#include "common/secret.h"

#define REDACT_MIN 8

struct redact; /* the patterns: shared by all exchanges that use the secret version */

/* Patterns: plain, base64 and base64url (3 alignments, the bytes that depend on the secret alone), hex in both cases, percent-escaped (both cases of hex;
 * only reserved bytes, and all bytes), JSON-escaped. */
enum err redact_new(struct span secret, struct redact **ret_r) NODISCARD;
void redact_free(struct redact *r);

/* Blanks matches in b->data[0..len) with '*', in place, and says how many bytes from the front may go out now: all but what could still become a match.
 * Give the held bytes again, in front of the new ones, in the next call. last: nothing more comes, everything may go out. */
size_t redact_scan(const struct redact *r, struct buf *b, bool last);
bool redact_found(const struct redact *r, struct span s); /* for header values and status lines: blank with redact_blank() */
void redact_blank(const struct redact *r, uint8_t *p, size_t len);
size_t redact_held_max(const struct redact *r);

#endif
