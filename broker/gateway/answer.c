#include "broker/gateway/answer.h"

#include "broker/gateway/conn.h"
#include "broker/gateway/resphead.h"

/* ---- content ---- */

/* Frames what may go out; the last word waits in held. */
static enum err
put_content(struct conn *c)
{
	struct exchange *x = &c->exchange;
	struct buf *plain = &c->gw->plain;
	size_t free_len = plain->len;
	enum err e;

	if (x->secret != NULL)
		free_len = redact_scan(x->secret->redact, plain, x->down.done, &x->echoed);
	e = body_put(&c->gw->stage, x->down_framing, span_of(plain->data, free_len));
	buf_clear(&x->held);
	if (e == ERR_OK && free_len < plain->len)
		e = buf_append(&x->held, plain->data + free_len, plain->len - free_len);
	buf_clear(plain);
	if (e == ERR_OK && x->down.done)
		e = body_put_end(&c->gw->stage, x->down_framing);
	return e;
}

static enum err
take_content(struct conn *c, struct span in, size_t *ret_left)
{
	struct exchange *x = &c->exchange;
	struct buf *plain = &c->gw->plain;
	size_t used = 1;
	struct span data;
	enum err e = buf_append_span(plain, buf_span(&x->held));

	while (e == ERR_OK && !x->down.done && used > 0) {
		e = body_take(&x->down, in, &used, &data);
		if (e != ERR_OK)
			break;
		e = buf_append_span(plain, data);
		x->bytes_down += data.len;
		in = span_of(in.p + used, in.len - used);
	}
	*ret_left = in.len;
	return e == ERR_OK ? put_content(c) : e;
}

/* ---- heads ---- */

static bool
must_close_client(const struct conn *c, const struct http1_head *h)
{
	return !c->keep || !c->exchange.up.done || c->gw->draining ||
	       (h->framing == HTTP1_UNTIL_CLOSE && c->exchange.client_minor == 0);
}

static enum err
put_final_head(struct conn *c, const struct http1_head *h)
{
	struct exchange *x = &c->exchange;
	struct resphead r = { .head = h,
		.client_minor = x->client_minor,
		.to_head = x->is_head,
		.redact = x->secret == NULL ? NULL : x->secret->redact,
		.echoed = &x->echoed };

	x->close_client = must_close_client(c, h);
	x->close_upstream = !h->keep_alive;
	r.close = x->close_client;
	x->status = h->status;
	x->down = body_start(h);
	x->wants_continue = false; /* the client will not be asked for its body any more */
	return resphead_write(&r, &c->gw->stage, &x->down_framing);
}

/* 100 is passed on if the client waits for it; the others are dropped, a few of them. */
static enum err
put_interim(struct conn *c, uint16_t status)
{
	struct exchange *x = &c->exchange;

	if (status == 101 || ++x->interim_count > UPSTREAM_INTERIM_MAX)
		return ERR_SYNTAX; /* we never ask to upgrade */
	if (status != 100 || !x->wants_continue)
		return ERR_OK;
	x->wants_continue = false;
	deadline_clear(&c->deadlines, DEADLINE_CONTINUE);
	return buf_append_str(&c->gw->stage, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* Parses heads out of response until the final one. *ret_final: it is on the stage. */
static enum err
take_heads(struct conn *c, bool *ret_final)
{
	struct exchange *x = &c->exchange;
	const char *reason;
	struct http1_head h;
	enum err e = ERR_OK;

	*ret_final = false;
	while (e == ERR_OK && !*ret_final) {
		e = http1_parse_response(
		    buf_span(&x->response), span_str(x->is_head ? "HEAD" : "GET"), &h, &reason);
		if (e != ERR_OK)
			break;
		*ret_final = h.status >= 200;
		e = *ret_final ? put_final_head(c, &h) : put_interim(c, h.status);
		buf_consume(&x->response, h.head_len);
	}
	return e == ERR_AGAIN ? ERR_OK : e == ERR_LIMIT ? ERR_SYNTAX : e;
}

/* The head is through, and what came behind it in the same block is content. */
static enum err
take_first(struct conn *c, struct span block, size_t *ret_left)
{
	struct exchange *x = &c->exchange;
	bool final = false;
	enum err e = buf_append_span(&x->response, block);

	*ret_left = 0;
	if (e == ERR_OK)
		e = take_heads(c, &final);
	if (e != ERR_OK || !final)
		return e;
	e = take_content(c, buf_span(&x->response), ret_left);
	buf_wipe(&x->response);
	if (e == ERR_OK && *ret_left > 0)
		return ERR_SYNTAX; /* bytes behind the body: whose answer would they be? */
	x->answered = e == ERR_OK;
	return e;
}

enum err
answer_take(struct conn *c, struct span block)
{
	struct exchange *x = &c->exchange;
	size_t left;
	enum err e;

	if (!x->answered)
		return take_first(c, block, &left);
	e = take_content(c, block, &left);
	if (left > 0)
		x->close_upstream = true;
	return e;
}

enum err
answer_end_of_input(struct conn *c)
{
	struct exchange *x = &c->exchange;
	enum err e;

	if (!x->answered)
		return ERR_EOF;
	x->close_upstream = true;
	e = body_end_of_input(&x->down);
	if (e == ERR_OK)
		e = buf_append_span(&c->gw->plain, buf_span(&x->held));
	return e == ERR_OK ? put_content(c) : e;
}
