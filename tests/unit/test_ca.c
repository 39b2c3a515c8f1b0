#include "broker/keeper/crypto/ca.h"
#include "broker/keeper/crypto/crypto.h"
#include "tests/lib/tap.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#define NOW_S 1790000000
#define SPIFFE "spiffe://example.org/team/agent-1"

static struct ca *ca;

/* What a CSR in a test is made of. */
struct csr {
	const char *name;
	EVP_PKEY *(*key)(void);
	const EVP_MD *(*digest)(void);
	bool greedy;  /* asks for a name, for CA:TRUE, for SANs */
	int break_at; /* byte from the end that is flipped; 0: none */
	enum err want;
};

static EVP_PKEY *
p256(void)
{
	return EVP_EC_gen("P-256");
}

static EVP_PKEY *
p384(void)
{
	return EVP_EC_gen("P-384");
}

static EVP_PKEY *
p521(void)
{
	return EVP_EC_gen("P-521");
}

static EVP_PKEY *
k256(void)
{
	return EVP_EC_gen("secp256k1");
}

static EVP_PKEY *
rsa(void)
{
	return EVP_RSA_gen(2048);
}

static EVP_PKEY *
ed25519(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static EVP_PKEY *
explicit_curve(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	must(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit") == 1);
	return key;
}

static const EVP_MD *
no_digest(void)
{
	return NULL;
}

static void
be_greedy(X509_REQ *req)
{
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	X509_NAME *name = X509_REQ_get_subject_name(req);

	must(X509_NAME_add_entry_by_txt(
		 name, "CN", MBSTRING_ASC, (const unsigned char *)"broker", -1, -1, 0) == 1);
	must(sk_X509_EXTENSION_push(list,
		 X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE")) > 0);
	must(sk_X509_EXTENSION_push(
		 list, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
			   "URI:spiffe://example.org/sidekey/gateway,DNS:broker")) > 0);
	must(X509_REQ_add_extensions(req, list) == 1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
}

static struct span
make_csr(const struct csr *c, uint8_t *dst, size_t size, EVP_PKEY **ret_key)
{
	X509_REQ *req = X509_REQ_new();
	EVP_PKEY *key = c->key();
	unsigned char *p = dst;
	int len;

	must(req != NULL && key != NULL && X509_REQ_set_pubkey(req, key) == 1);
	if (c->greedy)
		be_greedy(req);
	must(X509_REQ_sign(req, key, c->digest()) > 0);
	len = i2d_X509_REQ(req, NULL);
	must(len > 0 && (size_t)len <= size);
	must(i2d_X509_REQ(req, &p) == len);
	if (c->break_at != 0)
		dst[len - c->break_at] ^= 1;
	X509_REQ_free(req);
	*ret_key = key;
	return span_of(dst, (size_t)len);
}

static enum err
issue(struct span csr, struct buf *der)
{
	struct ca_leaf leaf = {
		.spiffe_id = SPIFFE, .not_before_s = NOW_S - 60, .not_after_s = NOW_S + 3600
	};

	ca_serial(leaf.serial);
	return ca_issue(ca, csr, &leaf, der);
}

static void
test_csrs(void)
{
	static const struct csr cases[] = {
		{ "P-256 with SHA-256", p256, EVP_sha256, false, 0, ERR_OK },
		{ "P-384 with SHA-384", p384, EVP_sha384, false, 0, ERR_OK },
		{ "P-256 with SHA-512", p256, EVP_sha512, false, 0, ERR_OK },
		{ "one that asks for more", p256, EVP_sha256, true, 0, ERR_OK },
		{ "a signature that does not verify", p256, EVP_sha256, false, 1, ERR_DENIED },
		{ "SHA-1", p256, EVP_sha1, false, 0, ERR_DENIED },
		{ "SHA-224", p256, EVP_sha224, false, 0, ERR_DENIED },
		{ "P-521", p521, EVP_sha512, false, 0, ERR_DENIED },
		{ "secp256k1", k256, EVP_sha256, false, 0, ERR_DENIED },
		{ "a curve with parameters of its own", explicit_curve, EVP_sha256, false, 0,
		    ERR_DENIED },
		{ "RSA", rsa, EVP_sha256, false, 0, ERR_DENIED },
		{ "Ed25519", ed25519, no_digest, false, 0, ERR_DENIED },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);
		uint8_t bytes[4096];
		EVP_PKEY *key = NULL;
		struct span csr = make_csr(&cases[i], bytes, sizeof bytes, &key);

		is_err(issue(csr, &der), cases[i].want, cases[i].name);
		ok((der.len == 0) == (cases[i].want != ERR_OK), "a certificate or none");
		EVP_PKEY_free(key);
	}
	ok(ERR_peek_error() == 0, "OpenSSL's error queue is left empty");
}

static void
test_garbage(void)
{
	static const struct csr good = { "", p256, EVP_sha256, false, 0, ERR_OK };
	AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);
	static uint8_t bytes[CA_CSR_LEN_MAX + 1];
	EVP_PKEY *key = NULL;
	struct span csr = make_csr(&good, bytes, sizeof bytes, &key);

	is_err(issue(SPAN_NONE, &der), ERR_SYNTAX, "nothing");
	is_err(issue(span_str("-----BEGIN CERTIFICATE REQUEST-----"), &der), ERR_SYNTAX, "PEM");
	is_err(issue(span_of(csr.p, csr.len - 1), &der), ERR_SYNTAX, "cut short");
	is_err(issue(span_of(csr.p, csr.len + 1), &der), ERR_SYNTAX, "a byte behind it");
	is_err(issue(span_of(bytes, sizeof bytes), &der), ERR_SYNTAX, "more than 8 KiB");
	for (size_t i = 0; i < csr.len; i++) { /* every byte, one at a time */
		enum err e;

		bytes[i] ^= 0x20;
		e = issue(csr, &der);
		must(e == ERR_SYNTAX || e == ERR_DENIED);
		bytes[i] ^= 0x20;
	}
	ok(der.len == 0, "no flipped byte goes through");
	EVP_PKEY_free(key);
}

static X509 *
parse(struct span der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	must(x != NULL && p == der.p + der.len);
	return x;
}

static bool
verifies(X509 *x, int purpose)
{
	X509 *issuer = parse(ca_der(ca));
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool good;

	must(X509_STORE_add_cert(store, issuer) == 1 &&
	     X509_STORE_CTX_init(ctx, store, x, NULL) == 1);
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), NOW_S);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_purpose(X509_STORE_CTX_get0_param(ctx), purpose);
	good = X509_verify_cert(ctx) == 1;
	if (!good)
		printf("# %s\n", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(issuer);
	return good;
}

static void
check_san(const X509 *x)
{
	int critical = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
	const GENERAL_NAME *one;

	if (!ok(names != NULL && critical == 1 && sk_GENERAL_NAME_num(names) == 1,
		"one SAN, critical"))
		return;
	one = sk_GENERAL_NAME_value(names, 0);
	ok(one->type == GEN_URI &&
		span_eq_str(span_of(ASN1_STRING_get0_data(one->d.uniformResourceIdentifier),
				(size_t)ASN1_STRING_length(one->d.uniformResourceIdentifier)),
		    SPIFFE),
	    "which is the SPIFFE ID, whatever the request asked for");
	GENERAL_NAMES_free(names);
}

static int
days_between(const ASN1_TIME *from, const ASN1_TIME *to, int *ret_s)
{
	int days = 0;

	must(ASN1_TIME_diff(&days, ret_s, from, to) == 1);
	return days;
}

static void
test_leaf(void)
{
	static const struct csr greedy = { "", p256, EVP_sha256, true, 0, ERR_OK };
	AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);
	uint8_t bytes[4096];
	EVP_PKEY *key = NULL;
	X509 *x;
	int seconds = 0;

	must(issue(make_csr(&greedy, bytes, sizeof bytes, &key), &der) == ERR_OK);
	x = parse(buf_span(&der));
	ok(X509_get_version(x) == X509_VERSION_3, "version 3");
	ok(X509_NAME_entry_count(X509_get_subject_name(x)) == 0, "the subject is empty");
	ok(X509_check_ca(x) == 0, "it is no CA");
	ok(X509_get_key_usage(x) == KU_DIGITAL_SIGNATURE, "it signs, and nothing else");
	ok(X509_get_extended_key_usage(x) == (XKU_SSL_CLIENT | XKU_SSL_SERVER),
	    "client and server");
	ok(X509_get_signature_nid(x) == NID_ecdsa_with_SHA256, "signed with SHA-256");
	ok(EVP_PKEY_eq(X509_get0_pubkey(x), key) == 1, "over the key of the request");
	ok(ASN1_STRING_length(X509_get0_serialNumber(x)) == SERIAL_LEN, "a serial of 16 bytes");
	ok(days_between(X509_get0_notBefore(x), X509_get0_notAfter(x), &seconds) == 0 &&
		seconds == 3660,
	    "for an hour");
	check_san(x);
	ok(verifies(x, X509_PURPOSE_SSL_CLIENT), "verifies strictly as a client");
	ok(verifies(x, X509_PURPOSE_SSL_SERVER), "and as a server");
	X509_free(x);
	EVP_PKEY_free(key);
}

static void
test_outlives(void)
{
	static const struct csr good = { "", p256, EVP_sha256, false, 0, ERR_OK };
	AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);
	struct ca_leaf leaf = {
		.spiffe_id = SPIFFE, .not_before_s = NOW_S, .not_after_s = ca_not_after_s(ca) + 1
	};
	uint8_t bytes[4096];
	EVP_PKEY *key = NULL;

	ca_serial(leaf.serial);
	is_err(ca_issue(ca, make_csr(&good, bytes, sizeof bytes, &key), &leaf, &der), ERR_EXPIRED,
	    "no certificate outlives its issuer");
	EVP_PKEY_free(key);
}

static void
test_save(void)
{
	AUTO(buf_wipe) struct buf row = BUF_MAX(8192), again = BUF_MAX(8192);
	struct ca *other = NULL;

	is_err(ca_save(ca, &row), ERR_OK, "saved");
	is_err(ca_load(buf_span(&row), &other), ERR_OK, "and loaded");
	ok(span_eq(ca_der(ca), ca_der(other)) && strcmp(ca_pem(ca), ca_pem(other)) == 0,
	    "it is the same");
	ok(ca_not_after_s(other) == ca_not_after_s(ca), "with the same end");
	ca_free(other);
	other = NULL;
	must(ca_new("other.example", NOW_S, &other) == ERR_OK && ca_save(other, &again) == ERR_OK);
	ca_free(other);
	other = NULL;
	/* the key of one with the certificate of the other */
	memcpy(again.data + again.len - 64, row.data + row.len - 64, 64);
	memcpy(again.data, row.data, 64);
	ok(ca_load(buf_span(&again), &other) != ERR_OK && other == NULL,
	    "a key that does not fit is refused");
	is_err(ca_load(span_of(row.data, row.len - 1), &other), ERR_SYNTAX, "so is half a row");
}

static void
test_serial(void)
{
	uint8_t a[SERIAL_LEN], b[SERIAL_LEN];
	bool good = true;

	for (int i = 0; i < 1000; i++) {
		ca_serial(a);
		good = good && (a[0] & 0xc0) == 0x40;
	}
	ca_serial(b);
	ok(good && memcmp(a, b, sizeof a) != 0, "serials are positive, of full length, and differ");
}

int
main(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(65536) == ERR_OK);
	is_err(ca_new("example.org", NOW_S, &ca), ERR_OK, "a CA");
	test_csrs();
	test_garbage();
	test_leaf();
	test_outlives();
	test_save();
	test_serial();
	ca_free(ca);
	return done();
}
