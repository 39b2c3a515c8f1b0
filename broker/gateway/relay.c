#include "broker/gateway/relay.h"

#include <string.h>

#include "broker/gateway/answer.h"
#include "broker/gateway/conn.h"
#include "broker/gateway/inject.h"

/* What one step of one direction came to. */
enum step {
	STEP_NONE = 0,
	STEP_MOVED,
	STEP_OVER /* the exchange ended, the connection maybe too */
};

static const struct proxy_failure upstream_closed = { 502, "upstream_closed",
	"the upstream closed the connection before its response was complete", "upstream_closed" };
static const struct proxy_failure upstream_bad = { 502, "upstream_bad",
	"the upstream's response is not well-formed HTTP/1.1, and what is ambiguous is refused",
	"upstream_bad" };
static const struct proxy_failure unscannable = { 502, "unscannable_response",
	"the upstream's response is in a content coding that was not asked for, and in which a"
	" credential could hide",
	"unscannable_response" };
static const struct proxy_failure upstream_timeout = { 504, "upstream_timeout",
	"the upstream did not answer in time", "upstream_timeout" };
static const struct proxy_failure gateway_failed = { 503, "gateway_failed",
	"the gateway ran out of memory or met a limit of its own", "gateway_failed" };
static const struct proxy_failure bad_credential = { 502, "bad_credential",
	"the stored credential holds control characters and cannot be sent; ask the operator to set"
	" it anew",
	"bad_credential" };
static const struct proxy_failure bad_body = { 400, "bad_framing",
	"the body of the request is not well-formed", "bad_framing" };
static const struct proxy_failure slow_body = { 408, "body_timeout",
	"the body of the request came too slowly", "client_stalled" };

static enum step
fail(struct conn *c, const struct proxy_failure *f)
{
	buf_clear(&c->gw->stage);
	buf_clear(&c->gw->plain);
	proxy_fail(c, f);
	return STEP_OVER;
}

/* ---- down: the response ---- */

/* A connection from the pool that the upstream had closed meanwhile. Only what has no effect twice
 * is sent twice, and only before any answer. */
static bool
may_retry(const struct exchange *x)
{
	return x->uc->reused && x->retriable && !x->retried && x->response.len == 0 &&
	       !x->answered && x->interim_count == 0;
}

static enum step
retry(struct conn *c)
{
	struct exchange *x = &c->exchange;
	const char *reason;

	upstream_drop(x->uc);
	x->uc = NULL;
	x->retried = true;
	x->head_kept = 0; /* it counts as unread again */
	must(
	    http1_parse_request(buf_span(&c->in), &c->head, &reason) == ERR_OK); /* it did before */
	c->route = route_find(c->head.method, c->head.target, c->peer.present, c->alpn);
	proxy_connect(c, true);
	return STEP_OVER; /* of this attempt */
}

static enum step
upstream_ended(struct conn *c, enum err e)
{
	struct exchange *x = &c->exchange;

	if (may_retry(x))
		return retry(c);
	if (e == ERR_EOF && answer_end_of_input(c) == ERR_OK) {
		e = stream_write(&c->stream, buf_span(&c->gw->stage));
		buf_clear(&c->gw->stage);
		if (e != ERR_OK)
			conn_close(c, false, "client_gone");
		else
			proxy_done(c);
		return STEP_OVER;
	}
	return fail(c, &upstream_closed);
}

/* From the first byte of an answer on there is no second attempt, so the head that was kept for one
 * may go. */
static void
forget_head(struct conn *c)
{
	buf_consume(&c->in, c->exchange.head_kept);
	c->exchange.head_kept = 0;
}

static enum step
take_block(struct conn *c, size_t len)
{
	struct exchange *x = &c->exchange;
	struct buf *stage = &c->gw->stage;
	enum err e;

	forget_head(c);
	e = answer_take(c, span_of(c->gw->block, len));
	secret_wipe(c->gw->block, len); /* what the upstream echoed */
	if (e != ERR_OK)
		return fail(c, e == ERR_SYNTAX	 ? &upstream_bad
			       : e == ERR_DENIED ? &unscannable
						 : &gateway_failed);
	e = stream_write(&c->stream, buf_span(stage));
	buf_clear(stage);
	if (e != ERR_OK) {
		conn_close(c, false, "client_gone");
		return STEP_OVER;
	}
	if (x->answered && x->down.done) {
		proxy_done(c);
		return STEP_OVER;
	}
	deadline_set(
	    &c->deadlines, DEADLINE_UPSTREAM, x->answered ? UPSTREAM_SILENT_MS : UPSTREAM_HEAD_MS);
	return STEP_MOVED;
}

static enum step
step_down(struct conn *c)
{
	struct exchange *x = &c->exchange;
	size_t len;
	enum err e;

	if (stream_blocked(&c->stream))
		return STEP_NONE;
	e = stream_read(&x->uc->stream, c->gw->block, IO_BLOCK, &len);
	if (e == ERR_AGAIN)
		return STEP_NONE;
	return e == ERR_OK ? take_block(c, len) : upstream_ended(c, e);
}

/* ---- up: the request's body ---- */

/* Frames in onto the stage; *ret_left bytes behind the body's end are the next request's. */
static enum err
put_body(struct conn *c, struct span in, size_t *ret_left)
{
	struct exchange *x = &c->exchange;
	size_t used = 1;
	struct span data;
	enum err e = ERR_OK;

	while (e == ERR_OK && !x->up.done && used > 0) {
		e = body_take(&x->up, in, &used, &data);
		if (e != ERR_OK)
			return ERR_SYNTAX;
		e = body_put(&c->gw->stage, x->up_framing, data);
		x->bytes_up += data.len;
		in = span_of(in.p + used, in.len - used);
	}
	*ret_left = in.len;
	if (e == ERR_OK && x->up.done)
		e = body_put_end(&c->gw->stage, x->up_framing);
	return e;
}

/* Nothing more goes up: now the upstream's clock runs. */
static void
body_done(struct conn *c)
{
	deadline_clear(&c->deadlines, DEADLINE_BODY);
	if (!c->exchange.answered)
		deadline_set(&c->deadlines, DEADLINE_UPSTREAM, UPSTREAM_HEAD_MS);
}

static enum step
send_up(struct conn *c)
{
	struct exchange *x = &c->exchange;

	if (stream_write(&x->uc->stream, buf_span(&c->gw->stage)) != ERR_OK)
		x->up_stopped = true; /* it may have answered before it closed */
	buf_clear(&c->gw->stage);
	if (x->up.done || x->up_stopped)
		body_done(c);
	return STEP_MOVED;
}

static enum step
bad_request_body(struct conn *c)
{
	conn_report(c, "bad_framing", span_str("body"));
	return fail(c, &bad_body);
}

/* What came together with the head. */
static enum step
body_from_in(struct conn *c)
{
	size_t left = 0;
	enum err e = put_body(c, buf_span(&c->in), &left);

	if (e == ERR_SYNTAX)
		return bad_request_body(c);
	if (e != ERR_OK)
		return fail(c, &gateway_failed);
	c->exchange.body_window_bytes += c->in.len - left;
	buf_consume(&c->in, c->in.len - left);
	return send_up(c);
}

static enum step
body_from_client(struct conn *c)
{
	struct exchange *x = &c->exchange;
	size_t len, left = 0;
	enum err e = stream_read(&c->stream, c->gw->block, IO_BLOCK, &len);

	if (e == ERR_AGAIN)
		return STEP_NONE;
	if (e != ERR_OK) {
		conn_close(c, false, "client_gone"); /* also an orderly end: the body is cut */
		return STEP_OVER;
	}
	x->body_window_bytes += len;
	e = put_body(c, span_of(c->gw->block, len), &left);
	if (e == ERR_OK && left > 0)
		e = buf_append(&c->in, c->gw->block + len - left, left);
	secret_wipe(c->gw->block, len);
	if (e == ERR_SYNTAX)
		return bad_request_body(c);
	return e == ERR_OK ? send_up(c) : fail(c, &gateway_failed);
}

static bool
may_look_ahead(const struct conn *c)
{
	return !c->stream.eof && c->in.len < IO_BLOCK;
}

/* The request is complete: what still comes is the next one, or the client's end. */
static enum step
look_ahead(struct conn *c)
{
	size_t len;
	enum err e;

	if (!may_look_ahead(c))
		return STEP_NONE;
	e = stream_read(&c->stream, c->gw->block, IO_BLOCK - c->in.len, &len);
	if (e == ERR_OK) {
		e = buf_append(&c->in, c->gw->block, len);
		secret_wipe(c->gw->block, len);
	}
	if (e == ERR_AGAIN || e == ERR_EOF)
		return STEP_NONE; /* close_notify alone: it sends no more, and still reads */
	if (e == ERR_OK)
		return STEP_MOVED;
	conn_close(c, false, "client_gone");
	return STEP_OVER;
}

static bool
wants_body(const struct exchange *x)
{
	return !x->up.done && !x->up_stopped && !stream_blocked(&x->uc->stream);
}

static enum step
step_up(struct conn *c)
{
	struct exchange *x = &c->exchange;

	if (x->up.done)
		return look_ahead(c);
	if (!wants_body(x))
		return STEP_NONE;
	return c->in.len > 0 ? body_from_in(c) : body_from_client(c);
}

/* ---- both ---- */

static void
wait(struct conn *c)
{
	struct exchange *x = &c->exchange;
	struct stream *up = &x->uc->stream;

	if (!stream_blocked(up) || x->up_stopped)
		deadline_clear(&c->deadlines, DEADLINE_UPSTREAM_STALL);
	else if (!deadline_is_set(&c->deadlines, DEADLINE_UPSTREAM_STALL))
		deadline_set(&c->deadlines, DEADLINE_UPSTREAM_STALL, UPSTREAM_STALL_MS);
	stream_wait(up, !stream_blocked(&c->stream));
	conn_wait(c, x->up.done ? may_look_ahead(c) : wants_body(x));
}

/* Takes blocks from the upstream while there are more of them at hand. false: the exchange is over.
 */
static bool
pump_down(struct conn *c)
{
	const struct stream *up = &c->exchange.uc->stream;
	int blocks = 0;

	do {
		enum step s = step_down(c);

		if (s == STEP_OVER)
			return false;
		if (s == STEP_NONE)
			return true;
	} while ((up->more || up->hup) && ++blocks < RELAY_STEPS_MAX);
	if (up->hup)
		deadline_set(
		    &c->deadlines, DEADLINE_AGAIN, 0); /* it will not be told of any more */
	return true;
}

static bool
pump_up(struct conn *c)
{
	int blocks = 0;

	do {
		enum step s = step_up(c);

		if (s == STEP_OVER)
			return false;
		if (s == STEP_NONE)
			return true;
	} while (c->stream.more && ++blocks < RELAY_STEPS_MAX);
	return true;
}

void
relay_on_upstream(struct conn *c)
{
	struct exchange *x = &c->exchange;

	if (!x->up_stopped && stream_flush(&x->uc->stream) != ERR_OK) {
		x->up_stopped = true; /* an answer may be there all the same */
		body_done(c);
	}
	if (pump_down(c))
		wait(c);
}

void
relay_on_client(struct conn *c)
{
	if (stream_flush(&c->stream) != ERR_OK) {
		conn_close(c, false, "client_gone");
		return;
	}
	if (c->exchange.uc->stream.hup && !pump_down(c))
		return;
	if (pump_up(c))
		wait(c);
}

static bool
is_idempotent(struct span method)
{
	static const char *const methods[] = { "GET", "HEAD", "OPTIONS", "DELETE" };

	for (size_t i = 0; i < COUNT(methods); i++)
		if (span_eq_str(method, methods[i]))
			return true;
	return false;
}

/* Reads all that is needed of the request's head, whose bytes go away now, or with the first byte
 * of the answer. */
static void
note_request(struct conn *c)
{
	struct exchange *x = &c->exchange;
	const struct http1_head *h = &c->head;

	x->up = body_start(h);
	x->up_framing = h->framing;
	x->is_head = span_eq_str(h->method, "HEAD");
	x->client_minor = h->minor;
	x->wants_continue = h->expect_continue && h->minor == 1 && !x->up.done;
	x->retriable = h->framing == HTTP1_NO_BODY && is_idempotent(h->method);
	x->head_kept = x->retriable ? h->head_len : 0;
	if (!x->retriable)
		buf_consume(&c->in, h->head_len);
	c->head.head_len = 0; /* conn_answer() must not take it away once more */
	c->head.method = span_str(x->is_head ? "HEAD" : "");
}

void
relay_begin(struct conn *c)
{
	struct exchange *x = &c->exchange;
	struct buf *stage = &c->gw->stage;
	size_t left = 0;
	enum err e = inject_head(x->slot->up, &c->head, proxy_target(c),
	    x->secret == NULL ? SPAN_NONE : secret_span(x->secret->value), stage);

	if (e == ERR_OK) {
		note_request(c);
		left = c->in.len; /* what is no part of the body is the next request's */
		if (!x->up.done && c->in.len > 0)
			e = put_body(c, buf_span(&c->in), &left); /* one write with the head */
	}
	if (e == ERR_SYNTAX)
		(void)bad_request_body(c);
	else if (e != ERR_OK)
		(void)fail(c, e == ERR_RANGE ? &bad_credential : &gateway_failed);
	if (e != ERR_OK)
		return;
	if (!x->retriable)
		buf_consume(&c->in, c->in.len - left);
	(void)send_up(c);
	if (!x->up.done)
		deadline_set(&c->deadlines, DEADLINE_BODY, BODY_WINDOW_MS);
	if (x->wants_continue)
		deadline_set(&c->deadlines, DEADLINE_CONTINUE, CONTINUE_MS);
	wait(c);
}

/* ---- deadlines ---- */

static void
send_continue(struct conn *c)
{
	if (!c->exchange.wants_continue)
		return;
	c->exchange.wants_continue = false;
	if (stream_write(&c->stream, span_str("HTTP/1.1 100 Continue\r\n\r\n")) != ERR_OK)
		conn_close(c, false, "client_gone");
	else
		wait(c);
}

/* A window in which we were willing to read, and hardly anything came. */
static void
judge_body(struct conn *c)
{
	struct exchange *x = &c->exchange;

	if (wants_body(x) && !x->wants_continue && x->body_window_bytes < BODY_WINDOW_BYTES) {
		(void)fail(c, &slow_body);
		return;
	}
	x->body_window_bytes = 0;
	deadline_set(&c->deadlines, DEADLINE_BODY, BODY_WINDOW_MS);
}

static bool
is_relaying(const struct conn *c)
{
	return c->exchange.uc != NULL && c->exchange.uc->ready;
}

void
relay_deadline(struct conn *c, enum deadline kind)
{
	switch (kind) {
	case DEADLINE_AGAIN:
		if (is_relaying(c))
			relay_on_upstream(c);
		break;
	case DEADLINE_CONTINUE:
		if (is_relaying(c))
			send_continue(c);
		break;
	case DEADLINE_BODY:
		if (is_relaying(c))
			judge_body(c);
		break;
	case DEADLINE_UPSTREAM:
	case DEADLINE_UPSTREAM_STALL:
		(void)fail(c, &upstream_timeout);
		break;
	case DEADLINE_CERTIFICATE:
		conn_close(c, false, "certificate_expired");
		break;
	case DEADLINE_PHASE:
	case DEADLINE_CLIENT_STALL:
	case DEADLINE_KINDS:
		break;
	}
}
