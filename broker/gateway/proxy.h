/*
 * proxy - one request through /p/: asked for, credential put in, relayed, finished.
 * Process: gateway.   Owns: struct exchange, inside its connection.
 * Secrets: holds a secret copy while the exchange is open.
 * Limits: ASK_STALE_MAX; see relay.h for the rest.
 * Failure: the client gets a refusal in its upstream's shape; the keeper is told the outcome of
 * everything it allowed.
 */
#ifndef GATEWAY_PROXY_H
#define GATEWAY_PROXY_H

#include "broker/gateway/ask.h"
#include "broker/gateway/body.h"
#include "broker/gateway/secretcache.h"
#include "broker/gateway/upstream.h"

struct conn;

struct exchange {
	struct ask ask;
	uint8_t asked;	       /* times */
	struct config *config; /* held; NULL: we had none */
	struct slot *slot;     /* of config; NULL: no such upstream there */
	struct buf
	    target; /* only if the upstream has a base path; else the head's bytes are used */
	struct secret_copy *secret;
	struct upstream_conn *uc;
	bool allowed; /* FINISH is due */
	uint64_t seq;
	int64_t started_ms;
	uint64_t bytes_up, bytes_down; /* of body */
	uint16_t status;

	/* the relay's (relay.c, answer.c) */
	bool is_head, retriable, retried;
	uint8_t client_minor;
	size_t head_kept; /* bytes of the request's head still in front of conn.in, for a retry */
	struct body up, down;
	enum http1_framing up_framing, down_framing;
	bool up_stopped;     /* the upstream takes no more */
	bool wants_continue; /* the client waits for a 100 */
	bool answered;	     /* the final head went to the client */
	bool close_client, close_upstream;
	bool echoed; /* the upstream sent the credential back */
	uint8_t interim_count;
	uint64_t body_window_bytes; /* that came since the window began */
	struct buf response;	    /* the upstream's head, until it is whole */
	struct buf held;	    /* content that could still become a match */
};

/* The connection's request has a ROUTE_PROXY route. */
void proxy_start(struct conn *c);

/* For the relay. */
/* 502, 503 or 504 if nothing was answered yet, else a cut. code and hint for the client, outcome
 * for the keeper. */
struct proxy_failure {
	uint16_t status;
	const char *code, *hint, *outcome;
};
void proxy_fail(struct conn *c, const struct proxy_failure *f);
/* The response is through. */
void proxy_done(struct conn *c);
/* What goes upstream behind the method; valid as long as the head. */
struct span proxy_target(const struct conn *c);
/* Gets an upstream connection; then relay_begin(). */
void proxy_connect(struct conn *c, bool fresh);

#endif
