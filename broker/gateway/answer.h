/*
 * answer - what one block of bytes from the upstream becomes for the client.
 * Process: gateway.   Owns: nothing; works on struct exchange and the stage.
 * Secrets: content is scanned in struct gateway's plain buffer, which is wiped behind it.
 * Limits: HTTP1_HEAD_MAX a head, UPSTREAM_INTERIM_MAX 1xx responses.
 * Failure: ERR_SYNTAX: not HTTP, or not what was asked for; ERR_DENIED: cannot be scanned; ERR_EOF:
 * cut. Nothing of the block may be sent then.
 */
#ifndef GATEWAY_ANSWER_H
#define GATEWAY_ANSWER_H

#include "common/err.h"
#include "common/span.h"

struct conn;

/* Appends to the stage what of block may go to the client now. exchange.down.done afterwards: the
 * response is through. */
enum err answer_take(struct conn *c, struct span block) NODISCARD;
/* The upstream's end came: ERR_OK if that completes the response. */
enum err answer_end_of_input(struct conn *c) NODISCARD;

#endif
