/* A write that fails inside, at each of its allocations: behind the end of the connection nothing
 * of what was written is in the memory that OpenSSL had for it. */
#include <sys/uio.h>
#include <unistd.h>

#include "broker/gateway/tls_memory.h"
#include "tests/lib/tap.h"
#include "tests/unit/leaf_fixture.h"

#define BLOCKS_MAX 20000
#define TRIES_MAX 200
#define CANARY_LEN 1000

/* What OpenSSL took for the connections that are tried. */
static struct iovec blocks[BLOCKS_MAX];
static size_t count;
static int until_failure; /* 0: none fails */
static uint8_t canary[CANARY_LEN];

static void *
memory_new(size_t len, const char *file, int line)
{
	void *p;

	(void)file;
	(void)line;
	if (until_failure > 0 && --until_failure == 0)
		return NULL;
	p = malloc(len);
	must(count < BLOCKS_MAX);
	blocks[count++] = (struct iovec){ p, len };
	return p;
}

/* They are free by now: the kernel reads them. */
static bool
is_left(void)
{
	static uint8_t copy[1u << 17];

	for (size_t i = 0; i < count; i++) {
		struct iovec local = { copy, sizeof copy };
		ssize_t n;

		must(blocks[i].iov_len <= sizeof copy);
		n = process_vm_readv(getpid(), &local, 1, &blocks[i], 1, 0);
		if (n > 0 && memmem(copy, (size_t)n, canary + CANARY_LEN / 2, 32) != NULL)
			return true;
	}
	return false;
}

static void
shake(SSL *client, SSL *server)
{
	BIO *left, *right;

	must(BIO_new_bio_pair(&left, 0, &right, 0) == 1);
	SSL_set_bio(client, left, left);
	SSL_set_bio(server, right, right);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 10; i++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	must(SSL_is_init_finished(client) == 1 && SSL_is_init_finished(server) == 1);
}

/* False: the write has fewer than n allocations. */
static bool
fails_at(SSL_CTX *client_ctx, SSL_CTX *server_ctx, int n)
{
	SSL *client, *server;
	bool failed;

	count = 0;
	client = SSL_new(client_ctx);
	server = SSL_new(server_ctx);
	must(client != NULL && server != NULL);
	shake(client, server);
	until_failure = n;
	failed = SSL_write(client, canary, sizeof canary) != (int)sizeof canary;
	must(failed == (until_failure == 0));
	until_failure = 0;
	SSL_free(server);
	tls_memory_free(client);
	ok(!is_left(), "%s %d", failed ? "one that failed at allocation" : "one that passed", n);
	return failed;
}

int
main(void)
{
	static const struct leaf_spec spec = { .eku = "serverAuth" };
	SSL_CTX *client_ctx, *server_ctx;
	EVP_PKEY *key;
	X509 *leaf;
	int n = 1;

	must(CRYPTO_set_mem_functions(memory_new, NULL, NULL) == 1);
	is_err(tls_memory_init(), ERR_OK, "first of all");
	key = leaf_key(NULL);
	leaf = leaf_make(&spec, key, NULL, key);
	client_ctx = SSL_CTX_new(TLS_client_method());
	server_ctx = SSL_CTX_new(TLS_server_method());
	must(client_ctx != NULL && server_ctx != NULL);
	must(SSL_CTX_use_certificate(server_ctx, leaf) == 1 &&
	     SSL_CTX_use_PrivateKey(server_ctx, key) == 1);
	SSL_CTX_set_options(client_ctx, SSL_OP_CLEANSE_PLAINTEXT);
	for (size_t i = 0; i < CANARY_LEN; i++)
		canary[i] = (uint8_t)(i * 37 ^ i >> 3);
	while (n < TRIES_MAX && fails_at(client_ctx, server_ctx, n))
		n++;
	ok(n > 1 && n < TRIES_MAX, "each of %d", n - 1);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	X509_free(leaf);
	EVP_PKEY_free(key);
	return done();
}
