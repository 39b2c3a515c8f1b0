/* Whole handshakes in memory: whom our server lets in as whom, and which server our client
 * believes. */
#include <openssl/pem.h>
#include <unistd.h>

#include "broker/gateway/tls_client.h"
#include "broker/gateway/tls_io.h"
#include "broker/gateway/tls_server.h"
#include "tests/lib/tap.h"
#include "tests/unit/leaf_fixture.h"

static EVP_PKEY *ca_key, *other_key, *server_key;
static X509 *ca, *other_ca, *server_leaf;
static SSL_CTX *server_ctx;

static void
join(SSL *a, SSL *b)
{
	BIO *left, *right;

	must(BIO_new_bio_pair(&left, 0, &right, 0) == 1);
	SSL_set_bio(a, left, left);
	SSL_set_bio(b, right, right);
}

/* Both sides until neither moves. The verdicts of both. */
static void
shake(SSL *client, SSL *server, enum err *ret_client, enum err *ret_server)
{
	enum tls_want want;
	uint8_t byte[1];
	size_t len;

	*ret_client = *ret_server = ERR_AGAIN;
	for (int i = 0; i < 10; i++) {
		if (*ret_client == ERR_AGAIN)
			*ret_client = tls_io_handshake(client, &want);
		if (*ret_server == ERR_AGAIN)
			*ret_server = tls_io_handshake(server, &want);
	}
	/* In TLS 1.3 a client learns that its certificate was refused with its first read. */
	if (*ret_client == ERR_OK && tls_io_read(client, byte, 1, &len, &want) != ERR_AGAIN)
		*ret_client = ERR_PROTO;
}

/* ---- our server ---- */

struct outcome {
	enum err server;
	struct tls_peer peer;
	enum alpn alpn;
	bool resumable;
};

static SSL_CTX *
client_context(X509 *leaf, EVP_PKEY *key, X509 *extra)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	must(ctx != NULL);
	SSL_CTX_set_security_level(ctx, 0); /* a hostile client has no scruples */
	if (leaf != NULL)
		must(SSL_CTX_use_certificate(ctx, leaf) == 1 &&
		     SSL_CTX_use_PrivateKey(ctx, key) == 1);
	if (extra != NULL)
		must(SSL_CTX_add1_chain_cert(ctx, extra) == 1);
	return ctx;
}

static struct outcome
meet(SSL_CTX *client_ctx, const char *alpn)
{
	struct outcome o = { .alpn = ALPN_FORWARD };
	SSL *client = SSL_new(client_ctx), *server;
	enum err e;

	must(client != NULL && tls_server_new(server_ctx, &o.peer, &server) == ERR_OK);
	SSL_set_connect_state(client);
	if (alpn != NULL)
		must(SSL_set_alpn_protos(
			 client, (const unsigned char *)alpn, (unsigned int)strlen(alpn)) == 0);
	join(client, server);
	shake(client, server, &e, &o.server);
	if (o.server == ERR_OK)
		o.alpn = tls_server_alpn(server);
	o.resumable = SSL_SESSION_is_resumable(SSL_get0_session(client)) == 1 &&
		      SSL_SESSION_has_ticket(SSL_get0_session(client)) == 1;
	SSL_free(client);
	SSL_free(server);
	return o;
}

static void
test_certificate(
    const char *what, const struct leaf_spec *spec, X509 *issuer, EVP_PKEY *issuer_key, bool good)
{
	EVP_PKEY *key = leaf_key(spec->group);
	X509 *leaf = leaf_make(spec, key, issuer, issuer_key == NULL ? key : issuer_key);
	SSL_CTX *ctx = client_context(leaf, key, NULL);
	struct outcome o = meet(ctx, NULL);

	if (good)
		ok(o.server == ERR_OK && o.peer.present && o.peer.refused == NULL &&
			strcmp(o.peer.id.workload, "coder") == 0 && !o.resumable,
		    "%s: is coder, and gets no ticket", what);
	else
		ok(o.server == ERR_AUTH && !o.peer.present && o.peer.refused != NULL,
		    "%s: refused (%s)", what, o.peer.refused == NULL ? "-" : o.peer.refused);
	SSL_CTX_free(ctx);
	X509_free(leaf);
	EVP_PKEY_free(key);
}

static void
test_certificates(void)
{
	static const struct {
		const char *what;
		struct leaf_spec spec;
		bool good;
	} cases[] = {
		{ "a good certificate", { .cn = NULL }, true },
		{ "expired", { .from_s = -7200, .until_s = -1 }, false },
		{ "not yet valid", { .from_s = 60, .until_s = 3600 }, false },
		{ "serverAuth alone", { .eku = "serverAuth" }, false },
		{ "clientAuth alone", { .eku = "clientAuth" }, false },
		{ "no extended key usage", { .no_eku = true }, false },
		{ "two names", { .sans = { { GEN_URI, GOOD_URI, 0 }, { GEN_DNS, "x", 0 } } },
		    false },
		{ "a tempting CN", { .cn = "coder" }, false },
		{ "the gateway's name",
		    { .sans = { { GEN_URI, "spiffe://test.example/sidekey/gateway", 0 } } },
		    false },
		{ "version 1", { .v1 = true }, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		test_certificate(cases[i].what, &cases[i].spec, ca, ca_key, cases[i].good);
	test_certificate("self-signed", &cases[0].spec, NULL, NULL, false);
	test_certificate(
	    "of another CA with our CA's subject", &cases[0].spec, other_ca, other_key, false);
}

/* A leaf that signs a leaf, and a CA below our CA: chains of two. */
static void
test_chains(void)
{
	static const struct {
		const char *what;
		struct leaf_spec middle;
	} cases[] = {
		{ "signed by a leaf", { .cn = NULL } },
		{ "signed by a CA below ours",
		    { .bc = "critical,CA:TRUE", .ku = "critical,keyCertSign", .cn = "middle" } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *middle_key = leaf_key(NULL), *key = leaf_key(NULL);
		X509 *middle = leaf_make(&cases[i].middle, middle_key, ca, ca_key);
		X509 *leaf = leaf_make(&(struct leaf_spec){ .cn = NULL }, key, middle, middle_key);
		SSL_CTX *ctx = client_context(leaf, key, middle);
		struct outcome o = meet(ctx, NULL);

		ok(o.server == ERR_AUTH && !o.peer.present, "%s: refused", cases[i].what);
		SSL_CTX_free(ctx);
		X509_free(leaf);
		X509_free(middle);
		EVP_PKEY_free(key);
		EVP_PKEY_free(middle_key);
	}
}

static void
test_alpn(void)
{
	static const struct {
		const char *offer;
		enum err want;
		enum alpn alpn;
	} cases[] = {
		{ NULL, ERR_OK, ALPN_FORWARD },
		{ "\x08http/1.1", ERR_OK, ALPN_FORWARD },
		{ "\x0fsidekey-control", ERR_OK, ALPN_CONTROL },
		{ "\x0fsidekey-forward", ERR_OK, ALPN_FORWARD },
		{ "\x0fsidekey-control\x0fsidekey-forward", ERR_OK, ALPN_FORWARD },
		{ "\x08http/1.1\x0fsidekey-control", ERR_OK, ALPN_CONTROL },
		{ "\x0fsidekey-CONTROL", ERR_PROTO, ALPN_FORWARD },
		{ "\x02h2", ERR_PROTO, ALPN_FORWARD },
	};
	SSL_CTX *ctx = client_context(NULL, NULL, NULL);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct outcome o = meet(ctx, cases[i].offer);

		ok(o.server == cases[i].want && o.alpn == cases[i].alpn && !o.peer.present,
		    "ALPN %zu, without a certificate", i);
	}
	must(SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) == 1);
	ok(meet(ctx, NULL).server == ERR_PROTO, "TLS 1.2 is refused");
	SSL_CTX_free(ctx);
}

/* ---- our client ---- */

static bool forget_host;

static enum err
believe(const char *host, const struct leaf_spec *spec, X509 *issuer, EVP_PKEY *issuer_key,
    SSL_CTX *trust)
{
	EVP_PKEY *key = leaf_key(NULL);
	X509 *leaf = leaf_make(spec, key, issuer, issuer_key);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *client, *server;
	enum err e, other;

	must(ctx != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1 &&
	     SSL_CTX_use_PrivateKey(ctx, key) == 1);
	server = SSL_new(ctx);
	must(server != NULL && tls_client_new(trust, host, &client) == ERR_OK);
	SSL_set_accept_state(server);
	if (forget_host) /* as OpenSSL does where it has no memory to copy it */
		must(X509_VERIFY_PARAM_set1_host(SSL_get0_param(client), NULL, 0) == 1 &&
		     X509_VERIFY_PARAM_set1_ip(SSL_get0_param(client), NULL, 0) == 1);
	join(client, server);
	shake(client, server, &e, &other);
	if (e == ERR_OK && !tls_client_is_host(client, host))
		e = ERR_DENIED;
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ctx);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return e;
}

static void
test_client(SSL_CTX *trust)
{
	static const struct {
		const char *what, *host;
		struct leaf_spec spec;
		enum err want;
	} cases[] = {
		{ "its name", "api.example", { .sans = { { GEN_DNS, "api.example", 0 } } },
		    ERR_OK },
		{ "one of its names", "b.example",
		    { .sans = { { GEN_DNS, "a.example", 0 }, { GEN_DNS, "b.example", 0 } } },
		    ERR_OK },
		{ "a wildcard", "x.api.example", { .sans = { { GEN_DNS, "*.api.example", 0 } } },
		    ERR_OK },
		{ "another name", "api.example", { .sans = { { GEN_DNS, "evil.example", 0 } } },
		    ERR_AUTH },
		{ "a longer name", "api.example",
		    { .sans = { { GEN_DNS, "api.example.evil", 0 } } }, ERR_AUTH },
		{ "a wildcard over two labels", "x.y.api.example",
		    { .sans = { { GEN_DNS, "*.api.example", 0 } } }, ERR_AUTH },
		{ "a partial wildcard", "xa.b.example",
		    { .sans = { { GEN_DNS, "x*.b.example", 0 } } }, ERR_AUTH },
		{ "NUL in a name", "api.example",
		    { .sans = { { GEN_DNS, "api.example\0.evil", 17 } } }, ERR_AUTH },
		{ "the CN alone", "api.example", { .no_san = true, .cn = "api.example" },
		    ERR_AUTH },
		{ "the CN beside a URI", "api.example",
		    { .sans = { { GEN_URI, GOOD_URI, 0 } }, .cn = "api.example" }, ERR_AUTH },
		{ "an address", "127.0.0.1", { .sans = { { GEN_IPADD, "\x7f\0\0\1", 4 } } },
		    ERR_OK },
		{ "another address", "127.0.0.1", { .sans = { { GEN_IPADD, "\x7f\0\0\2", 4 } } },
		    ERR_AUTH },
		{ "an address as a name", "127.0.0.1", { .sans = { { GEN_DNS, "127.0.0.1", 0 } } },
		    ERR_AUTH },
		{ "expired", "a.example",
		    { .sans = { { GEN_DNS, "a.example", 0 } }, .from_s = -99, .until_s = -1 },
		    ERR_AUTH },
		{ "clientAuth alone", "a.example",
		    { .sans = { { GEN_DNS, "a.example", 0 } }, .eku = "clientAuth" }, ERR_AUTH },
	};
	const struct leaf_spec good = { .sans = { { GEN_DNS, "a.example", 0 } } };

	for (size_t i = 0; i < COUNT(cases); i++)
		is_err(believe(cases[i].host, &cases[i].spec, ca, ca_key, trust), cases[i].want,
		    cases[i].what);
	is_err(believe("a.example", &good, other_ca, other_key, trust), ERR_AUTH,
	    "of a CA that is not trusted");
	forget_host = true;
	for (size_t i = 0; i < COUNT(cases); i++)
		ok((believe(cases[i].host, &cases[i].spec, ca, ca_key, trust) == ERR_OK) ==
			(cases[i].want == ERR_OK),
		    "%s: the same when OpenSSL forgot whom it looks for", cases[i].what);
	forget_host = false;
}

/* ---- the system's CAs ---- */

static struct leaf_spec
ca_spec(const char *cn)
{
	return (struct leaf_spec){ .bc = "critical,CA:TRUE",
		.ku = "critical,keyCertSign,cRLSign",
		.cn = cn,
		.no_eku = true,
		.no_san = true };
}

static int
in_store(SSL_CTX *ctx)
{
	return sk_X509_OBJECT_num(X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx)));
}

static SSL_CTX *
bundle(const char *path, X509 *const *list, size_t count)
{
	BIO *out = BIO_new_file(path, "w");
	SSL_CTX *ctx = NULL;

	must(out != NULL);
	must(BIO_puts(out, "# comment\n-----BEGIN CERTIFICATE-----\nMAMCAQE=\n"
			   "-----END CERTIFICATE-----\n") > 0);
	for (size_t i = 0; i < count; i++)
		must(PEM_write_bio_X509(out, list[i]) == 1);
	BIO_free(out);
	is_err(tls_client_from_file(path, &ctx), ERR_OK, "a bundle, in it one that is none");
	return ctx;
}

static void
test_bundle(void)
{
	const struct leaf_spec root_spec = ca_spec("Root"), middle_spec = ca_spec("Middle"),
			       good = { .sans = { { GEN_DNS, "a.example", 0 } } };
	EVP_PKEY *root_key = leaf_key(NULL), *middle_key = leaf_key(NULL),
		 *stranger = leaf_key(NULL);
	X509 *root = leaf_make(&root_spec, root_key, NULL, root_key);
	X509 *middle = leaf_make(&middle_spec, middle_key, root, root_key);
	X509 *const all[] = { ca, middle, other_ca, root };
	char path[] = "/tmp/test_gateway_tls_XXXXXX";
	SSL_CTX *none, *ctx;

	must(close(mkstemp(path)) == 0);
	is_err(tls_client_from_file(path, &none), ERR_NOT_FOUND, "an empty one");
	ctx = bundle(path, all, COUNT(all));
	must(unlink(path) == 0);
	ok(in_store(ctx) == 0, "none is parsed yet");
	is_err(believe("a.example", &good, root, stranger, ctx), ERR_AUTH,
	    "a name that it holds, another key");
	ok(in_store(ctx) == 1, "what is of that name is parsed (%d)", in_store(ctx));
	is_err(believe("a.example", &good, other_ca, other_key, ctx), ERR_OK, "one of the bundle");
	is_err(believe("a.example", &good, ca, ca_key, ctx), ERR_OK, "another of the same name");
	ok(in_store(ctx) == 3, "both are parsed, the rest is not (%d)", in_store(ctx));
	is_err(believe("a.example", &good, ca, stranger, ctx), ERR_AUTH, "a forged one");
	is_err(believe("a.example", &good, middle, middle_key, ctx), ERR_OK,
	    "one that another of the bundle vouches for");
	ok(in_store(ctx) == 4, "and that is parsed, too (%d)", in_store(ctx));
	is_err(believe("b.example", &good, middle, middle_key, ctx), ERR_AUTH,
	    "the host's name is checked as ever");
	SSL_CTX_free(ctx);
	ctx = bundle(path, &all[1], 1);
	must(unlink(path) == 0);
	is_err(believe("a.example", &good, middle, middle_key, ctx), ERR_AUTH,
	    "one whose own issuer is not there");
	SSL_CTX_free(ctx);
	X509_free(middle);
	X509_free(root);
	EVP_PKEY_free(stranger);
	EVP_PKEY_free(middle_key);
	EVP_PKEY_free(root_key);
}

int
main(void)
{
	const struct leaf_spec gateway = {
		.sans = { { GEN_URI, "spiffe://test.example/sidekey/gateway", 0 } }
	};
	SSL_CTX *trust, *none;

	ca_key = leaf_key(NULL);
	other_key = leaf_key(NULL);
	server_key = leaf_key(NULL);
	ca = leaf_ca(ca_key);
	other_ca = leaf_ca(other_key);
	server_leaf = leaf_make(&gateway, server_key, ca, ca_key);
	is_err(tls_server_context(server_leaf, server_key, ca, TRUST_DOMAIN, &server_ctx), ERR_OK,
	    "a server context");
	is_err(tls_server_context(server_leaf, other_key, ca, TRUST_DOMAIN, &none), ERR_SYS,
	    "not with another key");
	test_certificates();
	test_chains();
	test_alpn();
	trust = leaf_trust(ca);
	test_client(trust);
	test_bundle();
	is_err(tls_client_from_pem("no certificate", &none), ERR_SYNTAX, "a PEM without any");
	is_err(
	    tls_client_from_file("/nonexistent", &none), ERR_NOT_FOUND, "a file that is not there");
	SSL_CTX_free(trust);
	SSL_CTX_free(server_ctx);
	X509_free(server_leaf);
	X509_free(other_ca);
	X509_free(ca);
	EVP_PKEY_free(server_key);
	EVP_PKEY_free(other_key);
	EVP_PKEY_free(ca_key);
	return done();
}
