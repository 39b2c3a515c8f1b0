/*
 * identity - the workload's certificate, its key, and when both end.
 * Process: shim.   Owns: the key; connections made with it live on when it is replaced.
 * Secrets: the private key.
 * Limits: none.   Failure: the identity that was there stays in force.
 * Clock: wall, given.
 */
#ifndef SHIM_IDENTITY_H
#define SHIM_IDENTITY_H

#include "shim/limits.h"
#include "shim/enrollfile.h"
#include "shim/tls.h"

struct shim_identity {
	const struct shim_enrollment *enrollment; /* for its names; the key in it is gone by then */
	struct shim_tls_ctx *ctx;		  /* presents it; its owner's */
	struct shim_ownkey *key;
	int64_t not_before_s, not_after_s;
	uint32_t generation; /* 0: no certificate yet; grows with each one */
};

/* The body of an enroll or renew request: {"csr": "..."}. */
enum err shim_identity_request(struct shim_ownkey *key, struct buf *ret_json) NODISCARD;

/* Takes the broker's answer to it. *key is given away on ERR_OK. ERR_AUTH: the certificate is not
 * the one asked for; ERR_SYNTAX: no such answer. */
enum err shim_identity_take(struct shim_identity *id, struct span json, struct shim_ownkey **key,
    char why[SHIM_WHY_SIZE]) NODISCARD;

bool shim_identity_usable(const struct shim_identity *id, int64_t now_s);
void shim_identity_close(struct shim_identity *id); /* safe on zero */

#endif
