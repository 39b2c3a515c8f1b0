/*
 * peer - does this certificate name exactly one SPIFFE ID, the expected one?
 * Process: shim.   Owns: nothing.   Secrets: none.
 * Limits: SHIM_SAN_MAX names in a certificate; more is ERR_AUTH.
 * Failure: ERR_AUTH.
 */
#ifndef SHIM_PEER_H
#define SHIM_PEER_H

#include <openssl/x509.h>

#include "common/err.h"

#define SHIM_SAN_MAX 16

/* ERR_OK only if x is no CA, has extended key usage serverAuth, and its one URI name is expected,
 * byte for byte (SPIFFE X.509-SVID sections 2 and 4). Common name and DNS names are never looked
 * at. Signature and validity are the chain verifier's. */
enum err shim_peer_check(X509 *x, const char *expected) NODISCARD;

/* x names expected as its one URI, and its key is our key's: what a reply of the broker must be. */
struct shim_ownkey;
enum err shim_peer_check_own(X509 *x, const char *expected, struct shim_ownkey *key) NODISCARD;

#endif
