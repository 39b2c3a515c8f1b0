/*
 * tool_hold - many streams that stand open and say nothing more, for the benches: both ends.
 * usage: tool_hold serve PORT CERT KEY: answers each request with a head and one event, and never
 * ends it tool_hold open ADDRESS CERT KEY ALPN HOST PATH COUNT: so many streams, a connection each
 * ADDRESS is 127.0.0.1:port. open prints one line when all stand; both end when stdin does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/sys.h"
#include "common/text.h"

#define THREADS 4
#define STREAMS_MAX 20000

static const char event[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    "7\r\ndata:1\n\r\n";

static struct {
	SSL_CTX *ctx;
	int listener;
	struct sockaddr_in to;
	const char *alpn, *host, *path;
	uint64_t count;
} conf;

static struct sockaddr_in
loopback(const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	in.sin_port = htons((uint16_t)atoi(port));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

/* So that no answer waits for the acknowledgement of what went before it. */
static SSL *
new_tls(int fd)
{
	SSL *ssl = SSL_new(conf.ctx);
	int on = 1;

	must(ssl != NULL && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
	     SSL_set_fd(ssl, fd) == 1);
	return ssl;
}

static bool
read_until(SSL *ssl, const char *end)
{
	char in[8192];
	size_t have = 0;

	while (have < sizeof in - 1) {
		int n = SSL_read(ssl, in + have, (int)(sizeof in - 1 - have));

		if (n <= 0)
			return false;
		have += (size_t)n;
		in[have] = '\0';
		if (strstr(in, end) != NULL)
			return true;
	}
	return false;
}

/* What it accepts stays open, and referenced by nobody, until the process ends. */
static void *
serve(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept4(conf.listener, NULL, NULL, SOCK_CLOEXEC);
		SSL *ssl = fd >= 0 ? new_tls(fd) : NULL;

		must(ssl != NULL);
		if (SSL_accept(ssl) == 1 && read_until(ssl, "\r\n\r\n"))
			(void)SSL_write(ssl, event, sizeof event - 1);
	}
	return NULL;
}

static bool
open_one(void)
{
	int fd = sys_socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl = new_tls(fd);
	unsigned char wire[64];
	size_t len = strlen(conf.alpn);
	char request[1024];
	int n = snprintf(request, sizeof request,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n\r\n", conf.path, conf.host);

	must(len < sizeof wire && n < (int)sizeof request);
	if (connect(fd, (struct sockaddr *)&conf.to, sizeof conf.to) != 0)
		return false;
	wire[0] = (unsigned char)len;
	memcpy(wire + 1, conf.alpn, len);
	(void)SSL_set_alpn_protos(ssl, wire, (unsigned)len + 1);
	return SSL_connect(ssl) == 1 && SSL_write(ssl, request, n) == n &&
	       read_until(ssl, "data:1\n");
}

static void *
open_some(void *arg)
{
	uint64_t *failed = arg;

	for (uint64_t i = 0; i < conf.count / THREADS; i++)
		*failed += !open_one();
	return NULL;
}

static uint64_t
run(void *(*fn)(void *), bool wait)
{
	static pthread_t threads[THREADS];
	static uint64_t failed[THREADS];
	uint64_t sum = 0;

	for (int i = 0; i < THREADS; i++)
		must(pthread_create(&threads[i], NULL, fn, &failed[i]) == 0);
	for (int i = 0; wait && i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		sum += failed[i];
	}
	return sum;
}

static int
use(const char *cert, const char *key)
{
	return SSL_CTX_use_certificate_chain_file(conf.ctx, cert) == 1 &&
	       SSL_CTX_use_PrivateKey_file(conf.ctx, key, SSL_FILETYPE_PEM) == 1;
}

int
main(int argc, char **argv)
{
	const bool server = argc == 5 && strcmp(argv[1], "serve") == 0;
	char byte;

	if (!server && (argc != 9 || strcmp(argv[1], "open") != 0 ||
			   text_u64(span_str(argv[8]), STREAMS_MAX, &conf.count) != ERR_OK)) {
		fprintf(stderr, "usage: tool_hold serve PORT CERT KEY | open ADDRESS CERT KEY ALPN "
				"HOST PATH COUNT\n");
		return 2;
	}
	conf.ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	must(conf.ctx != NULL && use(argv[3], argv[4]));
	if (server) {
		struct sockaddr_in in = loopback(argv[2]);

		conf.listener = sys_socket(AF_INET, SOCK_STREAM, 0);
		must(bind(conf.listener, (struct sockaddr *)&in, sizeof in) == 0 &&
		     listen(conf.listener, 4096) == 0);
		(void)run(serve, false);
	} else {
		conf.to = loopback(strrchr(argv[2], ':') + 1);
		conf.alpn = argv[5];
		conf.host = argv[6];
		conf.path = argv[7];
		printf("failed %llu\n", (unsigned long long)run(open_some, true));
		fflush(stdout);
	}
	while (read(0, &byte, 1) > 0)
		continue;
	_exit(0);
}
