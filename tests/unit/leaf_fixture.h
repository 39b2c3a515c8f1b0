/*
 * leaf_fixture - certificates of every bad kind, made in the process.
 * Process: tests.   Owns: nothing; what it returns is the caller's.   Secrets: none.
 * Limits: LEAF_SANS_MAX names.   Failure: must().
 */
#ifndef TESTS_LEAF_FIXTURE_H
#define TESTS_LEAF_FIXTURE_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/gateway/tls_client.h"
#include "common/err.h"

#define LEAF_SANS_MAX 200
#define TRUST_DOMAIN "test.example"
#define GOOD_URI "spiffe://test.example/coder"

struct leaf_san {
	int type; /* GEN_URI, GEN_DNS, GEN_EMAIL, GEN_IPADD; 0: the end */
	const char *bytes;
	size_t len; /* 0: strlen */
};

/* Zero or NULL: what a good leaf has. */
struct leaf_spec {
	struct leaf_san sans[LEAF_SANS_MAX];
	bool no_san, san_twice, v1, no_bc, no_ku, no_eku, unknown_critical, rsa;
	const char *bc, *ku, *eku, *cn, *group;
	const EVP_MD *md;
	const char *serial;  /* hex, "-" in front for a negative one */
	int from_s, until_s; /* from now; both 0: an hour around now */
};

static inline EVP_PKEY *
leaf_key(const char *group)
{
	EVP_PKEY *key = group == NULL ? EVP_EC_gen("P-256") : EVP_EC_gen(group);

	must(key != NULL);
	return key;
}

static inline void
leaf_add(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

	must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static inline GENERAL_NAME *
leaf_name(const struct leaf_san *san)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *s = san->type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	size_t len = san->len != 0 ? san->len : strlen(san->bytes);

	must(name != NULL && s != NULL && ASN1_STRING_set(s, san->bytes, (int)len) == 1);
	GENERAL_NAME_set0_value(name, san->type, s);
	return name;
}

static inline void
leaf_add_sans(X509 *x, const struct leaf_spec *spec)
{
	static const struct leaf_san good = { GEN_URI, GOOD_URI, 0 };
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	must(names != NULL);
	if (spec->sans[0].type == 0 && spec->sans[0].bytes == NULL)
		must(sk_GENERAL_NAME_push(names, leaf_name(&good)) > 0);
	for (size_t i = 0; i < LEAF_SANS_MAX && spec->sans[i].bytes != NULL; i++)
		must(sk_GENERAL_NAME_push(names, leaf_name(&spec->sans[i])) > 0);
	must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 1, X509V3_ADD_APPEND) == 1);
	if (spec->san_twice)
		must(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 1, X509V3_ADD_APPEND) == 1);
	GENERAL_NAMES_free(names);
}

static inline void
leaf_set_serial(X509 *x, const char *hex)
{
	BIGNUM *n = NULL;

	must(BN_hex2bn(&n, hex == NULL ? "1234567890abcdef1234567890abcdef" : hex) > 0);
	must(BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL);
	BN_free(n);
}

/* Without key identifiers a strict verifier refuses everything, for a reason that is not the one
 * under test. */
static inline void
leaf_identify(X509 *x, X509 *issuer)
{
	static const struct {
		int nid;
		const char *value;
	} ids[] = { { NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid" } };
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	for (size_t i = 0; i < COUNT(ids); i++) {
		X509_EXTENSION *ext = X509V3_EXT_nconf_nid(NULL, &ctx, ids[i].nid, ids[i].value);

		must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
		X509_EXTENSION_free(ext);
	}
}

static inline void
leaf_extend(X509 *x, const struct leaf_spec *spec)
{
	if (!spec->no_bc)
		leaf_add(
		    x, NID_basic_constraints, spec->bc != NULL ? spec->bc : "critical,CA:FALSE");
	if (!spec->no_ku)
		leaf_add(
		    x, NID_key_usage, spec->ku != NULL ? spec->ku : "critical,digitalSignature");
	if (!spec->no_eku)
		leaf_add(
		    x, NID_ext_key_usage, spec->eku != NULL ? spec->eku : "clientAuth,serverAuth");
	if (!spec->no_san)
		leaf_add_sans(x, spec);
	if (spec->unknown_critical) {
		ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
		ASN1_OBJECT *oid = OBJ_txt2obj("1.2.3.4.5.6.7", 1);
		X509_EXTENSION *ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, data);

		must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
		X509_EXTENSION_free(ext);
		ASN1_OBJECT_free(oid);
		ASN1_OCTET_STRING_free(data);
	}
}

/* A certificate for key, signed by issuer_key in the name of issuer (NULL: by itself). */
static inline X509 *
leaf_make(const struct leaf_spec *spec, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *x = X509_new();
	bool default_dates = spec->from_s == 0 && spec->until_s == 0;

	must(x != NULL && X509_set_version(x, spec->v1 ? X509_VERSION_1 : X509_VERSION_3) == 1);
	leaf_set_serial(x, spec->serial);
	must(X509_gmtime_adj(X509_getm_notBefore(x), default_dates ? -60 : spec->from_s) != NULL);
	must(X509_gmtime_adj(X509_getm_notAfter(x), default_dates ? 3600 : spec->until_s) != NULL);
	must(X509_set_pubkey(x, key) == 1);
	if (spec->cn != NULL)
		must(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
			 (const unsigned char *)spec->cn, -1, -1, 0) == 1);
	must(X509_set_issuer_name(x, X509_get_subject_name(issuer == NULL ? x : issuer)) == 1);
	if (!spec->v1) {
		leaf_identify(x, issuer == NULL ? x : issuer);
		leaf_extend(x, spec);
	}
	must(X509_sign(x, issuer_key, spec->md != NULL ? spec->md : EVP_sha256()) > 0);
	return x;
}

static inline X509 *
leaf_ca(EVP_PKEY *key)
{
	static const struct leaf_spec ca = { .bc = "critical,CA:TRUE,pathlen:0",
		.ku = "critical,keyCertSign,cRLSign",
		.cn = "Test CA",
		.no_eku = true,
		.no_san = true };

	return leaf_make(&ca, key, NULL, key);
}

/* A client context that trusts ca alone. */
static inline SSL_CTX *
leaf_trust(X509 *ca)
{
	BIO *bio = BIO_new(BIO_s_mem());
	SSL_CTX *ctx;
	char *pem;

	must(bio != NULL && PEM_write_bio_X509(bio, ca) == 1 && BIO_write(bio, "", 1) == 1);
	must(BIO_get_mem_data(bio, &pem) > 0);
	must(tls_client_from_pem(pem, &ctx) == ERR_OK);
	BIO_free(bio);
	return ctx;
}

/* A context that shows such a leaf, with a key of its own. */
static inline SSL_CTX *
leaf_context(
    const SSL_METHOD *method, const struct leaf_spec *spec, X509 *issuer, EVP_PKEY *issuer_key)
{
	EVP_PKEY *key = leaf_key(NULL);
	X509 *leaf = leaf_make(spec, key, issuer, issuer_key);
	SSL_CTX *ctx = SSL_CTX_new(method);

	must(ctx != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1);
	must(SSL_CTX_use_PrivateKey(ctx, key) == 1);
	SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return ctx;
}

#endif
