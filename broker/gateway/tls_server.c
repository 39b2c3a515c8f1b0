#include "broker/gateway/tls_server.h"

#include <openssl/x509v3.h>

#define ALPN_CONTROL_NAME "sidekey-control"

/* In the order of our preference: the one that may do less comes first. */
static const char *const alpn_names[] = { "sidekey-forward", ALPN_CONTROL_NAME, "http/1.1" };

static bool
offered(struct span list, const char *name, const unsigned char **ret_out, unsigned char *ret_len)
{
	while (list.len > 0) {
		size_t len = list.p[0];

		if (len + 1 > list.len)
			return false;
		if (span_eq_str(span_of(list.p + 1, len), name)) {
			*ret_out = list.p + 1;
			*ret_len = (unsigned char)len;
			return true;
		}
		list = span_of(list.p + 1 + len, list.len - 1 - len);
	}
	return false;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned int in_len, void *arg)
{
	(void)ssl;
	(void)arg;
	for (size_t i = 0; i < COUNT(alpn_names); i++)
		if (offered(span_of(in, in_len), alpn_names[i], out, out_len))
			return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Chain, dates and purpose by OpenSSL; then our own grammar, since OpenSSL admits far more. */
static int
on_verify(X509_STORE_CTX *store, void *arg)
{
	const char *trust_domain = arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_peer *peer = SSL_get_app_data(ssl);

	peer->present = false;
	if (X509_verify_cert(store) != 1) {
		peer->refused = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
		return 0;
	}
	if (sk_X509_num(X509_STORE_CTX_get0_chain(store)) != 2)
		peer->refused = "chain";
	else if (identity_from_leaf(X509_STORE_CTX_get0_cert(store), trust_domain, &peer->id,
		     &peer->refused) == ERR_OK)
		peer->present = true;
	if (!peer->present)
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return peer->present;
}

static bool
trust_only(SSL_CTX *ctx, X509 *ca)
{
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *p;

	if (store == NULL)
		return false;
	SSL_CTX_set_cert_store(ctx, store); /* ctx owns it now */
	p = X509_STORE_get0_param(store);
	X509_VERIFY_PARAM_set_depth(p, 0); /* no intermediate: nobody but the CA signs a leaf */
	return X509_STORE_add_cert(store, ca) == 1 &&
	       X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_X509_STRICT) == 1;
}

static bool
configure(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
				     SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT |
				     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); /* asked for; routes say who needs one */
	/* A resumed session runs no certificate check at all: none is ever handed out. */
	return SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	       SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 &&
	       SSL_CTX_set1_client_sigalgs_list(ctx, "ECDSA+SHA256:ECDSA+SHA384") == 1;
}

enum err
tls_server_context(X509 *leaf, EVP_PKEY *key, X509 *ca, const char *trust_domain, SSL_CTX **ret_ctx)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return ERR_SYS;
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, (void *)(uintptr_t)trust_domain);
	if (!configure(ctx) || !trust_only(ctx, ca) || SSL_CTX_use_certificate(ctx, leaf) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
		SSL_CTX_free(ctx);
		return ERR_SYS;
	}
	*ret_ctx = ctx;
	return ERR_OK;
}

enum err
tls_server_new(SSL_CTX *ctx, struct tls_peer *peer, SSL **ret_ssl)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL)
		return ERR_NOMEM;
	SSL_set_app_data(ssl, peer);
	SSL_set_accept_state(ssl);
	*ret_ssl = ssl;
	return ERR_OK;
}

enum alpn
tls_server_alpn(const SSL *ssl)
{
	const unsigned char *name = NULL;
	unsigned int len = 0;

	SSL_get0_alpn_selected(ssl, &name, &len);
	return span_eq_str(span_of(name, len), ALPN_CONTROL_NAME) ? ALPN_CONTROL : ALPN_FORWARD;
}
