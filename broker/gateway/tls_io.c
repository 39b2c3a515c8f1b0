#include "broker/gateway/tls_io.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>

#include "common/sys.h"

/* ---- the socket ---- */

static int
wire_result(BIO *b, struct tls_wire *w, ssize_t n, int retry_flag)
{
	BIO_clear_retry_flags(b);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		BIO_set_flags(b, retry_flag | BIO_FLAGS_SHOULD_RETRY);
		w->empty = w->empty || retry_flag == BIO_FLAGS_READ;
	}
	return (int)n; /* at most what was asked for, an int */
}

static int
wire_in(BIO *b, char *p, int len)
{
	struct tls_wire *w = BIO_get_data(b);
	ssize_t n;

	if (len <= 0)
		return 0;
	if (w->reads++ >= TLS_READS_MAX) {
		BIO_set_flags(b, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
		return -1;
	}
	n = sys_read(w->fd, p, (size_t)len);
	w->eof = n == 0;
	return wire_result(b, w, n, BIO_FLAGS_READ);
}

static int
wire_out(BIO *b, const char *p, int len)
{
	struct tls_wire *w = BIO_get_data(b);

	return len <= 0 ? 0 : wire_result(b, w, sys_write(w->fd, p, (size_t)len), BIO_FLAGS_WRITE);
}

static long
wire_ctrl(BIO *b, int cmd, long number, void *p)
{
	struct tls_wire *w = BIO_get_data(b);

	(void)number;
	(void)p;
	if (cmd == BIO_CTRL_EOF)
		return w->eof;
	return cmd == BIO_CTRL_FLUSH; /* nothing is ever held back here */
}

static const BIO_METHOD *
wire_method(void)
{
	static BIO_METHOD *m; /* for the life of the process */

	if (m != NULL)
		return m;
	m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
	if (m == NULL)
		return NULL;
	must(BIO_meth_set_read(m, wire_in) == 1 && BIO_meth_set_write(m, wire_out) == 1 &&
	     BIO_meth_set_ctrl(m, wire_ctrl) == 1);
	return m;
}

enum err
tls_io_attach(SSL *ssl, struct tls_wire *w)
{
	const BIO_METHOD *m = wire_method();
	BIO *b = m == NULL ? NULL : BIO_new(m);

	if (b == NULL)
		return ERR_NOMEM;
	BIO_set_data(b, w);
	BIO_set_init(b, 1);
	SSL_set_bio(ssl, b, b); /* ssl owns it now */
	SSL_set_read_ahead(ssl, 1);
	return ERR_OK;
}

bool
tls_io_more(const SSL *ssl, const struct tls_wire *w, enum err e)
{
	if (e == ERR_OK)
		return SSL_has_pending(ssl) == 1;
	return e == ERR_AGAIN &&
	       !w->empty; /* a record that holds no data for us was one of several */
}

/* ---- TLS ---- */

/* What a call that returned ret <= 0 means. */
static enum err
judge(SSL *ssl, int ret, enum tls_want *ret_want)
{
	unsigned long last = ERR_peek_error();

	*ret_want = TLS_WANT_NONE;
	switch (SSL_get_error(ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		*ret_want = TLS_WANT_READ;
		return ERR_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*ret_want = TLS_WANT_WRITE;
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return ERR_EOF;
	case SSL_ERROR_SYSCALL:
		return ERR_IO;
	default:
		break;
	}
	if (ERR_GET_REASON(last) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return ERR_IO;
	return SSL_get_verify_result(ssl) == X509_V_OK ? ERR_PROTO : ERR_AUTH;
}

enum err
tls_io_handshake(SSL *ssl, enum tls_want *ret_want)
{
	int n;

	ERR_clear_error(); /* a stale entry would be taken for this call's */
	n = SSL_do_handshake(ssl);
	return n == 1 ? ERR_OK : judge(ssl, n, ret_want);
}

enum err
tls_io_read(SSL *ssl, void *p, size_t size, size_t *ret_len, enum tls_want *ret_want)
{
	int n;

	ERR_clear_error();
	n = SSL_read_ex(ssl, p, size, ret_len);
	return n == 1 ? ERR_OK : judge(ssl, n, ret_want);
}

enum err
tls_io_write(SSL *ssl, struct span in, size_t *ret_len, enum tls_want *ret_want)
{
	int n;

	ERR_clear_error();
	n = SSL_write_ex(ssl, in.p, in.len, ret_len);
	return n == 1 ? ERR_OK : judge(ssl, n, ret_want);
}

void
tls_io_bye(SSL *ssl)
{
	if (SSL_is_init_finished(ssl) == 0)
		return;
	ERR_clear_error();
	(void)SSL_shutdown(ssl);
	ERR_clear_error();
}
