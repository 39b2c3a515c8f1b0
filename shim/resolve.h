/*
 * resolve - the addresses of the gateway: numeric, from the hosts file, or from DNS.
 * Process: shim.   Owns: the c-ares channel, with watches on its sockets.
 * Secrets: none.
 * Limits: SHIM_ADDRESSES_MAX addresses, SHIM_RESOLVED_MS old. Files are read in
 * shim_resolve_new() only, so that none need be opened later.
 * Failure: ERR_NOT_FOUND, ERR_UNREACHABLE; older addresses stay in use where there are any.
 */
#ifndef SHIM_RESOLVE_H
#define SHIM_RESOLVE_H

#include "common/loop.h"
#include "shim/args.h"
#include "shim/gateway.h"

struct shim_resolve;

/* One who waits for the answer. Lives in its user's object. */
struct shim_resolve_waiter {
	void (*fn)(struct shim_resolve_waiter *w, enum err e); /* from the loop, once */
	void *arg;
	struct shim_resolve_waiter *next;
	bool waits;
};

/* gateway must live as long; for a unix path there is nothing to resolve and the object is idle. */
enum err shim_resolve_new(
    struct loop *l, const struct shim_gateway *gateway, struct shim_resolve **ret_r) NODISCARD;
void shim_resolve_free(struct shim_resolve *r); /* nobody waits any more */

/* ERR_OK: shim_resolve_address() is good now. ERR_AGAIN: w->fn will be called. Else: there is no
 * address. */
enum err shim_resolve_ask(struct shim_resolve *r, struct shim_resolve_waiter *w) NODISCARD;
void shim_resolve_forget(
    struct shim_resolve *r, struct shim_resolve_waiter *w); /* safe when it does not wait */

/* The n-th address, or NULL behind the last. */
const union shim_sockaddr *shim_resolve_address(const struct shim_resolve *r, size_t n);
/* None of them answered: ask DNS again next time. */
void shim_resolve_distrust(struct shim_resolve *r);

#endif
