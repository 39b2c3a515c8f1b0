/*
 * inject - the request head that goes upstream: written from what was parsed, with exactly one
 * credential put in. Process: gateway.   Owns: nothing. Secrets: the credential is written into
 * out, which its owner wipes. Limits: out's.   Failure: ERR_RANGE: the credential cannot be put
 * there; ERR_LIMIT, ERR_NOMEM. out is not sent then.
 */
#ifndef GATEWAY_INJECT_H
#define GATEWAY_INJECT_H

#include "broker/gateway/http1.h"
#include "broker/rules/rules.h"

#define INJECT_HEAD_MAX                                                                            \
	(96u << 10) /* a head of HTTP1_HEAD_MAX, and a secret with every byte percent-encoded */

/* Request line with target byte for byte (but for an injected query parameter behind it); Host of
 * the upstream; the client's fields but for hop-by-hop ones, every credential, every override and
 * the framing; our framing; then the credential. An empty credential: none is put in (and nothing
 * of the response need be scanned, so Accept-Encoding and Range stay). */
enum err inject_head(const struct upstream *up, const struct http1_head *h, struct span target,
    struct span credential, struct buf *out) NODISCARD;

/* A client's query parameter whose decoded name is name, in any case of letters: two of one name,
 * and who knows which one the upstream takes. */
bool inject_query_conflict(struct span target, const char *name);

#endif
