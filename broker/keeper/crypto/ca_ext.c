#include "broker/keeper/crypto/ca_ext.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/span.h"

#define CRITICAL 1
#define KU_DIGITAL_SIGNATURE_BIT 0 /* bit numbers of RFC 5280 section 4.2.1.3 */
#define KU_KEY_CERT_SIGN_BIT 5
#define KU_CRL_SIGN_BIT 6

static enum err
add(X509 *x, int nid, void *value, int critical)
{
	bool good =
	    value != NULL && X509_add1_ext_i2d(x, nid, value, critical, X509V3_ADD_APPEND) == 1;

	ERR_clear_error();
	return good ? ERR_OK : ERR_SYS;
}

static enum err
add_constraints(X509 *x, bool authority)
{
	BASIC_CONSTRAINTS *b = BASIC_CONSTRAINTS_new();
	enum err e;

	if (b != NULL && authority) {
		b->ca = 0xff;
		b->pathlen = ASN1_INTEGER_new();
		if (b->pathlen == NULL || ASN1_INTEGER_set(b->pathlen, 0) != 1) {
			BASIC_CONSTRAINTS_free(b);
			return ERR_NOMEM;
		}
	}
	e = add(x, NID_basic_constraints, b, CRITICAL);
	BASIC_CONSTRAINTS_free(b);
	return e;
}

static enum err
add_key_usage(X509 *x, bool authority)
{
	ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
	bool good = bits != NULL;
	enum err e;

	if (good && authority)
		good = ASN1_BIT_STRING_set_bit(bits, KU_KEY_CERT_SIGN_BIT, 1) == 1 &&
		       ASN1_BIT_STRING_set_bit(bits, KU_CRL_SIGN_BIT, 1) == 1;
	else if (good)
		good = ASN1_BIT_STRING_set_bit(bits, KU_DIGITAL_SIGNATURE_BIT, 1) == 1;
	e = good ? add(x, NID_key_usage, bits, CRITICAL) : ERR_NOMEM;
	ASN1_BIT_STRING_free(bits);
	return e;
}

static enum err
add_extended_usage(X509 *x)
{
	EXTENDED_KEY_USAGE *list = sk_ASN1_OBJECT_new_null();
	static const int uses[] = { NID_client_auth, NID_server_auth };
	enum err e = list == NULL ? ERR_NOMEM : ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < COUNT(uses); i++)
		if (sk_ASN1_OBJECT_push(list, OBJ_nid2obj(uses[i])) <= 0)
			e = ERR_NOMEM;
	if (e == ERR_OK)
		e = add(x, NID_ext_key_usage, list, 0);
	sk_ASN1_OBJECT_pop_free(list, ASN1_OBJECT_free);
	return e;
}

static GENERAL_NAME *
uri_name(const char *uri)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (name == NULL || text == NULL || ASN1_STRING_set(text, uri, (int)strlen(uri)) != 1) {
		GENERAL_NAME_free(name);
		ASN1_IA5STRING_free(text);
		return NULL;
	}
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	return name;
}

static enum err
add_uri(X509 *x, const char *uri, int critical)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = uri_name(uri);
	enum err e = ERR_NOMEM;

	if (names != NULL && name != NULL && sk_GENERAL_NAME_push(names, name) > 0) {
		name = NULL; /* given away */
		e = add(x, NID_subject_alt_name, names, critical);
	}
	GENERAL_NAME_free(name);
	GENERAL_NAMES_free(names);
	return e;
}

/* RFC 5280 section 4.2.1.2 leaves the method open; a hash of the public key is what others expect.
 */
static enum err
add_subject_key_id(X509 *x)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	enum err e = ERR_SYS;

	if (id != NULL && X509_pubkey_digest(x, EVP_sha256(), hash, &len) == 1 && len >= 20 &&
	    ASN1_OCTET_STRING_set(id, hash, 20) == 1)
		e = add(x, NID_subject_key_identifier, id, 0);
	ASN1_OCTET_STRING_free(id);
	return e;
}

static enum err
add_authority_key_id(X509 *x, X509 *issuer)
{
	const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(issuer);
	AUTHORITY_KEYID *a = AUTHORITY_KEYID_new();
	enum err e = ERR_SYS;

	if (a != NULL && id != NULL)
		a->keyid = ASN1_OCTET_STRING_dup(id);
	if (a != NULL && a->keyid != NULL)
		e = add(x, NID_authority_key_identifier, a, 0);
	AUTHORITY_KEYID_free(a);
	return e;
}

enum err
ca_ext_authority(X509 *x, const char *trust_domain_uri)
{
	enum err e = add_constraints(x, true);

	if (e == ERR_OK)
		e = add_key_usage(x, true);
	if (e == ERR_OK)
		e = add_subject_key_id(x);
	return e == ERR_OK ? add_uri(x, trust_domain_uri, 0) : e;
}

enum err
ca_ext_leaf(X509 *x, X509 *issuer, const char *spiffe_id)
{
	enum err e = add_constraints(x, false);

	if (e == ERR_OK)
		e = add_key_usage(x, false);
	if (e == ERR_OK)
		e = add_extended_usage(x);
	if (e == ERR_OK)
		e = add_uri(x, spiffe_id, CRITICAL);
	if (e == ERR_OK)
		e = add_subject_key_id(x);
	return e == ERR_OK ? add_authority_key_id(x, issuer) : e;
}
