/*
 * uplink - one TLS connection to the gateway, from resolving to the end of the handshake.
 * Process: shim.   Owns: the connection; its user takes over the watch once it is ready.
 * Secrets: none of its own.
 * Limits: SHIM_CONNECT_MS for all of it; then ERR_UNREACHABLE.
 * Failure: fn gets the error, why says it in words; then only shim_uplink_free() is left.
 */
#ifndef SHIM_UPLINK_H
#define SHIM_UPLINK_H

#include "shim/limits.h"
#include "common/loop.h"
#include "shim/resolve.h"
#include "shim/tls.h"

/* What all connections to the gateway share. */
struct shim_uplinks {
	struct loop *loop;
	const struct shim_gateway *gateway;
	struct shim_tls_ctx *ctx; /* its owner's */
	struct shim_resolve *resolve;
	struct shim_uplink
	    *dead; /* freed at the end of the turn, since a callback may still stand on them */
};

struct shim_uplink {
	struct shim_uplinks *all;
	struct shim_tls *tls;
	struct watch watch; /* ready: fn and arg are the user's to set */
	struct timer timer;
	struct shim_resolve_waiter waiter;
	uint8_t state;
	size_t address; /* the one that is tried */
	int64_t deadline_ms;
	int64_t made_ms;			       /* when the handshake ended */
	void (*fn)(struct shim_uplink *u, enum err e); /* from the loop, once; may free u */
	/* NULL, or the user's, set after shim_uplink_new(): called once when our hello is on its
	 * way and the gateway has the work; may free u. Not called if it is ready without a wait */
	void (*greeted)(struct shim_uplink *u);
	void *arg;
	struct shim_uplink *next_dead;
	char why[SHIM_WHY_SIZE];
};

enum err shim_uplinks_init(struct shim_uplinks *all, struct loop *l,
    const struct shim_gateway *gateway, struct shim_tls_ctx *ctx) NODISCARD;
void shim_uplinks_close(struct shim_uplinks *all); /* every uplink was freed */

/* Starts in the next turn of the loop. */
enum err shim_uplink_new(struct shim_uplinks *all, const char *alpn,
    void (*fn)(struct shim_uplink *u, enum err e), void *arg, struct shim_uplink **ret_u) NODISCARD;
void shim_uplink_free(
    struct shim_uplink *u); /* closes at once; safe in any state and callback, and on NULL */

#endif
