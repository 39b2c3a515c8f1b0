#include "shim/peer.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/span.h"
#include "shim/ownkey.h"

static void
free_names(GENERAL_NAMES **names)
{
	GENERAL_NAMES_free(*names);
}

static bool
is_uri(const GENERAL_NAME *name, const char *expected)
{
	const ASN1_IA5STRING *s = name->d.uniformResourceIdentifier;

	return span_eq_str(
	    span_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)), expected);
}

/* Two extensions of that kind, or one that does not parse, leave names NULL. */
static enum err
check_uri(const X509 *x, const char *expected)
{
	AUTO(free_names)
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
	int uris = 0, good = 0;

	if (count > SHIM_SAN_MAX)
		return ERR_AUTH;
	for (int i = 0; i < count; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_URI)
			continue;
		uris++;
		good += is_uri(name, expected);
	}
	return uris == 1 && good == 1 ? ERR_OK : ERR_AUTH;
}

enum err
shim_peer_check(X509 *x, const char *expected)
{
	uint32_t flags = X509_get_extension_flags(x);

	if ((flags & (EXFLAG_INVALID | EXFLAG_CA)) != 0)
		return ERR_AUTH;
	/* Without the extension the getter says "everything": a certificate for nothing in
	 * particular is not one for us. */
	if ((flags & EXFLAG_XKUSAGE) == 0 || (X509_get_extended_key_usage(x) & XKU_SSL_SERVER) == 0)
		return ERR_AUTH;
	return check_uri(x, expected);
}

enum err
shim_peer_check_own(X509 *x, const char *expected, struct shim_ownkey *key)
{
	enum err e = ERR_AUTH;

	if (X509_check_private_key(x, shim_ownkey_evp(key)) == 1)
		e = check_uri(x, expected);
	ERR_clear_error();
	return e;
}
