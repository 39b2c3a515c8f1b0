/*
 * ca - the internal certificate authority: its own key, and X.509-SVIDs for workloads and gateways
 * (SPIFFE X509-SVID, RFC 5280).
 * Process: keeper.   Owns: the CA's key as an EVP_PKEY, its certificate.
 * Secrets: the CA key. Sealed in the store; while unsealed OpenSSL keeps its copy on its own heap
 *          (it offers no other place): what guards it there is that the keeper is not dumpable,
 *          parses no TLS and has no network. See docs/SECRET_FLOW.md.
 * Limits: CA_CSR_LEN_MAX bytes of CSR; keys on P-256 or P-384 alone.
 * Failure: ERR_SYNTAX (no CSR), ERR_DENIED (key or signature not acceptable), ERR_AUTH (a stored
 *          key that does not fit), ERR_SYS (OpenSSL).
 * Clock: given.
 */
#ifndef CRYPTO_CA_H
#define CRYPTO_CA_H

#include "broker/ipc/body.h"
#include "common/buf.h"
#include "common/secret.h"

#define CA_CSR_LEN_MAX 8192
#define CA_CERT_LEN_MAX 4096 /* bytes of DER of a certificate that we made */
#define CA_YEARS 10
#define CA_BACKDATE_S 60 /* notBefore lies that far back, for clocks that are behind */

struct ca;

enum err ca_new(const char *trust_domain, int64_t now_s, struct ca **ret_ca) NODISCARD;
void ca_free(struct ca *ca);
/* The sealed row: private key and certificate, DER. A row that is none: ERR_SYNTAX, ERR_SYS. */
enum err ca_save(const struct ca *ca, struct buf *out) NODISCARD;
enum err ca_load(struct span row, struct ca **ret_ca) NODISCARD;

struct span ca_der(const struct ca *ca); /* the CA certificate */
const char *ca_pem(const struct ca *ca);
int64_t ca_not_after_s(const struct ca *ca);

/* Random, never zero, top bit clear and the one below set, so that it always takes SERIAL_LEN
 * bytes. */
void ca_serial(uint8_t ret_serial[SERIAL_LEN]);

struct ca_leaf {
	const char *spiffe_id; /* the one URI SAN; checked by the caller */
	uint8_t serial[SERIAL_LEN];
	int64_t not_before_s, not_after_s;
};
/* Takes nothing but the public key out of the CSR, and that only if the CSR is signed with it. */
enum err ca_issue(const struct ca *ca, struct span csr_der, const struct ca_leaf *leaf,
    struct buf *ret_der) NODISCARD;
/* PEM of a certificate in DER. */
enum err ca_to_pem(struct span der, struct buf *ret_pem) NODISCARD;

#endif
