/*
 * config - one generation of the upstreams as the keeper gave it, with what we keep for each:
 * trust, pool, addresses. Process: gateway.   Owns: the rules, TLS contexts, idle connections;
 * counted, since exchanges outlive a reload. Secrets: idle connections are bound to one secret
 * version. Limits: those of rules.h.   Failure: ERR_SYNTAX, ERR_LIMIT, ERR_NOMEM; the old
 * configuration stays.
 */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include <openssl/ssl.h>

#include "broker/gateway/resolve.h"
#include "broker/rules/rules.h"

struct upstream_conn;

/* What goes with one upstream of one generation. */
struct slot {
	struct config *config;
	const struct upstream *up;
	SSL_CTX *tls;			       /* NULL: not made yet; owned */
	struct upstream_conn *newest, *oldest; /* idle */
	uint32_t idle_count;
	struct addrs addrs; /* judged; count 0: none known */
	int64_t addrs_until_ms;
};

struct config {
	uint32_t users;
	uint64_t generation;
	struct rules *rules;
	struct slot *slots; /* as many as rules->upstream_count, in that order */
};

/* Reads what a GK_CONFIG message brought. One user: the caller. */
enum err config_new(struct span encoded, uint64_t generation, struct config **ret_c) NODISCARD;
void config_hold(struct config *c);
void config_drop(struct config *c); /* NULL is fine */
/* NULL when there is none of that name, or c is NULL. */
struct slot *config_find(const struct config *c, struct span name);

#endif
