/*
 * answer - what a client hears from the shim itself when nothing can be forwarded.
 * Process: shim.   Owns: nothing.   Secrets: none.
 * Limits: the caller's buffer.   Failure: ERR_NOMEM, ERR_LIMIT.
 */
#ifndef SHIM_ANSWER_H
#define SHIM_ANSWER_H

#include "common/buf.h"

/* A whole HTTP/1.1 response, application/problem+json (RFC 9457), that ends the connection. 403
 * also tells SDKs not to try again; 502 and 503 may be tried again. without_body: the request was
 * HEAD. */
enum err shim_answer_write(struct buf *ret, unsigned status, const char *code, const char *detail,
    bool without_body) NODISCARD;

#endif
