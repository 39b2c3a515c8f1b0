/*
 * tls_io - the only calls of SSL_read(), SSL_write() and their kin: the error queue is cleared
 * first, the answer is an enum err.
 * Process: gateway.   Owns: nothing; an SSL belongs to its stream.
 * Secrets: plaintext passes through the caller's memory; SSL_OP_CLEANSE_PLAINTEXT is on. A write
 *          that fails inside leaves plaintext in OpenSSL's buffer: tls_memory_free() wipes that.
 * Limits: TLS_READS_MAX reads of the socket a call, so a flood of key updates cannot hold the loop:
 *         OpenSSL looks for data behind them as long as there are any. Whether more waits inside
 *         TLS is told by tls_io_more().
 * Failure: ERR_AGAIN with what is waited for; ERR_EOF after close_notify; ERR_AUTH when a
 *          certificate was refused; ERR_IO for a cut connection, ERR_PROTO for all else. After the
 *          last three the SSL is dead.
 */
#ifndef GATEWAY_TLS_IO_H
#define GATEWAY_TLS_IO_H

#include <openssl/ssl.h>

#include "common/err.h"
#include "common/span.h"

#define TLS_READS_MAX 3 /* a record may need two; beyond it the call says ERR_AGAIN */

enum tls_want { TLS_WANT_NONE = 0, TLS_WANT_READ, TLS_WANT_WRITE };

/* The socket below an SSL. One read(2) takes all that is there, up to a record; OpenSSL's own
 * socket BIO would read the five bytes of a record's head by themselves, and not say when it found
 * nothing. */
struct tls_wire {
	int fd;
	bool empty; /* the last call found nothing more to read */
	bool eof;
	uint8_t reads; /* in this call; its owner sets it back */
};

/* Puts ssl on w->fd; w must live as long as ssl. */
enum err tls_io_attach(SSL *ssl, struct tls_wire *w) NODISCARD;
/* After a handshake or read that said e: poll(2) does not know of what is still to be read. */
bool tls_io_more(const SSL *ssl, const struct tls_wire *w, enum err e);

enum err tls_io_handshake(SSL *ssl, enum tls_want *ret_want) NODISCARD;
/* ERR_OK: *ret_len > 0 bytes. */
enum err tls_io_read(
    SSL *ssl, void *p, size_t size, size_t *ret_len, enum tls_want *ret_want) NODISCARD;
/* ERR_OK: *ret_len of in were taken. After ERR_AGAIN the same bytes come first again. */
enum err tls_io_write(SSL *ssl, struct span in, size_t *ret_len, enum tls_want *ret_want) NODISCARD;
/* Sends close_notify, once, as far as the socket takes it. */
void tls_io_bye(SSL *ssl);

#endif
