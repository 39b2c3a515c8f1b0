/*
 * revoke - telling the gateways to cut what a certificate carries, and waiting until they did.
 * Process: keeper.   Owns: the revocations under way.
 * Secrets: none.
 * Limits: REVOCATIONS_MAX at once (beyond it the oldest stops waiting); REVOKE_WAIT_MS, then a
 *          gateway that said nothing is killed, and waited for REVOKE_DEATH_MS longer.
 * Failure: none: the keeper's own table refuses the certificates from the first moment, whatever
 *          gateways do.
 */
#ifndef KEEPER_REVOKE_H
#define KEEPER_REVOKE_H

#include "broker/ipc/body.h"
#include "broker/keeper/identity.h"
#include "common/loop.h"

#define REVOCATIONS_MAX 256
#define REVOKE_WAIT_MS 900 /* so that a kill still bites within the second */
#define REVOKE_DEATH_MS 500
#define REVOKE_LATE_MS 250	/* the keeper itself was busy: what gateways said may be unread */
#define REVOKE_SERIALS_MAX 4000 /* in one message */

struct keeper;
struct peer;

struct revocation {
	uint64_t id;	  /* 0: free */
	uint64_t waiting; /* bit of each gateway that has not acknowledged */
	bool killed;	  /* those that wait on */
	int64_t due_ms;
	uint64_t asker,
	    ask_id;	/* peer number and its call: answered in the end; asker 0: nobody waits */
	uint32_t ended; /* certificates: the answer */
};

struct revocations {
	struct revocation list[REVOCATIONS_MAX];
	uint64_t next_id;
	struct timer timer;
};

void revocations_init(struct keeper *k);
void revocations_close(struct keeper *k); /* whoever waits is answered */

/* The serials of all instances of w, or of one. In the end asker's call is answered with the number
 * ended; asker NULL: nobody waits. */
void revoke_workload(struct keeper *k, const struct workload *w, const struct peer *asker,
    uint64_t ask_id, uint32_t ended);
void revoke_instance(struct keeper *k, const struct instance *i);
/* To a gateway that has just come: certificates that ended while it could not be told, the keeper
 * or the link having died in between. */
void revoke_tell_again(struct keeper *k, struct peer *gateway);
/* One that it has open and that may not go on. */
void revoke_tell_serial(struct keeper *k, struct peer *gateway, const uint8_t serial[SERIAL_LEN]);
void revoke_acknowledged(struct keeper *k, const struct peer *gateway, uint64_t id);
void revoke_gateway_gone(struct keeper *k, const struct peer *gateway);

#endif
