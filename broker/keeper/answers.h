/*
 * answers - what gateways are told about this turn's questions, held back until their audit
 * records are durable.
 * Process: keeper.   Owns: the answers of one turn.
 * Secrets: a secret's value is opened after the sync, written into the channel's frame, and wiped
 *          with it.
 * Limits: ANSWERS_MAX a turn; the next one makes the held ones go out first, with a sync of their
 *          own.
 * Failure: when the sync fails each answer becomes a denial (503 audit_unavailable), and what was
 *          allowed is not in flight.
 */
#ifndef KEEPER_ANSWERS_H
#define KEEPER_ANSWERS_H

#include "broker/ipc/body.h"

#define ANSWERS_MAX 1024

struct keeper;
struct peer;
struct named_secret;

struct answer {
	struct peer *peer; /* NULL: it is gone */
	bool allowed;
	struct deny deny;		   /* not allowed */
	struct allow allow;		   /* allowed; value is filled in when it goes out */
	const struct named_secret *secret; /* NULL: nothing to inject */
};

struct answers {
	struct answer *list;
	size_t count;
};

enum err answers_init(struct answers *a) NODISCARD;
void answers_close(struct answers *a);

/* The next free answer for p, to be filled in at once. */
struct answer *answers_add(struct keeper *k, struct peer *p);
void answers_forget_peer(struct answers *a, const struct peer *p);
/* End of the turn: sync, then send. */
void answers_send(struct keeper *k);

#endif
