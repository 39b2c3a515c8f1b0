/* Certificates and TLS: whatever fails, nobody becomes a workload who is none, and no server is
 * believed that is none. */
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "broker/gateway/servercert.h"
#include "broker/gateway/tls_client.h"
#include "broker/gateway/tls_io.h"
#include "broker/gateway/tls_server.h"
#include "broker/keeper/crypto/ca.h"
#include "broker/keeper/crypto/crypto.h"
#include "common/sys.h"
#include "shim/ownkey.h"
#include "shim/tls.h"
#include "tests/torture/torture.h"
#include "tests/unit/leaf_fixture.h"

#define NOW_S 1790000000
#define SPIFFE "spiffe://" TRUST_DOMAIN "/"

static struct ca *ca, *other_ca, *made_ca;
static struct buf row = BUF_MAX(16384), out = BUF_MAX(16384), csr_der = BUF_MAX(4096);
static struct servercert cert; /* its trust domain is what the context points to */
static struct shim_ownkey *own_key, *made_key;
static struct shim_tls_ctx *shim_ctx;
static SSL_CTX *made_ctx, *server_ctx, *client_ctx, *stranger_ctx;
static SSL *made_ssl, *client, *server;
static struct tls_peer peer;
static char pem_path[] = "/tmp/sidekey-torture-XXXXXX";
static struct buf leaf_pem = BUF_MAX(8192);

static void
nothing(void)
{
}

static X509 *
x509_of(struct span der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);

	must(x != NULL);
	return x;
}

static struct span
csr_of(EVP_PKEY *key)
{
	X509_REQ *req = X509_REQ_new();
	unsigned char *p;
	int len;

	must(X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(req, NULL);
	buf_clear(&csr_der);
	must(len > 0 && buf_reserve(&csr_der, (size_t)len) == ERR_OK);
	p = buf_tail(&csr_der);
	must(i2d_X509_REQ(req, &p) == len);
	buf_added(&csr_der, (size_t)len);
	X509_REQ_free(req);
	return buf_span(&csr_der);
}

static enum err
issue(const struct ca *by, const char *id, struct span csr, struct buf *ret_der)
{
	struct ca_leaf leaf = { .spiffe_id = id, .not_before_s = time(NULL) - 60 };

	leaf.not_after_s = leaf.not_before_s + 3600;
	ca_serial(leaf.serial);
	return ca_issue(by, csr, &leaf, ret_der);
}

static SSL_CTX *
client_with(const struct ca *by)
{
	AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);
	EVP_PKEY *key = leaf_key(NULL);
	SSL_CTX *ctx = NULL;
	X509 *leaf;

	must(issue(by, SPIFFE "coder", csr_of(key), &der) == ERR_OK);
	leaf = x509_of(buf_span(&der));
	must(tls_client_from_pem(ca_pem(ca), &ctx) == ERR_OK);
	must(SSL_CTX_use_certificate(ctx, leaf) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL); /* the server's certificate has no host */
	X509_free(leaf);
	EVP_PKEY_free(key);
	return ctx;
}

static void
make_server(void)
{
	AUTO(buf_wipe) struct buf csr = BUF_MAX(SERVERCERT_CSR_MAX);
	AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);

	must(servercert_request(&cert, &csr) == ERR_OK);
	must(issue(ca, SPIFFE "sidekey/gateway", buf_span(&csr), &der) == ERR_OK);
	must(servercert_install(&cert, buf_span(&der), ca_der(ca), TRUST_DOMAIN, NOW_S) == ERR_OK);
	server_ctx = cert.tls;
}

static void
first(void)
{
	must(crypto_init() == ERR_OK && secret_arena_init(1u << 20) == ERR_OK);
	must(shim_tls_init() == ERR_OK);
	must(ca_new(TRUST_DOMAIN, time(NULL), &ca) == ERR_OK);
	must(ca_new(TRUST_DOMAIN, time(NULL), &other_ca) == ERR_OK);
	must(ca_save(ca, &row) == ERR_OK);
	must(sys_replace_file(pem_path, span_str(ca_pem(ca)), 0600) == ERR_OK);
	make_server();
	client_ctx = client_with(ca);
	stranger_ctx = client_with(other_ca);
	must(shim_ownkey_new(&own_key) == ERR_OK);
}

/* ---- the CA ---- */

static enum err
run_ca_new(void)
{
	enum err e = ca_new(TRUST_DOMAIN, NOW_S, &made_ca);

	return e == ERR_OK ? ca_save(made_ca, &out) : e;
}

static enum err
run_ca_load(void)
{
	return ca_load(buf_span(&row), &made_ca);
}

static void
check_ca_load(enum err e)
{
	if ((e == ERR_OK) != (made_ca != NULL))
		torture_wrong("%s, and what it gave does not fit that", err_name(e));
	if (e == ERR_OK && !span_eq(ca_der(made_ca), ca_der(ca)))
		torture_wrong("another CA came back");
}

static void
check_ca_new(enum err e)
{
	if (e == ERR_OK && (made_ca == NULL || out.len == 0))
		torture_wrong("nothing was made");
}

static void
tear_down_ca(void)
{
	ERR_clear_error(); /* its texts would count as lost */
	ca_free(made_ca);
	made_ca = NULL;
	buf_wipe(&out);
}

static void
set_up_issue(void)
{
	(void)csr_of(shim_ownkey_evp(own_key));
}

static enum err
run_issue(void)
{
	return issue(ca, SPIFFE "coder", buf_span(&csr_der), &out);
}

/* Read as a gateway would. */
static void
check_issue(enum err e)
{
	struct identity id;
	const char *why;
	X509 *x;

	if (e != ERR_OK && out.len != 0)
		torture_wrong("%s, and half a certificate", err_name(e));
	if (e == ERR_SYNTAX) /* where a key is decoded, OpenSSL loses that it had no memory */
		torture_wrong("a good request is called bad: %s", err_name(e));
	if (e != ERR_OK)
		return;
	x = x509_of(buf_span(&out));
	if (identity_from_leaf(x, TRUST_DOMAIN, &id, &why) != ERR_OK ||
	    strcmp(id.workload, "coder") != 0 ||
	    X509_check_private_key(x, shim_ownkey_evp(own_key)) != 1)
		torture_wrong("the certificate is not that workload's and key's");
	X509_free(x);
}

/* DER of the gateway, PEM of the shim. */
static void
check_request(enum err e, bool pem)
{
	X509_REQ *req;
	BIO *bio;

	if (e != ERR_OK && out.len != 0)
		torture_wrong("%s, and half a request", err_name(e));
	if (e != ERR_OK)
		return;
	bio = BIO_new_mem_buf(out.data, (int)out.len);
	req = pem ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : d2i_X509_REQ_bio(bio, NULL);
	if (req == NULL || X509_REQ_verify(req, X509_REQ_get0_pubkey(req)) != 1)
		torture_wrong("a request that is none");
	X509_REQ_free(req);
	BIO_free(bio);
}

static void
check_csr(enum err e)
{
	check_request(e, false);
}

static void
check_own_key(enum err e)
{
	check_request(e, true);
}

/* ---- the gateway's own certificate ---- */

static struct servercert fresh;

static enum err
run_servercert(void)
{
	return servercert_request(&fresh, &out);
}

static void
set_up_install(void)
{
	AUTO(buf_wipe) struct buf csr = BUF_MAX(SERVERCERT_CSR_MAX);

	must(servercert_request(&fresh, &csr) == ERR_OK);
	must(issue(ca, SPIFFE "sidekey/gateway", buf_span(&csr), &out) == ERR_OK);
}

static enum err
run_install(void)
{
	return servercert_install(&fresh, buf_span(&out), ca_der(ca), TRUST_DOMAIN, NOW_S);
}

static void
check_install(enum err e)
{
	if ((e == ERR_OK) != (fresh.tls != NULL) || (e == ERR_OK) != (fresh.next_key == NULL))
		torture_wrong("%s, and what is in use does not fit that", err_name(e));
}

static void
tear_down_servercert(void)
{
	ERR_clear_error(); /* its texts would count as lost */
	servercert_close(&fresh);
	buf_wipe(&out);
}

/* ---- contexts ---- */

static enum err
run_client_pem(void)
{
	enum err e = tls_client_from_pem(ca_pem(ca), &made_ctx);

	return e == ERR_OK ? tls_client_new(made_ctx, "api.example", &made_ssl) : e;
}

static enum err
run_client_file(void)
{
	enum err e = tls_client_from_file(pem_path, &made_ctx);

	return e == ERR_OK ? tls_client_new(made_ctx, "192.0.2.1", &made_ssl) : e;
}

static enum err
run_server_new(void)
{
	return tls_server_new(server_ctx, &peer, &made_ssl);
}

static void
check_context(enum err e)
{
	if ((e == ERR_OK) != (made_ssl != NULL))
		torture_wrong("%s, and what it gave does not fit that", err_name(e));
	if (made_ssl != NULL && !SSL_is_server(made_ssl) &&
	    (SSL_get_verify_mode(made_ssl) & SSL_VERIFY_PEER) == 0)
		torture_wrong("a client that verifies nobody");
}

static void
tear_down_context(void)
{
	ERR_clear_error(); /* its texts would count as lost */
	SSL_free(made_ssl);
	SSL_CTX_free(made_ctx);
	made_ssl = NULL;
	made_ctx = NULL;
}

/* ---- handshakes ---- */

static void
set_up_pair(SSL_CTX *ctx)
{
	BIO *left, *right;

	peer = (struct tls_peer){ 0 };
	client = SSL_new(ctx);
	must(client != NULL && tls_server_new(server_ctx, &peer, &server) == ERR_OK);
	SSL_set_connect_state(client);
	must(BIO_new_bio_pair(&left, 0, &right, 0) == 1);
	SSL_set_bio(client, left, left);
	SSL_set_bio(server, right, right);
}

static void
set_up_workload(void)
{
	set_up_pair(client_ctx);
}

static void
set_up_stranger(void)
{
	set_up_pair(stranger_ctx);
}

/* The server's certificate is of a CA that the client trusts, and of another host. */
static void
set_up_imposter(void)
{
	set_up_pair(client_ctx);
	SSL_set_verify(client, SSL_VERIFY_PEER, NULL);
	must(SSL_set1_host(client, "api.example") == 1);
}

static enum err
shake(enum err *ret_client)
{
	enum err c = ERR_AGAIN, s = ERR_AGAIN;
	enum tls_want want;

	for (int i = 0; i < 10; i++) {
		if (c == ERR_AGAIN)
			c = tls_io_handshake(client, &want);
		if (s == ERR_AGAIN)
			s = tls_io_handshake(server, &want);
	}
	*ret_client = c;
	return s;
}

static enum err
run_workload(void)
{
	enum err e;

	return shake(&e);
}

static void
check_workload(enum err e)
{
	if (e == ERR_OK && peer.present && strcmp(peer.id.workload, "coder") != 0)
		torture_wrong("let in as somebody else");
}

/* ERR_OK: it is nobody, as it must be each time; without a certificate anybody may connect. */
static enum err
run_stranger(void)
{
	enum err e;

	(void)shake(&e);
	return peer.present ? ERR_DENIED : ERR_OK;
}

static enum err
run_imposter(void)
{
	enum err e;

	(void)shake(&e);
	return e == ERR_OK && tls_client_is_host(client, "api.example") ? ERR_DENIED : ERR_OK;
}

static void
check_kept_out(enum err e)
{
	if (e != ERR_OK)
		torture_wrong("was let in");
}

static void
tear_down_pair(void)
{
	ERR_clear_error(); /* its texts would count as lost */
	SSL_free(client);
	SSL_free(server);
	client = server = NULL;
}

/* ---- the shim ---- */

static enum err
run_own_key(void)
{
	enum err e = shim_ownkey_new(&made_key);

	return e == ERR_OK ? shim_ownkey_csr(made_key, &out) : e;
}

static void
set_up_shim(void)
{
	AUTO(buf_wipe) struct buf der = BUF_MAX(CA_CERT_LEN_MAX);

	must(issue(ca, SPIFFE "coder", csr_of(shim_ownkey_evp(own_key)), &der) == ERR_OK);
	must(ca_to_pem(buf_span(&der), &leaf_pem) == ERR_OK);
}

static enum err
run_shim(void)
{
	enum err e = shim_tls_ctx_new(span_str(ca_pem(ca)), TRUST_DOMAIN, &shim_ctx);

	if (e == ERR_OK)
		e = shim_tls_ctx_present(shim_ctx, own_key, buf_span(&leaf_pem), SPIFFE "coder");
	return e;
}

static void
check_shim(enum err e)
{
	struct shim_tls *t = NULL;

	if (e == ERR_OK && shim_tls_new(shim_ctx, SHIM_ALPN_CONTROL, &t) != ERR_OK)
		torture_wrong("the context makes no connection");
	shim_tls_free(t);
}

static void
tear_down_shim(void)
{
	ERR_clear_error(); /* its texts would count as lost */
	shim_tls_ctx_freep(&shim_ctx);
	shim_ownkey_freep(&made_key);
	buf_wipe(&leaf_pem);
	buf_wipe(&out);
}

static const struct torture_path paths[] = {
	{ "CA: make and save", NULL, nothing, run_ca_new, check_ca_new, tear_down_ca, false },
	{ "CA: load", NULL, nothing, run_ca_load, check_ca_load, tear_down_ca, false },
	{ "CA: issue", NULL, set_up_issue, run_issue, check_issue, tear_down_ca, false },
	{ "gateway: request", NULL, nothing, run_servercert, check_csr, tear_down_servercert,
	    false },
	{ "gateway: install", NULL, set_up_install, run_install, check_install,
	    tear_down_servercert, false },
	{ "client: a PEM", NULL, nothing, run_client_pem, check_context, tear_down_context, false },
	{ "client: a file", NULL, nothing, run_client_file, check_context, tear_down_context,
	    false },
	{ "server: a connection", NULL, nothing, run_server_new, check_context, tear_down_context,
	    false },
	{ "handshake: a workload", NULL, set_up_workload, run_workload, check_workload,
	    tear_down_pair, false },
	{ "handshake: a stranger", NULL, set_up_stranger, run_stranger, check_kept_out,
	    tear_down_pair, true },
	{ "handshake: an imposter", NULL, set_up_imposter, run_imposter, check_kept_out,
	    tear_down_pair, true },
	{ "shim: key and request", NULL, nothing, run_own_key, check_own_key, tear_down_shim,
	    false },
	{ "shim: context", NULL, set_up_shim, run_shim, check_shim, tear_down_shim, false },
};

int
main(int argc, char **argv)
{
	int fd = mkstemp(pem_path), code; /* each process writes its own CA into it */

	must(fd >= 0);
	sys_close(fd);
	code = torture_main(paths, COUNT(paths), first, argc, argv);
	(void)sys_unlink(pem_path);
	return code;
}
