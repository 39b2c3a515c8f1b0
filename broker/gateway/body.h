/*
 * body - where a message's body ends, read by its framing, and written by ours.
 * Process: gateway.   Owns: nothing.   Secrets: body bytes pass through as spans.
 * Limits: those of chunked.h.   Failure: ERR_SYNTAX; the connection is not usable any more.
 */
#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H

#include "broker/gateway/chunked.h"
#include "broker/gateway/http1.h"

struct body {
	enum http1_framing framing;
	uint64_t left;		/* HTTP1_LENGTH */
	struct chunked chunked; /* HTTP1_CHUNKED */
	bool done;
};

struct body body_start(const struct http1_head *h);
/* Takes from in: *ret_used bytes of it, of which *ret_data (a span into in, maybe empty) is
 * content. Call again while *ret_used > 0 and not done. */
enum err body_take(
    struct body *b, struct span in, size_t *ret_used, struct span *ret_data) NODISCARD;
/* The peer's end came: ERR_OK if that ends this body, else ERR_EOF: it is cut. */
enum err body_end_of_input(struct body *b) NODISCARD;

/* Appends data in our framing (HTTP1_CHUNKED, or as it is); empty data is nothing at all, never a
 * last chunk. */
enum err body_put(struct buf *out, enum http1_framing framing, struct span data) NODISCARD;
enum err body_put_end(struct buf *out, enum http1_framing framing) NODISCARD;

#endif
