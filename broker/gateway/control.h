/*
 * control - one request for the control plane: a ticket from the keeper, then one exchange with the
 * edge. Process: gateway.   Owns: struct control_exchange, while the request is open. Secrets: an
 * enrollment key goes to the keeper alone, never to the edge. Limits: CONTROL_BODY_MAX,
 * CONTROL_REPLY_MAX, CONTROL_MS. Failure: the client gets a problem+json.
 */
#ifndef GATEWAY_CONTROL_H
#define GATEWAY_CONTROL_H

#include "broker/gateway/gateway.h"

struct conn;

/* The connection's request has a ROUTE_CONTROL route. */
void control_start(struct conn *c);
/* It waits for the answer to DELETE /v1/self. */
bool control_is_giving_back(const struct conn *c);
/* A link to the edge from sidekeyd; takes fd. An older one is dead then. */
void control_attach(struct gateway *g, int fd);

#endif
