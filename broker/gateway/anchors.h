/*
 * anchors - the CAs of a PEM bundle, each parsed only when a chain asks for one of its name. Whole,
 * the system's bundle costs 60 ms of the start and a megabyte in each gateway, for the two or three
 * that its upstreams use.
 * Process: gateway.   Owns: the bundle's bytes, as long as the context lives.
 * Secrets: none.
 * Limits: ANCHORS_MAX certificates; further ones are not trusted.
 * Failure: ERR_NOT_FOUND (no such file, or no certificate in it), ERR_NOMEM.
 */
#ifndef GATEWAY_ANCHORS_H
#define GATEWAY_ANCHORS_H

#include <openssl/ssl.h>

#include "common/err.h"

#define ANCHORS_MAX 1024 /* Debian's bundle has 144 */

/* From now on ctx trusts the certificates of path, read now, and what its store holds. */
enum err anchors_load(SSL_CTX *ctx, const char *path) NODISCARD;

#endif
