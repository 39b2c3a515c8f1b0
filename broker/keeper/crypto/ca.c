#include "broker/keeper/crypto/ca.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/ipc/wire.h"
#include "broker/keeper/crypto/ca_ext.h"
#include "common/sys.h"
#include "common/text.h"

struct ca {
	EVP_PKEY *key;
	X509 *cert;
	struct buf der, pem; /* pem ends with a NUL */
	int64_t not_after_s;
};

static void
key_freep(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void
cert_freep(X509 **p)
{
	X509_free(*p);
}

static void
req_freep(X509_REQ **p)
{
	X509_REQ_free(*p);
}

static void
ca_freep(struct ca **p)
{
	ca_free(*p);
}

static enum err
from_ossl(bool good)
{
	ERR_clear_error(); /* or the next caller would meet this one's entries */
	return good ? ERR_OK : ERR_SYS;
}

/* e, but for want of memory: that is no fault of what was read, and the next try may go well. */
static enum err
unless_no_memory(enum err e)
{
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
			e = ERR_NOMEM;
	return e;
}

void
ca_free(struct ca *ca)
{
	if (ca == NULL)
		return;
	EVP_PKEY_free(ca->key); /* OpenSSL clears the private number */
	X509_free(ca->cert);
	buf_wipe(&ca->der);
	buf_wipe(&ca->pem);
	free(ca);
}

void
ca_serial(uint8_t ret_serial[SERIAL_LEN])
{
	must(sys_random(ret_serial, SERIAL_LEN) == 0);
	ret_serial[0] = (uint8_t)((ret_serial[0] & 0x3f) | 0x40);
}

static enum err
set_serial(X509 *x, const uint8_t serial[SERIAL_LEN])
{
	BIGNUM *n = BN_bin2bn(serial, SERIAL_LEN, NULL);
	bool good = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;

	BN_free(n);
	return from_ossl(good);
}

static enum err
set_times(X509 *x, int64_t not_before_s, int64_t not_after_s)
{
	bool good = ASN1_TIME_set(X509_getm_notBefore(x), (time_t)not_before_s) != NULL &&
		    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)not_after_s) != NULL;

	return from_ossl(good);
}

static enum err
to_der(const X509 *x, struct buf *out)
{
	unsigned char *p = NULL;
	int len = i2d_X509(x, &p);
	enum err e = len > 0 ? buf_append(out, p, (size_t)len) : from_ossl(false);

	OPENSSL_free(p);
	return e;
}

enum err
ca_to_pem(struct span der, struct buf *ret_pem)
{
	AUTO(buf_wipe) struct buf text = BUF_MAX(2 * CA_CERT_LEN_MAX);
	size_t len = text_base64_len(der.len, TEXT_BASE64);
	enum err e = buf_reserve(&text, len + 1);

	if (e != ERR_OK)
		return e;
	text_base64(der.p, der.len, TEXT_BASE64, (char *)buf_tail(&text));
	buf_added(&text, len);
	e = buf_append_str(ret_pem, "-----BEGIN CERTIFICATE-----\n");
	for (size_t at = 0; e == ERR_OK && at < len; at += 64) {
		size_t n = len - at < 64 ? len - at : 64;

		e = buf_append(ret_pem, text.data + at, n);
		if (e == ERR_OK)
			e = buf_append_byte(ret_pem, '\n');
	}
	return e == ERR_OK ? buf_append_str(ret_pem, "-----END CERTIFICATE-----\n") : e;
}

/* What is read often and never changes: the certificate's encodings and end. */
static enum err
fill_in(struct ca *ca)
{
	struct tm tm;
	enum err e;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(ca->cert), &tm) != 1)
		return from_ossl(false);
	ca->not_after_s = (int64_t)timegm(&tm);
	e = to_der(ca->cert, &ca->der);
	if (e == ERR_OK)
		e = ca_to_pem(buf_span(&ca->der), &ca->pem);
	return e == ERR_OK ? buf_append_byte(&ca->pem, 0) : e;
}

static enum err
set_ca_name(X509 *x, const char *trust_domain)
{
	X509_NAME *name = X509_get_subject_name(x);
	char cn[64]; /* X.520 upper bound of a common name; a long trust domain is cut, the SAN has
			it whole */
	bool good;

	(void)snprintf(cn, sizeof cn, "Sidekey CA %s", trust_domain);
	good = X509_NAME_add_entry_by_txt(
		   name, "O", MBSTRING_ASC, (const unsigned char *)"Sidekey", -1, -1, 0) == 1 &&
	       X509_NAME_add_entry_by_txt(
		   name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(x, name) == 1;
	return from_ossl(good);
}

static enum err
self_sign(struct ca *ca, const char *trust_domain, int64_t now_s)
{
	char uri[SPIFFE_ID_LEN_MAX + 1];
	uint8_t serial[SERIAL_LEN];
	int64_t end_s = now_s + CA_YEARS * (int64_t)31556952;
	enum err e;

	ca_serial(serial);
	(void)snprintf(uri, sizeof uri, "spiffe://%s", trust_domain);
	if (X509_set_version(ca->cert, X509_VERSION_3) != 1 ||
	    X509_set_pubkey(ca->cert, ca->key) != 1)
		return from_ossl(false);
	e = set_serial(ca->cert, serial);
	if (e == ERR_OK)
		e = set_times(ca->cert, now_s - CA_BACKDATE_S, end_s);
	if (e == ERR_OK)
		e = set_ca_name(ca->cert, trust_domain);
	if (e == ERR_OK)
		e = ca_ext_authority(ca->cert, uri);
	if (e == ERR_OK && X509_sign(ca->cert, ca->key, EVP_sha256()) <= 0)
		e = from_ossl(false);
	return e;
}

static struct ca *
ca_empty(void)
{
	struct ca *ca = calloc(1, sizeof *ca);

	if (ca == NULL)
		return NULL;
	ca->der = (struct buf)BUF_MAX(CA_CERT_LEN_MAX);
	ca->pem = (struct buf)BUF_MAX(2 * CA_CERT_LEN_MAX);
	return ca;
}

enum err
ca_new(const char *trust_domain, int64_t now_s, struct ca **ret_ca)
{
	AUTO(ca_freep) struct ca *ca = ca_empty();
	enum err e;

	if (ca == NULL)
		return ERR_NOMEM;
	ca->key = EVP_EC_gen("P-256");
	ca->cert = X509_new();
	if (ca->key == NULL || ca->cert == NULL)
		return from_ossl(false);
	e = self_sign(ca, trust_domain, now_s);
	if (e == ERR_OK)
		e = fill_in(ca);
	if (e != ERR_OK)
		return e;
	*ret_ca = ca;
	ca = NULL; /* given away */
	return ERR_OK;
}

enum err
ca_save(const struct ca *ca, struct buf *out)
{
	struct wire_writer w = wire_write(out);
	unsigned char *key = NULL;
	int len = i2d_PrivateKey(ca->key, &key);

	if (len <= 0)
		return from_ossl(false);
	wire_put_blob(&w, span_of(key, (size_t)len));
	wire_put_blob(&w, buf_span(&ca->der));
	OPENSSL_clear_free(key, (size_t)len);
	return w.e;
}

enum err
ca_load(struct span row, struct ca **ret_ca)
{
	AUTO(ca_freep) struct ca *ca = ca_empty();
	struct wire_reader r = wire_read(row);
	struct span key = wire_blob(&r, 1024), der = wire_blob(&r, CA_CERT_LEN_MAX);
	const unsigned char *at = key.p, *cert_at = der.p;
	enum err e = wire_done(&r);

	if (e != ERR_OK)
		return e;
	if (ca == NULL)
		return ERR_NOMEM;
	ca->key = d2i_PrivateKey(EVP_PKEY_EC, NULL, &at, (long)key.len);
	ca->cert = d2i_X509(NULL, &cert_at, (long)der.len);
	if (ca->key == NULL || ca->cert == NULL || X509_check_private_key(ca->cert, ca->key) != 1)
		return unless_no_memory(ERR_SYS); /* not ERR_AUTH: we sealed the row, and OpenSSL
						     does not always say so of memory */
	e = fill_in(ca);
	if (e != ERR_OK)
		return e;
	*ret_ca = ca;
	ca = NULL; /* given away */
	return ERR_OK;
}

struct span
ca_der(const struct ca *ca)
{
	return buf_span(&ca->der);
}

const char *
ca_pem(const struct ca *ca)
{
	return (const char *)ca->pem.data;
}

int64_t
ca_not_after_s(const struct ca *ca)
{
	return ca->not_after_s;
}

/* Named curves only: a key with curve parameters of its own could be weak in ways that nobody looks
 * for. */
static bool
key_acceptable(EVP_PKEY *key)
{
	char group[32], encoding[32];

	if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC)
		return false;
	if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
	    EVP_PKEY_get_utf8_string_param(
		key, OSSL_PKEY_PARAM_EC_ENCODING, encoding, sizeof encoding, NULL) != 1)
		return false;
	return span_eq_str(span_str(encoding), "named_curve") &&
	       (span_eq_str(span_str(group), "prime256v1") ||
		   span_eq_str(span_str(group), "secp384r1"));
}

static bool
digest_acceptable(const X509_REQ *req)
{
	int nid = X509_REQ_get_signature_nid(req);

	return nid == NID_ecdsa_with_SHA256 || nid == NID_ecdsa_with_SHA384 ||
	       nid == NID_ecdsa_with_SHA512;
}

/* The order matters: the key's kind is judged before any arithmetic is done with it. */
static enum err
csr_read(struct span der, X509_REQ **ret_req)
{
	AUTO(req_freep) X509_REQ *req = NULL;
	const unsigned char *at = der.p;
	EVP_PKEY *key;

	if (der.len == 0 || der.len > CA_CSR_LEN_MAX)
		return ERR_SYNTAX;
	req = d2i_X509_REQ(NULL, &at, (long)der.len);
	if (req == NULL || at != der.p + der.len)
		return unless_no_memory(ERR_SYNTAX);
	key = X509_REQ_get0_pubkey(req);
	if (!key_acceptable(key) || !digest_acceptable(req) || X509_REQ_verify(req, key) != 1)
		return unless_no_memory(ERR_DENIED);
	*ret_req = req;
	req = NULL; /* given away */
	return ERR_OK;
}

static enum err
leaf_fill(const struct ca *ca, X509 *x, EVP_PKEY *key, const struct ca_leaf *leaf)
{
	enum err e;

	if (X509_set_version(x, X509_VERSION_3) != 1 || X509_set_pubkey(x, key) != 1 ||
	    X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) != 1)
		return from_ossl(false);
	e = set_serial(x, leaf->serial);
	if (e == ERR_OK)
		e = set_times(x, leaf->not_before_s, leaf->not_after_s);
	if (e == ERR_OK)
		e = ca_ext_leaf(x, ca->cert, leaf->spiffe_id);
	if (e == ERR_OK && X509_sign(x, ca->key, EVP_sha256()) <= 0)
		e = from_ossl(false);
	return e;
}

enum err
ca_issue(const struct ca *ca, struct span csr_der, const struct ca_leaf *leaf, struct buf *ret_der)
{
	AUTO(req_freep) X509_REQ *req = NULL;
	AUTO(cert_freep) X509 *x = X509_new();
	AUTO(key_freep) EVP_PKEY *key = NULL;
	enum err e;

	if (x == NULL)
		return ERR_NOMEM;
	must(leaf->not_before_s < leaf->not_after_s);
	if (leaf->not_after_s > ca->not_after_s) /* it would outlive its issuer */
		return ERR_EXPIRED;
	e = csr_read(csr_der, &req);
	if (e != ERR_OK)
		return e;
	key = X509_REQ_get_pubkey(req);
	e = key == NULL ? from_ossl(false) : leaf_fill(ca, x, key, leaf);
	return e == ERR_OK ? to_der(x, ret_der) : e;
}
