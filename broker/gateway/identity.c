#include "broker/gateway/identity.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

static const char *
check_shape(X509 *leaf)
{
	if (X509_get_version(leaf) != X509_VERSION_3)
		return "version";
	if (X509_NAME_entry_count(X509_get_subject_name(leaf)) != 0)
		return "subject"; /* so that no code anywhere can be tempted by a CN */
	if ((X509_get_extension_flags(leaf) & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0)
		return "extension";
	return NULL;
}

static const char *
check_usage(X509 *leaf)
{
	uint32_t usage;

	if ((X509_get_extension_flags(leaf) & EXFLAG_CA) != 0 || X509_check_ca(leaf) != 0)
		return "ca";
	usage = X509_get_key_usage(leaf); /* UINT32_MAX when absent */
	if (usage == UINT32_MAX || (usage & KU_DIGITAL_SIGNATURE) == 0 ||
	    (usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)
		return "key_usage";
	return NULL;
}

static const char *
check_extended_usage(X509 *leaf)
{
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
	bool client = false, server = false;
	int count = eku == NULL ? 0 : sk_ASN1_OBJECT_num(eku);

	for (int i = 0; i < count; i++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, i));

		client = client || nid == NID_client_auth;
		server = server || nid == NID_server_auth;
	}
	EXTENDED_KEY_USAGE_free(eku);
	return count == 2 && client && server ? NULL : "extended_key_usage";
}

static const char *
check_key(X509 *leaf)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	char group[32] = "";
	int signature = X509_get_signature_nid(leaf);

	if (key == NULL || EVP_PKEY_is_a(key, "EC") != 1 ||
	    EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
	    (strcmp(group, SN_X9_62_prime256v1) != 0 && strcmp(group, SN_secp384r1) != 0))
		return "key";
	if (signature != NID_ecdsa_with_SHA256 && signature != NID_ecdsa_with_SHA384 &&
	    signature != NID_ecdsa_with_SHA512)
		return "signature";
	return NULL;
}

static const char *
read_name(const GENERAL_NAMES *names, const char *trust_domain, struct identity *id)
{
	const GENERAL_NAME *name;
	struct span path;

	if (sk_GENERAL_NAME_num(names) != 1)
		return "san_count"; /* two names: whichever is read first would win */
	name = sk_GENERAL_NAME_value(names, 0);
	if (name->type != GEN_URI)
		return "san_type";
	if (spiffe_parse(span_of(ASN1_STRING_get0_data(name->d.ia5),
			     (size_t)ASN1_STRING_length(name->d.ia5)),
		trust_domain, &path) != ERR_OK)
		return "spiffe_id";
	if (name_workload_check(path) != ERR_OK)
		return "reserved_name"; /* the gateway's own name is no workload */
	must(span_copy_str(path, id->workload, sizeof id->workload));
	return NULL;
}

static const char *
read_san(X509 *leaf, const char *trust_domain, struct identity *id)
{
	int critical = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
	const char *reason;

	if (names == NULL) /* none, or the extension is there twice */
		return "san";
	reason = read_name(names, trust_domain, id);
	GENERAL_NAMES_free(names);
	return reason;
}

static const char *
read_serial(X509 *leaf, struct identity *id)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	BIGNUM *n = ASN1_INTEGER_to_BN(serial, NULL);
	bool good = n != NULL && BN_is_zero(n) == 0 && BN_is_negative(n) == 0 &&
		    BN_num_bits(n) < SERIAL_LEN * 8 &&
		    BN_bn2binpad(n, id->serial, SERIAL_LEN) == SERIAL_LEN;

	BN_free(n);
	return good ? NULL : "serial";
}

static const char *
read_end(X509 *leaf, struct identity *id)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
		return "validity";
	id->not_after_s = timegm(&tm);
	return NULL;
}

enum err
identity_from_leaf(
    X509 *leaf, const char *trust_domain, struct identity *ret_id, const char **ret_reason)
{
	struct identity id = { .workload = "" };
	const char *reason = check_shape(leaf);

	if (reason == NULL)
		reason = check_usage(leaf);
	if (reason == NULL)
		reason = check_extended_usage(leaf);
	if (reason == NULL)
		reason = check_key(leaf);
	if (reason == NULL)
		reason = read_san(leaf, trust_domain, &id);
	if (reason == NULL)
		reason = read_serial(leaf, &id);
	if (reason == NULL)
		reason = read_end(leaf, &id);
	*ret_reason = reason;
	if (reason != NULL)
		return ERR_DENIED;
	*ret_id = id;
	return ERR_OK;
}
