/*
 * ca_ext - the extensions of the certificates that we issue, as DER structures and never as
 * OpenSSL's configuration strings.
 * Process: keeper.   Owns: nothing.
 * Secrets: none.
 * Limits: none.
 * Failure: ERR_SYS; the certificate is not usable.
 */
#ifndef CRYPTO_CA_EXT_H
#define CRYPTO_CA_EXT_H

#include <openssl/x509.h>

#include "common/err.h"

/* CA:TRUE with path length 0, keyCertSign and cRLSign, key identifier, the trust domain as URI SAN.
 */
enum err ca_ext_authority(X509 *x, const char *trust_domain_uri) NODISCARD;
/* X509-SVID section 4: CA:FALSE, digitalSignature, clientAuth and serverAuth, one URI SAN
 * (critical: the subject is empty, RFC 5280 section 4.2.1.6). */
enum err ca_ext_leaf(X509 *x, X509 *issuer, const char *spiffe_id) NODISCARD;

#endif
