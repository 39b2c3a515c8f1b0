/* Hostile leaves, all of them signed by our own CA: the grammar alone stands between them and an
 * identity. */
#include <openssl/rsa.h>

#include "broker/gateway/identity.h"
#include "tests/lib/tap.h"
#include "tests/unit/leaf_fixture.h"

#define URI(s)                                                                                     \
	{                                                                                          \
		{                                                                                  \
			GEN_URI, s, sizeof(s) - 1                                                  \
		}                                                                                  \
	}

static const struct {
	const char *what;
	struct leaf_spec spec;
	const char *reason; /* NULL: good */
} cases[] = {
	{ "a good leaf", { .md = NULL }, NULL },
	{ "P-384 with SHA-384", { .group = "P-384" }, NULL },
	{ "four segments", { .sans = URI("spiffe://test.example/a/b.c/d_e/f-1") }, NULL },
	{ "a serial of one byte", { .serial = "01" }, NULL },
	{ "no SAN", { .no_san = true }, "san" },
	{ "no SAN and a tempting CN", { .no_san = true, .cn = "coder" }, "subject" },
	{ "a good SAN beside a CN", { .cn = "admin" }, "subject" },
	{ "two SAN extensions", { .san_twice = true }, "extension" },
	{ "an empty SAN", { .sans = { { GEN_URI, NULL, 0 } } }, "san_count" },
	{ "two URIs", { .sans = { { GEN_URI, GOOD_URI, 0 }, { GEN_URI, GOOD_URI "2", 0 } } },
	    "san_count" },
	{ "the same URI twice", { .sans = { { GEN_URI, GOOD_URI, 0 }, { GEN_URI, GOOD_URI, 0 } } },
	    "san_count" },
	{ "a URI and a DNS name", { .sans = { { GEN_URI, GOOD_URI, 0 }, { GEN_DNS, "coder", 0 } } },
	    "san_count" },
	{ "a DNS name", { .sans = { { GEN_DNS, "coder", 0 } } }, "san_type" },
	{ "the ID as a DNS name", { .sans = { { GEN_DNS, GOOD_URI, 0 } } }, "san_type" },
	{ "the ID as an e-mail address", { .sans = { { GEN_EMAIL, GOOD_URI, 0 } } }, "san_type" },
	{ "an IP address", { .sans = { { GEN_IPADD, "\x7f\0\0\1", 4 } } }, "san_type" },
	{ "another trust domain", { .sans = URI("spiffe://other.example/coder") }, "spiffe_id" },
	{ "a longer trust domain", { .sans = URI("spiffe://test.example.org/coder") },
	    "spiffe_id" },
	{ "a shorter trust domain", { .sans = URI("spiffe://test.exampl/coder") }, "spiffe_id" },
	{ "the trust domain in capitals", { .sans = URI("spiffe://TEST.example/coder") },
	    "spiffe_id" },
	{ "the scheme in capitals", { .sans = URI("SPIFFE://test.example/coder") }, "spiffe_id" },
	{ "another scheme", { .sans = URI("https://test.example/coder") }, "spiffe_id" },
	{ "user information", { .sans = URI("spiffe://x@test.example/coder") }, "spiffe_id" },
	{ "a port", { .sans = URI("spiffe://test.example:443/coder") }, "spiffe_id" },
	{ "a query", { .sans = URI("spiffe://test.example/coder?a") }, "spiffe_id" },
	{ "a fragment", { .sans = URI("spiffe://test.example/coder#a") }, "spiffe_id" },
	{ "no path", { .sans = URI("spiffe://test.example") }, "spiffe_id" },
	{ "an empty path", { .sans = URI("spiffe://test.example/") }, "spiffe_id" },
	{ "a slash at the end", { .sans = URI("spiffe://test.example/coder/") }, "spiffe_id" },
	{ "an empty segment", { .sans = URI("spiffe://test.example//coder") }, "spiffe_id" },
	{ "a dot segment", { .sans = URI("spiffe://test.example/a/../coder") }, "spiffe_id" },
	{ "an escape", { .sans = URI("spiffe://test.example/%63oder") }, "spiffe_id" },
	{ "an escaped dot", { .sans = URI("spiffe://test.example/%2e") }, "spiffe_id" },
	{ "capitals", { .sans = URI("spiffe://test.example/Coder") }, "spiffe_id" },
	{ "NUL at the end", { .sans = URI("spiffe://test.example/coder\0") }, "spiffe_id" },
	{ "NUL inside", { .sans = URI("spiffe://test.example/coder\0.evil") }, "spiffe_id" },
	{ "NUL in the trust domain", { .sans = URI("spiffe://test.example\0/coder") },
	    "spiffe_id" },
	{ "CR LF", { .sans = URI("spiffe://test.example/co\r\nder") }, "spiffe_id" },
	{ "beyond ASCII",
	    { .sans = URI("spiffe://test.example/c\xc3\xb6"
			  "der") },
	    "spiffe_id" },
	{ "a space in front", { .sans = URI(" spiffe://test.example/coder") }, "spiffe_id" },
	{ "five segments", { .sans = URI("spiffe://test.example/a/b/c/d/e") }, "spiffe_id" },
	{ "the gateway's own name", { .sans = URI("spiffe://test.example/sidekey/gateway") },
	    "reserved_name" },
	{ "another reserved name", { .sans = URI("spiffe://test.example/sidekey/admin") },
	    "spiffe_id" },
	{ "a CA", { .bc = "critical,CA:TRUE" }, "ca" },
	{ "a CA that may sign", { .bc = "critical,CA:TRUE", .ku = "digitalSignature,keyCertSign" },
	    "ca" },
	{ "no CA that may sign", { .ku = "critical,digitalSignature,keyCertSign" }, "key_usage" },
	{ "one that may sign CRLs", { .ku = "critical,digitalSignature,cRLSign" }, "key_usage" },
	{ "no key usage", { .no_ku = true }, "key_usage" },
	{ "no digitalSignature", { .ku = "critical,keyAgreement" }, "key_usage" },
	{ "no extended key usage", { .no_eku = true }, "extended_key_usage" },
	{ "clientAuth alone", { .eku = "clientAuth" }, "extended_key_usage" },
	{ "serverAuth alone", { .eku = "serverAuth" }, "extended_key_usage" },
	{ "codeSigning", { .eku = "codeSigning" }, "extended_key_usage" },
	{ "serverAuth and another", { .eku = "serverAuth,codeSigning" }, "extended_key_usage" },
	{ "clientAuth and another", { .eku = "clientAuth,codeSigning" }, "extended_key_usage" },
	{ "any", { .eku = "anyExtendedKeyUsage" }, "extended_key_usage" },
	{ "both and any", { .eku = "clientAuth,serverAuth,anyExtendedKeyUsage" },
	    "extended_key_usage" },
	{ "both and codeSigning", { .eku = "clientAuth,serverAuth,codeSigning" },
	    "extended_key_usage" },
	{ "clientAuth twice", { .eku = "clientAuth,clientAuth" }, "extended_key_usage" },
	{ "version 1", { .v1 = true }, "version" },
	{ "an unknown critical extension", { .unknown_critical = true }, "extension" },
	{ "P-521", { .group = "P-521" }, "key" },
	{ "secp256k1", { .group = "secp256k1" }, "key" },
	{ "RSA", { .rsa = true }, "key" },
	{ "SHA-1", { .group = NULL, .md = NULL }, "signature" }, /* md is set in main() */
	{ "serial zero", { .serial = "00" }, "serial" },
	{ "a negative serial", { .serial = "-1234" }, "serial" },
	{ "a serial with its top bit set", { .serial = "8234567890abcdef1234567890abcdef" },
	    "serial" },
	{ "a serial of 17 bytes", { .serial = "011234567890abcdef1234567890abcdef" }, "serial" },
};

static void
test_one(
    const char *what, const struct leaf_spec *spec, const char *want, EVP_PKEY *ca_key, X509 *ca)
{
	EVP_PKEY *key = spec->rsa ? EVP_RSA_gen(2048) : leaf_key(spec->group);
	X509 *leaf = leaf_make(spec, key, ca, ca_key);
	struct identity id = { .workload = "untouched" };
	const char *reason = NULL;
	enum err e = identity_from_leaf(leaf, TRUST_DOMAIN, &id, &reason);

	if (want == NULL)
		ok(e == ERR_OK && reason == NULL && id.workload[0] != '\0' &&
			strcmp(id.workload, "untouched") != 0 && id.not_after_s > time(NULL),
		    "%s is taken", what);
	else if (!ok(e == ERR_DENIED && reason != NULL && strcmp(reason, want) == 0 &&
			 strcmp(id.workload, "untouched") == 0,
		     "%s is refused", what))
		printf("# %s: %s\n", err_name(e), reason == NULL ? "no reason" : reason);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

static void
test_many_names(EVP_PKEY *ca_key, X509 *ca)
{
	static char uri[3000];
	struct leaf_spec spec = { .sans = { { GEN_URI, uri, sizeof uri } } };

	memset(uri, 'a', sizeof uri);
	memcpy(uri, "spiffe://test.example/", 22);
	test_one("a URI of 3 000 bytes", &spec, "spiffe_id", ca_key, ca);
	for (size_t i = 0; i < LEAF_SANS_MAX; i++)
		spec.sans[i] = (struct leaf_san){ GEN_URI, GOOD_URI, 0 };
	test_one("200 names", &spec, "san_count", ca_key, ca);
}

int
main(void)
{
	EVP_PKEY *ca_key = leaf_key(NULL);
	X509 *ca = leaf_ca(ca_key);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct leaf_spec spec = cases[i].spec;

		if (strcmp(cases[i].what, "SHA-1") == 0)
			spec.md = EVP_sha1();
		test_one(cases[i].what, &spec, cases[i].reason, ca_key, ca);
	}
	test_many_names(ca_key, ca);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	return done();
}
