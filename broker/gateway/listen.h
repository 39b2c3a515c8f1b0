/*
 * listen - takes connections from the listening sockets that sidekeyd handed over.
 * Process: gateway.   Owns: the listening descriptors, and a spare one for when there are no more.
 * Secrets: none.   Limits: ACCEPT_BATCH_MAX a turn; LISTENERS_MAX.
 * Failure: without a free descriptor the connection is taken with the spare one and closed: else it
 * would wake the loop for ever.
 */
#ifndef GATEWAY_LISTEN_H
#define GATEWAY_LISTEN_H

#include "broker/gateway/gateway.h"

#define LISTENERS_MAX 8

/* Takes fd. Nobody is let in before listen_open(): clients wait in the kernel's queue. */
void listen_add(struct gateway *g, int fd);
/* There is a certificate, or the keeper said that there will be none for now. */
void listen_open(struct gateway *g);
void listen_stop(struct gateway *g);

#endif
