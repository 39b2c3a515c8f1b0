/*
 * A certificate request as the edge passes it on. Whatever is accepted gives a certificate that
 * says what the enrollment says: one URI SAN, no CA, our serial. The request's own wishes are not
 * in it.
 */
#include <openssl/x509v3.h>
#include <string.h>

#include "broker/keeper/crypto/ca.h"
#include "broker/keeper/crypto/crypto.h"
#include "tests/fuzz/fuzz.h"

#define NOW_S 1790000000
#define SPIFFE "spiffe://example.org/fuzz"

static struct ca *ca;

static void
check(struct span der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	GENERAL_NAMES *names;
	const ASN1_IA5STRING *uri;

	must(x != NULL && p == der.p + der.len);
	must(X509_check_ca(x) == 0 && X509_NAME_entry_count(X509_get_subject_name(x)) == 0);
	must(X509_get_key_usage(x) == KU_DIGITAL_SIGNATURE && X509_get_ext_count(x) == 6);
	names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	must(names != NULL && sk_GENERAL_NAME_num(names) == 1);
	uri = sk_GENERAL_NAME_value(names, 0)->d.uniformResourceIdentifier;
	must(span_eq_str(
	    span_of(ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri)), SPIFFE));
	GENERAL_NAMES_free(names);
	X509_free(x);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);
	struct ca_leaf leaf = {
		.spiffe_id = SPIFFE, .not_before_s = NOW_S - 60, .not_after_s = NOW_S + 3600
	};

	if (ca == NULL) {
		must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
		must(ca_new("example.org", NOW_S, &ca) == ERR_OK);
	}
	ca_serial(leaf.serial);
	if (ca_issue(ca, span_of(data, size), &leaf, &der) == ERR_OK)
		check(buf_span(&der));
	else
		must(der.len == 0);
	return 0;
}
