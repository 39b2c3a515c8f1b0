#include "broker/gateway/stream.h"

#include <errno.h>
#include <string.h>

#include "broker/gateway/limits.h"
#include "broker/gateway/tls_memory.h"
#include "common/secret.h"
#include "common/sys.h"

/* As if poll(2) had seen what waits inside TLS. */
static void
on_again(struct timer *t)
{
	struct stream *s = t->arg;

	s->watch.fn(&s->watch, EPOLLIN);
}

enum err
stream_init(struct stream *s, struct loop *l, int fd, SSL *ssl,
    void (*on_event)(struct watch *, uint32_t), void *arg)
{
	enum err e;

	*s = (struct stream){ .loop = l, .ssl = ssl, .out = BUF_MAX(STREAM_OUT_MAX) };
	s->watch = (struct watch){ .fd = fd, .events = EPOLLIN, .fn = on_event, .arg = arg };
	s->wire.fd = fd;
	s->want_read = true;
	s->again = (struct timer){ .fn = on_again, .arg = s };
	e = ssl == NULL ? ERR_OK : tls_io_attach(ssl, &s->wire);
	if (e == ERR_OK)
		e = loop_watch(l, &s->watch);
	if (e != ERR_OK)
		stream_close(s, false);
	return e;
}

bool
stream_open(const struct stream *s)
{
	return s->loop != NULL;
}

void
stream_close(struct stream *s, bool clean)
{
	if (!stream_open(s))
		return;
	loop_unwatch(s->loop, &s->watch);
	loop_timer_stop(s->loop, &s->again);
	if (s->ssl != NULL) {
		if (clean && !s->dead && !s->write_dead)
			tls_io_bye(s->ssl);
		tls_memory_free(s->ssl);
	}
	sys_close(s->watch.fd);
	buf_wipe(&s->out);
	*s = (struct stream){ .loop = NULL, .watch = { .fd = -1 } };
}

void
stream_shut(struct stream *s)
{
	if (s->dead || s->write_dead)
		return;
	if (s->ssl != NULL)
		tls_io_bye(s->ssl);
	(void)shutdown(s->watch.fd, SHUT_WR); /* a failure shows as a hang-up */
}

/* What the outcome of a read, write or handshake says about the stream's future. */
static enum err
settle(struct stream *s, enum err e)
{
	if (e == ERR_EOF)
		s->eof = true;
	else if (e != ERR_OK && e != ERR_AGAIN)
		s->dead = true;
	return e;
}

enum err
stream_handshake(struct stream *s)
{
	enum tls_want want;
	enum err e;

	s->wire.reads = 0;
	e = settle(s, tls_io_handshake(s->ssl, &want));
	s->more = e == ERR_OK && tls_io_more(s->ssl, &s->wire, e);
	if (e == ERR_AGAIN && s->watch.active)
		e = loop_want(s->loop, &s->watch, want == TLS_WANT_WRITE ? EPOLLOUT : EPOLLIN) ==
			    ERR_OK
			? ERR_AGAIN
			: ERR_SYS;
	return e == ERR_EOF ? ERR_IO : e;
}

static enum err
plain_result(ssize_t n, size_t *ret_len)
{
	if (n > 0) {
		*ret_len = (size_t)n;
		return ERR_OK;
	}
	if (n == 0)
		return ERR_EOF;
	return errno == EAGAIN || errno == EWOULDBLOCK ? ERR_AGAIN : ERR_IO;
}

enum err
stream_read(struct stream *s, void *p, size_t size, size_t *ret_len)
{
	enum tls_want want = TLS_WANT_NONE;
	enum err e;

	if (s->eof)
		return ERR_EOF;
	if (s->dead)
		return ERR_IO;
	if (s->ssl == NULL)
		return settle(s, plain_result(sys_read(s->watch.fd, p, size), ret_len));
	s->wire.empty = false;
	s->wire.reads = 0;
	e = tls_io_read(s->ssl, p, size, ret_len, &want);
	s->read_wants_out = want == TLS_WANT_WRITE;
	s->more = !s->read_wants_out && tls_io_more(s->ssl, &s->wire, e);
	return settle(s, e);
}

static enum err
send_some(struct stream *s, struct span in, size_t *ret_len)
{
	enum tls_want want = TLS_WANT_NONE;
	enum err e;

	if (s->ssl == NULL)
		e = plain_result(sys_write(s->watch.fd, in.p, in.len), ret_len);
	else
		e = tls_io_write(s->ssl, in, ret_len, &want);
	s->write_wants_in = want == TLS_WANT_READ;
	return e;
}

/* Sends from in until the socket is full; *ret_sent bytes are gone. */
static enum err
send_span(struct stream *s, struct span in, size_t *ret_sent)
{
	size_t sent = 0, n = 0;
	enum err e = ERR_OK;

	while (sent < in.len) {
		e = send_some(s, span_of(in.p + sent, in.len - sent), &n);
		if (e != ERR_OK)
			break;
		sent += n;
	}
	*ret_sent = sent;
	if (e == ERR_OK || e == ERR_AGAIN)
		return ERR_OK;
	s->write_dead = true; /* an answer that came before may still be read */
	return ERR_IO;
}

enum err
stream_write(struct stream *s, struct span in)
{
	size_t sent = 0;
	enum err e;

	if (s->dead || s->write_dead)
		return ERR_IO;
	if (!stream_blocked(s)) {
		e = send_span(s, in, &sent);
		if (e != ERR_OK)
			return e;
	}
	return buf_append(&s->out, in.p + sent, in.len - sent);
}

enum err
stream_flush(struct stream *s)
{
	size_t sent;
	enum err e;

	if (!stream_blocked(s))
		return ERR_OK;
	if (s->dead || s->write_dead)
		return ERR_IO;
	e = send_span(s, buf_span(&s->out), &sent);
	buf_consume(&s->out, sent);
	if (s->out.len == 0)
		buf_wipe(&s->out);
	return e;
}

bool
stream_blocked(const struct stream *s)
{
	return s->out.len > 0;
}

bool
stream_reusable(const struct stream *s)
{
	return !s->more && !s->hup && !s->eof && !s->dead && !s->write_dead && !stream_blocked(s);
}

/* What came is no data: session tickets, a key update. */
static bool
holds_no_data(struct stream *s)
{
	uint8_t byte;
	size_t len;
	enum err e = ERR_AGAIN;

	for (int n = 0; n < 2 && e == ERR_AGAIN; n++) { /* more would be a flood */
		e = stream_read(s, &byte, 1, &len);
		if (e == ERR_AGAIN && !s->more)
			return SSL_has_pending(s->ssl) == 0; /* half a record may be data */
	}
	if (e == ERR_OK)
		secret_wipe(&byte, sizeof byte);
	return false;
}

bool
stream_silent(struct stream *s)
{
	uint8_t byte;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t n;

	if (!stream_reusable(s))
		return false;
	n = sys_recvmsg(s->watch.fd, &m, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return true;
	return n > 0 && s->ssl != NULL && holds_no_data(s);
}

static void
want(struct stream *s)
{
	uint32_t events = 0;

	if (s->want_read && !s->eof)
		events |= s->read_wants_out ? EPOLLOUT : EPOLLIN;
	if (stream_blocked(s))
		events |= s->write_wants_in ? EPOLLIN : EPOLLOUT;
	if (loop_want(s->loop, &s->watch, events) != ERR_OK)
		s->dead = true; /* its owner's deadline ends it */
}

void
stream_wait(struct stream *s, bool want_read)
{
	s->want_read = want_read;
	if (want_read && s->more && loop_timer(s->loop, &s->again, loop_now_ms(s->loop)) != ERR_OK)
		s->dead = true;
	/* Input that is not wanted mostly does not come: it costs two system calls less to find
	 * that out. */
	if (s->watch.active && (want_read || stream_blocked(s) || s->watch.events != EPOLLIN))
		want(s);
}

void
stream_note(struct stream *s, uint32_t events)
{
	if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		loop_unwatch(s->loop, &s->watch);
		s->hup = true;
	} else if (s->watch.active && !s->want_read && (events & EPOLLIN) != 0) {
		want(s);
	}
}
