/*
 * pem - one certificate request out of its PEM armour (RFC 7468); what is inside is the keeper's to
 * judge.
 * Process: edge.   Owns: nothing.   Secrets: none: a request holds a public key.
 * Limits: PEM_DER_MAX bytes of DER.   Failure: ERR_SYNTAX or ERR_LIMIT; outputs are unchanged.
 */
#ifndef API_PEM_H
#define API_PEM_H

#include "common/err.h"
#include "common/span.h"

#define PEM_DER_MAX 8192

/* Exactly one block "CERTIFICATE REQUEST" (or "NEW CERTIFICATE REQUEST"), with nothing but line
 * ends around it. dst has PEM_DER_MAX bytes. */
enum err pem_request_der(struct span pem, uint8_t *dst, size_t *ret_len) NODISCARD;

#endif
