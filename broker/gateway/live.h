/*
 * live - what the keeper allowed and we have open, and how it ended: told again to a keeper that
 * was started anew. An end is kept until the keeper says that its record is durable.
 * Process: gateway.   Owns: struct live_ends, inside struct gateway.
 * Secrets: none.
 * Limits: LIVE_ENDS_MAX ends that nobody confirmed; the gateway does not outlive more.
 * Failure: none else; a keeper that died between a record and its word for it has that end twice.
 */
#ifndef GATEWAY_LIVE_H
#define GATEWAY_LIVE_H

#include "broker/ipc/body.h"
#include "broker/ipc/msg.h"

#define LIVE_ENDS_MAX 65536 /* more than can be open, and end while there is no keeper */

struct gateway;
struct conn;
struct live_end;

/* A ring, oldest first. */
struct live_ends {
	struct live_end *ring;
	uint32_t cap, first, count;
	bool told;	 /* the keeper of now hears of each at once */
	bool was_sealed; /* and heard nothing of what is open */
};

/* GK_LIVE for everything that is open; first of all on a new link. */
void live_tell(struct gateway *g);
/* GK_STATE came. A keeper that is not sealed is told all that it may not have heard. */
void live_on_state(struct gateway *g, enum ready_state ready);
/* The link is gone. */
void live_lost(struct gateway *g);
/* GK_FINISH. c: whose exchange ended, or NULL: it had gone before it was allowed. */
void live_end(struct gateway *g, const struct conn *c, const struct finish *f);
/* GK_FINISHED: the end of seq is durable, and so are those that were told before it. */
void live_confirmed(struct gateway *g, uint64_t seq);

#endif
