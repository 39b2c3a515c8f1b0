#include "broker/gateway/servercert.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "broker/gateway/tls_server.h"

void
servercert_close(struct servercert *c)
{
	SSL_CTX_free(c->tls);
	EVP_PKEY_free(c->next_key);
	c->tls = NULL;
	c->next_key = NULL;
}

/* The request says nothing but the key: the certificate says what the keeper knows of us. */
static X509_REQ *
request_for(EVP_PKEY *key)
{
	X509_REQ *req = X509_REQ_new();

	if (req == NULL)
		return NULL;
	if (X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_pubkey(req, key) != 1 || X509_REQ_sign(req, key, EVP_sha256()) <= 0) {
		X509_REQ_free(req);
		return NULL;
	}
	return req;
}

static enum err
put_der(X509_REQ *req, struct buf *out)
{
	int len = i2d_X509_REQ(req, NULL);
	enum err e;
	uint8_t *p;

	if (len <= 0)
		return ERR_SYS;
	e = buf_reserve(out, (size_t)len);
	if (e != ERR_OK)
		return e;
	p = buf_tail(out);
	if (i2d_X509_REQ(req, &p) != len)
		return ERR_SYS;
	buf_added(out, (size_t)len);
	return ERR_OK;
}

enum err
servercert_request(struct servercert *c, struct buf *ret_csr)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *req = key == NULL ? NULL : request_for(key);
	enum err e = req == NULL ? ERR_SYS : put_der(req, ret_csr);

	X509_REQ_free(req);
	if (e != ERR_OK) {
		EVP_PKEY_free(key);
		return e;
	}
	EVP_PKEY_free(c->next_key);
	c->next_key = key;
	return ERR_OK;
}

static X509 *
read_der(struct span der)
{
	const uint8_t *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	if (x != NULL && p != der.p + der.len) {
		X509_free(x);
		return NULL;
	}
	return x;
}

enum err
servercert_install(struct servercert *c, struct span leaf_der, struct span ca_der,
    const char *trust_domain, int64_t not_after_s)
{
	X509 *leaf = read_der(leaf_der), *ca = read_der(ca_der);
	SSL_CTX *tls = NULL;
	enum err e = ERR_OK;

	if (leaf == NULL || ca == NULL)
		e = ERR_SYNTAX;
	else if (c->next_key == NULL || X509_check_private_key(leaf, c->next_key) != 1)
		e = ERR_AUTH;
	else if (!span_copy_str(span_str(trust_domain), c->trust_domain, sizeof c->trust_domain))
		e = ERR_SYNTAX;
	if (e == ERR_OK)
		e = tls_server_context(leaf, c->next_key, ca, c->trust_domain, &tls);
	X509_free(leaf);
	X509_free(ca);
	if (e != ERR_OK)
		return e;
	SSL_CTX_free(c->tls); /* counted: open connections hold it */
	c->tls = tls;
	EVP_PKEY_free(c->next_key);
	c->next_key = NULL;
	c->not_after_s = not_after_s;
	return ERR_OK;
}
