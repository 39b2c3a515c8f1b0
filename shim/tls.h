/*
 * tls - TLS 1.3 to the gateway: the one file of the shim that calls SSL_*.
 * Process: shim.   Owns: the context and its connections; descriptors given to a connection.
 * Secrets: what is read and written passes through; OpenSSL wipes its plaintext,
 *          tls_memory.h what a write that failed inside left.
 * Limits: records of 16384 bytes; SHIM_CA_COUNT_MAX certificates as anchors.
 * Failure: as each function says; a connection that failed is only good for shim_tls_free().
 */
#ifndef SHIM_TLS_H
#define SHIM_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "shim/limits.h"
#include "common/err.h"
#include "common/span.h"
#include "shim/ownkey.h"

#define SHIM_ALPN_CONTROL "sidekey-control" /* our own requests: may enroll, renew, give back */
#define SHIM_ALPN_FORWARD "sidekey-forward" /* what we carry for the child: may not */

struct shim_tls_ctx;
struct shim_tls;

/* Once, before anything else of OpenSSL: no configuration file of the image is read, no module of
 * it loaded. */
enum err shim_tls_init(void) NODISCARD;

/* One for the process. Its connections accept trust_domain's gateway, vouched for by a certificate
 * of ca_pem, and nothing else. ERR_SYNTAX: ca_pem holds anything but CA certificates. */
enum err shim_tls_ctx_new(
    struct span ca_pem, const char *trust_domain, struct shim_tls_ctx **ret_ctx) NODISCARD;
void shim_tls_ctx_free(struct shim_tls_ctx *ctx); /* its connections live on */
void shim_tls_ctx_freep(struct shim_tls_ctx **ctx);

/* Connections made from now on present this certificate; those that are there keep theirs.
 * ERR_SYNTAX: it does not parse. ERR_AUTH: it is not the key's, or does not name expected as its
 * one URI. Then nothing changed. */
enum err shim_tls_ctx_present(struct shim_tls_ctx *ctx, struct shim_ownkey *key,
    struct span certificate_pem, const char *expected) NODISCARD;

/* alpn is one of the two above. */
enum err shim_tls_new(
    struct shim_tls_ctx *ctx, const char *alpn, struct shim_tls **ret_t) NODISCARD;
void shim_tls_free(struct shim_tls *t); /* closes the descriptor too, without another byte */
enum err shim_tls_set_fd(struct shim_tls *t, int fd) NODISCARD; /* fd is given away on ERR_OK */

void shim_tls_drop_fd(
    struct shim_tls *t); /* closes it; before the first byte only, so that another can be set */

/* ERR_OK: done, the peer is this trust domain's gateway, and the protocol is agreed. ERR_AGAIN:
 * wait for shim_tls_wants(). ERR_AUTH: not the gateway. ERR_PROTO: no TLS 1.3 or no such protocol
 * there. ERR_DENIED: it refused us. ERR_IO: the connection broke. */
enum err shim_tls_handshake(struct shim_tls *t) NODISCARD;

/* ERR_EOF: the gateway ended its side in an orderly way. ERR_IO: it broke off. ERR_DENIED: it
 * refused our certificate. */
enum err shim_tls_read(struct shim_tls *t, void *p, size_t size, size_t *ret_len) NODISCARD;
enum err shim_tls_write(struct shim_tls *t, const void *p, size_t len, size_t *ret_len) NODISCARD;
/* Says that we write no more (close_notify); reading goes on. ERR_AGAIN: the socket is full, try
 * again when it can be written. */
enum err shim_tls_end(struct shim_tls *t) NODISCARD;

/* EPOLLIN or EPOLLOUT: what the last ERR_AGAIN waits for. */
uint32_t shim_tls_wants(const struct shim_tls *t);
/* In words, for the last failure; never empty. */
const char *shim_tls_why(const struct shim_tls *t);

#endif
