/*
 * tool_load - load over mTLS from N connections, for the benches: counts, and latency percentiles.
 * usage: tool_load ADDRESS CERT KEY ALPN HOST PATH CONNECTIONS SECONDS [cold]
 * ADDRESS unix:/path or 127.0.0.1:port; CERT "-" for none; ALPN "-" for none; cold: a connection a
 * request, its handshake counted. Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/clock.h"
#include "common/sys.h"
#include "common/text.h"

#define CONNECTIONS_MAX 1024
#define SAMPLES_MAX 200000 /* a connection; later ones are not kept */

struct job {
	pthread_t thread;
	uint64_t done, errors;
	uint32_t *samples_us;
	uint32_t sample_count;
};

static struct {
	const char *address, *host, *path;
	const char *alpn;
	SSL_CTX *ctx;
	int64_t end_us;
	bool cold;
} conf;

static int
dial(const char *address)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET };
	const char *colon = strrchr(address, ':');
	int on = 1, fd;

	if (strncmp(address, "unix:", 5) == 0) {
		must(span_copy_str(span_str(address + 5), un.sun_path, sizeof un.sun_path));
		fd = sys_socket(AF_UNIX, SOCK_STREAM, 0);
		return connect(fd, (struct sockaddr *)&un, sizeof un) == 0 ? fd : -1;
	}
	must(colon != NULL);
	in.sin_port = htons((uint16_t)atoi(colon + 1));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = sys_socket(AF_INET, SOCK_STREAM, 0);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return connect(fd, (struct sockaddr *)&in, sizeof in) == 0 ? fd : -1;
}

static SSL *
connect_tls(void)
{
	SSL *ssl = SSL_new(conf.ctx);
	unsigned char wire[64];
	size_t len = strlen(conf.alpn);
	int fd = dial(conf.address);

	must(ssl != NULL && len < sizeof wire);
	if (fd < 0 || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	wire[0] = (unsigned char)len;
	memcpy(wire + 1, conf.alpn, len);
	if (strcmp(conf.alpn, "-") != 0)
		(void)SSL_set_alpn_protos(ssl, wire, (unsigned)len + 1);
	if (SSL_connect(ssl) == 1)
		return ssl;
	SSL_free(ssl);
	sys_close(fd);
	return NULL;
}

/* A whole response with a Content-Length; 200 or not. */
static bool
one_request(SSL *ssl, const char *request, size_t request_len)
{
	char in[8192];
	size_t have = 0, want = 0;

	if (SSL_write(ssl, request, (int)request_len) != (int)request_len)
		return false;
	for (;;) {
		int n = SSL_read(ssl, in + have, (int)(sizeof in - 1 - have));
		char *end, *length;

		if (n <= 0)
			return false;
		have += (size_t)n;
		in[have] = '\0';
		end = strstr(in, "\r\n\r\n");
		if (want == 0 && end != NULL) {
			length = strcasestr(in, "\r\nContent-Length: ");
			if (length == NULL)
				return false;
			want = (size_t)(end + 4 - in) + strtoul(length + 18, NULL, 10);
		}
		if (want > 0 && have >= want)
			return strncmp(in, "HTTP/1.1 200", 12) == 0;
	}
}

static void
hang_up(SSL *ssl)
{
	int fd = ssl != NULL ? SSL_get_fd(ssl) : -1;

	SSL_free(ssl);
	if (fd >= 0)
		sys_close(fd);
}

static void *
work(void *arg)
{
	struct job *j = arg;
	char request[1024];
	int len = snprintf(request, sizeof request,
	    "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n\r\n", conf.path, conf.host);
	SSL *ssl = conf.cold ? NULL : connect_tls();

	while ((conf.cold || ssl != NULL) && clock_mono_us() < conf.end_us) {
		int64_t start_us = clock_mono_us();

		if (conf.cold) {
			hang_up(ssl);
			ssl = connect_tls();
		}
		if (ssl == NULL || !one_request(ssl, request, (size_t)len)) {
			j->errors++;
			break;
		}
		j->done++;
		if (j->sample_count < SAMPLES_MAX)
			j->samples_us[j->sample_count++] = (uint32_t)(clock_mono_us() - start_us);
	}
	j->errors += ssl == NULL;
	hang_up(ssl);
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
report(struct job *jobs, size_t count, double seconds)
{
	uint64_t done = 0, errors = 0;
	size_t n = 0;
	uint32_t *all;

	for (size_t i = 0; i < count; i++)
		n += jobs[i].sample_count;
	all = calloc(n + 1, sizeof *all);
	must(all != NULL);
	n = 0;
	for (size_t i = 0; i < count; i++) {
		done += jobs[i].done;
		errors += jobs[i].errors;
		memcpy(all + n, jobs[i].samples_us, jobs[i].sample_count * sizeof *all);
		n += jobs[i].sample_count;
		free(jobs[i].samples_us);
	}
	qsort(all, n, sizeof *all, by_value);
	printf("{\"requests\": %llu, \"errors\": %llu, \"seconds\": %.3f, \"p50_us\": %u, "
	       "\"p99_us\": %u}\n",
	    (unsigned long long)done, (unsigned long long)errors, seconds, all[n / 2],
	    all[n * 99 / 100]);
	free(all);
}

int
main(int argc, char **argv)
{
	static struct job jobs[CONNECTIONS_MAX];
	uint64_t count, seconds;
	int64_t start_us;

	conf.cold = argc == 10 && strcmp(argv[9], "cold") == 0;
	if (argc != 9 + conf.cold ||
	    text_u64(span_str(argv[7]), CONNECTIONS_MAX, &count) != ERR_OK ||
	    text_u64(span_str(argv[8]), 600, &seconds) != ERR_OK) {
		fprintf(stderr, "usage: tool_load ADDRESS CERT KEY ALPN HOST PATH CONNECTIONS "
				"SECONDS [cold]\n");
		return 2;
	}
	conf.address = argv[1];
	conf.alpn = argv[4];
	conf.host = argv[5];
	conf.path = argv[6];
	conf.ctx = SSL_CTX_new(TLS_client_method());
	must(conf.ctx != NULL);
	if (strcmp(argv[2], "-") != 0)
		must(SSL_CTX_use_certificate_chain_file(conf.ctx, argv[2]) == 1 &&
		     SSL_CTX_use_PrivateKey_file(conf.ctx, argv[3], SSL_FILETYPE_PEM) == 1);
	start_us = clock_mono_us();
	conf.end_us = start_us + (int64_t)seconds * 1000000;
	for (size_t i = 0; i < count; i++) {
		jobs[i].samples_us = calloc(SAMPLES_MAX, sizeof(uint32_t));
		must(jobs[i].samples_us != NULL &&
		     pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) == 0);
	}
	for (size_t i = 0; i < count; i++)
		(void)pthread_join(jobs[i].thread, NULL);
	report(jobs, count, (double)(clock_mono_us() - start_us) / 1e6);
	return 0;
}
