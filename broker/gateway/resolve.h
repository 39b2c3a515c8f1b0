/*
 * resolve - from a host name to the addresses that may be dialled: literals, /etc/hosts, then DNS
 * by c-ares. Process: gateway.   Owns: the c-ares channel and its watches; a query until its
 * callback. Secrets: none. Limits: RESOLVE_ADDRESSES_MAX addresses an answer; UPSTREAM_READY_MS is
 * the caller's. Failure: ERR_NOT_FOUND: no such name, or no server answers. ERR_DENIED: it has
 * addresses, none of which may be dialled.
 */
#ifndef GATEWAY_RESOLVE_H
#define GATEWAY_RESOLVE_H

#include "broker/gateway/addr.h"
#include "broker/gateway/limits.h"
#include "common/loop.h"

struct resolver;
struct query;

struct addrs {
	struct addr list[RESOLVE_ADDRESSES_MAX];
	size_t count;
	uint32_t ttl_s; /* at most RESOLVE_TTL_S_MAX */
};

/* Reads /etc/hosts and resolv.conf: before the sandbox. */
enum err resolve_new(struct loop *l, struct resolver **ret_r) NODISCARD;
void resolve_free(struct resolver *r);

/* What was judged is what is dialled: fn gets addresses, never a name. allow_private: all addresses
 * are let through. Always calls fn, maybe at once. */
typedef void resolve_fn(enum err e, const struct addrs *a, void *arg);
enum err resolve_start(struct resolver *r, const char *host, uint16_t port, bool allow_private,
    resolve_fn *fn, void *arg, struct query **ret_q) NODISCARD;
void resolve_cancel(struct query *q); /* fn is not called any more */

#endif
