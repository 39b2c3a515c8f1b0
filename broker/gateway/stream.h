/*
 * stream - one non-blocking connection, TLS or plain, with what it could not send yet.
 * Process: gateway.   Owns: the descriptor, the SSL, the queue.
 * Secrets: the queue may hold a request with its credential; wiped when sent or closed.
 * Limits: STREAM_OUT_MAX bytes queued. The queue has memory only while the socket is full: an idle
 * stream costs none. Failure: ERR_IO or ERR_PROTO: dead, only stream_close() is left. ERR_AUTH: a
 * certificate was refused.
 */
#ifndef GATEWAY_STREAM_H
#define GATEWAY_STREAM_H

#include "broker/gateway/tls_io.h"
#include "common/buf.h"
#include "common/loop.h"

struct stream {
	struct loop *loop;
	struct watch watch;
	SSL *ssl; /* NULL: plain */
	struct tls_wire wire;
	struct timer again; /* input that poll(2) does not know of */
	struct buf out;
	bool read_wants_out, write_wants_in; /* TLS turns directions around */
	bool want_read;			     /* what its owner said last */
	bool more;			     /* bytes wait inside TLS */
	bool eof;			     /* the peer will send no more */
	bool dead;			     /* an error ended it */
	bool write_dead;		     /* an error ended our direction */
	bool hup; /* poll(2) said hang-up: what was sent before can still be read */
};

/* Takes fd and ssl, also on failure. on_event as in loop.h; nothing is watched for yet but hang-up.
 */
enum err stream_init(struct stream *s, struct loop *l, int fd, SSL *ssl,
    void (*on_event)(struct watch *, uint32_t), void *arg) NODISCARD;
bool stream_open(const struct stream *s);
/* clean: with close_notify, so that the peer knows that it has everything. Safe twice. */
void stream_close(struct stream *s, bool clean);
/* Ends our direction only: close_notify, FIN. */
void stream_shut(struct stream *s);

enum err stream_handshake(struct stream *s) NODISCARD; /* ERR_AGAIN: interest was set */
/* What stays inside TLS, where poll(2) does not see it, is told as an event after the next
 * stream_wait(s, true). */
enum err stream_read(struct stream *s, void *p, size_t size, size_t *ret_len) NODISCARD;
/* Sends, or queues what the socket does not take. ERR_OK: all of in is on its way. */
enum err stream_write(struct stream *s, struct span in) NODISCARD;
enum err stream_flush(struct stream *s) NODISCARD;
/* Silent, whole and unhurt: fit for another exchange. */
bool stream_reusable(const struct stream *s);
/* Reusable, and the peer has said nothing that was not read: asks the socket, in one system call
 * if there is nothing. A few records without data are swallowed. */
bool stream_silent(struct stream *s);
bool stream_blocked(const struct stream *s); /* something is queued */

/* Waits for input if want_read, for room if something is queued. */
void stream_wait(struct stream *s, bool want_read);
/* First thing in an event callback: stops watching for what would be told again and again, a
 * hang-up, or input that is not wanted. */
void stream_note(struct stream *s, uint32_t events);

#endif
