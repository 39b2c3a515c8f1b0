/*
 * tls_server - TLS towards workloads: 1.3 alone, no resumption, our CA alone, and an identity
 * before a request. Process: gateway.   Owns: nothing; a context belongs to servercert, an SSL to
 * its stream. Secrets: the server's key is inside the context (libcrypto's heap); see
 * docs/SECRET_FLOW.md. Limits: a chain of one certificate under the CA. Failure: ERR_SYS
 * (libcrypto); a bad client certificate ends the handshake with an alert and is told in struct
 * tls_peer.
 */
#ifndef GATEWAY_TLS_SERVER_H
#define GATEWAY_TLS_SERVER_H

#include <openssl/ssl.h>

#include "broker/gateway/identity.h"
#include "broker/gateway/route.h"

/* Who is at the other end. Zero is nobody. */
struct tls_peer {
	bool present; /* a certificate was shown and is good */
	struct identity id;
	const char *refused; /* why the one that was shown is not, or NULL */
};

/* trust_domain must live as long as the context. */
enum err tls_server_context(
    X509 *leaf, EVP_PKEY *key, X509 *ca, const char *trust_domain, SSL_CTX **ret_ctx) NODISCARD;
/* peer is written during the handshake and must live as long as the SSL. */
enum err tls_server_new(SSL_CTX *ctx, struct tls_peer *peer, SSL **ret_ssl) NODISCARD;
/* What was agreed; ALPN_FORWARD for all but "sidekey-control". */
enum alpn tls_server_alpn(const SSL *ssl);

#endif
