/*
 * conn - one connection of a client: TLS, then one request after the other, each handed to whoever
 * serves its route. Process: gateway.   Owns: itself; freed at the end of the turn in which it was
 * closed. Secrets: a head may hold what the client took for a credential (a placeholder), or an
 * enrollment key; wiped when the request ends. Limits: CONN_MAX, CONN_SHARE_MAX,
 * CONN_STRANGERS_MAX, HTTP1_HEAD_MAX, the deadlines of limits.h. Failure: a connection that breaks
 * a rule gets one answer, if it can still read one, and is closed.
 */
#ifndef GATEWAY_CONN_H
#define GATEWAY_CONN_H

#include "broker/gateway/deadline.h"
#include "broker/gateway/gateway.h"
#include "broker/gateway/http1.h"
#include "broker/gateway/proxy.h"
#include "broker/gateway/refuse.h"
#include "broker/gateway/route.h"
#include "broker/gateway/tls_server.h"

enum conn_state {
	CONN_CLOSED = 0,
	CONN_HANDSHAKE,
	CONN_HEAD,   /* waits for a request, or for the rest of its head */
	CONN_BUSY,   /* a handler has it */
	CONN_FLUSH,  /* the answer is on its way, then the next request */
	CONN_LINGER, /* the answer is on its way, then the end; what still comes is thrown away */
};

/* What serves a request gets, while it is busy, the connection's events; it ends with one of
 * conn_answer(), conn_end_request(), conn_close(). */
struct conn_ops {
	void (*on_event)(struct conn *c);
	void (*on_deadline)(struct conn *c, enum deadline kind);
	void (*on_close)(struct conn *c,
	    const char *outcome); /* the connection ends under it: let go of everything */
};

struct conn {
	struct gateway *gw;
	struct conn *prev, *next;
	struct conn *older, *newer; /* crowd.c */
	bool stranger;
	struct stream stream;
	struct deadlines deadlines;
	enum conn_state state;
	enum alpn alpn;
	struct tls_peer peer;
	int64_t retire_s;    /* wall clock: an answer from then on is the last */
	struct share *share; /* NULL: no certificate was shown */

	struct buf in;		/* a head, and what came behind it */
	struct http1_head head; /* points into in: valid until in changes */
	struct route route;	/* the same */
	bool keep;		/* the request lets us take another one */
	bool lingering;		/* our direction is shut */
	uint32_t lingered;	/* bytes thrown away */

	const struct conn_ops *ops; /* while busy */
	struct exchange exchange;   /* of the proxy */
	struct control_exchange *control;
};

/* Takes fd. A connection beyond a limit is closed at once. */
void conn_start(struct gateway *g, int fd);
/* Ends it now. clean: with close_notify, the client has got all there is. outcome is for FINISH, if
 * something was open. */
void conn_close(struct conn *c, bool clean, const char *outcome);
void conn_cut_serial(struct gateway *g, const uint8_t serial[SERIAL_LEN]);
void conn_cut_all(struct gateway *g);
/* No new requests: idle connections are closed, the others after their request. */
void conn_drain(struct gateway *g);
void conn_sweep(struct gateway *g); /* at the end of every loop turn */

/* Sends our own answer to the request and ends it. Closes behind it where a body was not read. */
void conn_answer(struct conn *c, const struct refusal *r);
void conn_answer_health(struct conn *c);
/* The head did not parse: nothing of it may be used, and the connection ends. */
void conn_refuse_head(struct conn *c, enum err e, const char *reason);
/* c->route says no. */
void conn_refuse_route(struct conn *c);
/* Whether it was refused: a control request that a page in a browser may have made. */
bool conn_refuse_page(struct conn *c);
/* The whole answer is queued; head_len bytes of in are this request. keep: the next request may
 * come. */
void conn_end_request(struct conn *c, bool keep);
/* Interest and stall deadline after a handler wrote: want_read as stream_wait(). */
void conn_wait(struct conn *c, bool want_read);
/* Tells the keeper of something that we refused by ourselves. */
void conn_report(struct conn *c, const char *code, struct span detail);

#endif
