/*
 * tickets - one use of one control route by one asker, between the gateway's question and the
 * edge's message.
 * Process: keeper.   Owns: the open tickets.
 * Secrets: a ticket is a bearer token for 30 s between two of our own processes; kept by keyed
 *          hash.
 * Limits: TICKETS_MAX open at once; beyond it ERR_LIMIT.
 * Failure: ERR_LIMIT, ERR_NOMEM; ERR_DENIED for a ticket that does not exist, was used, is too
 *          old, or is for another route.
 * Clock: given now.
 */
#ifndef KEEPER_TICKETS_H
#define KEEPER_TICKETS_H

#include "broker/ipc/body.h"
#include "broker/keeper/table.h"

#define TICKETS_MAX 4096
#define TICKET_LIFE_S 30

/* A route of the control plane: method and path together. */
enum ticket_route { ROUTE_NONE = 0, ROUTE_ENROLL, ROUTE_RENEW, ROUTE_SELF, ROUTE_GIVE_BACK };

#define ASKER_ID_LEN 16
/* Who asks: the keeper's own copy, not what the edge says. */
struct asker {
	uint8_t enrollment_id[ASKER_ID_LEN]; /* ROUTE_ENROLL */
	uint8_t serial[SERIAL_LEN];	     /* the others */
};

struct tickets {
	struct table open; /* of struct ticket */
	const struct secret *hash_key;
	struct ticket *oldest, *newest; /* in the order of their making: the oldest expires first */
};

void tickets_init(
    struct tickets *t, const struct secret *hash_key); /* the key stays the caller's */
void tickets_close(struct tickets *t);
enum err tickets_new(struct tickets *t, enum ticket_route route, const struct asker *who,
    int64_t now_s, uint8_t ret_ticket[TICKET_LEN]) NODISCARD;
/* Ends the ticket, whatever it returns. */
enum err tickets_use(struct tickets *t, struct span ticket, enum ticket_route route, int64_t now_s,
    struct asker *ret_who) NODISCARD;

#endif
