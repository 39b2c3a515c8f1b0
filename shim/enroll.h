/*
 * enroll - from an enrollment to a certificate, waiting for a broker that is not there yet.
 * Process: shim.   Owns: one request at a time.
 * Secrets: the enrollment key, until it was used.
 * Limits: --wait seconds for a broker that is unreachable or sealed; SHIM_BACKOFF_* between.
 * Failure: a refusal, or a broker that cannot prove itself, ends it at once: time changes neither.
 */
#ifndef SHIM_ENROLL_H
#define SHIM_ENROLL_H

#include "shim/control.h"
#include "shim/identity.h"
#include "shim/self.h"

struct shim_enroll {
	struct shim_uplinks *all;
	struct shim_enrollment *enrollment;
	const char *url;
	uint64_t wait_s;
	struct shim_identity *identity; /* filled */
	struct shim_env *env;		/* filled */
	struct shim_self *self;		/* filled */
	void (*meanwhile)(void *arg);	/* called while the broker works on a request */
	void *arg;

	/* its own */
	struct shim_ownkey *key;
	struct buf csr;
	struct shim_control control;
	struct timer retry;
	int64_t give_up_ms, backoff_ms;
	char told[SHIM_WHY_SIZE]; /* what was last said to be waited for */
	enum err result;
	char *why;
};

/* Runs the loop until it is done, refused, out of time, or the loop is stopped by a signal
 * (ERR_AGAIN). */
enum err shim_enroll_run(struct shim_enroll *en, char why[SHIM_WHY_SIZE]) NODISCARD;

#endif
