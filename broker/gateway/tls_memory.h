/*
 * tls_memory - what OpenSSL frees of a connection is wiped: a write that fails inside, for want of
 * memory, leaves plaintext in a buffer that OpenSSL gives back as it is.
 * Process: gateway, shim.   Owns: OpenSSL's free(), CRYPTO_set_mem_functions(3).
 * Secrets: an injected key, an enrollment key: whatever went through the connection.
 * Failure: ERR_SYS when OpenSSL has memory already.
 */
#ifndef GATEWAY_TLS_MEMORY_H
#define GATEWAY_TLS_MEMORY_H

#include <openssl/ssl.h>

#include "common/err.h"

/* Once, before anything else of OpenSSL. */
enum err tls_memory_init(void) NODISCARD;
/* SSL_free(), with every block of it wiped where tls_memory_init() came before. */
void tls_memory_free(SSL *ssl);

#endif
