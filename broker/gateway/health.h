/*
 * health - what /healthz and /readyz say.
 * Process: gateway.   Owns: nothing.   Secrets: none.   Limits: none.   Failure: none.
 */
#ifndef GATEWAY_HEALTH_H
#define GATEWAY_HEALTH_H

#include "broker/ipc/msg.h"

struct health {
	uint16_t status;
	const char *json;
};

struct health health_alive(void);
/* 200 only if a request could be served: the keeper is there, unsealed, has rules and can write its
 * audit log. */
struct health health_ready(bool keeper_here, enum ready_state s);

#endif
