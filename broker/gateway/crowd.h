/*
 * crowd - connections that have not shown who they are: in a handshake, or without a certificate.
 * Anybody can make one, so when there are too many the oldest goes, and not the newest: whoever is
 * honest needs milliseconds, and whoever waits for something else must not shut the others out.
 * Process: gateway.   Owns: the order in which they came.   Secrets: none.
 * Limits: CONN_STRANGERS_MAX.   Failure: none.
 */
#ifndef GATEWAY_CROWD_H
#define GATEWAY_CROWD_H

#include "broker/gateway/gateway.h"

/* Ends the oldest if one more would be too many. */
void crowd_make_room(struct gateway *g);
void crowd_enter(struct conn *c);
void crowd_leave(struct conn *c); /* it showed a good certificate, or ends; fine if it is not in */

#endif
