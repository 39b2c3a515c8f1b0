#include "broker/gateway/tls_io.h"

#include <openssl/err.h>

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
