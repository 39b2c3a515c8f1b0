/*
 * pair - one connection of the child, joined to one connection to the gateway.
 * Process: shim.   Owns: both connections.
 * Secrets: what passes through.
 * Limits: relay.h's; SHIM_LINGER_MS for a client that goes on sending after the end.
 * Failure: an answer of our own when none has begun; else a reset, so that a body that broke off
 * is not taken for a whole one.
 */
#ifndef SHIM_PAIR_H
#define SHIM_PAIR_H

#include "shim/limits.h"
#include "shim/relay.h"
#include "shim/uplink.h"

/* Why a client cannot be served: what an answer says. */
struct shim_refusal {
	unsigned status;
	const char *code;
	char detail[SHIM_WHY_SIZE];
};

struct shim_pair;

struct shim_pair_setup {
	struct shim_uplinks *uplinks;
	struct shim_uplink *spare;	    /* given away on ERR_OK; NULL: connects itself */
	const struct shim_refusal *refusal; /* not NULL: the client gets that and nothing else */
	uint32_t generation;		    /* of the identity that is presented */
	int64_t not_after_s;		    /* its end */
	/* From the loop, once; shim_pair_close() is then due, shim_pair_free() after the turn. */
	void (*on_end)(struct shim_pair *p, void *arg);
	void *arg;
};

enum shim_pair_state {
	SHIM_PAIR_CONNECTING = 0,
	SHIM_PAIR_RELAYING,
	SHIM_PAIR_REFUSING,
	SHIM_PAIR_LINGERING,
	SHIM_PAIR_OVER
};

struct shim_pair {
	struct shim_pair *next, *prev; /* the owner's list */

	/* pair.c's own */
	struct shim_pair_setup setup;
	struct loop *loop;
	struct watch client;
	struct shim_uplink *up;
	struct timer timer; /* LINGERING: its end */
	enum shim_pair_state state;
	struct shim_relay relay;
	struct shim_refusal refusal;
	int64_t moved_ms;
};

/* client_fd is given away on ERR_OK. Nothing happens, and on_end is not called, before
 * shim_pair_begin(). */
enum err shim_pair_new(
    const struct shim_pair_setup *setup, int client_fd, struct shim_pair **ret_p) NODISCARD;
void shim_pair_begin(struct shim_pair *p);
void shim_pair_close(struct shim_pair *p); /* both connections, at once; no more events */
void shim_pair_free(struct shim_pair *p);  /* closed before */

/* Its certificate was replaced and nothing moved for a while: closing it now makes the client come
 * back with the new one. */
bool shim_pair_retirable(
    const struct shim_pair *p, uint32_t generation, int64_t now_s, int64_t now_ms);

#endif
