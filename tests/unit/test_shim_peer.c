#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "shim/ownkey.h"
#include "shim/peer.h"
#include "tests/lib/tap.h"

#define EXPECTED "spiffe://test.example/sidekey/gateway"
#define URI "URI:" EXPECTED

static const struct {
	const char *what, *san, *eku, *basic, *cn;
	enum err e;
} cases[] = {
	{ "exactly that URI", URI, "serverAuth", NULL, NULL, ERR_OK },
	{ "both usages, as an SVID has them", URI, "serverAuth,clientAuth", "CA:FALSE", NULL,
	    ERR_OK },
	{ "a DNS name beside it", "DNS:broker," URI, "serverAuth", NULL, NULL, ERR_OK },
	{ "no names and a tempting common name", NULL, "serverAuth", NULL, EXPECTED, ERR_AUTH },
	{ "a DNS name alone", "DNS:broker", "serverAuth", NULL, "broker", ERR_AUTH },
	{ "a workload's", "URI:spiffe://test.example/coder", "serverAuth,clientAuth", NULL, NULL,
	    ERR_AUTH },
	{ "a workload whose name ends like it", "URI:spiffe://test.example/x/sidekey/gateway",
	    "serverAuth", NULL, NULL, ERR_AUTH },
	{ "another trust domain", "URI:spiffe://other.example/sidekey/gateway", "serverAuth", NULL,
	    NULL, ERR_AUTH },
	{ "another case", "URI:SPIFFE://test.example/sidekey/gateway", "serverAuth", NULL, NULL,
	    ERR_AUTH },
	{ "something behind it", "URI:" EXPECTED "/", "serverAuth", NULL, NULL, ERR_AUTH },
	{ "a prefix of it", "URI:spiffe://test.example/sidekey/gatewa", "serverAuth", NULL, NULL,
	    ERR_AUTH },
	{ "twice that URI", URI "," URI, "serverAuth", NULL, NULL, ERR_AUTH },
	{ "a second URI behind it", URI ",URI:spiffe://test.example/coder", "serverAuth", NULL,
	    NULL, ERR_AUTH },
	{ "a second URI in front of it", "URI:https://x/," URI, "serverAuth", NULL, NULL,
	    ERR_AUTH },
	{ "a client's usage", URI, "clientAuth", NULL, NULL, ERR_AUTH },
	{ "code signing", URI, "codeSigning", NULL, NULL, ERR_AUTH },
	{ "any usage", URI, "anyExtendedKeyUsage", NULL, NULL, ERR_AUTH },
	{ "no usage at all", URI, NULL, NULL, NULL, ERR_AUTH },
	{ "a CA", URI, "serverAuth", "critical,CA:TRUE", NULL, ERR_AUTH },
};

static void
add(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *ext;

	if (value == NULL)
		return;
	ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	must(ext != NULL && X509_add_ext(x, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

static X509 *
make(EVP_PKEY *key, const char *san, const char *eku, const char *basic, const char *cn)
{
	X509 *x = X509_new(), *again = NULL;
	unsigned char *der = NULL;
	const unsigned char *at;
	int len;

	must(X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 7) == 1);
	must(X509_gmtime_adj(X509_getm_notBefore(x), 0) != NULL &&
	     X509_gmtime_adj(X509_getm_notAfter(x), 3600) != NULL);
	if (cn != NULL)
		must(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
			 (const unsigned char *)cn, -1, -1, 0) == 1);
	must(X509_set_pubkey(x, key) == 1);
	add(x, NID_basic_constraints, basic);
	add(x, NID_ext_key_usage, eku);
	add(x, NID_subject_alt_name, san);
	must(X509_sign(x, key, EVP_sha256()) > 0);
	len = i2d_X509(x, &der); /* as it comes from a peer: parsed, nothing cached */
	at = der;
	must(len > 0 && d2i_X509(&again, &at, len) != NULL);
	OPENSSL_free(der);
	X509_free(x);
	return again;
}

/* The broker's answer to our own request. */
static void
test_own(void)
{
	AUTO(shim_ownkey_freep) struct shim_ownkey *key = NULL, *other = NULL;
	X509 *x;

	is_err(shim_ownkey_new(&key), ERR_OK, "a key");
	is_err(shim_ownkey_new(&other), ERR_OK, "another key");
	x = make(shim_ownkey_evp(key), "URI:spiffe://test.example/coder", "clientAuth", NULL, NULL);
	is_err(shim_peer_check_own(x, "spiffe://test.example/coder", key), ERR_OK,
	    "a certificate for our name and key");
	is_err(shim_peer_check_own(x, "spiffe://test.example/other", key), ERR_AUTH,
	    "for another name");
	is_err(shim_peer_check_own(x, "spiffe://test.example/coder", other), ERR_AUTH,
	    "for another key");
	X509_free(x);
}

/* What a signer sees of us: a key, and no claim about anything. */
static void
test_csr(void)
{
	AUTO(shim_ownkey_freep) struct shim_ownkey *key = NULL;
	AUTO(buf_wipe) struct buf pem = BUF_MAX(4096);
	X509_REQ *req;
	BIO *in;

	is_err(shim_ownkey_new(&key), ERR_OK, "a key");
	is_err(shim_ownkey_csr(key, &pem), ERR_OK, "its request");
	in = BIO_new_mem_buf(pem.data, (int)pem.len);
	req = PEM_read_bio_X509_REQ(in, NULL, NULL, NULL);
	ok(req != NULL && X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) == 1, "is signed by it");
	ok(X509_NAME_entry_count(X509_REQ_get_subject_name(req)) == 0, "has an empty subject");
	ok(EVP_PKEY_eq(X509_REQ_get0_pubkey(req), shim_ownkey_evp(key)) == 1,
	    "and is for that key");
	X509_REQ_free(req);
	BIO_free(in);
}

int
main(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	for (size_t i = 0; i < COUNT(cases); i++) {
		X509 *x = make(key, cases[i].san, cases[i].eku, cases[i].basic, cases[i].cn);

		is_err(shim_peer_check(x, EXPECTED), cases[i].e, cases[i].what);
		X509_free(x);
	}
	EVP_PKEY_free(key);
	test_own();
	test_csr();
	return done();
}
