#include "shim/ownkey.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct shim_ownkey {
	EVP_PKEY *evp;
};

enum err
shim_ownkey_new(struct shim_ownkey **ret_k)
{
	struct shim_ownkey *k = calloc(1, sizeof *k);

	if (k == NULL)
		return ERR_NOMEM;
	k->evp = EVP_EC_gen("P-256");
	ERR_clear_error();
	if (k->evp == NULL) {
		free(k);
		return ERR_SYS;
	}
	*ret_k = k;
	return ERR_OK;
}

void
shim_ownkey_free(struct shim_ownkey *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->evp);
	free(k);
}

void
shim_ownkey_freep(struct shim_ownkey **k)
{
	shim_ownkey_free(*k);
	*k = NULL;
}

static void
free_req(X509_REQ **r)
{
	X509_REQ_free(*r);
}

static void
free_bio(BIO **b)
{
	BIO_free(*b);
}

enum err
shim_ownkey_csr(struct shim_ownkey *k, struct buf *ret_pem)
{
	AUTO(free_req) X509_REQ *req = X509_REQ_new();
	AUTO(free_bio) BIO *out = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (req == NULL || out == NULL)
		return ERR_NOMEM;
	if (X509_REQ_set_version(req, 0) != 1 || X509_REQ_set_pubkey(req, k->evp) != 1 ||
	    X509_REQ_sign(req, k->evp, EVP_sha256()) <= 0 ||
	    PEM_write_bio_X509_REQ(out, req) != 1) {
		ERR_clear_error();
		return ERR_SYS;
	}
	len = BIO_get_mem_data(out, &text);
	return len > 0 ? buf_append(ret_pem, text, (size_t)len) : ERR_SYS;
}

struct evp_pkey_st *
shim_ownkey_evp(struct shim_ownkey *k)
{
	return k->evp;
}
