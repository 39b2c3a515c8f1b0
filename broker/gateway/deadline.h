/*
 * deadline - several absolute deadlines of one object behind one timer.
 * Process: gateway.   Owns: the timer; lives in its user's object.   Secrets: none.
 * Limits: DEADLINE_KINDS.   Failure: none: a timer that cannot be armed makes its object's next
 * event late, never lost (see deadline_set()). Clock: monotonic, the loop's.
 */
#ifndef GATEWAY_DEADLINE_H
#define GATEWAY_DEADLINE_H

#include "common/loop.h"

enum deadline {
	DEADLINE_PHASE = 0,	 /* handshake, idle, head, linger: what the connection is in */
	DEADLINE_BODY,		 /* the client's body must have come further by then */
	DEADLINE_CLIENT_STALL,	 /* the client must have taken what is queued */
	DEADLINE_CERTIFICATE,	 /* the identity ends */
	DEADLINE_UPSTREAM,	 /* the upstream must answer, or go on */
	DEADLINE_UPSTREAM_STALL, /* the upstream must have taken what is queued */
	DEADLINE_CONTINUE,	 /* we send our own 100 */
	DEADLINE_AGAIN, /* not a deadline: there is more to do, after the others had their turn */
	DEADLINE_KINDS
};

struct deadlines {
	struct loop *loop;
	struct timer timer;
	int64_t at_ms[DEADLINE_KINDS];		   /* 0: none */
	void (*fn)(enum deadline kind, void *arg); /* may end the object */
	void *arg;
};

void deadline_init(
    struct deadlines *d, struct loop *l, void (*fn)(enum deadline, void *), void *arg);
void deadline_close(struct deadlines *d);
/* in_ms from now; replaces an earlier one of that kind. Setting a later one and clearing cost no
 * timer work: the timer that fires too early looks again. */
void deadline_set(struct deadlines *d, enum deadline kind, int64_t in_ms);
void deadline_clear(struct deadlines *d, enum deadline kind);
bool deadline_is_set(const struct deadlines *d, enum deadline kind);

#endif
