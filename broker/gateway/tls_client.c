#include "broker/gateway/tls_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "broker/gateway/addr.h"
#include "broker/gateway/anchors.h"

static const unsigned char alpn_http1[] = "\x08http/1.1";

static enum err
context_new(SSL_CTX **ret_ctx)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return ERR_SYS;
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_TICKET);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
	    SSL_CTX_set_alpn_protos(ctx, alpn_http1, sizeof alpn_http1 - 1) != 0) {
		SSL_CTX_free(ctx);
		return ERR_SYS;
	}
	*ret_ctx = ctx;
	return ERR_OK;
}

enum err
tls_client_from_file(const char *path, SSL_CTX **ret_ctx)
{
	SSL_CTX *ctx;
	enum err e = context_new(&ctx);

	if (e != ERR_OK)
		return e;
	/* Never a folder of hashed names: those are opened when a chain is verified, in the
	 * sandbox. */
	e = anchors_load(ctx, path);
	if (e != ERR_OK) {
		SSL_CTX_free(ctx);
		return e;
	}
	*ret_ctx = ctx;
	return ERR_OK;
}

static size_t
add_certificates(X509_STORE *store, BIO *bio)
{
	size_t count = 0;
	X509 *x;

	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		count += X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
	}
	ERR_clear_error(); /* the end of the text is an error to PEM_read_bio */
	return count;
}

enum err
tls_client_from_pem(const char *pem, SSL_CTX **ret_ctx)
{
	SSL_CTX *ctx;
	BIO *bio;
	size_t count;
	enum err e = context_new(&ctx);

	if (e != ERR_OK)
		return e;
	bio = BIO_new_mem_buf(pem, -1);
	count = bio == NULL ? 0 : add_certificates(SSL_CTX_get_cert_store(ctx), bio);
	BIO_free(bio);
	if (count == 0) {
		SSL_CTX_free(ctx);
		return ERR_SYNTAX;
	}
	*ret_ctx = ctx;
	return ERR_OK;
}

#define HOST_FLAGS (X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

/* An address has no SNI (RFC 6066 section 3) and is looked for among the iPAddress names. */
static bool
expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	struct addr literal;

	X509_VERIFY_PARAM_set_hostflags(p, HOST_FLAGS);
	if (addr_parse(host, 0, &literal) == ERR_OK)
		return X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1;
	return X509_VERIFY_PARAM_set1_host(p, host, strlen(host)) == 1 &&
	       SSL_set_tlsext_host_name(ssl, host) == 1;
}

enum err
tls_client_new(SSL_CTX *ctx, const char *host, SSL **ret_ssl)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL)
		return ERR_NOMEM;
	SSL_set_connect_state(ssl);
	if (host[0] == '\0' || !expect_host(ssl, host)) {
		SSL_free(ssl);
		return ERR_SYS;
	}
	*ret_ssl = ssl;
	return ERR_OK;
}

bool
tls_client_is_host(const SSL *ssl, const char *host)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	struct addr literal;

	if (leaf == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return false;
	return addr_parse(host, 0, &literal) == ERR_OK
		   ? X509_check_ip_asc(leaf, host, 0) == 1
		   : X509_check_host(leaf, host, 0, HOST_FLAGS, NULL) == 1;
}
