#include "shim/control.h"

#include <stdio.h>
#include <string.h>

#include "shim/json.h"
#include "shim/limits.h"

static void
finish(struct shim_control *c, enum err e, const char *why)
{
	if (why != NULL)
		(void)snprintf(c->why, sizeof c->why, "%s: %s", c->all->gateway->text, why);
	loop_timer_stop(c->all->loop, &c->timer);
	shim_uplink_free(c->up);
	c->up = NULL;
	c->fn(c, e);
}

/* The broker's own words (RFC 9457), where it gave some. */
static void
read_problem(struct shim_control *c)
{
	AUTO(shim_json_freep) json_t *root = NULL;
	struct span detail = SPAN_NONE, code = SPAN_NONE;

	root = json_loadb((const char *)c->body.data, c->body.len, 0, NULL);
	if (json_is_object(root)) {
		detail = shim_json_string(root, "detail");
		code = shim_json_string(root, "code");
	}
	(void)span_copy_str(code, c->code, sizeof c->code);
	(void)snprintf(c->why, sizeof c->why, "the broker answered %u%s%s%s%.*s", c->status,
	    c->code[0] != '\0' ? " " : "", c->code, detail.len > 0 ? ": " : "",
	    (int)(detail.len < 160 ? detail.len : 160),
	    detail.len > 0 ? (const char *)detail.p : "");
}

static void
answered(struct shim_control *c)
{
	enum err e = ERR_DENIED;

	if (c->status >= 200 && c->status < 300) {
		finish(c, ERR_OK, NULL);
		return;
	}
	read_problem(c);
	if (c->status == 503 && strcmp(c->code, "sealed") == 0)
		e = ERR_SEALED;
	else if (c->status >= 500 || c->status == 429 || c->status == 408)
		e = ERR_UNREACHABLE;
	finish(c, e, NULL);
}

/* ERR_OK when the head of the final response was taken out of c->in. */
static enum err
take_head(struct shim_control *c)
{
	for (;;) {
		struct http1_head head;
		const char *reason;
		enum err e = http1_parse_response(
		    buf_span(&c->in), span_str(c->request.method), &head, &reason);

		if (e != ERR_OK)
			return e;
		c->status = head.status;
		c->framing = head.framing;
		c->left = head.content_length;
		buf_consume(&c->in, head.head_len); /* head points into it: not used any more */
		if (c->status >= 200) {
			c->has_head = true;
			return ERR_OK;
		}
	}
}

static enum err
take_length(struct shim_control *c)
{
	size_t len = c->in.len < c->left ? c->in.len : (size_t)c->left;
	enum err e = buf_append(&c->body, c->in.data, len);

	if (e != ERR_OK)
		return e;
	buf_consume(&c->in, len);
	c->left -= len;
	return c->left == 0 ? ERR_OK : ERR_AGAIN;
}

static enum err
take_chunks(struct shim_control *c)
{
	while (!c->chunked.done) {
		struct span body = SPAN_NONE;
		size_t used = 0;
		enum err e = chunked_decode(&c->chunked, buf_span(&c->in), &used, &body);

		if (e == ERR_OK)
			e = buf_append_span(&c->body, body);
		if (e != ERR_OK)
			return e;
		if (used == 0 && !c->chunked.done)
			return ERR_AGAIN;
		buf_consume(&c->in, used);
	}
	return ERR_OK;
}

/* ERR_OK: whole. ERR_AGAIN: more must come. */
static enum err
take_reply(struct shim_control *c, bool ended)
{
	enum err e = c->has_head ? ERR_OK : take_head(c);

	if (e != ERR_OK)
		return e;
	switch (c->framing) {
	case HTTP1_NO_BODY:
		return ERR_OK;
	case HTTP1_LENGTH:
		return take_length(c);
	case HTTP1_CHUNKED:
		return take_chunks(c);
	default:
		e = buf_append_span(&c->body, buf_span(&c->in));
		buf_clear(&c->in);
		return e != ERR_OK || ended ? e : ERR_AGAIN;
	}
}

static void
reading(struct shim_control *c)
{
	for (;;) {
		size_t len = 0;
		enum err e = buf_reserve(&c->in, SHIM_RECORD_LEN);

		if (e == ERR_OK)
			e = shim_tls_read(c->up->tls, buf_tail(&c->in), SHIM_RECORD_LEN, &len);
		if (e == ERR_AGAIN)
			return;
		buf_added(&c->in, len);
		if (e != ERR_OK && e != ERR_EOF) {
			finish(c, e == ERR_DENIED ? ERR_DENIED : ERR_UNREACHABLE,
			    shim_tls_why(c->up->tls));
			return;
		}
		switch (take_reply(c, e == ERR_EOF)) {
		case ERR_OK:
			answered(c);
			return;
		case ERR_AGAIN:
			if (e != ERR_EOF)
				break;
			finish(c, ERR_UNREACHABLE, "the answer broke off");
			return;
		default:
			finish(c, ERR_PROTO, "the answer is no answer of a gateway");
			return;
		}
	}
}

static void
writing(struct shim_control *c)
{
	void (*on_sent)(struct shim_control * c);

	while (c->out.len > 0) {
		size_t len = 0;
		enum err e = shim_tls_write(c->up->tls, c->out.data, c->out.len, &len);

		if (e == ERR_AGAIN)
			return;
		if (e !=
		    ERR_OK) { /* the answer may be there already, and says more than the error */
			buf_clear(&c->out);
			return;
		}
		buf_consume(&c->out, len);
	}
	if (c->request.on_sent != NULL) {
		on_sent = c->request.on_sent;
		c->request.on_sent = NULL;
		on_sent(c);
	}
}

static void
on_event(struct watch *w, uint32_t events)
{
	struct shim_control *c = w->arg;
	struct shim_uplink *up = c->up;

	(void)events;
	writing(c);
	reading(c);
	if (c->up != up) /* it is over, and c may be another request's by now */
		return;
	if (loop_want(c->all->loop, w, c->out.len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN) != ERR_OK)
		finish(c, ERR_UNREACHABLE, "no memory");
}

static enum err
write_request(struct buf *out, const struct shim_request *r)
{
	enum err e = buf_printf(
	    out, "%s %s HTTP/1.1\r\nHost: sidekey\r\nConnection: close\r\n", r->method, r->path);

	if (e == ERR_OK && r->bearer != NULL) {
		e = buf_append_str(out, "Authorization: Bearer ");
		if (e == ERR_OK)
			e = buf_append_span(out, secret_span(r->bearer));
		if (e == ERR_OK)
			e = buf_append_str(out, "\r\n");
	}
	if (e == ERR_OK && r->body.len > 0)
		e = buf_printf(
		    out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", r->body.len);
	if (e == ERR_OK)
		e = buf_append_str(out, "\r\n");
	return e == ERR_OK ? buf_append_span(out, r->body) : e;
}

static void
on_greeted(struct shim_uplink *u)
{
	struct shim_control *c = u->arg;
	enum err e = c->request.on_greeted(c, &c->request.body);

	if (e == ERR_OK)
		e = write_request(&c->out, &c->request);
	if (e != ERR_OK)
		finish(c, e, "the request could not be made");
}

static void
on_ready(struct shim_uplink *u, enum err e)
{
	struct shim_control *c = u->arg;

	if (e != ERR_OK) {
		finish(c, e == ERR_NOMEM || e == ERR_SYS ? ERR_UNREACHABLE : e, u->why);
		return;
	}
	if (u->greeted != NULL) { /* it was done before we had to wait for it */
		u->greeted = NULL;
		on_greeted(u);
		if (c->up != u)
			return;
	}
	u->watch.fn = on_event;
	u->watch.arg = c;
	on_event(&u->watch, 0);
}

static void
on_timer(struct timer *t)
{
	finish(t->arg, ERR_UNREACHABLE, "no answer in time");
}

enum err
shim_control_start(struct shim_control *c, struct shim_uplinks *all, const struct shim_request *r,
    void (*fn)(struct shim_control *c, enum err e), void *arg)
{
	enum err e = ERR_OK;

	must(c->up == NULL && c->timer.slot == 0);
	*c = (struct shim_control){
		.all = all,
		.out = BUF_MAX(SHIM_ENROLL_FILE_MAX),
		.in = BUF_MAX(HTTP1_HEAD_MAX + 4 * SHIM_RECORD_LEN),
		.body = BUF_MAX(SHIM_CONTROL_REPLY_MAX),
		.request = *r,
		.fn = fn,
		.arg = arg,
		.timer = { .fn = on_timer, .arg = c },
	};
	if (r->on_greeted == NULL)
		e = write_request(&c->out, r);
	if (e == ERR_OK)
		e = loop_timer(all->loop, &c->timer, loop_now_ms(all->loop) + r->time_ms);
	if (e == ERR_OK)
		e = shim_uplink_new(all, SHIM_ALPN_CONTROL, on_ready, c, &c->up);
	if (e == ERR_OK && r->on_greeted != NULL)
		c->up->greeted = on_greeted;
	if (e != ERR_OK)
		shim_control_close(c);
	return e;
}

void
shim_control_close(struct shim_control *c)
{
	if (c->all != NULL) {
		loop_timer_stop(c->all->loop, &c->timer);
		shim_uplink_free(c->up);
	}
	buf_wipe(&c->out);
	buf_wipe(&c->in);
	buf_wipe(&c->body);
	*c = (struct shim_control){ 0 };
}
