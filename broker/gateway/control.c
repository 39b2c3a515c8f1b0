#include "broker/gateway/control.h"

#include <stdlib.h>
#include <string.h>

#include "broker/gateway/body.h"
#include "broker/gateway/conn.h"
#include "broker/gateway/keeperlink.h"
#include "common/log.h"
#include "common/sys.h"
#include "common/text.h"

#define ENROLL_KEY_LEN 32
#define EDGE_QUEUE_MAX 65536

/* Any reply that is taken can also be passed on, with a head of our own. */
_Static_assert(CONTROL_REPLY_MAX + HTTP1_HEAD_MAX <= STREAM_OUT_MAX, "a reply fits a stream");

struct control_exchange {
	struct ask ask;
	struct body up, down;
	struct buf body;  /* of the request, whole */
	struct buf reply; /* the edge's, as it came */
	struct stream edge;
	bool answered;
};

static const struct refusal away = { .status = 503,
	.code = "control_away",
	.hint = "the broker's control plane is not there right now; try again in a moment" };
static const struct refusal late = { .status = 504,
	.code = "control_timeout",
	.hint = "the broker's control plane did not answer in time; try again in a moment" };
static const struct refusal bad_reply = { .status = 502,
	.code = "control_failed",
	.hint = "the broker's control plane failed; ask the operator to look at its log" };
static const struct refusal too_large = { .status = 413,
	.code = "body_too_large",
	.deny = true,
	.hint = "the body of a control request is larger than 64 KiB" };
static const struct refusal slow_body = {
	.status = 408, .code = "body_timeout", .hint = "the body of the request came too slowly"
};
static const struct refusal bad_body = { .status = 400,
	.code = "bad_framing",
	.deny = true,
	.hint = "the body of the request is not well-formed" };

static void
release(struct conn *c)
{
	struct control_exchange *x = c->control;

	ask_drop(&c->gw->asks, &x->ask);
	stream_close(&x->edge, true);
	buf_wipe(&x->body);
	buf_wipe(&x->reply);
	free(x); /* its stream is unwatched: nothing calls back */
	c->control = NULL;
	c->ops = NULL; /* what follows may close the connection */
}

static void
refuse(struct conn *c, const struct refusal *r)
{
	release(c);
	conn_answer(c, r);
}

static void
on_close(struct conn *c, const char *outcome)
{
	(void)outcome;
	release(c);
}

/* ---- the edge's answer ---- */

/* The edge's head is our own code's: its status, type and body are taken, and written anew. */
static enum err
put_answer(struct conn *c, const struct http1_head *h, struct span content)
{
	const struct http1_header *type = http1_find(h, "Content-Type", 0);
	struct buf *out = &c->gw->stage;
	enum err e = buf_printf(out, "HTTP/1.1 %u ", h->status);

	if (e == ERR_OK)
		e = buf_append_span(out, h->reason);
	if (e == ERR_OK)
		e = buf_append_str(out, "\r\nCache-Control: no-store\r\n");
	if (e == ERR_OK && type != NULL)
		e = buf_printf(out, "Content-Type: %.*s\r\n", (int)type->value.len,
		    (const char *)type->value.p);
	if (e == ERR_OK && h->status != 204)
		e = buf_printf(out, "Content-Length: %zu\r\n", content.len);
	if (e == ERR_OK && !c->keep)
		e = buf_append_str(out, "Connection: close\r\n");
	if (e == ERR_OK)
		e = buf_append_str(out, "\r\n");
	return e == ERR_OK ? buf_append_span(out, content) : e;
}

static void
answer(struct conn *c, const struct http1_head *h, struct span content)
{
	enum err e = put_answer(c, h, content);

	if (e == ERR_OK)
		e = stream_write(&c->stream, buf_span(&c->gw->stage));
	buf_clear(&c->gw->stage);
	release(c);
	buf_clear(&c->in); /* head and body: all of it was this request (take_body() saw to that) */
	if (e != ERR_OK)
		conn_close(c, false, NULL);
	else
		conn_end_request(c, c->keep);
}

/* Decodes what came behind the head into plain. *ret_done: it is all there. */
static enum err
decode_reply(struct conn *c, const struct http1_head *h, bool eof, bool *ret_done)
{
	struct span in = buf_span(&c->control->reply), data;
	struct body b = body_start(h);
	size_t used = 1;
	enum err e = ERR_OK;

	in = span_of(in.p + h->head_len, in.len - h->head_len);
	while (e == ERR_OK && !b.done && used > 0) {
		e = body_take(&b, in, &used, &data);
		if (e == ERR_OK)
			e = buf_append_span(&c->gw->plain, data);
		in = span_of(in.p + used, in.len - used);
	}
	if (e == ERR_OK && eof)
		e = body_end_of_input(&b);
	*ret_done = b.done;
	return e;
}

/* Looks whether the reply is whole. It is small: looking again from its start costs little. */
static enum err
judge_reply(struct conn *c, bool eof)
{
	const char *reason;
	struct http1_head h;
	bool whole = false;
	enum err e =
	    http1_parse_response(buf_span(&c->control->reply), c->head.method, &h, &reason);

	if (e == ERR_OK)
		e = decode_reply(c, &h, eof, &whole);
	if (e == ERR_OK && whole)
		answer(c, &h, buf_span(&c->gw->plain));
	buf_clear(&c->gw->plain);
	return e == ERR_OK && !whole ? ERR_AGAIN : e;
}

static enum err
read_edge(struct conn *c)
{
	struct control_exchange *x = c->control;
	size_t len;
	enum err e = stream_flush(&x->edge);

	if (e != ERR_OK)
		return e;
	e = stream_read(&x->edge, c->gw->block, IO_BLOCK, &len);
	if (e == ERR_EOF)
		return judge_reply(c, true) == ERR_OK ? ERR_OK : ERR_EOF;
	if (e == ERR_OK)
		e = buf_append(&x->reply, c->gw->block, len);
	return e == ERR_OK ? judge_reply(c, false) : e;
}

static void
on_edge_event(struct watch *w, uint32_t events)
{
	struct conn *c = w->arg;
	enum err e;

	stream_note(&c->control->edge, events);
	do /* a stream that hung up tells no more by events */
		e = read_edge(c);
	while (e == ERR_AGAIN && c->control->edge.hup);
	if (e == ERR_AGAIN)
		stream_wait(&c->control->edge, true);
	else if (e != ERR_OK)
		refuse(c, &bad_reply);
}

/* ---- the ticket ---- */

static enum err
put_request(struct conn *c, const uint8_t ticket[TICKET_LEN])
{
	struct buf *out = &c->gw->stage;
	char hex[2 * TICKET_LEN + 1];
	enum err e = buf_append_span(out, c->head.method);

	text_hex(ticket, TICKET_LEN, hex);
	if (e == ERR_OK)
		e = buf_append_byte(out, ' ');
	if (e == ERR_OK)
		e = buf_append_span(out, c->route.path);
	if (e == ERR_OK)
		e = buf_printf(out,
		    " HTTP/1.1\r\nHost: sidekey\r\nConnection: close\r\n"
		    "Content-Type: application/json\r\nContent-Length: %zu\r\n"
		    "Sidekey-Ticket: %s\r\n\r\n",
		    c->control->body.len, hex);
	return e == ERR_OK ? buf_append_span(out, buf_span(&c->control->body)) : e;
}

/* One end goes to the edge, the other one is ours. */
static enum err
open_edge(struct conn *c)
{
	AUTO(sys_closep) int theirs = -1;
	struct wire_writer w;
	int fds[2];
	enum err e;

	if (c->gw->edge == NULL)
		return ERR_UNREACHABLE;
	if (sys_socketpair(SOCK_STREAM | SOCK_NONBLOCK, fds) != 0)
		return ERR_SYS;
	theirs = fds[1];
	e = stream_init(&c->control->edge, c->gw->loop, fds[0], NULL, on_edge_event, c);
	if (e != ERR_OK)
		return e;
	w = channel_begin(c->gw->edge, GE_CONN);
	return channel_end_fd(c->gw->edge, &w, theirs);
}

static void
on_ticket(const uint8_t ticket[TICKET_LEN], void *arg)
{
	struct conn *c = arg;
	enum err e = open_edge(c);

	if (e == ERR_OK)
		e = put_request(c, ticket);
	if (e == ERR_OK)
		e = stream_write(&c->control->edge, buf_span(&c->gw->stage));
	buf_clear(&c->gw->stage);
	if (e != ERR_OK) {
		log_warn("no control exchange: %s", err_name(e));
		refuse(c, &away);
		return;
	}
	stream_wait(&c->control->edge, true);
}

static void
on_deny(const struct deny *d, void *arg)
{
	struct refusal r = refuse_denied(d);

	refuse(arg, &r);
}

static void
on_fail(enum err e, void *arg)
{
	static const struct refusal keeper_away = { .status = 503,
		.code = "keeper_away",
		.hint = "the broker's keeper is not there right now; try again in a moment" };

	refuse(arg, e == ERR_TIMEOUT ? &late : &keeper_away);
}

static void
on_stale(void *arg)
{
	refuse(arg, &away); /* no configuration plays a part in control */
}

static const struct ask_ops ask_ops = {
	.on_ticket = on_ticket, .on_deny = on_deny, .on_stale = on_stale, .on_fail = on_fail
};

/* The only place where a credential of the control plane is read: it goes to the keeper, and not on
 * to the edge. Whatever is not exactly one key is none. */
static struct span
enroll_key(const struct conn *c, uint8_t store[ENROLL_KEY_LEN])
{
	static const char scheme[] = "Bearer ";
	const struct http1_header *f = http1_find(&c->head, "Authorization", 0);
	size_t len = sizeof scheme - 1;

	if (f == NULL || http1_find(&c->head, "Authorization", 1) != NULL || f->value.len <= len ||
	    !span_eq_nocase(span_of(f->value.p, len), scheme))
		return SPAN_NONE;
	if (text_unbase64(span_of(f->value.p + len, f->value.len - len), TEXT_BASE64URL, store,
		ENROLL_KEY_LEN, &len) != ERR_OK ||
	    len != ENROLL_KEY_LEN)
		return SPAN_NONE;
	return span_of(store, len);
}

static void
ask(struct conn *c)
{
	uint8_t key[ENROLL_KEY_LEN];
	struct control m = { .has_serial = c->peer.present,
		.method = c->head.method,
		.path = c->route.path,
		.enroll_key = enroll_key(c, key) };
	enum err e;

	memcpy(m.serial, c->peer.id.serial, SERIAL_LEN);
	e = keeperlink_control(c->gw, &c->control->ask, &m);
	secret_wipe(key, sizeof key);
	if (e != ERR_OK)
		on_fail(e, c);
}

/* ---- the request's body ---- */

/* Takes from in. false: refused, and c is done with. */
static bool
take_body(struct conn *c, struct span in)
{
	struct control_exchange *x = c->control;
	const struct refusal *r;
	size_t used = 1;
	struct span data;
	enum err e = ERR_OK;

	while (e == ERR_OK && !x->up.done && used > 0) {
		e = body_take(&x->up, in, &used, &data);
		if (e == ERR_OK)
			e = buf_append_span(&x->body, data);
		in = span_of(in.p + used, in.len - used);
	}
	if (x->up.done && in.len > 0)
		c->keep =
		    false; /* a request behind it would move the head's bytes: not worth it here */
	if (e == ERR_OK)
		return true;
	r = e == ERR_SYNTAX ? &bad_body : &too_large;
	conn_report(c, r->code, span_str("body"));
	refuse(c, r);
	return false;
}

static void
read_body(struct conn *c)
{
	size_t len;
	bool good;
	enum err e = stream_read(&c->stream, c->gw->block, IO_BLOCK, &len);

	if (e != ERR_OK && e != ERR_AGAIN) {
		conn_close(c, false, NULL);
		return;
	}
	if (e == ERR_OK) {
		good = take_body(c, span_of(c->gw->block, len));
		secret_wipe(c->gw->block, len);
		if (!good)
			return;
	}
	conn_wait(c, !c->control->up.done);
	if (c->control->up.done)
		ask(c);
}

static void
on_event(struct conn *c)
{
	if (stream_flush(&c->stream) != ERR_OK)
		conn_close(c, false, NULL);
	else if (!c->control->up.done)
		read_body(c);
	else
		conn_wait(c, false);
}

static void
on_deadline(struct conn *c, enum deadline kind)
{
	if (kind == DEADLINE_BODY)
		refuse(c, c->control->up.done ? &late : &slow_body);
}

static const struct conn_ops ops = { on_event, on_deadline, on_close };

/* What is left of in behind the head belongs to this request: a body, or the reason to close. */
static bool
take_first(struct conn *c)
{
	struct span behind = span_of(c->in.data + c->head.head_len, c->in.len - c->head.head_len);

	return take_body(c, behind);
}

void
control_start(struct conn *c)
{
	struct control_exchange *x = calloc(1, sizeof *x);

	if (x == NULL) {
		conn_answer(c, &away);
		return;
	}
	x->ask = (struct ask){ .ops = &ask_ops, .arg = c };
	x->body = (struct buf)BUF_MAX(CONTROL_BODY_MAX);
	x->reply = (struct buf)BUF_MAX(CONTROL_REPLY_MAX);
	x->up = body_start(&c->head);
	c->control = x;
	c->ops = &ops;
	deadline_set(&c->deadlines, DEADLINE_BODY, CONTROL_MS);
	if (!take_first(c))
		return;
	if (c->head.expect_continue && !x->up.done &&
	    stream_write(&c->stream, span_str("HTTP/1.1 100 Continue\r\n\r\n")) != ERR_OK) {
		conn_close(c, false, NULL);
		return;
	}
	conn_wait(c, !x->up.done);
	if (x->up.done)
		ask(c);
}

bool
control_is_giving_back(const struct conn *c)
{
	return c->control != NULL && span_eq_str(c->head.method, "DELETE");
}

/* ---- the link ---- */

static void
on_msg(struct channel *ch, struct msg *m, void *arg)
{
	(void)ch;
	(void)arg;
	log_fatal("the edge sent a message (%d), which it never may", (int)m->type);
}

static void
on_end(struct channel *ch, enum err e, void *arg)
{
	struct gateway *g = arg;

	log_warn("the edge is away: %s", err_name(e));
	channel_close(ch);
	g->edge = NULL;
}

void
control_attach(struct gateway *g, int fd)
{
	const struct channel_role role = { .me = ROLE_GATEWAY,
		.peer = ROLE_EDGE,
		.queue_max = EDGE_QUEUE_MAX,
		.on_msg = on_msg,
		.on_end = on_end,
		.arg = g };
	enum err e;

	channel_close(g->edge);
	g->edge = NULL;
	e = channel_new(g->loop, fd, &role, &g->edge);
	if (e != ERR_OK)
		log_fatal("the link to the edge: %s", err_name(e));
}
