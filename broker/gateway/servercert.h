/*
 * servercert - the gateway's own certificate: a key made here, a certificate from the keeper,
 *   renewed at half of its life.
 * Process: gateway.
 * Owns: the key in use, the one that waits for its certificate, the server's TLS context.
 * Secrets: both private keys, in libcrypto's heap: SSL needs them there.   Limits: none.
 * Failure: ERR_SYS, ERR_SYNTAX, ERR_AUTH (not for our key); what is in use stays in use.
 * Clock: not_after is wall time; half of what is left of it is waited for on the monotonic clock.
 */
#ifndef GATEWAY_SERVERCERT_H
#define GATEWAY_SERVERCERT_H

#include <openssl/ssl.h>

#include "common/buf.h"
#include "common/name.h"

#define SERVERCERT_CSR_MAX 4096

struct servercert {
	SSL_CTX *tls; /* NULL: none yet. A connection keeps the one it began with */
	EVP_PKEY *next_key;
	char trust_domain[TRUST_DOMAIN_LEN_MAX + 1];
	int64_t not_after_s;
};

void servercert_close(struct servercert *c);
/* A fresh key and a request for it, DER. */
enum err servercert_request(struct servercert *c, struct buf *ret_csr) NODISCARD;
/* Puts a certificate for that key in use: new connections get it, open ones stay. */
enum err servercert_install(struct servercert *c, struct span leaf_der, struct span ca_der,
    const char *trust_domain, int64_t not_after_s) NODISCARD;

#endif
