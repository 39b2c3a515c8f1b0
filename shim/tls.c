#include "shim/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "broker/gateway/tls_memory.h"
#include "common/name.h"
#include "common/sys.h"
#include "shim/limits.h"
#include "shim/peer.h"

struct shim_tls_ctx {
	SSL_CTX *ssl_ctx;
};

struct shim_tls {
	SSL *ssl;
	int fd;
	uint32_t wants;
	const char *alpn;
	char why[SHIM_WHY_SIZE];
};

#define OPENSSL_SECURE_LEN 32768 /* locked memory for the numbers of private keys */
#define OPENSSL_SECURE_MIN 32

enum err
shim_tls_init(void)
{
	if (tls_memory_init() != ERR_OK)
		return ERR_SYS;
	/* The image's openssl.cnf could name a module to load into this process. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1 ||
	    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		return ERR_SYS;
	return CRYPTO_secure_malloc_init(OPENSSL_SECURE_LEN, OPENSSL_SECURE_MIN) == 1 ? ERR_OK
										      : ERR_SYS;
}

static void
free_expected(void *parent, void *p, CRYPTO_EX_DATA *ad, int i, long argl, void *argp)
{
	(void)parent, (void)ad, (void)i, (void)argl, (void)argp;
	free(p);
}

/* Where a context keeps the SPIFFE ID that its peers must have. */
static int
expected_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_expected);
	return index;
}

/* Runs for each certificate of the chain, before we sent anything of ours. */
static int
on_certificate(int good, X509_STORE_CTX *store_ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store_ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	const char *expected = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), expected_index());

	if (!good || X509_STORE_CTX_get_error_depth(store_ctx) > 0)
		return good;
	if (shim_peer_check(X509_STORE_CTX_get_current_cert(store_ctx), expected) == ERR_OK)
		return 1;
	X509_STORE_CTX_set_error(store_ctx, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static void
free_bio(BIO **b)
{
	BIO_free(*b);
}

static void
free_x509(X509 **x)
{
	X509_free(*x);
}

static enum err
use_ca(SSL_CTX *c, struct span pem)
{
	AUTO(free_bio) BIO *in = NULL;
	X509_STORE *store = SSL_CTX_get_cert_store(c);
	int count = 0;

	if (pem.len == 0 || pem.len > SHIM_ENROLL_FILE_MAX)
		return ERR_SYNTAX;
	in = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (in == NULL)
		return ERR_NOMEM;
	for (;;) {
		AUTO(free_x509) X509 *ca = PEM_read_bio_X509(in, NULL, NULL, NULL);

		if (ca == NULL)
			break;
		if (++count > SHIM_CA_COUNT_MAX)
			return ERR_SYNTAX;
		if (X509_check_ca(ca) != 1) /* a leaf as anchor would vouch for itself */
			return ERR_SYNTAX;
		if (X509_STORE_add_cert(store, ca) != 1)
			return ERR_NOMEM;
	}
	/* The loop must have ended for want of another certificate, not for a bad one. */
	if (count == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return ERR_SYNTAX;
	ERR_clear_error();
	return ERR_OK;
}

static enum err
use_expected(SSL_CTX *c, const char *trust_domain)
{
	char *expected = malloc(SPIFFE_ID_LEN_MAX + 1);

	if (expected == NULL || expected_index() < 0 ||
	    SSL_CTX_set_ex_data(c, expected_index(), expected) != 1) {
		free(expected);
		return ERR_NOMEM;
	}
	(void)snprintf(
	    expected, SPIFFE_ID_LEN_MAX + 1, "spiffe://%s/%s", trust_domain, SPIFFE_GATEWAY_PATH);
	return ERR_OK;
}

static enum err
set_up(SSL_CTX *c, struct span ca_pem, const char *trust_domain)
{
	enum err e;

	ERR_clear_error();
	if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1)
		return ERR_SYS;
	(void)SSL_CTX_set_options(
	    c, SSL_OP_NO_TICKET | SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_COMPRESSION);
	/* a resumed session skips every check */
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_security_level(c, 2);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, on_certificate);
	SSL_CTX_set_verify_depth(c, 0); /* the CA signs the gateway's certificate itself */
	e = use_ca(c, ca_pem);
	if (e == ERR_OK)
		e = use_expected(c, trust_domain);
	ERR_clear_error();
	return e;
}

enum err
shim_tls_ctx_new(struct span ca_pem, const char *trust_domain, struct shim_tls_ctx **ret_ctx)
{
	AUTO(shim_tls_ctx_freep) struct shim_tls_ctx *ctx = calloc(1, sizeof *ctx);
	enum err e;

	if (ctx == NULL)
		return ERR_NOMEM;
	ctx->ssl_ctx = SSL_CTX_new(TLS_client_method());
	if (ctx->ssl_ctx == NULL)
		return ERR_NOMEM;
	e = set_up(ctx->ssl_ctx, ca_pem, trust_domain);
	if (e != ERR_OK)
		return e;
	*ret_ctx = ctx;
	ctx = NULL; /* given away */
	return ERR_OK;
}

enum err
shim_tls_ctx_present(struct shim_tls_ctx *ctx, struct shim_ownkey *key, struct span certificate_pem,
    const char *expected)
{
	AUTO(free_bio) BIO *in = NULL;
	AUTO(free_x509) X509 *leaf = NULL;
	enum err e = ERR_SYNTAX;

	if (certificate_pem.len == 0 || certificate_pem.len > SHIM_ENROLL_FILE_MAX)
		return ERR_SYNTAX;
	ERR_clear_error();
	in = BIO_new_mem_buf(certificate_pem.p, (int)certificate_pem.len);
	leaf = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, NULL);
	if (leaf != NULL)
		e = shim_peer_check_own(leaf, expected, key);
	/* both or neither: it compares them first */
	if (e == ERR_OK &&
	    SSL_CTX_use_cert_and_key(ctx->ssl_ctx, leaf, shim_ownkey_evp(key), NULL, 1) != 1)
		e = ERR_SYNTAX;
	ERR_clear_error();
	return e;
}

void
shim_tls_ctx_free(struct shim_tls_ctx *ctx)
{
	if (ctx == NULL)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	free(ctx);
}

void
shim_tls_ctx_freep(struct shim_tls_ctx **ctx)
{
	shim_tls_ctx_free(*ctx);
	*ctx = NULL;
}

static enum err
offer(SSL *ssl, const char *alpn)
{
	unsigned char wire[32];
	size_t len = strlen(alpn);

	must(len + 1 < sizeof wire);
	wire[0] = (unsigned char)len;
	memcpy(wire + 1, alpn, len);
	return SSL_set_alpn_protos(ssl, wire, (unsigned)len + 1) == 0 ? ERR_OK : ERR_NOMEM;
}

enum err
shim_tls_new(struct shim_tls_ctx *ctx, const char *alpn, struct shim_tls **ret_t)
{
	struct shim_tls *t = calloc(1, sizeof *t);

	if (t == NULL)
		return ERR_NOMEM;
	ERR_clear_error();
	t->fd = -1;
	t->wants = EPOLLIN;
	t->alpn = alpn;
	(void)snprintf(t->why, sizeof t->why, "no connection");
	t->ssl = SSL_new(ctx->ssl_ctx);
	if (t->ssl == NULL || offer(t->ssl, alpn) != ERR_OK) {
		shim_tls_free(t);
		return ERR_NOMEM;
	}
	SSL_set_connect_state(t->ssl);
	*ret_t = t;
	return ERR_OK;
}

void
shim_tls_free(struct shim_tls *t)
{
	if (t == NULL)
		return;
	tls_memory_free(t->ssl);
	sys_close(t->fd);
	free(t);
}

enum err
shim_tls_set_fd(struct shim_tls *t, int fd)
{
	must(t->fd == -1);
	ERR_clear_error();
	if (SSL_set_fd(t->ssl, fd) != 1)
		return ERR_NOMEM;
	t->fd = fd;
	return ERR_OK;
}

void
shim_tls_drop_fd(struct shim_tls *t)
{
	must(SSL_in_before(t->ssl));
	SSL_set_bio(t->ssl, NULL, NULL);
	sys_close(t->fd);
	t->fd = -1;
}

static enum err
fail(struct shim_tls *t, enum err e, const char *why)
{
	(void)snprintf(t->why, sizeof t->why, "%s", why);
	ERR_clear_error();
	return e;
}

/* Alerts by which a server says what it thinks of our certificate (RFC 8446 section 6.2). */
static bool
is_refusal(int reason)
{
	switch (reason) {
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

static enum err
classify_ssl(struct shim_tls *t)
{
	unsigned long code = ERR_peek_error();
	long verified = SSL_get_verify_result(t->ssl);
	const char *reason = ERR_reason_error_string(code);
	char why[SHIM_WHY_SIZE];

	if (verified == X509_V_ERR_APPLICATION_VERIFICATION)
		return fail(
		    t, ERR_AUTH, "its certificate is not that of this trust domain's gateway");
	if (verified != X509_V_OK) {
		(void)snprintf(why, sizeof why, "its certificate was not accepted: %s",
		    X509_verify_cert_error_string(verified));
		return fail(t, ERR_AUTH, why);
	}
	if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return fail(t, ERR_IO, "the connection broke off");
	(void)snprintf(
	    why, sizeof why, "TLS failed: %s", reason != NULL ? reason : "no reason given");
	return fail(t, is_refusal(ERR_GET_REASON(code)) ? ERR_DENIED : ERR_PROTO, why);
}

/* Library conventions end here. */
static enum err
classify(struct shim_tls *t, int result)
{
	int saved = errno;

	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		t->wants = EPOLLIN;
		return ERR_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->wants = EPOLLOUT;
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return fail(t, ERR_EOF, "the connection was closed");
	case SSL_ERROR_SSL:
		return classify_ssl(t);
	default:
		return fail(t, ERR_IO, saved != 0 ? strerror(saved) : "the connection broke off");
	}
}

enum err
shim_tls_handshake(struct shim_tls *t)
{
	const unsigned char *alpn;
	unsigned alpn_len;
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(t->ssl);
	if (result != 1) {
		enum err e = classify(t, result);

		return e == ERR_EOF ? ERR_IO : e;
	}
	/* Nothing else on earth speaks these; a server that ignores them would take a child's
	 * request for ours. */
	SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
	if (!span_eq_str(span_of(alpn, alpn_len), t->alpn))
		return fail(t, ERR_PROTO, "it does not speak Sidekey's protocol");
	return ERR_OK;
}

enum err
shim_tls_read(struct shim_tls *t, void *p, size_t size, size_t *ret_len)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_read_ex(t->ssl, p, size, ret_len);
	return result == 1 ? ERR_OK : classify(t, result);
}

enum err
shim_tls_write(struct shim_tls *t, const void *p, size_t len, size_t *ret_len)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_write_ex(t->ssl, p, len, ret_len);
	return result == 1 ? ERR_OK : classify(t, result);
}

enum err
shim_tls_end(struct shim_tls *t)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_shutdown(t->ssl);
	return result >= 0 ? ERR_OK : classify(t, result);
}

uint32_t
shim_tls_wants(const struct shim_tls *t)
{
	return t->wants;
}

const char *
shim_tls_why(const struct shim_tls *t)
{
	return t->why;
}
