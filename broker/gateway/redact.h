/*
 * redact - takes a secret, in any plain encoding of it, out of a stream, at every split.
 * Process: gateway.
 * Owns: a copy of one secret version with the filter made from it, both in the arena.
 * Secrets: that copy; the filter tells pairs of its bytes. Wiped with redact_free().
 * Limits: secrets of REDACT_MIN bytes or more (a shorter one would blank ordinary text; docs say
 *         so). Not seen: an encoding of an encoding, line breaks inside base64, the up to 6 bits
 *         at either end of base64 that the neighbours share, a byte over 0x7f as "\u00e9" of its
 *         character.
 * Failure: ERR_NOMEM, ERR_LIMIT; no object.
 */
#ifndef GATEWAY_REDACT_H
#define GATEWAY_REDACT_H

#include "common/buf.h"
#include "common/secret.h"

#define REDACT_MIN 8

struct redact; /* shared by all exchanges that use the secret version */

/* ERR_OK with *ret_r NULL for a secret shorter than REDACT_MIN. Everything below takes that NULL,
 * and then finds nothing.
 * Found: plain, and mixed with it byte by byte "%xx", "\u00xx" (hex in either case), "\\", "\"",
 * "\/" and '+' for a space; hex in either case; base64 and base64url at the three alignments, the
 * characters that depend on the secret alone, also with '+', '/', '-' and '_' escaped as above. */
enum err redact_new(struct span secret, struct redact **ret_r) NODISCARD;
void redact_free(struct redact *r);

/* Blanks matches in b->data[0..len) with '*', in place, and says how many bytes from the front may
 * go out now: all but the last word, visible bytes that something may still follow (at most
 * redact_held_max(); which, does not hang on the secret). Give the held bytes again, in front of
 * the new ones, in the next call; bytes that may go out are better taken away first, for they would
 * be looked at again. last: nothing more comes, everything may go out. However a stream is split,
 * the same bytes are blanked. *found: set when there was a match, else left as it is. */
size_t redact_scan(const struct redact *r, struct buf *b, bool last, bool *found);
/* The same for what is whole: header values, status lines, a head. */
bool redact_found(const struct redact *r, struct span s);
void redact_blank(const struct redact *r, uint8_t *p, size_t len, bool *found);
/* A buffer for redact_scan() must be able to hold more than this, or it may never move on. */
size_t redact_held_max(const struct redact *r);

#endif
