/*
 * identity - who a client certificate says its holder is: our own grammar, since OpenSSL's checks
 * admit far more. Process: gateway.   Owns: nothing.   Secrets: none. Limits: none of its own.
 * Failure: ERR_DENIED with a word in *ret_reason; nothing was written.
 */
#ifndef GATEWAY_IDENTITY_H
#define GATEWAY_IDENTITY_H

#include <openssl/x509.h>

#include "broker/ipc/body.h"

struct identity {
	uint8_t serial[SERIAL_LEN];
	char workload[NAME_LEN_MAX + 1];
	int64_t not_after_s; /* wall clock */
};

/* For a leaf whose chain to our CA was verified. The X.509-SVID rules, and stricter: exactly one
 * SAN, a URI that spiffe_parse() takes, which names a workload; empty subject; not a CA;
 * digitalSignature without certSign; extended key usage exactly clientAuth and serverAuth; P-256 or
 * P-384; ECDSA with SHA-256 or better; a positive serial of at most 127 bits. Reasons: "version",
 * "subject", "san", "san_count", "san_type", "spiffe_id", "reserved_name", "ca", "key_usage",
 * "extended_key_usage", "key", "signature", "serial", "validity",
 * "extension". */
enum err identity_from_leaf(X509 *leaf, const char *trust_domain, struct identity *ret_id,
    const char **ret_reason) NODISCARD;

#endif
