/*
 * tls_client - TLS towards upstreams: whom we trust, and what must be proven before a byte is sent.
 * Process: gateway.   Owns: the context of the system's CAs.
 * Secrets: none: we have no client certificate there.
 * Limits: TLS 1.2 and 1.3; no resumption, since a resumed session runs no certificate check; no
 * renegotiation. Failure: ERR_SYS (libcrypto), ERR_NOT_FOUND (no system CAs), ERR_SYNTAX (no
 * certificate in the PEM).
 */
#ifndef GATEWAY_TLS_CLIENT_H
#define GATEWAY_TLS_CLIENT_H

#include <openssl/ssl.h>

#include "common/err.h"

#define TLS_CLIENT_SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"

/* Trusts the certificates of a file (before the sandbox), or of a PEM text, and nothing else. */
enum err tls_client_from_file(const char *path, SSL_CTX **ret_ctx) NODISCARD;
enum err tls_client_from_pem(const char *pem, SSL_CTX **ret_ctx) NODISCARD;

/* A client for host: SNI, and the certificate must be for host (a name without partial wildcards
 * and without falling back to the CN, or an address). */
enum err tls_client_new(SSL_CTX *ctx, const char *host, SSL **ret_ssl) NODISCARD;
/* After the handshake, before the first byte of a request: OpenSSL 3.0 copies the expected host for
 * the verification, and when there is no memory for the copy it verifies without
 * (ssl_verify_cert_chain() does not look at what X509_VERIFY_PARAM_set1() says). The key would go
 * to whoever has any certificate that we trust. */
bool tls_client_is_host(const SSL *ssl, const char *host) NODISCARD;

#endif
