/*
 * ownkey - the workload's P-256 key, made in this process and never written anywhere.
 * Process: shim.   Owns: the key.
 * Secrets: the private key: its number lies in OpenSSL's locked memory (shim_tls_init()).
 * Limits: none.   Failure: ERR_NOMEM or ERR_SYS; nothing was made.
 */
#ifndef SHIM_OWNKEY_H
#define SHIM_OWNKEY_H

#include "common/buf.h"

struct shim_ownkey;
struct evp_pkey_st;

enum err shim_ownkey_new(struct shim_ownkey **ret_k) NODISCARD;
void shim_ownkey_free(struct shim_ownkey *k); /* contexts that use it keep it alive */
void shim_ownkey_freep(struct shim_ownkey **k);

/* A signing request with an empty subject, as PEM: the certificate says what the enrollment says,
 * whatever stood here. */
enum err shim_ownkey_csr(struct shim_ownkey *k, struct buf *ret_pem) NODISCARD;

struct evp_pkey_st *shim_ownkey_evp(struct shim_ownkey *k); /* for tls.c and peer.c */

#endif
