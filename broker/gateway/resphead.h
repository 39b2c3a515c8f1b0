/*
 * resphead - the response head that the client gets: written from what was parsed of the
 * upstream's. Process: gateway.   Owns: nothing. Secrets: what the upstream echoed of one is
 * blanked. Limits: out's.   Failure: ERR_DENIED: the body is in a coding that cannot be scanned;
 * ERR_LIMIT, ERR_NOMEM. out is not sent then.
 */
#ifndef GATEWAY_RESPHEAD_H
#define GATEWAY_RESPHEAD_H

#include "broker/gateway/http1.h"
#include "broker/gateway/redact.h"

struct resphead {
	const struct http1_head *head;
	const struct redact *redact; /* NULL: no credential was put in */
	uint8_t client_minor;	     /* HTTP/1.0 clients get no chunks */
	bool to_head;		     /* the request was HEAD */
	bool close;		     /* say "Connection: close" */
	bool *echoed;		     /* set when the credential stood in the head */
};

/* Status line, the upstream's fields but for hop-by-hop ones, framing and any Sidekey-* (ours
 * alone), then our framing, which is *ret_framing. */
enum err resphead_write(
    const struct resphead *r, struct buf *out, enum http1_framing *ret_framing) NODISCARD;

#endif
