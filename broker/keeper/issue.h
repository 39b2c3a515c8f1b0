/*
 * issue - certificates: the first one for an enrollment, the next one for an instance, and the
 * gateways' own.
 * Process: keeper.   Owns: nothing.
 * Secrets: none leave it; the CA's key signs.
 * Limits: CA_CSR_LEN_MAX, ENROLL_CAP_MAX; the certificate's life is the setting certificate_ttl.
 * Failure: ERR_DENIED, ERR_EXPIRED, ERR_SYNTAX with the reason in the call; nothing was issued,
 *          and the enrollment is as it was.
 */
#ifndef KEEPER_ISSUE_H
#define KEEPER_ISSUE_H

#include "broker/keeper/ask.h"
#include "broker/keeper/keeper.h"

/* A single-use enrollment is consumed in the transaction that makes the instance, before the
 * certificate is given to anybody. */
enum err issue_first(
    struct ask *a, const uint8_t enrollment_id[ASKER_ID_LEN], struct span csr_der) NODISCARD;
/* serial: what the asker came with. It works until the new one was seen, and a little longer. */
enum err issue_next(struct ask *a, const uint8_t serial[SERIAL_LEN], struct span csr_der) NODISCARD;
/* GK_CERT for a gateway's CSR, behind its durable record. ERR_IO: there can be none now; the
 * gateway waits. */
enum err issue_gateway(struct keeper *k, struct peer *p, struct span csr_der) NODISCARD;

#endif
