/*
 * leave - the end of the crew, in the order that loses nothing: who asks goes before who answers
 *         and writes down.
 * Process: sidekeyd.   Owns: nothing: it works on the crew.   Secrets: none.
 * Limits: CREW_DRAIN_MS in all; who is late is killed.
 * Failure: none.
 */
#ifndef SIDEKEYD_LEAVE_H
#define SIDEKEYD_LEAVE_H

#include "broker/sidekeyd/crew.h"

void leave_begin(struct crew *c);
void leave_step(struct crew *c); /* somebody ended; stops the loop when nobody is left */
void leave_kill_all(struct crew *c);

#endif
