/*
 * drain - the end of a server in good order: what is open may finish, for so long.
 * Process: edge, admin.
 * Owns: one timer.
 * Secrets: none.
 * Limits: the time it is given.
 * Failure: none: at the end the loop stops anyway.
 */
#ifndef API_DRAIN_H
#define API_DRAIN_H

#include "broker/api/server.h"

struct drain {
	struct loop *loop;
	struct server *server;
	struct timer timer;
	int64_t end_ms; /* monotonic */
};

/* loop_stop() when no connection is open any more, or after ms. d is zero, or was started before.
 * loop_stop() when no connection is open any more, or after ms. d is zero, or was started before.
 */
void drain_start(struct drain *d, struct loop *l, struct server *s, uint32_t ms);

#endif
