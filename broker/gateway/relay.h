/*
 * relay - moves a request's body up and its response down, as fast as the slower side takes them.
 * Process: gateway.   Owns: nothing; works on struct exchange.
 * Secrets: the head with the credential passes through the stage, wiped at once; a response's
 * blocks are scanned, then wiped. Limits: one block in flight each way: nothing is read from one
 * side while the other has not taken the last; deadlines of limits.h. Failure: by proxy_fail(): 502
 * or 504 if nothing was answered, else both sides are cut.
 */
#ifndef GATEWAY_RELAY_H
#define GATEWAY_RELAY_H

#include "broker/gateway/deadline.h"

struct conn;

/* The upstream is connected: sends the head with its credential, and what is there of the body. */
void relay_begin(struct conn *c);
/* Something happened on that side. */
void relay_on_upstream(struct conn *c);
void relay_on_client(struct conn *c);
void relay_deadline(struct conn *c, enum deadline kind);

#endif
