/*
 * control - requests for /v1/...: which exist, who may make them, and the tickets that let the
 * edge carry them out.
 * Process: keeper.   Owns: nothing.
 * Secrets: the enrollment key passes through one message; it is hashed here and wiped with its
 *          frame.
 * Limits: ENROLL_FAILURES_MAX wrong enrollment keys a minute are recorded one by one; beyond that
 *          each is told to wait.
 * Failure: a denial, recorded.
 */
#ifndef KEEPER_CONTROL_H
#define KEEPER_CONTROL_H

#include "broker/keeper/ask.h"
#include "broker/keeper/keeper.h"

#define ENROLL_FAILURES_MAX 20

/* GK_CONTROL: answers with GK_TICKET or GK_DENY. */
void control_request(struct keeper *k, struct peer *p, const struct control *c);

/* ERR_OK when c may renew and ask about itself; a suspended workload may: its certificate opens
 * nothing, and resuming must find it alive. */
enum err control_check(struct ask *a, const struct certificate *c) NODISCARD;
/* Before a commit: then control_self() behind it has the memory that it needs. */
enum err control_self_reserve(struct ask *a) NODISCARD;
/* EK_SELF: who is asking, what may it use. */
enum err control_self(struct ask *a, const uint8_t serial[SERIAL_LEN]) NODISCARD;

/* Makes the placeholders known that i was or will be given under the rules in force. */
void control_learn_placeholders(struct keeper *k, struct instance *i);
void control_learn_all(struct keeper *k);

#endif
