/*
 * chunked - the chunked transfer coding, decoded strictly, encoded plainly (RFC 9112 section 7.1).
 * Process: gateway, shim, tests.   Owns: nothing.
 * Secrets: body bytes pass through as spans.
 * Limits: 16 hex digits a size, no "0x", sign or space; CHUNKED_EXT_MAX bytes of extensions a
 *         chunk (dropped); CHUNKED_TRAILER_MAX of trailers (all dropped, but checked like header
 *         fields: tchar names, no bare CR or LF, no folding).
 * Failure: ERR_SYNTAX; the connection is not usable any more, and every further call fails too.
 */
#ifndef GATEWAY_CHUNKED_H
#define GATEWAY_CHUNKED_H

#include "common/buf.h"

#define CHUNKED_EXT_MAX 256
#define CHUNKED_TRAILER_MAX 8192
#define CHUNKED_HEAD_LEN 18 /* room chunked_head() needs: 16 digits, CRLF */

struct chunked {
	uint8_t state; /* enum of chunked.c; 0 = before the first digit */
	uint8_t digits;
	uint16_t ext_len, trailer_len;
	uint8_t same[2]; /* how much of a trailer field's name is that of a framing field */
	uint64_t left;	 /* of the current chunk */
	bool done;
};

/* Zero-initialised is the start. Takes bytes from in: *ret_used of them, and gives body bytes (a
 * span into in, maybe empty) in *ret_body. Call again until *ret_used is 0 or c->done; what lies
 * behind the end is not taken. One call gives at most one span. */
enum err chunked_decode(
    struct chunked *c, struct span in, size_t *ret_used, struct span *ret_body) NODISCARD;

/* "1a\r\n" for a chunk of len bytes (len > 0); the caller adds the bytes and "\r\n". Returns the
 * length written. */
size_t chunked_head(uint64_t len, char dst[CHUNKED_HEAD_LEN]);
#define CHUNKED_END "0\r\n\r\n"

#endif
