/*
 * upstream - connections to upstreams: dialled to judged addresses, verified, kept for the next
 * request of the same credential. Process: gateway.   Owns: every connection until it is dropped;
 * idle ones in their slot's pool. Secrets: a connection carried a credential: it is never used for
 * another one, nor by another generation of the configuration. Limits: POOL_IDLE_MAX idle a slot,
 * POOL_IDLE_MS, UPSTREAM_READY_MS. Failure: told to on_ready: ERR_NOT_FOUND (name), ERR_DENIED
 * (address), ERR_UNREACHABLE, ERR_AUTH (certificate), ERR_PROTO (TLS: it took a connection, and the
 * handshake failed or did not end), ERR_TIMEOUT.
 */
#ifndef GATEWAY_UPSTREAM_H
#define GATEWAY_UPSTREAM_H

#include "broker/gateway/config.h"
#include "broker/gateway/stream.h"

/* What its user is told. Both may drop the connection. */
struct upstream_ops {
	void (*on_ready)(enum err e, void *arg);      /* once, never inside upstream_get() */
	void (*on_event)(uint32_t events, void *arg); /* then, for its stream */
};

struct upstream_conn {
	struct stream stream;
	bool ready;
	bool reused; /* it served a request before: it may be stale */
	uint32_t secret_id, version;
	struct slot *slot;
	const struct upstream_ops *ops;
	void *arg;
	/* private to upstream.c */
	struct upstreams *home;
	struct upstream_conn *newer, *older; /* while idle */
	struct query *query;
	struct addrs addrs;
	size_t next_addr;
	bool answered; /* an address took a connection */
	enum err failure;
	int64_t give_up_ms;
	struct timer timer;
};

/* What all of them share. */
struct upstreams {
	struct loop *loop;
	struct resolver *resolver;
	SSL_CTX *system_tls;	      /* NULL: this system has no CA file */
	struct upstream_conn *buried; /* dropped; freed at the end of the turn */
};

/* An idle connection of that slot and secret version (ret_uc->ready), or a new one, which tells
 * ops->on_ready later. fresh: never an idle one. */
enum err upstream_get(struct upstreams *u, struct slot *slot, uint32_t secret_id, uint32_t version,
    bool fresh, const struct upstream_ops *ops, void *arg,
    struct upstream_conn **ret_uc) NODISCARD; /* 8 parameters: the key of the pool, and who asks */
/* Nothing is open on it: keep it for the next one. */
void upstream_keep(struct upstream_conn *uc);
void upstream_drop(struct upstream_conn *uc); /* NULL is fine */
/* At the end of every loop turn. */
void upstream_sweep(struct upstreams *u);
/* Closes the idle connections of a configuration that is not in force any more. */
void upstream_retire(struct config *c);

#endif
