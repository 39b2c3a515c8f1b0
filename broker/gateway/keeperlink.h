/*
 * keeperlink - the link to the keeper: what we ask, tell and are told.
 * Process: gateway.   Owns: struct gateway's keeper part.
 * Secrets: GK_ALLOW and GK_CONTROL carry one; channel wipes its frames, asks hand it on within the
 * callback. Limits: KEEPER_QUEUE_MAX.   Failure: ERR_UNREACHABLE while the keeper is away: new
 * requests get 503, open streams go on.
 */
#ifndef GATEWAY_KEEPERLINK_H
#define GATEWAY_KEEPERLINK_H

#include "broker/gateway/gateway.h"

/* A link from sidekeyd; takes fd. An older link is dead then. */
void keeperlink_attach(struct gateway *g, int fd);
/* Asks; a's ops are called with the answer. d->id and c->id are set here. */
enum err keeperlink_decide(struct gateway *g, struct ask *a, struct decide *d) NODISCARD;
enum err keeperlink_control(struct gateway *g, struct ask *a, struct control *c) NODISCARD;
/* Told, not asked: lost when the keeper is away. */
void keeperlink_report(struct gateway *g, const struct report *r);

#endif
