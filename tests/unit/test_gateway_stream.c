/* A TLS connection of ours: when it is fit for another request, and how much of what comes is
 * looked at in one turn. */
#include <openssl/pem.h>

#include "broker/gateway/stream.h"
#include "broker/gateway/tls_client.h"
#include "common/sys.h"
#include "tests/lib/tap.h"
#include "tests/unit/leaf_fixture.h"

static void
ignore(struct watch *w, uint32_t events)
{
	(void)w;
	(void)events;
}

/* The server's last words go out, but for the last cut bytes. */
static void
deliver(SSL *server, int fd, size_t cut)
{
	uint8_t *out;
	long len = BIO_get_mem_data(SSL_get_wbio(server), &out);

	must(sys_write_all(fd, out, (size_t)len - cut) == ERR_OK);
	(void)BIO_reset(SSL_get_wbio(server));
}

struct idle {
	int fds[2];
	struct stream client;
	SSL *server;
};

static void
idle_open(struct idle *i, struct loop *l, SSL_CTX *ctx, SSL_CTX *trust)
{
	SSL *ssl;
	enum err e = ERR_AGAIN;

	i->server = SSL_new(ctx);
	must(i->server != NULL && tls_client_new(trust, "a.example", &ssl) == ERR_OK);
	must(sys_socketpair(SOCK_STREAM | SOCK_NONBLOCK, i->fds) == 0);
	must(stream_init(&i->client, l, i->fds[0], ssl, ignore, NULL) == ERR_OK);
	SSL_set_bio(i->server, BIO_new_socket(i->fds[1], BIO_NOCLOSE), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(i->server);
	for (int n = 0; n < 5; n++) {
		if (e == ERR_AGAIN)
			e = stream_handshake(&i->client);
		(void)SSL_do_handshake(i->server);
		deliver(i->server, i->fds[1], 0);
	}
	must(e == ERR_OK && SSL_is_init_finished(i->server) == 1);
}

static void
idle_close(struct idle *i)
{
	stream_close(&i->client, false);
	SSL_free(i->server);
	sys_close(i->fds[1]);
}

static void
test_silence(SSL_CTX *ctx, SSL_CTX *trust, struct loop *l)
{
	static const struct {
		const char *what;
		int tickets, bytes;
		size_t cut;
		bool want;
	} cases[] = { { "nothing came", 0, 0, 0, true }, { "a session ticket", 1, 0, 0, true },
		{ "two of them", 2, 0, 0, true }, { "a flood of them", 600, 0, 0, false },
		{ "a byte", 0, 1, 0, false }, { "a byte behind a ticket", 1, 1, 0, false },
		{ "half a record", 0, 9, 1, false } };

	for (size_t n = 0; n < COUNT(cases); n++) {
		struct idle i;

		idle_open(&i, l, ctx, trust);
		must(stream_silent(&i.client)); /* the two tickets behind every handshake */
		for (int k = 0; k < cases[n].tickets; k++)
			must(SSL_new_session_ticket(i.server) == 1 &&
			     SSL_do_handshake(i.server) == 1);
		if (cases[n].bytes > 0)
			must(SSL_write(i.server, "poisoned", cases[n].bytes) > 0);
		deliver(i.server, i.fds[1], cases[n].cut);
		ok(stream_silent(&i.client) == cases[n].want, "an idle connection, %s: %s",
		    cases[n].what, cases[n].want ? "stays" : "is no good");
		idle_close(&i);
	}
}

/* OpenSSL alone reads on where its buffer ends within a record's head: padded so, 257 records leave
 * 4 bytes of it, every time. */
static void
test_key_updates(SSL_CTX *ctx, SSL_CTX *trust, struct loop *l)
{
	struct idle i;
	uint8_t byte;
	size_t len;
	int calls = 0;

	idle_open(&i, l, ctx, trust);
	must(stream_silent(&i.client) && SSL_set_block_padding(i.server, 44) == 1);
	for (int n = 0; n < 2000; n++)
		must(SSL_key_update(i.server, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
		     SSL_do_handshake(i.server) == 1);
	must(SSL_write(i.server, "x", 1) == 1);
	deliver(i.server, i.fds[1], 0);
	while (calls++ < 20000 && stream_read(&i.client, &byte, 1, &len) == ERR_AGAIN)
		must(i.client.more);
	ok(calls > 2 && calls < 20000, "2 000 key updates take several calls (%d)", calls);
	idle_close(&i);
}

int
main(void)
{
	const struct leaf_spec spec = { .sans = { { GEN_DNS, "a.example", 0 } } };
	EVP_PKEY *ca_key = leaf_key(NULL), *key = leaf_key(NULL);
	X509 *ca = leaf_ca(ca_key), *leaf = leaf_make(&spec, key, ca, ca_key);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method()), *trust = leaf_trust(ca);
	struct loop *l;

	must(loop_new(&l) == ERR_OK && SSL_CTX_use_certificate(ctx, leaf) == 1 &&
	     SSL_CTX_use_PrivateKey(ctx, key) == 1);
	test_silence(ctx, trust, l);
	test_key_updates(ctx, trust, l);
	loop_free(l);
	SSL_CTX_free(trust);
	SSL_CTX_free(ctx);
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return done();
}
