/*
 * edge - the workloads' control plane: enroll, renew, self, give back. Every question goes to the
 * keeper with the ticket that the gateway got for it.
 * Process: edge.   Owns: the server, the link to the keeper, one channel a gateway.
 * Secrets: none: the enrollment key stays in the gateway, the ticket is worth one request
 *          and is the keeper's.
 * Limits: those of server.h; EDGE_GATEWAYS_MAX gateways.   Failure: problem+json to the client.
 */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "broker/api/asker.h"
#include "broker/api/drain.h"
#include "broker/proc/child.h"

#define EDGE_GATEWAYS_MAX 64

/* Runs until drained. The child is confined behind this call, attached and ready inside it. */
int edge_main(struct child *c);

/* One request, whole; for edge_main() and tests. arg is a struct asker. */
void edge_request(struct request *q, void *arg);

#endif
