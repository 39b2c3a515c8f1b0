/*
 * spare - warm connections: a handshake is done before the request comes that would wait.
 * Process: shim.   Owns: the connections until they are taken.   Secrets: none.
 * Limits: SHIM_SPARES, SHIM_SPARE_AGE_MS, SHIM_SPARE_RETRY_LAST_MS.
 * Failure: there is none to take; the taker connects itself.
 */
#ifndef SHIM_SPARE_H
#define SHIM_SPARE_H

#include "shim/identity.h"
#include "shim/uplink.h"

struct shim_spares;

struct shim_spare {
	struct shim_spares *all;
	struct shim_uplink *up; /* NULL: the next attempt waits for the timer */
	bool ready;
	struct timer timer; /* ready: its age; else the next attempt */
	int64_t backoff_ms;
};

struct shim_spares {
	struct shim_uplinks *uplinks;
	struct shim_identity *identity;
	struct shim_spare slots[SHIM_SPARES];
};

void shim_spares_start(struct shim_spares *s);
void shim_spares_close(struct shim_spares *s); /* safe on zero */

/* One that is alive as far as can be known, now the caller's; NULL: none. Its place is filled
 * again. */
struct shim_uplink *shim_spares_take(struct shim_spares *s);
/* The identity was replaced: connections with the old one are too. */
void shim_spares_renew(struct shim_spares *s);

#endif
