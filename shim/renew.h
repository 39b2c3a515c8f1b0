/*
 * renew - a fresh certificate at half of the old one's life; the last one is given back.
 * Process: shim.   Owns: one request at a time.
 * Secrets: a new private key for each certificate.
 * Limits: SHIM_RENEW_*.
 * Failure: tried again until the certificate ends; then nothing is forwarded any more, and the
 * reason is kept for those who ask.
 * Clock: wall, read by the timer.
 */
#ifndef SHIM_RENEW_H
#define SHIM_RENEW_H

#include "shim/control.h"
#include "shim/identity.h"

struct shim_renew {
	struct shim_uplinks *all;
	struct shim_identity *identity;
	void (*on_renewed)(void *arg);
	void *arg;

	struct shim_control control;
	struct shim_ownkey *key; /* of the request that is under way */
	struct timer timer;
	int64_t due_s, backoff_ms;
	bool refused;		 /* the last attempt: by the broker, not by the network */
	bool ended;		 /* the certificate is over */
	char why[SHIM_WHY_SIZE]; /* of the last failure; "" when there was none */
};

enum err shim_renew_start(struct shim_renew *r) NODISCARD;
void shim_renew_close(struct shim_renew *r); /* safe on zero */

/* When a certificate of that life is to be replaced: half of what is left, give or take a tenth, by
 * jitter in [0, 1000). */
int64_t shim_renew_due_s(int64_t now_s, int64_t not_before_s, int64_t not_after_s, uint32_t jitter);

/* DELETE /v1/self: ends what is under way; fn is called once, whatever became of it, within
 * SHIM_GIVE_BACK_MS. */
enum err shim_renew_give_back(
    struct shim_renew *r, void (*fn)(struct shim_control *c, enum err e), void *arg) NODISCARD;

#endif
