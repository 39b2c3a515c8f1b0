/*
 * fields - which header fields of a client never go upstream, and what they say before they are
 * dropped. Process: gateway.   Owns: nothing; spans point into the head, or into the caller's
 * store. Secrets: credential values are looked at, for placeholders; copies of Basic ones go into
 * the caller's store, which it wipes. Limits: PRESENTED_MAX values of PRESENTED_LEN_MAX bytes;
 * further and longer ones are not reported, and dropped all the same. Failure: none.
 */
#ifndef GATEWAY_FIELDS_H
#define GATEWAY_FIELDS_H

#include "broker/gateway/http1.h"
#include "broker/ipc/body.h"
#include "broker/rules/rules.h"

/* A header that could carry a credential, in any spelling: the built-in lists, what this upstream
 * injects, and its strip list (up may be NULL). */
bool fields_is_credential(const struct upstream *up, struct span name);
/* A header that would change what the request is, or claims to come from us: method overrides,
 * original URLs, Forwarded, X-Forwarded-*, Sidekey-*. */
bool fields_is_override(struct span name);

struct fields_presented {
	struct span values[PRESENTED_MAX];
	uint16_t count;
	uint8_t decoded[2][PRESENTED_LEN_MAX]; /* of Basic; values may point here */
	uint8_t decoded_count;
};
/* What the client presented as credentials: without "Bearer " and "token ", both halves of Basic.
 */
void fields_collect_presented(
    const struct upstream *up, const struct http1_head *h, struct fields_presented *ret_p);

/* Origin was there, or a Sec-Fetch-Site other than none and same-origin: a page in a browser asks.
 */
bool fields_is_browser(const struct http1_head *h);
/* The trace id of a valid traceparent (W3C Trace Context section 3.2). */
bool fields_trace_id(const struct http1_head *h, uint8_t ret_id[TRACE_ID_LEN]);
/* 127.0.0.1, localhost, [::1], each with any port or none, and sidekey: what a name rebound to us
 * cannot be. */
bool fields_is_own_host(struct span host);

#endif
